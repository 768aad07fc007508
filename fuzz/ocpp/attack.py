"""One connection of a station that means no good, and what it is entitled to all the same."""

import asyncio
from collections import Counter, deque
from contextlib import suppress
import json
from random import Random
import re
from typing import Any

from . import mutations, socket
from .messages import CARDS, Memory, Messages
from .socket import Refused, Socket

SUBPROTOCOLS = ("ocpp1.6", "ocpp1.6", "ocpp2.0.1", "ocpp2.1")
ANSWERED_S = 30.0
LATEST = 12
OUR_IDS = 2**53
MAX_FRAME_BYTES = 512 * 1024
"""More than this is read by nobody, whoever sends it."""
UNREADABLE = json.dumps("-1")
"""What has no id that can be read is answered by this one (OCPP 2.1 part 4 §4.2.3)."""

# Codes of RFC 6455 §7.4.1 that an endpoint may send.
CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014)
SPEECHLESS = (1000, 1001, 1002, 1007, 1009)
"""Codes that say all there is to say."""

_SECRET = sorted((card for card in CARDS if len(card) > 4), reverse=True)
_CARD = re.compile("|".join(map(re.escape, _SECRET)))


class BrokenPromiseError(Exception):
    """The central system did what it never should; the text says what, without card numbers."""


