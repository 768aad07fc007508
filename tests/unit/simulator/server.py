"""A central system just good enough to be on the other side of a simulated station."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
import itertools
import json
import ssl
from typing import Any, Self

from aiohttp import WSCloseCode, WSMsgType, web

type Payload = dict[str, Any]


class Server:
    """Listens on a port of this machine; notes every frame and answers as the tests tell it to."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._tls = tls
        self.host = "127.0.0.1"
        """By which name the stations call it."""
        self.port = 0
        self.received: list[tuple[str, Payload]] = []
        """Action and payload of every call, in order."""
        self.frames: list[Any] = []
        """Every frame as it came in."""
        self.ids: list[str] = []
        """The message ids of `received`."""
        self.answers: dict[str, Callable[[Payload], Any]] = {}
        """Replace the good answer to an action: a payload, a whole frame (list), None (silence)."""
        self.tags: dict[str, Payload] = {}
        """What is known about cards; the others are Accepted."""
        self.password: str | None = None
        self.authorizations: list[str | None] = []
        self.paths: list[str] = []
        self.offered: list[str | None] = []
        """The subprotocols that each client offered."""
        self.clients: list[str | None] = []
        """The common name in each client's certificate."""
        self.subprotocols: tuple[str, ...] = ("ocpp1.6",)
        self.now: Callable[[], datetime] = lambda: datetime.now(UTC)
        self.close_codes: list[int | None] = []
        self.open = asyncio.Event()
        """Whether connections are accepted, or kept waiting."""
        self.open.set()
        self.answers_pings = True
        self.compact = False
        """Whether frames go out without blanks."""
        self.pongs = 0
        self._ids = itertools.count(1)
        self._transactions = itertools.count(7001)
        self._known: dict[tuple[Any, ...], int] = {}
        self._sockets: list[web.WebSocketResponse] = []
        self._pending: dict[str, asyncio.Future[list[Any]]] = {}
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"{'ws' if self._tls is None else 'wss'}://{self.host}:{self.port}"

    def calls(self, action: str) -> list[Payload]:
        return [payload for name, payload in self.received if name == action]

    def statuses(self, connector: int = 1) -> list[str]:
        return [
            payload["status"]
            for payload in self.calls("StatusNotification")
            if payload["connectorId"] == connector
        ]

    def status(self, connector: int = 1) -> str | None:
        """Return the last status of a connector."""
        return next(reversed(self.statuses(connector)), None)

    async def call(self, action: str, payload: Payload) -> Payload:
        """Call the station and return its answer's payload; AssertionError for a CALLERROR."""
        frame = await self.call_frame(action, payload)
        assert frame[0] == 3, frame
        answer: Payload = frame[2]
        return answer

    async def call_frame(self, action: str, payload: Payload) -> list[Any]:
        """Call the station and return the frame that it answers."""
        message_id = f"s{next(self._ids)}"
        future = self._pending[message_id] = asyncio.get_running_loop().create_future()
        await self.send([2, message_id, action, payload])
        async with asyncio.timeout(2):
            return await future

    async def status_of(self, action: str, payload: Payload) -> str:
        """Call the station and return the status in its answer."""
        return str((await self.call(action, payload))["status"])

    async def send(self, data: str | bytes | list[Any]) -> None:
        """Send anything to the station that connected last."""
        socket = self._sockets[-1]
        if isinstance(data, bytes):
            await socket.send_bytes(data)
        else:
            await socket.send_str(data if isinstance(data, str) else self._dump(data))

    async def ping(self) -> None:
        await self._sockets[-1].ping()

    async def close_sockets(self, code: int = WSCloseCode.GOING_AWAY) -> None:
        for socket in list(self._sockets):
            await socket.close(code=code)

    async def start(self) -> None:
        """Listen, on the same port as before."""
        app = web.Application()
        app.router.add_get("/{identity}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=self._tls)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self.close_sockets()
            await self._runner.cleanup()
            self._runner = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.authorizations.append(request.headers.get("Authorization"))
        self.paths.append(request.raw_path)
        self.offered.append(request.headers.get("Sec-WebSocket-Protocol"))
        shown = request.get_extra_info("peercert") or {}
        names = dict(pair for part in shown.get("subject", ()) for pair in part)
        self.clients.append(names.get("commonName"))
        if self.password is not None and self.authorizations[-1] != self.password:
            return web.Response(status=401)
        await self.open.wait()
        socket = web.WebSocketResponse(protocols=self.subprotocols, autoping=False, max_msg_size=0)
        await socket.prepare(request)
        self._sockets.append(socket)
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._take(socket, message.data)
                elif message.type is WSMsgType.BINARY:
                    self.frames.append(message.data)
                elif message.type is WSMsgType.PONG:
                    self.pongs += 1
                elif message.type is WSMsgType.PING and self.answers_pings:
                    await socket.pong(message.data)
        finally:
            self._sockets.remove(socket)
            self.close_codes.append(socket.close_code)
        return socket

    async def _take(self, socket: web.WebSocketResponse, text: str) -> None:
        try:
            frame = json.loads(text)
        except ValueError, RecursionError:
            self.frames.append(text)
            return
        self.frames.append(frame)
        match frame:
            case [2, str() as message_id, str() as action, dict() as payload]:
                self.ids.append(message_id)
                self.received.append((action, payload))
                custom = self.answers.get(action)
                answer = custom(payload) if custom else self._answer(action, payload)
                if answer is not None:
                    reply = answer if isinstance(answer, list) else [3, message_id, answer]
                    reply = [message_id if part is ID else part for part in reply]
                    await socket.send_str(self._dump(reply))
            case [3 | 4, str() as message_id, *_] if message_id in self._pending:
                self._pending.pop(message_id).set_result(frame)

    def _dump(self, frame: list[Any]) -> str:
        return json.dumps(frame, separators=(",", ":") if self.compact else None)

    def _info(self, tag: str) -> Payload:
        return self.tags.get(tag, {"status": "Accepted"})

    def _answer(self, action: str, payload: Payload) -> Any:
        now = self.now().isoformat().replace("+00:00", "Z")
        if action == "BootNotification":
            return {"status": "Accepted", "currentTime": now, "interval": 300}
        if action == "Heartbeat":
            return {"currentTime": now}
        if action == "Authorize":
            return {"idTagInfo": self._info(payload["idTag"])}
        if action == "StartTransaction":
            return self._start(payload)
        if action in ("DataTransfer", "SignCertificate"):
            return {"status": "Accepted"}
        empty = action.endswith("Notification") or action in ("MeterValues", "StopTransaction")
        return {} if empty else [4, ID, "NotImplemented", "", {}]

    def _start(self, payload: Payload) -> Payload:
        key = tuple(payload[name] for name in ("connectorId", "idTag", "timestamp", "meterStart"))
        if key not in self._known:
            self._known[key] = next(self._transactions)
        return {"transactionId": self._known[key], "idTagInfo": self._info(payload["idTag"])}


ID = object()
"""Stands for the message id of the call in a custom frame."""
