"""Boxes of the simulator on a socket, in the place of a link; time passes when the test says so."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from custom_components.forecourt.stations.declarative.profile import (
    ModbusTransport,
    Order,
    Profile,
)
from custom_components.forecourt.stations.modbus.address import ModbusAddress, own_line
from custom_components.forecourt.stations.modbus.link import ModbusLink
from simulator import Clock, ModbusConfig, ModbusStation
from simulator.modbus import RegisterServer, Request, Tables
from simulator.modbus.server import TAKEN
from simulator.plant import Evse


class StandingClock(Clock):
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 0.0
        super().__init__()

    def now(self) -> float:
        return self.seconds


class Wired:
    """The link to a simulated box, with what a place wants of a box beside."""

    def __init__(self, link: ModbusLink, station: ModbusStation, clock: StandingClock) -> None:
        self.link = link
        self.station = station
        self.clock = clock
        self.under_load: list[Request] = []
        take = station.server.on_write

        def taken(request: Request) -> int | None:
            if request.address in SWITCHES and self.plant.power_w:
                self.under_load.append(request)
            return take(request)

        station.server.on_write = taken

    def __getattr__(self, name: str) -> Any:
        return getattr(self.link, name)

    @property
    def plant(self) -> Evse:
        return self.station.outlet(1).evse

    def step(self, seconds: float) -> None:
        self.clock.seconds += seconds

    def wrote(self, address: int) -> list[tuple[int, ...] | None]:
        """Return what was written to an address."""
        return [each.values for each in self.station.server.writes if each.address == address]


SWITCHES = (5052, 1215)
"""Where KEBA and Alfen have their phases."""


@asynccontextmanager
async def wired(of: Profile, **config: Any) -> AsyncIterator[Wired]:
    """Run a box of the simulator that has the registers of the profile."""
    clock = StandingClock()
    settings = ModbusConfig(identity="BOX", model=of.id, **config)
    async with (
        ModbusStation(settings, clock=clock) as station,
        own_line(ModbusAddress(host="127.0.0.1", port=station.port)) as units,
    ):
        link = ModbusLink(of, units)
        yield Wired(link, station, clock)
        await link.close()


class Registers:
    """The link to registers that hold what they are told and do nothing else.

    A car is plugged in, and does not charge.
    """

    def __init__(self, link: ModbusLink, server: RegisterServer) -> None:
        self.link = link
        self.server = server
        server.on_write = self._take

    def __getattr__(self, name: str) -> Any:
        return getattr(self.link, name)

    def step(self, seconds: float) -> None:
        """Do nothing: only the program's time passes."""

    @property
    def written(self) -> list[tuple[int, int]]:
        """Return the addresses and first words of all writes."""
        return [(each.address, each.values[0]) for each in self.server.writes if each.values]

    def _take(self, request: Request) -> int:
        tables = self.server.units[request.unit]
        told = dict(enumerate(request.values or (), request.address))
        tables.holding.update(told)
        # Some show what they were told in the other table.
        tables.input.update({at: word for at, word in told.items() if at in tables.input})
        return TAKEN


@asynccontextmanager
async def registers(of: Profile, units: dict[int, Tables]) -> AsyncIterator[Registers]:
    """Serve registers on a socket."""
    assert isinstance(of.transport, ModbusTransport)
    of = replace(of, transport=replace(of.transport, spacing_s=0.0, timeout_s=0.3))
    async with (
        RegisterServer(units) as server,
        own_line(ModbusAddress(host="127.0.0.1", port=server.port)) as line,
    ):
        link = ModbusLink(of, line)
        yield Registers(link, server)
        await link.close()


def prepares(of: Profile) -> tuple[int, int]:
    """Return where and what the profile writes to prepare its box."""
    (write,) = of.orders[Order.PREPARE].writes
    return write.target.address, int(write.value or 0)  # type: ignore[union-attr]
