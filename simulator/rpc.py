"""OCPP-J's remote procedure calls over a WebSocket, seen from a station.

OCPP-J 1.6 §4; OCPP 2.0.1 part 4 §4.

Besides carrying calls both ways, a link watches the other side: answers that break the schema,
answers nobody asked for, overlapping calls, message ids used twice. It tells them to
`on_violation(kind, detail)`, the kinds being malformed_frame, binary_frame, unknown_message_type,
unknown_message_id, invalid_message_id, reused_message_id, overlapping_calls, invalid_request,
invalid_response, unknown_action, unknown_error_code and no_answer; not_compact where the station
can read no other frames.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
import logging
import re
import time
import uuid

from aiohttp import ClientWebSocketResponse, WSMsgType

from . import schemas
from .frames import (
    ERROR_CODES,
    Call,
    Failure,
    FrameError,
    LinkDownError,
    NoAnswerError,
    Payload,
    Result,
    RpcError,
    bad_format,
    decode,
    encode,
)

type FollowUp = Callable[[], Awaitable[None]]
type Handler = Callable[[str, Payload], Awaitable[tuple[Payload, FollowUp | None] | None]]
"""Answers a call with a payload and what to do once that is sent; None stays silent."""

_OVERLAP_S = 10.0
"""A call unanswered for longer may have timed out on the other side, which may then go on."""
_FORGIVEN_KEPT = 1000
_MAX_ID = 36
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_LOGGER = logging.getLogger(__name__)


class Link:
    """One connection to the server."""

    def __init__(
        self,
        ws: ClientWebSocketResponse,
        handler: Handler,
        on_violation: Callable[[str, str], None],
        *,
        version: str = "1.6",
        call_timeout_s: float = 30.0,
        next_id: Callable[[], str] = lambda: str(uuid.uuid4()),
        validate: bool = True,
        compact_only: bool = False,
    ) -> None:
        """Wrap a connected socket; `run` must be running for anything to arrive."""
        self._ws = ws
        self._handler = handler
        self._violation = on_violation
        self._version = version
        self._call_timeout_s = call_timeout_s
        self._next_id = next_id
        self._validate = validate
        self._compact_only = compact_only
        self._one_call = asyncio.Lock()
        self._one_answer = asyncio.Lock()
        self._pending: dict[str, tuple[str, asyncio.Future[Payload]]] = {}
        self._forgiven: deque[str] = deque(maxlen=_FORGIVEN_KEPT)
        self._server_ids: set[str] = set()
        self._unanswered: dict[str, float] = {}
        self._answers: set[asyncio.Task[None]] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._reading: asyncio.Timeout | None = None
        self.last_calls: dict[str, Call] = {}
        """The last call sent of each action."""
        self.send_twice: set[str] = set()
        """Actions whose next call goes out in two identical frames."""
        self.pongs = 0
        """How many pings the server has answered."""
        self.closed = False

    async def run(self) -> None:
        """Read until the connection ends. Cancelling is clean."""
        try:
            while await self._read_one():
                pass
        finally:
            self.closed = True
            for _, future in self._pending.values():
                if not future.done():
                    future.set_exception(LinkDownError("connection lost"))
                    future.exception()  # nobody may be waiting any more
            for task in list(self._answers):
                task.cancel()
            await asyncio.gather(*self._answers, return_exceptions=True)

    async def call(self, action: str, payload: Payload) -> Payload:
        """Send a request and return the answer's payload.

        RpcError: a CALLERROR, or an answer against the schema. NoAnswerError, LinkDownError: none.
        """
        if self._validate and (wrong := schemas.fault(self._version, action, payload)):
            raise AssertionError(f"the simulator itself is wrong: {action} {wrong}")
        async with self._one_call:
            call = Call(self._next_id(), action, payload)
            self.last_calls[action] = call
            copies = 2 if action in self.send_twice else 1
            self.send_twice.discard(action)
            return await self._exchange(call, copies)

    async def repeat(self, action: str, *, new_id: bool) -> Payload:
        """Send the last call of an action again, with its old id or a new one; errors as `call`."""
        if action not in self.last_calls:
            raise ValueError(
                f"no {action} was sent on this connection; there was {sorted(self.last_calls)}"
            )
        async with self._one_call:
            last = self.last_calls[action]
            message_id = self._next_id() if new_id else last.message_id
            return await self._exchange(Call(message_id, last.action, last.payload), 1)

    async def send_raw(self, data: str | bytes, message_ids: tuple[str, ...] = ()) -> None:
        """Send anything at all; answers to the ids in it are expected to be odd."""
        self._forgiven.extend((*message_ids, "-1", ""))
        if isinstance(data, bytes):
            await self._guarded(self._ws.send_bytes(data))
        else:
            await self._guarded(self._ws.send_str(data))

    async def ping(self) -> None:
        """Send a ping; LinkDownError if the connection is gone."""
        await self._flowing.wait()
        await self._guarded(self._ws.ping())

    def freeze(self) -> None:
        """Neither read nor write from now on, not even pongs, but keep the socket."""
        self._flowing.clear()
        if self._reading is not None:
            self._reading.reschedule(0.0)

    def thaw(self) -> None:
        """End a freeze."""
        self._flowing.set()

    async def _exchange(self, call: Call, copies: int) -> Payload:
        future: asyncio.Future[Payload] = asyncio.get_running_loop().create_future()
        self._pending[call.message_id] = (call.action, future)
        try:
            async with asyncio.timeout(self._call_timeout_s):
                for _ in range(copies):
                    await self._send(encode(2, call.message_id, call.action, call.payload))
                return await future
        except TimeoutError as err:
            if self._flowing.is_set():
                self._violation("no_answer", call.action)
            raise NoAnswerError(f"no answer to {call.action}") from err
        finally:
            del self._pending[call.message_id]
            # It may come late, or twice if it was sent twice. Neither breaks the protocol.
            self._forgiven.append(call.message_id)

    async def _send(self, text: str) -> None:
        await self._flowing.wait()
        await self._guarded(self._ws.send_str(text))

    async def _guarded(self, sending: Awaitable[None]) -> None:
        if self.closed:
            if asyncio.iscoroutine(sending):
                sending.close()
            raise LinkDownError("connection lost")
        try:
            await sending
        except (ConnectionError, RuntimeError) as err:
            raise LinkDownError(str(err)) from err

    async def _read_one(self) -> bool:
        """Take in one message; False when the connection has ended."""
        await self._flowing.wait()
        try:
            async with asyncio.timeout(None) as self._reading:
                message = await self._ws.receive()
        except TimeoutError:
            return True  # frozen
        finally:
            self._reading = None
        if message.type is WSMsgType.TEXT:
            await self._take_text(message.data)
        elif message.type is WSMsgType.PING:
            await self._guarded(self._ws.pong(message.data))
        elif message.type is WSMsgType.PONG:
            self.pongs += 1
        elif message.type is WSMsgType.BINARY:
            self._violation("binary_frame", f"{len(message.data)} bytes")
        else:
            return False
        return True

    async def _take_text(self, text: str) -> None:
        if self._compact_only and re.search(r"\s", _STRING.sub("", text)):
            self._violation("not_compact", text[:200])
            return
        try:
            self._take(decode(text))
        except FrameError as err:
            self._violation(err.kind, str(err))
            await self._refuse(err)

    async def _refuse(self, error: FrameError) -> None:
        """Tell the server that its frame was none (OCPP 2.0.1 part 4 §4.3); 1.6 has no word."""
        if self._version != "1.6":
            unknown = error.kind == "unknown_message_type"
            code = "MessageTypeNotSupported" if unknown else "RpcFrameworkError"
            await self._send(encode(4, "-1", code, str(error)[:255], {}))

    def _take(self, frame: Call | Result | Failure) -> None:
        if isinstance(frame, Call):
            self._take_call(frame)
            return
        if frame.message_id not in self._pending:
            if frame.message_id not in self._forgiven:
                self._violation("unknown_message_id", f"{frame}")
            return
        action, future = self._pending[frame.message_id]
        if future.done():
            return
        if isinstance(frame, Failure):
            if frame.code not in ERROR_CODES[self._version]:
                self._violation("unknown_error_code", f"{action}: {frame.code}")
            future.set_exception(RpcError(frame.code, frame.description))
        elif self._validate and (
            wrong := schemas.fault(self._version, f"{action}Response", frame.payload)
        ):
            self._violation("invalid_response", f"{action} {wrong}")
            future.set_exception(RpcError(bad_format(self._version), wrong))
        else:
            future.set_result(frame.payload)

    def _take_call(self, call: Call) -> None:
        now = time.monotonic()
        if len(call.message_id) > _MAX_ID:
            self._violation("invalid_message_id", call.message_id)
        if call.message_id in self._server_ids:
            self._violation("reused_message_id", f"{call.action} {call.message_id}")
        self._server_ids.add(call.message_id)
        if any(now - since < _OVERLAP_S for since in self._unanswered.values()):
            self._violation("overlapping_calls", call.action)
        self._unanswered[call.message_id] = now
        task = asyncio.get_running_loop().create_task(self._answer(call))
        self._answers.add(task)
        task.add_done_callback(self._answered)

    def _answered(self, task: asyncio.Task[None]) -> None:
        self._answers.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOGGER.error("A handler of the simulator failed", exc_info=error)

    async def _answer(self, call: Call) -> None:
        """Handle one call of the server; one at a time, in their order."""
        follow_up: FollowUp | None = None
        with suppress(LinkDownError):
            async with self._one_answer:
                try:
                    answer = await self._handle(call)
                    if answer is None:
                        return  # it stays unanswered until it times out on the other side
                    payload, follow_up = answer
                    await self._send(encode(3, call.message_id, payload))
                except RpcError as err:
                    await self._send(encode(4, call.message_id, err.code, err.description, {}))
                self._unanswered.pop(call.message_id, None)
            if follow_up is not None:
                with suppress(RpcError, NoAnswerError):
                    await follow_up()

    async def _handle(self, call: Call) -> tuple[Payload, FollowUp | None] | None:
        if self._validate:
            if not schemas.known(self._version, call.action):
                self._violation("unknown_action", call.action)
                raise RpcError("NotImplemented", f"unknown action {call.action[:50]}")
            if wrong := schemas.fault(self._version, call.action, call.payload):
                self._violation("invalid_request", f"{call.action} {wrong}")
                raise RpcError(bad_format(self._version), wrong[:255])
        answer = await self._handler(call.action, call.payload)
        if answer is not None and self._validate:
            wrong = schemas.fault(self._version, f"{call.action}Response", answer[0])
            if wrong:
                raise AssertionError(
                    f"the simulator itself is wrong: {call.action}Response {wrong}"
                )
        return answer
