"""What an EVSE may draw now, until when, and why."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from .ids import EvseId
from .reading import Reading

FOLLOWED_IN = timedelta(seconds=30)
"""How long an EVSE has to follow: IEC 61851-1 gives the car 5 s, slow stations take longer."""

TOLERANCE_A = 1.0
TOLERANCE = 0.1
"""A meter and a car may be off by an ampere, or by a tenth of what was ordered."""


class LimitReason(StrEnum):
    """Which rule fixed the current of a setpoint."""

    STATION_MAXIMUM = "station_maximum"
    USER_LIMIT = "user_limit"
    MAIN_FUSE = "main_fuse"
    NO_ROOM = "no_room"
    NOT_ALLOWED = "not_allowed"
    NOT_AUTHORIZED = "not_authorized"
    MODE_OFF = "mode_off"
    GOAL_REACHED = "goal_reached"
    BUDGET_SPENT = "budget_spent"
    WAITING_FOR_PRICE = "waiting_for_price"
    SITE_LIMIT = "site_limit"
    CIRCUIT = "circuit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setpoint:
    """An order to one EVSE.

    `current_a` is per phase; 0 pauses without ending the transaction. The
    station forgets the order at `valid_until` and falls back to its own safe
    current, so a site that hangs costs comfort and not a fuse. `since` is when
    this current was first ordered, and `before_a` what the EVSE might draw then:
    it still may until its meter has shown the drop. `transaction_id` is the charge
    that it is for. `phases` are 1 or 3, for stations that `CanSwitchPhases`; `None` leaves
    them as they are.
    """

    evse: EvseId
    current_a: int
    valid_until: datetime
    reason: LimitReason
    since: datetime | None = None
    before_a: int = 0
    transaction_id: int | None = None
    phases: int | None = None

    @property
    def most_a(self) -> float:
        """What a meter may show of an EVSE that follows."""
        return self.current_a + max(TOLERANCE_A, self.current_a * TOLERANCE)

    def over_a(self, reading: Reading | None) -> float | None:
        """Return by how much a reading shows more than was ordered, 0 if it does not.

        `None` where nothing was measured since the EVSE had time to follow.
        """
        if reading is None or self.since is None or reading.at < self.since + FOLLOWED_IN:
            return None
        measured_a = reading.least_current_a
        if measured_a is None:
            return None
        return measured_a - self.current_a if measured_a > self.most_a else 0.0
