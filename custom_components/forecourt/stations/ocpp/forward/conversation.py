"""One connection to a second central system: the introduction, what waits, heartbeats."""

import asyncio
from contextlib import suppress
import logging

from ..link import ConnectionLostError, Timing
from ..rpc import BadAnswerError, CallRefusedError, CallTimeoutError, Rpc
from ..schema import Payload, Schemas, ViolationError
from .backlog import Message
from .memory import Memory
from .outward import Outward, UnreachableError
from .refusals import Refusals
from .relay import REMEMBERED, Relay
from .target import ForwardTarget, Pace

# What was told so often without an answer is what the other side stumbles over.
MAX_ATTEMPTS = 5

MIN_INTERVAL_S = 1
MAX_INTERVAL_S = 24 * 3600


class Conversation:
    """Tells one thing after the other, each when the one before was answered.

    `live` says that the second system let the station in and knows what is remembered, so
    that it is to be told the rest as it happens; `error` why it did not.
    """

    def __init__(
        self,
        *,
        link: Outward,
        schemas: Schemas,
        target: ForwardTarget,
        relay: Relay,
        memory: Memory,
        pace: Pace,
        logger: logging.Logger,
    ) -> None:
        self.live = False
        self.error: str | None = None
        self._link = link
        self._target = target
        self._relay = relay
        self._memory = memory
        self._pace = pace
        timing = Timing(call_s=pace.call_s, drain_s=pace.close_s)
        refusals = Refusals(schemas, self._can_tell, self._tell_again)
        self._rpc = Rpc(link, refusals, schemas, timing, logger)
        self._telling: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._leaving = False
        self._stopped = False
        self._boot_wanted = False
        self._interval_s = pace.heartbeat_s
        self._beat_at = 0.0

    # Its owner's side

    async def run(self) -> None:
        """Go on until there is nothing more to tell. Raises `UnreachableError` when it is lost."""
        serving = asyncio.create_task(self._rpc.serve(), name="forward reads")
        telling = self._telling = asyncio.create_task(self._tell_all(), name="forward tells")
        tasks = (serving, telling)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        for outcome in outcomes:
            match outcome:
                case CallTimeoutError():
                    raise UnreachableError("it did not answer in time")
                case ConnectionLostError():
                    raise UnreachableError(self._link.why)
                case Exception():
                    raise outcome
        if not self._is_over():
            raise UnreachableError(self._link.why)

    def rouse(self) -> None:
        """Look again at what there is to tell."""
        self._news.set()

    def leave(self, *, leaving: bool = True) -> None:
        """End when all is told, or stay after all."""
        self._leaving = leaving
        self._news.set()

    def stop(self) -> None:
        """End now."""
        self._stopped = True
        if self._telling is not None:
            self._telling.cancel()

    def _is_over(self) -> bool:
        return self._stopped or (self._leaving and not (self.live and self._relay.backlog))

    # What is told

    async def _tell_all(self) -> None:
        await self._introduce()
        while not self._is_over():
            if asyncio.get_running_loop().time() >= self._beat_at:
                await self._beat()
            elif (message := self._relay.backlog.take()) is None:
                await self._wait(self._beat_at)
            elif message.action == "BootNotification":
                await self._introduce()
            else:
                await self._tell(message)

    async def _introduce(self) -> None:
        """Tell what is remembered, once the second system lets the station in."""
        while not await self._is_accepted():
            # Until then nothing else may be told (OCPP 1.6 §4.2, 2.0.1 part 2 B02 and B03).
            self.live = False
            again_at = asyncio.get_running_loop().time() + self._interval_s
            while not (self._boot_wanted or self._is_over()) and await self._wait(again_at):
                pass
            if self._is_over():
                return
        self.live, self.error = True, None
        self._relay.backlog.discard(*REMEMBERED)
        for status in self._memory.last("StatusNotification"):
            message = self._relay.message("StatusNotification", status)
            if message is not None:
                await self._tell(message)
        self._beat_at = asyncio.get_running_loop().time() + self._interval_s

    async def _is_accepted(self) -> bool:
        """Boot, and return whether the second system takes the station.

        A station that never booted is told without, as one whose connection was lost.
        """
        self._boot_wanted = False
        known, boot = self._memory.boot, self._boot()
        message = None if boot is None else self._relay.message("BootNotification", boot)
        if message is None:
            return True
        answer = await self._tell(message) or {}
        self._interval_s = self._interval_of(answer)
        if answer.get("status") == "Accepted":
            self._relay.boot = known
            return True
        self.error = f"the station is not accepted: {answer.get('status', 'no answer')}"
        return False

    async def _tell(self, message: Message) -> Payload | None:
        """Tell a message and return the answer, `None` where there is none of any use.

        Raises `ConnectionLostError` and `CallTimeoutError`; then it is told again.
        """
        try:
            payload = self._relay.told(message, self._target)
            if payload is None:
                return None
            answer = await self._rpc.call(message.action, payload)
        except CallRefusedError:
            self._relay.refused(message)
        except BadAnswerError:
            self._relay.answered(message, {})
        except ViolationError:
            # It fitted when it came; never let it block what waits behind it.
            self._relay.drop(message)
        except BaseException:
            self._keep(message)
            raise
        else:
            self._relay.answered(message, answer)
            return answer
        return None

    def _keep(self, message: Message) -> None:
        """Have a message told at the next connection, unless that was tried too often."""
        message.attempts += 1
        if message.attempts >= MAX_ATTEMPTS:
            self._relay.drop(message)
        elif message.action not in REMEMBERED:
            self._relay.put_back(message)

    async def _beat(self) -> None:
        with suppress(CallRefusedError, BadAnswerError):
            await self._rpc.call("Heartbeat", {})
        self._beat_at = asyncio.get_running_loop().time() + self._interval_s

    async def _wait(self, until: float) -> bool:
        """Wait for news; returns whether there are any."""
        self._news.clear()
        try:
            async with asyncio.timeout_at(until):
                await self._news.wait()
        except TimeoutError:
            return False
        return True

    def _interval_of(self, answer: Payload) -> float:
        interval_s: float | None = answer.get("interval")
        if not interval_s:
            # Zero leaves it to the station (OCPP 1.6 §6.8).
            return self._pace.heartbeat_s
        return min(MAX_INTERVAL_S, max(MIN_INTERVAL_S, interval_s))

    def _boot(self) -> Payload | None:
        """Return the station's last BootNotification, as it is told when it did not restart."""
        boot = self._memory.boot
        if boot is not None and "reason" in boot and boot is self._relay.boot:
            # OCPP 2.x has no word for it.
            return boot | {"reason": "Unknown"}
        return boot

    # What is asked for

    def _can_tell(self, action: str, number: int | None) -> bool:
        match action:
            case "Heartbeat":
                return True
            case "BootNotification":
                return self._memory.boot is not None
        return bool(self._memory.last(action, number))

    def _tell_again(self, action: str, number: int | None) -> None:
        match action:
            case "Heartbeat":
                self._beat_at = 0
            case "BootNotification" if not self.live:
                self._boot_wanted = True
            case "BootNotification":
                self._relay.note(action, self._boot() or {}, {})
            case _:
                for payload in self._memory.last(action, number):
                    self._relay.note(action, payload, {})
        self._news.set()
