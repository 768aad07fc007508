"""Charging profiles that the server sets."""

from __future__ import annotations

from typing import Any

import pytest

from simulator import ManualClock
from simulator.clock import wire_time

from .charging import ACCEPTED, REJECTED, STARTED, charging, profile, set_profile
from .conftest import Dial
from .server import Server


async def test_a_profile_is_obeyed_until_it_is_over(server: Server, dial: Dial) -> None:
    clock = ManualClock(speed=10)
    server.now = clock.utc
    station = await charging(dial, clock=clock, tick_s=1.0)
    evse = station.connector(1).evse
    assert await set_profile(server, 1, profile("TxDefaultProfile", 8)) == "Accepted"
    begin = {"startSchedule": wire_time(clock.utc()), "duration": 300}
    assert await set_profile(server, 1, profile(limit=0, number=2, **begin)) == "Accepted"
    await clock.advance(10)
    await station.wait_for(lambda _: server.status() == "SuspendedEVSE")
    assert evse.power_w == 0
    await clock.advance(291)
    await clock.advance(10)
    assert evse.currents_a == (8, 8, 8)
    assert [line["purpose"] for line in station.books.flash_writes] == ["TxDefaultProfile"]


async def test_one_phase(server: Server, dial: Dial) -> None:
    station = await charging(dial)
    one = profile(limit=16)
    one["chargingSchedule"]["chargingSchedulePeriod"][0]["numberPhases"] = 1
    await set_profile(server, 1, one)
    assert station.state()["connectors"][0]["phases_offered"] == 1
    await station.tap(STARTED)
    assert station.state()["connectors"][0]["phases_offered"] == 3


async def test_phases_may_be_beyond_a_station(server: Server, dial: Dial) -> None:
    station = await charging(dial, phase_switching=False)
    one = profile(limit=16)
    one["chargingSchedule"]["chargingSchedulePeriod"][0]["numberPhases"] = 1
    assert await set_profile(server, 1, one) == "Accepted"
    assert station.connector(1).evse.phases_offered == 3


@pytest.mark.parametrize(
    ("options", "shares"), [({}, [6, 6, 0]), ({"feed_current_a": 8}, [8, 0, 0])]
)
async def test_connectors_share_what_the_station_may_draw(
    server: Server, dial: Dial, options: dict[str, Any], shares: list[float]
) -> None:
    station = await dial(connectors=3, **options)
    for number in (1, 2, 3):
        await station.plug(number, "family")
        await station.tap(f"0{number}", number)
    assert await set_profile(server, 0, profile("ChargePointMaxProfile", 12)) == "Accepted"
    assert [one["limit_a"] for one in station.state()["connectors"]] == shares
    assert station.books.flash_writes[0]["purpose"] == "ChargePointMaxProfile"


async def test_profiles_that_are_refused(server: Server, dial: Dial) -> None:
    station = await dial()
    assert await set_profile(server, 1, profile()) == "Rejected"
    assert await set_profile(server, 9, profile("TxDefaultProfile")) == "Rejected"
    assert [note["why"] for note in station.books.notes if note["event"] == "profile_refused"] == [
        *("TxProfile without a transaction", "no such connector")
    ]
    assert station.books.flash_writes == []


async def test_clear_charging_profile(server: Server, dial: Dial) -> None:
    station = await dial()
    await set_profile(server, 0, profile("TxDefaultProfile", 6))
    assert station.connector(1).evse.limit_a == 6
    assert await server.call("ClearChargingProfile", {"id": 99}) == {"status": "Unknown"}
    assert await server.call("ClearChargingProfile", {"id": 1}) == ACCEPTED
    assert station.connector(1).evse.limit_a == 16
    assert [line["change"] for line in station.books.flash_writes] == ["set", "clear"]


async def test_profiles_outlive_a_boot_but_not_those_of_the_transaction(
    server: Server, dial: Dial
) -> None:
    station = await charging(dial)
    await set_profile(server, 1, profile("TxDefaultProfile", 8))
    await set_profile(server, 1, profile(limit=12, number=2))
    await station.fault("reboot")
    await station.wait_for(lambda s: s.registration is None)
    await station.wait_for(lambda s: s.ready)
    assert [one.purpose for one in station.profiles.installed] == ["TxDefaultProfile"]


async def test_composite_schedule(server: Server, dial: Dial) -> None:
    station = await charging(dial, rate_units=("W",))
    one = profile("TxDefaultProfile", 6900, chargingRateUnit="W")
    assert await set_profile(server, 1, profile("TxDefaultProfile", 10)) == "Rejected"
    assert await set_profile(server, 1, one) == "Accepted"
    answer = await server.call("GetCompositeSchedule", {"connectorId": 1, "duration": 60})
    assert answer["connectorId"] == 1
    assert answer["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] == 6900
    request = {"connectorId": 0, "duration": 60, "chargingRateUnit": "A"}
    whole = await server.call("GetCompositeSchedule", request)
    assert whole["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"] == 16
    request["connectorId"] = 2
    assert await server.call("GetCompositeSchedule", request) == REJECTED
    assert station.books.violations == []


async def test_without_smart_charging(server: Server, dial: Dial) -> None:
    station = await dial(feature_profiles=("Core",))
    assert await set_profile(server, 0, profile("TxDefaultProfile")) == "NotSupported"
    schedule = {"connectorId": 0, "duration": 60}
    frame = await server.call_frame("GetCompositeSchedule", schedule)
    assert frame[2] == "NotSupported"
    # A profile that comes with a start is ignored.
    await station.plug(1, "family")
    start = {"idTag": "04AA", "connectorId": 1, "chargingProfile": profile(limit=6)}
    assert await server.call("RemoteStartTransaction", start) == ACCEPTED
    await station.wait_for(lambda s: s.connector(1).transaction)
    assert station.connector(1).evse.limit_a == 16
