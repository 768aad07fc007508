"""OCPP-J's remote procedure calls over one connection, whatever the version of OCPP.

Each side may have one call under way. The station's calls are handled one after the
other, in order, by a task of their own, so that a handler may wait for the ledger
while answers to our own calls still come in.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
import hashlib
import logging
import time
from typing import Any, Protocol
from uuid import uuid4

from aiohttp import WSCloseCode

from .codec import dump, parse, parse_carefully
from .door import printable
from .frames import Counters, FrameLog
from .link import ConnectionLostError, Timing
from .masking import masked
from .schema import (
    CALL,
    CALL_ERROR,
    CALL_RESULT,
    SEND,
    ErrorCode,
    Payload,
    Schemas,
    ViolationError,
    known_code,
)
from .turns import Turns

MAX_QUEUE = 256
MAX_ANSWERS_KEPT = 32
UNREADABLE_ID = "-1"
# Each value may be wrong, and to find and mend that takes up to 20 µs, in which nothing else is
# done. More is only taken when it is right: the report of a large station, but nothing made
# to keep us busy.
MAX_VALUES_MENDED = 2048

# Where the payload is.
_PAYLOAD = {CALL: 3, SEND: 3, CALL_RESULT: 2}

_now = time.monotonic


class CallTimeoutError(Exception):
    """The station did not answer in time."""


class CallRefusedError(Exception):
    """The station answered with a CALLERROR; `code` is its error code, `words` its description.

    The words may hold anything, also the request that was sent, and stay out of the text.
    """

    def __init__(self, action: str, code: str, words: str = "") -> None:
        super().__init__(f"{action}: {code}")
        self.code = code
        self.words = words


class BadAnswerError(Exception):
    """The station's answer does not fit the schema."""


class AnswerError(Exception):
    """Raised by a handler to answer with a CALLERROR. The text must not hold a secret."""

    def __init__(self, code: ErrorCode, text: str = "") -> None:
        super().__init__(f"{code}: {text}")
        self.code = code
        self.text = text


class Transport(Protocol):
    """What carries the frames; see `link.Link`."""

    def frames(self) -> AsyncGenerator[str]: ...
    async def send(self, text: str) -> None: ...
    async def close(
        self, code: WSCloseCode = ..., reason: str = ..., *, fault: str | None = ...
    ) -> None: ...


class Dialect(Protocol):
    """One version of OCPP, as seen from here."""

    @property
    def once(self) -> frozenset[str]:
        """Which actions must not be handled twice when the station repeats itself."""

    def admit(self, action: str) -> None:
        """Raise `AnswerError` for an action that is not taken, before its payload is looked at."""

    def lenient(self, kind: int, action: str, payload: Payload) -> list[str]:
        """Mend in place what only this version knows to be harmless; returns what it was.

        Asked only about what does not fit the schema.
        """

    async def handle(self, action: str, payload: Payload) -> Payload:
        """Answer a call of the station. May raise `AnswerError`.

        What is returned for a SEND of 2.1 goes nowhere.
        """

    def answered(self, action: str, answer: Payload) -> None:
        """The answer is on its way."""

    def ended(self) -> None:
        """The connection is lost; what was received is still to be handled."""


@dataclass(slots=True)
class _Call:
    """A call of the station; `error` is its answer where it could not even be understood."""

    kind: int
    message_id: str | int
    action: str
    payload: Payload
    text: str
    received_s: float
    error: AnswerError | None = None


