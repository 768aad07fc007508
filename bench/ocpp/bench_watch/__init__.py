"""Tells how long Home Assistant's event loop was blocked, at next to no cost.

Each turn of the loop is timed from when it got its events to when it waits for the next ones:
that long nothing else had a chance. A timer that notes how late it is also sees what the loop
cannot: other threads that hold Python's lock.
"""

import asyncio
from collections.abc import Callable
import time
from typing import Any

from aiohttp import web
from homeassistant.core import HomeAssistant
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.http import HomeAssistantView
from homeassistant.helpers.typing import ConfigType

DOMAIN = "bench_watch"
CONFIG_SCHEMA = cv.empty_config_schema(DOMAIN)

EVERY_S = 0.05


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Begin to watch."""
    hass.http.register_view(WatchView(Watch(hass.loop)))
    return True


class Watch:
    """The clock on the loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start it."""
        self._loop = loop
        self._longest_s = 0.0
        self._due = 0.0
        self._next()
        selector = loop._selector  # type: ignore[attr-defined]  # noqa: SLF001
        selector.select = self._timed(selector.select)

    def lap(self) -> float:
        """Return the longest block in seconds since this was asked last."""
        longest_s, self._longest_s = self._longest_s, 0.0
        return longest_s

    def _timed(self, select: Callable[[float | None], Any]) -> Callable[[float | None], Any]:
        clock = time.monotonic
        began = clock()

        def timed(timeout: float | None = None) -> Any:
            nonlocal began
            if (took := clock() - began) > self._longest_s:
                self._longest_s = took
            events = select(timeout)
            began = clock()
            return events

        return timed

    def _tick(self) -> None:
        self._longest_s = max(self._longest_s, self._loop.time() - self._due)
        self._next()

    def _next(self) -> None:
        self._due = self._loop.time() + EVERY_S
        self._loop.call_at(self._due, self._tick)


class WatchView(HomeAssistantView):
    """Where the benchmark asks."""

    url = "/api/bench_watch"
    name = "api:bench_watch"

    def __init__(self, watch: Watch) -> None:
        """Answer for it."""
        self._watch = watch

    async def get(self, request: web.Request) -> web.Response:
        """Return the longest block in milliseconds since the last request."""
        return self.json({"block_ms": round(self._watch.lap() * 1000, 2)})
