"""Shows people at the outlet what they pay, where the station has a display for it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
import logging

from ..core.model.ids import EvseId
from ..stations.base import CanShowCost, CanShowPrice, Station, StationError, supports
from .board import Board
from .settings import SiteSettings

_LOGGER = logging.getLogger(__name__)

LOOK_EVERY = timedelta(seconds=30)
COST_EVERY = timedelta(seconds=60)
PRICE_EVERY = timedelta(hours=1)
"""A station keeps its price for good, in memory that wears."""


class Displays:
    """Tells stations the running cost of a charge, and the price of energy.

    A price that is not known is not shown; the last one stays until there is another.
    """

    def __init__(
        self,
        board: Board,
        stations: Mapping[str, Station],
        settings: Callable[[], SiteSettings],
        price: Callable[[], Decimal | None],
    ) -> None:
        """Show what the board says at these stations; nothing happens before `look`."""
        self._board = board
        self._stations = stations
        self._settings = settings
        self._price = price
        self._next_look: datetime | None = None
        self._costs: dict[EvseId, tuple[int, Decimal, datetime]] = {}
        self._prices: dict[str, tuple[Decimal, datetime]] = {}
        self._busy: dict[str, asyncio.Task[None]] = {}

    def look(self, now: datetime) -> None:
        """Look whether somebody has to be shown something."""
        if self._next_look is not None and now < self._next_look:
            return
        self._next_look = now + LOOK_EVERY
        for station_id, station in self._stations.items():
            if station.online and station_id not in self._busy:
                self._serve(station, now)

    async def close(self) -> None:
        """Show nothing any more."""
        tasks = tuple(self._busy.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _serve(self, station: Station, now: datetime) -> None:
        work: list[Callable[[], Awaitable[None]]] = []
        if supports(station, CanShowPrice) and (price := self._new_price(station, now)) is not None:
            work.append(partial(station.show_price, price, self._settings().currency))
        if supports(station, CanShowCost):
            costs = self._new_costs(station, now)
            work += [partial(station.show_cost, running, cost) for running, cost in costs]
        if not work:
            return

        async def show() -> None:
            for one in work:
                try:
                    await one()
                except StationError as error:
                    _LOGGER.debug("Not shown: %s", error)

        station_id = station.info.id
        task = self._busy[station_id] = asyncio.create_task(show(), name=f"display {station_id}")
        task.add_done_callback(lambda _: self._busy.pop(station_id, None))

    def _new_price(self, station: Station, now: datetime) -> Decimal | None:
        price, shown = self._price(), self._prices.get(station.info.id)
        if price is None or (shown and (shown[0] == price or now - shown[1] < PRICE_EVERY)):
            return None
        self._prices[station.info.id] = price, now
        return price

    def _new_costs(self, station: Station, now: datetime) -> list[tuple[int, Decimal]]:
        found = []
        for state in self._board.of(station.info.id):
            session = state.session
            if session is None or session.transaction_id is None or session.cost is None:
                continue
            running, cost = session.transaction_id, session.cost
            shown = self._costs.get(state.evse)
            if shown and shown[0] == running and (shown[1] == cost or now - shown[2] < COST_EVERY):
                continue
            self._costs[state.evse] = running, cost, now
            found.append((running, cost))
        return found
