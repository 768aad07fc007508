"""Tells how long Home Assistant's event loop was blocked, at next to no cost.

Each turn of the loop is timed from when it got its events to when it waits for the next ones:
that long nothing else had a chance. A timer that notes how late it is also sees what the loop
cannot: other threads that hold Python's lock. How much of it was Python's garbage collector,
which stops everything to look at all of Home Assistant's objects, is told too, and how much
the loop worked: what is more was waiting for a processor or for Python's lock.
"""

import asyncio
from collections.abc import Callable
import gc
import threading
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
        self._longest: dict[str, float] = {}
        self._due = 0.0
        self._next()
        self._collecting_since: float | None = None
        self._collected_s = 0.0
        self._collecting_work_s = 0.0
        self._thread = threading.get_ident()
        self._full = self._full_collections()
        gc.callbacks.append(self._collects)
        selector = loop._selector  # type: ignore[attr-defined]  # noqa: SLF001
        selector.select = self._timed(selector.select)

    def lap(self) -> dict[str, float]:
        """Return the longest in milliseconds since this was asked last.

        `block`: the loop was blocked; `own`: the same without the collector; `work`: processor
        time of the loop's thread, without the collector; `gc`: the collector's pause.
        `full`: how many times the collector looked at everything.
        """
        longest, self._longest = self._longest, {}
        before, self._full = self._full, self._full_collections()
        names = ("block", "own", "work", "gc")
        told = {name: round(longest.get(name, 0) * 1000, 2) for name in names}
        return told | {"full": self._full - before}

    @staticmethod
    def _full_collections() -> int:
        return int(gc.get_stats()[-1]["collections"])

    def _note(self, name: str, took_s: float) -> None:
        if took_s > self._longest.get(name, 0):
            self._longest[name] = took_s

    def _timed(self, select: Callable[[float | None], Any]) -> Callable[[float | None], Any]:
        clock, work_clock = time.monotonic, time.thread_time
        began, collected_s, worked_s = clock(), 0.0, work_clock()

        def timed(timeout: float | None = None) -> Any:
            nonlocal began, collected_s, worked_s
            took_s = clock() - began
            self._note("block", took_s)
            self._note("work", work_clock() - worked_s - self._collecting_work_s)
            self._collecting_work_s = 0.0
            self._note("own", took_s - (self._collecting_s() - collected_s))
            events = select(timeout)
            began, collected_s, worked_s = clock(), self._collecting_s(), work_clock()
            return events

        return timed

    def _collects(self, phase: str, info: dict[str, int]) -> None:
        # Work is counted in the loop's thread only.
        work_s = time.thread_time() if threading.get_ident() == self._thread else 0.0
        if phase == "start":
            self._collecting_since = time.monotonic()
            self._collecting_work_s -= work_s
        elif self._collecting_since is not None:
            took_s = time.monotonic() - self._collecting_since
            self._collecting_since = None
            self._collected_s += took_s
            self._collecting_work_s += work_s
            self._note("gc", took_s)

    def _collecting_s(self) -> float:
        """Return how long was collected so far, in all threads.

        Another one may have collected, and not yet had the time to say that it is over.
        """
        since, collected_s = self._collecting_since, self._collected_s
        return collected_s if since is None else collected_s + time.monotonic() - since

    def _tick(self) -> None:
        self._note("block", self._loop.time() - self._due)
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
        """Return the longest blocks since the last request."""
        return self.json(self._watch.lap())

    async def post(self, request: web.Request) -> web.Response:
        """Collect all garbage, and return how long that took in milliseconds."""
        begin = time.monotonic()
        gc.collect()
        return self.json({"full": round((time.monotonic() - begin) * 1000, 2)})
