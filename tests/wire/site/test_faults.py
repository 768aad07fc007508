"""Whatever goes wrong on the way, the ledger has what the station's own books have."""

import asyncio
from datetime import datetime

import pytest

from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.session import SessionFlag
from simulator import Ocpp16Station
from simulator.garbage import GARBAGE

from .depot import Depot, until
from .wire import Wire

ANNA, CARL = "04AA0001", "04CC0003"


async def drew(box: Ocpp16Station, wh: int, connector: int = 1) -> None:
    """Wait until the car has drawn this much more."""
    evse = box.connector(connector).evse
    wanted = evse.register_wh + wh
    await until(lambda: evse.register_wh >= wanted, 10)


async def begin(box: Ocpp16Station, card: str = ANNA, connector: int = 1) -> None:
    await box.plug(connector, "family", soc=0.1)
    assert await box.tap(card, connector) == "started"
    await box.wait_for(lambda s: s.connector(connector).transaction is not None)


async def test_a_charge_went_on_while_the_site_restarted(depot: Depot) -> None:
    async with depot.box() as box:
        await begin(box)
        await drew(box, 300)
        await depot.restart(away_s=0.3)
        await box.wait_for(lambda s: s.ready)
        await drew(box, 300)
        assert await box.tap(ANNA) == "stopped"
        [session] = await depot.agrees(box)
        assert (session.user_id, session.flags) == ("anna", frozenset())


async def test_offline_charges_are_told_while_the_site_restarts(depot: Depot) -> None:
    """The backlog of three charges is cut by a restart in its middle."""
    async with (
        Wire(depot.central.port or 0) as wire,
        depot.box(url=wire.url, speed=1200, settings={"AllowOfflineTxForUnknownId": "true"}) as box,
    ):
        await box.fault("offline")
        for _ in range(3):
            await begin(box)
            await drew(box, 200)
            assert await box.tap(ANNA) == "stopped"
            await box.unplug()
        wire.lost.append(b'"transactionId":2')
        await box.fault("online")
        await until(lambda: not wire.lost)
        await depot.restart()
        sessions = await depot.agrees(box)
        assert len(sessions) == 3
        for session, entry in zip(sessions, box.books.transactions, strict=True):
            assert session.started_at == datetime.fromisoformat(entry.started)


@pytest.mark.parametrize("restart", [False, True])
async def test_the_answer_to_a_start_is_lost(depot: Depot, *, restart: bool) -> None:
    async with Wire(depot.central.port or 0) as wire:
        wire.lost.append(b'"transactionId"')
        async with depot.box(url=wire.url) as box:
            await box.plug(1, "family", soc=0.1)
            await box.tap(ANNA)
            await until(lambda: not wire.lost)
            if restart:
                await depot.restart()
            await box.wait_for(lambda s: s.books.transactions[0].start_delivered)
            await drew(box, 200)
            assert await box.tap(ANNA) == "stopped"
            assert len(await depot.agrees(box)) == 1


@pytest.mark.parametrize("action", ["StartTransaction", "MeterValues", "StopTransaction"])
@pytest.mark.parametrize("upcoming", [False, True])
async def test_messages_come_twice(depot: Depot, action: str, *, upcoming: bool) -> None:
    async with depot.box() as box:
        if upcoming:
            await box.fault("duplicate", action=action, upcoming=True)
        await begin(box)
        await drew(box, 200)
        assert await box.tap(ANNA) == "stopped"
        await box.wait_for(lambda s: not len(s.outbox))
        if not upcoming:
            for new_id in (False, True):
                again = await box.fault("duplicate", action=action, new_id=new_id)
                assert "answer" in again
        assert len(await depot.agrees(box)) == 1


@pytest.mark.parametrize(
    ("fault", "parameters"), [("reboot", {}), ("power_loss", {"seconds": 0.2})]
)
@pytest.mark.parametrize("has_clock", [False, True])
async def test_a_station_goes_down_while_it_charges(
    depot: Depot, fault: str, parameters: dict[str, float], *, has_clock: bool
) -> None:
    async with depot.box(battery_backed_clock=has_clock, reboot_s=0.2) as box:
        await begin(box)
        await drew(box, 200)
        await box.fault(fault, **parameters)
        await until(lambda: not box.ready)
        await box.wait_for(lambda s: s.ready and not len(s.outbox), 10)
        await begin_again(box)
        await drew(box, 200)
        assert await box.tap(ANNA) == "stopped"
        await depot.agrees(box)


async def begin_again(box: Ocpp16Station) -> None:
    assert await box.tap(ANNA) == "started"
    await box.wait_for(lambda s: s.connector(1).transaction is not None)


@pytest.mark.parametrize("skew_s", [-3600, 3600, -86_400 * 365 * 40])
async def test_a_clock_is_wrong(depot: Depot, skew_s: float) -> None:
    async with depot.box() as box:
        await box.fault("skew_clock", seconds=skew_s)
        for _ in range(2):
            await begin(box)
            await drew(box, 200)
            await box.fault("drop")
            await drew(box, 100)
            assert await box.tap(ANNA) == "stopped"
            await box.unplug()
        sessions = await depot.agrees(box)
        assert len(sessions) == 2
        # One that lies back less than the connection cannot be told from a time without it.
        told = SessionFlag.OFFLINE if skew_s == -3600 else SessionFlag.CLOCK_ESTIMATED
        assert all(told in one.flags for one in sessions)


async def test_two_outlets_at_once(depot: Depot) -> None:
    async with depot.box(connectors=2) as box:
        await begin(box, ANNA, 1)
        await begin(box, CARL, 2)
        await drew(box, 200, 2)
        await box.fault("reboot")
        await until(lambda: not box.ready)
        await box.wait_for(lambda s: s.ready and not len(s.outbox), 10)
        assert await box.tap(CARL, 2) == "started"
        await drew(box, 100, 2)
        await depot.restart()
        await box.wait_for(lambda s: s.ready)
        sessions = await depot.agrees(box)
        assert {(one.evse, one.user_id) for one in sessions} == {
            (EvseId("BOX", 1), "anna"),
            (EvseId("BOX", 2), "carl"),
        }


@pytest.mark.parametrize("unit", ["A", "W"])
async def test_a_station_takes_one_unit(depot: Depot, unit: str) -> None:
    async with depot.box(rate_units=(unit,)) as box:
        await begin(box)
        await drew(box, 300)
        assert await box.tap(ANNA) == "stopped"
        await depot.agrees(box)
        assert len(box.books.flash_writes) == 1


async def test_garbage_amid_a_charge(depot: Depot) -> None:
    async with depot.box() as box:
        await begin(box)
        # An id that is a number comes back as it is, which the station's own books hold against us.
        for kind in sorted(GARBAGE.keys() - {"numeric_id"}):
            await box.fault("garbage", kind=kind)
            await asyncio.sleep(0.05)
            await box.wait_for(lambda s: s.ready)
        await drew(box, 100)
        assert await box.tap(ANNA) == "stopped"
        await depot.agrees(box)


@pytest.mark.parametrize("fault", ["register_zero", "session_register"])
async def test_a_register_shows_something_else_between_start_and_stop(
    depot: Depot, fault: str
) -> None:
    async with depot.box() as box:
        await begin(box)
        await drew(box, 100)
        await box.fault(fault)
        await drew(box, 300)
        assert await box.tap(ANNA) == "stopped"
        [session] = await depot.agrees(box)
        assert SessionFlag.METER_MISMATCH not in session.flags
