"""Updates of firmware, uploads of diagnostics and logs, and what is told of them."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from simulator import ManualClock, Ocpp16Station
from simulator.clock import wire_time

from .charging import ACCEPTED, STARTED, charging
from .conftest import Dial
from .pki import authority
from .server import ID, Server

PAST = "2020-01-01T00:00:00Z"
QUICK: dict[str, Any] = {"step_s": 0.01}
SLOW: dict[str, Any] = {"tick_s": 1.0, "reboot_s": 1.0, "reconnect_s": 1.0}
PLAIN, SIGNED = "FirmwareStatusNotification", "SignedFirmwareStatusNotification"
DIAGNOSTICS, LOG = "DiagnosticsStatusNotification", "LogStatusNotification"


async def told(station: Ocpp16Station, server: Server, notification: str, *statuses: str) -> None:
    """Wait for exactly these statuses."""
    await station.wait_for(lambda _: len(server.calls(notification)) >= len(statuses))
    await station.wait_for(lambda s: not s.jobs[notification].running)
    assert [one["status"] for one in server.calls(notification)] == list(statuses)


async def let_finish(station: Ocpp16Station, clock: ManualClock, notification: str) -> None:
    """Let time pass until a job that waits for its date is done."""
    while station.jobs[notification].running:
        await clock.advance(1)
        await asyncio.sleep(0.001)  # for what goes over the socket


def update(location: str = "https://files/box-2.5.1.bin", **fields: Any) -> dict[str, Any]:
    return {"location": location, "retrieveDate": PAST, **fields}


def signed(certificate: str, request_id: int = 9, **fields: Any) -> dict[str, Any]:
    firmware = {
        "location": "https://files/box-2.5.1.bin",
        "retrieveDateTime": PAST,
        "signingCertificate": certificate,
        "signature": "c2lnbmVk",
        **fields,
    }
    return {"requestId": request_id, "firmware": firmware}


async def test_an_update(server: Server, dial: Dial) -> None:
    station = await charging(dial, **QUICK)
    assert await server.call("UpdateFirmware", update()) == {}
    await station.wait_for(lambda _: len(server.calls(PLAIN)) == 2)
    # It waits for whoever charges.
    await server.call("ClearCache", {})
    assert server.calls(PLAIN)[-1] == {"status": "Downloaded"}
    trigger = {"requestedMessage": PLAIN}
    assert await server.call("TriggerMessage", trigger) == ACCEPTED
    await station.wait_for(lambda _: len(server.calls(PLAIN)) == 3)
    await station.tap(STARTED)
    downloaded = ["Downloading", "Downloaded", "Downloaded"]
    await told(station, server, PLAIN, *downloaded, "Installing", "Installed")
    assert [one["firmwareVersion"] for one in server.calls("BootNotification")] == [
        *("1.0.0", "2.5.1")
    ]
    assert "Unavailable" in server.statuses()
    await station.wait_for(lambda _: server.status() == "Preparing")
    await server.call("TriggerMessage", trigger)
    await station.wait_for(lambda _: server.calls(PLAIN)[-1] == {"status": "Idle"})


@pytest.mark.parametrize(
    ("trait", "fields", "statuses"),
    [
        ("download_fails", {}, ["Downloading", "DownloadFailed"]),
        (
            "download_fails",
            {"retries": 2, "retryInterval": 0},
            ["Downloading", "Downloading", "DownloadFailed"],
        ),
        ("ok", {"location": "gopher://files"}, ["Downloading", "DownloadFailed"]),
        (
            "installation_fails",
            {},
            ["Downloading", "Downloaded", "Installing", "InstallationFailed"],
        ),
    ],
)
async def test_updates_that_fail(
    server: Server, dial: Dial, trait: str, fields: dict[str, Any], statuses: list[str]
) -> None:
    station = await dial(firmware_update=trait, **QUICK)
    await server.call("UpdateFirmware", update(**fields))
    await told(station, server, PLAIN, *statuses)
    assert station.state()["firmware"] == "1.0.0"
    await station.wait_for(lambda _: server.status() == "Available")


async def test_an_update_waits_for_its_date(server: Server, dial: Dial) -> None:
    clock = ManualClock()
    server.now = clock.utc
    station = await dial(clock=clock, **SLOW)
    later = wire_time(clock.utc() + timedelta(seconds=60))
    await server.call("UpdateFirmware", update("https://files/Newest", retrieveDate=later))
    await clock.advance(58)
    await server.call("ClearCache", {})
    assert server.calls(PLAIN) == []
    await let_finish(station, clock, PLAIN)
    await told(station, server, PLAIN, "Downloading", "Downloaded", "Installing", "Installed")
    # A file without a version in its name is one by itself.
    assert server.calls("BootNotification")[-1]["firmwareVersion"] == "Newest"


async def test_a_date_without_zone(server: Server, dial: Dial) -> None:
    station = await dial(firmware_update="download_fails", **QUICK)
    await server.call("UpdateFirmware", update(retrieveDate="2020-01-01T00:00:00"))
    await told(station, server, PLAIN, "Downloading", "DownloadFailed")
    request = signed(authority().root, retrieveDateTime="2020-01-01T00:00:00")
    assert await server.status_of("SignedUpdateFirmware", request) == "Rejected"
    assert station.books.violations_of("bad_time") == 2


async def test_a_signed_update(server: Server, dial: Dial) -> None:
    clock = ManualClock(start=datetime.now(UTC))
    server.now = clock.utc
    station = await dial(clock=clock, **SLOW)
    soon = wire_time(clock.utc() + timedelta(seconds=30))
    request = signed(authority().root, retrieveDateTime=soon)
    assert await server.call("SignedUpdateFirmware", request) == ACCEPTED
    await station.wait_for(lambda _: server.calls(SIGNED))
    await let_finish(station, clock, SIGNED)
    await told(
        *(station, server, SIGNED, "DownloadScheduled", "Downloading", "Downloaded"),
        *("SignatureVerified", "Installing", "InstallRebooting", "Installed"),
    )
    assert {one["requestId"] for one in server.calls(SIGNED)} == {9}
    [event] = server.calls("SecurityEventNotification")
    assert (event["type"], event["techInfo"]) == ("FirmwareUpdated", "2.5.1")
    assert len(server.calls("BootNotification")) == 2


async def test_a_signed_update_that_is_installed_later(server: Server, dial: Dial) -> None:
    clock = ManualClock(start=datetime.now(UTC))
    server.now = clock.utc
    station = await dial(clock=clock, firmware_update="installation_fails", **SLOW)
    soon = wire_time(clock.utc() + timedelta(seconds=30))
    await server.call("SignedUpdateFirmware", signed(authority().root, installDateTime=soon))
    await station.wait_for(lambda _: server.calls(SIGNED))
    await let_finish(station, clock, SIGNED)
    await told(
        *(station, server, SIGNED, "Downloading", "Downloaded", "SignatureVerified"),
        *("InstallScheduled", "Installing", "InstallationFailed"),
    )


async def test_a_bad_signature(server: Server, dial: Dial) -> None:
    station = await dial(firmware_update="bad_signature", **QUICK)
    assert await server.call("SignedUpdateFirmware", signed(authority().root)) == ACCEPTED
    await told(station, server, SIGNED, "Downloading", "Downloaded", "InvalidSignature")
    assert server.calls("SecurityEventNotification")[0]["type"] == "InvalidFirmwareSignature"


async def test_a_maker_that_nobody_knows(server: Server, dial: Dial) -> None:
    station = await dial(firmware_update="download_fails", **QUICK)
    root = {"certificateType": "ManufacturerRootCertificate", "certificate": authority().root}
    assert await server.call("InstallCertificate", root) == ACCEPTED
    for certificate in (authority("Another root").issue("maker")[0], "paper"):
        request = signed(certificate)
        assert await server.status_of("SignedUpdateFirmware", request) == "InvalidCertificate"
    await station.wait_for(lambda _: len(server.calls("SecurityEventNotification")) == 2)
    types = {one["type"] for one in server.calls("SecurityEventNotification")}
    assert types == {"InvalidFirmwareSigningCertificate"}
    known = signed(authority().issue("maker")[0])
    assert await server.call("SignedUpdateFirmware", known) == ACCEPTED


async def test_a_second_update_takes_the_place_of_the_first(server: Server, dial: Dial) -> None:
    station = await dial(firmware_update="download_fails", **QUICK)
    waiting = update(retrieveDate="2099-01-01T00:00:00Z")
    await server.call("UpdateFirmware", waiting)
    await station.wait_for(lambda s: s.jobs[PLAIN].running)
    request = signed(authority().root, retrieveDateTime="2099-01-01T00:00:00Z")
    assert await server.status_of("SignedUpdateFirmware", request) == "AcceptedCanceled"
    await station.wait_for(lambda s: not s.jobs[PLAIN].running)
    await station.wait_for(lambda _: server.calls(SIGNED))
    await server.call("ExtendedTriggerMessage", {"requestedMessage": PLAIN})
    await station.wait_for(lambda _: len(server.calls(SIGNED)) == 2)
    assert server.calls(SIGNED)[1] == {"status": "DownloadScheduled", "requestId": 9}
    await server.call("UpdateFirmware", update())
    await told(station, server, PLAIN, "Downloading", "DownloadFailed")
    assert not station.jobs[SIGNED].running


@pytest.mark.parametrize(
    ("works", "location", "last"),
    [
        (True, "ftp://files", "Uploaded"),
        (False, "ftp://files", "UploadFailed"),
        (True, "paper://desk", "UploadFailed"),
    ],
)
async def test_diagnostics(
    server: Server, dial: Dial, works: bool, location: str, last: str
) -> None:
    station = await dial(upload_works=works, **QUICK)
    request = {"location": location, "retries": 1, "retryInterval": 0}
    answer = await server.call("GetDiagnostics", request)
    assert answer == {"fileName": "SIM-1-diagnostics.log"}
    await told(station, server, DIAGNOSTICS, "Uploading", last)


@pytest.mark.parametrize(
    ("works", "location", "statuses"),
    [
        (True, "https://files", ["Uploading", "Uploaded"]),
        (False, "https://files", ["Uploading", "UploadFailure"]),
        (True, "paper://desk", ["NotSupportedOperation"]),
    ],
)
async def test_logs(
    server: Server, dial: Dial, works: bool, location: str, statuses: list[str]
) -> None:
    station = await dial(upload_works=works, **QUICK)
    request = {"logType": "SecurityLog", "requestId": 4, "log": {"remoteLocation": location}}
    answer = await server.call("GetLog", request)
    assert answer == {"status": "Accepted", "filename": "SIM-1-SecurityLog.log"}
    await told(station, server, LOG, *statuses)
    assert {one["requestId"] for one in server.calls(LOG)} == {4}
    await server.call("ExtendedTriggerMessage", {"requestedMessage": LOG})
    await station.wait_for(lambda _: server.calls(LOG)[-1] == {"status": "Idle"})


async def test_a_second_log_takes_the_place_of_the_first(server: Server, dial: Dial) -> None:
    clock = ManualClock()
    server.now = clock.utc
    station = await dial(clock=clock, tick_s=1.0, step_s=10.0)
    log = {"remoteLocation": "https://files"}
    request = {"logType": "DiagnosticsLog", "requestId": 1, "log": log}
    assert await server.status_of("GetLog", request) == "Accepted"
    await station.wait_for(lambda _: server.calls(LOG))
    assert await server.status_of("GetLog", {**request, "requestId": 2}) == "AcceptedCanceled"
    await station.wait_for(lambda _: len(server.calls(LOG)) == 2)
    await let_finish(station, clock, LOG)
    await told(station, server, LOG, "Uploading", "Uploading", "Uploaded")
    assert [one["requestId"] for one in server.calls(LOG)] == [1, 2, 2]


async def test_the_news_waits_for_the_connection(server: Server, dial: Dial) -> None:
    station = await dial(**QUICK)
    server.answers[DIAGNOSTICS] = lambda _: None
    await server.call("GetDiagnostics", {"location": "ftp://files"})
    await station.wait_for(lambda _: server.calls(DIAGNOSTICS))
    await station.fault("drop")
    await station.wait_for(lambda s: not s.ready)
    del server.answers[DIAGNOSTICS]
    await told(station, server, DIAGNOSTICS, "Uploading", "Uploading", "Uploaded")
    # A server that does not know the message is told once.
    server.answers[DIAGNOSTICS] = lambda _: [4, ID, "NotImplemented", "", {}]
    await server.call("GetDiagnostics", {"location": "ftp://files"})
    await station.wait_for(lambda _: len(server.calls(DIAGNOSTICS)) == 5)
    await station.wait_for(lambda s: s.books.notes[-1]["event"] == "not_told")
