"""An own TCP port of the central system, plain or with TLS."""

import asyncio
from collections.abc import Awaitable, Callable
import errno
import ssl
from typing import cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

IDLE_S = 30
SHUTDOWN_S = 5
HANDSHAKE_S = 15
MAX_HANDSHAKES = 512

# Hundreds of stations dial at once after a cut of power.
BACKLOG = 512

# The first byte of a TLS connection (RFC 8446 §5.1, ContentType handshake); no HTTP starts so.
TLS_HANDSHAKE = b"\x16"

type Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
# Gives the TLS of the next connection: what it gives may change at any time.
type TlsProvider = Callable[[], ssl.SSLContext]


class PortInUseError(Exception):
    """Another program listens on the port."""

    def __init__(self, port: int) -> None:
        super().__init__(f"port {port} is in use")
        self.port = port


class Listener:
    """Listens on a port until `stop`."""

    def __init__(self, server: _Server) -> None:
        self._server = server
        self._runner = web.ServerRunner(server, shutdown_timeout=SHUTDOWN_S)
        self._site: web.TCPSite | None = None

    @property
    def port(self) -> int:
        """The port that is listened on."""
        assert self._site is not None  # noqa: S101 - it was started
        return self._site.port

    async def start(self, host: str | None, port: int) -> None:
        """Begin to listen; port 0 is any free one. Raises `PortInUseError` and `OSError`."""
        await self._runner.setup()
        self._site = web.TCPSite(self._runner, host, port, backlog=BACKLOG)
        try:
            await self._site.start()
        except OSError as err:
            await self.stop()
            if err.errno == errno.EADDRINUSE:
                raise PortInUseError(port) from None
            raise

    async def stop(self) -> None:
        """Close the port and what is left of its connections."""
        for site in tuple(self._runner.sites):
            await site.stop()
        await self._server.give_up()
        await self._runner.cleanup()


def plain_listener(handler: Handler, on_tls: Callable[[str], None]) -> Listener:
    """Return a listener without TLS; `on_tls` is told the address of who speaks TLS to it."""
    return Listener(_PlainServer(handler, on_tls))


def tls_listener(
    handler: Handler,
    tls: TlsProvider,
    *,
    may_connect: Callable[[str], bool],
    on_failure: Callable[[str, OSError], None],
) -> Listener:
    """Return a listener with TLS.

    `may_connect` is asked about an address before anything is computed for it, `on_failure`
    is told whose handshake came to nothing, and why.
    """
    return Listener(_TlsServer(handler, tls, may_connect, on_failure))


class _Server(web.Server):
    async def give_up(self) -> None:
        """End what is no connection yet."""


class _Handler(RequestHandler):
    __slots__ = ()

    def __init__(self, server: _Server) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type] # it takes None, as its own tests show
            keepalive_timeout=IDLE_S,
        )


class _PlainServer(_Server):
    """Notices clients who speak TLS to it."""

    def __init__(self, handler: Handler, on_tls: Callable[[str], None]) -> None:
        super().__init__(handler)
        self.on_tls = on_tls

    def __call__(self) -> RequestHandler:
        return _PlainHandler(self)


class _PlainHandler(_Handler):
    __slots__ = ("_first", "_plain")

    def __init__(self, server: _PlainServer) -> None:
        super().__init__(server)
        self._plain = server
        self._first = True

    def data_received(self, data: bytes) -> None:
        if self._first and data[:1] == TLS_HANDSHAKE:
            self._plain.on_tls(_host_of(self.peername))
            self.force_close()
            return
        self._first = False
        super().data_received(data)


class _TlsServer(_Server):
    """Shakes hands itself: only so a new certificate is used at once, and a failure is known."""

    def __init__(
        self,
        handler: Handler,
        tls: TlsProvider,
        may_connect: Callable[[str], bool],
        on_failure: Callable[[str, OSError], None],
    ) -> None:
        super().__init__(handler)
        self._tls = tls
        self._may_connect = may_connect
        self._on_failure = on_failure
        self._handshakes: set[asyncio.Task[None]] = set()
        self._given_up = False

    def __call__(self) -> RequestHandler:
        return _TlsHandler(self)

    def greet(self, transport: asyncio.Transport, handler: _TlsHandler) -> None:
        """Begin the handshake with who just connected."""
        address = _host_of(transport.get_extra_info("peername"))
        full = self._given_up or len(self._handshakes) >= MAX_HANDSHAKES
        if full or not self._may_connect(address):
            transport.abort()
            return
        # Whatever comes from now on is for TLS.
        transport.pause_reading()
        task = asyncio.create_task(self._shake_hands(address, transport, handler))
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)

    async def _shake_hands(
        self, address: str, transport: asyncio.Transport, handler: _TlsHandler
    ) -> None:
        try:
            encrypted = await asyncio.get_running_loop().start_tls(
                transport,
                handler,
                self._tls(),
                server_side=True,
                ssl_handshake_timeout=HANDSHAKE_S,
            )
        except OSError as err:
            transport.abort()
            self._on_failure(address, err)
            return
        assert encrypted is not None  # noqa: S101 - None is for transports that are closed
        handler.encrypted(encrypted)

    async def give_up(self) -> None:
        self._given_up = True
        handshakes = tuple(self._handshakes)
        for task in handshakes:
            task.cancel()
        await asyncio.gather(*handshakes, return_exceptions=True)


class _TlsHandler(_Handler):
    __slots__ = ("_early", "_tls_server")

    def __init__(self, server: _TlsServer) -> None:
        super().__init__(server)
        self._tls_server = server
        self._early = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._tls_server.greet(cast("asyncio.Transport", transport), self)

    def encrypted(self, transport: asyncio.Transport) -> None:
        """Begin to serve; a request may have come with the end of the handshake."""
        super().connection_made(transport)
        if self._early:
            super().data_received(self._early)

    def data_received(self, data: bytes) -> None:
        if self.transport is None:
            self._early += data
        else:
            super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        # A handshake that came to nothing was no connection.
        if self.transport is not None:
            super().connection_lost(exc)


def _host_of(peername: object) -> str:
    return str(peername[0]) if isinstance(peername, tuple) else "unknown"