class Attack:
    """A connection: `run` raises `BrokenPromiseError`. `frames` counts what was sent."""

    def __init__(self, port: int, identity: str, address: str, chance: Random) -> None:
        """Plan nothing yet; everything follows from the chance."""
        self._port = port
        self._identity = identity
        self._address = address
        self._chance = chance
        self._memory = Memory(chance)
        self._subprotocol = chance.choice(SUBPROTOCOLS)
        self._messages = Messages(self._subprotocol, chance, self._memory)
        self._socket: Socket
        self._calls: Counter[str] = Counter()
        self._answers: Counter[str] = Counter()
        self._possible: Counter[str] = Counter()
        self._latest: deque[str] = deque(maxlen=LATEST)
        self._ids = 0
        self._last = ("", "")
        self._is_rude = False
        self._is_gone = False
        self._hung_up = False
        self._answered = asyncio.Event()
        self._fault: str | None = None
        self._behaviour = chance.choice(("answers", "answers", "refuses", "garbage", "silent"))
        self.frames = 0

    async def run(self) -> None:
        """Dial, say something, and see what comes of it."""
        try:
            self._socket = await Socket.dial(
                self._port, self._identity, self._subprotocol, self._address, self._chance
            )
        except Refused as refusal:
            if not re.match(r"HTTP/1\.1 4\d\d ", str(refusal)):
                self._fail(f"the handshake was answered with {refusal}")
            return
        except OSError:
            return
        reading = asyncio.create_task(self._read())
        try:
            # The server may be gone before everything is said.
            with suppress(ConnectionError):
                await self._talk()
            ending = self._chance.random()
            if ending < 0.2:
                self._is_rude = True
                self._socket.vanish()
            elif not self._is_rude:
                await self._wait_for_answers(reading)
            self._hung_up = True
            await self._socket.hang_up()
            await asyncio.wait((reading,), timeout=ANSWERED_S)
        finally:
            self._socket.vanish()
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        self._judge()

    async def _talk(self) -> None:
        chance = self._chance
        if chance.random() < 0.7:
            await self._call("BootNotification", self._messages.payload("BootNotification"))
        for _ in range(chance.choice((1, 5, 20, 60))):
            if self._socket.closed is not None or self._fault is not None or self._is_rude:
                return
            await chance.choices(
                (self._good, self._bad, self._again, self._junk, self._odd_frame, self._pause),
                (50, 28, 5, 7, 4, 6),
            )[0]()

    async def _good(self) -> None:
        await self._call(*self._messages.call())

    async def _bad(self) -> None:
        action, payload = self._messages.call()
        frame = mutations.mutated([2, self._new_id(), action, payload], self._chance)
        await self._send(mutations.as_text(frame, self._chance))

    async def _again(self) -> None:
        """Repeat the last call, as it was or with another id."""
        action, text = self._last
        if text and self._chance.random() < 0.5:
            await self._send(text)
        elif action:
            await self._call(action, json.loads(text)[3])

    async def _junk(self) -> None:
        await self._send(mutations.junk(self._chance))

    async def _pause(self) -> None:
        await asyncio.sleep(self._chance.choice((0, 0.01, 0.1)))

    async def _odd_frame(self) -> None:
        """Send what WebSocket allows but nobody uses, or what it does not allow."""
        chance = self._chance
        text = json.dumps([2, self._new_id(), "Heartbeat", {}]).encode()
        match chance.randrange(9):
            case 0:
                # In pieces, with a ping in between: that is a call like any other.
                self._note(text.decode())
                cut = chance.randrange(len(text))
                await self._socket.send(text[:cut], flags=0)
                await self._socket.send(b"between", socket.PING)
                await self._socket.send(text[cut:], socket.CONTINUATION)
            case 1:
                await self._socket.send(chance.randbytes(125), socket.PING)
            case 2:
                await self._socket.send(b"", socket.PONG)
            case number:
                self._is_rude = True
                self._latest.append(f"odd frame {number}")
                await self._rude_frame(number)

    async def _rude_frame(self, number: int) -> None:
        chance = self._chance
        match number:
            case 3:
                await self._socket.send(chance.randbytes(40), socket.BINARY)
            case 4:
                await self._socket.send(b"\xff\xfe\xfd")
            case 5:
                await self._socket.send(b"x", chance.choice((0x3, 0x7, 0xB, 0xF)))
            case 6:
                await self._socket.send(b"[]", flags=chance.choice((0xC0, 0xA0, 0x90)))
            case 7:
                await self._socket.send(b"x" * 600_000)
            case _:
                await self._socket.send_raw(chance.randbytes(chance.choice((1, 2, 14, 400))))

    async def _call(self, action: str, payload: Any) -> None:
        text = json.dumps([2, self._new_id(), action, payload])
        self._last = action, text
        await self._send(text)

    async def _send(self, text: str) -> None:
        self._note(text)
        data = text.encode()
        if len(data) > MAX_FRAME_BYTES:
            # It is refused half-way: TCP then drops what the other side said, and its goodbye.
            self._is_rude = True
        await self._socket.send(data)

    def _note(self, text: str) -> None:
        """Take note of what is sent, and of the answer that is due."""
        self.frames += 1
        self._latest.append(text)
        if (key := any_id(text)) is not None:
            self._possible[key] += 1
        if readable_id(text) is None:
            # It may also be answered as what has no id.
            self._possible[UNREADABLE] += 1
        elif key is not None:
            self._calls[key] += 1
            self._answered.clear()

    def _new_id(self) -> str | int:
        self._ids += 1
        return self._ids if self._chance.random() < 0.1 else f"{self._ids}"

    async def _read(self) -> None:
        while (frame := await self._socket.receive()) is not None:
            kind, data = frame
            if kind == socket.PING and self._behaviour != "silent":
                with suppress(ConnectionError):
                    await self._socket.send(data, socket.PONG)
            elif kind == socket.TEXT:
                await self._take(data.decode())
        self._is_gone = not self._hung_up
        self._answered.set()

    async def _take(self, text: str) -> None:
        try:
            message = json.loads(text)
        except ValueError:
            self._fail(f"it said what is no JSON: {text}")
            return
        match message:
            case [2, str() as message_id, str() as action, dict()]:
                await self._serve(message_id, action)
            case [3, str() | int() as message_id, dict() as answer]:
                self._settle(message_id)
                if isinstance(transaction_id := answer.get("transactionId"), int):
                    self._memory.transactions.append(transaction_id)
            case [4, str() | int() as message_id, str(), str(), dict()]:
                self._settle(message_id)
            case _:
                self._fail(f"it said what is no message: {text}")

    def _settle(self, message_id: str | int) -> None:
        key = json.dumps(message_id)
        if key not in self._possible:
            key = UNREADABLE
        self._answers[key] += 1
        if self._answers[key] > self._possible[key]:
            self._fail(f"call {json.dumps(message_id)} was answered more often than made")
        if all(self._answers[key] >= count for key, count in self._calls.items()):
            self._answered.set()

    async def _serve(self, message_id: str, action: str) -> None:
        """Answer a call of the central system, one way or another."""
        chance = self._chance
        match self._behaviour:
            case "answers":
                status = chance.choice(("Accepted", "Rejected", "NotSupported"))
                answer: Any = [3, message_id, {"status": status}]
            case "refuses":
                answer = [4, message_id, chance.choice(("NotSupported", "InternalError")), "", {}]
            case "garbage":
                answer = mutations.mutated([3, message_id, {"status": "Accepted"}], chance)
            case _:
                return
        with suppress(ConnectionError):
            text = mutations.as_text(answer, chance) if self._behaviour == "garbage" else ""
            await self._send(text or json.dumps(answer))

    async def _wait_for_answers(self, reading: asyncio.Task[None]) -> None:
        if all(self._answers[key] >= count for key, count in self._calls.items()):
            return
        waiting = asyncio.create_task(self._answered.wait())
        await asyncio.wait(
            (waiting, reading), timeout=ANSWERED_S, return_when=asyncio.FIRST_COMPLETED
        )
        waiting.cancel()

    def _judge(self) -> None:
        """Compare what was promised with what came."""
        if self._fault is not None:
            raise BrokenPromiseError(self._fault)
        if self._socket.closed is not None:
            code, reason = self._socket.closed
            if code not in CODES or (code not in SPEECHLESS and not reason):
                self._fail(f"it closed with {code} and gave no reason ({reason!r})")
        elif not self._is_rude and (missing := self._missing()):
            if not self._is_gone:
                self._fail(f"no answer to {missing}")
            elif self._behaviour != "silent":
                # Who answers no ping is dead; to all others goodbye is said.
                self._fail(f"it hung up without a word, and without an answer to {missing}")
        if self._fault is not None:
            raise BrokenPromiseError(self._fault)

    def _missing(self) -> list[str]:
        return [key for key, count in self._calls.items() if self._answers[key] < count]

    def _fail(self, what: str) -> None:
        if self._fault is None:
            said = "\n".join(f"    {masked(text)[:600]}" for text in self._latest)
            self._fault = f"{self._identity} ({self._subprotocol}): {masked(what)}\n{said}"


