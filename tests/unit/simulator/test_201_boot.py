"""From power-up to accepted, and back after losing the connection, in OCPP 2.0.1 and 2.1."""

from __future__ import annotations

from typing import Any

import pytest

from simulator import CARS, Car, Config201, ManualClock, Ocpp201Station
from simulator.frames import LinkDownError

from .csms import Csms
from .server import ID
from .station201 import ACCEPTED, REJECTED, Dial, csms, dial, token
from .test_boot import boot

__all__ = ["csms", "dial"]


async def test_accepted(csms: Csms, dial: Dial) -> None:
    csms.answers["BootNotification"] = boot(interval=77)
    station = await dial(evses=2, serial="S" * 30)
    await station.wait_for(lambda _: len(csms.calls("StatusNotification")) == 2)
    assert csms.received[0] == (
        "BootNotification",
        {
            "reason": "PowerUp",
            "chargingStation": {
                "vendorName": "Forecourt Simulator",
                "model": "Simulated Wallbox",
                "serialNumber": "S" * 25,
                "firmwareVersion": "1.0.0",
            },
        },
    )
    statuses = csms.calls("StatusNotification")
    assert [(one["evseId"], one["connectorStatus"]) for one in statuses] == [
        *((1, "Available"), (2, "Available"))
    ]
    assert statuses[0]["timestamp"].startswith("2026-03-01T00:00:0")
    assert station.variables.number("OCPPCommCtrlr.HeartbeatInterval") == 77
    assert (station.version, station.registration) == ("2.0.1", "Accepted")
    assert station.books.violations == []


async def test_pending_answers_little_and_sends_reports_only(csms: Csms, dial: Dial) -> None:
    csms.answers["BootNotification"] = boot("Pending", interval=3600)
    station = await dial(ready=False, reports_chunk=1000)
    await station.plug(1, "family")
    await station.wait_for(lambda s: s.registration == "Pending")
    assert (await csms.get("OCPPCommCtrlr", "HeartbeatInterval"))["attributeValue"] == "300"
    assert await csms.set("OCPPCommCtrlr", "HeartbeatInterval", "90") == "Accepted"
    report = {"requestId": 1, "reportBase": "SummaryInventory"}
    assert await csms.call("GetBaseReport", report) == ACCEPTED
    await station.wait_for(lambda _: csms.calls("NotifyReport"))
    start = {"remoteStartId": 1, "idToken": token()}
    assert await csms.call("RequestStartTransaction", start) == REJECTED
    frame = await csms.call_frame("ClearCache", {})
    assert frame[2] == "SecurityError"
    kinds = [line["kind"] for line in station.books.violations]
    assert kinds == ["remote_transaction_while_pending", "call_while_pending"]
    assert {action for action, _ in csms.received} == {"BootNotification", "NotifyReport"}
    trigger = {"requestedMessage": "BootNotification"}
    assert await csms.call("TriggerMessage", trigger) == ACCEPTED
    await station.wait_for(lambda s: s.ready)
    assert [one["reason"] for one in csms.calls("BootNotification")] == ["PowerUp", "Triggered"]
    assert await csms.call("TriggerMessage", trigger) == REJECTED  # it is accepted already


async def test_rejected_hears_nothing_but_the_trigger(csms: Csms, dial: Dial) -> None:
    csms.answers["BootNotification"] = boot("Rejected", interval=60)
    clock = ManualClock()
    station = await dial(ready=False, clock=clock, tick_s=1.0)
    await station.wait_for(lambda s: s.registration == "Rejected")
    frame = await csms.call_frame("GetVariables", {"getVariableData": []} | _one())
    assert frame[2] == "SecurityError"
    assert station.books.violations_of("call_while_rejected") == 1
    await clock.advance(61)
    await station.wait_for(lambda s: s.ready)


def _one() -> dict[str, Any]:
    wanted = {"component": {"name": "OCPPCommCtrlr"}, "variable": {"name": "HeartbeatInterval"}}
    return {"getVariableData": [wanted]}


async def test_heartbeats_set_the_clock(csms: Csms, dial: Dial) -> None:
    clock = ManualClock()
    csms.now = clock.utc
    csms.answers["BootNotification"] = boot(interval=10)
    station = await dial(clock=clock, tick_s=1.0)
    await clock.advance(11)
    await station.wait_for(lambda _: csms.calls("Heartbeat"))
    csms.answers["Heartbeat"] = lambda _: {"currentTime": "soon"}
    await clock.advance(11)
    await station.wait_for(lambda s: s.books.violations_of("bad_time"))
    csms.answers["Heartbeat"] = lambda _: [4, ID, "InternalError", "", {}]
    await clock.advance(11)
    await station.wait_for(lambda s: s.books.notes[-1]["event"] == "heartbeat_failed")


