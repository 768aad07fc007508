"""What an EVSE may draw now, until when, and why."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from .ids import EvseId


class LimitReason(StrEnum):
    """Which rule fixed the current of a setpoint."""

    STATION_MAXIMUM = "station_maximum"
    USER_LIMIT = "user_limit"
    MAIN_FUSE = "main_fuse"
    NO_ROOM = "no_room"
    NOT_ALLOWED = "not_allowed"
    NOT_AUTHORIZED = "not_authorized"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setpoint:
    """An order to one EVSE.

    `current_a` is per phase; 0 pauses without ending the transaction. The
    station forgets the order at `valid_until` and falls back to its own safe
    current, so a site that hangs costs comfort and not a fuse. `since` is when
    this current was first ordered, and `before_a` what the EVSE might draw then:
    it still may until its meter has shown the drop.
    """

    evse: EvseId
    current_a: int
    valid_until: datetime
    reason: LimitReason
    since: datetime | None = None
    before_a: int = 0
