"""The central system: accepts stations on its own port, or as requests handed in."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from http import HTTPStatus
import logging
import secrets
from typing import Any

from aiohttp import WSCloseCode, web

from ...core.model.station import StationInfo
from ..base import SiteEvents
from .certificates import CertificateFacts
from .connection import Connection
from .credentials import Credentials, Proof, SecurityProfile, Shown
from .door import IDENTITY, Cause, Door, Knock, Refusal
from .learned import Learned
from .limits import Limiter
from .link import Link, Timing
from .listener import TlsProvider
from .ports import Ports
from .station import OcppStation
from .turns import Turns
from .version import Surroundings, Version
from .versions import negotiated

DEFAULT_PORT = 9000

# Until a station connects and says what it speaks.
DEFAULT_PROTOCOL = "ocpp1.6"

# Where nothing tells when there is room again.
RETRY_AFTER_S = 60

STATUS_OF = {
    Cause.BAD_IDENTITY: HTTPStatus.NOT_FOUND,
    Cause.BAD_REQUEST: HTTPStatus.BAD_REQUEST,
    Cause.CERTIFICATE: HTTPStatus.FORBIDDEN,
    Cause.DUPLICATE: HTTPStatus.CONFLICT,
    Cause.INSECURE: HTTPStatus.FORBIDDEN,
    Cause.PASSWORD_MISSING: HTTPStatus.UNAUTHORIZED,
    Cause.TOO_MANY: HTTPStatus.TOO_MANY_REQUESTS,
    Cause.WRONG_PASSWORD: HTTPStatus.UNAUTHORIZED,
    Cause.WRONG_PATH: HTTPStatus.NOT_FOUND,
}


class CentralSystem:
    """Serves all stations of the site, and the strangers who want to become some.

    `on_pending` is told what a stranger is as soon as it told that itself, again at
    every connection, and `on_gone` the identity of one that does not wait any more. An
    identity becomes a station by `add_station`, also while it is connected. `on_learned` is
    told what a station taught us, as plain data to be handed to `add_station` after a
    restart. `key` is the secret of this installation, by which it is known after a restart
    which list of cards a station was given.
    """

    def __init__(
        self,
        events: SiteEvents,
        *,
        now: Callable[[], datetime],
        on_pending: Callable[[StationInfo], None] | None = None,
        on_gone: Callable[[str], None] | None = None,
        on_learned: Callable[[str, dict[str, Any]], None] | None = None,
        key: bytes | None = None,
        sample_interval_s: int = 10,
        fallback_current_a: int | None = None,
        timing: Timing | None = None,
        logger: logging.Logger | None = None,
    ) -> None:
        self._on_pending = on_pending
        self._on_learned = on_learned
        self._key = key or secrets.token_bytes()
        self._fallback_current_a = fallback_current_a
        self._timing = timing or Timing()
        self._door = Door(now, on_gone)
        self._around = Surroundings(
            events=events,
            now=now,
            timing=self._timing,
            sample_interval_s=sample_interval_s,
            on_introduced=self._introduced,
            logger=logger or logging.getLogger(__name__),
            turns=Turns(),
        )
        self._loaded: set[str] = set()
        self._stopping = False
        self._ports = Ports(self._door, self.handle, self._refuse)
        self._stations: dict[str, OcppStation] = {}
        self._connections: dict[str, Connection] = {}
        self._proofs: dict[str, Proof] = {}
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
        """Call the listener at every knock; returns what ends that.

        One with `Cause.EXPOSED` says that somebody reached us over the Internet without
        encryption or without a password.
        """
        return self._door.subscribe(listener)

    def security_profile(self, identity: str) -> SecurityProfile | None:
        """Return what a station that is connected proved, `None` where it is not."""
        proof = self._proofs.get(identity)
        if proof is None or identity not in self._stations:
            return None
        return self._door.profile_of(identity, proof)

    def proof(self, identity: str) -> Proof | None:
        """Return what a station that is connected showed, `None` where it is not."""
        return self._proofs.get(identity) if identity in self._stations else None

    def is_direct(self, identity: str) -> bool:
        """Return whether a station is connected to one of the own ports."""
        connection = self._connections.get(identity)
        port = None if connection is None else connection.link.local_port
        return port is not None and port in (self.port, self.tls_port)

    def require(self, identity: str, credentials: Credentials) -> None:
        """Change what a station has to show; where that is more, it has to connect again."""
        self._door.admit(identity, credentials)
        proof = self._proofs.get(identity)
        if proof is not None and not credentials.accepts(proof):
            self.reconnect(identity)

    def reconnect(self, identity: str) -> None:
        """Have a station connect again, which then shows what it has now."""
        if connection := self._connections.get(identity):
            self._spawn(connection.link.close(WSCloseCode.SERVICE_RESTART, "please log in"))

    def add_station(
        self,
        identity: str,
        password_hash: str | None = None,
        evses: int = 1,
        *,
        security_profile: int = SecurityProfile.NONE,
        certificates: frozenset[str] | None = None,
        credentials: Credentials | None = None,
        fallback_current_a: int | None = None,
        switches_phases: bool = False,
        learned: Mapping[str, Any] | None = None,
    ) -> OcppStation:
        """Make an identity a station; if it is connected and waits, it comes in now.

        For one that is a station already, the changes are taken over; if what it proved is
        not enough any more, it has to connect again. What the station has to show is said
        at `Credentials`, which may also be given as a whole. Raises `ValueError` for a profile
        that it cannot fulfil.
        """
        credentials = credentials or Credentials(
            security_profile=SecurityProfile(security_profile),
            password_hash=password_hash,
            certificates=certificates,
        )
        if fallback_current_a is None:
            fallback_current_a = self._fallback_current_a
        station = self._stations.get(identity)
        connection = self._connections.get(identity)
        is_new = station is None
        if station is None:
            info = connection.info if connection else self.pending.get(identity)
            info = info or StationInfo(id=identity, protocol=DEFAULT_PROTOCOL)
            known = Learned.from_dict(learned or {})
            if (told := self._on_learned) is not None:
                known.on_change = partial(told, identity)
            limiter = Limiter(self._around.now, known)
            station = OcppStation(
                info, self._around.events, limiter, self._around.logger, list_key=self._key
            )
            self._stations[identity] = station
        station.limiter.fallback_current_a = fallback_current_a
        station.limiter.switches_phases = switches_phases
        station.expect_evses(evses)
        self.require(identity, credentials)
        if connection and is_new and credentials.accepts(self._proofs[identity]):
            connection.adopt(station)
        return station

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
        if station:
            await station.forwarder.close()

    def _introduced(self, info: StationInfo) -> None:
        if info.id in self.pending:
            self._door.introduce(info)
            if self._on_pending is not None:
                self._on_pending(info)

    # The own ports

    @property
    def port(self) -> int | None:
        """The own port without TLS that is listened on, `None` while there is none."""
        return self._ports.plain

    @property
    def tls_port(self) -> int | None:
        """The own port with TLS that is listened on, `None` while there is none."""
        return self._ports.tls

    async def start(
        self,
        host: str | None = None,
        port: int | None = DEFAULT_PORT,
        *,
        tls_port: int | None = None,
        tls: TlsProvider | None = None,
    ) -> None:
        """Listen on own ports as well; one that is `None` stays closed.

        The port with TLS needs `tls`. It is asked at every connection (`tls.server_context`
        makes what it gives), so a new certificate needs no restart. Raises `PortInUseError`
        and `OSError`; then no port is open.
        """
        self._stopping = False
        try:
            if port is not None:
                await self._ports.open_plain(host, port)
            if tls_port is not None and tls is not None:
                await self._ports.open_tls(host, tls_port, tls)
        except BaseException:
            await self._ports.close()
            raise

    async def open_tls(self, host: str | None, port: int, tls: TlsProvider) -> None:
        """Listen with TLS, as `start` does. Raises `PortInUseError` and `OSError`."""
        await self._ports.open_tls(host, port, tls)

    async def close_tls(self) -> None:
        """Say goodbye to those who came to the port with TLS, and close it; others stay."""
        if (port := self.tls_port) is None:
            return
        links = [one.link for one in self._connections.values() if one.link.local_port == port]
        await asyncio.gather(
            *(link.close(WSCloseCode.GOING_AWAY, "port is closed") for link in links)
        )
        await self._ports.close_tls()

    async def stop(self) -> None:
        """Say goodbye to all stations and close the own ports; leaves nothing behind."""
        self._stopping = True
        connections = tuple(self._connections.values())
        await asyncio.gather(
            *(one.link.close(WSCloseCode.GOING_AWAY, "server stops") for one in connections)
        )
        if self._serving:
            await asyncio.wait(self._serving)
        await asyncio.gather(*(station.forwarder.close() for station in self._stations.values()))
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._ports.close()

    # Requests

    async def handle(
        self,
        request: web.BaseRequest,
        identity: str,
        certificate: CertificateFacts | None = None,
    ) -> web.StreamResponse:
        """Serve a request that came for this identity, until its connection ends.

        `certificate` is the client's, where TLS was told whom to trust for stations.
        """
        await self._around.turns.mine()
        if self._stopping:
            return _gone()
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in a task
        self._serving.add(task)
        try:
            return await self._knock(request, identity, certificate)
        finally:
            self._serving.discard(task)

    async def _knock(
        self, request: web.BaseRequest, identity: str, certificate: CertificateFacts | None
    ) -> web.StreamResponse:
        """Let a station in that proves to be one, or say why not."""
        version = negotiated(request.headers.get("Sec-WebSocket-Protocol"))
        link = Link(request, None if version is None else version.subprotocol, self._timing)
        refusal = self._refusal_of(request, identity, link)
        if version is None and refusal is None:
            return await self._part(request, identity, link)
        proof = refusal or await self._judge(request, identity, certificate)
        if isinstance(proof, Refusal):
            return self._refuse(request, identity, proof)
        assert version is not None  # noqa: S101 - without one it is gone
        self._arriving.add(identity)
        try:
            await self._load(version)
            if not await self._make_room(identity):
                return self._refuse(request, identity, Refusal(Cause.DUPLICATE))
        finally:
            self._arriving.discard(identity)
        if self._stopping or not self._door.accepts(identity, proof):
            # It began, or more is asked for, since the password was checked and room was made.
            return _gone()
        station = self._stations.get(identity)
        info = StationInfo(id=identity, protocol=version.subprotocol, address=link.address)
        if station is None:
            if not self._door.welcome(info):
                return self._refuse(request, identity, Refusal(Cause.TOO_MANY, "unknown stations"))
            info = self.pending[identity]
        connection = Connection(info, link, version, self._around, station)
        self._connections[identity] = connection
        self._proofs[identity] = proof
        try:
            return await self._serve(connection, station)
        finally:
            del self._connections[identity], self._proofs[identity]
            connection.finished.set()
            self._door.leave(identity)

    async def _judge(
        self, request: web.BaseRequest, identity: str, certificate: CertificateFacts | None
    ) -> Proof | Refusal:
        shown = Shown(
            address=request.remote or "unknown",
            # No header says so, only the socket, or a proxy that Home Assistant is told to trust.
            is_encrypted=request.secure,
            certificate=certificate,
            authorization=request.headers.get("Authorization"),
        )
        proof = await self._door.judge(identity, shown)
        if identity in self._arriving and isinstance(proof, Proof):
            return Refusal(Cause.DUPLICATE, "another attempt is under way")
        return proof

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
        self._door.note(
            link.address, identity, cause, security_profile=self.security_profile(identity)
        )
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

    async def _part(
        self, request: web.BaseRequest, identity: str, link: Link
    ) -> web.StreamResponse:
        """Part from who speaks no version of ours (OCPP-J 1.6 §3.2, OCPP 2.0.1 part 4 §3).

        Hands are shaken without a subprotocol, and the connection is closed at once.
        """
        offered = request.headers["Sec-WebSocket-Protocol"]
        self._door.note(link.address, identity, Cause.SUBPROTOCOL, offered)
        try:
            response = await link.upgrade()
        except ConnectionError:
            return web.Response(status=HTTPStatus.BAD_REQUEST)
        await link.close(WSCloseCode.PROTOCOL_ERROR, "no version of OCPP in common")
        return response

    def _refusal_of(self, request: web.BaseRequest, identity: str, link: Link) -> Refusal | None:
        is_identity = IDENTITY.fullmatch(identity) is not None
        haste = self._door.refuse_haste(link.address, identity if is_identity else None)
        if haste is not None:
            return haste
        if not is_identity:
            return Refusal(Cause.BAD_IDENTITY)
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
            headers["Retry-After"] = str(refusal.retry_after_s or RETRY_AFTER_S)
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
