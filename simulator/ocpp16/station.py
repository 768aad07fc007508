"""An OCPP 1.6J charging station: its power, its connection, its registration, its timers.

What happens at a connector is in `connector`, what the server may ask in `commands`, the card reader
in `cards`. The physics go on whatever becomes of the connection.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from datetime import datetime
import itertools
import logging
import random
from types import TracebackType
from typing import Any, Self
import uuid

from aiohttp import ClientError

from .. import faults
from ..books import Books, BooksFile
from ..cars import Car, CarModel
from ..clock import Clock, StationClock, parse_time, wire_time
from ..connect import Socket
from ..rpc import FollowUp, Link, LinkDownError, NoAnswerError, Payload, RpcError
from ..sharing import share
from .authorisation import LocalAuth
from .cards import CardReader, TapResult
from .commands import Commands
from .config import StationConfig
from .connector import Connector, Internals
from .outbox import Outbox
from .profiles import Abilities, Limit, Profiles
from .settings import Settings

_LOGGER = logging.getLogger(__name__)
_POLL_S = 0.01


class Ocpp16Station:
    """A station that dials in at `<url>/<identity>`: `async with Ocpp16Station(config, url) as station`."""

    def __init__(
        self,
        config: StationConfig,
        url: str,
        *,
        clock: Clock | None = None,
        books_file: BooksFile | None = None,
    ) -> None:
        """Make a station; nothing happens before `start`. ValueError for impossible settings."""
        self.config = config
        self.url = url
        self.clock = clock or Clock()
        self.books = Books(config.identity, file=books_file, utc=self.clock.utc)
        self.time = StationClock(self.clock, battery_backed=config.battery_backed_clock)
        self.settings = Settings(config)
        self.outbox = Outbox(self.clock, self.books)
        self.profiles = Profiles(
            config.connectors,
            Abilities(
                units=config.rate_units,
                phases=config.phases,
                voltage_v=config.voltage_v,
                max_current_a=config.max_current_a,
            ),
        )
        self.internals = Internals(
            config=config,
            clock=self.clock,
            time=self.time,
            books=self.books,
            settings=self.settings,
            outbox=self.outbox,
            profiles=self.profiles,
            local_auth=LocalAuth(),
            advance=self._advance,
            changed=self._changed,
        )
        self.connectors = {
            number: Connector(self.internals, number) for number in range(1, config.connectors + 1)
        }
        self.cards = CardReader(self.internals, self.connectors, lambda: self._ready_link)
        self.operative = True
        """Connector 0."""
        self.registration: str | None = None
        """The server's last word on BootNotification; None since power-up."""
        self.link: Link | None = None
        """The connection, while there is one."""
        self.silent_calls = 0
        """So many calls of the server to come stay unanswered."""
        self.last_error: str | None = None
        """Why the last attempt to connect failed."""
        self.powered = True
        self._commands = Commands(self)
        self._password = config.password
        self._random = random.Random(config.seed)
        self._socket: Socket | None = None
        self._ready_link: Link | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._may_connect = asyncio.Event()
        self._may_connect.set()
        self._connect_from = 0.0
        self._boot_now = asyncio.Event()
        self._plant_time = self.clock.plant()
        self._power_lost: datetime | None = None
        self._seen: dict[int, tuple[tuple[str, str], float]] = {}
        self._posted: dict[int, tuple[str, str]] = {}
        self._statuses: deque[tuple[int, Payload]] = deque()
        self._status_waiting = asyncio.Event()
        self._next_heartbeat = 0.0
        self._next_aligned: float | None = None

    # --- from outside -----------------------------------------------------------------------------

    async def start(self) -> None:
        """Switch on: connect, boot, charge, until `stop`."""
        self._plant_time = self.clock.plant()
        self._spawn(self._connect_forever())
        self._spawn(self._tick_forever())

    async def stop(self) -> None:
        """End everything; closes the connection politely."""
        if self._socket is not None:
            await self._socket.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        await self.stop()

    @property
    def online(self) -> bool:
        """Whether there is a connection."""
        return self.link is not None

    @property
    def ready(self) -> bool:
        """Whether there is a connection and the server has accepted the station."""
        return self._ready_link is not None

    def connector(self, number: int) -> Connector:
        """Return a connector; ValueError says which there are."""
        if number not in self.connectors:
            raise ValueError(
                f"no connector {number}; there is {', '.join(map(str, self.connectors))}"
            )
        return self.connectors[number]

    async def plug(
        self,
        connector: int,
        car: Car | CarModel | str,
        *,
        soc: float = 0.3,
        target_soc: float = 1.0,
    ) -> Car:
        """Plug a car in and return it: a car, a model, or a name from the catalogue.

        ValueError: no such connector or car, or the connector has one.
        """
        if isinstance(car, str):
            car = Car.named(car, soc, target_soc)
        elif isinstance(car, CarModel):
            car = Car(car, soc, target_soc)
        self.connector(connector).plug(car)
        return car

    async def unplug(self, connector: int = 1) -> Car:
        """Plug the car out and return it; ValueError if there is none."""
        return self.connector(connector).unplug()

    async def tap(self, card: str, connector: int | None = None) -> TapResult:
        """Hold a card to the reader and return what it led to."""
        chosen = None if connector is None else self.connector(connector)
        return await self.cards.tap(card, chosen)

    async def wake(self, connector: int = 1) -> None:
        """Toggle the control pilot, which wakes a car that has fallen asleep."""
        self._advance()
        self.connector(connector).evse.toggle_pilot()

    async def fault(self, name: str, **parameters: Any) -> dict[str, Any]:
        """Do one of `simulator.faults`; ValueError says what there is."""
        self.books.note("fault", fault=name, **parameters)
        return await faults.apply(self, name, parameters)

    async def wait_for(self, condition: Callable[[Self], object], timeout: float = 5.0) -> None:
        """Wait until something is true of the station; TimeoutError with its state if it does not come."""
        try:
            async with asyncio.timeout(timeout):
                while not condition(self):
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            raise TimeoutError(f"still waiting after {timeout} s: {self.state()}") from None

    def state(self) -> dict[str, Any]:
        """Return a snapshot, ready for JSON."""
        self._advance()
        return {
            "station": self.config.identity,
            "powered": self.powered,
            "online": self.online,
            "registration": self.registration,
            "time": wire_time(self.time.now()),
            "queued": len(self.outbox),
            "last_error": self.last_error,
            "connectors": [_connector_state(one) for one in self.connectors.values()],
        }

    # --- power and connection, as the faults use them ---------------------------------------------

    async def drop(self, *, reset: bool = False) -> None:
        """Tear the connection away without a close."""
        if self._socket is not None:
            await self._socket.drop(reset=reset)

    async def go_offline(self) -> None:
        """Lose the network until `come_online`."""
        self._may_connect.clear()
        await self.drop()

    def come_online(self) -> None:
        """Have the network again."""
        self._connect_from = 0.0
        if self.powered:
            self._may_connect.set()

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        """Do something after wall seconds, unless the station is stopped before."""

        async def wait() -> None:
            await self.clock.sleep(seconds)
            what()

        self._spawn(wait())

    async def lose_power(self) -> None:
        """Lose the mains: no current, no connection."""
        if not self.powered:
            return
        self._advance()
        self.powered = False
        self._power_lost = self.time.now()
        for one in self.connectors.values():
            one.evse.powered = False
        await self.go_offline()

    def return_power(self) -> None:
        """Have the mains again: boot, and end what was running with PowerLoss."""
        if self.powered:
            return
        self._advance()
        self.powered = True
        for one in self.connectors.values():
            one.evse.powered = True
        self._boot("PowerLoss", at=self._power_lost)
        self.come_online()
        self._connect_from = self.clock.now() + self.config.reboot_s

    async def crash(self) -> None:
        """Reboot at once, without a word to the server."""
        self._boot("Reboot")
        await self.drop()

    def reset(self, reason: str, *, gently: bool) -> None:
        """Reboot because the server said so; gently means after delivering what is queued."""

        async def do() -> None:
            for one in self.connectors.values():
                one.stop(reason)
            if gently:
                end = self.clock.now() + self.config.reset_flush_s
                while len(self.outbox) and self.ready and self.clock.now() < end:
                    await self.clock.sleep(self.config.tick_s)
            self._boot(reason)
            if self._socket is not None:
                await self._socket.close()

        self._spawn(do())

    async def use_new_password(self) -> None:
        """Connect again with the AuthorizationKey that the server has set."""
        key = self.settings.text("AuthorizationKey")
        self._password = key
        if self.config.authorization_key_hex:
            try:
                self._password = bytes.fromhex(key)
            except ValueError:
                pass
        socket = self._socket
        if socket is not None:
            self._spawn(socket.close())

    def triggered(self, message: str, connector: int | None) -> FollowUp | None:
        """Return what a TriggerMessage sets off; None if this station cannot."""
        chosen = list(self.connectors.values()) if not connector else [self.connectors[connector]]

        async def boot() -> None:
            self._boot_now.set()
            if self.registration == "Accepted":
                await self._announce(self._own_link())

        async def heartbeat() -> None:
            await self._heartbeat(self._own_link())

        async def readings() -> None:
            for one in chosen:
                message = one.reading("Trigger")
                if message is not None and message.fill is not None:
                    message.fill(message.payload)
                    self.books.mark(message.readings[0], "sent")
                    await self._own_link().call("MeterValues", message.payload)
                    self.books.mark(message.readings[0], "confirmed")

        async def statuses() -> None:
            numbers = [connector] if connector is not None else [0, *self.connectors]
            for number in numbers:
                payload = self._status_payload(number, self._status(number))
                await self._own_link().call("StatusNotification", payload)

        async def idle(action: str) -> None:
            await self._own_link().call(action, {"status": "Idle"})

        return {
            "BootNotification": boot,
            "Heartbeat": heartbeat,
            "MeterValues": readings,
            "StatusNotification": statuses,
            "DiagnosticsStatusNotification": lambda: idle("DiagnosticsStatusNotification"),
            "FirmwareStatusNotification": lambda: idle("FirmwareStatusNotification"),
        }.get(message)

    # --- the connection ---------------------------------------------------------------------------

    async def _connect_forever(self) -> None:
        wait = self.config.reconnect_s
        while True:
            await self._may_connect.wait()
            if (early := self._connect_from - self.clock.now()) > 0:
                await self.clock.sleep(early)
                continue
            try:
                socket = await Socket.open(
                    self.url, self.config.identity, self._password, ping_s=self.config.ping_s
                )
            except (ClientError, OSError, TimeoutError) as err:
                self.last_error = f"{type(err).__name__}: {err}"
                self.books.note("not_connected", why=self.last_error)
            else:
                self.books.note("connected", subprotocol=socket.ws.protocol)
                if await self._use(socket):
                    wait = self.config.reconnect_s
                self.books.note("disconnected", code=socket.ws.close_code)
            await self.clock.sleep(wait * self._random.uniform(0.8, 1.2))
            wait = min(2 * wait, self.config.reconnect_max_s)

    async def _use(self, socket: Socket) -> bool:
        """Talk until the connection ends; return whether the server ever accepted the station."""
        if socket.ws.protocol != "ocpp1.6":
            self.books.violation("wrong_subprotocol", str(socket.ws.protocol))
            await socket.close(1002)
            return False
        numbers = itertools.count(1)
        counted = self.config.message_ids == "counter"
        link = Link(
            socket.ws,
            self._commands.handle,
            self.books.violation,
            call_timeout_s=self.config.call_timeout_s,
            next_id=lambda: str(next(numbers)) if counted else str(uuid.uuid4()),
            validate=self.config.validate,
        )
        self._socket, self.link, self.last_error = socket, link, None
        accepted = False
        try:
            async with asyncio.TaskGroup() as group:
                session = group.create_task(self._session(link))
                await link.run()
                session.cancel()
        except* LinkDownError:
            pass
        finally:
            accepted = self._ready_link is not None
            self._socket = self.link = self._ready_link = None
            self._statuses.clear()
            await socket.drop()
        return accepted

    async def _session(self, link: Link) -> None:
        if self.registration != "Accepted" or self.config.boot_on_reconnect:
            await self._register(link)
            self._posted.clear()
        self._ready_link = link
        self._next_heartbeat = self.clock.now() + self.settings.number("HeartbeatInterval")
        self._changed()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._send_statuses(link))
            group.create_task(self._send_heartbeats(link))
            group.create_task(
                self.outbox.deliver(
                    link,
                    lambda: self.settings.number("TransactionMessageAttempts"),
                    lambda: self.settings.number("TransactionMessageRetryInterval"),
                )
            )

    async def _register(self, link: Link) -> None:
        """Send BootNotifications until one is accepted (§4.2); nothing else is sent meanwhile."""
        while True:
            self._boot_now.clear()
            try:
                interval = await self._announce(link)
            except (RpcError, NoAnswerError) as err:
                self.books.note("boot_failed", why=str(err))
                interval = 0
            if self.registration == "Accepted":
                return
            triggered = asyncio.ensure_future(self._boot_now.wait())
            waited = asyncio.ensure_future(self.clock.sleep(interval or self.config.boot_retry_s))
            try:
                await asyncio.wait({triggered, waited}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                triggered.cancel()
                waited.cancel()

    async def _announce(self, link: Link) -> int:
        """Send one BootNotification and take over the answer; return its interval."""
        config = self.config
        answer = await link.call(
            "BootNotification",
            {
                "chargePointVendor": config.vendor[:20],
                "chargePointModel": config.model[:20],
                "chargePointSerialNumber": (config.serial or config.identity)[:25],
                "firmwareVersion": config.firmware[:50],
            },
        )
        self.registration = answer["status"]
        interval: int = answer["interval"]
        self.books.note("boot", status=self.registration, interval=interval)
        self._set_clock(answer["currentTime"])
        if self.registration == "Accepted" and interval > 0:
            self.settings.set("HeartbeatInterval", str(interval))
        return interval

    async def _send_heartbeats(self, link: Link) -> None:
        while True:
            await self.clock.sleep(self.config.tick_s)
            interval = self.settings.number("HeartbeatInterval")
            now = self.clock.now()
            self._next_heartbeat = min(self._next_heartbeat, now + interval)
            if interval > 0 and now >= self._next_heartbeat:
                self._next_heartbeat = now + interval
                try:
                    await self._heartbeat(link)
                except (RpcError, NoAnswerError) as err:
                    self.books.note("heartbeat_failed", why=str(err))

    async def _heartbeat(self, link: Link) -> None:
        self._set_clock((await link.call("Heartbeat", {}))["currentTime"])

    async def _send_statuses(self, link: Link) -> None:
        while True:
            while not self._statuses:
                self._status_waiting.clear()
                await self._status_waiting.wait()
            number, payload = self._statuses.popleft()
            try:
                await link.call("StatusNotification", payload)
            except LinkDownError, asyncio.CancelledError:
                self._posted.pop(number, None)
                raise
            except (RpcError, NoAnswerError) as err:
                self.books.note("status_failed", connector=number, why=str(err))

    def _set_clock(self, text: str) -> None:
        try:
            self.time.set(parse_time(text))
        except ValueError as err:
            self.books.violation("bad_time", str(err))

    def _own_link(self) -> Link:
        if self.link is None:
            raise LinkDownError("connection lost")
        return self.link

    # --- the plant --------------------------------------------------------------------------------

    async def _tick_forever(self) -> None:
        while True:
            await self.clock.sleep(self.config.tick_s)
            self._advance()
            if self.powered:
                for one in self.connectors.values():
                    one.tick()
                self._tick_aligned()
                self._changed()

    def _tick_aligned(self) -> None:
        """Send clock-aligned readings: at whole multiples of the interval since midnight (§9.1.6)."""
        interval = self.settings.number("ClockAlignedDataInterval")
        if interval == 0:
            self._next_aligned = None
            return
        moment = self.time.now().timestamp()
        if self._next_aligned is not None and moment >= self._next_aligned:
            for one in self.connectors.values():
                one.send_reading("Sample.Clock")
            self._next_aligned = None
        if self._next_aligned is None:
            self._next_aligned = (moment // interval + 1) * interval

    def _advance(self) -> None:
        """Bring the plant up to now."""
        now = self.clock.plant()
        elapsed, self._plant_time = now - self._plant_time, now
        for one in self.connectors.values():
            one.evse.step(elapsed)

    def _changed(self) -> None:
        """Apply the limits that hold now, then report what has become of the connectors."""
        self._apply_limits()
        if not self.powered:
            return
        hold = self.settings.number("MinimumStatusDuration")
        now = self.clock.now()
        for number in (0, *self.connectors):
            status = self._status(number)
            if self._seen.get(number, (None, 0.0))[0] != status:
                self._seen[number] = (status, now)
            first = number not in self._posted
            if self._posted.get(number) == status or not self.ready:
                continue
            if first or now - self._seen[number][1] >= hold:
                self._posted[number] = status
                self._statuses.append((number, self._status_payload(number, status)))
                self._status_waiting.set()

    def _apply_limits(self) -> None:
        now = self.time.now()
        wired = self.config.phases
        limits: dict[int, float] = {}
        for number, one in self.connectors.items():
            limit = self.profiles.limit(number, now, one.charge) or Limit(self.config.max_current_a)
            suspended = one.transaction is not None and one.transaction.suspended
            limits[number] = 0.0 if suspended else min(limit.amps, self.config.max_current_a)
            if self.config.phase_switching:
                one.evse.phases_offered = limit.phases or wired
        cap = self.profiles.cap(now)
        budgets = [limit for limit in (cap, self.config.feed_current_a) if limit is not None]
        running = [one for one in self.connectors.values() if one.transaction is not None]
        running.sort(key=lambda one: one.transaction.record.number if one.transaction else 0)
        if budgets:
            shares = share([limits[one.number] for one in running], min(budgets))
            limits |= {one.number: amps for one, amps in zip(running, shares, strict=True)}
        for number, one in self.connectors.items():
            one.evse.limit_a = limits[number]

    def _status(self, number: int) -> tuple[str, str]:
        if number:
            one = self.connectors[number]
            return one.status, one.error_code
        return "Available" if self.operative else "Unavailable", "NoError"

    def _status_payload(self, number: int, status: tuple[str, str]) -> Payload:
        return {
            "connectorId": number,
            "status": status[0],
            "errorCode": status[1],
            "timestamp": wire_time(self.time.now()),
        }

    def _boot(self, reason: str, *, at: datetime | None = None) -> None:
        """Come up again: end what was running, forget what no memory keeps."""
        for one in self.connectors.values():
            one.stop(reason, at=at)
            one.grant = None
            one.finished = False
        self.registration = None
        self.time.power_up()
        self._connect_from = self.clock.now() + self.config.reboot_s
        self._password = self._password if self._password is not None else self.config.password

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOGGER.error("The simulated station %s failed", self.config.identity, exc_info=error)


def _connector_state(one: Connector) -> dict[str, Any]:
    evse, running = one.evse, one.transaction
    return {
        "connector": one.number,
        "status": one.status,
        "error_code": one.error_code,
        "plug_state": str(evse.state),
        "car": None if evse.car is None else evse.car.model.name,
        "soc": None if evse.car is None else round(evse.car.soc, 4),
        "asleep": None if evse.car is None else evse.car.asleep,
        "limit_a": round(evse.limit_a, 2),
        "offer_a": round(evse.offer_a, 2),
        "phases_offered": evse.phases_offered,
        "currents_a": [round(current, 2) for current in evse.currents_a],
        "power_w": round(evse.power_w, 1),
        "register_wh": evse.register_wh,
        "delivered_wh": round(evse.delivered_wh, 3),
        "transaction_id": None if running is None else running.transaction_id,
        "id_tag": None if running is None else running.id_tag,
        "waiting_for_plug": one.grant is not None,
    }
