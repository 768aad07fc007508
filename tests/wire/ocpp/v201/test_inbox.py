"""What a station of OCPP 2.0.1 tells, as it arrives at the site, and the site's answers."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.token import Token, TokenKind
from custom_components.forecourt.stations.ocpp import CentralSystem, OcppStation
from custom_components.forecourt.stations.ocpp.v201.inbox import ACTIONS
from custom_components.forecourt.stations.ocpp.v201.told import JUDGED_KEPT, Memory
from tests.wire.ocpp.conftest import MakeCentral
from tests.wire.ocpp.peer import INVALID, Payload

from .peer import CARD, Books, Peer201, meter, sample

EVSE = EvseId("CP1", 1)
LONG_AGO = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
HASH = {
    "hashAlgorithm": "SHA256",
    "issuerNameHash": "A",
    "issuerKeyHash": "B",
    "serialNumber": "C",
    "responderURL": "http://x",
}
SCHEDULE = {
    "id": 1,
    "chargingRateUnit": "A",
    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}],
}
WHEN = {"generatedAt": "2026-06-01T12:00:00Z", "seqNo": 0}
# Every call that a station may make, and the least it has to say.
CALLS: dict[str, Payload] = {
    "Authorize": {"idToken": CARD},
    "BootNotification": {
        "reason": "PowerUp",
        "chargingStation": {"model": "Box", "vendorName": "Acme"},
    },
    "ClearedChargingLimit": {"chargingLimitSource": "EMS"},
    "DataTransfer": {"vendorId": "V"},
    "FirmwareStatusNotification": {"status": "Installed"},
    "Get15118EVCertificate": {
        "iso15118SchemaVersion": "x",
        "action": "Install",
        "exiRequest": "x",
    },
    "GetCertificateStatus": {"ocspRequestData": HASH},
    "Heartbeat": {},
    "LogStatusNotification": {"status": "Uploaded"},
    "MeterValues": {"evseId": 1, "meterValue": meter(1000)},
    "NotifyChargingLimit": {"chargingLimit": {"chargingLimitSource": "EMS"}},
    "NotifyCustomerInformation": {"data": "x", "requestId": 1, **WHEN},
    "NotifyDisplayMessages": {"requestId": 1},
    "NotifyEVChargingNeeds": {
        "evseId": 1,
        "chargingNeeds": {"requestedEnergyTransfer": "AC_three_phase"},
    },
    "NotifyEVChargingSchedule": {
        "timeBase": WHEN["generatedAt"],
        "evseId": 1,
        "chargingSchedule": SCHEDULE,
    },
    "NotifyEvent": {
        "eventData": [
            {
                "eventId": 1,
                "timestamp": WHEN["generatedAt"],
                "trigger": "Delta",
                "actualValue": "1",
                "eventNotificationType": "CustomMonitor",
                "component": {"name": "C"},
                "variable": {"name": "V"},
            }
        ],
        **WHEN,
    },
    "NotifyMonitoringReport": {"requestId": 1, **WHEN},
    "NotifyReport": {"requestId": 1, **WHEN},
    "PublishFirmwareStatusNotification": {"status": "Published"},
    "ReportChargingProfiles": {
        "requestId": 1,
        "evseId": 1,
        "chargingLimitSource": "CSO",
        "chargingProfile": [
            {
                "id": 1,
                "stackLevel": 0,
                "chargingProfilePurpose": "TxProfile",
                "chargingProfileKind": "Relative",
                "chargingSchedule": [SCHEDULE],
            }
        ],
    },
    "ReservationStatusUpdate": {"reservationId": 1, "reservationUpdateStatus": "Expired"},
    "SecurityEventNotification": {
        "type": "StartupOfTheDevice",
        "timestamp": WHEN["generatedAt"],
    },
    "SignCertificate": {"csr": "x"},
    "StatusNotification": {
        "timestamp": WHEN["generatedAt"],
        "connectorStatus": "Available",
        "evseId": 1,
        "connectorId": 1,
    },
    "TransactionEvent": {
        "eventType": "Updated",
        "timestamp": WHEN["generatedAt"],
        "triggerReason": "Trigger",
        "seqNo": 0,
        "transactionInfo": {"transactionId": "T1"},
    },
}


@pytest.mark.parametrize("protocol", ["ocpp2.0.1", "ocpp2.1"])
async def test_every_call_is_answered(
    central: CentralSystem, station: OcppStation, protocol: str
) -> None:
    assert set(CALLS) == ACTIONS
    async with Peer201(central, protocol=protocol) as peer:
        await peer.ready()
        for action, payload in CALLS.items():
            # The answer is held against its schema.
            await peer.told(action, **payload)
    assert not {note: count for note, count in station.notes.items() if "boot" not in note}


# Boot and heartbeat


async def test_a_known_station_is_accepted_and_introduces_itself(
    central: CentralSystem, station: OcppStation, site: Books
) -> None:
    async with Peer201(central) as peer:
        answer = await peer.boot(serialNumber=" S1 ", firmwareVersion="1.0")
        assert answer["status"] == "Accepted"
        assert answer["interval"] == 300
        told = datetime.fromisoformat(answer["currentTime"])
        assert abs(told - datetime.now(UTC)) < timedelta(seconds=2)
        await peer.until(lambda: station.online)
        info = station.info
        assert (info.vendor, info.model, info.serial, info.firmware) == ("Acme", "Box", "S1", "1.0")
        assert info.protocol == "ocpp2.0.1"
        assert station.notes["boot: PowerUp"] == 1


async def test_what_is_not_told_is_unknown(peer: Peer201, station: OcppStation) -> None:
    await peer.boot(serialNumber=" ")
    assert station.info.serial is None
    assert station.info.firmware is None


async def test_a_stranger_has_to_wait(make_central: MakeCentral, site: Books) -> None:
    told: list[Any] = []
    central = await make_central(on_pending=told.append)
    async with Peer201(central, "CP9") as peer:
        answer = await peer.boot(firmwareVersion="1")
        assert answer["status"] == "Pending"
        await peer.until(lambda: told)
        assert (told[0].id, told[0].model, told[0].protocol) == ("CP9", "Box", "ocpp2.0.1")
        for action in ("Heartbeat", "NotifyReport", "TransactionEvent"):
            assert (await peer.call(action, CALLS[action]))[2] == "SecurityError"
        central.add_station("CP9")
        await peer.until(lambda: peer.calls("TriggerMessage"))
        assert (await peer.boot())["status"] == "Accepted"
        await peer.until(lambda: central.stations["CP9"].online)


async def test_a_heartbeat_tells_the_time(peer: Peer201) -> None:
    assert (await peer.told("Heartbeat"))["currentTime"].endswith("Z")


async def test_a_station_that_comes_back_without_a_boot_is_taken_as_it_is(
    central: CentralSystem, station: OcppStation, site: Books
) -> None:
    async with Peer201(central) as peer:
        await peer.ready()
    async with Peer201(central) as peer:
        await peer.event("Started", idToken=CARD, meterValue=meter(1000))
        assert station.online
        assert station.transactions == {1: 1}


# Tokens


async def test_a_tap_is_judged_by_the_site(peer: Peer201, site: Books) -> None:
    answer = await peer.told("Authorize", idToken={"idToken": "04aabb", "type": "KeyCode"})
    assert answer["idTokenInfo"]["status"] == "Accepted"
    assert answer["idTokenInfo"]["groupIdToken"]["type"] == "Central"
    assert site.taps == [Token("04AABB")]
    assert site.taps[0].kind is TokenKind.KEY_CODE
    site.authorization = INVALID
    assert await peer.told("Authorize", idToken=CARD) == {"idTokenInfo": {"status": "Invalid"}}


@pytest.mark.parametrize("told", [{"certificate": "x"}, {"iso15118CertificateHashData": [HASH]}])
async def test_a_contract_is_known_by_its_id(peer: Peer201, site: Books, told: Payload) -> None:
    contract = {"idToken": "DEABC123", "type": "eMAID"}
    answer = await peer.told("Authorize", idToken=contract, **told)
    assert answer["certificateStatus"] == "NoCertificateAvailable"
    assert answer["idTokenInfo"]["status"] == "Accepted"
    assert site.taps[0].kind is TokenKind.CONTRACT


async def test_nobody_is_not_let_in(peer: Peer201, site: Books) -> None:
    nobody = {"idToken": "", "type": "NoAuthorization"}
    assert await peer.told("Authorize", idToken=nobody) == {"idTokenInfo": {"status": "Invalid"}}
    assert not site.taps


async def test_only_a_few_judgements_are_remembered(
    peer: Peer201, site: Books, station: OcppStation
) -> None:
    for number in range(JUDGED_KEPT + 1):
        await peer.told("Authorize", idToken={"idToken": f"A{number}", "type": "Central"})
    memory, now = station.kept(Memory), datetime.now(UTC)
    assert memory.judgement(Token("A0"), now) is None
    assert memory.judgement(Token("A1"), now) is not None
    assert memory.judgement(Token("A1"), now + timedelta(minutes=9)) is None


# Meter values


async def test_meter_values_are_readings(peer: Peer201, site: Books, station: OcppStation) -> None:
    amps = [sample(10, "Current.Import", phase=phase) for phase in ("L1", "L2", "L3")]
    await peer.told("MeterValues", evseId=1, meterValue=meter(1500, *amps))
    evse, readings, transaction_id = site.reports[0]
    assert (evse, transaction_id) == (EVSE, None)
    assert readings[0].register_wh == 1500
    assert station.limiter.phases == {1: 3}
    assert station.transactions == {}


async def test_a_transaction_that_only_the_site_knows_is_learned(
    peer: Peer201, site: Books, station: OcppStation
) -> None:
    site.running[7] = EVSE
    await peer.told("MeterValues", evseId=1, meterValue=meter(1500, at=LONG_AGO))
    assert station.transactions == {}, "told late"
    await peer.told("MeterValues", evseId=1, meterValue=meter(1500))
    assert station.transactions == {1: 7}


async def test_the_meter_of_the_grid_is_no_outlet(peer: Peer201, site: Books) -> None:
    assert await peer.told("MeterValues", evseId=0, meterValue=meter(1500)) == {}
    assert not site.reports


async def test_readings_that_tell_nothing_are_acknowledged(
    peer: Peer201, site: Books, station: OcppStation
) -> None:
    await peer.told("MeterValues", evseId=1, meterValue=meter(sample("")))
    assert not site.reports
    assert station.notes["value is not a number"] == 1


@pytest.mark.parametrize("number", [-1, 65, 10**15])
async def test_an_outlet_that_cannot_be_is_refused(peer: Peer201, number: int) -> None:
    frame = await peer.call("MeterValues", {"evseId": number, "meterValue": meter(1)})
    assert frame[0] == 4
    assert frame[3] == "evseId"


# The rest


async def test_a_car_that_asks_for_energy_gets_what_the_site_allows(peer: Peer201) -> None:
    for needs in (
        {"acChargingParameters": {"energyAmount": 12000, "evMinCurrent": 6, "evMaxCurrent": 16}},
        {"dcChargingParameters": {"evMaxCurrent": 100, "evMaxVoltage": 400}},
    ):
        if "acChargingParameters" in needs:
            needs["acChargingParameters"]["evMaxVoltage"] = 230
        asked = {"requestedEnergyTransfer": "DC", **needs}
        answer = await peer.told("NotifyEVChargingNeeds", evseId=1, chargingNeeds=asked)
        assert answer == {"status": "Processing"}


async def test_what_is_not_ours_to_give_is_refused(peer: Peer201) -> None:
    asked = CALLS["Get15118EVCertificate"]
    assert (await peer.told("Get15118EVCertificate", **asked))["status"] == "Failed"
    asked = CALLS["GetCertificateStatus"]
    assert (await peer.told("GetCertificateStatus", **asked))["status"] == "Failed"
    assert (await peer.told("DataTransfer", vendorId="V"))["status"] == "UnknownVendorId"
    assert (await peer.call("ReserveNow", {}))[2] == "NotImplemented"
