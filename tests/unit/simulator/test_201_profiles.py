"""What charging profiles of OCPP 2.0.1 make of the plant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from simulator import ManualClock, Ocpp201Station
from simulator.clock import wire_time

from .csms import Csms
from .station201 import (
    ACCEPTED,
    CARD,
    Dial,
    charging,
    csms,
    dial,
    profile,
    running_id,
)

__all__ = ["csms", "dial"]

NOW = datetime(2026, 3, 1, tzinfo=UTC)
START = {"startSchedule": wire_time(NOW)}


def station_max(limit: float, **more: Any) -> dict[str, Any]:
    return profile("ChargingStationMaxProfile", limit, 50, kind="Absolute", schedule=START, **more)


async def put(csms: Csms, evse: int, one: dict[str, Any]) -> str:
    answer = await csms.call("SetChargingProfile", {"evseId": evse, "chargingProfile": one})
    if answer == ACCEPTED:
        return "Accepted"
    return str(answer["statusInfo"]["reasonCode"])


def limit_a(station: Ocpp201Station, evse: int = 1) -> float:
    return station.evse(evse).evse.limit_a


async def test_purposes_overrule_and_cap(csms: Csms, dial: Dial) -> None:
    station = await charging(dial)
    default = profile("TxDefaultProfile", 12, 1)
    assert await put(csms, 0, default) == "Accepted"
    assert limit_a(station) == 12
    own = profile("TxProfile", 14, 2, transaction_id=running_id(station))
    assert await put(csms, 1, own) == "Accepted"
    assert limit_a(station) == 14
    assert await put(csms, 0, station_max(9)) == "Accepted"
    assert limit_a(station) == 9
    assert await put(csms, 0, station_max(20)) == "Accepted"  # the same id: it is replaced
    assert limit_a(station) == 14
    station.limit_externally(0, 7)
    assert limit_a(station) == 7
    await station.wait_for(lambda _: csms.calls("NotifyChargingLimit"))
    assert csms.calls("NotifyChargingLimit") == [{"chargingLimit": {"chargingLimitSource": "EMS"}}]
    await station.wait_for(lambda _: ("Updated", "ChargingRateChanged") in csms.story())
    station.limit_externally(0, None)
    assert limit_a(station) == 14
    await station.wait_for(lambda _: csms.calls("ClearedChargingLimit"))
    assert [line["purpose"] for line in station.books.flash_writes] == [
        "TxDefaultProfile",
        *["ChargingStationMaxProfile"] * 2,
    ]
    await station.tap(CARD)
    assert [one.purpose for one in station.profiles.installed] == [
        *("TxDefaultProfile", "ChargingStationMaxProfile")
    ]


async def test_an_external_limit_with_its_schedule(csms: Csms, dial: Dial) -> None:
    variables = {"SmartChargingCtrlr.NotifyChargingLimitWithSchedules": "true"}
    station = await dial(evses=2, variables=variables)
    station.limit_externally(2, 8, "SO")
    await station.wait_for(lambda _: csms.calls("NotifyChargingLimit"))
    told = csms.calls("NotifyChargingLimit")[0]
    assert (told["evseId"], told["chargingLimit"]["chargingLimitSource"]) == (2, "SO")
    assert told["chargingSchedule"][0]["chargingSchedulePeriod"][0]["limit"] == 8
    assert (limit_a(station), limit_a(station, 2)) == (16, 8)
    with pytest.raises(ValueError, match="no EVSE 3"):
        station.limit_externally(3, 8)


async def test_levels_time_and_units(csms: Csms, dial: Dial) -> None:
    clock = ManualClock()
    csms.now = clock.utc
    station = await dial(clock=clock, tick_s=1.0)
    steps = [{"startPeriod": 0, "limit": 10}, {"startPeriod": 60, "limit": 4140}]
    watts = {"chargingRateUnit": "W", "chargingSchedulePeriod": [{**steps[1], "startPeriod": 0}]}
    low = profile("TxDefaultProfile", 0, 1, schedule=watts)
    high = profile(
        "TxDefaultProfile",
        0,
        2,
        level=1,
        kind="Absolute",
        schedule={**START, "duration": 120, "chargingSchedulePeriod": steps[:1]},
    )
    assert await put(csms, 1, low) == "Accepted"
    assert await put(csms, 1, high) == "Accepted"
    await clock.advance(1)
    assert limit_a(station) == 10
    await clock.advance(120)
    assert limit_a(station) == pytest.approx(6)
    one_phase = {
        **watts,
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 2300, "numberPhases": 1}],
    }
    assert await put(csms, 1, profile("TxDefaultProfile", 0, 1, schedule=one_phase)) == "Accepted"
    assert (limit_a(station), station.evse(1).evse.phases_offered) == (10, 1)


async def test_every_day_again(csms: Csms, dial: Dial) -> None:
    clock = ManualClock()
    csms.now = clock.utc
    station = await dial(clock=clock, tick_s=600.0)
    daily = profile(
        "TxDefaultProfile",
        kind="Recurring",
        recurrencyKind="Daily",
        schedule={
            "startSchedule": wire_time(NOW - timedelta(days=3, minutes=-30)),
            "duration": 3600,
        },
    )
    assert await put(csms, 0, daily) == "Accepted"
    seen = []
    for _ in range(27):
        await clock.advance(3600)
        seen.append(limit_a(station))
    assert [hour for hour, amps in enumerate(seen, 1) if amps == 10] == [1, 25]


@pytest.mark.parametrize(
    ("evse", "one", "reason"),
    [
        (9, profile("TxDefaultProfile"), "UnknownEvse"),
        (1, station_max(10), "InvalidProfile"),
        (0, profile("ChargingStationMaxProfile"), "InvalidProfile"),
        (
            *(0, profile("ChargingStationExternalConstraints", kind="Absolute", schedule=START)),
            "InvalidProfile",
        ),
        (1, profile(), "InvalidProfile"),
        (0, profile(transaction_id="x"), "InvalidProfile"),
        (1, profile(transaction_id="x"), "TxNotFound"),
        (1, profile("TxDefaultProfile", level=9), "InvalidStackLevel"),
        (1, profile("TxDefaultProfile", kind="Absolute"), "InvalidSchedule"),
        (1, profile("TxDefaultProfile", schedule=START), "InvalidSchedule"),
        (1, profile("TxDefaultProfile", -1), "InvalidSchedule"),
        (1, profile("TxDefaultProfile", kind="Recurring", schedule=START), "InvalidProfile"),
        (1, profile("TxDefaultProfile", validFrom="soon"), "InvalidProfile"),
        (1, profile("TxDefaultProfile", schedule={"chargingRateUnit": "W"}), "UnsupportedRateUnit"),
        (
            1,
            profile(
                "TxDefaultProfile",
                schedule={"chargingSchedulePeriod": [{"startPeriod": 5, "limit": 6}]},
            ),
            "InvalidSchedule",
        ),
        (
            1,
            profile(
                "TxDefaultProfile",
                schedule={
                    "chargingSchedulePeriod": [{"startPeriod": at, "limit": 6} for at in range(25)]
                },
            ),
            "InvalidSchedule",
        ),
    ],
)
async def test_profiles_that_are_refused(
    csms: Csms, dial: Dial, evse: int, one: dict[str, Any], reason: str
) -> None:
    station = await dial(rate_units=("A",))
    assert await put(csms, evse, one) == reason
    assert station.profiles.installed == []


async def test_no_two_of_a_purpose_and_level(csms: Csms, dial: Dial) -> None:
    await dial(evses=2)
    until, since = {"validTo": "2026-04-01T00:00:00Z"}, {"validFrom": "2026-04-01T00:00:00Z"}
    assert await put(csms, 0, profile("TxDefaultProfile", number=1, **until)) == "Accepted"
    assert await put(csms, 1, profile("TxDefaultProfile", number=2)) == "DuplicateProfile"
    assert await put(csms, 0, profile("TxDefaultProfile", number=2)) == "DuplicateProfile"
    assert await put(csms, 1, profile("TxDefaultProfile", number=2, **since)) == "Accepted"
    assert await put(csms, 2, profile("TxDefaultProfile", number=3, **since)) == "Accepted"
    for number in range(4, 17):
        one = profile("TxDefaultProfile", number=number, level=1, validFrom=_day(number))
        assert await put(csms, 1, {**one, "validTo": _day(number + 1)}) == "Accepted"
    assert await put(csms, 1, profile("TxDefaultProfile", number=99, level=2)) == "TooManyElements"


def _day(number: int) -> str:
    return f"2026-05-{number:02}T00:00:00Z"


async def test_profiles_are_shown_and_cleared(csms: Csms, dial: Dial) -> None:
    station = await dial(evses=2)
    await put(csms, 0, station_max(20))
    await put(csms, 0, profile("TxDefaultProfile", number=1))
    await put(csms, 2, profile("TxDefaultProfile", number=2, level=3))
    station.limit_externally(0, 15)

    async def shown(**criteria: Any) -> list[tuple[int, str, int]]:
        before = len(csms.calls("ReportChargingProfiles"))
        evse = {"evseId": criteria.pop("evseId")} if "evseId" in criteria else {}
        payload = {"requestId": 7, "chargingProfile": criteria, **evse}
        if await csms.call("GetChargingProfiles", payload) != ACCEPTED:
            return []

        def reports() -> list[dict[str, Any]]:
            return csms.calls("ReportChargingProfiles")[before:]

        await station.wait_for(lambda _: reports() and not reports()[-1]["tbc"])
        return [
            (one["evseId"], one["chargingLimitSource"], profile["id"])
            for one in reports()
            for profile in one["chargingProfile"]
        ]

    assert await shown(stackLevel=0) == [(0, "CSO", 50), (0, "CSO", 1), (0, "EMS", 1_000_000)]
    assert await shown(evseId=2, stackLevel=3) == [(2, "CSO", 2)]
    assert await shown(chargingLimitSource=["EMS"]) == [(0, "EMS", 1_000_000)]
    assert await shown(chargingProfileId=[77]) == []
    assert (
        await csms.get(
            "SmartChargingCtrlr",
            "Entries",
            variable={"name": "Entries", "instance": "ChargingProfiles"},
        )
    )["attributeValue"] == "4"

    async def clear(**payload: Any) -> str:
        return str((await csms.call("ClearChargingProfile", payload))["status"])

    assert await clear(chargingProfileId=50) == "Accepted"
    assert await clear(chargingProfileId=50) == "Unknown"
    criteria = {"evseId": 2, "chargingProfilePurpose": "TxDefaultProfile"}
    assert await clear(chargingProfileCriteria=criteria) == "Accepted"
    assert await clear() == "Accepted"
    assert [one.purpose for one in station.profiles.installed] == [
        "ChargingStationExternalConstraints"
    ]
    changes = [(line["purpose"], line["change"]) for line in station.books.flash_writes]
    assert changes[-1] == ("TxDefaultProfile", "clear")


async def test_composite_schedule(csms: Csms, dial: Dial) -> None:
    clock = ManualClock()
    csms.now = clock.utc
    station = await dial(clock=clock, evses=2, feed_current_a=25.0)
    steps = [{"startPeriod": 0, "limit": 6}, {"startPeriod": 1800, "limit": 32}]
    absolute = {**START, "chargingSchedulePeriod": steps}
    default = profile("TxDefaultProfile", kind="Absolute", schedule=absolute)
    assert await put(csms, 1, default) == "Accepted"
    wanted = {"duration": 3600, "evseId": 1}
    answer = await csms.call("GetCompositeSchedule", wanted)
    assert answer["schedule"]["chargingSchedulePeriod"] == [
        {"startPeriod": 0, "limit": 6.0, "numberPhases": 3},
        {"startPeriod": 1800, "limit": 16.0, "numberPhases": 3},
    ]
    assert answer["schedule"]["evseId"] == 1
    answer = await csms.call("GetCompositeSchedule", {**wanted, "chargingRateUnit": "W"})
    assert answer["schedule"]["chargingSchedulePeriod"][0]["limit"] == 4140
    answer = await csms.call("GetCompositeSchedule", {**wanted, "evseId": 0})
    assert answer["schedule"]["chargingSchedulePeriod"][0]["limit"] == 25
    answer = await csms.call("GetCompositeSchedule", {**wanted, "evseId": 5})
    assert answer["statusInfo"]["reasonCode"] == "UnknownEvse"
    assert station.books.violations == []


async def test_one_unit_only(csms: Csms, dial: Dial) -> None:
    await dial(rate_units=("W",))
    wanted = {"duration": 60, "evseId": 1}
    schedule = (await csms.call("GetCompositeSchedule", wanted))["schedule"]
    assert schedule["chargingRateUnit"] == "W"
    answer = await csms.call("GetCompositeSchedule", {**wanted, "chargingRateUnit": "A"})
    assert answer["statusInfo"]["reasonCode"] == "UnsupportedRateUnit"


async def test_the_feed_is_shared(csms: Csms, dial: Dial) -> None:
    station = await dial(evses=3, feed_current_a=20.0)
    for number in (1, 2, 3):
        await station.plug(number, "family")
        await station.tap(f"04A{number}", number)
    assert [limit_a(station, number) for number in (1, 2, 3)] == pytest.approx([20 / 3] * 3)
    await put(csms, 0, station_max(13))
    assert [limit_a(station, number) for number in (1, 2, 3)] == [6.5, 6.5, 0]


@pytest.mark.parametrize(
    "options", [{"smart_charging": False}, {"variables": {"SmartChargingCtrlr.Enabled": "false"}}]
)
async def test_a_station_without_smart_charging(
    csms: Csms, dial: Dial, options: dict[str, Any]
) -> None:
    station = await dial(**options)
    frame = await csms.call_frame(
        "SetChargingProfile", {"evseId": 0, "chargingProfile": station_max(6)}
    )
    if "smart_charging" in options:
        assert frame[2] == "NotSupported"
    assert limit_a(station) == 16


async def test_no_dynamic_schedules(csms: Csms, dial: Dial) -> None:
    csms.subprotocols = ("ocpp2.1",)
    await dial(version="2.1")
    assert await put(csms, 1, profile("TxDefaultProfile", kind="Dynamic")) == "UnsupportedKind"
    local = profile("LocalGeneration", kind="Absolute", schedule=START)
    assert await put(csms, 1, local) == "UnsupportedPurpose"
