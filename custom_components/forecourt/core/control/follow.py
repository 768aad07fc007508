"""Tells by the meter whether an EVSE does what it was ordered.

A station may accept every limit and ignore it. What it says of itself (a composite
schedule) proves nothing; what its meter shows does.
"""

from datetime import datetime

from ..model.evse import EvseState


def follows(state: EvseState, now: datetime) -> bool | None:
    """Return whether an EVSE follows its order, `None` while that is not proven.

    It does not where it draws more than it was ordered a while ago. It does where it was
    ordered to draw less than it drew, and does.
    """
    order = state.setpoint
    if order is None or now >= order.valid_until:
        return None
    over_a = order.over_a(state.reading)
    if over_a is None:
        return None
    if over_a:
        return False
    return True if order.before_a > order.most_a else None
