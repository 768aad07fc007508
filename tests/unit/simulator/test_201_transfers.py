"""Logs and firmware of a station of OCPP 2.0.1, which really travel."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
import hashlib
import json
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import NameOID
import pytest

from simulator import Ocpp201Station

from .csms import Csms
from .station201 import ACCEPTED, CARD, Dial, charging, csms, dial

__all__ = ["csms", "dial"]

FIRMWARE = b"firmware 2.5.1"


class Files:
    """A file server: gives the firmware, takes logs."""

    def __init__(self) -> None:
        self.url = ""
        self.taken: dict[str, str] = {}
        self.failures = 0
        """So many requests to come fail."""

    async def give(self, request: web.Request) -> web.Response:
        if self.failures > 0:
            self.failures -= 1
            return web.Response(status=503)
        return web.Response(body=FIRMWARE)

    async def take(self, request: web.Request) -> web.Response:
        if self.failures > 0:
            self.failures -= 1
            return web.Response(status=403)
        self.taken[request.path] = await request.text()
        return web.Response(status=201)


@pytest.fixture
async def files() -> AsyncIterator[Files]:
    served = Files()
    app = web.Application()
    app.router.add_get("/{name}", served.give)
    app.router.add_put("/{name}", served.take)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    served.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield served
    await runner.cleanup()


def told(csms: Csms, action: str) -> list[str]:
    return [one["status"] for one in csms.calls(action)]


def log(location: str, **more: Any) -> dict[str, Any]:
    return {
        "log": {"remoteLocation": location, **more.pop("log", {})},
        "logType": "DiagnosticsLog",
        "requestId": 3,
        **more,
    }


def update(location: str, **more: Any) -> dict[str, Any]:
    firmware = {"location": location, "retrieveDateTime": "2020-01-01T00:00:00Z", **more}
    return {"requestId": 9, "firmware": firmware}


async def test_a_log(csms: Csms, dial: Dial, files: Files) -> None:
    station = await dial()
    answer = await csms.call("GetLog", log(files.url))
    assert answer == {"status": "Accepted", "filename": "SIM-1-DiagnosticsLog.log"}
    status = "LogStatusNotification"
    await station.wait_for(lambda _: told(csms, status) == ["Uploading", "Uploaded"])
    assert {one["requestId"] for one in csms.calls(status)} == {3}
    lines = files.taken["/SIM-1-DiagnosticsLog.log"].splitlines()
    assert "boot" in [json.loads(line)["event"] for line in lines]
    await station.wait_for(lambda s: not s.commands.transfers.jobs[status].running)
    await csms.call("TriggerMessage", {"requestedMessage": status})
    await station.wait_for(lambda _: told(csms, status)[-1] == "Idle")


async def test_a_span_of_a_log_at_the_second_try(csms: Csms, dial: Dial, files: Files) -> None:
    station = await dial()
    files.failures = 1
    span = {"oldestTimestamp": "2020-01-01T00:00:00Z", "latestTimestamp": "2020-01-02T00:00:00Z"}
    await csms.call("GetLog", log(files.url + "x.log", retries=1, retryInterval=0, log=span))
    status = "LogStatusNotification"
    await station.wait_for(lambda _: told(csms, status)[-1:] == ["Uploaded"])
    assert files.taken == {"/x.log": ""}
    bad = log(files.url, log={"oldestTimestamp": "yesterday"})
    assert (await csms.call("GetLog", bad))["status"] == "Rejected"


@pytest.mark.parametrize(
    ("location", "end"),
    [("ftp://x/", "NotSupportedOperation"), ("http://127.0.0.1:1/", "UploadFailure")],
)
async def test_logs_that_go_nowhere(csms: Csms, dial: Dial, location: str, end: str) -> None:
    station = await dial()
    await csms.call("GetLog", log(location))
    await station.wait_for(lambda _: told(csms, "LogStatusNotification")[-1:] == [end])


async def test_another_log_cancels_the_first(csms: Csms, dial: Dial, files: Files) -> None:
    station = await dial(step_s=30.0)
    await csms.call("GetLog", log(files.url))
    await station.wait_for(lambda _: told(csms, "LogStatusNotification") == ["Uploading"])
    answer = await csms.call("GetLog", {**log(files.url), "requestId": 4})
    assert answer["status"] == "AcceptedCanceled"
    await station.wait_for(lambda _: len(csms.calls("LogStatusNotification")) == 3)
    assert csms.calls("LogStatusNotification")[1] == {"status": "AcceptedCanceled", "requestId": 3}
    assert csms.calls("LogStatusNotification")[2]["requestId"] == 4


async def test_firmware(csms: Csms, dial: Dial, files: Files) -> None:
    station = await dial()
    location = files.url + "wallbox-2.5.1.bin"
    soon = (datetime.now(UTC) + timedelta(seconds=0.05)).isoformat()
    payload = update(location, retrieveDateTime=soon, installDateTime=soon)
    assert await csms.call("UpdateFirmware", payload) == ACCEPTED
    status = "FirmwareStatusNotification"
    await station.wait_for(lambda _: told(csms, status)[-1:] == ["Installed"])
    steps = [one for one in told(csms, status) if one != "InstallScheduled"]
    assert steps == [
        "DownloadScheduled",
        "Downloading",
        "Downloaded",
        "Installing",
        "InstallRebooting",
        "Installed",
    ]
    boot = csms.calls("BootNotification")[1]
    assert (boot["reason"], boot["chargingStation"]["firmwareVersion"]) == (
        "FirmwareUpdate",
        "2.5.1",
    )
    await station.wait_for(lambda _: csms.calls("SecurityEventNotification"))
    assert csms.calls("SecurityEventNotification")[0]["type"] == "FirmwareUpdated"


async def test_firmware_waits_for_the_transaction(csms: Csms, dial: Dial, files: Files) -> None:
    station = await charging(dial, evses=2)
    assert await csms.call("UpdateFirmware", update(files.url + "new.bin")) == ACCEPTED
    status = "FirmwareStatusNotification"
    await station.wait_for(lambda _: told(csms, status)[-1:] == ["InstallScheduled"])
    assert await station.tap("04EE", 2) == "ignored"
    again = await csms.call("UpdateFirmware", update(files.url + "new.bin"))
    assert again == {"status": "AcceptedCanceled"}
    await station.tap(CARD)
    await station.wait_for(lambda s: told(csms, status)[-1:] == ["Installed"] and s.ready)
    assert station.connection.firmware == "new.bin"
    assert await station.tap("04EE", 2) == "waiting"


@pytest.mark.parametrize(
    ("options", "location", "end"),
    [
        ({}, "ftp://x/y", "DownloadFailed"),
        ({}, "http://127.0.0.1:1/y", "DownloadFailed"),
        ({"installation_works": False}, None, "InstallationFailed"),
    ],
)
async def test_firmware_that_is_not_installed(  # noqa: PLR0917
    csms: Csms, dial: Dial, files: Files, options: Any, location: str | None, end: str
) -> None:
    station = await dial(**options)
    await csms.call("UpdateFirmware", update(location or files.url + "y"))
    await station.wait_for(lambda _: told(csms, "FirmwareStatusNotification")[-1:] == [end])
    assert len(csms.calls("BootNotification")) == 1
    assert station.connection.firmware == "1.0.0"


async def test_a_time_that_is_none(csms: Csms, dial: Dial) -> None:
    await dial()
    answer = await csms.call("UpdateFirmware", update("http://x", retrieveDateTime="soon"))
    assert answer["status"] == "Rejected"


def signer(key: Any) -> str:
    """Return a self-signed certificate."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Maker")])
    now = datetime.now(UTC)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, algorithm)
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def signature(key: Any) -> str:
    if isinstance(key, rsa.RSAPrivateKey):
        sha = hashes.SHA256()
        pss = padding.PSS(padding.MGF1(sha), padding.PSS.MAX_LENGTH)
        return base64.b64encode(key.sign(FIRMWARE, pss, sha)).decode()
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return base64.b64encode(key.sign(FIRMWARE, ec.ECDSA(hashes.SHA256()))).decode()
    return base64.b64encode(key.sign(FIRMWARE)).decode()


