"""Shows what changed at many stations without holding up everything else."""

from collections.abc import Callable
import logging

from homeassistant.core import HomeAssistant, callback

_LOGGER = logging.getLogger(__name__)

SLICE_S = 0.005
"""How long showing may take before others have a turn: hundreds of stations may come at once."""


class Pace:
    """Calls who has something to show: at once while there is time, then one after the other."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Begin with nobody."""
        self._loop = hass.loop
        # A set that keeps its order.
        self._waiting: dict[Callable[[], None], None] = {}
        self._spent_s = 0.0
        self._running = False

    @callback
    def show(self, show: Callable[[], None]) -> None:
        """Call it now, or as soon as it has its turn; who is waiting is called once."""
        self._waiting[show] = None
        if not self._running:
            self._running = True
            self._loop.call_soon(self._next_turn)
        if self._spent_s < SLICE_S:
            self._go()

    @callback
    def forget(self, show: Callable[[], None]) -> None:
        """Do not call it any more."""
        self._waiting.pop(show, None)

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
