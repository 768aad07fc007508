"""Keeps a second central system in the know about one station."""

import asyncio
from contextlib import suppress
from functools import cache
import logging
import random
from typing import TypedDict

from ..schema import Payload, Schemas
from .conversation import Conversation
from .memory import Memory
from .outward import UnreachableError, dialled
from .relay import REMEMBERED, Counts, Relay
from .target import ForwardTarget, Pace

# The pause is at its longest long before.
MAX_DOUBLINGS = 16


class State(TypedDict):
    """How the forwarding goes; `error` is why it does not, and holds no secret.

    `queued` messages wait. Of the others `sent` were answered, `refused` answered with a
    CALLERROR, and `dropped` given up.
    """

    connected: bool
    error: str | None
    queued: int
    sent: int
    dropped: int
    refused: int


# The connections have theirs; these are only read when something is forwarded.
schemas_of = cache(Schemas)


class Forwarder:
    """Relays the calls of one station to a second central system, if there is one.

    While the station is online it has one task, which dials, tells, and dials again.
    Tokens and passwords are never logged.
    """

    def __init__(self, identity: str, logger: logging.Logger) -> None:
        self._identity = identity
        self._logger = logger.getChild("forward")
        self._memory = Memory()
        self._target: ForwardTarget | None = None
        self._pace = Pace()
        self._counts = Counts()
        self._relay = Relay(self._counts)
        self._subprotocol: str | None = None
        self._present = False
        self._lingering: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._conversation: Conversation | None = None
        self._wake = asyncio.Event()
        self._failures = 0
        self._error: str | None = None

    def state(self) -> State | None:
        """Return how it goes, `None` where nothing is forwarded."""
        if self._target is None:
            return None
        talk = self._conversation
        return State(
            connected=talk is not None,
            error=self._error if talk is None else talk.error,
            queued=len(self._relay.backlog),
            sent=self._counts.sent,
            dropped=self._counts.dropped,
            refused=self._counts.refused,
        )

    def forward_to(self, target: ForwardTarget | None, pace: Pace | None = None) -> None:
        """Relay to this system from now on, or to none; the same again changes nothing.

        With another login for the same address, what waits is told there.
        """
        if target == self._target:
            return
        if self._place(target) != self._place(self._target):
            self._relay = Relay(self._counts)
        self._target, self._pace = target, pace or Pace()
        self._failures, self._error = 0, None
        self._begin_anew()

    # The station's side

    def observed(self, action: str, payload: Payload, answer: Payload) -> None:
        """Take note of a call of the station and our answer. Takes microseconds, never fails."""
        self._memory.note(action, payload, answer)
        talk = self._conversation
        if self._target is None or (action in REMEMBERED and (talk is None or not talk.live)):
            return
        self._relay.note(action, payload, answer)
        if talk is not None:
            talk.rouse()

    def online(self, subprotocol: str) -> None:
        """Begin, or go on: the station is there and speaks this version of OCPP."""
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        self._present = True
        if self._conversation is not None:
            self._conversation.leave(leaving=False)
        if subprotocol != self._subprotocol:
            if self._subprotocol is not None:
                # What was said in another version cannot be repeated in this one.
                self._relay = Relay(self._counts)
                self._memory.forget(subprotocol)
            self._subprotocol = subprotocol
            self._begin_anew()
        self._start()

    def offline(self) -> None:
        """End soon, unless the station comes back."""
        if self._lingering is None and self._present:
            loop = asyncio.get_running_loop()
            self._lingering = loop.call_later(self._pace.linger_s, self._leave)

    async def close(self) -> None:
        """End at once. What waits is kept, should the station come again."""
        if self._lingering is not None:
            self._lingering.cancel()
        self._leave()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _leave(self) -> None:
        self._lingering = None
        self._present = False
        if self._conversation is not None:
            self._conversation.leave()
        self._wake.set()

    def _place(self, target: ForwardTarget | None) -> object:
        return None if target is None else target.address(self._identity)

    # The connections

    def _begin_anew(self) -> None:
        """End the connection that there is: it is to another system, or in another version."""
        if self._conversation is not None:
            self._conversation.stop()
        self._wake.set()
        self._start()

    def _start(self) -> None:
        if self._target is None or not self._present:
            return
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name=f"{self._identity} is forwarded")

    async def _run(self) -> None:
        while self._present and self._target is not None and self._subprotocol is not None:
            self._wake.clear()
            if not await self._attend(self._target, self._subprotocol):
                await self._pause()

    async def _attend(self, target: ForwardTarget, subprotocol: str) -> bool:
        """Connect once and tell what there is to tell; returns whether that went well."""
        try:
            await self._converse(target, subprotocol)
        except UnreachableError as err:
            self._failed(str(err))
        except Exception:
            # Nobody waits for this task, so nobody else would tell, or try again.
            self._logger.exception("Could not relay what %s reports", self._identity)
            self._failed("internal error")
        else:
            self._error = None
            return True
        return False

    async def _converse(self, target: ForwardTarget, subprotocol: str) -> None:
        """Tell it over one connection. Raises `UnreachableError`."""
        relay = self._relay
        async with dialled(target, self._identity, subprotocol, self._pace) as link:
            if self._wake.is_set():
                # Something changed since.
                return
            schemas = schemas_of(subprotocol.removeprefix("ocpp"))
            self._conversation = Conversation(
                link=link,
                schemas=schemas,
                target=target,
                relay=relay,
                memory=self._memory,
                pace=self._pace,
                logger=self._logger,
            )
            self._logger.info("Station %s is forwarded", self._identity)
            loop = asyncio.get_running_loop()
            since = loop.time()
            try:
                await self._conversation.run()
            finally:
                if self._conversation.live and loop.time() - since > self._pace.steady_s:
                    self._failures, self._error = 0, None
                self._conversation = None

    def _failed(self, why: str) -> None:
        # Once is enough for an outage, however long.
        level = logging.DEBUG if why == self._error else logging.WARNING
        self._logger.log(level, "Station %s is not forwarded: %s", self._identity, why)
        self._error = why

    async def _pause(self) -> None:
        """Wait before the next attempt, longer each time, unless something changes."""
        pause_s = pause_after(self._failures, self._pace)
        self._failures += 1
        with suppress(TimeoutError):
            async with asyncio.timeout(pause_s):
                await self._wake.wait()


def pause_after(failures: int, pace: Pace) -> float:
    """Return how many seconds to wait after so many failures, not the same for all stations."""
    longest_s = min(pace.retry_most_s, pace.retry_first_s * 2.0 ** min(failures, MAX_DOUBLINGS))
    return longest_s * random.uniform(0.5, 1)  # noqa: S311 - chance decides no secret here
