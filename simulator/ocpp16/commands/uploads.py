"""GetDiagnostics (OCPP 1.6 §5.9) and GetLog (security whitepaper). Nothing is really uploaded."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ...frames import Payload
from ..settings import FILE_TRANSFER_PROTOCOLS
from .base import Answer, Handlers

if TYPE_CHECKING:
    from ..station import Ocpp16Station


class Uploads:
    """Pretends to upload files, and tells of it."""

    def __init__(self, station: Ocpp16Station) -> None:
        """Serve this station."""
        self._station = station
        self._config = station.config

    def handlers(self) -> Handlers:
        """Return who answers what."""
        return {"GetDiagnostics": self._get_diagnostics, "GetLog": self._get_log}

    def _get_diagnostics(self, payload: Payload) -> Answer:
        job = self._station.jobs["DiagnosticsStatusNotification"]

        async def upload() -> None:
            await job.report("Uploading")
            works = await self._pretend(payload["location"], payload)
            await job.report("Uploaded" if works else "UploadFailed")

        async def begin() -> None:
            job.start(upload, None)

        return {"fileName": f"{self._config.identity}-diagnostics.log"}, begin

    def _get_log(self, payload: Payload) -> Answer:
        job = self._station.jobs["LogStatusNotification"]
        location = payload["log"]["remoteLocation"]

        async def upload() -> None:
            if not reachable(location):
                await job.report("NotSupportedOperation")
                return
            await job.report("Uploading")
            works = await self._pretend(location, payload)
            await job.report("Uploaded" if works else "UploadFailure")

        async def begin() -> None:
            job.start(upload, payload["requestId"])

        status = "AcceptedCanceled" if job.running else "Accepted"
        name = f"{self._config.identity}-{payload['logType']}.log"
        return {"status": status, "filename": name}, begin

    async def _pretend(self, location: str, payload: Payload) -> bool:
        """Let the time of an upload pass, of every attempt; return whether it has worked."""
        clock = self._station.clock
        works = self._config.upload_works and reachable(location)
        await clock.sleep(self._config.step_s)
        for _ in range(0 if works else payload.get("retries", 0)):
            await clock.sleep(payload.get("retryInterval", 0) + self._config.step_s)
        return works


def reachable(location: str) -> bool:
    """Whether a location is one of the protocols that a station has."""
    return urlsplit(location).scheme.upper() in FILE_TRANSFER_PROTOCOLS
