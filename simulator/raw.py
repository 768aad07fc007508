"""A client that sends whatever a test wants and shows whatever comes back. It has no manners."""

from __future__ import annotations

import asyncio
import itertools
import json
from types import TracebackType
from typing import Any, Self

from aiohttp import WSMsgType

from .connect import Socket, Tls
from .frames import encode


class RawClient:
    """A bare connection: `async with RawClient(url, "SIM-1") as client`."""

    def __init__(
        self,
        url: str,
        identity: str,
        *,
        password: str | bytes | None = None,
        subprotocols: tuple[str, ...] = ("ocpp1.6",),
        tls: Tls | None = None,
    ) -> None:
        """Note where to connect to: `<url>/<identity>`; `tls` is for wss://."""
        self._url = url
        self._identity = identity
        self._password = password
        self._subprotocols = subprotocols
        self._tls = tls
        self._socket: Socket | None = None
        self._numbers = itertools.count(1)
        self._backlog: list[Any] = []
        self.close_code: int | None = None
        """The code with which the server closed."""

    async def connect(self) -> None:
        """Connect; errors as aiohttp's `ws_connect`."""
        self._socket = await Socket.open(
            self._url,
            self._identity,
            self._password,
            subprotocols=self._subprotocols,
            tls=self._tls,
        )

    @property
    def subprotocol(self) -> str | None:
        """What the server chose."""
        return self._open().ws.protocol

    async def send(self, data: str | bytes | list[Any]) -> None:
        """Send text, bytes (a binary frame), or a list as JSON."""
        ws = self._open().ws
        if isinstance(data, bytes):
            await ws.send_bytes(data)
        else:
            await ws.send_str(data if isinstance(data, str) else encode(*data))

    async def receive(self, timeout: float = 2.0) -> Any:  # noqa: ASYNC109 - as `call` has it
        """Return the next frame, parsed if it is JSON; None when the connection has ended.

        TimeoutError if nothing comes.
        """
        if self._backlog:
            return self._backlog.pop(0)
        async with asyncio.timeout(timeout):
            message = await self._open().ws.receive()
        if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
            try:
                return json.loads(message.data)
            except ValueError:
                return message.data
        self.close_code = self._open().ws.close_code
        return None

    async def call(
        self,
        action: str,
        payload: dict[str, Any],
        *,
        message_id: str | None = None,
        timeout: float = 2.0,  # noqa: ASYNC109 - a test should not need a block for each call
    ) -> list[Any]:
        """Send a CALL and return the whole frame that answers it; other frames wait for `receive`.

        TimeoutError or ConnectionError if there is no answer.
        """
        message_id = message_id or str(next(self._numbers))
        await self.send([2, message_id, action, payload])
        async with asyncio.timeout(timeout):
            passed, self._backlog = self._backlog, []
            try:
                while True:
                    frame = await self.receive(timeout)
                    if frame is None:
                        raise ConnectionError("the server closed the connection")
                    if (
                        isinstance(frame, list)
                        and frame[:1] in ([3], [4])
                        and frame[1:2] == [message_id]
                    ):
                        return frame
                    passed.append(frame)
            finally:
                self._backlog = passed

    async def boot(self) -> list[Any]:
        """Announce itself as the least a station can be."""
        payload = {"chargePointVendor": "Raw", "chargePointModel": "Client"}
        return await self.call("BootNotification", payload)

    async def drop(self, *, reset: bool = False) -> None:
        """Vanish."""
        await self._open().drop(reset=reset)

    async def close(self, code: int = 1000) -> None:
        """Close politely; does nothing if not connected."""
        if self._socket is not None:
            await self._socket.close(code)

    def _open(self) -> Socket:
        if self._socket is None:
            raise RuntimeError("not connected")
        return self._socket

    async def __aenter__(self) -> Self:
        """Connect."""
        await self.connect()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close."""
        await self.close()
