"""How a station gets its WebSocket: path, subprotocol, Basic auth, TLS (OCPP-J 1.6 §3, §6.2)."""

from __future__ import annotations

import asyncio
import base64
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
import socket
import ssl
import struct
from tempfile import NamedTemporaryFile
from typing import Self
from urllib.parse import quote

from aiohttp import (
    ClientSession,
    ClientTimeout,
    ClientWebSocketResponse,
    ClientWSTimeout,
    TCPConnector,
)


@dataclass(frozen=True, slots=True)
class Tls:
    """What a client brings to a wss:// address. Certificates and key are PEM text."""

    ca: str | None = None
    """Roots that the server's certificate must come from; None: those that the machine trusts."""
    certificate: str | None = None
    """The client's own, and what stands between it and its root (security profile 3)."""
    key: str | None = field(default=None, repr=False)
    """The private key of `certificate`."""
    check_server_name: bool = True
    """Whether the server's certificate must bear the name in the address."""

    @classmethod
    def from_files(
        cls,
        *,
        ca_file: Path | str | None = None,
        certificate_file: Path | str | None = None,
        key_file: Path | str | None = None,
        check_server_name: bool = True,
    ) -> Self:
        """Read PEM files; OSError if one cannot be read."""
        ca, certificate, key = (
            None if file is None else Path(file).read_text(encoding="ascii")
            for file in (ca_file, certificate_file, key_file)
        )
        return cls(ca, certificate, key, check_server_name)

    def context(self) -> ssl.SSLContext:
        """Return the context for a connection, TLS 1.2 at least. ssl.SSLError for what is no PEM.

        Reads and writes files: not for the event loop.
        """
        context = ssl.create_default_context(cadata=self.ca)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = self.check_server_name
        if self.certificate is not None:
            # Python takes a certificate of one's own from a file only.
            with NamedTemporaryFile("w", suffix=".pem", encoding="ascii") as file:
                file.write(f"{self.certificate}\n{self.key or ''}")
                file.flush()
                context.load_cert_chain(file.name)
        return context


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
        tls: Tls | None = None,
        autoping: bool = True,
        timeout_s: float = 10.0,
    ) -> Socket:
        """Connect. ClientError (WSServerHandshakeError has the status) or OSError if it fails."""
        secure = url.startswith("wss:")
        context = await asyncio.to_thread((tls or Tls()).context) if secure else True
        session = ClientSession(
            connector=TCPConnector(limit=1), timeout=ClientTimeout(total=None, sock_connect=None)
        )
        try:
            async with asyncio.timeout(timeout_s):
                ws = await session.ws_connect(
                    station_url(url, identity),
                    protocols=subprotocols,
                    headers=authorization(identity, password),
                    ssl=context,
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
