"""Stations of OCPP 2.x at a whole site: the ledger has what their own books have."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.session import Session, SessionFlag, SessionStatus
from simulator import Clock, Config201, Ocpp201Station

from .depot import Depot, until
from .wire import Wire

ANNA, CARL = "04AA0001", "04CC0003"


@asynccontextmanager
async def box(
    depot: Depot, *, url: str | None = None, **options: Any
) -> AsyncGenerator[Ocpp201Station]:
    """A simulated station that the site knows, connected and accepted."""
    depot.add("BOX", evses=options.get("evses", 1))
    options = {"reconnect_s": 0.05, "call_timeout_s": 0.5, "tick_s": 0.02} | options
    config = Config201("BOX", reboot_s=0.1, **options)
    async with Ocpp201Station(config, url or depot.url, clock=Clock(600)) as station:
        await station.wait_for(lambda s: s.ready)
        yield station


async def drew(box: Ocpp201Station, wh: int, number: int = 1) -> None:
    """Wait until the car has drawn this much more."""
    evse = box.evse(number).evse
    wanted = evse.register_wh + wh
    await until(lambda: evse.register_wh >= wanted, 10)


async def begin(box: Ocpp201Station, card: str = ANNA, number: int = 1) -> None:
    await box.plug(number, "family", soc=0.1)
    await box.tap(card, number)
    await box.wait_for(lambda s: s.evse(number).transaction is not None)


async def agrees(depot: Depot, box: Ocpp201Station) -> list[Session]:
    """Unplug every car, and check that the ledger has what the station's own books have."""
    for number in range(1, box.config.evses + 1):
        if box.evse(number).evse.car is not None:
            await box.unplug(number)
    await box.wait_for(lambda s: s.ready and not len(s.outbox), 10)
    async with asyncio.timeout(5):
        while await depot.ledger.open_sessions():  # noqa: ASYNC110 - others close them
            await asyncio.sleep(0.02)
    theirs = {str(told.transaction_id): told for told in box.books.transactions}
    energy_wh = 0
    for reference, told in theirs.items():
        found = await depot.ledger.transaction_by_reference("BOX", reference)
        assert found is not None
        ours, _ = found
        # The station's books drop fractions of a watt-hour, ours round them.
        assert abs(ours.meter_start_wh - told.meter_start_wh) <= 1
        assert abs((ours.meter_stop_wh or 0) - (told.meter_stop_wh or 0)) <= 1
        assert ours.energy_wh == (ours.meter_stop_wh or 0) - ours.meter_start_wh
        assert ours.stop_reason == told.reason
        energy_wh += ours.energy_wh
    sessions = await depot.sessions()
    assert sum(one.energy_wh for one in sessions) == energy_wh
    assert {one.status for one in sessions} == {SessionStatus.CLOSED}
    assert await depot.ledger.orphans() == []
    assert box.books.violations == []
    return sessions


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
async def test_a_charge_from_plug_to_plug(depot: Depot, version: str) -> None:
    async with box(depot, version=version) as one:
        await begin(one)
        await drew(one, 300)
        assert await one.tap(ANNA) == "stopped"
        [session] = await agrees(depot, one)
    assert (session.user_id, session.token_last4, session.flags) == ("anna", "0001", frozenset())
    assert session.energy_wh >= 300


async def test_a_card_that_nobody_knows_is_refused(depot: Depot) -> None:
    async with box(depot) as one:
        await one.plug(1, "family", soc=0.1)
        assert await one.tap("DEADBEEF") == "refused"
        await one.unplug()
    assert await depot.sessions() == []


async def test_a_charge_goes_on_while_the_site_restarts(depot: Depot) -> None:
    async with box(depot, evses=2) as one:
        await begin(one, ANNA, 1)
        await begin(one, CARL, 2)
        await drew(one, 300, 2)
        await depot.restart(away_s=0.3)
        await one.wait_for(lambda s: s.ready)
        await until(lambda: len(depot.central.stations["BOX"].transactions) == 2, 10)
        await drew(one, 300)
        assert await one.tap(ANNA, 1) == "stopped"
        assert await one.tap(CARL, 2) == "stopped"
        sessions = await agrees(depot, one)
    assert {(session.evse, session.user_id) for session in sessions} == {
        (EvseId("BOX", 1), "anna"),
        (EvseId("BOX", 2), "carl"),
    }
    assert all(session.flags == frozenset() for session in sessions)


@pytest.mark.parametrize("restart", [False, True])
async def test_the_answer_to_a_start_is_lost(depot: Depot, *, restart: bool) -> None:
    # It begins with the first energy, a moment after the card was judged.
    point = {"tx_start_point": "EnergyTransfer"}
    async with Wire(depot.central.port or 0) as wire, box(depot, url=wire.url, **point) as one:
        await one.plug(1, "family", soc=0.1)
        assert await one.tap(ANNA) == "waiting"
        wire.lost.append(b'"idTokenInfo"')
        await until(lambda: not wire.lost)
        if restart:
            await depot.restart()
        await one.wait_for(lambda s: s.ready and not len(s.outbox), 10)
        await drew(one, 200)
        assert await one.tap(ANNA) == "stopped"
        [session] = await agrees(depot, one)
    assert session.user_id == "anna"


async def test_offline_charges_are_told_later(depot: Depot) -> None:
    async with box(depot) as one:
        # Set up, a station lets nobody in that it does not know.
        one.variables.set("AuthCtrlr.OfflineTxForUnknownIdEnabled", "true")
        await one.fault("offline")
        for _ in range(3):
            await begin(one)
            await drew(one, 200)
            assert await one.tap(ANNA) == "stopped"
            await one.unplug()
        await one.fault("online")
        sessions = await agrees(depot, one)
    assert [session.user_id for session in sessions] == ["anna"] * 3
    assert all(SessionFlag.OFFLINE in session.flags for session in sessions)


@pytest.mark.parametrize("fault", ["reboot", "power_loss", "drop"])
async def test_a_station_goes_down_while_it_charges(depot: Depot, fault: str) -> None:
    async with box(depot) as one:
        await begin(one)
        await drew(one, 200)
        await one.fault(fault)
        if fault == "power_loss":
            await one.fault("power_return")
        await one.wait_for(lambda s: s.ready and not len(s.outbox), 10)
        if one.evse(1).transaction is None:
            assert await one.tap(ANNA) == "started"
        await drew(one, 200)
        assert await one.tap(ANNA) == "stopped"
        await agrees(depot, one)


async def test_the_site_orders_and_the_station_obeys(depot: Depot) -> None:
    evse = EvseId("BOX", 1)
    async with box(depot) as one:
        await begin(one)
        await drew(one, 100)
        depot.site.orders.limit(evse, 8)
        await until(lambda: one.evse(1).evse.limit_a == 8, 10)
        await depot.site.orders.stop(evse)
        await one.wait_for(lambda s: s.evse(1).transaction is None or not s.evse(1).permit, 10)
        [session] = await agrees(depot, one)
    assert session.user_id == "anna"
