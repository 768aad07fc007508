"""What a second central system is answered when it wants something of the station."""

from typing import Any

import pytest

from custom_components.forecourt.stations.ocpp import CentralSystem, OcppStation
from custom_components.forecourt.stations.ocpp.forward.refusals import Refusals
from custom_components.forecourt.stations.ocpp.rpc import AnswerError
from custom_components.forecourt.stations.ocpp.schema import CALL, CALL_RESULT, ErrorCode, Schemas

from .backend import QUICK_PACE, Backend
from .peer import Payload, Peer, stamp

PROFILE = {
    "chargingProfileId": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Relative",
    "chargingSchedule": {
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 99}],
    },
}
# Each call of a central system of OCPP 1.6 and its security whitepaper, and the answer.
CALLS: list[tuple[str, Payload, Payload | str]] = [
    ("CancelReservation", {"reservationId": 1}, {"status": "Rejected"}),
    ("CertificateSigned", {"certificateChain": "x"}, {"status": "Rejected"}),
    ("ChangeAvailability", {"connectorId": 0, "type": "Inoperative"}, {"status": "Rejected"}),
    ("ChangeConfiguration", {"key": "AuthorizationKey", "value": "x"}, {"status": "Rejected"}),
    ("ClearCache", {}, {"status": "Rejected"}),
    ("ClearChargingProfile", {}, {"status": "Unknown"}),
    ("DataTransfer", {"vendorId": "V"}, {"status": "Rejected"}),
    ("GetCompositeSchedule", {"connectorId": 1, "duration": 60}, {"status": "Rejected"}),
    ("GetConfiguration", {}, {"configurationKey": [], "unknownKey": []}),
    ("GetConfiguration", {"key": ["A"]}, {"configurationKey": [], "unknownKey": ["A"]}),
    ("GetDiagnostics", {"location": "ftp://x"}, {}),
    (
        "GetInstalledCertificateIds",
        {"certificateType": "CentralSystemRootCertificate"},
        {"status": "NotFound"},
    ),
    ("GetLocalListVersion", {}, {"listVersion": -1}),
    (
        "InstallCertificate",
        {"certificateType": "CentralSystemRootCertificate", "certificate": "x"},
        {"status": "Rejected"},
    ),
    ("RemoteStartTransaction", {"idTag": "04AABB", "connectorId": 1}, {"status": "Rejected"}),
    ("RemoteStopTransaction", {"transactionId": 1}, {"status": "Rejected"}),
    (
        "ReserveNow",
        {"connectorId": 1, "expiryDate": stamp(), "idTag": "04AABB", "reservationId": 1},
        {"status": "Rejected"},
    ),
    ("Reset", {"type": "Hard"}, {"status": "Rejected"}),
    ("SendLocalList", {"listVersion": 1, "updateType": "Full"}, {"status": "NotSupported"}),
    (
        "SetChargingProfile",
        {"connectorId": 0, "csChargingProfiles": PROFILE},
        {"status": "Rejected"},
    ),
    ("UnlockConnector", {"connectorId": 1}, {"status": "NotSupported"}),
    ("UpdateFirmware", {"location": "ftp://x", "retrieveDate": stamp()}, "NotSupported"),
    ("Reset", {"type": "Warm"}, "PropertyConstraintViolation"),
    ("MakeCoffee", {}, "NotImplemented"),
    # Not theirs to ask.
    ("BootNotification", {"chargePointVendor": "x", "chargePointModel": "x"}, "NotSupported"),
]


async def test_everything_is_declined_and_nothing_reaches_the_station(
    central: CentralSystem, station: OcppStation
) -> None:
    async with Backend() as backend, Peer(central, "CP1") as peer:
        await peer.ready()
        station.forward_to(backend.target(), QUICK_PACE)
        await backend.until_told("BootNotification")
        asked = len(peer.asked)
        for action, payload, expected in CALLS:
            frame = await backend.ask(action, payload)
            assert frame[2] == expected, action
        # The way to the station is there.
        await peer.call("Heartbeat")
        assert len(peer.asked) == asked
        assert peer.stray == []
        station.forward_to(None)


