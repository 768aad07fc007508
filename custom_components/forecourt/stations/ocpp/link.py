"""One WebSocket to a station: text frames in and out, liveness, and an orderly end."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from dataclasses import dataclass

from aiohttp import WSCloseCode, WSMsgType, web
from aiohttp.http_websocket import WebSocketError

# What a stranger may send at once, and a station: its NotifyReport (2.x) may be large.
MAX_MESSAGE_BYTES = 64 * 1024
MAX_TRUSTED_BYTES = 512 * 1024

# As much as this is always taken by an empty buffer (asyncio's is 64 KiB), at four bytes
# a character at most.
SMALL_FRAME = 8 * 1024

# How many frames may come in. Each one that goes out earns one more: a station that waits
# for its answers, as OCPP wants it, may tell what it stored as fast as it is answered.
FRAMES_PER_SECOND = 50
FRAME_BURST = 200

# A stranger has little to say, and earns nothing: it introduces itself, answers, and waits.
STRANGER_FRAMES_PER_SECOND = 2
STRANGER_FRAME_BURST = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long things take, in seconds.

    `accept_s` is how long a station that was told to wait may take to ask again once it
    is accepted, more than twice `pending_retry_s`, the interval it was told.
    `patience_s` is for stations that answer no ping at all: silence that long ends
    the connection. It must be longer than `heartbeat_s`, the interval of OCPP's
    Heartbeat, which is the only thing such a station may say for a long time.
    `sign_s` passes before a certificate that a station asked for is sent, as stations expect
    an authority to take its time. `upgrade_s` is how long a station may take to come back
    with a higher security profile; after `nudge_s` it is told once more to come, then to restart.
    """

    accept_s: float = 45
    call_s: float = 30
    close_s: float = 2
    drain_s: float = 5
    heartbeat_s: int = 300
    nudge_s: float = 30
    patience_s: float = 720
    pending_retry_s: int = 20
    ping_every_s: float = 30
    pong_s: float = 10
    probe_s: float = 3
    quiet_boot_s: float = 5
    release_s: float = 5
    send_s: float = 10
    sign_s: float = 2
    upgrade_s: float = 600


class ConnectionLostError(Exception):
    """The connection to the station ended."""


