"""What the server may ask of a station."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.ocpp16.config import FEATURE_PROFILES

from .charging import ACCEPTED, REJECTED, STARTED, charging, profile
from .conftest import Dial
from .server import Server

# --- remote start and stop ------------------------------------------------------------------------


@pytest.mark.parametrize("asks", ["true", "false"])
async def test_remote_start(server: Server, dial: Dial, asks: str) -> None:
    station = await dial(connectors=2, settings={"AuthorizeRemoteTxRequests": asks})
    await station.plug(2, "family")
    assert await server.call("RemoteStartTransaction", {"idTag": "04AA"}) == ACCEPTED
    await station.wait_for(lambda _: server.calls("StartTransaction"))
    assert server.calls("StartTransaction")[0]["connectorId"] == 2
    assert len(server.calls("Authorize")) == (1 if asks == "true" else 0)


async def test_remote_start_before_the_plug(server: Server, dial: Dial) -> None:
    station = await dial()
    request = {"idTag": "04AA", "connectorId": 1, "chargingProfile": profile(limit=8)}
    assert await server.call("RemoteStartTransaction", request) == ACCEPTED
    await station.wait_for(lambda s: s.connector(1).grant)
    assert await server.call("RemoteStartTransaction", request) == REJECTED
    await station.plug(1, "family")
    assert station.connector(1).evse.limit_a == 8
    await station.wait_for(lambda _: server.calls("StartTransaction"))


async def test_remote_start_of_a_card_that_the_server_itself_refuses(
    server: Server, dial: Dial
) -> None:
    station = await dial()
    server.tags["04AA"] = {"status": "Blocked"}
    assert await server.call("RemoteStartTransaction", {"idTag": "04AA"}) == ACCEPTED
    await station.wait_for(lambda s: s.books.refused)
    assert station.connector(1).grant is None


@pytest.mark.parametrize(
    "fields",
    [
        {"connectorId": 5},
        {"connectorId": 1},  # is in use
        {"connectorId": 2, "chargingProfile": profile("TxDefaultProfile")},
        {"connectorId": 2, "chargingProfile": {**profile(), "transactionId": 7}},
        {"connectorId": 2, "chargingProfile": profile(limit=-1)},
    ],
)
async def test_remote_start_that_cannot_be(
    server: Server, dial: Dial, fields: dict[str, Any]
) -> None:
    station = await charging(dial, connectors=2)
    assert await server.call("RemoteStartTransaction", {"idTag": "04BB", **fields}) == REJECTED
    # A profile of another purpose, or for a known transaction, the standard forbids the server.
    one = fields.get("chargingProfile", {})
    forbidden = "transactionId" in one or one.get("chargingProfilePurpose") == "TxDefaultProfile"
    assert station.books.violations_of("invalid_request") == int(forbidden)


async def test_remote_start_when_someone_else_was_faster(server: Server, dial: Dial) -> None:
    station = await dial()
    await station.plug(1, "family")
    server.answers["Authorize"] = lambda _: None
    await server.call("RemoteStartTransaction", {"idTag": "04AA"})
    await station.wait_for(lambda _: server.calls("Authorize"))
    station.connector(1).start("04BB", None, None)
    await server.send([3, server.ids[-1], {"idTagInfo": {"status": "Accepted"}}])
    await station.wait_for(lambda s: not len(s.outbox))
    assert [one["idTag"] for one in server.calls("StartTransaction")] == ["04BB"]


async def test_remote_stop(server: Server, dial: Dial) -> None:
    station = await charging(dial)
    assert await server.call("RemoteStopTransaction", {"transactionId": 1}) == REJECTED
    assert await server.call("RemoteStopTransaction", {"transactionId": 7001}) == ACCEPTED
    await station.wait_for(lambda _: server.calls("StopTransaction"))
    [stop] = server.calls("StopTransaction")
    assert stop["reason"] == "Remote"
    assert "idTag" not in stop
    await station.wait_for(lambda _: server.status() == "Finishing")


# --- reset, unlock, availability ------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "reason"), [("Soft", "SoftReset"), ("Hard", "HardReset")])
async def test_reset(server: Server, dial: Dial, kind: str, reason: str) -> None:
    station = await charging(dial)
    assert await server.call("Reset", {"type": kind}) == ACCEPTED
    await station.wait_for(lambda _: len(server.calls("BootNotification")) == 2)
    await station.wait_for(lambda s: not len(s.outbox))
    [stop] = server.calls("StopTransaction")
    assert stop["reason"] == reason
    actions = [action for action, _ in server.received]
    told_before = actions.index("StopTransaction") < actions.index("BootNotification", 1)
    assert told_before is (kind == "Soft")
    await station.wait_for(lambda _: server.status() == "Preparing")


async def test_a_soft_reset_does_not_wait_for_ever(server: Server, dial: Dial) -> None:
    station = await charging(dial, reset_flush_s=0.02)
    server.answers["StopTransaction"] = lambda _: None
    await server.call("Reset", {"type": "Soft"})
    await station.wait_for(lambda _: len(server.calls("BootNotification")) == 2)
    await station.wait_for(lambda _: len(server.calls("StopTransaction")) == 2)


@pytest.mark.parametrize(
    ("options", "status"),
    [
        ({}, "Unlocked"),
        ({"unlock_works": False}, "UnlockFailed"),
        ({"tethered": True}, "NotSupported"),
    ],
)
async def test_unlock(server: Server, dial: Dial, options: Any, status: str) -> None:
    station = await charging(dial, **options)
    assert await server.call("UnlockConnector", {"connectorId": 1}) == {"status": status}
    assert (station.connector(1).transaction is None) is (status != "NotSupported")
    if status != "NotSupported":
        await station.wait_for(lambda _: server.calls("StopTransaction"))
        assert server.calls("StopTransaction")[0]["reason"] == "UnlockCommand"
    answer = await server.call("UnlockConnector", {"connectorId": 9})
    assert answer == {"status": "NotSupported"}


async def test_availability(server: Server, dial: Dial) -> None:
    station = await dial(connectors=2)
    out = {"connectorId": 1, "type": "Inoperative"}
    await station.tap("04AA")
    assert await server.call("ChangeAvailability", out) == ACCEPTED
    await station.wait_for(lambda _: server.status() == "Unavailable")
    assert station.connector(1).grant is None
    assert await server.call("ChangeAvailability", {**out, "connectorId": 0}) == ACCEPTED
    await station.wait_for(lambda _: server.status(2) == "Unavailable")
    await station.wait_for(lambda _: server.status(0) == "Unavailable")
    # It outlives a boot.
    await station.fault("reboot")
    await station.wait_for(lambda s: not s.ready)
    await station.wait_for(lambda _: server.statuses(2)[-2:] == ["Unavailable"] * 2)
    back = {"connectorId": 0, "type": "Operative"}
    assert await server.call("ChangeAvailability", back) == ACCEPTED
    await station.wait_for(lambda _: server.status(1) == server.status(2) == "Available")
    assert await server.call("ChangeAvailability", {**out, "connectorId": 3}) == REJECTED


async def test_availability_waits_for_the_transaction(server: Server, dial: Dial) -> None:
    station = await charging(dial)
    out = {"connectorId": 1, "type": "Inoperative"}
    assert await server.call("ChangeAvailability", out) == {"status": "Scheduled"}
    assert station.connector(1).transaction is not None
    await station.tap(STARTED)
    await station.wait_for(lambda _: server.status() == "Unavailable")
    assert str(station.connector(1).evse.state) == "F"
    await server.call("ChangeAvailability", {**out, "type": "Operative"})
    await station.wait_for(lambda _: server.status() == "Finishing")


async def test_a_scheduled_change_may_be_taken_back(server: Server, dial: Dial) -> None:
    station = await charging(dial)
    for kind in ("Inoperative", "Operative"):
        await server.call("ChangeAvailability", {"connectorId": 1, "type": kind})
    await station.wait_for(lambda s: not s.connector(1).becomes_inoperative)
    await station.tap(STARTED)
    await station.wait_for(lambda _: server.status() == "Finishing")


# --- configuration --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "status"),
    [
        ("ConnectionTimeOut", "90", "Accepted"),
        ("ConnectionTimeOut", "-1", "Rejected"),
        ("ConnectionTimeOut", "soon", "Rejected"),
        ("TransactionMessageAttempts", "0", "Rejected"),
        ("LocalPreAuthorize", "True", "Accepted"),
        ("LocalPreAuthorize", "maybe", "Rejected"),
        ("NumberOfConnectors", "7", "Rejected"),
        ("WebSocketPingInterval", "60", "RebootRequired"),
        ("ConnectorPhaseRotation", "1.STR", "RebootRequired"),
        ("MeterValuesSampledData", "SoC, Voltage", "Accepted"),
        ("MeterValuesSampledData", "Energy.Reactive.Import.Register", "Rejected"),
        ("AuthorizationKey", "short", "Rejected"),
        ("VendorMagic", "on", "NotSupported"),
    ],
)
async def test_change_configuration(
    server: Server, dial: Dial, key: str, value: str, status: str
) -> None:
    await dial()
    before = await server.call("GetConfiguration", {"key": [key]})
    assert await server.call("ChangeConfiguration", {"key": key, "value": value}) == {
        "status": status
    }
    after = await server.call("GetConfiguration", {"key": [key]})
    if status in ("Accepted", "RebootRequired"):
        assert after["configurationKey"][0]["value"] == value
    else:
        assert after == before


@pytest.mark.parametrize(
    ("options", "profiles"),
    [
        ({}, ",".join(FEATURE_PROFILES)),
        (
            {"feature_profiles": ("Core", "RemoteTrigger"), "security_extensions": False},
            "Core,RemoteTrigger",
        ),
    ],
)
async def test_get_configuration(
    server: Server, dial: Dial, options: dict[str, Any], profiles: str
) -> None:
    await dial(connectors=2, rate_units=("W",), phase_switching=False, **options)
    answer = await server.call("GetConfiguration", {})
    keys = {one["key"]: one.get("value") for one in answer["configurationKey"]}
    assert keys["NumberOfConnectors"] == "2"
    assert keys["SupportedFeatureProfiles"] == profiles
    assert keys.get("ChargingScheduleAllowedChargingRateUnit", "Power") == "Power"
    assert "AuthorizationKey" not in keys
    some = await server.call("GetConfiguration", {"key": ["NumberOfConnectors", "Magic"]})
    assert some["unknownKey"] == ["Magic"]
    assert len(some["configurationKey"]) == 1


async def test_clear_cache(server: Server, dial: Dial) -> None:
    station = await dial(settings={"LocalPreAuthorize": "true"})
    for _ in range(2):
        await station.tap("04AA")
    assert await server.call("ClearCache", {}) == ACCEPTED
    await station.tap("04AA")
    assert len(server.calls("Authorize")) == 2
    off = {"key": "AuthorizationCacheEnabled", "value": "false"}
    await server.call("ChangeConfiguration", off)
    assert await server.call("ClearCache", {}) == REJECTED


async def test_data_transfer(server: Server, dial: Dial) -> None:
    await dial(vendor="Us")
    for payload, answer in (
        ({"vendorId": "Them"}, {"status": "UnknownVendorId"}),
        ({"vendorId": "Us", "messageId": "X"}, {"status": "UnknownMessageId"}),
        ({"vendorId": "Us", "messageId": "Echo", "data": "a"}, {"status": "Accepted", "data": "a"}),
    ):
        assert await server.call("DataTransfer", payload) == answer


# --- trigger --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("requested", "action"),
    [
        ("BootNotification", "BootNotification"),
        ("Heartbeat", "Heartbeat"),
        ("MeterValues", "MeterValues"),
        ("StatusNotification", "StatusNotification"),
        ("DiagnosticsStatusNotification", "DiagnosticsStatusNotification"),
        ("FirmwareStatusNotification", "FirmwareStatusNotification"),
    ],
)
async def test_trigger(server: Server, dial: Dial, requested: str, action: str) -> None:
    station = await dial(connectors=2)
    await station.wait_for(lambda _: len(server.calls("StatusNotification")) == 3)
    server.received.clear()
    assert await server.call("TriggerMessage", {"requestedMessage": requested}) == ACCEPTED
    count = {"MeterValues": 2, "StatusNotification": 3}.get(action, 1)
    await station.wait_for(lambda _: len(server.calls(action)) == count)
    if count > 1:
        server.received.clear()
        request = {"requestedMessage": requested, "connectorId": 2}
        assert await server.call("TriggerMessage", request) == ACCEPTED
        await station.wait_for(lambda _: len(server.calls(action)) == 1)
        assert server.calls(action)[0]["connectorId"] == 2
        assert await server.call("TriggerMessage", {**request, "connectorId": 3}) == REJECTED


async def test_a_triggered_reading_in_a_transaction(server: Server, dial: Dial) -> None:
    station = await charging(dial)
    await server.call("TriggerMessage", {"requestedMessage": "MeterValues"})
    await station.wait_for(lambda s: s.books.readings[-1].context == "Trigger")
    await station.wait_for(lambda s: s.books.readings[-1].state == "confirmed")
    assert server.calls("MeterValues")[-1]["transactionId"] == 7001


async def test_nothing_to_measure_is_nothing_to_send(server: Server, dial: Dial) -> None:
    station = await dial(settings={"MeterValuesSampledData": ""})
    await server.call("TriggerMessage", {"requestedMessage": "MeterValues"})
    await station.plug(1, "family")
    await station.tap("04AA")
    await station.tap("04AA")
    await station.wait_for(lambda s: not len(s.outbox))
    assert server.calls("MeterValues") == []


# --- local list -----------------------------------------------------------------------------------


def tags(*names: str, status: str | None = "Accepted") -> list[dict[str, Any]]:
    info = {} if status is None else {"idTagInfo": {"status": status}}
    return [{"idTag": name, **info} for name in names]


async def test_local_list(server: Server, dial: Dial) -> None:
    station = await dial(settings={"LocalPreAuthorize": "true"})

    async def send(version: int, kind: str, entries: list[dict[str, Any]] | None) -> str:
        payload = {"listVersion": version, "updateType": kind}
        if entries is not None:
            payload["localAuthorizationList"] = entries
        return str((await server.call("SendLocalList", payload))["status"])

    async def version() -> int:
        return int((await server.call("GetLocalListVersion", {}))["listVersion"])

    assert await version() == 0
    assert await send(3, "Full", tags("04AA", "04BB")) == "Accepted"
    assert await send(3, "Differential", tags("04CC")) == "VersionMismatch"
    assert await send(4, "Differential", tags("04cc") + tags("04BB", status=None)) == "Accepted"
    assert await version() == 4
    assert await station.tap("04CC") == "waiting"
    assert await station.tap("04CC") == "cancelled"
    assert server.calls("Authorize") == []
    await station.tap("04BB")
    assert server.calls("Authorize") == [{"idTag": "04BB"}]
    for entries in (
        tags(*(str(number) for number in range(51))),
        tags("04AA", "04aa"),
        tags("04AA", status=None),
    ):
        assert await send(5, "Full", entries) == "Failed"
    for start in range(0, 200, 50):
        entries = tags(*(f"N{number}" for number in range(start, start + 50)))
        status = await send(5 + start, "Differential", entries)
        assert status == ("Accepted" if start < 150 else "Failed")
    assert await version() == 105
    # An empty list is version 0, whatever it is called.
    assert await send(999, "Full", None) == "Accepted"
    assert await version() == 0


async def test_the_server_does_not_overwrite_the_list(server: Server, dial: Dial) -> None:
    station = await dial()
    full = {"listVersion": 1, "updateType": "Full", "localAuthorizationList": tags("04AA")}
    await server.call("SendLocalList", full)
    server.tags["04AA"] = {"status": "Blocked"}
    assert await station.tap("04AA") == "refused"
    await station.fault("offline")
    await station.plug(1, "family")
    assert await station.tap("04AA") == "started"
    # The contradiction is reported when the server hears of it.
    await station.fault("online")
    await station.wait_for(lambda _: server.calls("StopTransaction"))
    await station.wait_for(
        lambda _: (
            "LocalListConflict" in [one["errorCode"] for one in server.calls("StatusNotification")]
        )
    )
    assert server.statuses(0) == ["Available", "Available"]


@pytest.mark.parametrize(
    ("options", "version"),
    [({"feature_profiles": ("Core",)}, -1), ({"settings": {"LocalAuthListEnabled": "false"}}, 0)],
)
async def test_without_a_local_list(
    server: Server, dial: Dial, options: dict[str, Any], version: int
) -> None:
    await dial(**options)
    answer = await server.call("SendLocalList", {"listVersion": 1, "updateType": "Full"})
    assert answer == {"status": "NotSupported"}
    assert await server.call("GetLocalListVersion", {}) == {"listVersion": version}
