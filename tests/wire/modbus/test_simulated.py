"""Shipped profiles, and boxes of the simulator that charge cars."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from custom_components.forecourt.stations.declarative.library import Library
from custom_components.forecourt.stations.declarative.link import LinkError, LinkFault
from custom_components.forecourt.stations.declarative.profile import Order, Role
from custom_components.forecourt.stations.modbus.address import ModbusAddress, own_line
from custom_components.forecourt.stations.modbus.link import ModbusLink
from custom_components.forecourt.stations.modbus.scan import scan
from simulator import Clock, ModbusConfig, ModbusStation

type Box = Callable[..., AbstractAsyncContextManager[tuple[ModbusStation, ModbusLink]]]

LIBRARY = Library()


@pytest.fixture
def box() -> Box:
    @asynccontextmanager
    async def running(
        model: str, *, speed: float = 600.0, outlets: int = 1, **more: object
    ) -> AsyncIterator[tuple[ModbusStation, ModbusLink]]:
        config = ModbusConfig(identity="BOX", model=model, outlets=outlets, **more)  # type: ignore[arg-type]
        async with ModbusStation(config, clock=Clock(speed)) as station:
            address = ModbusAddress(host="127.0.0.1", port=station.port)
            async with own_line(address) as units:
                link = ModbusLink(LIBRARY.get(model), units, outlets=outlets)
                await link.open()
                yield station, link
                await link.close()

    return running


@pytest.mark.parametrize("model", ["keba_p30", "alfen_eve"])
async def test_a_car_charges_pauses_and_goes_on(box: Box, model: str) -> None:
    async with box(model, register_wh=12_345) as (station, link):
        told = (await link.read()).outlets[1]
        assert told[Role.STATUS] == "available"
        assert told[Role.ENERGY_WH] == pytest.approx(12_345, abs=1)

        await station.plug(1, "family")
        await station.wait_for(lambda s: s.outlet(1).evse.power_w > 10_000)
        told = (await link.read()).outlets[1]
        assert told[Role.STATUS] == "charging"
        assert told[Role.CURRENT_A_3] == pytest.approx(16, abs=0.1)
        assert told[Role.POWER_W] == pytest.approx(3 * 230 * 16, rel=0.02)

        await link.tell(Order.LIMIT_A, 10)
        await station.wait_for(lambda s: s.outlet(1).evse.currents_a[0] == pytest.approx(10))
        pause = Order.PAUSE if link.has(Order.PAUSE) else Order.LIMIT_A
        await link.tell(pause, 0)
        await station.wait_for(lambda s: s.outlet(1).evse.power_w == 0)
        told = (await link.read()).outlets[1]
        assert str(told[Role.STATUS]).startswith(("suspended", "preparing"))
        await (link.tell(Order.RESUME) if link.has(Order.RESUME) else link.tell(pause, 10))
        await station.wait_for(lambda s: s.outlet(1).evse.power_w > 1000)

        await station.unplug()
        told = (await link.read()).outlets[1]
        assert told[Role.STATUS] == "available"
        assert float(told[Role.ENERGY_WH] or 0) > 12_345


async def test_the_generic_box_has_what_most_have() -> None:
    async with ModbusStation(ModbusConfig(identity="BOX", outlets=2), clock=Clock(600)) as station:
        address = ModbusAddress(host="127.0.0.1", port=station.port)
        async with own_line(address) as units, units(1) as unit:
            assert (await unit.read_holding_registers(0, 1)) == [0]
            await station.plug(2, "family")
            await station.wait_for(lambda s: s.outlet(2).evse.power_w > 10_000)
            assert (await unit.read_holding_registers(100, 4)) == [2, 160, 160, 160]
            await unit.write_registers(108, [8])
            await station.wait_for(lambda s: s.outlet(2).evse.currents_a[0] == pytest.approx(8))
            await unit.write_register(109, 0)
            assert (await unit.read_holding_registers(100, 1)) == [3]
            # A watchdog that nobody renews.
            await unit.write_registers(109, [1, 1, 6])
            await station.wait_for(lambda s: s.outlet(2).evse.currents_a[0] == pytest.approx(6))
            assert station.state()["connectors"][1]["fallen_back"]


async def test_a_card_is_shown_until_the_car_has_left(box: Box) -> None:
    async with box("keba_p30") as (station, link):
        assert (await link.read()).outlets[1][Role.TOKEN] is None
        await station.plug(1, "compact")
        assert await station.tap("04A1B2C3") == "shown"
        assert (await link.read()).outlets[1][Role.TOKEN] == "04a1b2c3"
        await station.unplug(1)
        assert (await link.read()).outlets[1][Role.TOKEN] is None


async def test_two_sockets_are_two_units(box: Box) -> None:
    async with box("alfen_eve", outlets=2) as (station, link):
        await station.plug(2, "family")
        await station.wait_for(lambda s: s.outlet(2).evse.power_w > 10_000)
        sample = await link.read(slow=True)
        assert [sample.outlets[n][Role.STATUS] for n in (1, 2)] == ["available", "charging"]
        assert sample.station[Role.VENDOR] == "Alfen NV"
        await link.tell(Order.LIMIT_A, 7, outlet=2)
        assert (station.outlet(1).limit_a, station.outlet(2).limit_a) == (16, 7)


async def test_phases_are_switched(box: Box) -> None:
    for model in ("keba_p30", "alfen_eve"):
        async with box(model) as (station, link):
            await link.tell(Order.PHASES, 1)
            assert station.outlet(1).evse.phases_offered == 1
            assert (await link.read(slow=True)).outlets[1][Role.PHASES] == 1


async def test_a_watchdog_falls_back_unless_it_is_renewed(box: Box) -> None:
    async with box("keba_p30") as (station, link):
        await link.tell(Order.FALLBACK_A, 6)
        await link.tell(Order.WATCHDOG_S, 10)
        await link.read(slow=True)
        await link.tell(Order.RENEW, 10)
        assert station.outlet(1).watchdog_s == 10
        outlet = station.outlet(1)
        outlet.told_at -= 11
        await station.wait_for(lambda s: s.outlet(1).fallen_back)
        assert station.outlet(1).evse.limit_a == 6
        await link.tell(Order.LIMIT_A, 12)
        await station.wait_for(lambda s: s.outlet(1).evse.limit_a == 12)


@pytest.mark.parametrize(
    ("order", "value", "cause"),
    [(Order.LIMIT_A, 5, LinkFault.NOT_SUPPORTED), (Order.PHASES, 2, LinkFault.NOT_SUPPORTED)],
)
async def test_what_the_box_does_not_take(
    box: Box, order: Order, value: int, cause: LinkFault
) -> None:
    async with box("keba_p30") as (_, link):
        with pytest.raises(LinkError) as caught:
            await link.tell(order, value)
        assert caught.value.fault is cause


async def test_the_boxes_are_found_by_all_shipped_profiles() -> None:
    found = {}
    for model in ("keba_p30", "alfen_eve"):
        async with ModbusStation(ModbusConfig(identity="BOX", model=model)) as station:
            profiles = LIBRARY.all().values()
            async for step in scan(["127.0.0.1"], profiles, port=station.port):
                assert step.found is not None
                found[model] = step.found.profiles
            assert not station.server.writes
    assert found["alfen_eve"] == ("alfen_eve",)
    assert "keba_p30" in found["keba_p30"]