class Link:
    """A WebSocket of a station, and what it takes to know whether it lives.

    `protocol` is the subprotocol that is spoken, `None` where there is none. `trusted` says
    that it is a known station's, which may send more, and more at once.
    """

    def __init__(self, request: web.BaseRequest, protocol: str | None, timing: Timing) -> None:
        self.address = request.remote or "unknown"
        self.fault: str | None = None
        self.why = "connection closed"
        self.trusted = False
        if protocol is None:
            # The library would warn of every offer that is not taken; the door knows of it.
            headers = request.headers.copy()
            headers.popall("Sec-WebSocket-Protocol", None)
            request = request.clone(headers=headers)
        self._request = request
        self._timing = timing
        self._socket = web.WebSocketResponse(
            protocols=() if protocol is None else (protocol,),
            autoping=False,
            # Small messages, many stations: compression would cost more memory than it saves.
            compress=False,
            max_msg_size=MAX_TRUSTED_BYTES,
            timeout=timing.close_s,
        )
        self._allowance = float(FRAME_BURST)
        self._sign = asyncio.Event()
        self._answers_pings = False
        self._heard_at = 0.0
        self._closing = asyncio.Lock()
        self._upgraded = False
        self._closed = False

    @property
    def open(self) -> bool:
        """Whether frames can still go out."""
        return self._upgraded and not self._closed and not self._socket.closed

    @property
    def local_port(self) -> int | None:
        """The port of ours that the station dialled."""
        name = self._request.get_extra_info("sockname")
        return int(name[1]) if isinstance(name, tuple) else None

    @property
    def can_upgrade(self) -> bool:
        """Whether the request is a proper WebSocket handshake."""
        return self._socket.can_prepare(self._request).ok

    async def upgrade(self) -> web.WebSocketResponse:
        """Shake hands. Raises `ConnectionError` where the peer or `close` was faster."""
        if self._closed:
            raise ConnectionAbortedError
        await self._socket.prepare(self._request)
        self._upgraded = True
        return self._socket

    async def frames(self) -> AsyncGenerator[str]:
        """Yield the station's text frames until the connection ends."""
        loop = asyncio.get_running_loop()
        self._heard_at = loop.time()
        watch = asyncio.create_task(self._watch(), name=f"ocpp liveness {self.address}")
        try:
            while True:
                message = await self._socket.receive()
                now = loop.time()
                self._earn(now - self._heard_at)
                self._allowance -= 1
                self._heard_at = now
                self._sign.set()
                if self._allowance < 0:
                    await self.close(WSCloseCode.POLICY_VIOLATION, fault="too many messages")
                    return
                match message.type:
                    case WSMsgType.TEXT:
                        if not self.trusted and len(message.data) > MAX_MESSAGE_BYTES:
                            await self.close(WSCloseCode.MESSAGE_TOO_BIG, fault=_TOO_BIG)
                            return
                        yield message.data
                    case WSMsgType.PING:
                        await self._send(self._socket.pong(message.data), len(message.data))
                    case WSMsgType.PONG:
                        self._answers_pings = True
                    case WSMsgType.BINARY:
                        await self.close(WSCloseCode.UNSUPPORTED_DATA, fault="binary message")
                        return
                    case _:
                        if isinstance(message.data, WebSocketError):
                            self.fault = _FAULTS.get(message.data.code, "broken WebSocket frame")
                        return
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    async def send(self, text: str) -> None:
        """Send a text frame. Raises `ConnectionLostError`."""
        if not self.open:
            raise ConnectionLostError
        await self._send(self._socket.send_str(text), len(text))
        if self.trusted:
            self._allowance += 1

    async def probe(self, timeout_s: float) -> bool:
        """Return whether the station gives any sign of life after a ping."""
        if not self._upgraded:
            return True
        self._sign.clear()
        try:
            async with asyncio.timeout(timeout_s):
                await self._socket.ping()
                await self._sign.wait()
        except TimeoutError, ConnectionError:
            return False
        return True

    async def close(
        self, code: WSCloseCode = WSCloseCode.OK, reason: str = "", *, fault: str | None = None
    ) -> None:
        """Say goodbye and close; returns when the socket is closed, which never takes long.

        `fault` is for our own records: what the station did wrong.
        """
        if not self._closed:
            self.fault = fault
            self.why = fault or reason or self.why
            self._closed = True
        if not self._upgraded:
            return
        async with self._closing:
            try:
                async with asyncio.timeout(self._timing.close_s * 2):
                    await self._socket.close(code=code, message=(reason or fault or "").encode())
            except TimeoutError:
                self.abort("no goodbye")
        if (error := self._socket.exception()) is not None:
            # The traceback has the socket that has the error: what holds itself is freed late.
            error.__traceback__ = error.__context__ = None

    def abort(self, why: str) -> None:
        """End the connection at once, for a peer that does not answer any more."""
        self.why = why
        self._closed = True
        if (transport := self._request.transport) is not None:
            transport.abort()

    def _earn(self, seconds: float) -> None:
        """Allow what may come in the time that has passed."""
        per_second, burst = STRANGER_FRAMES_PER_SECOND, STRANGER_FRAME_BURST
        if self.trusted:
            per_second, burst = FRAMES_PER_SECOND, FRAME_BURST
        self._allowance = min(burst, self._allowance + seconds * per_second)

    async def _send(self, sending: Awaitable[None], length: int) -> None:
        try:
            if length <= SMALL_FRAME and self._nothing_waits():
                # It goes straight into the buffer; setting a timer would cost more.
                await sending
                return
            async with asyncio.timeout(self._timing.send_s):
                await sending
        except (TimeoutError, ConnectionError) as err:
            # The peer does not read any more; waiting longer would block everything behind.
            self.abort("does not read what it is sent")
            raise ConnectionLostError from err

    def _nothing_waits(self) -> bool:
        transport = self._request.transport
        return transport is not None and not transport.get_write_buffer_size()

    async def _watch(self) -> None:
        """End the connection when the station is dead.

        Pings tell, not OCPP's Heartbeat: after a loss of power or network the old
        connection looks fine until something is sent. Some stations answer no pings;
        they are known by never having answered one, and only silence ends those.
        """
        loop = asyncio.get_running_loop()
        # Soon, to learn whether it answers, but not while it introduces itself.
        await asyncio.sleep(min(self._timing.quiet_boot_s, self._timing.ping_every_s))
        while True:
            if not await self.probe(self._timing.pong_s):
                silence = loop.time() - self._heard_at
                if self._answers_pings or silence > self._timing.patience_s:
                    self.abort("no answer to ping")
                    return
            pause = self._timing.ping_every_s
            while pause > 0:
                await asyncio.sleep(pause)
                # Whoever said something since lives, and need not be asked.
                pause = self._heard_at + self._timing.ping_every_s - loop.time()


_TOO_BIG = f"message over {MAX_MESSAGE_BYTES // 1024} KiB"

_FAULTS: dict[int, str] = {
    WSCloseCode.MESSAGE_TOO_BIG: f"message over {MAX_TRUSTED_BYTES // 1024} KiB",
    WSCloseCode.INVALID_TEXT: "text is not UTF-8",
}
