"""What the site tells to whoever listens."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from .session import Session
from .token import Authorization


@dataclass(frozen=True, slots=True, kw_only=True)
class Tap:
    """A token was shown at a station; `last4` are its visible characters."""

    station_id: str
    at: datetime
    last4: str
    authorization: Authorization


class SessionPhase(StrEnum):
    """The moments of a session that others act on."""

    STARTED = "started"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEvent:
    """A session started to charge, or was closed."""

    phase: SessionPhase
    session: Session
