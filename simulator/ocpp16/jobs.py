"""What takes a station a while, and how the server hears of it: updates and uploads."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from ..frames import Payload

NOTIFICATIONS = (
    "DiagnosticsStatusNotification",
    "FirmwareStatusNotification",
    "LogStatusNotification",
    "SignedFirmwareStatusNotification",
)
"""What tells of a job. There is at most one job of a kind."""


class Job:
    """The one job whose progress goes out as a certain message."""

    def __init__(
        self,
        notification: str,
        tell: Callable[[str, Payload], Awaitable[None]],
        spawn: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]],
    ) -> None:
        """`tell` delivers a message, sooner or later; `spawn` runs something."""
        self._notification = notification
        self._tell = tell
        self._spawn = spawn
        self._task: asyncio.Task[None] | None = None
        self._request_id: int | None = None
        self._status = "Idle"

    @property
    def running(self) -> bool:
        """Whether there is something to tell of."""
        return self._task is not None and not self._task.done()

    @property
    def payload(self) -> Payload:
        """What a notification would say now. Idle has no requestId."""
        if not self.running:
            return {"status": "Idle"}
        if self._request_id is None:
            return {"status": self._status}
        return {"status": self._status, "requestId": self._request_id}

    def start(self, work: Callable[[], Coroutine[Any, Any, None]], request_id: int | None) -> None:
        """Begin, in place of what may be running."""
        self.cancel()
        self._request_id = request_id
        self._status = "Idle"
        self._task = self._spawn(work())

    def cancel(self) -> None:
        """End what may be running, without a word."""
        if self._task is not None:
            self._task.cancel()

    async def report(self, status: str) -> None:
        """Tell how far it is; returns when the server has heard."""
        self._status = status
        await self._tell(self._notification, self.payload)
