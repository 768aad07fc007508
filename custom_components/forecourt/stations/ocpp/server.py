"""The central system: accepts stations on its own port, or as requests handed in."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from datetime import datetime
import errno
from http import HTTPStatus
import logging
import re
from typing import Any
from urllib.parse import unquote

from aiohttp import WSCloseCode, web
from aiohttp.web_protocol import RequestHandler

from ...core.model.station import StationInfo
from ..base import SiteEvents
from .connection import Connection
from .door import IDENTITY, Cause, Door, Knock, Refusal
from .limits import Limiter
from .link import Link, Timing
from .station import OcppStation
from .version import Surroundings, Version
from .versions import negotiated

DEFAULT_PORT = 9000

# Until a station connects and says what it speaks.
DEFAULT_PROTOCOL = "ocpp1.6"

IDLE_S = 30
SHUTDOWN_S = 5

# The first byte of a TLS connection (RFC 8446 §5.1, ContentType handshake); no HTTP starts so.
TLS_HANDSHAKE = b"\x16"

_OWN_PATH = re.compile(r"/([^/]+)/?")

STATUS_OF = {
    Cause.BAD_IDENTITY: HTTPStatus.NOT_FOUND,
    Cause.BAD_REQUEST: HTTPStatus.BAD_REQUEST,
    Cause.DUPLICATE: HTTPStatus.CONFLICT,
    Cause.PASSWORD_MISSING: HTTPStatus.UNAUTHORIZED,
    Cause.SUBPROTOCOL: HTTPStatus.BAD_REQUEST,
    Cause.TOO_MANY: HTTPStatus.TOO_MANY_REQUESTS,
    Cause.WRONG_PASSWORD: HTTPStatus.UNAUTHORIZED,
    Cause.WRONG_PATH: HTTPStatus.NOT_FOUND,
}


class PortInUseError(Exception):
    """Another program listens on the port."""

    def __init__(self, port: int) -> None:
        super().__init__(f"port {port} is in use")
        self.port = port


class CentralSystem:
    """Serves all stations of the site, and the strangers who want to become some.

    `on_pending` is told what a stranger is as soon as it told that itself, again at
    every connection. An identity becomes a station by `add_station`, also while it is
    connected. `on_fallback_written` is told the fallback current that a station was
    given for good, to be handed to `add_station` after a restart.
    """

    def __init__(
        self,
        events: SiteEvents,
        *,
        now: Callable[[], datetime],
        on_pending: Callable[[StationInfo], None] | None = None,
        on_fallback_written: Callable[[str, int], None] | None = None,
        sample_interval_s: int = 10,
        fallback_current_a: int | None = None,
        timing: Timing | None = None,
        logger: logging.Logger | None = None,
    ) -> None:
        self._on_pending = on_pending
        self._on_fallback_written = on_fallback_written
        self._fallback_current_a = fallback_current_a
        self._timing = timing or Timing()
        self._door = Door(now)
        self._around = Surroundings(
            events=events,
            now=now,
            timing=self._timing,
            sample_interval_s=sample_interval_s,
            on_introduced=self._introduced,
            logger=logger or logging.getLogger(__name__),
        )
        self._loaded: set[str] = set()
        self._stopping = False
        self._runner: web.ServerRunner | None = None
        self._site: web.TCPSite | None = None
        self._stations: dict[str, OcppStation] = {}
        self._connections: dict[str, Connection] = {}
        self._arriving: set[str] = set()
        self._serving: set[asyncio.Task[Any]] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    # Stations

    @property
    def stations(self) -> Mapping[str, OcppStation]:
        """The known stations by identity."""
        return self._stations

    @property
    def pending(self) -> Mapping[str, StationInfo]:
        """The strangers by identity, as far as they introduced themselves."""
        return self._door.pending

    @property
    def knocks(self) -> tuple[Knock, ...]:
        """Who tried to connect lately and what came of it, newest last."""
        return self._door.knocks

    def subscribe_knocks(self, listener: Callable[[Knock], None]) -> Callable[[], None]:
        """Call the listener at every knock; returns what ends that."""
        return self._door.subscribe(listener)

    def add_station(
        self,
        identity: str,
        password_hash: str | None = None,
        evses: int = 1,
        *,
        fallback_current_a: int | None = None,
        fallback_written: int | None = None,
    ) -> OcppStation:
        """Make an identity a station; if it is connected and waits, it comes in now.

        For one that is a station already, the changes are taken over.
        """
        if fallback_current_a is None:
            fallback_current_a = self._fallback_current_a
        station = self._stations.get(identity)
        connection = self._connections.get(identity)
        is_new = station is None
        if station is None:
            info = connection.info if connection else self.pending.get(identity)
            info = info or StationInfo(id=identity, protocol=DEFAULT_PROTOCOL)
            limiter = Limiter(
                self._around.now,
                fallback_written=fallback_written,
                on_fallback_written=self._fallback_listener(identity),
            )
            station = OcppStation(info, self._around.events, limiter, self._around.logger)
            self._stations[identity] = station
        station.limiter.fallback_current_a = fallback_current_a
        station.expect_evses(evses)
        to_log_in = self._door.admit(identity, password_hash)
        if connection and to_log_in:
            self._spawn(connection.link.close(WSCloseCode.SERVICE_RESTART, "please log in"))
        elif connection and is_new:
            connection.adopt(station)
        return station

    def _fallback_listener(self, identity: str) -> Callable[[int], None] | None:
        told = self._on_fallback_written
        return None if told is None else lambda current_a: told(identity, current_a)

    async def remove_station(self, identity: str) -> None:
        """Forget a station; when it comes again it is a stranger."""
        if station := self._stations.pop(identity, None):
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timing.release_s):
                    await station.release()
        self._door.forget(identity)
        if connection := self._connections.get(identity):
            await connection.link.close(WSCloseCode.GOING_AWAY, "station was removed")
            await connection.finished.wait()

    def _introduced(self, info: StationInfo) -> None:
        if info.id in self.pending:
            self._door.introduce(info)
            if self._on_pending is not None:
                self._on_pending(info)

    # The own port

    @property
    def port(self) -> int | None:
        """The own port that is listened on, `None` while there is none."""
        return self._site.port if self._site is not None else None

    async def start(self, host: str | None = None, port: int = DEFAULT_PORT) -> None:
        """Listen on an own port as well. Raises `PortInUseError`."""
        self._stopping = False
        runner = web.ServerRunner(
            _Server(self._handle_own, self._note_tls), shutdown_timeout=SHUTDOWN_S
        )
        await runner.setup()
        site = web.TCPSite(runner, host, port)
        try:
            await site.start()
        except OSError as err:
            await runner.cleanup()
            if err.errno == errno.EADDRINUSE:
                raise PortInUseError(port) from None
            raise
        self._runner, self._site = runner, site

    async def stop(self) -> None:
        """Say goodbye to all stations and close the own port; leaves nothing behind."""
        self._stopping = True
        connections = tuple(self._connections.values())
        await asyncio.gather(
            *(one.link.close(WSCloseCode.GOING_AWAY, "server stops") for one in connections)
        )
        if self._serving:
            await asyncio.wait(self._serving)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        runner, self._runner, self._site = self._runner, None, None
        if runner is not None:
            await runner.cleanup()

    async def _handle_own(self, request: web.BaseRequest) -> web.StreamResponse:
        match = _OWN_PATH.fullmatch(request.rel_url.raw_path)
        if match is None:
            path = request.rel_url.raw_path + ("?…" if request.rel_url.raw_query_string else "")
            return self._refuse(request, None, Refusal(Cause.WRONG_PATH, path))
        return await self.handle(request, unquote(match[1], errors="replace"))

    def _note_tls(self, address: str) -> None:
        self._door.note(address, None, Cause.TLS, "TLS on a port without TLS: use ws://")

    # Requests

    async def handle(self, request: web.BaseRequest, identity: str) -> web.StreamResponse:
        """Serve a request that came for this identity, until its connection ends."""
        if self._stopping:
            return _gone()
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        self._serving.add(task)
        try:
            return await self._knock(request, identity)
        finally:
            self._serving.discard(task)

    async def _knock(self, request: web.BaseRequest, identity: str) -> web.StreamResponse:
        """Let a station in that proves to be one, or say why not."""
        version = negotiated(request.headers.get("Sec-WebSocket-Protocol"))
        link = Link(request, "" if version is None else version.subprotocol, self._timing)
        refusal = self._refusal_of(request, identity, link, version)
        if refusal is None:
            refusal = await self._door.judge(
                identity, link.address, request.headers.get("Authorization")
            )
        if refusal is None and identity in self._arriving:
            refusal = Refusal(Cause.DUPLICATE, "another attempt is under way")
        if refusal is not None:
            return self._refuse(request, identity, refusal)
        assert version is not None  # noqa: S101 - without one it was refused
        self._arriving.add(identity)
        try:
            await self._load(version)
            if not await self._make_room(identity):
                return self._refuse(request, identity, Refusal(Cause.DUPLICATE))
        finally:
            self._arriving.discard(identity)
        if self._stopping:
            # It began while the password was checked or room was made.
            return _gone()
        station = self._stations.get(identity)
        info = StationInfo(id=identity, protocol=version.subprotocol, address=link.address)
        if station is None:
            if not self._door.welcome(info):
                return self._refuse(request, identity, Refusal(Cause.TOO_MANY, "unknown stations"))
            info = self.pending[identity]
        connection = Connection(info, link, version, self._around, station)
        self._connections[identity] = connection
        try:
            return await self._serve(connection, station)
        finally:
            del self._connections[identity]
            connection.finished.set()
            self._door.leave(identity)

    async def _serve(
        self, connection: Connection, station: OcppStation | None
    ) -> web.StreamResponse:
        """Shake hands, and serve until the end."""
        identity, link = connection.info.id, connection.link
        try:
            response = await link.upgrade()
        except ConnectionError:
            return web.Response(status=HTTPStatus.BAD_REQUEST)
        cause = Cause.PENDING if station is None else Cause.CONNECTED
        self._door.note(link.address, identity, cause)
        try:
            await connection.serve()
        finally:
            if link.fault:
                self._door.note(link.address, identity, Cause.MISBEHAVED, link.fault)
            await link.close()
        return response

    async def _make_room(self, identity: str) -> bool:
        """End a connection of the same station that is dead; a live one keeps its place."""
        connection = self._connections.get(identity)
        if connection is None:
            return True
        if await connection.link.probe(self._timing.probe_s):
            return False
        connection.link.abort("replaced by a new connection")
        await connection.finished.wait()
        return True

    @staticmethod
    def _refusal_of(
        request: web.BaseRequest, identity: str, link: Link, version: Version | None
    ) -> Refusal | None:
        if not IDENTITY.fullmatch(identity):
            return Refusal(Cause.BAD_IDENTITY)
        if version is None:
            return Refusal(Cause.SUBPROTOCOL, request.headers["Sec-WebSocket-Protocol"])
        if request.method != "GET" or not link.can_upgrade:
            return Refusal(Cause.BAD_REQUEST, "not a WebSocket handshake")
        return None

    def _refuse(
        self, request: web.BaseRequest, identity: str | None, refusal: Refusal
    ) -> web.Response:
        """Note the knock and answer it; returned, not raised, so that nobody takes it for more."""
        self._door.note(request.remote or "unknown", identity, refusal.cause, refusal.detail)
        status = STATUS_OF[refusal.cause]
        headers = {}
        if status is HTTPStatus.UNAUTHORIZED:
            headers["WWW-Authenticate"] = 'Basic realm="OCPP"'
        elif status is HTTPStatus.TOO_MANY_REQUESTS:
            headers["Retry-After"] = "60"
        return web.Response(status=status, text=f"{refusal.cause}\n", headers=headers)

    async def _load(self, version: Version) -> None:
        """Read the schemas of a version once, outside the event loop."""
        if version.subprotocol not in self._loaded:
            await asyncio.to_thread(version.preload)
            self._loaded.add(version.subprotocol)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _gone() -> web.Response:
    return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE)


class _Server(web.Server):
    """A low-level server that notices clients who speak TLS to it."""

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        on_tls: Callable[[str], None],
    ) -> None:
        super().__init__(handler)
        self._on_tls = on_tls

    def __call__(self) -> RequestHandler:
        return _TlsAwareHandler(self, self._on_tls)


class _TlsAwareHandler(RequestHandler):
    __slots__ = ("_first", "_on_tls")

    def __init__(self, server: _Server, on_tls: Callable[[str], None]) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type] # it takes None, as its own tests show
            keepalive_timeout=IDLE_S,
        )
        self._on_tls = on_tls
        self._first = True

    def data_received(self, data: bytes) -> None:
        if self._first and data[:1] == TLS_HANDSHAKE:
            address = self.peername[0] if isinstance(self.peername, tuple) else "unknown"
            self._on_tls(address)
            self.force_close()
            return
        self._first = False
        super().data_received(data)
