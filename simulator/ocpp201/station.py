"""An OCPP 2.0.1 or 2.1 charging station as a whole: its power, its plant, its timers.

What happens at an EVSE is in `outlet`, on the way to the server in `connection`, what the server
may ask in `commands`, the card reader in `cards`. The physics go on without a server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime
from functools import partial
import logging
from types import TracebackType
from typing import Any, Self
import uuid

from .. import faults, schemas
from ..books import Books, BooksFile
from ..cars import Car, CarModel
from ..clock import Clock, StationClock, wire_time
from ..frames import Payload, encode
from ..ocpp16.cards import TapResult
from ..ocpp16.outbox import Outbox
from ..ocpp16.profiles import Abilities
from ..rpc import Link
from .blocks.security import Security
from .cards import CardReader
from .commands import Commands
from .components import make_variables
from .config import Config201, Version
from .connection import Connection
from .events import Queue
from .internals import Internals
from .limits import apply_limits
from .network import Networks
from .notices import Notices, Spot
from .outlet import Outlet
from .profiles import EXTERNAL, Installed, Profiles, external_profile
from .reservations import Reservations
from .tokens import LocalAuth

_LOGGER = logging.getLogger(__name__)
_POLL_S = 0.002


class Ocpp201Station:
    """A station that dials in at `<url>/<identity>`; an asynchronous context manager."""

    def __init__(
        self,
        config: Config201,
        url: str,
        *,
        clock: Clock | None = None,
        books_file: BooksFile | None = None,
    ) -> None:
        """Make a station; nothing happens before `start`. ValueError for impossible variables."""
        self.config = config
        self.clock = clock or Clock()
        self.books = Books(config.identity, file=books_file, utc=self.clock.utc)
        self.variables = make_variables(config, self._live())
        self.outbox = Outbox(self.clock, self.books)
        self.time = StationClock(self.clock, battery_backed=config.battery_backed_clock)
        abilities = Abilities(
            units=config.rate_units,
            phases=config.phases,
            voltage_v=config.voltage_v,
            max_current_a=config.max_current_a,
            feed_current_a=config.feed_current_a,
        )
        self.profiles = Profiles(config.evses, abilities)
        self.internals = Internals(
            config=config,
            clock=self.clock,
            time=self.time,
            books=self.books,
            variables=self.variables,
            outbox=self.outbox,
            profiles=self.profiles,
            local_auth=LocalAuth(),
            advance=self._advance,
            changed=self._changed,
            ready=lambda: self.ready,
            accepted=lambda: self.registration == "Accepted",
            notify=self._notify,
        )
        self.events = Queue(self.internals)
        self.reservations = Reservations(self._reservation_ended)
        self.outlets = {
            number: Outlet(self.internals, number, self.events, self.reservations)
            for number in range(1, config.evses + 1)
        }
        self.reservations.outlets = self.outlets
        self.operative = True
        """Whether the station as a whole is in service."""
        self.powered = True
        self.networks = Networks(config, url, self.variables, self.books)
        self.notices = Notices(self.internals, self._status, config.status_by_event)
        self.security = Security(self)
        self.commands = Commands(self)
        self.connection = Connection(
            self.internals, self.networks, self.commands.handle, self.notices, self._ready
        )
        self.cards = CardReader(
            self.internals,
            self.outlets,
            self.reservations,
            lambda: self.connection.ready_link,
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._plant_time = self.clock.plant()
        self._power_lost: datetime | None = None
        self._next_aligned: float | None = None

    # --- from outside -----------------------------------------------------------------------------

    async def start(self) -> None:
        """Switch on: connect, boot, charge, until `stop`."""
        self._plant_time = self.clock.plant()
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

    @property
    def version(self) -> Version:
        """The version of OCPP that was agreed on."""
        return self.connection.version

    def evse(self, number: int = 1) -> Outlet:
        """Return an EVSE; ValueError says which there are."""
        if number not in self.outlets:
            raise ValueError(f"no EVSE {number}; there is {', '.join(map(str, self.outlets))}")
        return self.outlets[number]

    connector = evse
    """The outlet of a number, as both faces of the simulator call it."""

    async def plug(
        self,
        evse: int,
        car: Car | CarModel | str,
        *,
        soc: float = 0.3,
        target_soc: float = 1.0,
        connector: int = 1,
    ) -> Car:
        """Plug a car in and return it: a car, a model, or a name from the catalogue.

        ValueError: no such EVSE, connector or car, or the EVSE has one.
        """
        if isinstance(car, str):
            car = Car.named(car, soc, target_soc)
        elif isinstance(car, CarModel):
            car = Car(car, soc, target_soc)
        self.evse(evse).plug(car, connector)
        return car

    async def unplug(self, evse: int = 1) -> Car:
        """Plug the car out and return it; ValueError if there is none."""
        return self.evse(evse).unplug()

    async def tap(self, card: str, evse: int | None = None) -> TapResult:
        """Hold a card to the reader and return what it led to."""
        return await self.cards.tap(card, None if evse is None else self.evse(evse))

    async def wake(self, evse: int = 1) -> None:
        """Toggle the control pilot, which wakes a car that has fallen asleep."""
        self._advance()
        self.evse(evse).evse.toggle_pilot()

    async def fault(self, name: str, **parameters: Any) -> dict[str, Any]:
        """Do one of `simulator.faults`; ValueError says what there is."""
        self.books.note("fault", fault=name, **parameters)
        return await faults.apply(self, name, parameters)

    async def send(self, action: str, payload: Payload) -> Payload:
        """Send any message of the station's and return the answer's payload.

        ValueError: not a valid message of the version agreed on. Errors otherwise as `Link.call`.
        """
        if wrong := schemas.fault(self.version, action, payload):
            raise ValueError(f"{action}: {wrong}")
        if schemas.answered(action):
            return await self.connection.own_link().call(action, payload)
        frame = encode(6, str(uuid.uuid4()), action, payload)
        await self.connection.own_link().send_raw(frame)
        return {}

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
        """Return a snapshot, ready for JSON; `connectors` has one entry for every EVSE."""
        self._advance()
        return {
            "station": self.config.identity,
            "version": self.version,
            "powered": self.powered,
            "online": self.online,
            "registration": self.registration,
            "time": wire_time(self.time.now()),
            "queued": len(self.outbox),
            "last_error": self.connection.last_error,
            "connectors": [one.state() for one in self.outlets.values()],
        }

    # --- power, as the faults and commands use it -------------------------------------------------

    def later(self, seconds: float, what: Callable[[], None]) -> None:
        """Do something after wall seconds, unless the station is stopped before."""

        async def wait() -> None:
            await self.clock.sleep(seconds)
            what()

        self.spawn(wait())

    def limit_externally(self, evse: int, current_a: float | None, source: str = "EMS") -> None:
        """Have something outside limit an EVSE (0: the station), or take that back with None.

        The server is told with NotifyChargingLimit or ClearedChargingLimit (K11 to K13).
        """
        if evse != 0:
            self.evse(evse)
        old = self.profiles.matching({"chargingProfilePurpose": EXTERNAL}, evse)
        self.profiles.remove(old)
        where = {"evseId": evse} if evse else {}
        if current_a is None:
            self.notices.put("ClearedChargingLimit", {"chargingLimitSource": source, **where})
        else:
            profile = external_profile(evse, current_a, self.time.now())
            self.profiles.install(Installed.parse(evse, profile, self.time.now(), source), None)
            told = {"chargingLimit": {"chargingLimitSource": source}, **where}
            if self.variables.flag("SmartChargingCtrlr.NotifyChargingLimitWithSchedules"):
                told["chargingSchedule"] = profile["chargingSchedule"]
            self.notices.put("NotifyChargingLimit", told)
        before = {number: one.evse.limit_a for number, one in self.outlets.items()}
        self._changed()
        significant = self.variables.number("SmartChargingCtrlr.LimitChangeSignificance")
        for number, one in self.outlets.items():
            if abs(one.evse.limit_a - before[number]) * 100 > significant * before[number]:
                one.tell("ChargingRateChanged")

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
        for one in self.outlets.values():
            one.evse.powered = False
        await self.connection.lose_network()

    def return_power(self) -> None:
        """Have the mains again: boot, and end what was running with PowerLoss."""
        if self.powered:
            return
        self._advance()
        self.powered = True
        for one in self.outlets.values():
            one.evse.powered = True
        self._boot("PowerUp", "PowerLoss", at=self._power_lost)
        self.connection.find_network()

    async def crash(self) -> None:
        """Reboot at once, without a word to the server."""
        self._boot("Watchdog", "Reboot")
        await self.connection.drop()

    async def reboot(self, boot_reason: str, stop_reason: str | None) -> None:
        """Reboot in good order: end what runs, deliver that, come up again.

        `stop_reason` None: the transactions go on afterwards.
        """
        if stop_reason is not None:
            for one in self.outlets.values():
                one.stop(stop_reason)
        end = self.clock.now() + self.config.reset_flush_s
        while len(self.outbox) and self.ready and self.clock.now() < end:
            await self.clock.sleep(self.config.tick_s)
        self._boot(boot_reason, stop_reason)
        self.internals.resetting = False
        await self.connection.close()

    def set_operative(self, *, operative: bool) -> None:
        """Put the whole station in or out of service."""
        self.operative = operative
        for one in self.outlets.values():
            one.station_operative = operative
            one.review()

    # --- the plant --------------------------------------------------------------------------------

    async def _tick_forever(self) -> None:
        while True:
            await self.clock.sleep(self.config.tick_s)
            self._advance()
            if self.powered:
                self.reservations.expire(self.time.now())
                for one in self.outlets.values():
                    one.tick()
                self._tick_aligned()
                self.commands.tick()
                self._changed()

    def _tick_aligned(self) -> None:
        """Send clock-aligned readings, at whole multiples of AlignedDataCtrlr.Interval (J01)."""
        interval = self.variables.number("AlignedDataCtrlr.Interval")
        if interval == 0 or not self.variables.flag("AlignedDataCtrlr.Enabled", default=True):
            self._next_aligned = None
            return
        moment = self.time.now().timestamp()
        if self._next_aligned is not None and moment >= self._next_aligned:
            names = self.variables.names("AlignedDataCtrlr.Measurands")
            only_idle = self.variables.flag("AlignedDataCtrlr.SendDuringIdle")
            for one in self.outlets.values():
                if one.transaction is None:
                    self.send_meter_values(one, "Sample.Clock")
                elif not only_idle:
                    one.sample("MeterValueClock", "Sample.Clock", names)
        self._next_aligned = (moment // interval + 1) * interval

    def send_meter_values(self, outlet: Outlet, context: str) -> None:
        """Send a MeterValues of an EVSE, if the server is there."""
        names = self.variables.names("AlignedDataCtrlr.Measurands")
        value, entries = outlet.readings.take(names, context, outlet.transaction)
        if not value or outlet.readings.lost(entries):
            return
        if not self.ready:  # QueueAllMessages is false: nobody waits for these
            for entry in entries:
                self.books.mark(entry, "lost")
            return

        def told(state: Any) -> None:
            for entry in entries:
                self.books.mark(entry, state)

        payload = {"evseId": outlet.number, "meterValue": value}
        self.notices.put("MeterValues", payload, told)

    def _advance(self) -> None:
        """Bring the plant up to now."""
        now = self.clock.plant()
        elapsed, self._plant_time = now - self._plant_time, now
        for one in self.outlets.values():
            one.evse.step(elapsed)
            one.passed(elapsed)

    def _changed(self) -> None:
        """Apply the limits that hold now, then report what has become of the connectors."""
        apply_limits(self.internals, self.outlets)
        if self.powered:
            self.notices.look(
                Spot(one.number, index) for one in self.outlets.values() for index in one.connectors
            )

    def _status(self, spot: Spot) -> str:
        return self.outlets[spot.evse].connector_status(spot.connector)

    def _boot(
        self, boot_reason: str, stop_reason: str | None, *, at: datetime | None = None
    ) -> None:
        """Come up again: end what was running, forget what no memory keeps."""
        if stop_reason is not None:
            for one in self.outlets.values():
                one.stop(stop_reason, at=at)
                one.power_up()
        self.time.power_up()
        self.connection.power_up(boot_reason)

    def _notify(self, action: str, payload: Payload) -> None:
        self.notices.put(action, payload)

    def _ready(self, booted: str | None) -> None:
        """Go on where the server is there again; `booted` is why the station has booted, if so."""
        if booted is not None and self.config.security_events:
            self.security.event("StartupOfTheDevice" if booted == "PowerUp" else "ResetOrReboot")
        self._changed()

    def _reservation_ended(self, reservation_id: int, status: str) -> None:
        payload = {"reservationId": reservation_id, "reservationUpdateStatus": status}
        self.notices.put("ReservationStatusUpdate", payload)

    def _live(self) -> dict[str, Callable[[], str]]:
        """What the device model shows that is measured or counted rather than set."""
        live: dict[str, Callable[[], str]] = {
            "AvailabilityState": self._availability,
            "CertificateEntries": lambda: str(self.networks.store.count()),
            "DateTime": lambda: wire_time(self.time.now()),
            "DisplayMessages": lambda: str(len(self.commands.prices.messages)),
            "FirmwareVersion": lambda: self.connection.firmware,
            "LocalListEntries": lambda: str(self.internals.local_auth.list_size),
            "MonitoringBase": lambda: self.commands.monitoring.base,
            "MonitoringLevel": lambda: str(self.commands.monitoring.level),
            "ProfileEntries": lambda: str(len(self.profiles.installed)),
            "SecurityProfile": lambda: str(self.networks.security_profile),
        }
        for number in range(1, self.config.evses + 1):
            live |= self._live_of(number)
        return live

    def _availability(self) -> str:
        serving = any(
            one.in_service(index) for one in self.outlets.values() for index in one.connectors
        )
        return "Available" if self.operative and serving else "Unavailable"

    def _live_of(self, number: int) -> dict[str, Callable[[], str]]:
        def outlet() -> Outlet:
            return self.outlets[number]

        def faulted(index: int) -> str:
            return str(outlet().connectors[index].error_code != "NoError").lower()

        live: dict[str, Callable[[], str]] = {
            f"AvailabilityState:{number}": lambda: outlet().status,
            f"Power:{number}": lambda: f"{outlet().evse.power_w:.0f}",
        }
        for index in range(1, self.config.connectors + 1):
            name = f"{number}:{index}"
            live[f"AvailabilityState:{name}"] = partial(self._status, Spot(number, index))
            live[f"Problem:{name}"] = partial(faulted, index)
        return live

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _LOGGER.error("The simulated station %s failed", self.config.identity, exc_info=error)
