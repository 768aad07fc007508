"""The central system's own ports, and what is told of who does not get as far as a request."""

import asyncio
from collections.abc import Awaitable, Callable
import re
import ssl
from urllib.parse import unquote

from aiohttp import web

from .certificates import CertificateError, CertificateFacts, facts_of
from .door import Cause, Door, Refusal
from .listener import Listener, TlsProvider, plain_listener, tls_listener

type Serve = Callable[
    [web.BaseRequest, str, CertificateFacts | None], Awaitable[web.StreamResponse]
]
type Refuse = Callable[[web.BaseRequest, str | None, Refusal], web.Response]

_PATH = re.compile(r"/([^/]+)/?")


class Ports:
    """Up to two ports, where the path is the identity of the station."""

    def __init__(self, door: Door, serve: Serve, refuse: Refuse) -> None:
        self._door = door
        self._serve = serve
        self._refuse = refuse
        self._plain: Listener | None = None
        self._tls: Listener | None = None

    @property
    def plain(self) -> int | None:
        """The port without TLS that is listened on."""
        return None if self._plain is None else self._plain.port

    @property
    def tls(self) -> int | None:
        """The port with TLS that is listened on."""
        return None if self._tls is None else self._tls.port

    async def open_plain(self, host: str | None, port: int) -> None:
        """Listen without TLS. Raises `PortInUseError` and `OSError`."""
        listener = plain_listener(self._handle_plain, self._note_tls)
        await listener.start(host, port)
        self._plain = listener

    async def open_tls(self, host: str | None, port: int, tls: TlsProvider) -> None:
        """Listen with TLS. Raises `PortInUseError` and `OSError`."""
        listener = tls_listener(
            self._handle_tls,
            tls,
            may_connect=self._may_connect,
            on_failure=self._note_handshake,
        )
        await listener.start(host, port)
        self._tls = listener

    async def close_tls(self) -> None:
        """Close the port with TLS, if it is open."""
        listener, self._tls = self._tls, None
        if listener is not None:
            await listener.stop()

    async def close(self) -> None:
        """Close what is open."""
        listeners = (self._plain, self._tls)
        self._plain = self._tls = None
        await asyncio.gather(*(one.stop() for one in listeners if one is not None))

    # Requests

    async def _handle_plain(self, request: web.BaseRequest) -> web.StreamResponse:
        return await self._handle(request, None)

    async def _handle_tls(self, request: web.BaseRequest) -> web.StreamResponse:
        der = request.get_extra_info("ssl_object").getpeercert(binary_form=True)
        try:
            certificate = None if der is None else facts_of(der)
        except CertificateError as err:
            return self._refuse(request, None, Refusal(Cause.CERTIFICATE, str(err)))
        return await self._handle(request, certificate)

    async def _handle(
        self, request: web.BaseRequest, certificate: CertificateFacts | None
    ) -> web.StreamResponse:
        match = _PATH.fullmatch(request.rel_url.raw_path)
        if match is None:
            path = request.rel_url.raw_path + ("?…" if request.rel_url.raw_query_string else "")
            refusal = self._door.refuse_haste(request.remote or "unknown")
            return self._refuse(request, None, refusal or Refusal(Cause.WRONG_PATH, path))
        return await self._serve(request, unquote(match[1], errors="replace"), certificate)

    # What is none

    def _note_tls(self, address: str) -> None:
        self._door.note(address, None, Cause.TLS, "TLS on a port without TLS: use ws://")

    def _may_connect(self, address: str) -> bool:
        refusal = self._door.refuse_haste(address)
        if refusal is not None:
            self._door.note(address, None, refusal.cause, refusal.detail)
        return refusal is None

    def _note_handshake(self, address: str, error: OSError) -> None:
        match error:
            case ssl.SSLCertVerificationError():
                cause, detail = Cause.CERTIFICATE, error.verify_message
            case ssl.SSLError(reason="HTTP_REQUEST"):
                cause, detail = Cause.INSECURE, "came without TLS to a port for wss://"
            case ssl.SSLError(reason=str(reason)):
                cause, detail = Cause.HANDSHAKE, reason.lower().replace("_", " ")
            case ConnectionAbortedError():
                cause, detail = Cause.HANDSHAKE, "it took too long"
            case _:
                cause, detail = Cause.HANDSHAKE, "it ended the connection"
        self._door.note(address, None, cause, detail)