class Rpc:
    """The calls in both directions over one connection.

    `notes` says what was odd, `counters` how much there was, `frames` what was said. They
    may be replaced by those of the station when it turns out which one it is. `turns` is shared
    by those who share the event loop.
    """

    def __init__(
        self,
        transport: Transport,
        dialect: Dialect,
        schemas: Schemas,
        timing: Timing,
        logger: logging.Logger,
        *,
        frames: FrameLog | None = None,
        counters: Counters | None = None,
        turns: Turns | None = None,
    ) -> None:
        self.notes: Counter[str] = Counter()
        self.frames = frames
        self.counters = counters or Counters()
        self._transport = transport
        self._dialect = dialect
        self._schemas = schemas
        self._kinds = schemas.kinds
        self._timing = timing
        self._logger = logger
        self._turns = turns or Turns()
        self._inbox: asyncio.Queue[_Call] = asyncio.Queue(MAX_QUEUE)
        self._answers: OrderedDict[bytes, str] = OrderedDict()
        self._turn = asyncio.Lock()
        self._waiting: tuple[str, str, asyncio.Future[tuple[Payload, str]]] | None = None
        self._ended = False

    async def serve(self) -> None:
        """Serve the connection until it ends and what was received is handled."""
        worker = asyncio.create_task(self._work(), name="ocpp calls")
        try:
            async with aclosing(self._transport.frames()) as frames:
                async for text in frames:
                    self._receive(text)
            await self._turns.mine()
        except ConnectionLostError:
            pass
        except asyncio.QueueFull:
            await self._transport.close(
                WSCloseCode.POLICY_VIOLATION, fault="too many unanswered calls"
            )
        finally:
            self._end()
            # What the station told must not be lost because its connection was.
            _, late = await asyncio.wait({worker}, timeout=self._timing.drain_s)
            if late:
                worker.cancel()
                await asyncio.gather(worker, return_exceptions=True)

    async def call(self, action: str, payload: Payload) -> Payload:
        """Call the station and return its answer.

        Raises `CallTimeoutError`, `CallRefusedError`, `BadAnswerError`, `ConnectionLostError`.
        """
        await self._schemas.ensure(CALL, action)
        self._schemas.check(CALL, action, payload)
        async with self._turn:
            if self._ended:
                raise ConnectionLostError
            message_id = str(uuid4())
            future: asyncio.Future[tuple[Payload, str]] = asyncio.get_running_loop().create_future()
            self._waiting = (message_id, action, future)
            try:
                async with asyncio.timeout(self._timing.call_s):
                    self._log("→", action, payload)
                    await self._send(dump([CALL, message_id, action, payload]))
                    answer, text = await future
            except TimeoutError:
                self.notes["call timed out"] += 1
                self.counters.timeouts += 1
                raise CallTimeoutError(action) from None
            finally:
                self._waiting = None
        await self._turns.mine()
        try:
            return await self._fitting(CALL_RESULT, action, answer, text)
        except ViolationError as err:
            raise BadAnswerError(f"{action}: {err}") from None

    def _end(self) -> None:
        self._ended = True
        self._inbox.shutdown()
        self._dialect.ended()
        if self._waiting and not self._waiting[2].done():
            self._waiting[2].set_exception(ConnectionLostError())

    # What comes in

    def _receive(self, text: str) -> None:
        """Sort one frame; raises `asyncio.QueueFull`."""
        self.counters.messages_in += 1
        if self.frames is not None:
            self.frames.add_in(text)
        match parse(text):
            case [
                (2 | 6) as kind,
                str() | int() as message_id,
                str() as action,
                dict() | None as payload,
                *_,
            ] if kind in self._kinds:
                self._log("←", action, payload)
                self._take(_Call(kind, message_id, action, payload or {}, text, _now()))
            case [3, message_id, dict() | None as payload, *_]:
                self._settle(message_id, (payload or {}, text))
            case [4, message_id, *rest]:
                words = rest[1] if len(rest) > 1 and isinstance(rest[1], str) else ""
                self._settle(message_id, CallRefusedError("", self._told_error(rest), words))
            case [3, message_id, *_]:
                self._settle(message_id, BadAnswerError("not an object"))
            case [5, _, *rest] if 5 in self._kinds:
                # A refused answer is not given again: the next would be the same.
                self._drop(f"answer refused: {self._told_error(rest)}")
            case [6, *_] if SEND in self._kinds:
                # Nobody waits for what becomes of it.
                self._drop("malformed message")
            case [2, str() | int() as message_id, *_]:
                self._refuse(message_id, text)
            case [int() as kind, *rest] if kind not in self._kinds:
                self._pass_over(rest, text)
            case _:
                self._refuse(UNREADABLE_ID, text)

    def _take(self, call: _Call) -> None:
        self._inbox.put_nowait(call)

    def _drop(self, why: str) -> None:
        self.notes[why] += 1
        self.counters.dropped += 1

    def _refuse(self, message_id: str | int, text: str) -> None:
        """Answer in its turn what is no call."""
        self.notes["malformed message"] += 1
        error = AnswerError(ErrorCode.RPC_FRAMEWORK_ERROR, "not an OCPP-J message")
        self._take(_Call(CALL, message_id, "", {}, text, _now(), error))

    def _pass_over(self, rest: list[Any], text: str) -> None:
        """Deal with a message of a type that this version does not have."""
        if self._schemas.ignores_other_kinds:
            self._drop("unknown message type")
            return
        self.notes["unknown message type"] += 1
        message_id = rest[0] if rest and isinstance(rest[0], str | int) else UNREADABLE_ID
        error = AnswerError(ErrorCode.MESSAGE_TYPE_NOT_SUPPORTED)
        self._take(_Call(CALL, message_id, "", {}, text, _now(), error))

    def _told_error(self, rest: list[Any]) -> str:
        """Return the code of an error that the station tells."""
        code = known_code(rest[0] if rest else None)
        self.counters.errors_in[code] += 1
        return code

    def _settle(self, message_id: Any, outcome: tuple[Payload, str] | Exception) -> None:
        """Hand an answer to the call that waits for it."""
        if self._waiting is None or self._waiting[0] != message_id or self._waiting[2].done():
            self._drop("answer nobody waits for")
            return
        _, action, future = self._waiting
        if isinstance(outcome, CallRefusedError):
            outcome = CallRefusedError(action, outcome.code, outcome.words)
        if isinstance(outcome, Exception):
            self._log("← answer to", action, outcome)
            future.set_exception(outcome)
        else:
            self._log("← answer to", action, outcome[0])
            future.set_result(outcome)

    async def _work(self) -> None:
        """Answer the station's calls one after the other, until there are no more."""
        while True:
            try:
                call = await self._inbox.get()
            except asyncio.QueueShutDown:
                return
            await self._turns.mine()
            try:
                if call.kind == SEND:
                    await self._note(call)
                else:
                    await self._answer(call)
            except ConnectionLostError:
                # It is handled, the station just does not know; it will ask again.
                self.notes["answer not delivered"] += 1

    async def _note(self, call: _Call) -> None:
        """Handle a message that wants no answer (OCPP 2.1 part 4 §4.2.5)."""
        try:
            await self._handle(call)
        except AnswerError as err:
            self._drop(f"message not taken: {self._schemas.spell(err.code)}")

    async def _answer(self, call: _Call) -> None:
        key = None
        if call.action in self._dialect.once:
            # The same frame again is the same call; some stations restart their ids.
            key = hashlib.sha256(call.text.encode(errors="replace")).digest()
            if frame := self._answers.get(key):
                self.notes["repeated call"] += 1
                self.counters.repeated += 1
                await self._send(frame)
                return
        try:
            answer, frame = await self._handle(call)
        except AnswerError as err:
            await self._send_error(call, err)
            return
        if key is not None:
            self._answers[key] = frame
            if len(self._answers) > MAX_ANSWERS_KEPT:
                self._answers.popitem(last=False)
        self._log("→ answer to", call.action, answer)
        await self._send(frame)
        self.counters.answered(_now() - call.received_s)
        self._dialect.answered(call.action, answer)

    async def _send_error(self, call: _Call, err: AnswerError) -> None:
        code = self._schemas.spell(err.code)
        self.counters.errors_out[code] += 1
        self._log("→ answer to", call.action, code)
        await self._send(dump([CALL_ERROR, call.message_id, code, err.text, {}]))
        self.counters.answered(_now() - call.received_s)

    async def _handle(self, call: _Call) -> tuple[Payload, str]:
        """Return the answer, also as a frame. Raises nothing but `AnswerError`."""
        if call.error is not None:
            raise call.error
        self._dialect.admit(call.action)
        try:
            payload = await self._fitting(call.kind, call.action, call.payload, call.text)
            answer = await self._dialect.handle(call.action, payload)
            return answer, dump([CALL_RESULT, call.message_id, answer])
        except AnswerError:
            raise
        except ViolationError as err:
            raise AnswerError(err.code, err.field) from None
        except Exception:
            # The last resort: whatever went wrong, the station needs an answer, or it waits
            # and repeats forever. The payload may hold a token and stays out of the log.
            self._logger.exception("Could not handle %s", call.action)
            raise AnswerError(ErrorCode.INTERNAL_ERROR) from None

    async def _fitting(self, kind: int, action: str, payload: Payload, text: str) -> Payload:
        """Return the payload of a frame as it fits the schema. Raises `ViolationError`."""
        schemas = self._schemas
        await schemas.ensure(kind, action)
        if schemas.fits(kind, action, payload):
            return payload
        if text.count(",") >= MAX_VALUES_MENDED:
            raise ViolationError(ErrorCode.FORMATION_VIOLATION, "too much to be mended")
        payload = parse_carefully(text)[_PAYLOAD[kind]] or {}
        self.notes.update(self._dialect.lenient(kind, action, payload))
        self.notes.update(schemas.mend(kind, action, payload))
        return payload

    # What goes out

    async def _send(self, frame: str) -> None:
        if self.frames is not None:
            self.frames.add_out(frame)
        self.counters.messages_out += 1
        await self._transport.send(frame)

    def _log(self, what: str, action: str, content: Any) -> None:
        if self._logger.isEnabledFor(logging.DEBUG):
            self._logger.debug("%s %s %s", what, printable(action), masked(content))
