"""What a station reports because of a call reaches whoever made the call, and nobody else."""

import asyncio
from collections.abc import AsyncIterator
import logging
from typing import Any

import pytest

from custom_components.forecourt.stations.ocpp import CentralSystem, OcppStation
from custom_components.forecourt.stations.ocpp.reports import call_with_reports
from simulator import Clock, Config201, Ocpp201Station
from tests.wire.ocpp.conftest import MakeCentral
from tests.wire.ocpp.peer import Payload, stamp

from .peer import Books, Peer201

CUSTOMER = {"idToken": "04AABBCC", "type": "ISO14443"}
POWER = {"component": {"name": "EVSE", "evse": {"id": 1}}, "variable": {"name": "Power"}}
MESSAGE = {
    "id": 3,
    "priority": "NormalCycle",
    "message": {"format": "UTF8", "content": "Hello Anna"},
}
CALLS: dict[str, Payload] = {
    "CustomerInformation": {"report": True, "clear": False, "idToken": CUSTOMER},
    "GetBaseReport": {"reportBase": "FullInventory"},
    "GetChargingProfiles": {"chargingProfile": {"chargingProfilePurpose": "TxDefaultProfile"}},
    "GetDisplayMessages": {},
    "GetMonitoringReport": {"monitoringCriteria": ["ThresholdMonitoring"]},
    "GetReport": {"componentVariable": [POWER]},
}


@pytest.fixture(params=["2.0.1", "2.1"])
async def simulated(
    make_central: MakeCentral, request: pytest.FixtureRequest
) -> AsyncIterator[OcppStation]:
    """Return a simulated station of which there is something to tell."""
    central = await make_central(fallback_current_a=6)
    station = central.add_station("SIM-1")
    config = Config201("SIM-1", version=request.param, tick_s=0.02, call_timeout_s=2)
    url = f"ws://127.0.0.1:{central.port}"
    async with Ocpp201Station(config, url, clock=Clock(speed=120)):
        await station.ready()
        entry = {"idToken": CUSTOMER, "idTokenInfo": {"status": "Accepted"}}
        held = {"versionNumber": 9, "updateType": "Full", "localAuthorizationList": [entry]}
        await station.call("SendLocalList", held)
        monitor = {"type": "UpperThreshold", "value": 1000, "severity": 5, **POWER}
        await station.call("SetVariableMonitoring", {"setMonitoringData": [monitor]})
        await station.call("SetDisplayMessage", {"message": MESSAGE})
        yield station


@pytest.mark.parametrize("action", CALLS)
async def test_what_was_asked_for_comes_with_the_answer(
    simulated: OcppStation, action: str
) -> None:
    told = await call_with_reports(simulated, action, {"requestId": 41, **CALLS[action]})
    assert told.answer == {"status": "Accepted"}
    assert told.complete
    assert told.reports
    assert {one["requestId"] for one in told.reports} == {41}
    assert [bool(one.get("tbc")) for one in told.reports][-1:] == [False]


# What may go wrong


@pytest.fixture
def asked(peer: Peer201) -> dict[str, Any]:
    """Return a call for a report, which tests add what they need to."""
    return {"action": "GetReport", "payload": {"requestId": 7}, "patience_s": 0.1}


async def report(peer: Peer201, number: int, *, tbc: bool, request_id: int = 7) -> None:
    await peer.told(
        "NotifyReport", requestId=request_id, generatedAt=stamp(), seqNo=number, tbc=tbc
    )


async def test_all_parts_are_waited_for_and_no_others_taken(
    peer: Peer201, station: OcppStation, asked: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    async def tell() -> None:
        await report(peer, 0, tbc=False, request_id=8)
        for number in range(3):
            await report(peer, number, tbc=number < 2)
        await report(peer, 3, tbc=False, request_id=9)

    tasks: list[asyncio.Task[None]] = []

    def answer(_: Any) -> Payload:
        tasks.append(asyncio.create_task(tell()))
        return {"status": "Accepted"}

    peer.answers["GetReport"] = answer
    told = await call_with_reports(station, **asked)
    assert told.complete
    assert [one["seqNo"] for one in told.reports or ()] == [0, 1, 2]
    await asyncio.gather(*tasks)


async def test_a_report_may_come_before_the_answer(
    peer: Peer201, station: OcppStation, asked: dict[str, Any]
) -> None:
    peer.answers["GetReport"] = None
    call = asyncio.create_task(call_with_reports(station, **asked))
    await peer.until(lambda: peer.calls("GetReport"))
    await report(peer, 0, tbc=False)
    frame = next(one for one in reversed(peer.frames) if '"GetReport"' in one)
    await peer.send([3, frame.split('"')[1], {"status": "Accepted"}])
    assert (await call).complete


@pytest.mark.parametrize("parts", [0, 2])
async def test_a_report_that_does_not_end_is_given_up(
    peer: Peer201, station: OcppStation, asked: dict[str, Any], parts: int
) -> None:
    tasks: list[asyncio.Task[None]] = []

    def answer(_: Any) -> Payload:
        tasks.extend(asyncio.create_task(report(peer, number, tbc=True)) for number in range(parts))
        return {"status": "Accepted"}

    peer.answers["GetReport"] = answer
    told = await call_with_reports(station, **asked)
    assert not told.complete
    assert len(told.reports or ()) == parts
    await asyncio.gather(*tasks)


@pytest.mark.parametrize("answer", [{"status": "Rejected"}, {"status": "EmptyResultSet"}])
async def test_nothing_is_waited_for_where_nothing_comes(
    peer: Peer201, station: OcppStation, asked: dict[str, Any], answer: Payload
) -> None:
    peer.answers["GetReport"] = answer
    told = await asyncio.wait_for(call_with_reports(station, **asked | {"patience_s": 60}), 5)
    assert (told.answer, told.reports) == (answer, [])
    cleared = {"requestId": 7, "report": False, "clear": True, "idToken": CUSTOMER}
    told = await asyncio.wait_for(call_with_reports(station, "CustomerInformation", cleared), 4)
    assert told.reports == []


async def test_other_calls_have_no_report(peer: Peer201, station: OcppStation) -> None:
    told = await call_with_reports(station, "ClearCache", {})
    assert told.answer == {"status": "Accepted"}
    assert told.reports is None
    assert not told.complete


async def test_what_is_personal_is_in_no_log_and_no_event(
    central: CentralSystem,
    peer: Peer201,
    station: OcppStation,
    site: Books,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    tasks: list[asyncio.Task[Payload]] = []
    data = {"requestId": 7, "data": "Anna lives here", "generatedAt": stamp(), "seqNo": 0}

    def answer(_: Any) -> Payload:
        told = peer.told("NotifyCustomerInformation", **data)
        tasks.append(asyncio.create_task(told))
        return {"status": "Accepted"}

    peer.answers["CustomerInformation"] = answer
    payload = {"requestId": 7, **CALLS["CustomerInformation"]}
    told = await call_with_reports(station, "CustomerInformation", payload)
    assert [one["data"] for one in told.reports or ()] == ["Anna lives here"]
    await asyncio.gather(*tasks)
    assert "Anna" not in caplog.text
    assert "Anna" not in repr(station.frames.entries())
    assert not site.events
    assert len(station._observers) == 1
