"""Asks a station which limit is in force, after it was told one (GetCompositeSchedule).

What it says proves nothing about what flows (`core.control.follow` looks at the meter), but
a schedule that is higher than what was ordered tells at once that profiles are not obeyed.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from enum import StrEnum

from ..base import Failure, StationError
from .learned import Learned
from .limits import Limit

EVERY = timedelta(minutes=10)
MAX_SILENCES = 2

TOLERANCE = 1.02
"""Stations compute in watts with other voltages, or round."""

type AskAmount = Callable[[Limit], Awaitable[float | None]]
"""Returns what is in force in the unit of the limit, `None` where the station cannot say."""


class InForce(StrEnum):
    """What a station says is in force, against what it was ordered."""

    AS_ORDERED = "as_ordered"
    HIGHER = "higher"
    UNKNOWN = "unknown"


class Composite:
    """Reads limits back: once per transaction, and then seldom. `found` has the last of each."""

    def __init__(self, now: Callable[[], datetime], learned: Learned) -> None:
        self.found: dict[int, InForce] = {}
        self._now = now
        self._learned = learned
        self._asked: dict[int, tuple[int | None, datetime]] = {}
        self._silences = 0

    def doubt(self) -> None:
        """Take note that somebody else changed what is in force."""
        self.found.clear()
        self._asked.clear()

    def is_due(self, limit: Limit) -> bool:
        """Whether it is time to ask."""
        if self._learned.composite is False:
            return False
        transaction_id, at = self._asked.get(limit.evse, (None, None))
        is_recent = at is not None and self._now() - at < EVERY
        return transaction_id != limit.transaction_id or not is_recent

    async def check(self, limit: Limit, ask: AskAmount) -> InForce | None:
        """Ask, and return what was found, `None` where it does not answer."""
        if limit.evse in self._asked and self._asked[limit.evse][0] != limit.transaction_id:
            self.found.pop(limit.evse, None)
        self._asked[limit.evse] = limit.transaction_id, self._now()
        try:
            amount = await ask(limit)
        except StationError as err:
            self._silences += err.failure is Failure.TIMEOUT
            if err.failure is Failure.NOT_SUPPORTED or self._silences >= MAX_SILENCES:
                self._learned.composite = False
            return None
        self._learned.composite = True
        self._silences = 0
        found = self.found[limit.evse] = compared(limit, amount)
        return found


def compared(limit: Limit, amount: float | None) -> InForce:
    """Compare what a station says is in force with what it was ordered."""
    if amount is None:
        return InForce.UNKNOWN
    return InForce.HIGHER if amount > limit.amount * TOLERANCE else InForce.AS_ORDERED
