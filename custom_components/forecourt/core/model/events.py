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


class StationEventKind(StrEnum):
    """What a station tells about itself beyond the state of its outlets."""

    SECURITY = "security"
    FIRMWARE = "firmware"
    DIAGNOSTICS = "diagnostics"
    MONITORING = "monitoring"
    EXTERNAL_LIMIT = "external_limit"
    CERTIFICATE = "certificate"
    DISPLAY = "display"


@dataclass(frozen=True, slots=True, kw_only=True)
class StationEvent:
    """A station told something; `what` is its own word for it, `detail` never holds a secret."""

    station_id: str
    kind: StationEventKind
    at: datetime
    what: str
    detail: str = ""


class SessionPhase(StrEnum):
    """The moments of a session that others act on."""

    STARTED = "started"
    ENDED = "ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionEvent:
    """A session started to charge, or was closed."""

    phase: SessionPhase
    session: Session
