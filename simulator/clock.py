"""Three times that must not be confused.

*Wall time* is what the machine and the server on the other side live in; intervals of the protocol
(heartbeat, samples, time-outs) are wall time. *Plant time* is what the physics live in; it runs
`speed` times faster, so a charge of two hours passes in two minutes. The *station's own time* is
what it writes into its messages: wall-rate, set by the server, and as wrong as the station's clock.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
import heapq
import itertools
import time

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock:
    """Wall time and, derived from it, plant time. Injected everywhere; nobody asks the system."""

    def __init__(self, speed: float = 1.0) -> None:
        """Start with plant time 0; `speed` is plant seconds per wall second, above 0."""
        self._base_plant = 0.0
        self._base_wall = self.now()
        self._speed = _checked(speed)

    @property
    def speed(self) -> float:
        """Plant seconds per wall second."""
        return self._speed

    @speed.setter
    def speed(self, speed: float) -> None:
        self._base_plant = self.plant()
        self._base_wall = self.now()
        self._speed = _checked(speed)

    def now(self) -> float:
        """Return wall seconds since some moment; never goes backwards."""
        return time.monotonic()

    def utc(self) -> datetime:
        """Return the true wall time."""
        return datetime.now(UTC)

    def plant(self) -> float:
        """Return plant seconds since this clock was made."""
        return self._base_plant + (self.now() - self._base_wall) * self._speed

    async def sleep(self, seconds: float) -> None:
        """Wait for wall seconds."""
        await asyncio.sleep(seconds)


class ManualClock(Clock):
    """A clock that stands still until it is told to advance."""

    def __init__(
        self, speed: float = 1.0, start: datetime = datetime(2026, 3, 1, tzinfo=UTC)
    ) -> None:
        """Start at the wall time `start`."""
        self._now = 0.0
        self._start = start
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()
        super().__init__(speed)

    def now(self) -> float:
        """Return wall seconds since the clock was made."""
        return self._now

    def utc(self) -> datetime:
        """Return the pretended wall time."""
        return self._start + timedelta(seconds=self._now)

    async def sleep(self, seconds: float) -> None:
        """Wait until `advance` has passed these seconds."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + seconds, next(self._order), future))
        await future

    async def advance(self, seconds: float) -> None:
        """Let wall seconds pass, waking every sleeper at its own moment, in order."""
        end = self._now + seconds
        await _let_others_run()
        while self._sleepers and self._sleepers[0][0] <= end:
            when, _, future = heapq.heappop(self._sleepers)
            if future.done():  # its task was cancelled
                continue
            self._now = when
            future.set_result(None)
            await _let_others_run()
        self._now = end
        await _let_others_run()


class StationClock:
    """The clock inside a station, which the server sets and a fault may skew."""

    def __init__(self, clock: Clock, *, battery_backed: bool = True) -> None:
        """Without a battery the clock starts at 1970 whenever the station gets power."""
        self._clock = clock
        self._battery_backed = battery_backed
        self._offset = timedelta(0)
        self.skew_s = 0.0
        """Seconds that stay added however often the server sets the clock."""
        self.power_up()

    def power_up(self) -> None:
        """Forget the time if there is no battery."""
        if not self._battery_backed:
            self._offset = EPOCH - self._clock.utc()

    def set(self, moment: datetime) -> None:
        """Take over the server's `currentTime`."""
        self._offset = moment - self._clock.utc()

    def now(self) -> datetime:
        """Return the time that goes into messages, UTC."""
        return self._clock.utc() + self._offset + timedelta(seconds=self.skew_s)


def wire_time(moment: datetime) -> str:
    """Format a moment as OCPP wants it: RFC 3339, UTC, milliseconds."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_time(text: str) -> datetime:
    """Read a time stamp of a message; ValueError if it is none or lacks its zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"time stamp without zone: {text!r}")
    return moment.astimezone(UTC)


def _checked(speed: float) -> float:
    if not 0 < speed <= 100_000:
        raise ValueError(f"speed must be above 0 and at most 100000, not {speed}")
    return float(speed)


async def _let_others_run() -> None:
    # A task that was woken may wake another one, and a local socket needs a few rounds too.
    for _ in range(4):
        await asyncio.sleep(0)
