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
import json
import logging
from typing import Any, Protocol
from uuid import uuid4

from aiohttp import WSCloseCode

from .door import printable
from .link import ConnectionLostError, Timing
from .schema import (
    CALL,
    CALL_ERROR,
    CALL_RESULT,
    MAX_INTEGER,
    ErrorCode,
    Payload,
    Schemas,
    ViolationError,
)

MAX_QUEUE = 256
MAX_ANSWERS_KEPT = 32
UNREADABLE_ID = "-1"
MASK = "…"
# No message of OCPP is so deep; what is deeper was made to exhaust the stack.
LOGGED_LEVELS = 20
SECRET_FIELDS = frozenset({"data", "idTag", "localAuthorizationList", "parentIdTag"})


class CallTimeoutError(Exception):
    """The station did not answer in time."""


class CallRefusedError(Exception):
    """The station answered with a CALLERROR; `code` is its error code.

    Its description and details are dropped: some stations echo the whole request.
    """

    def __init__(self, action: str, code: str) -> None:
        super().__init__(f"{action}: {code}")
        self.code = code


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
        """Mend in place what only this version knows to be harmless; returns what it was."""

    async def handle(self, action: str, payload: Payload) -> Payload:
        """Answer a call of the station. May raise `AnswerError`."""

    def answered(self, action: str, answer: Payload) -> None:
        """The answer is on its way."""

    def ended(self) -> None:
        """The connection is lost; what was received is still to be handled."""


@dataclass(frozen=True, slots=True)
class _Call:
    """A call of the station; `error` is set where it could not even be understood."""

    message_id: str | int
    action: str
    payload: Payload
    digest: bytes
    error: ErrorCode | None = None