KEYS: dict[str, Any] = {
    "ec": ec.generate_private_key(ec.SECP256R1()),
    "rsa": rsa.generate_private_key(65537, 2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
}


@pytest.mark.parametrize(
    ("kind", "made_by", "good"),
    [("ec", "ec", True), ("rsa", "rsa", True), ("ec", "rsa", False), ("ed25519", "ed25519", False)],
)
async def test_signed_firmware(  # noqa: PLR0917
    csms: Csms, dial: Dial, files: Files, kind: str, made_by: str, good: bool
) -> None:
    station = await dial()
    signed = {"signingCertificate": signer(KEYS[kind]), "signature": signature(KEYS[made_by])}
    payload = update(files.url + "2.0.0.bin", **signed)
    assert await csms.call("UpdateFirmware", payload) == ACCEPTED
    status = "FirmwareStatusNotification"
    end = "Installed" if good else "InvalidSignature"
    await station.wait_for(lambda _: told(csms, status)[-1:] == [end])
    assert ("SignatureVerified" in told(csms, status)) is good
    if not good:
        await station.wait_for(lambda _: csms.calls("SecurityEventNotification"))
        event = csms.calls("SecurityEventNotification")[0]
        assert event["type"] == "InvalidFirmwareSignature"


async def test_firmware_of_nobody_known(csms: Csms, dial: Dial) -> None:
    station = await dial()
    payload = update("http://x", signingCertificate="nonsense", signature="eA==")
    answer = await csms.call("UpdateFirmware", payload)
    assert answer["status"] == "InvalidCertificate"
    await station.wait_for(lambda _: csms.calls("SecurityEventNotification"))
    event = csms.calls("SecurityEventNotification")[0]
    assert event["type"] == "InvalidFirmwareSigningCertificate"


async def publish(
    csms: Csms, station: Ocpp201Station, location: str, checksum: str, end: str
) -> None:
    payload = {"location": location, "checksum": checksum, "requestId": 5}
    assert await csms.call("PublishFirmware", payload) == ACCEPTED
    status = "PublishFirmwareStatusNotification"
    await station.wait_for(lambda _: told(csms, status)[-1:] == [end])
    await station.wait_for(lambda s: not s.commands.transfers.jobs[status].running)


async def test_published_firmware(csms: Csms, dial: Dial, files: Files) -> None:
    station = await dial()
    checksum = hashlib.md5(FIRMWARE, usedforsecurity=False).hexdigest()
    await publish(csms, station, "ftp://x", checksum, "DownloadFailed")
    await publish(csms, station, files.url + "y", "0" * 32, "InvalidChecksum")
    await publish(csms, station, files.url + "y", checksum.upper(), "Published")
    location = csms.calls("PublishFirmwareStatusNotification")[-1]["location"]
    assert location == [f"http://SIM-1.local/firmware/{checksum}"]
    gone = {"checksum": checksum}
    assert await csms.call("UnpublishFirmware", gone) == {"status": "Unpublished"}
    assert await csms.call("UnpublishFirmware", gone) == {"status": "NoFirmware"}


async def test_unpublishing_what_is_on_its_way(csms: Csms, dial: Dial, files: Files) -> None:
    await dial(step_s=30.0)
    payload = {"location": files.url + "y", "checksum": "0" * 32, "requestId": 5}
    await csms.call("PublishFirmware", payload)
    answer = await csms.call("UnpublishFirmware", {"checksum": "0" * 32})
    assert answer == {"status": "DownloadOngoing"}
