"""Calls that only somebody who knows OCPP makes, and what a simulated station of 2.x then does."""

from collections.abc import AsyncIterator
import hashlib
from typing import Any

from aiohttp import web
import pytest

from custom_components.forecourt.core.model.events import StationEventKind
from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.token import Token, TokenKind
from custom_components.forecourt.stations.base import Failure, StationError
from custom_components.forecourt.stations.ocpp import CentralSystem, OcppStation
from custom_components.forecourt.stations.ocpp.v21.orders import CALLS21
from custom_components.forecourt.stations.ocpp.v201.orders import CALLS
from simulator import Clock, Config201, Ocpp201Station
from tests.unit.simulator.pki import authority
from tests.wire.ocpp.conftest import MakeCentral
from tests.wire.ocpp.peer import Payload
from tests.wire.ocpp.samples import request

from .peer import Books

PAST = "2020-01-01T00:00:00Z"
ACCEPTED = {"status": "Accepted"}
FILE = b"firmware 2.5.1"
POWER = {
    "component": {"name": "EVSE", "evse": {"id": 1}},
    "variable": {"name": "Power"},
}
MADE_FOR_21 = {"ChangeTransactionTariff", "ClearTariffs", "GetTariffs", "SetDefaultTariff"}


class Told:
    """Everything that the station calls."""

    def __init__(self, station: OcppStation) -> None:
        self._calls: list[tuple[str, Payload, Payload]] = []
        station.observe(lambda *call: self._calls.append(call))

    def of(self, action: str) -> list[Payload]:
        return [payload for name, payload, _ in self._calls if name == action]


class Files:
    """A file server: gives firmware, takes logs."""

    def __init__(self) -> None:
        self.url = ""
        self.taken: list[str] = []

    async def give(self, _: web.Request) -> web.Response:
        return web.Response(body=FILE)

    async def take(self, request: web.Request) -> web.Response:
        self.taken.append(request.path)
        return web.Response(status=201)