class Rpc:
    """The calls in both directions over one connection."""

    def __init__(
        self,
        transport: Transport,
        dialect: Dialect,
        schemas: Schemas,
        timing: Timing,
        logger: logging.Logger,
    ) -> None:
        self.notes: Counter[str] = Counter()
        self._transport = transport
        self._dialect = dialect
        self._schemas = schemas
        self._timing = timing
        self._logger = logger
        self._inbox: asyncio.Queue[_Call] = asyncio.Queue(MAX_QUEUE)
        self._answers: OrderedDict[bytes, str] = OrderedDict()
        self._turn = asyncio.Lock()
        self._waiting: tuple[str, str, asyncio.Future[Payload]] | None = None
        self._ended = False

    async def serve(self) -> None:
        """Serve the connection until it ends and what was received is handled."""
        worker = asyncio.create_task(self._work(), name="ocpp calls")
        try:
            async with aclosing(self._transport.frames()) as frames:
                async for text in frames:
                    self._receive(text)
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
        self._schemas.check(CALL, action, payload)
        async with self._turn:
            if self._ended:
                raise ConnectionLostError
            message_id = str(uuid4())
            future: asyncio.Future[Payload] = asyncio.get_running_loop().create_future()
            self._waiting = (message_id, action, future)
            try:
                async with asyncio.timeout(self._timing.call_s):
                    await self._send([CALL, message_id, action, payload], action)
                    answer = await future
            except TimeoutError:
                self.notes["call timed out"] += 1
                raise CallTimeoutError(action) from None
            finally:
                self._waiting = None
        try:
            self._mend(CALL_RESULT, action, answer)
        except ViolationError as err:
            raise BadAnswerError(f"{action}: {err}") from None
        return answer

    def _end(self) -> None:
        self._ended = True
        self._inbox.shutdown()
        self._dialect.ended()
        if self._waiting and not self._waiting[2].done():
            self._waiting[2].set_exception(ConnectionLostError())

    # What comes in

    def _receive(self, text: str) -> None:
        """Sort one frame; raises `asyncio.QueueFull`."""
        match _parse(text):
            case [2, str() | int() as message_id, str() as action, dict() | None as payload, *_]:
                self._log("←", action, payload)
                digest = hashlib.sha256(text.encode(errors="replace")).digest()
                self._inbox.put_nowait(_Call(message_id, action, payload or {}, digest))
            case [3, message_id, dict() | None as payload, *_]:
                self._settle(message_id, payload or {})
            case [4, message_id, *rest]:
                self._settle(message_id, CallRefusedError("", _known_code(rest)))
            case [3, message_id, *_]:
                self._settle(message_id, BadAnswerError("not an object"))
            case [2, str() | int() as message_id, *_]:
                self._refuse(message_id)
            case [int() as kind, *_] if kind not in (CALL, CALL_RESULT, CALL_ERROR):
                # OCPP-J 1.6 §4.1.3: messages of an unknown type are ignored.
                self.notes["unknown message type"] += 1
            case _:
                self._refuse(UNREADABLE_ID)

    def _refuse(self, message_id: str | int) -> None:
        self.notes["malformed message"] += 1
        self._inbox.put_nowait(_Call(message_id, "", {}, b"", error=ErrorCode.FORMATION_VIOLATION))

    def _settle(self, message_id: Any, outcome: Payload | Exception) -> None:
        """Hand an answer to the call that waits for it."""
        if self._waiting is None or self._waiting[0] != message_id or self._waiting[2].done():
            self.notes["answer nobody waits for"] += 1
            return
        _, action, future = self._waiting
        self._log("←", f"answer to {action}", outcome)
        if isinstance(outcome, CallRefusedError):
            future.set_exception(CallRefusedError(action, outcome.code))
        elif isinstance(outcome, Exception):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    async def _work(self) -> None:
        """Answer the station's calls one after the other, until there are no more."""
        while True:
            try:
                call = await self._inbox.get()
            except asyncio.QueueShutDown:
                return
            try:
                await self._answer(call)
            except ConnectionLostError:
                # It is handled, the station just does not know; it will ask again.
                self.notes["answer not delivered"] += 1

    async def _answer(self, call: _Call) -> None:
        once = call.action in self._dialect.once
        if once and (frame := self._answers.get(call.digest)):
            self.notes["repeated call"] += 1
            await self._transport.send(frame)
            return
        try:
            answer = await self._handle(call)
        except AnswerError as err:
            await self._send([CALL_ERROR, call.message_id, err.code, err.text, {}], call.action)
            return
        frame = _dump([CALL_RESULT, call.message_id, answer])
        if once:
            self._answers[call.digest] = frame
            if len(self._answers) > MAX_ANSWERS_KEPT:
                self._answers.popitem(last=False)
        self._log("→", f"answer to {call.action}", answer)
        await self._transport.send(frame)
        self._dialect.answered(call.action, answer)

    async def _handle(self, call: _Call) -> Payload:
        if call.error is not None:
            raise AnswerError(call.error, "not an OCPP-J message")
        self._dialect.admit(call.action)
        try:
            self._mend(CALL, call.action, call.payload)
            return await self._dialect.handle(call.action, call.payload)
        except AnswerError:
            raise
        except ViolationError as err:
            raise AnswerError(err.code, err.field) from None
        except Exception:
            # The last resort: whatever went wrong, the station needs an answer, or it waits
            # and repeats forever. The payload may hold a token and stays out of the log.
            self._logger.exception("Could not handle %s", call.action)
            raise AnswerError(ErrorCode.INTERNAL_ERROR) from None

    def _mend(self, kind: int, action: str, payload: Payload) -> None:
        self.notes.update(self._dialect.lenient(kind, action, payload))
        self.notes.update(self._schemas.mend(kind, action, payload))

    # What goes out

    async def _send(self, message: list[Any], action: str) -> None:
        self._log("→", action, message[-1])
        await self._transport.send(_dump(message))

    def _log(self, arrow: str, action: str, content: Any) -> None:
        if self._logger.isEnabledFor(logging.DEBUG):
            self._logger.debug("%s %s %s", arrow, printable(action), masked(content))


def masked(content: Any, levels: int = LOGGED_LEVELS) -> Any:
    """Return a copy of a payload that is fit for a log, cut off below so many levels."""
    if not isinstance(content, dict | list):
        return content
    if not levels:
        return MASK
    if isinstance(content, list):
        return [masked(value, levels - 1) for value in content]
    is_key = content.get("key") == "AuthorizationKey"
    return {
        name: MASK
        if name in SECRET_FIELDS or (is_key and name == "value")
        else masked(value, levels - 1)
        for name, value in content.items()
    }


def _dump(message: list[Any]) -> str:
    # Some stations parse only JSON without blanks.
    return json.dumps(message, separators=(",", ":"))


def _parse(text: str) -> Any:
    try:
        return json.loads(text, parse_int=_integer, parse_constant=_refuse_constant)
    except ValueError, RecursionError:
        return None


def _integer(digits: str) -> int | str:
    """Leave a number as text that is none of this world, and would fit into no database."""
    number = int(digits)
    return number if abs(number) <= MAX_INTEGER else digits


def _refuse_constant(name: str) -> None:
    """Refuse NaN and Infinity, which are not JSON."""
    raise ValueError(name)


def _known_code(rest: list[Any]) -> str:
    """Return the error code of a CALLERROR; an unknown one may be anything, even a secret."""
    code = rest[0] if rest else None
    known = isinstance(code, str) and code in set(ErrorCode)
    return str(code) if known else ErrorCode.GENERIC_ERROR