@pytest.mark.parametrize(
    ("offered", "spoken", "agreed"),
    [
        (("2.1", "2.0.1"), ("ocpp2.0.1", "ocpp2.1"), "2.1"),
        (("2.1", "2.0.1"), ("ocpp2.0.1", "ocpp1.6"), "2.0.1"),
        (("2.1",), ("ocpp2.1",), "2.1"),
    ],
)
async def test_the_version_is_agreed_on(
    csms: Csms, dial: Dial, offered: tuple[str, ...], spoken: tuple[str, ...], agreed: str
) -> None:
    csms.subprotocols = spoken
    station = await dial(versions=offered)
    assert station.version == station.state()["version"] == agreed


async def test_no_version_in_common(csms: Csms, dial: Dial) -> None:
    csms.subprotocols = ("ocpp1.6",)
    station = await dial(ready=False)
    await station.wait_for(lambda s: s.books.violations_of("wrong_subprotocol"))
    assert not station.ready


async def test_reset_boots_and_ends_what_runs(csms: Csms, dial: Dial) -> None:
    station = await dial()
    await station.plug(1, "family")
    await station.tap("04AA")
    assert await csms.call("Reset", {"type": "Immediate"}) == ACCEPTED
    await station.wait_for(lambda s: len(csms.calls("BootNotification")) == 2 and s.ready)
    assert csms.calls("BootNotification")[1]["reason"] == "RemoteReset"
    ended = csms.events()[-1]
    assert (ended["triggerReason"], ended["transactionInfo"]["stoppedReason"]) == (
        "ResetCommand",
        "ImmediateReset",
    )
    assert station.books.violations == []


async def test_reset_on_idle_waits_for_the_transaction(csms: Csms, dial: Dial) -> None:
    station = await dial(evses=2)
    await station.plug(1, "family")
    await station.tap("04AA")
    assert await csms.call("Reset", {"type": "OnIdle"}) == {"status": "Scheduled"}
    await station.wait_for(lambda s: s.internals.resetting)
    assert await station.tap("04BB", 2) == "ignored"
    assert await station.tap("04AA") == "stopped"
    await station.wait_for(lambda s: len(csms.calls("BootNotification")) == 2 and s.ready)
    assert csms.calls("BootNotification")[1]["reason"] == "ScheduledReset"
    assert await station.tap("04BB", 2) == "waiting"


async def test_reset_of_one_evse_needs_no_boot(csms: Csms, dial: Dial) -> None:
    station = await dial(evses=2, variables={"EVSE:2.AllowReset": "false"})
    await station.plug(1, "family")
    await station.tap("04AA")
    answer = await csms.call("Reset", {"type": "Immediate", "evseId": 2})
    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "NotEnabled")
    assert (await csms.call("Reset", {"type": "Immediate", "evseId": 9}))["status"] == "Rejected"
    assert await csms.call("Reset", {"type": "Immediate", "evseId": 1}) == ACCEPTED
    await station.wait_for(lambda _: csms.connector_statuses()[-2:] == ["Unavailable", "Occupied"])
    assert csms.events()[-1]["eventType"] == "Ended"
    assert len(csms.calls("BootNotification")) == 1


async def test_reset_and_resume(csms: Csms, dial: Dial) -> None:
    csms.subprotocols = ("ocpp2.1",)
    station = await dial(version="2.1")
    await station.plug(1, "family")
    await station.tap("04AA")
    assert await csms.call("Reset", {"type": "ImmediateAndResume"}) == ACCEPTED
    await station.wait_for(lambda _: ("Updated", "TxResumed") in csms.story())
    assert "Ended" not in [kind for kind, _ in csms.story()]
    assert station.evse(1).transaction is not None


async def test_network_profiles(csms: Csms, dial: Dial) -> None:
    station = await dial(variables={"OCPPCommCtrlr.NetworkProfileConnectionAttempts": "1"})
    data = {
        "ocppVersion": "OCPP20",
        "ocppTransport": "JSON",
        "ocppCsmsUrl": csms.url + "/elsewhere",
        "messageTimeout": 30,
        "securityProfile": 0,
        "ocppInterface": "Wired0",
    }
    priority = "NetworkConfigurationPriority"
    assert await csms.set("OCPPCommCtrlr", priority, "1,0") == "Rejected"
    for bad in ({"ocppTransport": "SOAP"}, {"ocppCsmsUrl": "http://x"}):
        profile = {"configurationSlot": 1, "connectionData": {**data, **bad}}
        answer = await csms.call("SetNetworkProfile", profile)
        assert answer["statusInfo"]["reasonCode"] == "InvalidNetworkConf"
    profile = {"configurationSlot": 1, "connectionData": data}
    assert await csms.call("SetNetworkProfile", profile) == ACCEPTED
    assert await csms.set("OCPPCommCtrlr", priority, "1,0") == "RebootRequired"
    await csms.call("Reset", {"type": "Immediate"})
    # There is nothing at the new address: the station comes back to the old one.
    await station.wait_for(lambda s: len(csms.calls("BootNotification")) == 2 and s.ready)
    slots = [line["slot"] for line in station.books.notes if line["event"] == "network_profile"]
    assert slots == [1, 0]


