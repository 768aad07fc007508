"""One connection of a station or a stranger, whatever version of OCPP it speaks."""

import asyncio
from collections import Counter
from collections.abc import Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any
import weakref

from aiohttp import WSCloseCode

from ...core.model.station import StationInfo
from ..base import StationError
from .asker import Asker
from .clock import Clock
from .link import Link
from .measured import time_text
from .rpc import AnswerError, Rpc
from .schema import ErrorCode, Payload
from .station import OcppStation
from .version import Accepted, Surroundings, Talk, Version

# A station sets its clock from whole seconds and lets it drift: what it stamps a moment
# before the connection was made is not a replay.
CLOCK_SLACK = timedelta(seconds=5)


class Connection:
    """One connection, of a known station or of a stranger.

    A stranger's BootNotification is answered Pending and nothing else is taken from it,
    until `adopt` makes it a station.
    """

    def __init__(
        self,
        info: StationInfo,
        link: Link,
        version: Version,
        around: Surroundings,
        station: OcppStation | None,
    ) -> None:
        self.link = link
        self.finished = asyncio.Event()
        self.info = info
        self._version = version
        self._around = around
        self._clock = Clock(around.now() - CLOCK_SLACK)
        self._tasks: set[asyncio.Task[None]] = set()
        # The connection has the calls, which do not have it: what holds itself is freed late.
        dialect = weakref.proxy(self)
        self._rpc = Rpc(
            link, dialect, version.schemas, around.timing, around.logger, turns=around.turns
        )
        self._asker = Asker(info.id, self._rpc, version.capabilities, version.trigger_payload)
        self._told_pending = False
        self._is_news = False
        self._introducing = False
        self._online = asyncio.Event()
        self._station: OcppStation | None = None
        self._talk: Talk | None = None
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
        if self._station is not None and self._talk is not None:
            self._station.detach(self._talk.line, self.link.why)

    def adopt(self, station: OcppStation) -> None:
        """Make the stranger a station while it is connected."""
        self._take_in(station)
        if self._told_pending:
            self._spawn("is accepted", self._accept_live())
        else:
            self._go_online()

    def _take_in(self, station: OcppStation) -> None:
        self._station = station
        station.notes.update(self.notes)
        self._rpc.notes = station.notes
        self._rpc.frames, self._rpc.counters = station.frames, station.counters
        self.link.trusted = True
        self._asker.lacks = station.lacks
        self._talk = self._version.talk(
            Accepted(
                station=station,
                asker=self._asker,
                around=self._around,
                clock=self._clock,
                notes=self.notes,
            )
        )

    def _go_online(self) -> None:
        station, talk = self._station, self._talk
        if self._online.is_set() or station is None or talk is None or not self.link.open:
            return
        self._online.set()
        station.attach(talk.line, self.link.address, self._version.subprotocol)
        self._spawn("is set up", self._set_up(talk))

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
        quirks = () if self._station is None else self._station.quirks
        if any(message in quirk.untriggered for quirk in quirks):
            return
        try:
            await self._asker.trigger(message)
        except StationError as err:
            self._around.logger.debug("No %s on request: %s", message, err)

    async def _set_up(self, talk: Talk) -> None:
        try:
            await talk.set_up()
        except StationError as err:
            self._around.logger.warning("Could not set up %s", err)
        finally:
            if self._station is not None:
                self._station.learned.keep()
                self._station.settled(talk.line)

    async def _introduce(self) -> None:
        """Learn how many outlets a stranger has, and tell about it."""
        try:
            evses = await self._version.count_evses(self._asker)
        except StationError as err:
            self._around.logger.debug("Number of outlets unknown: %s", err)
        else:
            self.info = replace(self.info, evses=evses or self.info.evses)
        finally:
            self._introducing = False
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
        return self._version.once

    def admit(self, action: str) -> None:
        """Take nothing from a stranger but its BootNotification."""
        if action not in self._version.actions:
            raise AnswerError(ErrorCode.NOT_IMPLEMENTED)
        if action != "BootNotification" and self._talk is None:
            raise AnswerError(ErrorCode.SECURITY_ERROR, "not accepted yet")

    def lenient(self, kind: int, action: str, payload: Payload) -> list[str]:
        """Mend what is known from real stations."""
        return self._version.lenient(kind, action, payload)

    async def handle(self, action: str, payload: Payload) -> Payload:
        """Answer a call of the station."""
        if self._talk is None or self._station is None:
            return self._boot(payload)
        if action == "BootNotification":
            answer = self._boot(payload)
        else:
            self._go_online()
            answer = await self._talk.handle(action, payload)
        self._station.observed(action, payload, answer)
        return answer

    def answered(self, action: str, answer: Payload) -> None:
        """Go on once the station knows that it is accepted, or that it has to wait."""
        if action != "BootNotification" or not self.link.open:
            return
        if answer["status"] == "Accepted":
            self._go_online()
        elif self._is_news and not self._introducing:
            # One at a time: the one under way tells what is newest when it ends.
            self._introducing = True
            self._spawn("introduces itself", self._introduce())

    def _boot(self, payload: Payload) -> Payload:
        """Answer a BootNotification, which has the same answer in every version."""
        before = self.info if self._station is None else self._station.info
        info = self._version.introduction(before, payload)
        if reason := payload.get("reason"):
            # OCPP 2.x tells why it starts.
            self.notes[f"boot: {reason}"] += 1
        answer: Payload = {"currentTime": time_text(self._around.now())}
        if self._station is None:
            self._is_news = not self._told_pending or info != self.info
            self._told_pending = True
            self.info = info
            return answer | {"status": "Pending", "interval": self._around.timing.pending_retry_s}
        self._station.limiter.restarted()
        self._station.introduce(info)
        return answer | {"status": "Accepted", "interval": self._around.timing.heartbeat_s}
