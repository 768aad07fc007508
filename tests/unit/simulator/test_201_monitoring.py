"""Monitors on variables, and the events that they send."""

from __future__ import annotations

from typing import Any

import pytest

from simulator import ManualClock, Ocpp201Station

from .csms import Csms
from .station201 import ACCEPTED, CARD, Dial, csms, dial, running_id

__all__ = ["csms", "dial"]

POWER = {"component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": "Power"}}
STATE = {
    "component": {"name": "Connector", "evse": {"id": 1, "connectorId": 1}},
    "variable": {"name": "AvailabilityState"},
}


async def monitor(csms: Csms, kind: str, value: float, **more: Any) -> dict[str, Any]:
    one = {"type": kind, "value": value, "severity": 5, **POWER, **more}
    answer = await csms.call("SetVariableMonitoring", {"setMonitoringData": [one]})
    result: dict[str, Any] = answer["setMonitoringResult"][0]
    return result


def told(csms: Csms) -> list[dict[str, Any]]:
    return [one for event in csms.calls("NotifyEvent") for one in event["eventData"]]


async def plugged(dial: Dial, **options: Any) -> tuple[Ocpp201Station, ManualClock]:
    clock = ManualClock(speed=60)
    station = await dial(clock=clock, tick_s=0.5, **options)
    await station.plug(1, "family")
    return station, clock


async def test_thresholds(csms: Csms, dial: Dial) -> None:
    station, clock = await plugged(dial)
    upper = await monitor(csms, "UpperThreshold", 5000)
    lower = await monitor(csms, "LowerThreshold", 5000, severity=3, transaction=True)
    assert upper["status"] == lower["status"] == "Accepted"
    await station.tap(CARD)
    await clock.advance(2)
    await station.wait_for(lambda _: told(csms))
    event = next(one for one in told(csms) if one["variableMonitoringId"] == upper["id"])
    assert event["trigger"] == "Alerting"
    assert float(event["actualValue"]) > 5000
    assert event["eventNotificationType"] == "CustomMonitor"
    assert event["transactionId"] == running_id(station)
    assert "cleared" not in event
    station.limit_externally(1, 6)
    await clock.advance(2)
    await station.wait_for(lambda _: len(told(csms)) >= 3)
    cleared = [one for one in told(csms) if one["variableMonitoringId"] == upper["id"]][1]
    assert cleared["cleared"] is True
    await station.unplug()
    before = len(told(csms))
    await monitor(csms, "LowerThreshold", 5000, id=lower["id"], severity=3, transaction=True)
    await clock.advance(2)
    assert len([one for one in told(csms)[before:] if "transactionId" not in one]) == 0


async def test_changes(csms: Csms, dial: Dial) -> None:
    clock = ManualClock(speed=60)
    station = await dial(clock=clock, tick_s=0.5)
    assert (await monitor(csms, "Delta", 1, **STATE))["status"] == "Accepted"
    assert (await monitor(csms, "Delta", 2000))["status"] == "Accepted"
    await station.plug(1, "family")
    await clock.advance(1)
    await station.wait_for(lambda _: told(csms))
    assert (told(csms)[0]["trigger"], told(csms)[0]["actualValue"]) == ("Delta", "Occupied")
    await station.tap(CARD)
    await clock.advance(2)
    await station.wait_for(lambda _: len(told(csms)) >= 2)
    assert told(csms)[1]["variable"] == {"name": "Power"}


