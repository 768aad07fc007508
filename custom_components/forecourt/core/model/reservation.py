"""An EVSE that is held for somebody."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from .ids import EvseId
from .token import Token


class ReservationStatus(StrEnum):
    """What became of a reservation."""

    ACTIVE = "active"
    USED = "used"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REMOVED = "removed"
    """The station gave it up: it broke, or was taken out of service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reservation:
    """An EVSE held for a token until a time; `id` is positive and unique at the site."""

    id: int
    evse: EvseId
    token: Token
    until: datetime
    user_id: str | None = None
    group: str | None = None
    status: ReservationStatus = ReservationStatus.ACTIVE
