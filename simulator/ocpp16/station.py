"""An OCPP 1.6J charging station as a whole: its power, its plant, its timers.

What happens at a connector is in `connector`, on the way to the server in `connection`, what the
server may ask in `commands`, the card reader in `cards`. The physics go on without a server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime
import logging
from types import TracebackType
from typing import Any, Self

from .. import faults, schemas
from ..books import Books, BooksFile
from ..cars import Car, CarModel
from ..clock import Clock, StationClock, wire_time
from ..frames import Payload
from ..rpc import Link
from .authorisation import LocalAuth
from .cards import CardReader, TapResult
from .commands import Commands
from .config import StationConfig
from .connection import Connection
from .connector import Connector
from .internals import Internals
from .jobs import NOTIFICATIONS, Job
from .limits import apply_limits
from .outbox import Outbox
from .profiles import Abilities, Profiles
from .reservations import Reservations
from .security import Security
from .settings import Settings
from .statuses import Status, Statuses

_LOGGER = logging.getLogger(__name__)
_POLL_S = 0.002
CALLS = frozenset(
    {
        "Authorize",
        "BootNotification",
        "DataTransfer",
        "DiagnosticsStatusNotification",
        "FirmwareStatusNotification",
        "Heartbeat",
        "LogStatusNotification",
        "MeterValues",
        "SecurityEventNotification",
        "SignCertificate",
        "SignedFirmwareStatusNotification",
        "StartTransaction",
        "StatusNotification",
        "StopTransaction",
    }
)
"""What a station may ask of a server (OCPP 1.6 §4, security whitepaper)."""


class Ocpp16Station:
    """A station that dials in at `<url>/<identity>`; an asynchronous context manager."""

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
        self.clock = clock or Clock()
        self.books = Books(config.identity, file=books_file, utc=self.clock.utc)
        self.settings = Settings(config)
        self.outbox = Outbox(self.clock, self.books)
        self.time = StationClock(self.clock, battery_backed=config.battery_backed_clock)
        abilities = Abilities(
            units=config.rate_units,
            phases=config.phases,
            voltage_v=config.voltage_v,
            max_current_a=config.max_current_a,
            feed_current_a=config.feed_current_a,
        )
        self.profiles = Profiles(config.connectors, abilities)
        self.internals = Internals(
            config=config,
            clock=self.clock,
            time=self.time,
            books=self.books,
            settings=self.settings,
            outbox=self.outbox,
            profiles=self.profiles,
            local_auth=self._local_auth(),
            reservations=Reservations(self._free),
            firmware=config.firmware,
            advance=self._advance,
            changed=self._changed,
            warn=lambda error_code: self.statuses.warn(0, error_code),
        )
        self.connectors = {
            number: Connector(self.internals, number) for number in range(1, config.connectors + 1)
        }
        self.operative = True
        """Connector 0."""
        self.powered = True
        self.statuses = Statuses(self.clock, self.time, self.settings, self.books, self._status)
        self.security = Security(self, url)
        self.commands = Commands(self)
        self.connection = Connection(
            self.internals,
            self.security.address,
            self.commands.handle,
            self.statuses,
            self._on_ready,
        )
        self.jobs = {name: Job(name, self.connection.tell, self.spawn) for name in NOTIFICATIONS}
        """What takes a while, by the message that tells of it."""
        self.cards = CardReader(self.internals, self.connectors, lambda: self.connection.ready_link)
        self._tasks: set[asyncio.Task[None]] = set()
        self._plant_time = self.clock.plant()
        self._power_lost: datetime | None = None
        self._next_aligned: float | None = None

    # --- from outside -----------------------------------------------------------------------------

    async def start(self) -> None:
        """Switch on: connect, boot, charge, until `stop`."""
        self._plant_time = self.clock.plant()
        if self.config.security_events:
            self.spawn(self.security.event("StartupOfTheDevice"))
        self.spawn(self.connection.run())
        self.spawn(self._tick_forever())

    async def stop(self) -> None:
        """End everything; closes the connection politely."""
        await self.connection.close()
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
    def link(self) -> Link | None:
        """The link to the server, while there is one."""
        return self.connection.link

    @property
    def online(self) -> bool:
        """Whether there is a connection."""
        return self.connection.link is not None

    @property
    def ready(self) -> bool:
        """Whether there is a connection and the server has accepted the station."""
        return self.connection.ready_link is not None

    @property
    def registration(self) -> str | None:
        """The server's last word on BootNotification; None since power-up."""
        return self.connection.registration

    def connector(self, number: int) -> Connector:
        """Return a connector; ValueError says which there are."""
        if number not in self.connectors:
            there = ", ".join(map(str, self.connectors))
            raise ValueError(f"no connector {number}; there is {there}")
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

    async def send(self, action: str, payload: Payload) -> Payload:
        """Send any call that a station may make, and return the answer's payload.

        ValueError: no such call, or the payload breaks the schema. Else errors as `Link.call`.
        """
        if action not in CALLS:
            raise ValueError(f"no station sends {action!r}; there is {', '.join(sorted(CALLS))}")
        if wrong := schemas.fault("1.6", action, payload):
            raise ValueError(wrong)
        return await self.connection.own_link().call(action, payload)

    async def fault(self, name: str, **parameters: Any) -> dict[str, Any]:
        """Do one of `simulator.faults`; ValueError says what there is."""
        self.books.note("fault", fault=name, **parameters)
        return await faults.apply(self, name, parameters)

    async def wait_for(
        self,
        condition: Callable[[Self], object],
        timeout: float = 5.0,  # noqa: ASYNC109 - the message of its error is the point
    ) -> None:
        """Wait until something is true of the station; TimeoutError with its state if not."""
        try:
            async with asyncio.timeout(timeout):
                # What a condition looks at may be anything, also on the server's side.
                while not condition(self):  # noqa: ASYNC110
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
            "firmware": self.internals.firmware,
            "security_profile": self.security.profile,
            "queued": len(self.outbox),
            "last_error": self.connection.last_error,
            "connectors": [one.state() for one in self.connectors.values()],
        }

    # --- power, as the faults and commands use it -------------------------------------------------

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        """Do something after wall seconds, unless the station is stopped before."""

        async def wait() -> None:
            await self.clock.sleep(seconds)
            what()

        self.spawn(wait())

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something that ends with the station."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    async def lose_power(self) -> None:
        """Lose the mains: no current, no connection."""
        if not self.powered:
            return
        self._advance()
        self.powered = False
        self._power_lost = self.time.now()
        for one in self.connectors.values():
            one.evse.powered = False
        await self.connection.lose_network()

    def return_power(self) -> None:
        """Have the mains again: boot, and end what was running with PowerLoss."""
        if self.powered:
            return
        self._advance()
        self.powered = True
        for one in self.connectors.values():
            one.evse.powered = True
        self._boot("PowerLoss", at=self._power_lost)
        self.connection.find_network()

    async def crash(self) -> None:
        """Reboot at once, without a word to the server."""
        self._boot("Reboot")
        await self.connection.drop()

    async def reboot(self, reason: str, *, gently: bool) -> None:
        """Reboot; gently means after delivering what is queued."""
        for one in self.connectors.values():
            one.stop(reason)
        end = self.clock.now() + self.config.reset_flush_s
        while gently and len(self.outbox) and self.ready and self.clock.now() < end:
            await self.clock.sleep(self.config.tick_s)
        self._boot(reason)
        await self.connection.close()

    # --- the plant --------------------------------------------------------------------------------

    async def _tick_forever(self) -> None:
        while True:
            await self.clock.sleep(self.config.tick_s)
            self._advance()
            if self.powered:
                self.internals.reservations.expire(self.time.now())
                for one in self.connectors.values():
                    one.tick()
                self._tick_aligned()
                self._changed()

    def _tick_aligned(self) -> None:
        """Send clock-aligned readings, at whole multiples of ClockAlignedDataInterval (§9.1)."""
        interval = self.settings.number("ClockAlignedDataInterval")
        if interval == 0:
            self._next_aligned = None
            return
        moment = self.time.now().timestamp()
        if self._next_aligned is not None and moment >= self._next_aligned:
            for one in self.connectors.values():
                one.readings.take("Sample.Clock")
        self._next_aligned = (moment // interval + 1) * interval

    def _advance(self) -> None:
        """Bring the plant up to now."""
        now = self.clock.plant()
        elapsed, self._plant_time = now - self._plant_time, now
        for one in self.connectors.values():
            one.evse.step(elapsed)

    def _changed(self) -> None:
        """Apply the limits that hold now, then report what has become of the connectors."""
        apply_limits(self.internals, self.connectors)
        if self.powered:
            self.statuses.look((0, *self.connectors), ready=self.ready)

    def _on_ready(self) -> None:
        self.security.reached()
        self._changed()

    def _free(self) -> list[int]:
        """Return the connectors on which a transaction may begin."""
        return [number for number, one in self.connectors.items() if one.usable and not one.grant]

    def _local_auth(self) -> LocalAuth:
        if not self.config.supports("LocalAuthListManagement"):
            return LocalAuth()
        return LocalAuth(
            list_max=self.settings.number("LocalAuthListMaxLength"),
            send_max=self.settings.number("SendLocalListMaxLength"),
        )

    def _status(self, number: int) -> Status:
        if number:
            one = self.connectors[number]
            return Status(one.status, one.error_code, one.info)
        return Status("Available" if self.operative else "Unavailable")

    def _boot(self, reason: str, *, at: datetime | None = None) -> None:
        """Come up again: end what was running, forget what no memory keeps."""
        for one in self.connectors.values():
            one.stop(reason, at=at)
            one.power_up()
        self.time.power_up()
        self.connection.power_up()
        if self.config.security_events:
            self.spawn(self.security.event("ResetOrReboot", reason))

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOGGER.error("The simulated station %s failed", self.config.identity, exc_info=error)
