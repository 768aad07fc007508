"""What the server is told beside transactions: states of connectors, and events.

OCPP 2.0.1 G01: a state is told when it changes; changes while the station is offline are not made
up for, but what differs afterwards is told, and everything after more than OfflineThreshold.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from datetime import datetime
import itertools
from typing import Any, Literal, NamedTuple

from ..clock import wire_time
from ..frames import NoAnswerError, Payload, RpcError
from ..rpc import Link
from .internals import Internals
from .variables import Place

_EVENT_IDS = itertools.count(1)


class Spot(NamedTuple):
    """A connector of an EVSE."""

    evse: int
    connector: int


class _Notice(NamedTuple):
    action: str
    payload: Payload
    spot: Spot | None = None
    told: Callable[[Literal["sent", "confirmed", "lost"]], None] | None = None


class Notices:
    """The messages of one station that belong to no transaction, in order."""

    def __init__(
        self, internals: Internals, status_of: Callable[[Spot], str], status_by_event: bool
    ) -> None:
        """`status_of` returns the ConnectorStatus that is true now."""
        self._in = internals
        self._status_of = status_of
        self._status_by_event = status_by_event
        self._told: dict[Spot, str] = {}
        self._queue: deque[_Notice] = deque()
        self._waiting = asyncio.Event()
        self._offline_since: float | None = None

    def look(self, spots: Iterable[Spot]) -> None:
        """Queue the states that have changed, if the server is there to hear them."""
        if not self._in.ready():
            return
        for spot in spots:
            status = self._status_of(spot)
            if self._told.get(spot) != status:
                self._told[spot] = status
                self._put(_Notice(*self.status(spot), spot))

    def put(
        self,
        action: str,
        payload: Payload,
        told: Callable[[Literal["sent", "confirmed", "lost"]], None] | None = None,
    ) -> None:
        """Queue a message, if the server is there to hear it; `told` hears what becomes of it."""
        if self._in.ready():
            self._put(_Notice(action, payload, told=told))
        else:
            self._in.books.note("not_told", action=action)

    def forget(self) -> None:
        """Tell every state anew, as after a boot."""
        self._told.clear()

    def back(self) -> None:
        """The server is there again."""
        threshold = self._in.variables.number("OCPPCommCtrlr.OfflineThreshold", 60)
        since, self._offline_since = self._offline_since, None
        if since is not None and self._in.clock.now() - since > threshold:
            self.forget()

    def status(self, spot: Spot) -> tuple[str, Payload]:
        """Return the action and payload that tell the state of a connector now."""
        status, now = self._status_of(spot), self._in.time.now()
        if self._status_by_event:
            place = Place("Connector", None, spot.evse, spot.connector)
            return "NotifyEvent", notify_event(
                now,
                trigger="Delta",
                actualValue=status,
                component=place.wire(),
                variable={"name": "AvailabilityState"},
            )
        return "StatusNotification", {
            "timestamp": wire_time(now),
            "connectorStatus": status,
            "evseId": spot.evse,
            "connectorId": spot.connector,
        }

    async def deliver(self, link: Link) -> None:
        """Tell what is queued and what comes, for ever. LinkDownError ends it."""
        try:
            while True:
                while not self._queue:
                    self._waiting.clear()
                    await self._waiting.wait()
                notice = self._queue[0]
                fate = notice.told or _nobody_asks
                fate("sent")
                try:
                    await link.call(notice.action, notice.payload)
                    fate("confirmed")
                except (RpcError, NoAnswerError) as err:
                    self._in.books.note("notice_failed", action=notice.action, why=str(err))
                    fate("lost")
                self._queue.popleft()
        finally:
            # The server may not have these. What is true then is told on the next connection.
            for notice in self._queue:
                if notice.spot is not None:
                    self._told.pop(notice.spot, None)
                if notice.told is not None:
                    notice.told("lost")
            self._queue.clear()
            self._offline_since = self._in.clock.now()

    def _put(self, notice: _Notice) -> None:
        self._queue.append(notice)
        self._waiting.set()


def _nobody_asks(state: str) -> None:
    pass


def notify_event(now: datetime, **data: Any) -> Payload:
    """Return a NotifyEvent with one event (OCPP 2.0.1 part 2, 2.11); `data` is its eventData."""
    event = {
        "eventId": next(_EVENT_IDS),
        "timestamp": wire_time(now),
        "eventNotificationType": "HardWiredNotification",
        **data,
    }
    return {"generatedAt": wire_time(now), "seqNo": 0, "eventData": [event]}
