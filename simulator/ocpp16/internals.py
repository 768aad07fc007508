"""What the parts of a station share, and what they remember of somebody who charges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .. import books
from ..books import Books
from ..clock import Clock, StationClock
from .authorisation import LocalAuth
from .config import StationConfig
from .outbox import Outbox
from .profile import Profile
from .profiles import Profiles
from .reservations import Reservations
from .settings import Settings


@dataclass(slots=True)
class Internals:
    """What the parts of a station share."""

    config: StationConfig
    clock: Clock
    time: StationClock
    books: Books
    settings: Settings
    outbox: Outbox
    profiles: Profiles
    local_auth: LocalAuth
    reservations: Reservations
    advance: Callable[[], None]
    """Brings the plant up to now."""
    changed: Callable[[], None]
    """Applies limits and reports statuses after something has happened."""
    warn: Callable[[str], None]
    """Tells the server of an error of the station that does not stop it."""
    firmware: str
    """The version that the next BootNotification names."""
    installing: bool = False
    """Firmware is being installed: nobody may begin."""
    lose_readings: int = 0
    """So many MeterValues to come get lost."""

    def profile(self, connector: int, payload: dict[str, Any]) -> Profile:
        """Read a csChargingProfiles that has come now; ProfileError if it makes no sense."""
        return Profile.parse(connector, payload, self.time.now(), self.config.relative_from)


@dataclass(slots=True)
class Transaction:
    """A running transaction."""

    record: books.Transaction
    id_tag: str
    parent_id_tag: str | None
    started: datetime
    meter_start_wh: int
    next_sample: float
    suspended: bool = False
    """The server does not know the tag, but the transaction goes on without energy."""
    data: list[dict[str, Any]] = field(default_factory=list)

    @property
    def transaction_id(self) -> int | None:
        """The server's id; None until it has answered."""
        known = self.record.transaction_id
        return known if isinstance(known, int) else None


@dataclass(slots=True)
class Grant:
    """Somebody may charge as soon as there is a car."""

    id_tag: str
    parent_id_tag: str | None
    profile: Profile | None
    until: float
