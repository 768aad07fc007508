"""Calls that only somebody who knows OCPP makes, and what a simulated station of 1.6 then does."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from custom_components.forecourt.core.model.events import StationEventKind
from custom_components.forecourt.stations.base import Failure, StationError
from custom_components.forecourt.stations.ocpp import CentralSystem, OcppStation
from simulator import Clock, Ocpp16Station, StationConfig
from tests.unit.simulator.pki import authority

from .conftest import MakeCentral
from .peer import Payload, Site

PAST = "2020-01-01T00:00:00Z"
ACCEPTED = {"status": "Accepted"}
DIAGNOSTICS, FIRMWARE = StationEventKind.DIAGNOSTICS, StationEventKind.FIRMWARE


class Told:
    """Everything that the station calls, with what it is answered."""

    def __init__(self, station: OcppStation) -> None:
        self._calls: list[tuple[str, Payload, Payload]] = []
        station.observe(lambda *call: self._calls.append(call))

    def of(self, action: str) -> list[Payload]:
        return [payload for name, payload, _ in self._calls if name == action]


@pytest.fixture
async def central(make_central: MakeCentral) -> CentralSystem:
    return await make_central(fallback_current_a=6)


@pytest.fixture
def station(central: CentralSystem) -> OcppStation:
    return central.add_station("SIM-1")


@pytest.fixture
async def box(central: CentralSystem, station: OcppStation) -> AsyncIterator[Ocpp16Station]:
    """Return a station that is set up."""
    config = StationConfig(
        "SIM-1", tick_s=0.02, reconnect_s=0.05, reboot_s=0.05, step_s=0.02, call_timeout_s=2
    )
    url = f"ws://127.0.0.1:{central.port}"
    async with Ocpp16Station(config, url, clock=Clock(speed=120)) as box:
        await box.wait_for(lambda _: station.learned.fallback_written)
        yield box
    assert box.books.violations == []


@pytest.fixture
def told(station: OcppStation, box: Ocpp16Station) -> Told:
    return Told(station)


def events(site: Site, kind: StationEventKind) -> list[str]:
    return [event.what for event in site.events if event.kind is kind]


@pytest.mark.parametrize(
    ("location", "statuses"),
    [
        ("ftp://files/logs", ["Uploading", "Uploaded"]),
        ("gopher://files", ["Uploading", "UploadFailed"]),
    ],
)
async def test_diagnostics_are_uploaded(
    station: OcppStation, box: Ocpp16Station, site: Site, location: str, statuses: list[str]
) -> None:
    answer = await station.call("GetDiagnostics", {"location": location})
    assert answer == {"fileName": "SIM-1-diagnostics.log"}
    await box.wait_for(lambda _: len(events(site, DIAGNOSTICS)) == 2)
    assert events(site, DIAGNOSTICS) == statuses


async def test_a_log_is_uploaded(
    station: OcppStation, box: Ocpp16Station, site: Site, told: Told
) -> None:
    payload = {
        "log": {"remoteLocation": "https://files/logs"},
        "logType": "SecurityLog",
        "requestId": 7,
    }
    answer = await station.call("GetLog", payload)
    assert answer == {"status": "Accepted", "filename": "SIM-1-SecurityLog.log"}
    await box.wait_for(lambda _: len(events(site, DIAGNOSTICS)) == 2)
    assert events(site, DIAGNOSTICS) == ["Uploading", "Uploaded"]
    assert {one["requestId"] for one in told.of("LogStatusNotification")} == {7}


async def test_firmware_is_updated_and_known_after_the_boot(
    station: OcppStation, box: Ocpp16Station, site: Site
) -> None:
    payload = {"location": "https://files/box-2.5.1.bin", "retrieveDate": PAST}
    assert await station.call("UpdateFirmware", payload) == {}
    await box.wait_for(lambda _: "Installed" in events(site, FIRMWARE))
    assert events(site, FIRMWARE) == ["Downloading", "Downloaded", "Installing", "Installed"]
    await box.wait_for(lambda _: station.online and station.info.firmware == "2.5.1")


async def test_signed_firmware_is_updated(
    station: OcppStation, box: Ocpp16Station, site: Site, told: Told
) -> None:
    firmware = {
        "location": "https://files/box-3.0.0.bin",
        "retrieveDateTime": PAST,
        "signingCertificate": authority().root,
        "signature": "c2lnbmVk",
    }
    answer = await station.call("SignedUpdateFirmware", {"requestId": 9, "firmware": firmware})
    assert answer == ACCEPTED
    await box.wait_for(lambda _: "Installed" in events(site, FIRMWARE))
    assert events(site, FIRMWARE) == [
        "Downloading",
        "Downloaded",
        "SignatureVerified",
        "Installing",
        "InstallRebooting",
        "Installed",
    ]
    assert {one["requestId"] for one in told.of("SignedFirmwareStatusNotification")} == {9}
    await box.wait_for(lambda _: "FirmwareUpdated" in events(site, StationEventKind.SECURITY))


async def test_firmware_signed_by_nobody_known_is_refused(
    station: OcppStation, box: Ocpp16Station, site: Site
) -> None:
    firmware = {
        "location": "https://files/box-3.0.0.bin",
        "retrieveDateTime": PAST,
        "signingCertificate": "nonsense",
        "signature": "c2lnbmVk",
    }
    answer = await station.call("SignedUpdateFirmware", {"requestId": 9, "firmware": firmware})
    assert answer == {"status": "InvalidCertificate"}
    complaint = "InvalidFirmwareSigningCertificate"
    await box.wait_for(lambda _: complaint in events(site, StationEventKind.SECURITY))
    assert not events(site, FIRMWARE)


async def test_roots_are_installed_listed_and_deleted(
    station: OcppStation, box: Ocpp16Station
) -> None:
    use = {"certificateType": "CentralSystemRootCertificate"}
    assert await station.call("GetInstalledCertificateIds", use) == {"status": "NotFound"}
    refused = await station.call("InstallCertificate", use | {"certificate": "nonsense"})
    assert refused == {"status": "Rejected"}
    payload = use | {"certificate": authority().root}
    assert await station.call("InstallCertificate", payload) == ACCEPTED
    listed = await station.call("GetInstalledCertificateIds", use)
    [root] = listed["certificateHashData"]
    gone = {"certificateHashData": root}
    assert await station.call("DeleteCertificate", gone) == ACCEPTED
    assert await station.call("DeleteCertificate", gone) == {"status": "NotFound"}
    assert await station.call("GetInstalledCertificateIds", use) == {"status": "NotFound"}


@pytest.mark.parametrize(
    ("trigger", "message"),
    [
        ("LogStatusNotification", "LogStatusNotification"),
        ("FirmwareStatusNotification", "SignedFirmwareStatusNotification"),
    ],
)
async def test_a_message_of_the_whitepaper_is_triggered(
    station: OcppStation, box: Ocpp16Station, told: Told, trigger: str, message: str
) -> None:
    assert await station.call("ExtendedTriggerMessage", {"requestedMessage": trigger}) == ACCEPTED
    await box.wait_for(lambda _: told.of(message) == [{"status": "Idle"}])


async def test_a_station_asks_for_a_certificate_when_triggered(
    station: OcppStation, box: Ocpp16Station, site: Site, told: Told
) -> None:
    trigger = {"requestedMessage": "SignChargePointCertificate"}
    assert await station.call("ExtendedTriggerMessage", trigger) == ACCEPTED
    await box.wait_for(lambda _: told.of("SignCertificate"))
    assert "BEGIN CERTIFICATE REQUEST" in told.of("SignCertificate")[0]["csr"]
    # Nobody here signs it: without TLS there is no authority.
    assert events(site, StationEventKind.CERTIFICATE) == ["Rejected"]


async def test_a_certificate_that_nobody_asked_for_is_refused(
    station: OcppStation, box: Ocpp16Station, site: Site
) -> None:
    answer = await station.call("CertificateSigned", {"certificateChain": authority().root})
    assert answer == {"status": "Rejected"}
    complaint = "InvalidChargePointCertificate"
    await box.wait_for(lambda _: complaint in events(site, StationEventKind.SECURITY))


@pytest.mark.parametrize(
    ("vendor", "message", "answer"),
    [
        ("Forecourt Simulator", "Echo", {"status": "Accepted", "data": "hello"}),
        ("Forecourt Simulator", "Other", {"status": "UnknownMessageId"}),
        ("Acme", "Echo", {"status": "UnknownVendorId"}),
    ],
)
async def test_data_is_transferred_to_the_station(
    station: OcppStation, box: Ocpp16Station, vendor: str, message: str, answer: Payload
) -> None:
    payload = {"vendorId": vendor, "messageId": message, "data": "hello"}
    assert await station.call("DataTransfer", payload) == answer


async def test_the_composite_schedule_is_the_fallback(
    station: OcppStation, box: Ocpp16Station
) -> None:
    payload = {"connectorId": 1, "duration": 300, "chargingRateUnit": "A"}
    answer = await station.call("GetCompositeSchedule", payload)
    assert answer["status"] == "Accepted"
    schedule = answer["chargingSchedule"]
    assert schedule["chargingRateUnit"] == "A"
    assert schedule["chargingSchedulePeriod"][0]["limit"] == 6
    unknown = await station.call("GetCompositeSchedule", payload | {"connectorId": 9})
    assert unknown == {"status": "Rejected"}


@pytest.mark.parametrize(
    ("action", "payload", "failure"),
    [
        ("StartTransaction", {}, Failure.NOT_SUPPORTED),
        ("GetReport", {"requestId": 1}, Failure.NOT_SUPPORTED),
        ("GetLog", {"logType": "SecurityLog"}, Failure.REFUSED),
        ("Reset", {"type": "Gently"}, Failure.REFUSED),
    ],
)
async def test_what_is_no_call_or_does_not_fit_reaches_no_station(
    station: OcppStation, box: Ocpp16Station, action: str, payload: Payload, failure: Failure
) -> None:
    with pytest.raises(StationError) as error:
        await station.call(action, payload)
    assert error.value.failure is failure
    ours = {one["action"] for one in station.frames.entries() if one["direction"] == "out"}
    assert "SetChargingProfile" in ours
    assert action not in ours


async def test_what_the_station_does_not_know_is_told(central: CentralSystem) -> None:
    station = central.add_station("SIM-1")
    config = StationConfig(
        "SIM-1", feature_profiles=("Core",), security_extensions=False, tick_s=0.02
    )
    async with Ocpp16Station(config, f"ws://127.0.0.1:{central.port}") as box:
        await box.wait_for(lambda _: station.online)
        calls: dict[str, dict[str, Any]] = {
            "GetDiagnostics": {"location": "ftp://files"},
            "GetInstalledCertificateIds": {"certificateType": "CentralSystemRootCertificate"},
        }
        for action, payload in calls.items():
            with pytest.raises(StationError) as error:
                await station.call(action, payload)
            assert error.value.failure is Failure.NOT_SUPPORTED
            assert error.value.detail in ("NotSupported", "NotImplemented")
