"""Many stations that charge: meter values at their interval, heartbeats, starts and stops.

Run as a program of its own: PORT STATIONS STEADY_S RUSH_S FILE. It prints the name of each
phase when it begins, and then the results as JSON. FILE gets what was acknowledged.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from itertools import cycle
import json
from pathlib import Path
from statistics import quantiles
import sys
from time import perf_counter
from typing import Any

from aiohttp import ClientError, ClientSession, ClientWebSocketResponse, TCPConnector, WSMsgType

from . import frames

VALUES_EVERY_S = 10.0
HEARTBEAT_EVERY_S = 300.0
STARTS_PER_S = 20.0
SETTLE_S = 20.0
SOME_EVERY_S = 15.0
"""How often a charge ends and another begins in the steady phase: a depot in the morning."""
RUSH_EVERY_S = 0.2
"""The same in the phase that measures how long a start takes."""
STORM_SETTLE_S = 12.0
"""More than the interval of the meter values: each station was heard again."""


class LostError(Exception):
    """The connection ended before the answer came."""


@dataclass(slots=True)
class Books:
    """What the central system acknowledged: it must be in the ledger."""

    readings: list[tuple[int, str, int]] = field(default_factory=list)
    started: list[int] = field(default_factory=list)
    stopped: list[tuple[int, int]] = field(default_factory=list)


@dataclass(slots=True)
class Times:
    """How many milliseconds answers took."""

    values: list[float] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)


class Station:
    """One station with one car."""

    def __init__(self, session: ClientSession, port: int, number: int, books: Books) -> None:
        """Dial nothing yet."""
        self.number = number
        self.times = Times()
        self.online = asyncio.Event()
        self._session = session
        self._url = f"ws://127.0.0.1:{port}/{frames.identity(number)}"
        self._books = books
        self._socket: ClientWebSocketResponse | None = None
        self._answer: tuple[str, asyncio.Future[Any]] | None = None
        self._turn = asyncio.Lock()
        self._messages = 0
        self._transaction_id: int | None = None
        self._register = float(1_000_000 + number)
        self._metered_at = frames.now()
        self._current_a = 6.0
        self._ended = False

    async def run(self) -> None:
        """Stay connected until `leave`."""
        while not self._ended:
            try:
                async with self._session.ws_connect(self._url, protocols=("ocpp1.6",)) as socket:
                    self._socket = socket
                    reader = asyncio.create_task(self._read(socket))
                    await self._introduce()
                    await reader
            except ClientError, LostError:
                await asyncio.sleep(0.2)
            finally:
                self.online.clear()

    async def leave(self) -> None:
        """Hang up for good."""
        self._ended = True
        if self._socket is not None:
            await self._socket.close()

    def cut(self) -> None:
        """Lose the connection, as in a power cut."""
        self.online.clear()
        if self._socket is not None and self._socket._conn is not None:  # noqa: SLF001
            transport = self._socket._conn.transport  # noqa: SLF001
            if transport is not None:
                transport.abort()

    async def begin(self) -> None:
        """Begin a charge."""
        await self.ask("StatusNotification", frames.status("Preparing"))
        begin = perf_counter()
        started = await self.ask("StartTransaction", frames.start(self.number, self._meter()))
        self.times.starts.append((perf_counter() - begin) * 1000)
        self._transaction_id = started["transactionId"]
        self._books.started.append(started["transactionId"])
        await self.ask("StatusNotification", frames.status("Charging"))

    async def end(self) -> None:
        """End it."""
        transaction_id, self._transaction_id = self._transaction_id, None
        if transaction_id is not None:
            register_wh = self._meter()
            stop = frames.stop(transaction_id, self.number, register_wh)
            await self.ask("StopTransaction", stop)
            self._books.stopped.append((transaction_id, register_wh))
        await self.ask("StatusNotification", frames.status("Available"))

    async def change(self) -> None:
        """Let the car go, and another one come."""
        await self.end()
        await self.begin()

    async def report(self, offset_s: float) -> None:
        """Send meter values for ever, the first ones after `offset_s`."""
        loop = asyncio.get_running_loop()
        due = loop.time() + offset_s
        while True:
            await asyncio.sleep(due - loop.time())
            due += VALUES_EVERY_S
            if (transaction_id := self._transaction_id) is None:
                continue
            at, register_wh = frames.now(), self._meter()
            values = frames.meter_values(transaction_id, at, register_wh, self._current_a)
            begin = perf_counter()
            await self.ask("MeterValues", values)
            self.times.values.append((perf_counter() - begin) * 1000)
            self._books.readings.append((transaction_id, frames.time_text(at), register_wh))

    async def beat(self, offset_s: float) -> None:
        """Send heartbeats for ever."""
        await asyncio.sleep(offset_s)
        while True:
            await self.ask("Heartbeat", {})
            await asyncio.sleep(HEARTBEAT_EVERY_S)

    async def ask(self, action: str, payload: frames.Payload) -> Any:
        """Call until it is answered, over as many connections as it takes."""
        async with self._turn:
            while True:
                await self.online.wait()
                with suppress(LostError):
                    return await self._ask(action, payload)
                self.online.clear()

    async def _introduce(self) -> None:
        await self._ask("BootNotification", frames.BOOT)
        word = "Available" if self._transaction_id is None else "Charging"
        await self._ask("StatusNotification", frames.status(word))
        self.online.set()

    async def _ask(self, action: str, payload: frames.Payload) -> Any:
        assert self._socket is not None  # noqa: S101 - who is online has one
        self._messages += 1
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answer = str(self._messages), future
        try:
            await self._socket.send_str(frames.call(self._answer[0], action, payload))
        except (ClientError, ConnectionError) as error:
            raise LostError from error
        return await future

    async def _read(self, socket: ClientWebSocketResponse) -> None:
        """Take answers, and answer calls."""
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                continue
            frame = json.loads(message.data)
            if frame[0] == 2:
                if frame[2] == "SetChargingProfile":
                    self._meter()
                    self._current_a = min(frames.MAX_CURRENT_A, frames.ordered_a(frame[3]))
                with suppress(ClientError, ConnectionError):
                    await socket.send_str(frames.answer_text(frame))
            elif self._answer is not None and frame[1] == self._answer[0]:
                _, future = self._answer
                if frame[0] == 3:
                    future.set_result(frame[2])
                else:
                    future.set_exception(RuntimeError(f"{frames.identity(self.number)}: {frame}"))
        if self._answer is not None and not self._answer[1].done():
            self._answer[1].set_exception(LostError())

    def _meter(self) -> int:
        """Count what flowed, and return the register in watt-hours."""
        now: datetime = frames.now()
        if self._transaction_id is not None:
            hours = (now - self._metered_at).total_seconds() / 3600
            self._register += 3 * frames.VOLTS * self._current_a * hours
        self._metered_at = now
        return int(self._register)


class Fleet:
    """All of them."""

    def __init__(self, session: ClientSession, port: int, stations: int) -> None:
        """Dial nothing yet."""
        self.books = Books()
        self.results: dict[str, float] = {}
        self._stations = [
            Station(session, port, number, self.books) for number in range(1, stations + 1)
        ]
        self._turn = cycle(self._stations)
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self, steady_s: float, rush_s: float) -> None:
        """Go through all phases."""
        say("connect")
        lives = [asyncio.create_task(station.run()) for station in self._stations]
        await self._all_online()
        say("start")
        count = len(self._stations)
        for index, station in enumerate(self._stations):
            self._do(station.report(index / count * VALUES_EVERY_S))
            self._do(station.beat(index / count * HEARTBEAT_EVERY_S))
            self._do(station.begin())
            await asyncio.sleep(1 / STARTS_PER_S)
        await asyncio.sleep(SETTLE_S)
        self._begin("steady")
        await self._change(steady_s, SOME_EVERY_S)
        self._finish("steady")
        self._begin("storm")
        await self._storm()
        self._finish("storm")
        self._begin("rush")
        await self._change(rush_s, RUSH_EVERY_S)
        self._finish("rush")
        say("stop")
        for task in self._tasks:
            if task.done():
                task.result()
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(station.end() for station in self._stations))
        await asyncio.gather(*(station.leave() for station in self._stations))
        await asyncio.gather(*lives)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def _change(self, seconds: float, every_s: float) -> None:
        """Let a car go and another one come at one station after the other."""
        end = perf_counter() + seconds
        while perf_counter() < end:
            self._do(next(self._turn).change())
            await asyncio.sleep(every_s)

    async def _storm(self) -> None:
        """Cut all connections, and wait until every station was heard again."""
        begin = perf_counter()
        for station in self._stations:
            station.cut()
        await self._all_online()
        self.results["storm_s"] = round(perf_counter() - begin, 2)
        await asyncio.sleep(STORM_SETTLE_S)

    async def _all_online(self) -> None:
        await asyncio.gather(*(station.online.wait() for station in self._stations))

    def _begin(self, phase: str) -> None:
        for station in self._stations:
            station.times = Times()
        say(phase)

    def _finish(self, phase: str) -> None:
        """Take down how long the answers took in the phase that is over."""
        times = [station.times for station in self._stations]
        for name, took in (
            ("values", [ms for one in times for ms in one.values]),
            ("starts", [ms for one in times for ms in one.starts]),
        ):
            if len(took) > 1:
                cuts = quantiles(took, n=100)
                self.results[f"{phase}_{name}_p50_ms"] = round(cuts[49], 2)
                self.results[f"{phase}_{name}_p99_ms"] = round(cuts[98], 2)
            self.results[f"{phase}_{name}"] = len(took)


def say(phase: str) -> None:
    """Tell who measures what begins now."""
    print(phase, flush=True)


async def run(port: int, stations: int, steady_s: float, rush_s: float) -> Fleet:
    """Run the fleet."""
    async with ClientSession(connector=TCPConnector(limit=0)) as session:
        fleet = Fleet(session, port, stations)
        await fleet.run(steady_s, rush_s)
    return fleet


def main() -> None:
    """Run the fleet, and write down what it knows."""
    port, stations, steady_s, rush_s, file = sys.argv[1:]
    fleet = asyncio.run(run(int(port), int(stations), float(steady_s), float(rush_s)))
    Path(file).write_text(json.dumps(asdict(fleet.books)), encoding="ascii")
    say(json.dumps(fleet.results))


if __name__ == "__main__":
    main()
