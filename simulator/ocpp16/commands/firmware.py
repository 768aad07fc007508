"""UpdateFirmware (OCPP 1.6 §5.19) and SignedUpdateFirmware (security whitepaper).

Nothing is really downloaded: the new version is what looks like one in the name of the file.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import PurePosixPath
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ...clock import parse_time
from ...frames import Payload
from ..jobs import Job
from ..keystore import CertificateError
from .base import Answer, Handlers
from .uploads import reachable

if TYPE_CHECKING:
    from ..station import Ocpp16Station


class FirmwareUpdates:
    """Pretends to update the firmware, tells of it, and boots with the new version."""

    def __init__(self, station: Ocpp16Station) -> None:
        """Serve this station."""
        self._station = station
        self._in = station.internals

    def handlers(self) -> Handlers:
        """Return who answers what."""
        return {
            "SignedUpdateFirmware": self._signed_update_firmware,
            "UpdateFirmware": self._update_firmware,
        }

    @property
    def _plain(self) -> Job:
        return self._station.jobs["FirmwareStatusNotification"]

    @property
    def _signed(self) -> Job:
        return self._station.jobs["SignedFirmwareStatusNotification"]

    def _update_firmware(self, payload: Payload) -> Answer:
        try:
            retrieve = parse_time(payload["retrieveDate"])
        except ValueError as err:  # the answer has no word for it
            self._in.books.violation("bad_time", str(err))
            retrieve = self._in.time.now()

        async def update() -> None:
            await self._sleep_until(retrieve)
            if await self._download(self._plain, payload["location"], payload):
                await self._install(self._plain, payload["location"])

        async def begin() -> None:
            self._signed.cancel()
            self._plain.start(update, None)

        return {}, begin

    def _signed_update_firmware(self, payload: Payload) -> Answer:
        firmware, security = payload["firmware"], self._station.security
        try:
            retrieve = parse_time(firmware["retrieveDateTime"])
            install = parse_time(firmware.get("installDateTime", firmware["retrieveDateTime"]))
        except ValueError as err:
            self._in.books.violation("bad_time", str(err))
            return {"status": "Rejected"}, None
        try:
            security.store.check_signer(firmware["signingCertificate"], self._in.time.now())
        except CertificateError as err:
            why = str(err)

            async def complain() -> None:
                await security.event("InvalidFirmwareSigningCertificate", why)

            return {"status": "InvalidCertificate"}, complain

        async def update() -> None:
            job, location = self._signed, firmware["location"]
            if retrieve > self._in.time.now():
                await job.report("DownloadScheduled")
                await self._sleep_until(retrieve)
            if not await self._download(job, location, payload):
                return
            if self._in.config.firmware_update == "bad_signature":
                await job.report("InvalidSignature")
                await security.event("InvalidFirmwareSignature")
                return
            await job.report("SignatureVerified")
            if install > self._in.time.now():
                await job.report("InstallScheduled")
                await self._sleep_until(install)
            await self._install(job, location)

        async def begin() -> None:
            self._plain.cancel()
            self._signed.start(update, payload["requestId"])

        busy = self._plain.running or self._signed.running
        return {"status": "AcceptedCanceled" if busy else "Accepted"}, begin

    async def _sleep_until(self, moment: datetime) -> None:
        seconds = (moment - self._in.time.now()).total_seconds()
        if seconds > 0:
            await self._in.clock.sleep(seconds)

    async def _download(self, job: Job, location: str, payload: Payload) -> bool:
        """Tell of a download, as often as it is tried; return whether it has worked."""
        config = self._in.config
        works = reachable(location) and config.firmware_update != "download_fails"
        for attempt in range(max(1, payload.get("retries", 1))):
            if attempt:
                await self._in.clock.sleep(payload.get("retryInterval", 0))
            await job.report("Downloading")
            await self._in.clock.sleep(config.step_s)
            if works:
                await job.report("Downloaded")
                return True
        await job.report("DownloadFailed")
        return False

    async def _install(self, job: Job, location: str) -> None:
        """Install when nobody charges, and boot. Nobody may begin meanwhile (§5.19)."""
        station, config = self._station, self._in.config
        while any(one.transaction is not None for one in station.connectors.values()):
            await self._in.clock.sleep(config.tick_s)
        self._in.installing = True
        try:
            self._in.changed()
            await job.report("Installing")
            await self._in.clock.sleep(config.step_s)
            if config.firmware_update == "installation_fails":
                await job.report("InstallationFailed")
                return
            if job is self._signed:
                await job.report("InstallRebooting")
            self._in.firmware = _version(location)
            await station.reboot("Reboot", gently=True)
        finally:
            self._in.installing = False
            self._in.changed()
        await job.report("Installed")
        if job is self._signed:
            await station.security.event("FirmwareUpdated", self._in.firmware)


def _version(location: str) -> str:
    """Return what looks like a version in the name of a file, or else the name."""
    name = PurePosixPath(urlsplit(location).path).name
    found = re.search(r"\d+(\.\d+)+", name)
    return (found.group() if found else name)[:50]
