"""Shows what changed at many stations without holding up everything else."""

import asyncio
from collections.abc import Callable, Iterable
import logging

from homeassistant.core import HomeAssistant, callback

_LOGGER = logging.getLogger(__name__)

SLICE_S = 0.005
"""How long showing may take before others have a turn: hundreds of stations may come at once."""

LATER_S = 0.5
"""How long what is no news waits, to be shown together with what else there is by then."""


class Pace:
    """Calls who has something to show: at once while there is time, then one after the other."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Begin with nobody."""
        self._loop = hass.loop
        # Sets that keep their order.
        self._waiting: dict[Callable[[], None], None] = {}
        self._later: dict[Callable[[], None], None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._spent_s = 0.0
        self._running = False

    @callback
    def show(self, show: Callable[[], None]) -> None:
        """Call it now, or as soon as it has its turn; who is waiting is called once."""
        self._later.pop(show, None)
        self._waiting[show] = None
        self._begin_turn()
        self._go()

    async def do(self, work: Iterable[Callable[[], None]]) -> None:
        """Call all of them, in as many turns of the event loop as it takes."""
        for one in work:
            while self._spent_s >= SLICE_S:  # noqa: ASYNC110 - it is over with this turn
                await asyncio.sleep(0)
            self._begin_turn()
            begin = self._loop.time()
            one()
            self._spent_s += self._loop.time() - begin

    @callback
    def show_later(self, show: Callable[[], None]) -> None:
        """Call it soon, together with others."""
        if self._timer is None:
            self._timer = self._loop.call_later(LATER_S, self._show_all)
        self._later[show] = None

    @callback
    def forget(self, show: Callable[[], None]) -> None:
        """Do not call it any more."""
        self._waiting.pop(show, None)
        self._later.pop(show, None)

    @callback
    def close(self) -> None:
        """Call nobody any more."""
        self._waiting.clear()
        self._later.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @callback
    def _show_all(self) -> None:
        self._timer = None
        later, self._later = self._later, {}
        for show in later:
            self.show(show)

    def _begin_turn(self) -> None:
        if not self._running:
            self._running = True
            self._loop.call_soon(self._next_turn)

    @callback
    def _next_turn(self) -> None:
        self._spent_s = 0.0
        self._running = bool(self._waiting)
        if self._running:
            self._loop.call_soon(self._next_turn)
            self._go()

    def _go(self) -> None:
        """Call those who wait, as long as there is time in this turn of the event loop."""
        while self._waiting and self._spent_s < SLICE_S:
            show = next(iter(self._waiting))
            del self._waiting[show]
            begin = self._loop.time()
            try:
                show()
            except Exception:
                # One that fails must not keep the others from being shown.
                _LOGGER.exception("What changed could not be shown")
            self._spent_s += self._loop.time() - begin
