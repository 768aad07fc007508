"""Availability, locks, triggers and whatever else the server sends a station of OCPP 2.0.1."""

from __future__ import annotations

from typing import Any

import pytest

from simulator import ManualClock
from simulator.frames import RpcError

from .csms import Csms
from .server import ID
from .station201 import ACCEPTED, CARD, REJECTED, Dial, charging, csms, dial

__all__ = ["csms", "dial"]

OUT = {"operationalStatus": "Inoperative"}
IN = {"operationalStatus": "Operative"}


async def test_availability_of_a_connector(csms: Csms, dial: Dial) -> None:
    station = await dial(connectors=2)
    place = {"evse": {"id": 1, "connectorId": 2}}
    assert await csms.call("ChangeAvailability", {**OUT, **place}) == ACCEPTED
    await station.wait_for(lambda _: csms.connector_status(1, 2) == "Unavailable")
    assert csms.connector_status(1, 1) == "Available"
    await station.plug(1, "family", connector=1)
    assert await station.tap(CARD) == "started"
    assert await csms.call("ChangeAvailability", {**IN, **place}) == ACCEPTED
    await station.wait_for(lambda _: csms.connector_status(1, 2) == "Available")
    for bad in ({"id": 2}, {"id": 1, "connectorId": 3}):
        answer = await csms.call("ChangeAvailability", {**OUT, "evse": bad})
        assert answer["status"] == "Rejected"


async def test_availability_waits_for_the_transaction(csms: Csms, dial: Dial) -> None:
    station = await charging(dial, evses=2)
    scheduled = {"status": "Scheduled"}
    assert await csms.call("ChangeAvailability", {**OUT, "evse": {"id": 1}}) == scheduled
    assert csms.connector_status() == "Occupied"
    assert await csms.call("ChangeAvailability", OUT) == scheduled
    await station.wait_for(lambda _: csms.connector_status(2) == "Unavailable")
    assert await station.tap(CARD) == "stopped"
    await station.wait_for(lambda _: csms.connector_status() == "Unavailable")
    assert await csms.call("ChangeAvailability", IN) == ACCEPTED
    await station.wait_for(
        lambda _: (csms.connector_status(), csms.connector_status(2)) == ("Occupied", "Available")
    )
    assert await csms.call("Reset", {"type": "Immediate"}) == ACCEPTED


async def test_the_whole_station_is_out_of_service_also_after_a_boot(
    csms: Csms, dial: Dial
) -> None:
    station = await dial()
    assert await csms.call("ChangeAvailability", OUT) == ACCEPTED
    await station.wait_for(lambda _: csms.connector_status() == "Unavailable")
    assert (await csms.get("ChargingStation", "AvailabilityState"))["attributeValue"] == (
        "Unavailable"
    )
    await station.fault("reboot")
    await station.wait_for(lambda s: len(csms.calls("BootNotification")) == 2 and s.ready)
    await station.wait_for(lambda _: len(csms.connector_statuses()) == 3)
    assert csms.connector_status() == "Unavailable"
    assert csms.calls("BootNotification")[1]["reason"] == "Watchdog"


@pytest.mark.parametrize(
    ("options", "place", "status"),
    [
        ({}, {"evseId": 1, "connectorId": 1}, "Unlocked"),
        ({"unlock_works": False}, {"evseId": 1, "connectorId": 1}, "UnlockFailed"),
        ({"tethered": True}, {"evseId": 1, "connectorId": 1}, "UnlockFailed"),
        ({}, {"evseId": 1, "connectorId": 2}, "UnknownConnector"),
        ({}, {"evseId": 2, "connectorId": 1}, "UnknownConnector"),
    ],
)
async def test_unlock(
    csms: Csms, dial: Dial, options: dict[str, Any], place: dict[str, int], status: str
) -> None:
    station = await dial(**options)
    assert await csms.call("UnlockConnector", place) == {"status": status}
    if status == "Unlocked":
        await station.plug(1, "family")
        await station.tap(CARD)
        answer = await csms.call("UnlockConnector", place)
        assert answer == {"status": "OngoingAuthorizedTransaction"}


@pytest.mark.parametrize(
    ("message", "place", "status", "sends"),
    [
        ("Heartbeat", {}, "Accepted", "Heartbeat"),
        ("MeterValues", {}, "Accepted", "MeterValues"),
        ("MeterValues", {"id": 1}, "Accepted", "MeterValues"),
        ("TransactionEvent", {}, "Accepted", "TransactionEvent"),
        ("StatusNotification", {"id": 1, "connectorId": 1}, "Accepted", "StatusNotification"),
        ("StatusNotification", {"id": 1}, "Rejected", None),
        ("StatusNotification", {"id": 1, "connectorId": 3}, "Rejected", None),
        ("MeterValues", {"id": 4}, "Rejected", None),
        ("FirmwareStatusNotification", {}, "Accepted", "FirmwareStatusNotification"),
        ("LogStatusNotification", {}, "Accepted", "LogStatusNotification"),
        (
            *("PublishFirmwareStatusNotification", {}, "Accepted"),
            "PublishFirmwareStatusNotification",
        ),
        ("SignChargingStationCertificate", {}, "Accepted", "SignCertificate"),
        ("SignV2GCertificate", {}, "NotImplemented", None),
    ],
)
async def test_triggers(  # noqa: PLR0917
    csms: Csms, dial: Dial, message: str, place: dict[str, int], status: str, sends: str | None
) -> None:
    station = await charging(dial)
    before = len(csms.received)
    payload = {"requestedMessage": message} | ({"evse": place} if place else {})
    answer = await csms.call("TriggerMessage", payload)
    assert answer["status"] == status
    if sends is not None:
        await station.wait_for(lambda _: sends in [action for action, _ in csms.received[before:]])
    if message == "MeterValues" and status == "Accepted":
        value = csms.calls("MeterValues")[0]["meterValue"][0]["sampledValue"][0]
        assert value["context"] == "Trigger"
        assert station.books.readings[-1].state in ("sent", "confirmed")


