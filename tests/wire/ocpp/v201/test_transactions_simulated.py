"""A simulated station of OCPP 2.x in trouble: what it tells is what its own books have."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from custom_components.forecourt.stations.ocpp import CentralSystem, OcppStation
from simulator import Clock, Config201, Ocpp201Station
from tests.wire.ocpp.conftest import MakeCentral

from .peer import Books

CARD = "04AABB"
START_POINTS = ("PowerPathClosed", "EVConnected", "Authorized", "EnergyTransfer")


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - others change it on the same loop
            await asyncio.sleep(0.01)


@asynccontextmanager
async def box(
    central: CentralSystem, variables: dict[str, str] | None = None, **options: Any
) -> AsyncGenerator[Ocpp201Station]:
    """A simulated station that is accepted."""
    options = {"reconnect_s": 0.05, "call_timeout_s": 0.5, "tick_s": 0.02} | options
    told = {"SampledDataCtrlr.TxUpdatedInterval": "1", **(variables or {})}
    config = Config201("CP1", variables=told, reboot_s=0.1, **options)
    url = f"ws://127.0.0.1:{central.port}"
    async with Ocpp201Station(config, url, clock=Clock(600)) as station:
        await station.wait_for(lambda s: s.ready)
        yield station


async def drew(box: Ocpp201Station, wh: int) -> None:
    """Wait until the car has drawn this much more."""
    evse = box.evse(1).evse
    wanted = evse.register_wh + wh
    await until(lambda: evse.register_wh >= wanted)


async def charge(box: Ocpp201Station, wh: int = 200) -> None:
    if box.evse(1).evse.car is None:
        await box.plug(1, "family", soc=0.1)
    await box.tap(CARD)
    await drew(box, wh)


async def leave(box: Ocpp201Station) -> None:
    """Stop and unplug, and wait until all is told."""
    if box.evse(1).transaction is not None:
        await box.tap(CARD)
    if box.evse(1).evse.car is not None:
        await box.unplug()
    await box.wait_for(lambda s: s.ready and not len(s.outbox), 10)


def agrees(
    box: Ocpp201Station, site: Books, transactions: int = 1, *, start_within_wh: int = 1
) -> None:
    """Check that the site has what the station's own books have, no more and no less."""
    theirs = {str(t.transaction_id): t for t in box.books.transactions}
    assert len(theirs) == transactions
    starts = {str(start.reference): start for start in site.starts}
    ends = {str(end.reference): end for end in site.ends}
    assert starts.keys() == ends.keys() == theirs.keys()
    assert len(site.starts) == len(site.ends) == transactions
    for reference, told in theirs.items():
        start, end = starts[reference], ends[reference]
        # Its books drop fractions of a watt-hour, we round them.
        assert abs(start.meter_start_wh - told.meter_start_wh) <= start_within_wh
        assert abs((end.meter_stop_wh or 0) - (told.meter_stop_wh or 0)) <= 1
        assert end.reason == told.reason
    assert not site.running
    assert box.books.violations == []


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
@pytest.mark.parametrize(
    "start", ["PowerPathClosed", "EVConnected", "Authorized", "EnergyTransfer"]
)
@pytest.mark.parametrize("stop", ["EVConnected", "EVConnected,Authorized", "PowerPathClosed"])
async def test_whenever_a_transaction_begins_and_ends(
    make_central: MakeCentral, site: Books, version: str, start: str, stop: str
) -> None:
    central = await make_central()
    station = central.add_station("CP1")
    async with box(central, version=version, tx_start_point=start, tx_stop_point=stop) as one:
        await charge(one)
        await leave(one)
        # What flows before the first sample is taken: 2 Wh each millisecond at this speed.
        agrees(one, site, start_within_wh=100 if start == "EnergyTransfer" else 1)
        assert [begun.token is not None for begun in site.starts] == [True]
        assert station.transactions == {}
        assert station.references == {}
        assert set(station.notes) == {"boot: PowerUp"}


async def test_who_plugs_in_and_out_leaves_nothing(
    central: CentralSystem, station: OcppStation, site: Books
) -> None:
    async with box(central, tx_start_point="EVConnected") as one:
        await one.plug(1, "family")
        await one.wait_for(lambda s: s.evse(1).transaction is not None)
        await one.unplug()
        await leave(one)
    assert not site.starts
    assert not site.ends


async def test_three_charges_while_the_site_is_away(
    central: CentralSystem, station: OcppStation, site: Books
) -> None:
    async with box(
        central, {"AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"}, message_ids="counter"
    ) as one:
        # The set-up forbids it, as it does not know its cards.
        one.variables.set("AuthCtrlr.OfflineTxForUnknownIdEnabled", "true")
        await one.fault("offline")
        for _ in range(3):
            await charge(one)
            await one.tap(CARD)
            await one.unplug()
        await one.fault("online")
        await leave(one)
        agrees(one, site, 3)
    assert all(start.replayed for start in site.starts)
    assert station.transactions == {}


@pytest.mark.parametrize("fault", ["drop", "reboot", "power_loss", "freeze"])
async def test_a_charge_goes_through_trouble(
    central: CentralSystem, station: OcppStation, site: Books, fault: str
) -> None:
    async with box(central) as one:
        await charge(one)
        await one.fault(fault, **({"seconds": 0.2} if fault in ("power_loss", "freeze") else {}))
        await one.wait_for(lambda s: s.ready, 10)
        transactions = len(one.books.transactions)
        if one.evse(1).transaction is None:
            await charge(one)
            transactions += 1
        await drew(one, 100)
        await leave(one)
        agrees(one, site, transactions)


async def test_every_event_comes_twice(
    central: CentralSystem, station: OcppStation, site: Books
) -> None:
    async with box(central) as one:
        await one.fault("duplicate", action="TransactionEvent", upcoming=True)
        await charge(one)
        await leave(one)
        for new_id in (False, True):
            again = await one.fault("duplicate", action="TransactionEvent", new_id=new_id)
            assert "answer" in again
        agrees(one, site)
    assert station.notes["repeated event"]


async def test_readings_are_lost(central: CentralSystem, station: OcppStation, site: Books) -> None:
    async with box(central) as one:
        await charge(one)
        await one.fault("lose_reading", count=1)
        await drew(one, 200)
        await leave(one)
        agrees(one, site)


@pytest.mark.parametrize("skew_s", [-3600, 3600, -86_400 * 365 * 40])
async def test_a_clock_is_wrong(
    central: CentralSystem, station: OcppStation, site: Books, skew_s: int
) -> None:
    async with box(central) as one:
        await one.fault("skew_clock", seconds=skew_s)
        await charge(one)
        await leave(one)
        agrees(one, site)
    (start,) = site.starts
    # One that lies back less than the connection cannot be told from a time without it.
    assert (start.replayed, start.clock_estimated) == (skew_s == -3600, skew_s != -3600)


async def test_registers_in_kilowatt_hours(
    central: CentralSystem, station: OcppStation, site: Books
) -> None:
    async with box(central, energy_multiplier=3, spell_defaults=False) as one:
        await charge(one)
        await leave(one)
        agrees(one, site)


@pytest.mark.parametrize("by_event", [False, True])
async def test_a_station_without_cards(
    central: CentralSystem, station: OcppStation, site: Books, *, by_event: bool
) -> None:
    async with box(central, auth_enabled=False, status_by_event=by_event) as one:
        await one.plug(1, "family", soc=0.1)
        await drew(one, 200)
        await leave(one)
        agrees(one, site)
    assert [start.token for start in site.starts] == [None]
    assert {str(status) for _, status, _, _ in site.statuses} >= {"charging", "available"}
