"""A broker that Forecourt connects to by itself, such as the one inside an openWB."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
import logging
from pathlib import Path
import secrets
import socket
import ssl
from tempfile import TemporaryDirectory
from typing import Self

from aiomqtt import Client, MqttCodeError, MqttError
from cryptography.hazmat.primitives import serialization
from paho.mqtt.reasoncodes import ReasonCode

from ..declarative.link import LinkError, LinkFault
from .broker import Listener, Unsubscribe, matches

_LOGGER = logging.getLogger(__name__)
_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 60.0
_NOT_LET_IN = {134, 135, 140}
"""Reason codes for a wrong user or password, and for one that may not (MQTT 5 §3.2.2.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """What TLS needs, as PEM text. `authorities`: `None` are those that the machine trusts."""

    authorities: str | None = None
    certificate: str | None = None
    key: str | None = field(default=None, repr=False)
    check_name: bool = True

    def context(self) -> ssl.SSLContext:
        """Return the context of a connection. Blocks: run it in an executor.

        Raises `ssl.SSLError` and `ValueError` for what is no certificate or key.
        """
        context = ssl.create_default_context(cadata=self.authorities)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = self.check_name
        if self.authorities is not None:
            # Boxes often come with a certificate that they signed themselves, and not by the book.
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        if self.certificate is not None and self.key is not None:
            _load(context, self.certificate, self.key)
        return context


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a broker is, and who we are to it."""

    host: str
    port: int = 1883
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: Tls | None = None


class OwnBroker:
    """A client of one broker: an asynchronous context manager, one task, several boxes.

    Entering it does not wait for the connection; `wait_connected` does. It implements `Broker`.
    """

    def __init__(
        self,
        address: Address,
        *,
        timeout_s: float = 10.0,
        keepalive_s: int = 30,
        first_wait_s: float = _FIRST_WAIT_S,
        longest_wait_s: float = _LONGEST_WAIT_S,
    ) -> None:
        """Remember where to go; after a failure the waits double from first to longest."""
        self._address = address
        self._timeout_s = timeout_s
        self._keepalive_s = keepalive_s
        self._first_wait_s = first_wait_s
        self._longest_wait_s = longest_wait_s
        self._client: Client | None = None
        self._connected = False
        self._fault = LinkError(LinkFault.TIMEOUT, "no connection to the MQTT broker yet")
        self._listeners: defaultdict[str, list[Listener]] = defaultdict(list)
        self._watchers: list[Callable[[bool], None]] = []
        self._tried = asyncio.Condition()
        self._attempts = 0
        self._task: asyncio.Task[None] | None = None
        self._leaving: set[asyncio.Task[None]] = set()

    @property
    def connected(self) -> bool:
        """Whether the broker answers now."""
        return self._connected

    async def __aenter__(self) -> Self:
        """Start connecting."""
        self._task = asyncio.create_task(self._run(), name=f"MQTT {self._address.host}")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect."""
        await self.close()

    async def close(self) -> None:
        """Disconnect; may be called twice."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        for leaving in self._leaving:
            leaving.cancel()
        await asyncio.gather(*self._leaving, return_exceptions=True)

    async def wait_connected(self) -> None:
        """Return when there is a connection; raises why there is none after the next failure."""
        async with self._tried:
            seen = self._attempts
            await self._tried.wait_for(lambda: self.connected or self._attempts > seen)
        if not self.connected:
            raise _again(self._fault)

    async def subscribe(self, topic: str, listener: Listener) -> Unsubscribe:
        """Listen to a topic, now and after every reconnection. `LinkError` if refused."""
        self._listeners[topic].append(listener)

        def unsubscribe() -> None:
            with suppress(ValueError):
                self._listeners[topic].remove(listener)
            if not self._listeners[topic]:
                del self._listeners[topic]
                self._leave(topic)

        if self._client is not None:
            try:
                await self._subscribe(self._client, topic)
            except MqttError as err:
                unsubscribe()
                raise _told(err) from None
        return unsubscribe

    async def publish(
        self, topic: str, payload: str, *, qos: int = 0, retain: bool = False
    ) -> None:
        """Hand a message to the broker. Raises `LinkError` without a connection."""
        if self._client is None:
            raise _again(self._fault)
        try:
            await self._client.publish(topic, payload, qos=qos, retain=retain)
        except MqttError as err:
            raise _told(err) from None

    def on_connection(self, listener: Callable[[bool], None]) -> Unsubscribe:
        """Call `listener` when the connection comes (True) and goes (False)."""
        self._watchers.append(listener)

        def stop() -> None:
            with suppress(ValueError):
                self._watchers.remove(listener)

        return stop

    async def _run(self) -> None:
        wait_s = self._first_wait_s
        while True:
            try:
                async with await self._make_client() as client:
                    # From now on who subscribes does it at once, so nobody is forgotten.
                    self._client = client
                    for topic in tuple(self._listeners):
                        await self._subscribe(client, topic)
                    wait_s = self._first_wait_s
                    await self._change(connected=True)
                    async for message in client.messages:
                        self._dispatch(message.topic.value, message.payload, message.retain)
            except MqttError as err:
                self._fault = _told(err)
            except (OSError, ValueError) as err:  # of certificates
                self._fault = LinkError(LinkFault.NOT_AUTHENTICATED, type(err).__name__)
            finally:
                self._client = None
                await self._change(connected=False)
            _LOGGER.debug("MQTT broker %s: %s", self._address.host, self._fault)
            await asyncio.sleep(wait_s)
            wait_s = min(2 * wait_s, self._longest_wait_s)

    async def _make_client(self) -> Client:
        at = self._address
        context = None if at.tls is None else await asyncio.to_thread(at.tls.context)
        return Client(
            at.host,
            at.port,
            username=at.username,
            password=at.password,
            identifier=f"forecourt-{secrets.token_hex(4)}",
            tls_context=context,
            timeout=self._timeout_s,
            keepalive=self._keepalive_s,
            # An order is a few bytes: nothing is gained by waiting for more of them.
            socket_options=((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),),
        )

    async def _subscribe(self, client: Client, topic: str) -> None:
        codes = await client.subscribe(topic)
        refused = [code for code in codes if isinstance(code, ReasonCode) and code.is_failure]
        if refused:
            # A box's broker may keep others from some of its topics; the rest is still told.
            _LOGGER.debug("MQTT broker %s refuses %s", self._address.host, topic)

    async def _change(self, *, connected: bool) -> None:
        changed = connected != self._connected
        self._connected = connected
        async with self._tried:
            self._attempts += 1
            self._tried.notify_all()
        if changed:
            for watcher in tuple(self._watchers):
                watcher(connected)

    def _dispatch(self, topic: str, payload: object, retained: bool) -> None:
        data = payload if isinstance(payload, bytes) else b""
        for pattern, listeners in tuple(self._listeners.items()):
            if matches(pattern, topic):
                for listener in tuple(listeners):
                    listener(topic, data, retained)

    def _leave(self, topic: str) -> None:
        client = self._client
        if client is None or self._task is None:
            return

        async def leave() -> None:
            if topic in self._listeners:  # somebody has come meanwhile
                return
            with suppress(MqttError):
                await client.unsubscribe(topic)

        task = asyncio.create_task(leave())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)


def _told(err: MqttError) -> LinkError:
    """Return the same in our words; a broker's own have no secret in them."""
    if isinstance(err, MqttCodeError):
        if isinstance(err.rc, ReasonCode):
            let_in = err.rc.value not in _NOT_LET_IN
            return LinkError(LinkFault.REFUSED if let_in else LinkFault.NOT_AUTHENTICATED, str(err))
        return LinkError(LinkFault.REFUSED, "the MQTT connection broke")
    text = str(err)
    if "timed out" in text:
        return LinkError(LinkFault.TIMEOUT, text)
    if "CERTIFICATE" in text or "SSL" in text:
        return LinkError(LinkFault.NOT_AUTHENTICATED, text)
    return LinkError(LinkFault.REFUSED, text)


def _again(error: LinkError) -> LinkError:
    """Return a new one: a raised exception keeps its traceback, and with it what was at hand."""
    return LinkError(error.fault, error.detail)


def _load(context: ssl.SSLContext, certificate: str, key: str) -> None:
    """Hand over a key, which OpenSSL takes from a file only: encrypted, so no disk keeps it."""
    password = secrets.token_bytes(32).hex().encode()
    encrypted = serialization.load_pem_private_key(key.encode(), None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password),
    )
    with TemporaryDirectory(prefix="forecourt") as folder:
        file = Path(folder, "key.pem")
        file.touch(mode=0o600)
        file.write_bytes(encrypted + certificate.encode())
        context.load_cert_chain(file, password=password)
