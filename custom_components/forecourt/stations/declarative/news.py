"""What a box shows that its profile does not explain, told once."""

from datetime import datetime
import logging

from ...core.model.events import StationEvent, StationEventKind
from ...core.model.ids import EvseId
from ..base import SiteEvents
from .link import Sample
from .profile import Role, Scalar

_LOGGER = logging.getLogger(__name__)


class News:
    """Tells the site, and the log. `rival_at` is when another controller was noticed last."""

    def __init__(self, station_id: str, events: SiteEvents) -> None:
        """Know of nothing yet."""
        self.rival_at: datetime | None = None
        self._station_id = station_id
        self._events = events
        self._noted: set[tuple[Role, Scalar]] = set()

    def unknown(self, sample: Sample, now: datetime) -> None:
        """Tell of values that the profile does not map."""
        for role, raw in sample.unknown.items():
            if role is Role.TOKEN or (role, raw) in self._noted:
                continue
            self._noted.add((role, raw))
            _LOGGER.warning("%s tells an unknown %s: %r", self._station_id, role, raw)
            self._tell(StationEventKind.MONITORING, "unknown value", f"{role} {raw}", now)

    def rival(self, evse: EvseId, now: datetime) -> None:
        """Tell of another controller."""
        self.rival_at = now
        _LOGGER.warning("%s is told what to do by another controller, too", evse)
        self._tell(StationEventKind.EXTERNAL_LIMIT, "another controller", str(evse), now)

    def _tell(self, kind: StationEventKind, what: str, detail: str, at: datetime) -> None:
        self._events.happened(
            StationEvent(station_id=self._station_id, kind=kind, at=at, what=what, detail=detail)
        )
