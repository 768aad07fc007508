"""Keeps what the site was asked to draw at most, and proves that it did."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
import logging

from ..core.model.demand import SiteLimit
from ..core.model.setpoint import FOLLOWED_IN
from ..ledger import Ledger, LedgerError
from .board import Board
from .signal import Signal

_LOGGER = logging.getLogger(__name__)

KEPT = 1000
"""How many limits are loaded that were never released; no site has so many at a time."""


class Demand:
    """The limits that hold or will; one per source. `changed` tells when one came or went."""

    def __init__(self, board: Board, ledger: Ledger, wake: Callable[[], None]) -> None:
        """Start without limits; `wake` lets the control loop look at once."""
        self._board = board
        self._ledger = ledger
        self._wake = wake
        self._limits: dict[str, SiteLimit] = {}
        self.changed = Signal[None]()

    async def load(self) -> None:
        """Take up the limits that held when the site last stopped."""
        for limit in reversed(await self._ledger.site_limits(None, KEPT)):
            self._limits[limit.source] = limit

    @property
    def limits(self) -> tuple[SiteLimit, ...]:
        """Return the limits that hold or will hold."""
        return tuple(self._limits.values())

    def limit(self, now: datetime) -> SiteLimit | None:
        """Return the lowest limit that holds now, `None` without one."""
        holding = [limit for limit in self._limits.values() if limit.holds(now)]
        return min(holding, key=lambda limit: limit.limit_w, default=None)

    async def ask(self, limit: SiteLimit) -> None:
        """Take a limit in; it takes the place of the last one of its source.

        Raises `LedgerError` where the disk does not take it; it holds all the same.
        """
        before = self._limits.get(limit.source)
        self._limits[limit.source] = limit
        self._wake()
        self.changed.send(None)
        if before is not None:
            await self._save(replace(before, released_at=limit.received_at))
        number = await self._ledger.add_site_limit(limit)
        if self._limits.get(limit.source) == limit:
            self._limits[limit.source] = replace(limit, id=number)

    async def take_back(self, source: str, now: datetime) -> bool:
        """End the limit of a source; return whether there was one. Raises `LedgerError`."""
        limit = self._limits.pop(source, None)
        if limit is None:
            return False
        self._wake()
        self.changed.send(None)
        await self._save(replace(limit, released_at=now))
        return True

    async def look(self, now: datetime) -> None:
        """Note who holds by now, what is measured meanwhile, and what is over."""
        for limit in self.limits:
            new = self._seen(limit, now)
            if new == limit:
                continue
            if new.released_at is None:
                self._limits[limit.source] = new
            else:
                del self._limits[limit.source]
                self.changed.send(None)
            if new.applied_at != limit.applied_at or new.released_at is not None:
                try:
                    await self._save(new)
                except LedgerError:
                    _LOGGER.exception("The ledger does not take what became of a limit")

    def _seen(self, limit: SiteLimit, now: datetime) -> SiteLimit:
        if limit.end is not None and now >= limit.end:
            return replace(limit, released_at=limit.end)
        if not limit.holds(now):
            return limit
        if limit.applied_at is None:
            # The loop looks before it decides, so the stations are told in the turn after.
            return replace(limit, applied_at=now)
        if now < limit.applied_at + FOLLOWED_IN:
            return limit
        total_w = round(self._power_w())
        return limit if total_w <= (limit.most_w or -1) else replace(limit, most_w=total_w)

    def _power_w(self) -> float:
        powers = (it.reading.power_w for it in self._board.all() if it.reading is not None)
        return sum(power_w for power_w in powers if power_w is not None)

    async def _save(self, limit: SiteLimit) -> None:
        if limit.id is not None:
            await self._ledger.save_site_limit(limit)