async def test_again_and_again(csms: Csms, dial: Dial) -> None:
    clock = ManualClock()
    csms.now = clock.utc
    station = await dial(clock=clock, tick_s=1.0)
    first = (await monitor(csms, "Periodic", 7))["id"]
    second = (await monitor(csms, "PeriodicClockAligned", 10))["id"]
    await clock.advance(20)
    await station.wait_for(lambda _: len(told(csms)) == 4)
    ids = [one["variableMonitoringId"] for one in told(csms)]
    assert (ids.count(first), ids.count(second)) == (2, 2)
    assert {one["trigger"] for one in told(csms)} == {"Periodic"}
    assert await csms.call("SetMonitoringLevel", {"severity": 4}) == ACCEPTED
    await clock.advance(30)
    assert len(told(csms)) == 4
    assert (await csms.get("MonitoringCtrlr", "ActiveMonitoringLevel"))["attributeValue"] == "4"
    assert (await csms.call("SetMonitoringLevel", {"severity": 10}))["status"] == "Rejected"
    assert await csms.call("SetMonitoringLevel", {"severity": 9}) == ACCEPTED
    assert await csms.set("MonitoringCtrlr", "Enabled", "false") == "Accepted"
    await clock.advance(30)
    assert len(told(csms)) == 4


@pytest.mark.parametrize(
    ("kind", "value", "more", "status"),
    [
        ("UpperThreshold", 5000, {"component": {"name": "X"}}, "UnknownComponent"),
        ("UpperThreshold", 5000, {"variable": {"name": "X"}}, "UnknownVariable"),
        ("UpperThreshold", 1, STATE, "UnsupportedMonitorType"),
        ("UpperThreshold", 99_999, {}, "Rejected"),
        ("LowerThreshold", -1, {}, "Rejected"),
        ("Delta", -1, {}, "Rejected"),
        ("UpperThreshold", 5000, {"severity": 10}, "Rejected"),
        ("UpperThreshold", 5000, {"id": 99}, "Rejected"),
        ("Delta", 1, {"variable": {"name": "SupplyPhases"}}, "Rejected"),
        ("UpperThreshold", 6000, {}, "Duplicate"),
        ("UpperThreshold", 6000, {"severity": 1}, "Accepted"),
    ],
)
async def test_monitors_that_are_refused(  # noqa: PLR0917
    csms: Csms, dial: Dial, kind: str, value: float, more: dict[str, Any], status: str
) -> None:
    await dial()
    assert (await monitor(csms, "UpperThreshold", 5000))["status"] == "Accepted"
    result = await monitor(csms, kind, value, **more)
    assert result["status"] == status
    assert ("id" in result) is (status == "Accepted")


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
async def test_monitors_are_shown_and_cleared(csms: Csms, dial: Dial, version: str) -> None:
    csms.subprotocols = (f"ocpp{version}",)
    station = await dial(version=version)
    first = (await monitor(csms, "UpperThreshold", 5000))["id"]
    second = (await monitor(csms, "Delta", 100))["id"]
    third = (await monitor(csms, "Delta", 1, **STATE))["id"]

    async def shown(**wanted: Any) -> list[int] | str:
        before = len(csms.calls("NotifyMonitoringReport"))
        answer = await csms.call("GetMonitoringReport", {"requestId": 1, **wanted})
        if answer != ACCEPTED:
            return str(answer["status"])
        await station.wait_for(lambda _: len(csms.calls("NotifyMonitoringReport")) > before)
        return [
            one["id"]
            for part in csms.calls("NotifyMonitoringReport")[before:]
            for group in part["monitor"]
            for one in group["variableMonitoring"]
        ]

    assert await shown() == [first, second, third]
    assert await shown(monitoringCriteria=["DeltaMonitoring"]) == [second, third]
    assert await shown(componentVariable=[STATE]) == [third]
    assert await shown(monitoringCriteria=["PeriodicMonitoring"]) == "EmptyResultSet"
    answer = await csms.call("ClearVariableMonitoring", {"id": [first, 77]})
    assert [one["status"] for one in answer["clearMonitoringResult"]] == ["Accepted", "NotFound"]
    assert await csms.call("SetMonitoringBase", {"monitoringBase": "All"}) == ACCEPTED
    assert await shown() == [second, third]
    assert await csms.call("SetMonitoringBase", {"monitoringBase": "HardWiredOnly"}) == ACCEPTED
    assert await shown() == "EmptyResultSet"
    base = await csms.get("MonitoringCtrlr", "ActiveMonitoringBase")
    assert base["attributeValue"] == "HardWiredOnly"
    assert station.books.violations == []
