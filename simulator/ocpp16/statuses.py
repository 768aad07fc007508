"""StatusNotifications: what the server has been told, and what it has still to be told.

OCPP 1.6 §4.9: a status is told when it changes, after MinimumStatusDuration; changes while the
station is offline are not made up for, but what differs afterwards is told.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

from ..books import Books
from ..clock import Clock, StationClock, wire_time
from ..frames import NoAnswerError, Payload, RpcError
from ..rpc import Link
from .settings import Settings


class Status(NamedTuple):
    """What there is to tell about a connector (§6.47)."""

    status: str
    error_code: str = "NoError"
    info: str | None = None


class Statuses:
    """The statuses of one station's connectors; 0 is the station."""

    def __init__(
        self,
        clock: Clock,
        time: StationClock,
        settings: Settings,
        books: Books,
        status_of: Callable[[int], Status],
    ) -> None:
        """`status_of` returns what is true now."""
        self._clock = clock
        self._time = time
        self._settings = settings
        self._books = books
        self._status_of = status_of
        self._seen: dict[int, tuple[Status, float]] = {}
        self._told: dict[int, Status] = {}
        self._queue: deque[tuple[int, Payload]] = deque()
        self._waiting = asyncio.Event()

    def look(self, connectors: Iterable[int], *, ready: bool) -> None:
        """Note what has changed; if the server is ready to hear it, queue it."""
        hold = self._settings.number("MinimumStatusDuration")
        now = self._clock.now()
        for number in connectors:
            status = self._status_of(number)
            if number not in self._seen or self._seen[number][0] != status:
                self._seen[number] = (status, now)
            if self._told.get(number) == status or not ready:
                continue
            if number not in self._told or now - self._seen[number][1] >= hold:
                self._told[number] = status
                self._queue.append((number, self.payload(number)))
                self._waiting.set()

    def warn(self, number: int, error_code: str) -> None:
        """Queue an error that does not change the status (§4.9)."""
        payload = {**self.payload(number), "errorCode": error_code}
        self._queue.append((number, payload))
        self._waiting.set()

    def forget(self) -> None:
        """Tell everything anew, as after a boot."""
        self._told.clear()

    def payload(self, number: int) -> Payload:
        """Return the StatusNotification of a connector now."""
        status, error_code, info = self._status_of(number)
        payload = {
            "connectorId": number,
            "status": status,
            "errorCode": error_code,
            "timestamp": wire_time(self._time.now()),
        }
        return payload if info is None else {**payload, "info": info}

    async def deliver(self, link: Link) -> None:
        """Tell what is queued and what comes, for ever. LinkDownError ends it."""
        try:
            while True:
                while not self._queue:
                    self._waiting.clear()
                    await self._waiting.wait()
                number, payload = self._queue[0]
                try:
                    await link.call("StatusNotification", payload)
                except (RpcError, NoAnswerError) as err:
                    self._books.note("status_failed", connector=number, why=str(err))
                self._queue.popleft()
        finally:
            # The server may not have these. What is true then is told on the next connection.
            for number, _ in self._queue:
                self._told.pop(number, None)
            self._queue.clear()
