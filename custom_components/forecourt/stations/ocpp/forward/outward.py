"""The WebSocket to a second central system, and what is said when there is none."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
import os

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientConnectorSSLError,
    ClientError,
    ClientSession,
    ClientWebSocketResponse,
    ClientWSTimeout,
    DummyCookieJar,
    WSCloseCode,
    WSMsgType,
    WSServerHandshakeError,
    encode_basic_auth,
)

from ..link import MAX_TRUSTED_BYTES, ConnectionLostError
from .target import ForwardTarget, Pace


class UnreachableError(Exception):
    """There is no connection; the text says why and holds no secret."""


class Outward:
    """A connection that we made, as `rpc.Transport`."""

    def __init__(self, socket: ClientWebSocketResponse, pace: Pace) -> None:
        self._socket = socket
        self._pace = pace

    @property
    def why(self) -> str:
        """Why the connection is over."""
        code = self._socket.close_code
        return (
            "connection lost"
            if code in (None, WSCloseCode.ABNORMAL_CLOSURE)
            else f"closed with {code}"
        )

    async def frames(self) -> AsyncGenerator[str]:
        """Yield the text frames of the other side until the connection ends."""
        while (message := await self._socket.receive()).type is WSMsgType.TEXT:
            yield message.data

    async def send(self, text: str) -> None:
        """Send a text frame. Raises `ConnectionLostError`."""
        try:
            async with asyncio.timeout(self._pace.call_s):
                await self._socket.send_str(text)
        except (TimeoutError, ConnectionError) as err:
            raise ConnectionLostError from err

    async def close(
        self, code: WSCloseCode = WSCloseCode.OK, reason: str = "", *, fault: str | None = None
    ) -> None:
        """Say goodbye and close."""
        await self._socket.close(code=code, message=(fault or reason).encode())


@asynccontextmanager
async def dialled(
    target: ForwardTarget, identity: str, subprotocol: str, pace: Pace
) -> AsyncIterator[Outward]:
    """Connect to a second central system as this station. Raises `UnreachableError`."""
    headers = {}
    if target.password is not None:
        login = target.identity or identity
        if ":" in login:
            raise UnreachableError("an identity with a colon cannot have a password")
        headers["Authorization"] = encode_basic_auth(login, target.password)
    async with ClientSession(cookie_jar=DummyCookieJar()) as session:
        try:
            async with asyncio.timeout(pace.connect_s):
                socket = await session.ws_connect(
                    target.address(identity),
                    protocols=(subprotocol,),
                    headers=headers,
                    heartbeat=pace.ping_s,
                    timeout=ClientWSTimeout(ws_close=pace.close_s),
                    max_msg_size=MAX_TRUSTED_BYTES,
                    ssl=target.tls or True,
                )
        except (TimeoutError, ClientError, OSError) as err:
            raise UnreachableError(said(err)) from None
        async with socket:
            # OCPP-J 1.6 §3.2: who does not speak it shakes hands without naming it.
            if socket.protocol != subprotocol:
                raise UnreachableError(f"it does not speak {subprotocol}")
            yield Outward(socket, pace)


def said(err: Exception) -> str:
    """Return what went wrong, in words that name no address and no login."""
    if isinstance(err, WSServerHandshakeError):
        return f"it refused the connection (HTTP {err.status})"
    for kind, words in _WORDS.items():
        if isinstance(err, kind):
            return words
    number = getattr(err, "errno", None) or 0
    return os.strerror(number) if number > 0 else "it cannot be reached"


_WORDS: dict[type[Exception], str] = {
    TimeoutError: "it does not answer",
    ClientConnectorCertificateError: "its certificate is not trusted",
    ClientConnectorSSLError: "TLS failed",
    ClientConnectorDNSError: "its name is unknown",
}
