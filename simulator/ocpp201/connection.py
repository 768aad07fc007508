"""How a station comes to a server that has accepted it, and comes back after losing it.

Dialling with back-off, Basic auth and subprotocol; BootNotification until it is accepted; then
three streams side by side: notices, heartbeats and transaction events (OCPP 2.0.1 B01 to B03).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
import itertools
import random
import uuid

from aiohttp import ClientError

from ..clock import parse_time
from ..connect import Socket
from ..frames import LinkDownError, NoAnswerError, Payload, RpcError
from ..rpc import Handler, Link
from .config import SUBPROTOCOLS, Version
from .internals import Internals
from .network import Networks
from .notices import Notices


class Connection:
    """The way of one station to its server."""

    def __init__(
        self,
        internals: Internals,
        networks: Networks,
        handler: Handler,
        notices: Notices,
        on_ready: Callable[[str | None], None],
    ) -> None:
        """Make a way that is not yet gone.

        `networks` knows where to dial, `handler` answers the server's calls, `on_ready` is called
        whenever the way is free, with the reason of the boot that has been accepted, if any.
        """
        self._in = internals
        self._config = internals.config
        self._networks = networks
        self._handler = handler
        self._notices = notices
        self._on_ready = on_ready
        self._random = random.Random(self._config.seed)
        self._socket: Socket | None = None
        self._network = asyncio.Event()
        self._network.set()
        self._not_before = 0.0
        self._wait_s = self._config.reconnect_s
        self._boot_now = asyncio.Event()
        self._accepted = asyncio.Event()
        self._next_heartbeat = 0.0
        self.boot_reason = "PowerUp"
        """The reason of the next BootNotification."""
        self.firmware = self._config.firmware
        self.version: Version = self._config.offered[0]
        """The version that was agreed on, the best one before that."""
        self.registration: str | None = None
        """The server's last word on BootNotification; None since power-up."""
        self.link: Link | None = None
        """The link, while there is one."""
        self.ready_link: Link | None = None
        """The link, while the server has accepted the station."""
        self.last_error: str | None = None
        """Why the last attempt to connect failed."""

    def own_link(self) -> Link:
        """Return the link; LinkDownError if there is none."""
        if self.link is None:
            raise LinkDownError("connection lost")
        return self.link

    async def tell(self, action: str, payload: Payload) -> Payload | None:
        """Send a call now or when the server next accepts the station, until it has heard it.

        Returns the answer, None if it was an error.
        """
        while True:
            await self._accepted.wait()
            try:
                return await self.own_link().call(action, payload)
            except LinkDownError:
                await self._in.clock.sleep(self._config.tick_s)
            except (RpcError, NoAnswerError) as err:
                self._in.books.note("not_told", action=action, why=str(err))
                return None

    async def drop(self, *, reset: bool = False) -> None:
        """Tear the connection away without a close."""
        self._lose_link()
        if self._socket is not None:
            await self._socket.drop(reset=reset)

    async def close(self) -> None:
        """Close the connection politely; it comes again."""
        if self._socket is not None:
            await self._socket.close()

    async def lose_network(self) -> None:
        """Drop the connection and do not dial until `find_network`."""
        self._network.clear()
        await self.drop()

    def find_network(self) -> None:
        """Dial again."""
        self._network.set()

    def power_up(self, reason: str) -> None:
        """Forget the registration, and dial only when the reboot is over."""
        self.registration = None
        self.boot_reason = reason
        self._accepted.clear()
        self._networks.power_up()
        self._not_before = self._in.clock.now() + self._config.reboot_s

    def boot_again(self) -> None:
        """Send the next BootNotification now, because the server asked for it (F06)."""
        self.boot_reason = "Triggered"
        self._boot_now.set()

    async def heartbeat(self) -> None:
        """Send one heartbeat; errors as `Link.call`."""
        self._set_clock((await self.own_link().call("Heartbeat", {}))["currentTime"])

    async def run(self) -> None:
        """Connect, and connect again, for ever."""
        while True:
            await self._network.wait()
            if (early := self._not_before - self._in.clock.now()) > 0:
                await self._in.clock.sleep(early)
                continue
            await self._dial_and_talk()
            wait = self._wait_s
            self._wait_s = min(2 * wait, self._config.reconnect_max_s)
            await self._in.clock.sleep(wait * self._random.uniform(0.8, 1.2))

    async def _dial_and_talk(self) -> None:
        """Talk until the connection ends."""
        offered = {SUBPROTOCOLS[version]: version for version in self._config.offered}
        try:
            socket = await Socket.open(
                self._networks.url,
                self._networks.identity,
                self._networks.password,
                subprotocols=tuple(offered),
                tls=self._networks.tls(),
                autoping=False,
                timeout_s=self._config.call_timeout_s,
            )
        except (ClientError, OSError) as err:  # TimeoutError is an OSError
            self._networks.failed()
            self.last_error = f"{type(err).__name__}: {err}"
            self._in.books.note("not_connected", why=self.last_error)
            return
        try:
            self._in.books.note("connected", subprotocol=socket.ws.protocol)
            if not self._network.is_set():  # it went while dialling
                return
            if socket.ws.protocol not in offered:
                self._in.books.violation("wrong_subprotocol", str(socket.ws.protocol))
                await socket.close(1002)
                return
            self._networks.reached()
            self.version = offered[socket.ws.protocol]
            await self._talk(socket)
        finally:
            await socket.drop()
            self._in.books.note("disconnected", code=socket.ws.close_code)

    async def _talk(self, socket: Socket) -> None:
        numbers = itertools.count(1)
        counted = self._config.message_ids == "counter"
        link = Link(
            socket.ws,
            self._handler,
            self._in.books.violation,
            version=self.version,
            call_timeout_s=self._config.call_timeout_s,
            next_id=lambda: str(next(numbers)) if counted else str(uuid.uuid4()),
            validate=self._config.validate,
        )
        self._socket, self.link, self.last_error = socket, link, None
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._session(link)),
                    group.create_task(self._ping(link)),
                ]
                await link.run()
                for task in tasks:
                    task.cancel()
        except* LinkDownError:
            pass
        finally:
            self._socket = None
            self._lose_link()

    async def _session(self, link: Link) -> None:
        booted = None
        if self.registration != "Accepted" or self._config.boot_on_reconnect:
            await self._register(link)
            self._notices.forget()
            booted = self.boot_reason
        self._notices.back()
        self.ready_link = link
        self._accepted.set()
        self._wait_s = self._config.reconnect_s
        self._next_heartbeat = self._in.clock.now() + self._heartbeat_interval
        self._on_ready(booted)
        event = "TransactionEvent"
        variables = self._in.variables
        async with asyncio.TaskGroup() as group:
            group.create_task(self._notices.deliver(link))
            group.create_task(self._heartbeats())
            group.create_task(
                self._in.outbox.deliver(
                    link,
                    lambda: variables.number(f"OCPPCommCtrlr.MessageAttempts[{event}]", 1),
                    lambda: variables.number(f"OCPPCommCtrlr.MessageAttemptInterval[{event}]"),
                )
            )

    @property
    def _heartbeat_interval(self) -> int:
        return self._in.variables.number("OCPPCommCtrlr.HeartbeatInterval", 300)

    def _lose_link(self) -> None:
        self.link = self.ready_link = None
        self._accepted.clear()

    async def _ping(self, link: Link) -> None:
        """Ping, and give the connection up if the answer does not come (WebSocketPingInterval)."""
        wanted = self._in.variables.number("OCPPCommCtrlr.WebSocketPingInterval")
        interval = wanted or self._config.ping_s
        while interval:
            pongs = link.pongs
            await link.ping()
            await self._in.clock.sleep(interval)
            if link.pongs == pongs:
                self._in.books.note("no_pong", waited_s=interval)
                raise LinkDownError("no pong")

    async def _register(self, link: Link) -> None:
        """Send BootNotifications until one is accepted; nothing else is sent meanwhile."""
        while True:
            self._boot_now.clear()
            interval = 0
            try:
                interval = await self._announce(link)
            except (RpcError, NoAnswerError) as err:
                self._in.books.note("boot_failed", why=str(err))
            if self.registration == "Accepted":
                return
            await self._sleep_or_boot(interval or self._config.boot_retry_s)

    async def _sleep_or_boot(self, seconds: float) -> None:
        """Wait for the interval, or for a trigger."""
        waits = [
            asyncio.ensure_future(self._boot_now.wait()),
            asyncio.ensure_future(self._in.clock.sleep(seconds)),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    async def _announce(self, link: Link) -> int:
        """Send one BootNotification and take over the answer; return its interval."""
        config = self._config
        answer = await link.call(
            "BootNotification",
            {
                "reason": self.boot_reason,
                "chargingStation": {
                    "vendorName": config.vendor[:50],
                    "model": config.model[:20],
                    "serialNumber": (config.serial or config.identity)[:25],
                    "firmwareVersion": self.firmware[:50],
                },
            },
        )
        self.registration = answer["status"]
        interval: int = answer["interval"]
        self._in.books.note("boot", status=self.registration, interval=interval)
        self._set_clock(answer["currentTime"])
        if self.registration == "Accepted" and interval > 0:
            self._in.variables.set("OCPPCommCtrlr.HeartbeatInterval", str(interval))
        return interval

    async def _heartbeats(self) -> None:
        while True:
            await self._in.clock.sleep(self._config.tick_s)
            interval, now = self._heartbeat_interval, self._in.clock.now()
            self._next_heartbeat = min(self._next_heartbeat, now + interval)
            if interval > 0 and now >= self._next_heartbeat:
                self._next_heartbeat = now + interval
                try:
                    await self.heartbeat()
                except (RpcError, NoAnswerError) as err:
                    self._in.books.note("heartbeat_failed", why=str(err))

    def _set_clock(self, text: str) -> None:
        try:
            self._in.time.set(parse_time(text))
        except ValueError as err:
            self._in.books.violation("bad_time", str(err))
