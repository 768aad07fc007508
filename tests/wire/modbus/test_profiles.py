"""Every shipped Modbus profile against its box, over a socket: all it reads, all it tells."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache

from modbus_connection import ModbusTcpParams, ModbusUnit, tmodbus
import pytest

from custom_components.forecourt.stations.declarative.library import Library
from custom_components.forecourt.stations.declarative.profile import (
    MODBUS,
    Memory,
    ModbusTransport,
    Order,
    OrderSpec,
    Profile,
    Register,
)
from custom_components.forecourt.stations.modbus.link import ModbusLink
from simulator.modbus import RegisterServer, Tables

from .boxes import BOXES
from .boxes.box import Box, Case
from .boxes.judge import amounts, hurried, misread, mistold

_BOX = pytest.mark.parametrize("box", BOXES, ids=lambda box: box.id)


@cache
def profiles() -> dict[str, Profile]:
    found = Library().all()
    return {name: each for name, each in found.items() if each.protocol == MODBUS}


@asynccontextmanager
async def _plugged_in(box: Box) -> AsyncIterator[tuple[RegisterServer, ModbusLink]]:
    server = RegisterServer(box.tables(), max_registers=box.most, gateway=True)
    async with server:
        params = ModbusTcpParams(host="127.0.0.1", port=server.port)
        connection = tmodbus.ModbusConnection(params)

        @asynccontextmanager
        async def unit(unit_id: int) -> AsyncIterator[ModbusUnit]:
            yield connection.for_unit(unit_id)

        link = ModbusLink(hurried(profiles()[box.profile]), unit, outlets=box.outlets)
        try:
            yield server, link
        finally:
            await link.close()
            await connection.close()


def test_every_profile_has_a_box() -> None:
    assert {box.profile for box in BOXES} == set(profiles())


@_BOX
async def test_a_profile_reads_what_its_box_means(box: Box) -> None:
    async with _plugged_in(box) as (server, link):
        await link.open()
        server.requests.clear()
        wrong = misread(profiles()[box.profile], box, await link.read(slow=True))
        asked = {
            address
            for request in server.requests
            for address in range(request.address, request.address + request.count)
        }
        cases: list[Case] = [*box.cases, *box.extremes()]
        for case in cases:
            other = box.with_case(case)
            server.units = other.tables()
            found = misread(profiles()[box.profile], other, await link.read(slow=True))
            wrong += [f"{case[0].address}={case[0].raw}: {each}" for each in found]
    assert not wrong
    assert not asked & box.never_read
    assert not server.writes


@_BOX
async def test_a_profile_tells_its_box_what_it_takes(box: Box) -> None:
    profile = profiles()[box.profile]
    assert set(map(str, profile.orders)) <= set(box.orders), "orders that nothing proves"
    wrong: list[str] = []
    async with _plugged_in(box) as (server, link):
        await link.open()
        server.units = dict.fromkeys(server.units, Tables(holding=_Anything(), coil=_Anything()))
        for outlet, orders in ((1, box.orders), (2, box.second or box.orders))[: box.outlets]:
            for order, spec in profile.orders.items():
                if order in box.lacks:
                    assert not link.has(order)
                    continue
                for amount in amounts(box, spec):
                    wanted = list(orders[order.value](amount))
                    server.requests.clear()
                    await link.tell(order, amount, outlet=outlet)
                    written = [
                        (each.unit, each.function, each.address, each.values or ())
                        for each in server.writes
                    ]
                    found = mistold(wanted, written, 1 if box.unit is None else box.unit)
                    wrong += [f"{order} {amount} of {outlet}: {each}" for each in found]
    assert not wrong


class _Anything(dict[int, int]):
    """A table in which everything may be written."""

    def __contains__(self, address: object) -> bool:
        return True


@_BOX
def test_a_profile_stays_within_what_its_box_takes(box: Box) -> None:
    for order, (least, most) in {Order.LIMIT_A: box.amps, Order.LIMIT_W: box.watts}.items():
        spec: OrderSpec | None = profiles()[box.profile].orders.get(order)
        if spec is not None:
            assert spec.minimum is not None
            assert spec.maximum is not None
            assert least <= spec.minimum <= spec.maximum <= most


@_BOX
def test_a_profile_knows_how_its_box_is_reached(box: Box) -> None:
    transport = profiles()[box.profile].transport
    assert isinstance(transport, ModbusTransport)
    assert box.unit is None or transport.unit == box.unit
    assert box.port is None or transport.port == box.port
    assert transport.max_registers <= box.most
    assert transport.spacing_s >= box.spacing_s
    if box.serial is not None:
        assert (transport.baudrate, transport.parity, transport.stopbits) == box.serial
        assert "serial" in transport.kinds


@_BOX
def test_a_profile_says_which_writes_wear_its_box(box: Box) -> None:
    worn = {
        write.target.address
        for spec in profiles()[box.profile].orders.values()
        for write in spec.writes
        if isinstance(write.target, Register) and write.memory is Memory.VOLATILE
    }
    assert not worn & box.flash
