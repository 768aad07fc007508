"""How a station gets its WebSocket: path, subprotocol, Basic auth (OCPP-J 1.6 §3, §6.2)."""

from __future__ import annotations

import asyncio
import base64
from contextlib import suppress
import socket
import struct
from urllib.parse import quote

from aiohttp import (
    ClientSession,
    ClientTimeout,
    ClientWebSocketResponse,
    ClientWSTimeout,
    TCPConnector,
)


def station_url(url: str, identity: str) -> str:
    """Return the address of a station: the identity is the last part of the path."""
    return f"{url.rstrip('/')}/{quote(identity, safe='')}"


def authorization(identity: str, password: str | bytes | None) -> dict[str, str]:
    """Return the header for Basic auth; bytes are sent as they are."""
    if password is None:
        return {}
    secret = password if isinstance(password, bytes) else password.encode()
    token = base64.b64encode(identity.encode() + b":" + secret).decode()
    return {"Authorization": f"Basic {token}"}


class Socket:
    """A WebSocket with the TCP connection below it, which can be torn away."""

    def __init__(self, session: ClientSession, ws: ClientWebSocketResponse) -> None:
        """Keep both."""
        self._session = session
        self.ws = ws

    @classmethod
    async def open(
        cls,
        url: str,
        identity: str,
        password: str | bytes | None = None,
        *,
        subprotocols: tuple[str, ...] = ("ocpp1.6",),
        autoping: bool = True,
        timeout_s: float = 10.0,
    ) -> Socket:
        """Connect. ClientError (WSServerHandshakeError has the status) or OSError if it fails."""
        session = ClientSession(
            connector=TCPConnector(limit=1), timeout=ClientTimeout(total=None, sock_connect=None)
        )
        try:
            async with asyncio.timeout(timeout_s):
                ws = await session.ws_connect(
                    station_url(url, identity),
                    protocols=subprotocols,
                    headers=authorization(identity, password),
                    autoping=autoping,
                    max_msg_size=0,
                    # A server that hangs does not answer a close either.
                    timeout=ClientWSTimeout(ws_close=2.0),
                )
        except BaseException:
            await session.close()
            raise
        return cls(session, ws)

    async def drop(self, *, reset: bool = False) -> None:
        """Let TCP vanish without a WebSocket close; `reset` sends RST instead of FIN."""
        if reset:
            raw = self.ws.get_extra_info("socket")
            if raw is not None:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await self._session.close()

    async def close(self, code: int = 1000) -> None:
        """Close the WebSocket as the standard says, then the connection."""
        with suppress(ConnectionError, TimeoutError):
            await self.ws.close(code=code)
        await self._session.close()