async def test_what_is_remembered_is_told_on_request(
    central: CentralSystem, station: OcppStation
) -> None:
    async with Backend() as backend, Peer(central, "CP1") as peer:
        peer.settings["NumberOfConnectors"] = "2"
        await peer.ready()
        for connector in (1, 2):
            told = {"connectorId": connector, "errorCode": "NoError", "status": "Available"}
            await peer.call("StatusNotification", told)
            sampled = [{"timestamp": stamp(), "sampledValue": [{"value": str(connector)}]}]
            await peer.call("MeterValues", {"connectorId": connector, "meterValue": sampled})
        asked = len(peer.asked)
        station.forward_to(backend.target(), QUICK_PACE)
        await backend.until_told("StatusNotification", 2)
        backend.told.clear()

        async def trigger(message: str, **more: Any) -> str:
            frame = await backend.ask("TriggerMessage", {"requestedMessage": message, **more})
            word: str = frame[2]["status"]
            return word

        assert await trigger("Heartbeat") == "Accepted"
        await backend.until_told("Heartbeat")
        assert await trigger("StatusNotification", connectorId=2) == "Accepted"
        assert (await backend.until_told("StatusNotification"))["connectorId"] == 2
        assert await trigger("MeterValues") == "Accepted"
        assert (await backend.until_told("MeterValues", 2))["connectorId"] == 2
        assert await trigger("BootNotification") == "Accepted"
        await backend.until_told("BootNotification")
        assert await trigger("StatusNotification", connectorId=7) == "Rejected"
        assert await trigger("DiagnosticsStatusNotification") == "Rejected"
        frame = await backend.ask(
            "ExtendedTriggerMessage", {"requestedMessage": "SignChargePointCertificate"}
        )
        assert frame[2] == {"status": "Rejected"}
        assert len(peer.asked) == asked
        station.forward_to(None)


def never(action: str, number: int | None) -> bool:
    return False


@pytest.mark.parametrize("version", ["1.6", "2.0.1", "2.1"])
async def test_no_answer_of_any_version_says_yes(version: str) -> None:
    schemas = Schemas(version)
    refusals = Refusals(schemas, never, lambda *_: None)
    variable = {"component": {"name": "C"}, "variable": {"name": "V"}, "attributeType": "Target"}
    asked = {
        "requestedMessage": "Heartbeat",
        "getVariableData": [variable],
        "setVariableData": [variable | {"attributeValue": "x"}],
    }
    schemas._list()
    words = set()
    refused = set()
    for kind, action in schemas._files:
        if kind != CALL:
            continue
        refusals.admit(action)
        try:
            answer = await refusals.handle(action, asked)
        except AnswerError as err:
            refused.add((action, err.code))
            continue
        await schemas.ensure(CALL_RESULT, action)
        schemas.check(CALL_RESULT, action, answer)
        words.add(answer.get("status"))
        for result in (*answer.get("getVariableResult", ()), *answer.get("setVariableResult", ())):
            assert result == variable | {"attributeStatus": "Rejected"}
    assert not words & {"Accepted", "Scheduled", "Unlocked", "Unpublished", "Processing"}
    assert "Rejected" in words
    assert {code for _, code in refused} == {ErrorCode.NOT_SUPPORTED}
    theirs = {action for action, _ in refused}
    assert {"BootNotification", "Heartbeat", "StatusNotification", "Authorize"} <= theirs


async def test_a_flood_of_calls_ends_the_connection(
    central: CentralSystem, station: OcppStation
) -> None:
    async with Backend() as backend, Peer(central, "CP1") as peer:
        await peer.ready()
        station.forward_to(backend.target(), QUICK_PACE)
        await backend.until_told("BootNotification")
        await backend.flood(2000)
        await backend.until_told("BootNotification", 2)
        await peer.call("Heartbeat")
        station.forward_to(None)
