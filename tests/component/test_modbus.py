"""Boxes over the connections that Home Assistant shares."""

from collections.abc import AsyncIterator

from homeassistant.core import HomeAssistant
import pytest

from custom_components.forecourt.stations.declarative.link import LinkError, LinkFault
from custom_components.forecourt.stations.modbus.address import ModbusAddress
from custom_components.forecourt.stations.modbus.ha import shared_units
from simulator.modbus import RegisterServer, Tables


@pytest.fixture
async def server(socket_enabled: None) -> AsyncIterator[RegisterServer]:
    tables = {unit: Tables(holding={0: unit}) for unit in (1, 2)}
    async with RegisterServer(tables, max_clients=1) as server:
        yield server


async def test_two_stations_at_one_address_share_its_only_connection(
    hass: HomeAssistant, server: RegisterServer
) -> None:
    address = ModbusAddress(host="127.0.0.1", port=server.port)
    first, second = shared_units(hass, address), shared_units(hass, address)
    async with first(1) as one:
        async with second(2) as two:
            assert await one.read_holding_registers(0, 1) == [1]
            assert await two.read_holding_registers(0, 1) == [2]
        assert await one.read_holding_registers(0, 1) == [1]
        assert server.clients == 1
        assert server.connections == 1


async def test_one_address_has_one_setting(hass: HomeAssistant) -> None:
    units = [
        shared_units(hass, ModbusAddress(host="/dev/ttyNOWHERE", kind="serial", baudrate=baudrate))
        for baudrate in (9600, 19200)
    ]
    async with units[0](1):
        with pytest.raises(LinkError) as caught:
            async with units[1](2):
                pass
    assert caught.value.fault is LinkFault.BUSY
    assert "different link settings" in caught.value.detail
    async with units[1](2):
        pass


async def test_a_serial_line_over_tcp_is_shared_too(
    hass: HomeAssistant, socket_enabled: None
) -> None:
    async with RegisterServer({1: Tables(holding={0: 7})}, kind="rtu_over_tcp") as server:
        address = ModbusAddress(host="127.0.0.1", port=server.port, kind="rtu_over_tcp")
        async with shared_units(hass, address)(1) as unit:
            assert await unit.read_holding_registers(0, 1) == [7]


async def test_a_box_may_speak_udp(hass: HomeAssistant, socket_enabled: None) -> None:
    async with RegisterServer({1: Tables(holding={0: 7})}, kind="udp") as server:
        address = ModbusAddress(host="127.0.0.1", port=server.port, kind="udp")
        async with shared_units(hass, address)(1) as unit:
            assert await unit.read_holding_registers(0, 1) == [7]
