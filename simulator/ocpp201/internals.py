"""What the parts of a station share, and what they remember of somebody who charges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from .. import books
from ..books import Books
from ..clock import Clock, StationClock
from ..frames import Payload
from ..ocpp16.outbox import Outbox
from .config import Config201
from .profiles import Installed, Profiles
from .tokens import LocalAuth, Token
from .variables import Variables


@dataclass(slots=True)
class Internals:
    """What the parts of a station share."""

    config: Config201
    clock: Clock
    time: StationClock
    books: Books
    variables: Variables
    outbox: Outbox
    profiles: Profiles
    local_auth: LocalAuth
    advance: Callable[[], None]
    """Brings the plant up to now."""
    changed: Callable[[], None]
    """Applies limits and reports statuses after something has happened."""
    ready: Callable[[], bool]
    """Whether the server has accepted the station and is there."""
    accepted: Callable[[], bool]
    """Whether the server has accepted the station since it has power."""
    notify: Callable[[str, Payload], None]
    """Sends a message that belongs to no transaction, if the server is there to hear it."""
    resetting: bool = False
    """A reset waits for the last transaction: nobody may begin."""
    lose_readings: int = 0
    """So many messages with meter values to come get lost."""


@dataclass(slots=True)
class Rhythm:
    """Something that is due again and again, wall seconds."""

    last: float

    def due(self, now: float, interval_s: float) -> bool:
        """Whether it is time; 0 is never. Keeps step, but makes up for nothing."""
        if interval_s == 0 or now < self.last + interval_s:
            return False
        self.last = now if now >= self.last + 2 * interval_s else self.last + interval_s
        return True


@dataclass(slots=True)
class Permit:
    """Somebody may charge: now, or as soon as there is a car."""

    token: Token
    group: Token | None = None
    trigger: str = "Authorized"
    """The triggerReason that tells of it."""
    remote_start_id: int | None = None
    reservation_id: int | None = None
    """The reservation that it has used."""
    profile: Installed | None = None
    until: float | None = None
    """When it is over without a car (EVConnectionTimeOut)."""


@dataclass(slots=True)
class Transaction:
    """A running transaction."""

    record: books.Transaction
    transaction_id: str
    started: datetime
    meter_start_wh: int
    updates: Rhythm
    """When to sample for what is told in between."""
    end_samples: Rhythm
    """When to sample for what is told at the end."""
    sequence: int = 0
    """The seqNo of the next event."""
    token: Token | None = None
    """Who the server has last been told."""
    group: Token | None = None
    charging_state: str | None = None
    """What the server has last been told."""
    place: Payload | None = None
    """The EVSE and connector that the server has been told."""
    reached: set[str] = field(default_factory=set)
    """The stop points that have been true."""
    stopped_by: str | None = None
    """The stoppedReason that is to come, after somebody has ended the authorisation."""
    remote_start_id: int | None = None
    """To be told once."""
    reservation_id: int | None = None
    """To be told once."""
    refused: bool = False
    """The server does not know the token, but the transaction goes on without energy."""
    charged_s: float = 0.0
    """How long energy has flowed, plant seconds."""
    data: list[dict[str, Any]] = field(default_factory=list)
    """Readings that are kept for the end."""
    total_cost: float | None = None
    """What the server said that it has cost so far."""
