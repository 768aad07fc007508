"""A second central system that does what a test tells it, and what a station reports to it."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
import json
from typing import Any, Self

from aiohttp import WSMsgType, web

from custom_components.forecourt.stations.ocpp import OcppStation
from custom_components.forecourt.stations.ocpp.forward import ForwardTarget, Pace, State

from .peer import Payload, Peer, stamp

QUICK_PACE = Pace(
    call_s=0.5,
    close_s=0.2,
    connect_s=0.5,
    linger_s=0.05,
    retry_first_s=0.02,
    retry_most_s=0.05,
    steady_s=0,
)


def not_ours(_: str) -> bool:
    return False


class Backend:
    """`async with Backend() as backend`. Notes what it is told, and answers by `answers`.

    An answer is a payload, a function of the request's payload, `None` for silence, a text
    for a CALLERROR with that code, or `Backend.DROP` for the end of the connection.
    """

    DROP = object()

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.told: list[tuple[str, Payload]] = []
        self.paths: list[str] = []
        self.logins: list[str | None] = []
        self.status: int | None = None
        self.protocols: tuple[str, ...] = ("ocpp1.6", "ocpp2.0.1")
        self.here = 0
        self.open = asyncio.Event()
        self.open.set()
        self.transactions = 776
        self.answers: dict[str, Any] = {
            "BootNotification": {
                "status": "Accepted",
                "currentTime": "2026-01-01T00:00:00Z",
                "interval": 300,
            },
            "DataTransfer": {"status": "Accepted"},
            "Heartbeat": {"currentTime": "2026-01-01T00:00:00Z"},
            "StartTransaction": self._start,
        }
        self._waiting: dict[str, asyncio.Future[list[Any]]] = {}
        self._unanswered: list[tuple[web.WebSocketResponse, str]] = []
        self._sockets: set[web.WebSocketResponse] = set()
        self._news = asyncio.Event()

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ocpp"

    def target(self, **changes: Any) -> ForwardTarget:
        return ForwardTarget(**{"url": self.url, "is_secret_tag": not_ours, **changes})

    @property
    def connections(self) -> int:
        """How many there are now; `here` counts all that ever were."""
        return len(self._sockets)

    @property
    def actions(self) -> list[str]:
        return [action for action, _ in self.told]

    def payloads(self, action: str) -> list[Payload]:
        return [payload for name, payload in self.told if name == action]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                self._news.clear()
                try:
                    async with asyncio.timeout(0.02):
                        await self._news.wait()
                except TimeoutError:
                    pass

    async def until_told(self, action: str, times: int = 1) -> Payload:
        """Return the last payload once the action was told so often."""
        await self.until(lambda: len(self.payloads(action)) >= times)
        return self.payloads(action)[-1]

    async def ask(self, action: str, payload: Payload | None = None) -> list[Any]:
        """Call the station and return the whole answering frame."""
        (socket,) = self._sockets
        message_id = f"b{len(self._waiting)}"
        future = self._waiting[message_id] = asyncio.get_running_loop().create_future()
        await socket.send_json([2, message_id, action, payload or {}])
        async with asyncio.timeout(5):
            answer: list[Any] = await future
        return answer

    async def flood(self, calls: int) -> None:
        """Call again and again without waiting for an answer."""
        (socket,) = self._sockets
        loop = asyncio.get_running_loop()
        for number in range(calls):
            self._waiting[f"f{number}"] = loop.create_future()
            with suppress(ConnectionError):
                await socket.send_json([2, f"f{number}", "ClearCache", {}])

    async def answer_late(self, answer: Payload) -> None:
        """Answer the last call that was met with silence."""
        socket, message_id = self._unanswered.pop()
        await socket.send_json([3, message_id, answer])

    async def drop(self) -> None:
        """End the connection without a word."""
        for socket in tuple(self._sockets):
            self._abort(socket)
        await self.until(lambda: not self._sockets)

    async def start(self) -> Self:
        self._runner = web.ServerRunner(web.Server(self._handle), shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = site.port or 0
        return self

    async def stop(self) -> None:
        for socket in tuple(self._sockets):
            self._abort(socket)
        await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        return await self.start()

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.paths.append(request.path)
        self.logins.append(request.headers.get("Authorization"))
        self._news.set()
        await self.open.wait()
        if self.status is not None:
            return web.Response(status=self.status)
        socket = web.WebSocketResponse(protocols=self.protocols, timeout=0.1)
        await socket.prepare(request)
        self._sockets.add(socket)
        self.here += 1
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    await self._take(socket, json.loads(message.data))
        finally:
            self._sockets.discard(socket)
            self._news.set()
        return socket

    async def _take(self, socket: web.WebSocketResponse, frame: list[Any]) -> None:
        if frame[0] != 2:
            self._waiting[frame[1]].set_result(frame)
            return
        _, message_id, action, payload = frame
        self.told.append((action, payload))
        self._news.set()
        answer = self.answers.get(action, {})
        if callable(answer):
            answer = answer(payload)
        if answer is Backend.DROP:
            self._abort(socket)
        elif isinstance(answer, str):
            await socket.send_json([4, message_id, answer, "no", {"echo": payload}])
        elif answer is not None:
            await socket.send_json([3, message_id, answer])
        else:
            self._unanswered.append((socket, message_id))

    def _start(self, _: Payload) -> Payload:
        self.transactions += 1
        return {"transactionId": self.transactions, "idTagInfo": {"status": "Accepted"}}

    @staticmethod
    def _abort(socket: web.WebSocketResponse) -> None:
        transport = socket._req.transport if socket._req is not None else None
        if transport is not None:
            transport.abort()


def state(station: OcppStation) -> State:
    state = station.forwarder.state()
    assert state is not None
    return state


async def meter(peer: Peer, value: int, transaction_id: int | None = None) -> None:
    payload: Payload = {
        "connectorId": 1,
        "meterValue": [{"timestamp": stamp(), "sampledValue": [{"value": str(value)}]}],
    }
    if transaction_id is not None:
        payload["transactionId"] = transaction_id
    assert (await peer.call("MeterValues", payload))[0] == 3


async def status(peer: Peer, word: str, connector: int = 1) -> None:
    payload = {"connectorId": connector, "errorCode": "NoError", "status": word}
    assert (await peer.call("StatusNotification", payload))[0] == 3


async def stop(peer: Peer, transaction_id: int, **more: Any) -> None:
    payload = {"transactionId": transaction_id, "meterStop": 5000, "timestamp": stamp(), **more}
    assert (await peer.call("StopTransaction", payload))[0] == 3
