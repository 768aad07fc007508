"""Logs and firmware, which really travel over HTTP (OCPP 2.0.1 blocks L and N)."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable
from datetime import datetime
import hashlib
import json
from pathlib import PurePosixPath
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiohttp import ClientError, ClientSession, ClientTimeout
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from ...clock import parse_time
from ...frames import Payload
from ...ocpp16.jobs import Job
from ...ocpp16.keystore import CertificateError
from .base import Answer, Handlers, refused

if TYPE_CHECKING:
    from ..station import Ocpp201Station

_LOG, _FIRMWARE = "LogStatusNotification", "FirmwareStatusNotification"
_PUBLISH = "PublishFirmwareStatusNotification"
_TIMEOUT = ClientTimeout(total=60)


class TransferError(Exception):
    """A file that could not be moved."""


class Transfers:
    """Uploads logs, downloads and installs firmware, and tells of it."""

    def __init__(self, station: Ocpp201Station) -> None:
        """Serve this station."""
        self._station = station
        self._in = station.internals
        self.jobs = {
            name: Job(name, self._tell, station.spawn) for name in (_LOG, _FIRMWARE, _PUBLISH)
        }
        """What goes on, by the message that tells of it."""
        self._published: set[str] = set()

    def handlers(self) -> Handlers:
        """Return who answers what."""
        return {
            "GetLog": self._get_log,
            "PublishFirmware": self._publish,
            "UnpublishFirmware": self._unpublish,
            "UpdateFirmware": self._update,
        }

    async def trigger(self, notification: str) -> None:
        """Tell how far a job is, because the server asks; errors as `Link.call`."""
        payload = self.jobs[notification].payload
        await self._station.connection.own_link().call(notification, payload)

    async def _tell(self, action: str, payload: Payload) -> None:
        await self._station.connection.tell(action, payload)

    # --- logs -------------------------------------------------------------------------------------

    def _get_log(self, payload: Payload) -> Answer:
        job, log = self.jobs[_LOG], payload["log"]
        name = f"{self._in.config.identity}-{payload['logType']}.log"
        try:
            since, until = (
                parse_time(log[key]) if key in log else None
                for key in ("oldestTimestamp", "latestTimestamp")
            )
        except ValueError as err:
            return refused("InvalidValue", why=str(err))
        before = job.payload if job.running else None

        async def upload() -> None:
            if not _by_http(log["remoteLocation"]):
                await job.report("NotSupportedOperation")
                return
            await job.report("Uploading")
            text = self._log(since, until)
            sent = await self._tried(payload, lambda: _put(log["remoteLocation"], name, text))
            await job.report("UploadFailure" if sent is None else "Uploaded")

        async def begin() -> None:
            if before is not None:
                await self._tell(_LOG, {**before, "status": "AcceptedCanceled"})
            job.start(upload, payload["requestId"])

        status = "Accepted" if before is None else "AcceptedCanceled"
        return {"status": status, "filename": name}, begin

    def _log(self, since: datetime | None, until: datetime | None) -> str:
        """Return what the station knows of itself in a span of time, as JSON lines."""
        lines = []
        for line in self._in.books.notes:
            at = parse_time(line["at"])
            if (since is None or at >= since) and (until is None or at <= until):
                lines.append(json.dumps(line))
        return "\n".join(lines)

    # --- firmware ---------------------------------------------------------------------------------

    def _update(self, payload: Payload) -> Answer:
        firmware, job = payload["firmware"], self.jobs[_FIRMWARE]
        signer = firmware.get("signingCertificate")
        try:
            retrieve = parse_time(firmware["retrieveDateTime"])
            install = parse_time(firmware.get("installDateTime", firmware["retrieveDateTime"]))
            if signer is not None:
                self._station.networks.store.check_signer(signer, self._in.time.now())
        except CertificateError as err:
            self._station.security.event("InvalidFirmwareSigningCertificate", str(err))
            return refused("InvalidCertificate", "InvalidCertificate", str(err))
        except ValueError as err:
            return refused("InvalidValue", why=str(err))

        async def update() -> None:
            await self._wait_until(retrieve, job, "DownloadScheduled")
            await job.report("Downloading")
            data = await self._tried(payload, lambda: _get(firmware["location"]))
            if data is None:
                await job.report("DownloadFailed")
                return
            await job.report("Downloaded")
            if signer is not None:
                if not _signed(data, signer, firmware.get("signature", "")):
                    await job.report("InvalidSignature")
                    self._station.security.event("InvalidFirmwareSignature")
                    return
                await job.report("SignatureVerified")
            await self._wait_until(install, job, "InstallScheduled")
            await self._install(job, firmware["location"])

        async def begin() -> None:
            job.start(update, payload["requestId"])

        return {"status": "AcceptedCanceled" if job.running else "Accepted"}, begin

    async def _install(self, job: Job, location: str) -> None:
        """Install when nobody charges, and boot. Nobody may begin meanwhile (L01)."""
        station, config = self._station, self._in.config
        self._in.resetting = True
        try:
            if any(one.transaction is not None for one in station.outlets.values()):
                await job.report("InstallScheduled")
            while any(one.transaction is not None for one in station.outlets.values()):
                await self._in.clock.sleep(config.tick_s)
            await job.report("Installing")
            await self._in.clock.sleep(config.step_s)
            if not config.installation_works:
                await job.report("InstallationFailed")
                return
            await job.report("InstallRebooting")
            station.connection.firmware = _version(location)
            await station.reboot("FirmwareUpdate", "Reboot")
        finally:
            self._in.resetting = False
        await job.report("Installed")
        station.security.event("FirmwareUpdated", station.connection.firmware)

    def _publish(self, payload: Payload) -> Answer:
        job, checksum = self.jobs[_PUBLISH], payload["checksum"].lower()

        async def publish() -> None:
            await job.report("Downloading")
            data = await self._tried(payload, lambda: _get(payload["location"]))
            if data is None:
                await job.report("DownloadFailed")
                return
            await job.report("Downloaded")
            if hashlib.md5(data, usedforsecurity=False).hexdigest() != checksum:
                await job.report("InvalidChecksum")
                return
            await job.report("ChecksumVerified")
            self._published.add(checksum)
            where = f"http://{self._in.config.identity}.local/firmware/{checksum}"
            told = {"status": "Published", "location": [where], "requestId": payload["requestId"]}
            await self._tell(_PUBLISH, told)

        async def begin() -> None:
            job.start(publish, payload["requestId"])

        return {"status": "Accepted"}, begin

    def _unpublish(self, payload: Payload) -> Answer:
        checksum = payload["checksum"].lower()
        if self.jobs[_PUBLISH].running:
            return {"status": "DownloadOngoing"}, None
        if checksum not in self._published:
            return {"status": "NoFirmware"}, None
        self._published.remove(checksum)
        return {"status": "Unpublished"}, None

    async def _wait_until(self, moment: datetime, job: Job, status: str) -> None:
        seconds = (moment - self._in.time.now()).total_seconds()
        if seconds > 0:
            await job.report(status)
            await self._in.clock.sleep(seconds)

    async def _tried[T](self, payload: Payload, move: Callable[[], Awaitable[T]]) -> T | None:
        """Move a file, as often as the server wants it tried; None if it never works."""
        for attempt in range(1 + payload.get("retries", 0)):
            if attempt:
                await self._in.clock.sleep(payload.get("retryInterval", 0))
            await self._in.clock.sleep(self._in.config.step_s)
            try:
                return await move()
            except (TransferError, ClientError, OSError) as err:  # TimeoutError is an OSError
                self._in.books.note("transfer_failed", why=f"{type(err).__name__}: {err}")
        return None


def _by_http(location: str) -> bool:
    return urlsplit(location).scheme in ("http", "https")


async def _put(location: str, name: str, text: str) -> bool:
    """Upload a text; TransferError, ClientError or OSError."""
    url = f"{location}{name}" if location.endswith("/") else location
    async with (
        ClientSession(timeout=_TIMEOUT) as session,
        session.put(url, data=text.encode()) as answer,
    ):
        if answer.status >= 300:
            raise TransferError(f"HTTP {answer.status}")
    return True


async def _get(location: str) -> bytes:
    """Download a file; TransferError, ClientError or OSError."""
    if not _by_http(location):
        raise TransferError("this station downloads over HTTP only")
    async with ClientSession(timeout=_TIMEOUT) as session, session.get(location) as answer:
        if answer.status != 200:
            raise TransferError(f"HTTP {answer.status}")
        return await answer.read()


def _signed(data: bytes, signer: str, signature: str) -> bool:
    """Whether a base64 signature over a file was made with a certificate's key (L01)."""
    try:
        key = x509.load_pem_x509_certificate(signer.encode()).public_key()
        raw = base64.b64decode(signature, validate=True)
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(raw, data, ec.ECDSA(hashes.SHA256()))
        elif isinstance(key, rsa.RSAPublicKey):
            sha = hashes.SHA256()
            key.verify(raw, data, padding.PSS(padding.MGF1(sha), padding.PSS.AUTO), sha)
        else:
            return False
    except InvalidSignature, ValueError:
        return False
    return True


def _version(location: str) -> str:
    """Return what looks like a version in the name of a file, or else the name."""
    name = PurePosixPath(urlsplit(location).path).name
    found = re.search(r"\d+(\.\d+)+", name)
    return (found.group() if found else name)[:50]