def readable_id(text: str) -> str | None:
    """Return the id of a call, as JSON, if anybody could read one; such a call has an answer."""
    try:
        message = json.loads(text, parse_constant=_refuse)
    except ValueError, RecursionError:
        return None
    match message:
        case [2, bool(), *_]:
            return None
        case [2, str() as message_id, *_] if message_id.isascii() and message_id != "-1":
            return json.dumps(message_id)
        case [2, int() as message_id, *_]:
            return _told_id(message_id)
    return None


def any_id(text: str) -> str | None:
    """Return what might be taken for an id, of whatever it is: that may have an answer."""
    try:
        message = json.loads(text)
    except ValueError, RecursionError:
        return None
    match message:
        case [_, str() as message_id, *_] if message_id.isascii():
            return json.dumps(message_id)
        case [_, int() as message_id, *_]:
            return _told_id(message_id)
    return None


def _told_id(number: int) -> str:
    """Return how an id that is a number comes back: as text, where it is none of this world."""
    return json.dumps(number if abs(number) < OUR_IDS else str(number))


def masked(text: str) -> str:
    """Return a text without the cards that the site knows."""
    return _CARD.sub(lambda match: f"…{match[0].strip()[-4:]}", text)


def _refuse(name: str) -> None:
    raise ValueError(name)
