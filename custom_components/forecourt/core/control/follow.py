"""Tells by the meter whether an EVSE does what it was ordered.

A station may accept every limit and ignore it. What it says of itself (a composite
schedule) proves nothing; the current that its meter shows does.
"""

from datetime import datetime, timedelta

from ..model.evse import EvseState

SETTLE = timedelta(seconds=30)
"""How long an EVSE has to follow: IEC 61851-1 gives the car 5 s, slow stations take longer."""

TOLERANCE_A = 1.0
TOLERANCE = 0.1
"""A meter and a car may be off by an ampere, or by a tenth of what was ordered."""


def follows(state: EvseState, now: datetime) -> bool | None:
    """Return whether an EVSE follows its order, `None` while that is not proven.

    It does not where it draws more than it was ordered a while ago. It does where it was
    ordered to draw less than it drew, and does.
    """
    order, reading = state.setpoint, state.reading
    if order is None or order.since is None or reading is None or now >= order.valid_until:
        return None
    measured_a = reading.max_current_a
    if measured_a is None or reading.at < order.since + SETTLE:
        return None
    most_a = order.current_a + max(TOLERANCE_A, order.current_a * TOLERANCE)
    if measured_a > most_a:
        return False
    return True if order.before_a > most_a else None
