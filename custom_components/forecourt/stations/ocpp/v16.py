"""OCPP 1.6J: what the messages on a connection mean to the site, and their answers."""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
import logging
from typing import Any

from aiohttp import WSCloseCode

from ...core.model.station import StationInfo
from ..base import SiteEvents, StationError
from .link import Link, Timing
from .rpc import AnswerError, Rpc
from .schema import ErrorCode, Payload, Schemas
from .station import OcppStation
from .v16_inbox import ACTIONS, HANDLERS, ONCE, Inbox16
from .v16_lenient import lenient
from .v16_messages import time_text
from .v16_orders import ASKED, Asker, Orders16
from .v16_setup import CONNECTORS, Setup, evses_of, read_settings

# A station sets its clock from whole seconds and lets it drift: what it stamps a moment
# before the connection was made is not a replay.
CLOCK_SLACK = timedelta(seconds=5)

SUBPROTOCOL = "ocpp1.6"
VERSION = "1.6"


def preload(schemas: Schemas) -> None:
    """Read the schemas from disk. Run it in an executor."""
    schemas.preload(ACTIONS, ())
    schemas.preload(ASKED, ASKED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What every connection shares. `on_introduced` is told what a stranger is."""

    events: SiteEvents
    now: Callable[[], datetime]
    timing: Timing
    schemas: Schemas
    sample_interval_s: int
    on_introduced: Callable[[StationInfo], None]
    logger: logging.Logger


class Ocpp16:
    """One connection in OCPP 1.6J, of a known station or of a stranger.

    A stranger's BootNotification is answered Pending and nothing else is taken from it,
    until `adopt` makes it a station.
    """

    def __init__(
        self, info: StationInfo, link: Link, around: Surroundings, station: OcppStation | None
    ) -> None:
        self.link = link
        self.finished = asyncio.Event()
        self.info = info
        self._around = around
        self._connected_at = around.now() - CLOCK_SLACK
        self._tasks: set[asyncio.Task[None]] = set()
        self._rpc = Rpc(link, self, around.schemas, around.timing, around.logger)
        self._asker = Asker(info.id, self._rpc)
        self._told_pending = False
        self._is_news = False
        self._online = asyncio.Event()
        self._station: OcppStation | None = None
        self._inbox: Inbox16 | None = None
        self._orders: Orders16 | None = None
        if station is not None:
            self._take_in(station)

    @property
    def notes(self) -> Counter[str]:
        """What was odd about the station's messages, and how often."""
        return self._rpc.notes

    # The connection

    async def serve(self) -> None:
        """Serve the connection until it ends."""
        self._spawn("awaits boot", self._await_boot())
        try:
            await self._rpc.serve()
        finally:
            self.ended()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def ended(self) -> None:
        """Go offline and give up what was under way; what was received is still handled."""
        for task in self._tasks:
            task.cancel()
        if self._station is not None and self._orders is not None:
            self._station.detach(self._orders, self.link.why)

    def adopt(self, station: OcppStation) -> None:
        """Make the stranger a station while it is connected."""
        self._take_in(station)
        if self._told_pending:
            self._spawn("is accepted", self._accept_live())
        else:
            self._go_online()

    def _take_in(self, station: OcppStation) -> None:
        around = self._around
        self._station = station
        station.notes.update(self.notes)
        self._rpc.notes = station.notes
        self._inbox = Inbox16(station, around.events, around.now, self._connected_at, self.notes)
        self._asker.lacks = station.lacks

    def _go_online(self) -> None:
        if self._online.is_set() or self._station is None or not self.link.open:
            return
        self._online.set()
        self._orders = Orders16(self._asker, self._station)
        self._station.attach(self._orders, self.link.address)
        self._spawn("is set up", self._set_up(self._station, self._orders))

    async def _await_boot(self) -> None:
        """Go on without a BootNotification: after a lost connection there is none."""
        quiet_s = self._around.timing.quiet_boot_s
        await asyncio.sleep(quiet_s)
        if self._station is not None and not self._told_pending:
            self._go_online()
        if self._station is not None or self._told_pending:
            return
        await self._try_trigger("BootNotification")
        await asyncio.sleep(quiet_s)
        if not self._told_pending:
            self._around.on_introduced(self.info)

    async def _accept_live(self) -> None:
        """Have a station that was told to wait ask again, and soon."""
        await self._try_trigger("BootNotification")
        try:
            async with asyncio.timeout(self._around.timing.accept_s):
                await self._online.wait()
        except TimeoutError:
            # Closing ends the tasks of this connection, this one too, but not half-way.
            goodbye = self.link.close(WSCloseCode.SERVICE_RESTART, "accepted, please connect again")
            await asyncio.shield(goodbye)

    async def _try_trigger(self, message: str) -> None:
        try:
            await self._asker.trigger(message)
        except StationError as err:
            self._around.logger.debug("No %s on request: %s", message, err)

    async def _set_up(self, station: OcppStation, orders: Orders16) -> None:
        try:
            await Setup(self._asker, station, self._around.sample_interval_s).run()
            await orders.keep_fallback()
        except StationError as err:
            self._around.logger.warning("Could not set up %s", err)

    async def _introduce(self) -> None:
        """Learn how many outlets a stranger has, and tell about it."""
        try:
            evses = evses_of(await read_settings(self._asker.ask, (CONNECTORS,)))
        except StationError as err:
            self._around.logger.debug("Number of connectors unknown: %s", err)
        else:
            self.info = replace(self.info, evses=evses or self.info.evses)
        self._around.on_introduced(self.info)

    def _spawn(self, what: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._guard(work), name=f"{self.info.id} {what}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guard(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception:
            # Nobody waits for it, so nobody else would tell.
            self._around.logger.exception("Could not go on with %s", self.info.id)

    # What the station says

    @property
    def once(self) -> frozenset[str]:
        """Which actions must not be handled twice: what is booked."""
        return ONCE

    def admit(self, action: str) -> None:
        """Take nothing from a stranger but its BootNotification."""
        if action not in ACTIONS:
            raise AnswerError(ErrorCode.NOT_IMPLEMENTED)
        if action != "BootNotification" and self._inbox is None:
            raise AnswerError(ErrorCode.SECURITY_ERROR, "not accepted yet")

    def lenient(self, kind: int, action: str, payload: Payload) -> list[str]:
        """Mend what is known from real stations."""
        return lenient(kind, action, payload)

    async def handle(self, action: str, payload: Payload) -> Payload:
        """Answer a call of the station."""
        if self._inbox is None or action == "BootNotification":
            return self._boot(payload)
        self._go_online()
        return await HANDLERS[action](self._inbox, payload)

    def answered(self, action: str, answer: Payload) -> None:
        """Go on once the station knows that it is accepted, or that it has to wait."""
        if action != "BootNotification" or not self.link.open:
            return
        if answer["status"] == "Accepted":
            self._go_online()
        elif self._is_news:
            self._spawn("introduces itself", self._introduce())

    def _boot(self, payload: Payload) -> Payload:
        serial = payload.get("chargePointSerialNumber") or payload.get("chargeBoxSerialNumber")
        info = replace(
            self.info if self._station is None else self._station.info,
            vendor=_text(payload["chargePointVendor"]),
            model=_text(payload["chargePointModel"]),
            serial=_text(serial),
            firmware=_text(payload.get("firmwareVersion")),
        )
        answer = {"currentTime": time_text(self._around.now())}
        if self._station is None:
            self._is_news = not self._told_pending or info != self.info
            self._told_pending = True
            self.info = info
            return answer | {"status": "Pending", "interval": self._around.timing.pending_retry_s}
        self._station.limiter.restarted()
        self._station.introduce(info)
        return answer | {"status": "Accepted", "interval": self._around.timing.heartbeat_s}


def _text(value: str | None) -> str | None:
    return (value or "").strip() or None
