"""What wallboxes cost that are polled by Modbus, and how fast they obey.

Run `script/bench modbus`. The boxes are a process of their own; this one has nothing but their
stations, each with its own connection, as Home Assistant opens it. All of them charge.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
import json
from statistics import median
import sys
from time import perf_counter, process_time
from typing import Any

from modbus_connection import ModbusUnit
from modbus_connection.tmodbus import ModbusConnection

from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.setpoint import LimitReason, Setpoint
from custom_components.forecourt.core.model.token import (
    Authorization,
    AuthorizationReason,
    AuthorizationStatus,
    Token,
)
from custom_components.forecourt.stations.base import TransactionAnswer, TransactionStart
from custom_components.forecourt.stations.declarative.library import Library
from custom_components.forecourt.stations.declarative.pacing import Pace
from custom_components.forecourt.stations.declarative.profile import (
    MODBUS,
    ModbusTransport,
    Profile,
    Register,
    Role,
)
from custom_components.forecourt.stations.declarative.station import DeclarativeStation
from custom_components.forecourt.stations.modbus.address import ModbusAddress
from custom_components.forecourt.stations.modbus.link import ModbusLink
from custom_components.forecourt.stations.modbus.turns import Turn, Turns, planned
from script.demo_site.process import ROOT
from simulator import ControlClient

BOXES = 50
MODELS = ("alfen_eve", "keba_p30")
"""One that is read in blocks, and one that tells one value a request."""
POLL_S = 5.0
CONTROL_S = 2.0
SETTLE_S = 15.0
STEADY_S, QUICK_STEADY_S = 60.0, 15.0
COMMANDS = 20
WATCH_S = 0.005
ENOUGH_REGISTERS = 16
"""A box that gives fewer in one request is not one that allows blocks."""

CYCLES = 200
"""So many show everything that takes turns."""

_ACCEPTED = Authorization(status=AuthorizationStatus.ACCEPTED, reason=AuthorizationReason.SITE_TAG)


class Site:
    """Takes every event, and books none."""

    def __init__(self) -> None:
        """Begin with transaction 1."""
        self.started: dict[EvseId, int] = {}
        self._references: dict[int, str | None] = {}

    def station_changed(self, station: object) -> None:
        """Do nothing."""

    def happened(self, event: object) -> None:
        """Do nothing."""

    def reservation_changed(self, *_: object) -> None:
        """Do nothing."""

    async def status_changed(self, *_: object, **__: object) -> None:
        """Do nothing."""

    async def report(
        self, evse: EvseId, readings: object, transaction_id: int | None
    ) -> int | None:
        """Take it for booked."""
        return transaction_id

    async def authorize(self, *_: object) -> Authorization:
        """Let everyone charge."""
        return _ACCEPTED

    async def transaction_id(self, *_: object) -> int | None:
        """Know of no transaction from before."""
        return None

    async def reference(self, transaction_id: int) -> str | None:
        """Return what the station calls it."""
        return self._references.get(transaction_id)

    async def transaction_started(self, start: TransactionStart) -> TransactionAnswer:
        """Number it."""
        number = self.started.setdefault(start.evse, len(self.started) + 1)
        self._references[number] = start.reference
        return TransactionAnswer(transaction_id=number, authorization=_ACCEPTED)

    async def transaction_ended(self, *_: object) -> Authorization | None:
        """Do nothing."""
        return None


async def main() -> None:
    """Measure, and print a table and all of it as JSON in the last line."""
    parser = argparse.ArgumentParser("script/bench modbus", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter")
    options = parser.parse_args()
    library = Library()
    shipped = [each for each in library.all().values() if each.protocol == MODBUS]
    requests = {each.id: requests_per_cycle(each) for each in shipped if gives_blocks(each)}
    results: dict[str, Any] = {
        "boxes": BOXES,
        "requests_per_cycle_max": max(requests.values()),
        "profiles_over_3_requests": {name: count for name, count in requests.items() if count > 3},
        "profiles_in_blocks": len(requests),
        "profiles_without_blocks": {
            each.id: requests_per_cycle(each) for each in shipped if not gives_blocks(each)
        },
    }
    async with AsyncExitStack() as stack:
        boxes = await stack.enter_async_context(running())
        site = Site()
        stations = [
            await stack.enter_async_context(station(name, library.get(model), port, site))
            for name, model, port in boxes
        ]
        await charging(stations, site)
        control = asyncio.create_task(controlling(stations, site))
        await asyncio.sleep(SETTLE_S)
        late: list[float] = []
        watch = asyncio.create_task(watching(late))
        cpu, begun = process_time(), perf_counter()
        await asyncio.sleep(QUICK_STEADY_S if options.quick else STEADY_S)
        results["cpu_pct"] = round(100 * (process_time() - cpu) / (perf_counter() - begun), 2)
        results["block_max_ms"] = round(1000 * max(late), 2)
        watch.cancel()
        control.cancel()
        results["charging"] = sum(is_charging(each) for each in stations)
        effects = [await effect_s(station, site) for station in stations[:: BOXES // COMMANDS]]
        results["command_effect_ms"] = round(1000 * max(effects), 1)
        results["command_effect_median_ms"] = round(1000 * median(effects), 1)
    for name, value in results.items():
        print(f"{name:34}{json.dumps(value):>12}")
    print(json.dumps(results))


def gives_blocks(profile: Profile) -> bool:
    """Whether the box answers to requests for more than one value."""
    transport = profile.transport
    assert isinstance(transport, ModbusTransport)  # noqa: S101 - of a profile for Modbus
    alone = (
        isinstance(spec.source, Register) and spec.source.alone and not spec.slow
        for spec in profile.readings.values()
    )
    return transport.max_registers >= ENOUGH_REGISTERS and not any(alone)


def requests_per_cycle(profile: Profile) -> int:
    """Return how many requests a poll of one outlet takes at most, once it is set up."""
    transport = profile.transport
    assert isinstance(transport, ModbusTransport)  # noqa: S101 - of a profile for Modbus
    turns = Turns(planned(list(profile.readings.values()), (1,), transport), outlets=1)
    turns.everything()
    return max(len(asked(turns.next())) for _ in range(CYCLES))


def asked(turns: list[Turn]) -> list[Turn]:
    """Return requests as they are once they were answered."""
    for turn in turns:
        turn.words = []
    return turns


@asynccontextmanager
async def running() -> AsyncIterator[list[tuple[str, str, int]]]:
    """Run the boxes, a car at each; gives their names, models and ports."""
    names = {model: [f"{model}-{n}" for n in range(BOXES // len(MODELS))] for model in MODELS}
    async with AsyncExitStack() as stack:
        boxes = []
        for model, of_model in names.items():
            arguments = [part for name in of_model for part in ("--station", name)]
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "simulator", "--protocol", "modbus", "--box", model),
                *arguments,
                cwd=ROOT,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
            stack.push_async_callback(process.wait)
            stack.callback(process.terminate)
            if process.stdout is None or not (line := await process.stdout.readline()):
                raise EOFError("the boxes ended early")
            ready = json.loads(line)
            client = ControlClient(ready["control_port"])
            for name in of_model:
                await asyncio.to_thread(client.plug, "fast", station=name, soc=0.1)
            boxes += [(name, model, ready["ports"][name]) for name in of_model]
        yield boxes


@asynccontextmanager
async def station(
    name: str, profile: Profile, port: int, site: Site
) -> AsyncIterator[DeclarativeStation]:
    """Poll a box for the time of a `with`."""
    connection = ModbusConnection(ModbusAddress(host="127.0.0.1", port=port).params)

    @asynccontextmanager
    async def unit(unit_id: int) -> AsyncIterator[ModbusUnit]:
        yield connection.for_unit(unit_id)

    made = DeclarativeStation(
        name,
        profile,
        ModbusLink(profile, unit),
        site,
        now=lambda: datetime.now(UTC),
        evses=1,
        may_write=True,
        pace=Pace(busy_s=POLL_S, idle_s=POLL_S),
    )
    polling = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        polling.cancel()
        with suppress(asyncio.CancelledError):
            await polling
        await made.close()
        await connection.close()


async def charging(stations: list[DeclarativeStation], site: Site) -> None:
    """Let everyone charge."""
    for each in stations:
        async with asyncio.timeout(30):
            while not each.online:  # noqa: ASYNC110 - it is polled, as everything here
                await asyncio.sleep(0.05)
        await each.start(EvseId(each.info.id, 1), Token("BENCH"))
    async with asyncio.timeout(30):
        while len(site.started) < len(stations):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def controlling(stations: list[DeclarativeStation], site: Site) -> None:
    """Give everyone 16 A again and again, as a site does."""
    while True:
        for each in stations:
            await each.apply(_setpoint(each, site, 16))
        await asyncio.sleep(CONTROL_S)


def is_charging(station: DeclarativeStation) -> bool:
    """Whether the last poll showed a power."""
    told = station.sample.outlets[1].get(Role.POWER_W) if station.sample else None
    return station.online and isinstance(told, int | float) and told > 0


async def effect_s(station: DeclarativeStation, site: Site) -> float:
    """Return the time from a setpoint until the box has shown that it draws so."""
    current_a, began = 10, perf_counter()
    await station.apply(_setpoint(station, site, current_a))
    while (took_s := perf_counter() - began) < POLL_S:
        await station.poll()
        told = station.sample.outlets[1] if station.sample else {}
        limit = told.get(Role.LIMIT_A)
        if isinstance(limit, int | float) and round(limit) == current_a:
            return perf_counter() - began
        await asyncio.sleep(0.02)
    return took_s


def _setpoint(station: DeclarativeStation, site: Site, current_a: int) -> Setpoint:
    evse = EvseId(station.info.id, 1)
    return Setpoint(
        evse=evse,
        current_a=current_a,
        valid_until=datetime.now(UTC) + timedelta(minutes=5),
        reason=LimitReason.STATION_MAXIMUM,
        transaction_id=site.started[evse],
    )


async def watching(late: list[float]) -> None:
    """Note how late a timer is: that long nothing else had a chance."""
    while True:
        due = perf_counter() + WATCH_S
        await asyncio.sleep(WATCH_S)
        late.append(perf_counter() - due)


if __name__ == "__main__":
    asyncio.run(main())
