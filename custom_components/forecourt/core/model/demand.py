"""What somebody outside asked of the site: to draw less for a while."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteLimit:
    """A limit on what all stations together may draw, with the proof that it was kept.

    `source` says who asked (a grid operator, an automation). It holds from `start` until `end`,
    `None` for until it is taken back. `applied_at` is when the stations had been told,
    `released_at` when it held no more. `most_w` is the highest power that was measured meanwhile,
    from `applied_at` on and after the stations had time to follow; `None` while nothing was.
    """

    source: str
    limit_w: int
    received_at: datetime
    start: datetime
    end: datetime | None = None
    applied_at: datetime | None = None
    released_at: datetime | None = None
    most_w: int | None = None
    id: int | None = None

    def holds(self, now: datetime) -> bool:
        """Return whether it limits now."""
        if self.released_at is not None or now < self.start:
            return False
        return self.end is None or now < self.end
