"""A whole simulated station, written against the specification, on the other side."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from custom_components.forecourt.core.model.evse import EvseStatus
from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.setpoint import LimitReason, Setpoint
from custom_components.forecourt.core.model.token import Token
from custom_components.forecourt.stations.base import Failure, StationError
from custom_components.forecourt.stations.ocpp import Cause, CentralSystem
from simulator import Clock, Ocpp16Station, StationConfig
from simulator.garbage import GARBAGE

from .conftest import QUICK, MakeCentral
from .peer import INVALID, Site, Watch, cheap_hash

CARD = "04AABBCC"
EVSE = EvseId("SIM-1", 1)
PATIENT = replace(QUICK, call_s=2, pong_s=1, probe_s=0.2)


def simulated(central: CentralSystem, **config: Any) -> Ocpp16Station:
    settings = {"MeterValueSampleInterval": "1", **config.pop("settings", {})}
    options = {"tick_s": 0.02, "reconnect_s": 0.05, "reboot_s": 0.1, "call_timeout_s": 2.0} | config
    return Ocpp16Station(
        StationConfig("SIM-1", settings=settings, **options),
        f"ws://127.0.0.1:{central.port}",
        clock=Clock(speed=120),
    )


def has_status(box: Ocpp16Station, *statuses: str) -> bool:
    return box.connector(1).status in statuses


async def until(condition: Any, timeout_s: float = 5) -> None:
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - the station tells nobody
            await asyncio.sleep(0.01)


@pytest.fixture
async def central(make_central: MakeCentral) -> CentralSystem:
    return await make_central(PATIENT, sample_interval_s=1, fallback_current_a=6)


async def test_a_charge_from_plug_to_unplug(central: CentralSystem, site: Site, now: Watch) -> None:
    station = central.add_station("SIM-1")
    async with simulated(central) as box:
        await until(lambda: station.learned.fallback_written)
        await box.plug(1, "family", soc=0.2)
        assert await box.tap(CARD) == "started"
        await until(lambda: station.transactions)
        await station.apply(
            Setpoint(
                evse=EVSE,
                current_a=10,
                valid_until=now() + timedelta(seconds=300),
                reason=LimitReason.MAIN_FUSE,
            )
        )
        evse = box.connector(1).evse
        await until(lambda: evse.currents_a[0] > 9)
        assert max(evse.currents_a) <= 10
        await until(lambda: site.reports and site.reports[-1][1][-1].max_current_a == 10)
        assert await box.tap(CARD) == "stopped"
        await box.wait_for(lambda s: not len(s.outbox))
        await box.unplug(1)
        await until(lambda: site.statuses[-1][1] is EvseStatus.AVAILABLE)
        assert box.books.violations == []
        assert len(box.books.flash_writes) == 1
    assert site.starts[0].token == Token(CARD)
    readings = [reading for _, told, _ in site.reports for reading in told]
    counted = site.ends[0].meter_stop_wh - site.starts[0].meter_start_wh
    assert counted > 0
    assert readings[-1].register_wh is not None
    assert readings[-1].register_wh <= site.ends[0].meter_stop_wh
    assert [status for _, status, _, _ in site.statuses].count(EvseStatus.CHARGING) == 1


async def test_a_pause_does_not_end_the_transaction(
    central: CentralSystem, site: Site, now: Watch
) -> None:
    station = central.add_station("SIM-1")
    async with simulated(central) as box:
        await box.plug(1, "family")
        await box.wait_for(lambda s: s.ready)
        await box.tap(CARD)
        await until(lambda: station.transactions)
        until_when = now() + timedelta(seconds=300)
        for amps in (0, 6):
            await until(partial(has_status, box, "Charging", "SuspendedEVSE"))
            now.ahead += timedelta(seconds=5)
            await station.apply(
                Setpoint(
                    evse=EVSE, current_a=amps, valid_until=until_when, reason=LimitReason.NO_ROOM
                )
            )
            status = "SuspendedEVSE" if amps == 0 else "Charging"
            await until(partial(has_status, box, status))
        assert station.transactions == {1: 1}
        assert not site.ends
        assert box.books.violations == []


@pytest.mark.parametrize("unit", ["A", "W"])
async def test_a_station_that_takes_one_unit_only(
    central: CentralSystem, now: Watch, unit: str
) -> None:
    station = central.add_station("SIM-1")
    async with simulated(central, rate_units=(unit,)) as box:
        await until(lambda: station.learned.fallback_written == 6)
        assert station.learned.unit == unit
        await box.plug(1, "family")
        await box.tap(CARD)
        await until(lambda: station.transactions)

        async def apply() -> None:
            await station.apply(
                Setpoint(
                    evse=EVSE,
                    current_a=8,
                    valid_until=now() + timedelta(seconds=300),
                    reason=LimitReason.MAIN_FUSE,
                )
            )

        await apply()
        await until(lambda: station.limiter.phases)
        now.ahead += timedelta(seconds=10)
        await apply()
        await until(lambda: box.connector(1).evse.currents_a[0] > 7)
        assert box.connector(1).evse.currents_a[0] <= 8.1


@pytest.mark.parametrize("unit", ["A", "W"])
async def test_phases_are_switched_as_told(central: CentralSystem, now: Watch, unit: str) -> None:
    station = central.add_station("SIM-1", switches_phases=True)
    async with simulated(central, rate_units=(unit,)) as box:
        await until(lambda: station.learned.fallback_written == 6)
        await box.plug(1, "family")
        await box.tap(CARD)
        await until(lambda: station.transactions)
        evse = box.connector(1).evse
        for phases in (1, 3, None):
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
            count = phases or 3
            await until(lambda: sum(amps > 7 for amps in evse.currents_a) == count)  # noqa: B023
            assert max(evse.currents_a) <= 8.1
        assert box.books.violations == []


async def test_remote_start_and_stop(central: CentralSystem, site: Site) -> None:
    station = central.add_station("SIM-1")
    async with simulated(central) as box:
        await until(lambda: station.learned.fallback_written)
        await box.plug(1, "family")
        await station.start(EVSE, Token("SITE"))
        await until(lambda: station.transactions)
        assert site.starts[0].token == Token("SITE")
        await station.stop(station.transactions[1])
        await until(lambda: site.ends)
        assert site.ends[0].reason == "Remote"
        await station.unlock(EVSE)
        await station.refresh(EVSE)
        await station.set_available(EVSE, available=False)
        await until(lambda: site.statuses[-1][1] is EvseStatus.UNAVAILABLE)
        await station.set_available(EVSE, available=True)
        with pytest.raises(StationError) as caught:
            await station.stop(4711)
        assert caught.value.failure is Failure.REFUSED
        assert box.books.violations == []


async def test_a_card_that_is_refused_does_not_charge(central: CentralSystem, site: Site) -> None:
    central.add_station("SIM-1")
    site.authorization = INVALID
    async with simulated(central) as box:
        await box.wait_for(lambda s: s.ready)
        await box.plug(1, "family")
        assert await box.tap(CARD) == "refused"
        assert not site.starts


async def test_a_charge_that_went_on_without_us(
    central: CentralSystem, site: Site, now: Watch
) -> None:
    station = central.add_station("SIM-1")
    async with simulated(central) as box:
        await until(lambda: station.learned.fallback_written)
        await box.plug(1, "family")
        await box.tap(CARD)
        await until(lambda: site.reports)
        await box.fault("offline")
        await until(lambda: not station.online)
        await box.tap(CARD)
        now.ahead += timedelta(seconds=10)
        await box.fault("online")
        await until(lambda: site.ends)
        await box.wait_for(lambda s: not len(s.outbox))
        assert site.ends[0].replayed
        assert len(site.starts) == 1
        assert box.books.violations == []


async def test_a_lost_connection_is_taken_up_again(central: CentralSystem, site: Site) -> None:
    station = central.add_station("SIM-1")
    async with simulated(central) as box:
        await until(lambda: station.learned.fallback_written)
        for reset in (False, True):
            await box.fault("drop", reset=reset)
            await until(lambda: not station.online)
            await until(lambda: station.online)
        await box.fault("reboot")
        await until(lambda: not station.online)
        await until(lambda: station.online)
        # Not one more write to the flash memory for all that.
        assert len(box.books.flash_writes) == 1
        assert box.books.violations == []


async def test_a_station_whose_clock_was_lost(central: CentralSystem, site: Site) -> None:
    station = central.add_station("SIM-1")
    async with simulated(central, message_ids="counter", battery_backed_clock=False) as box:
        await box.wait_for(lambda s: s.ready)
        await box.plug(1, "family")
        await box.tap(CARD)
        await until(lambda: site.starts)
        await box.fault("power_loss", seconds=0.1)
        await until(lambda: not station.online)
        await until(lambda: station.online)
        await until(lambda: site.ends)
        assert box.books.violations == []


async def test_a_start_that_is_told_twice(central: CentralSystem, site: Site) -> None:
    central.add_station("SIM-1")
    async with simulated(central) as box:
        await box.wait_for(lambda s: s.ready)
        await box.plug(1, "family")
        await box.tap(CARD)
        await until(lambda: site.starts)
        again = await box.fault("duplicate", action="StartTransaction")
        assert again["answer"]["transactionId"] == 1
        assert len(site.starts) == 1, "the same message"
        await box.fault("duplicate", action="StartTransaction", new_id=True)
        assert site.starts[0] == site.starts[1], "the same start, for the site to know"


async def test_a_stranger_becomes_a_station(make_central: MakeCentral) -> None:
    told: list[Any] = []
    central = await make_central(PATIENT, on_pending=told.append)
    async with simulated(central, connectors=2) as box:
        await until(lambda: told)
        assert (told[0].vendor, told[0].evses) == ("Forecourt Simulator", 2)
        station = central.add_station("SIM-1")
        await until(lambda: station.online)
        assert box.registration == "Accepted"
        assert box.books.violations == []


async def test_a_station_with_a_password(central: CentralSystem) -> None:
    key = "00112233445566778899aabbccddeeff"
    station = central.add_station("SIM-1", cheap_hash(key))
    for decoded in (True, False):
        async with simulated(central, password=key, authorization_key_hex=decoded):
            await until(lambda: station.online)
        await until(lambda: not station.online)
    async with simulated(central, password="wrong"):
        await until(lambda: central.knocks[-1].cause is Cause.WRONG_PASSWORD)


@pytest.mark.parametrize("kind", sorted(GARBAGE))
async def test_garbage_never_stops_the_service(
    central: CentralSystem, site: Site, kind: str
) -> None:
    station = central.add_station("SIM-1")
    async with simulated(central) as box:
        await until(lambda: station.online)
        await box.fault("garbage", kind=kind)
        await until(lambda: station.online)
        await box.plug(1, "family")
        await until(lambda: EvseStatus.PREPARING in [status for _, status, _, _ in site.statuses])