async def test_a_new_password(csms: Csms, dial: Dial) -> None:
    station = await dial(password="the-first-password")
    assert (await csms.get("SecurityCtrlr", "BasicAuthPassword"))["attributeStatus"] == "Rejected"
    assert await csms.set("SecurityCtrlr", "BasicAuthPassword", "short") == "Rejected"
    assert await csms.set("SecurityCtrlr", "BasicAuthPassword", "a-better-password") == "Accepted"
    await station.wait_for(lambda _: len(csms.authorizations) == 2)
    assert csms.authorizations[0] != csms.authorizations[1]
    await station.wait_for(lambda s: s.ready)
    assert len(csms.calls("BootNotification")) == 1  # it has not booted


async def test_impossible_variables() -> None:
    for name, value in (
        ("Nonsense", "1"),
        ("TxCtrlr.Nonsense", "1"),
        ("TxCtrlr.EVConnectionTimeOut", "soon"),
        ("TxCtrlr.TxStartPoint", "Sunday"),
    ):
        with pytest.raises(ValueError, match=name.rpartition(".")[2]):
            Ocpp201Station(Config201("X", variables={name: value}), "ws://127.0.0.1:1")


async def test_nobody_charges_before_the_station_is_accepted(csms: Csms, dial: Dial) -> None:
    csms.answers["BootNotification"] = boot("Pending", interval=3600)
    variables = {"TxCtrlr.TxBeforeAcceptedEnabled": "false"}
    station = await dial(ready=False, variables=variables, auth_enabled=False)
    await station.wait_for(lambda s: s.registration == "Pending")
    await station.plug(1, "family")
    assert station.evse(1).transaction is None
    assert await station.tap("04AA") == "ignored"


async def test_a_boot_that_fails_is_tried_again(csms: Csms, dial: Dial) -> None:
    left = [1]

    def answer(_: object) -> Any:
        if left:
            left.pop()
            return [4, ID, "InternalError", "", {}]
        return boot()(_)

    csms.answers["BootNotification"] = answer
    csms.answers["StatusNotification"] = lambda _: [4, ID, "InternalError", "", {}]
    station = await dial()
    assert len(csms.calls("BootNotification")) == 2

    def noted(event: str) -> bool:
        return event in [line["event"] for line in station.books.notes]

    await station.wait_for(lambda _: noted("boot_failed") and noted("notice_failed"))


async def test_what_cannot_be_told_waits_or_is_noted(csms: Csms, dial: Dial) -> None:
    station = await dial()
    await station.fault("offline")
    station.limit_externally(0, 10)
    station.security.event("TamperDetectionActivated", "the lid")
    assert [line["action"] for line in station.books.notes if line["event"] == "not_told"] == [
        "NotifyChargingLimit"
    ]
    with pytest.raises(LinkDownError):
        await station.send("Heartbeat", {})
    await station.fault("online")
    await station.wait_for(lambda _: csms.calls("SecurityEventNotification"))
    assert csms.calls("SecurityEventNotification")[0]["techInfo"] == "the lid"
    csms.answers["SecurityEventNotification"] = lambda _: [4, ID, "InternalError", "", {}]
    station.security.event("MemoryExhaustion")
    await station.wait_for(
        lambda s: (
            [line["action"] for line in s.books.notes if line["event"] == "not_told"]
            == ["NotifyChargingLimit", "SecurityEventNotification"]
        )
    )


async def test_a_message_that_was_under_way_is_told_again(csms: Csms, dial: Dial) -> None:
    station = await dial()
    await station.wait_for(lambda _: csms.connector_status() == "Available")
    csms.answers["StatusNotification"] = lambda _: None
    await station.plug(1, "family")
    station.send_meter_values(station.evse(1), "Trigger")
    await station.wait_for(lambda _: csms.connector_status() == "Occupied")
    station.security.event("MemoryExhaustion")
    await station.fault("drop")
    del csms.answers["StatusNotification"]
    await station.wait_for(lambda s: s.ready and len(csms.connector_statuses()) == 3)
    assert csms.connector_statuses() == ["Available", "Occupied", "Occupied"]
    assert [one.state for one in station.books.readings] == ["lost"]
    await station.wait_for(lambda _: csms.calls("SecurityEventNotification"))


async def test_impossible_waits_and_plugs(dial: Dial) -> None:
    station = await dial()
    with pytest.raises(TimeoutError, match="still waiting after 0"):
        await station.wait_for(lambda _: False, 0)
    with pytest.raises(ValueError, match="EVSE 1 has no connector 2"):
        await station.plug(1, "family", connector=2)
    car = Car(CARS["city"])
    assert await station.plug(1, car) is car
    await station.unplug()
    assert (await station.plug(1, CARS["fast"])).model.name == "fast"


async def test_a_counter_for_message_ids_and_a_boot_at_every_connection(
    csms: Csms, dial: Dial
) -> None:
    station = await dial(message_ids="counter", boot_on_reconnect=True)
    await station.fault("drop", reset=True)
    await station.wait_for(lambda s: len(csms.calls("BootNotification")) == 2 and s.ready)
    assert csms.ids.count("1") == 2
