"""A whole simulated station of OCPP 2.x, written against the specification, on the other side."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.reservation import Reservation
from custom_components.forecourt.core.model.setpoint import LimitReason, Setpoint
from custom_components.forecourt.core.model.token import Token, TokenKind
from custom_components.forecourt.stations.base import (
    CanShowCost,
    CanShowPrice,
    Failure,
    StationError,
    supports,
)
from custom_components.forecourt.stations.ocpp import CentralSystem, OcppStation
from custom_components.forecourt.stations.ocpp.composite import InForce
from simulator import Clock, Config201, Ocpp201Station
from tests.wire.ocpp.conftest import QUICK, MakeCentral
from tests.wire.ocpp.peer import Watch

from .peer import Books

EVSE = EvseId("SIM-1", 1)
FAST: dict[str, Any] = {"tick_s": 0.02, "reconnect_s": 0.05, "reboot_s": 0.1, "call_timeout_s": 2.0}


async def until(condition: Any, timeout_s: float = 5) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - the station tells nobody
            await asyncio.sleep(0.01)


@pytest.fixture(params=["2.0.1", "2.1"])
def version(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
async def central(make_central: MakeCentral) -> CentralSystem:
    timing = replace(QUICK, pong_s=1, probe_s=0.2)
    return await make_central(timing, sample_interval_s=1, fallback_current_a=6)


@pytest.fixture
def station(central: CentralSystem) -> OcppStation:
    return central.add_station("SIM-1")


@pytest.fixture
async def box(
    central: CentralSystem, station: OcppStation, version: Any
) -> AsyncIterator[Ocpp201Station]:
    """Return a station that is set up, with a car at its first outlet."""
    config = Config201("SIM-1", version=version, evses=2, **FAST)
    url = f"ws://127.0.0.1:{central.port}"
    async with Ocpp201Station(config, url, clock=Clock(speed=60)) as box:
        await until(lambda: station.learned.fallback_written)
        await box.plug(1, "family", soc=0.2)
        yield box
    assert box.books.violations == []


async def charge(station: OcppStation) -> int:
    """Start a charge from afar and return its transaction."""
    await station.start(EVSE, Token("ABC", TokenKind.CENTRAL))
    await until(lambda: station.transactions)
    return station.transactions[1]


async def test_a_charge_by_orders_alone(
    station: OcppStation, box: Ocpp201Station, site: Books, now: Watch
) -> None:
    assert station.info.evses == 2
    transaction_id = await charge(station)
    assert site.starts[0].token == Token("ABC")
    await station.apply(
        Setpoint(
            evse=EVSE,
            current_a=10,
            valid_until=now() + timedelta(seconds=300),
            reason=LimitReason.MAIN_FUSE,
        )
    )
    await until(lambda: station.composite.found)
    assert station.composite.found == {1: InForce.AS_ORDERED}
    await until(lambda: box.evse(1).evse.currents_a[0] > 9)
    assert max(box.evse(1).evse.currents_a) <= 10
    with pytest.raises(StationError) as caught:
        await station.unlock(EVSE)
    assert caught.value.detail == "OngoingAuthorizedTransaction"
    await station.show_cost(transaction_id, Decimal("1.25"))
    await station.refresh(EVSE)
    await station.stop(transaction_id)
    await until(lambda: site.ends)
    assert site.ends[0].transaction_id == transaction_id


async def test_phases_are_switched_as_told(
    station: OcppStation, central: CentralSystem, box: Ocpp201Station, now: Watch
) -> None:
    central.add_station("SIM-1", evses=2, switches_phases=True)
    await charge(station)
    for phases in (1, 3):
        now.ahead += timedelta(seconds=10)
        await station.apply(
            Setpoint(
                evse=EVSE,
                current_a=8,
                valid_until=now() + timedelta(seconds=300),
                reason=LimitReason.MAIN_FUSE,
                phases=phases,
            )
        )
        currents = box.evse(1).evse
        await until(lambda: sum(amps > 7 for amps in currents.currents_a) == phases)  # noqa: B023


async def test_a_price_is_shown_by_who_can(
    station: OcppStation, box: Ocpp201Station, version: str
) -> None:
    assert supports(station, CanShowCost)
    assert supports(station, CanShowPrice) is (version == "2.1")
    if version == "2.1":
        await charge(station)
        for _ in range(2):
            await station.show_price(Decimal("0.31"), "EUR")
        told = await station.call("GetTariffs", {"evseId": 0})
        ids = {one["tariffId"] for one in told["tariffAssignments"]}
        assert "forecourt-EUR-0.31" in ids
    else:
        with pytest.raises(StationError) as caught:
            await station.show_price(Decimal("0.31"), "EUR")
        assert caught.value.failure is Failure.NOT_SUPPORTED


async def test_an_outlet_is_held_closed_and_opened(
    station: OcppStation, box: Ocpp201Station, now: Watch
) -> None:
    held = Reservation(
        id=4,
        evse=EvseId("SIM-1", 2),
        token=Token("04AA"),
        until=now() + timedelta(hours=1),
        group="family",
    )
    await station.reserve(held)
    await station.cancel_reservation(4)
    with pytest.raises(StationError):
        await station.cancel_reservation(4)
    for available in (False, True):
        await station.set_available(EvseId("SIM-1", 2), available=available)


async def test_a_restart_is_survived_and_nothing_is_written_again(
    station: OcppStation, box: Ocpp201Station
) -> None:
    tries = dict(station.tries)
    assert tries
    boots = station.notes["boot: PowerUp"]
    await station.reset()
    await until(lambda: not station.online)
    await until(lambda: station.online)
    await until(lambda: sum(station.notes.values()) > boots)
    await asyncio.wait_for(station._settled.wait(), 5)
    assert dict(station.tries) == tries
    assert len(box.books.flash_writes) == 1