@pytest.fixture
async def files() -> AsyncIterator[Files]:
    files = Files()
    app = web.Application()
    app.router.add_get("/{name}", files.give)
    app.router.add_put("/{name}", files.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    files.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield files
    await runner.cleanup()


@pytest.fixture(params=["2.0.1", "2.1"])
def version(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
async def central(make_central: MakeCentral) -> CentralSystem:
    return await make_central(fallback_current_a=6)


@pytest.fixture
def station(central: CentralSystem) -> OcppStation:
    return central.add_station("SIM-1")


@pytest.fixture
async def box(
    central: CentralSystem, station: OcppStation, version: Any
) -> AsyncIterator[Ocpp201Station]:
    """Return a station that is set up."""
    config = Config201(
        "SIM-1",
        version=version,
        tick_s=0.02,
        reconnect_s=0.05,
        reboot_s=0.05,
        step_s=0.02,
        call_timeout_s=2,
    )
    url = f"ws://127.0.0.1:{central.port}"
    async with Ocpp201Station(config, url, clock=Clock(speed=120)) as box:
        await box.wait_for(lambda _: station.learned.fallback_written)
        yield box
    assert box.books.violations == []


@pytest.fixture
def told(station: OcppStation, box: Ocpp201Station) -> Told:
    return Told(station)


def events(site: Books, kind: StationEventKind) -> list[str]:
    return [event.what for event in site.events if event.kind is kind]


async def charge(station: OcppStation, box: Ocpp201Station) -> str:
    """Have a car charge, and return what the station calls its transaction."""
    await box.plug(1, "family", soc=0.2)
    await station.start(EvseId("SIM-1", 1), Token("ABC", TokenKind.CENTRAL))
    await box.wait_for(lambda _: station.transactions)
    return station.references[station.transactions[1]]


# --- what takes a while -----------------------------------------------------------------------


async def test_a_log_is_uploaded(
    station: OcppStation, box: Ocpp201Station, site: Books, told: Told, files: Files
) -> None:
    log = {"remoteLocation": files.url}
    payload = {"log": log, "logType": "DiagnosticsLog", "requestId": 3}
    answer = await station.call("GetLog", payload)
    assert answer == {"status": "Accepted", "filename": "SIM-1-DiagnosticsLog.log"}
    await box.wait_for(lambda _: "Uploaded" in events(site, StationEventKind.DIAGNOSTICS))
    assert events(site, StationEventKind.DIAGNOSTICS) == ["Uploading", "Uploaded"]
    assert {one["requestId"] for one in told.of("LogStatusNotification")} == {3}
    assert files.taken == ["/SIM-1-DiagnosticsLog.log"]


async def test_firmware_is_updated_and_known_after_the_boot(
    station: OcppStation, box: Ocpp201Station, site: Books, files: Files
) -> None:
    firmware = {"location": f"{files.url}box-2.5.1.bin", "retrieveDateTime": PAST}
    payload = {"requestId": 9, "firmware": firmware}
    assert await station.call("UpdateFirmware", payload) == ACCEPTED
    await box.wait_for(lambda _: "Installed" in events(site, StationEventKind.FIRMWARE))
    assert events(site, StationEventKind.FIRMWARE) == [
        "Downloading",
        "Downloaded",
        "Installing",
        "InstallRebooting",
        "Installed",
    ]
    await box.wait_for(lambda _: station.online and station.info.firmware == "2.5.1")


async def test_firmware_is_published_and_withdrawn(
    station: OcppStation, box: Ocpp201Station, site: Books, told: Told, files: Files
) -> None:
    checksum = hashlib.md5(FILE, usedforsecurity=False).hexdigest()
    withdrawn = {"checksum": checksum}
    assert await station.call("UnpublishFirmware", withdrawn) == {"status": "NoFirmware"}
    payload = {"location": f"{files.url}box.bin", "checksum": checksum, "requestId": 4}
    assert await station.call("PublishFirmware", payload) == ACCEPTED
    await box.wait_for(lambda _: "Published" in events(site, StationEventKind.FIRMWARE))
    notice = "PublishFirmwareStatusNotification"
    assert [one["status"] for one in told.of(notice)] == events(site, StationEventKind.FIRMWARE)
    assert told.of(notice)[-1]["location"]
    assert await station.call("UnpublishFirmware", withdrawn) == {"status": "Unpublished"}


# --- what the station tells when it is asked --------------------------------------------------


async def test_the_status_of_a_transaction(station: OcppStation, box: Ocpp201Station) -> None:
    unknown = await station.call("GetTransactionStatus", {"transactionId": "nobody"})
    assert unknown == {"messagesInQueue": False, "ongoingIndicator": False}
    reference = await charge(station, box)
    answer = await station.call("GetTransactionStatus", {"transactionId": reference})
    assert answer["ongoingIndicator"] is True


async def test_what_is_known_of_a_customer_is_told(
    station: OcppStation, box: Ocpp201Station, site: Books, told: Told
) -> None:
    token = {"idToken": "04AABB", "type": "ISO14443"}
    entry = {"idToken": token, "idTokenInfo": {"status": "Accepted"}}
    held = {"versionNumber": 1, "updateType": "Full", "localAuthorizationList": [entry]}
    assert await station.call("SendLocalList", held) == ACCEPTED
    payload = {"requestId": 5, "report": True, "clear": False, "idToken": token}
    assert await station.call("CustomerInformation", payload) == ACCEPTED
    await box.wait_for(lambda _: told.of("NotifyCustomerInformation"))
    assert "local list" in told.of("NotifyCustomerInformation")[0]["data"]
    # It is personal, so nobody else hears of it.
    assert not site.events
    payload |= {"requestId": 6, "idToken": token | {"idToken": "04CCDD"}}
    assert await station.call("CustomerInformation", payload) == ACCEPTED
    await box.wait_for(lambda _: len(told.of("NotifyCustomerInformation")) == 2)
    assert not told.of("NotifyCustomerInformation")[1]["data"]


async def test_a_report_of_some_variables(
    station: OcppStation, box: Ocpp201Station, told: Told
) -> None:
    payload = {"requestId": 77, "componentVariable": [POWER]}
    assert await station.call("GetReport", payload) == ACCEPTED
    await box.wait_for(lambda _: told.of("NotifyReport"))
    [report] = told.of("NotifyReport")
    assert (report["requestId"], report["tbc"]) == (77, False)
    assert [one["variable"]["name"] for one in report["reportData"]] == ["Power"]
    nothing = [{"component": {"name": "Toaster"}}]
    answer = await station.call("GetReport", {"requestId": 78, "componentVariable": nothing})
    assert answer == {"status": "EmptyResultSet"}


async def test_charging_profiles_are_reported(
    station: OcppStation, box: Ocpp201Station, told: Told
) -> None:
    wanted = {"chargingProfilePurpose": "TxDefaultProfile"}
    payload = {"requestId": 8, "chargingProfile": wanted}
    assert await station.call("GetChargingProfiles", payload) == ACCEPTED
    await box.wait_for(lambda _: told.of("ReportChargingProfiles"))
    [report] = told.of("ReportChargingProfiles")
    assert (report["requestId"], report["chargingLimitSource"]) == (8, "CSO")
    [profile] = report["chargingProfile"]
    assert profile["chargingSchedule"][0]["chargingSchedulePeriod"][0]["limit"] == 6
    wanted = {"chargingProfilePurpose": "ChargingStationMaxProfile"}
    payload = {"requestId": 9, "chargingProfile": wanted}
    assert await station.call("GetChargingProfiles", payload) == {"status": "NoProfiles"}


# --- monitors ---------------------------------------------------------------------------------


async def test_a_monitor_tells_what_it_watches(
    station: OcppStation, box: Ocpp201Station, site: Books, told: Told
) -> None:
    wanted = {"type": "UpperThreshold", "value": 1000, "severity": 5, **POWER}
    answer = await station.call("SetVariableMonitoring", {"setMonitoringData": [wanted]})
    [result] = answer["setMonitoringResult"]
    assert result["status"] == "Accepted"
    payload = {"requestId": 6, "monitoringCriteria": ["ThresholdMonitoring"]}
    assert await station.call("GetMonitoringReport", payload) == ACCEPTED
    await box.wait_for(lambda _: told.of("NotifyMonitoringReport"))
    [monitor] = told.of("NotifyMonitoringReport")[0]["monitor"][0]["variableMonitoring"]
    assert monitor["id"] == result["id"]
    await charge(station, box)
    await box.wait_for(lambda _: events(site, StationEventKind.MONITORING))
    seen = next(one for one in site.events if one.kind is StationEventKind.MONITORING)
    assert "Power" in seen.what + seen.detail
    cleared = await station.call("ClearVariableMonitoring", {"id": [result["id"], 99]})
    assert [one["status"] for one in cleared["clearMonitoringResult"]] == ["Accepted", "NotFound"]
    again = await station.call("GetMonitoringReport", payload)
    assert again == {"status": "EmptyResultSet"}


async def test_the_base_and_the_level_of_monitoring(
    station: OcppStation, box: Ocpp201Station
) -> None:
    assert await station.call("SetMonitoringBase", {"monitoringBase": "HardWiredOnly"}) == ACCEPTED
    assert await station.call("SetMonitoringLevel", {"severity": 4}) == ACCEPTED
    beyond = await station.call("SetMonitoringLevel", {"severity": 10})
    assert beyond["status"] == "Rejected"
    asked = [
        {"component": {"name": "MonitoringCtrlr"}, "variable": {"name": name}}
        for name in ("ActiveMonitoringBase", "ActiveMonitoringLevel")
    ]
    answer = await station.call("GetVariables", {"getVariableData": asked})
    values = [one["attributeValue"] for one in answer["getVariableResult"]]
    assert values == ["HardWiredOnly", "4"]


# --- display, network, certificates, vendors --------------------------------------------------


async def test_a_message_is_displayed_told_and_cleared(
    station: OcppStation, box: Ocpp201Station, site: Books, told: Told
) -> None:
    text = {"format": "UTF8", "content": "Closed from 22:00"}
    message = {"id": 3, "priority": "NormalCycle", "message": text}
    assert await station.call("SetDisplayMessage", {"message": message}) == ACCEPTED
    picture = message | {"message": text | {"format": "HTML"}}
    refused = await station.call("SetDisplayMessage", {"message": picture})
    assert refused == {"status": "NotSupportedMessageFormat"}
    assert await station.call("GetDisplayMessages", {"requestId": 2}) == ACCEPTED
    await box.wait_for(lambda _: told.of("NotifyDisplayMessages"))
    assert told.of("NotifyDisplayMessages")[0]["messageInfo"] == [message]
    [event] = [one for one in site.events if one.kind is StationEventKind.DISPLAY]
    assert event.detail == "1"
    assert await station.call("ClearDisplayMessage", {"id": 3}) == ACCEPTED
    assert await station.call("ClearDisplayMessage", {"id": 3}) == {"status": "Unknown"}
    assert await station.call("GetDisplayMessages", {"requestId": 3}) == {"status": "Unknown"}


async def test_a_network_profile(
    station: OcppStation, box: Ocpp201Station, central: CentralSystem, version: str
) -> None:
    data: Payload = {
        "ocppInterface": "Wired0",
        "ocppTransport": "JSON",
        "messageTimeout": 30,
        "ocppCsmsUrl": f"ws://127.0.0.1:{central.port}",
        "securityProfile": 1,
        "ocppVersion": "OCPP20",
    }
    payload = {"configurationSlot": 1, "connectionData": data}
    assert await station.call("SetNetworkProfile", payload) == ACCEPTED
    data["securityProfile"] = 2
    assert (await station.call("SetNetworkProfile", payload))["status"] == "Rejected"


async def test_roots_are_installed_listed_and_deleted(
    station: OcppStation, box: Ocpp201Station
) -> None:
    use = "CSMSRootCertificate"
    asked = {"certificateType": [use]}
    assert await station.call("GetInstalledCertificateIds", asked) == {"status": "NotFound"}
    payload = {"certificateType": use, "certificate": authority().root}
    assert await station.call("InstallCertificate", payload) == ACCEPTED
    listed = await station.call("GetInstalledCertificateIds", asked)
    [chain] = listed["certificateHashDataChain"]
    assert chain["certificateType"] == use
    gone = {"certificateHashData": chain["certificateHashData"]}
    assert await station.call("DeleteCertificate", gone) == ACCEPTED
    assert await station.call("DeleteCertificate", gone) == {"status": "NotFound"}


async def test_a_certificate_that_nobody_asked_for_is_refused(
    station: OcppStation, box: Ocpp201Station, site: Books
) -> None:
    answer = await station.call("CertificateSigned", {"certificateChain": authority().root})
    assert answer["status"] == "Rejected"
    complaint = "InvalidChargingStationCertificate"
    await box.wait_for(lambda _: complaint in events(site, StationEventKind.SECURITY))


@pytest.mark.parametrize(
    ("vendor", "message", "status"),
    [
        ("Forecourt Simulator", "Echo", "Accepted"),
        ("Forecourt Simulator", "Other", "UnknownMessageId"),
        ("Acme", "Echo", "UnknownVendorId"),
    ],
)
async def test_data_is_transferred_to_the_station(
    station: OcppStation, box: Ocpp201Station, vendor: str, message: str, status: str
) -> None:
    # Any JSON may be the data of 2.x.
    payload = {"vendorId": vendor, "messageId": message, "data": {"greeting": ["hello"]}}
    answer = await station.call("DataTransfer", payload)
    assert answer["status"] == status
    if status == "Accepted":
        assert answer["data"] == payload["data"]


# --- 2.1 only ---------------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["2.1"])
async def test_tariffs_by_hand(station: OcppStation, box: Ocpp201Station) -> None:
    tariff = {
        "tariffId": "night",
        "currency": "EUR",
        "energy": {"prices": [{"priceKwh": 0.25}]},
    }
    set_for_all = {"evseId": 0, "tariff": tariff}
    assert await station.call("GetTariffs", {"evseId": 0}) == {"status": "NoTariff"}
    assert await station.call("SetDefaultTariff", set_for_all) == ACCEPTED
    answer = await station.call("GetTariffs", {"evseId": 0})
    assert answer["tariffAssignments"] == [
        {"tariffId": "night", "tariffKind": "DefaultTariff", "evseIds": [1]}
    ]
    reference = await charge(station, box)
    changed = {"transactionId": reference, "tariff": tariff | {"tariffId": "mine"}}
    assert await station.call("ChangeTransactionTariff", changed) == ACCEPTED
    answer = await station.call("GetTariffs", {"evseId": 1})
    assert "mine" in [one["tariffId"] for one in answer["tariffAssignments"]]
    cleared = await station.call("ClearTariffs", {"tariffIds": ["night", "day"]})
    assert [one["status"] for one in cleared["clearTariffsResult"]] == ["Accepted", "NoTariff"]


@pytest.mark.parametrize("version", ["2.1"])
@pytest.mark.parametrize("action", sorted(CALLS21 - CALLS - MADE_FOR_21))
async def test_what_the_station_does_not_support_is_told(
    station: OcppStation, box: Ocpp201Station, action: str
) -> None:
    with pytest.raises(StationError) as error:
        await station.call(action, request("ocpp2.1", action))
    assert error.value.failure is Failure.NOT_SUPPORTED
    assert error.value.detail == "NotSupported"
    assert station.online


@pytest.mark.parametrize("version", ["2.0.1"])
async def test_what_is_of_a_later_version_reaches_no_station(
    station: OcppStation, box: Ocpp201Station
) -> None:
    with pytest.raises(StationError) as error:
        await station.call("GetTariffs", {"evseId": 0})
    assert error.value.failure is Failure.NOT_SUPPORTED
    assert "GetTariffs" not in [one["action"] for one in station.frames.entries()]