async def test_no_transaction_to_tell_of(csms: Csms, dial: Dial) -> None:
    await dial()
    trigger = {"requestedMessage": "TransactionEvent"}
    assert await csms.call("TriggerMessage", trigger) == REJECTED


async def test_data_transfer(csms: Csms, dial: Dial) -> None:
    await dial()
    mine = {"vendorId": "Forecourt Simulator"}
    for payload, answer in (
        ({"vendorId": "x"}, {"status": "UnknownVendorId"}),
        (mine, {"status": "UnknownMessageId"}),
        ({**mine, "messageId": "Echo", "data": {"a": 1}}, {**ACCEPTED, "data": {"a": 1}}),
        ({**mine, "messageId": "Echo"}, ACCEPTED),
    ):
        assert await csms.call("DataTransfer", payload) == answer


@pytest.mark.parametrize(
    ("call", "code"),
    [
        (("MakeCoffee", {}), "NotImplemented"),
        (("ClearCache", {"extra": 1}), "FormatViolation"),
        (("GetVariables", {"getVariableData": []}), "FormatViolation"),
        (("Authorize", {"idToken": {"idToken": "x", "type": "Central"}}), "NotSupported"),
        (("GetTariffs", {"evseId": 1}), "NotImplemented"),
    ],
)
async def test_what_is_answered_with_an_error(
    csms: Csms, dial: Dial, call: tuple[str, Any], code: str
) -> None:
    await dial()
    frame = await csms.call_frame(*call)
    assert (frame[0], frame[2]) == (4, code)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[2,", "RpcFrameworkError"),
        ('[2,"x"]', "RpcFrameworkError"),
        ('[9,"x",{}]', "MessageTypeNotSupported"),
    ],
)
async def test_frames_that_are_none(csms: Csms, dial: Dial, text: str, code: str) -> None:
    station = await dial()
    await csms.send(text)
    await station.wait_for(lambda _: [4, "-1", code] in [frame[:3] for frame in csms.frames])
    assert len(station.books.violations) == 1


async def test_anything_can_be_sent(csms: Csms, dial: Dial) -> None:
    station = await dial()
    csms.answers["NotifyEVChargingNeeds"] = lambda _: {"status": "Processing"}
    needs = {"evseId": 1, "chargingNeeds": {"requestedEnergyTransfer": "AC_three_phase"}}
    assert await station.send("NotifyEVChargingNeeds", needs) == {"status": "Processing"}
    with pytest.raises(ValueError, match=r"NotifyEVChargingNeeds: .*evseId"):
        await station.send("NotifyEVChargingNeeds", {"chargingNeeds": needs["chargingNeeds"]})
    with pytest.raises(ValueError, match=r"there is no NotifySettlement in OCPP 2\.0\.1"):
        await station.send("NotifySettlement", {})
    csms.answers["Get15118EVCertificate"] = lambda _: [4, ID, "NotSupported", "", {}]
    request = {"iso15118SchemaVersion": "x", "action": "Install", "exiRequest": "eA=="}
    with pytest.raises(RpcError, match="NotSupported"):
        await station.send("Get15118EVCertificate", request)


async def test_a_stream_is_sent_without_an_answer(csms: Csms, dial: Dial) -> None:
    csms.subprotocols = ("ocpp2.1",)
    station = await dial(version="2.1")
    stream = {
        "id": 1,
        "pending": 0,
        "basetime": "2026-03-01T00:00:00Z",
        "data": [{"t": 0, "v": "1"}],
    }
    assert await station.send("NotifyPeriodicEventStream", stream) == {}
    await station.wait_for(lambda _: 6 in [frame[0] for frame in csms.frames])
    [frame] = [one for one in csms.frames if one[0] == 6]
    assert frame[2:] == ["NotifyPeriodicEventStream", stream]


async def test_states_told_as_events(csms: Csms, dial: Dial) -> None:
    csms.subprotocols = ("ocpp2.1",)
    station = await dial(version="2.1", status_by_event=True)
    await station.plug(1, "family")
    await station.wait_for(lambda _: len(csms.calls("NotifyEvent")) == 2)
    events = [one["eventData"][0] for one in csms.calls("NotifyEvent")]
    assert [one["actualValue"] for one in events] == ["Available", "Occupied"]
    assert events[0]["component"] == {"name": "Connector", "evse": {"id": 1, "connectorId": 1}}
    assert csms.calls("StatusNotification") == []


async def test_pings(csms: Csms, dial: Dial) -> None:
    clock = ManualClock()
    station = await dial(clock=clock, ping_s=1.0)
    csms.answers_pings = False
    await clock.advance(3)
    await station.wait_for(lambda s: "no_pong" in [line["event"] for line in s.books.notes], 2)
