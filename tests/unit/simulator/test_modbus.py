"""The simulator's boxes that speak Modbus, by their own face and by the control interface."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

from modbus_connection import ModbusExceptionError, ModbusTcpParams, ModbusUnit
from modbus_connection.tmodbus import ModbusConnection
import pytest

from simulator import ControlClient, ControlServer, ModbusConfig, ModbusStation
from simulator.__main__ import boxes, parse
from simulator.clock import Clock
from simulator.control import Station
from simulator.modbus import Fault, RegisterServer, Tables
from simulator.modbus.server import Request, Table


def _station(**more: object) -> ModbusStation:
    return ModbusStation(ModbusConfig(identity="BOX", **more), clock=Clock(600))  # type: ignore[arg-type]


async def test_a_box_is_driven_over_the_control_interface() -> None:
    station = _station(outlets=2)
    stations: dict[str, Station] = {"BOX": station}
    async with station, ControlServer(stations, station.clock) as server:
        client = ControlClient(server.port)

        def drive() -> None:
            assert client.plug(connector=2)["connectors"][1]["car"] == "family"
            assert client.tap("04A1", 2) == "shown"
            client.wake(2)
            client.fault("silent")
            assert station.server.fault == Fault(silent=True)
            client.fault("none")
            assert client.unplug(2)["connectors"][1]["car"] is None
            assert client.state()["BOX"]["port"] == station.port
            assert client.books()["BOX"]["plug_ins"][0]["car"] == "family"

        await asyncio.to_thread(drive)


@pytest.mark.parametrize(
    ("name", "parameters", "fault"),
    [
        ("exception", {"code": 4}, Fault(exception=4)),
        ("busy", {"count": 2}, Fault(busy=2)),
        ("short", {}, Fault(short=True)),
        ("garbage", {"text": "x"}, Fault(garbage=b"x")),
        ("hang_up", {}, Fault(hang_up=True)),
        ("late", {"seconds": 1}, Fault(delay_s=1)),
    ],
)
async def test_faults(name: str, parameters: dict[str, object], fault: Fault) -> None:
    async with _station() as station:
        await station.fault(name, **parameters)
        assert station.server.fault == fault
        await station.fault("drop")


async def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="keba_p30"):
        _station(model="toaster")
    with pytest.raises(ValueError, match="kind"):
        RegisterServer({}, kind="serial")
    async with _station() as station:
        with pytest.raises(ValueError, match="hang_up"):
            await station.fault("explode")
        with pytest.raises(ValueError, match="late"):
            await station.fault("late")
        with pytest.raises(ValueError, match="no outlet 2"):
            station.outlet(2)
        with pytest.raises(TimeoutError, match="BOX"):
            await station.wait_for(lambda _: False, timeout=0.05)
    await station.stop()


def test_the_command_line_makes_boxes() -> None:
    line = "--protocol modbus --station A --station B --box keba_p30 --port 5020"
    first, second = boxes(parse(line.split()))
    assert (first.identity, first.model, first.port) == ("A", "keba_p30", 5020)
    assert (second.identity, second.port) == ("B", 5021)
    assert boxes(parse(["--station", "A"]))[0].port == 0


def test_a_request_knows_its_table() -> None:
    assert Request(1, 5, 0, 1, (1,)).table is Table.COIL
    assert Tables(input={1: 2}).table(Table.INPUT) == {1: 2}


@asynccontextmanager
async def _unit(server: RegisterServer, unit_id: int) -> AsyncIterator[ModbusUnit]:
    connection = ModbusConnection(ModbusTcpParams(host="127.0.0.1", port=server.port))
    yield connection.for_unit(unit_id)
    await connection.close()


async def _refused(asked: Awaitable[object]) -> int | None:
    with pytest.raises(ModbusExceptionError) as caught:
        await asked
    return caught.value.exception_code


async def test_a_server_refuses_what_it_does_not_have() -> None:
    async with RegisterServer({1: Tables(holding={0: 5})}, max_registers=2, gateway=True) as server:
        assert server.device_ids() == [1]
        async with _unit(server, 1) as unit, _unit(server, 2) as nobody:
            assert await _refused(unit.read_holding_registers(0, 3)) == 3
            assert await _refused(unit.read_holding_registers(1, 1)) == 2
            assert await _refused(unit.write_register(1, 1)) == 2
            assert await _refused(unit.read_write_registers(0, 1, 0, [1])) == 1
            assert await _refused(nobody.read_holding_registers(0, 1)) == 11
            await unit.write_register(0, 7)
            assert await unit.read_holding_registers(0, 1) == [7]
            server.fault = Fault(busy=1)
            assert await unit.read_holding_registers(0, 1) == [7]  # asked twice
            server.fault = Fault(exception=4)
            assert await _refused(unit.write_register(0, 1)) == 4


@pytest.mark.parametrize("model", ["generic", "alfen_eve", "keba_p30"])
async def test_a_box_refuses_what_its_manual_does(model: str) -> None:
    async with _station(model=model) as station:
        unit_id = 255 if model == "keba_p30" else 1
        async with _unit(station.server, unit_id) as unit:
            assert await _refused(unit.write_coil(0, True)) == 1
            match model:
                case "generic":
                    assert await _refused(unit.write_register(3, 1)) == 2
                    assert await _refused(unit.write_register(108, 1)) == 2
                case "alfen_eve":
                    assert await _refused(unit.write_register(1210, 1)) == 1
                    assert await _refused(unit.write_registers(1210, [1])) == 3
                    assert await _refused(unit.write_registers(1216, [1])) == 2
                case _:
                    assert await _refused(unit.write_registers(5004, [6000])) == 1
                    assert await _refused(unit.write_register(5014, 2)) == 3
                    assert await _refused(unit.write_register(5006, 2)) == 2
                    await unit.write_register(5012, 0)
            station.outlet(1).evse.faulted = True
            await station.wait_for(lambda s: s.state()["connectors"][0]["state"] == "E")
            if model == "generic":
                assert await unit.read_holding_registers(0, 1) == [4]
            elif model == "alfen_eve":
                assert await unit.read_holding_registers(1201, 1) == [0x4500]
            else:
                assert await unit.read_holding_registers(1000, 2) == [0, 4]
