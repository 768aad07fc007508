"""A wallbox without transactions at a real site: a plant, a link over it, and a station on both."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from decimal import Decimal
import inspect
import json
from pathlib import Path
import shutil
from typing import Any

from custom_components.forecourt.core.control.limits import Limits
from custom_components.forecourt.core.model.events import StationEvent
from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.session import Session
from custom_components.forecourt.core.model.setpoint import Setpoint
from custom_components.forecourt.core.model.token import Access
from custom_components.forecourt.site import SiteSettings
from custom_components.forecourt.stations.declarative.link import (
    LinkError,
    LinkFault,
    Sample,
)
from custom_components.forecourt.stations.declarative.memory import Memory
from custom_components.forecourt.stations.declarative.profile import (
    Confidence,
    Memory as Wear,
    Order,
    OrderSpec,
    Profile,
    ReadingSpec,
    Role,
    Scalar,
    Write,
)
from custom_components.forecourt.stations.declarative.station import DeclarativeStation
from simulator.cars import Car
from simulator.plant import Evse, PlugState
from tests.unit.site.world import World, settings

STATION = "box"
EVSE = EvseId(STATION, 1)
LIMITS = Limits(max_current_a=16, fallback_current_a=6)

READINGS = (
    Role.STATUS,
    Role.POWER_W,
    Role.CURRENT_A_1,
    Role.CURRENT_A_2,
    Role.CURRENT_A_3,
    Role.ENERGY_WH,
    Role.LIMIT_A,
    Role.ENABLED,
)
STATES = {
    PlugState.A: "available",
    PlugState.B: "preparing",
    PlugState.C: "charging",
    PlugState.D: "charging",
    PlugState.E: "faulted",
    PlugState.F: "unavailable",
}


def order(name: Order, **more: Any) -> OrderSpec:
    wear = more.pop("wear", Wear.VOLATILE)
    return OrderSpec(order=name, writes=(Write(target="register", memory=wear),), **more)


def profile(
    *roles: Role,
    orders: tuple[OrderSpec, ...] | None = None,
    without: tuple[Role, ...] = (),
    **more: Any,
) -> Profile:
    """Return the profile of a box with the usual readings and orders, and what else is asked."""
    if orders is None:
        orders = (
            order(Order.LIMIT_A, minimum=6, maximum=32, interval_s=0, read_back=Role.LIMIT_A),
            order(Order.PAUSE, interval_s=0, read_back=Role.ENABLED),
            order(Order.RESUME, interval_s=0, read_back=Role.ENABLED),
        )
    names = [role for role in READINGS if role not in without] + list(roles)
    wanted: dict[str, Any] = {
        "id": "test",
        "vendor": "Test",
        "models": ("Box",),
        "protocol": "modbus",
        "confidence": Confidence.HARDWARE,
        "sources": (),
        "transport": None,
        "readings": {role: ReadingSpec(role=role, source="register") for role in names},
        "orders": {spec.order: spec for spec in orders},
        "max_current_a": 16,
    }
    return Profile(**wanted | more)


class Box:
    """A wallbox over a plant. It charges whenever it is enabled: it knows no users.

    `gone`: nobody answers. `deaf`: it takes orders and does nothing. `refuses`: orders that
    it answers with an error. `overrides`: values that it tells whatever is true. `watchdog_s`:
    after so long without `RENEW` it falls back to `fallback_a`.
    """

    def __init__(self, of: Profile, *, phases: int = 3) -> None:
        self.profile = of
        self.plant = Evse(phases=phases, max_current_a=16.0, register_wh=1_234_000)
        self.plant.energised = True
        self.gone = False
        self.deaf = False
        self.refuses: dict[Order, LinkFault] = {}
        self.overrides: dict[Role, Scalar | None] = {}
        self.unknown: dict[Role, Scalar] = {}
        self.token: str | None = None
        self.session_from_wh = self.plant.register_wh
        self.watchdog_s: float | None = None
        self.fallback_a = 6.0
        self.told: list[tuple[Order, Scalar | None]] = []
        self.under_load: list[Order] = []
        """Orders that came while current flowed, and must not."""
        self.energy_wh = 0.0
        self._quiet_s = 0.0
        self._news: list[Callable[[], None]] = []
        self.is_open = False

    def plug(self, car: str = "family", soc: float = 0.3) -> None:
        self.plant.plug(Car.named(car, soc))
        self.session_from_wh = self.plant.register_wh

    def unplug(self) -> None:
        self.plant.unplug()

    def step(self, seconds: float) -> None:
        before = self.plant.register_ws
        self._quiet_s += seconds
        if self.watchdog_s is not None and self._quiet_s > self.watchdog_s:
            self.plant.energised = self.fallback_a > 0
            self.plant.limit_a = self.fallback_a
        self.plant.step(seconds)
        self.energy_wh += (self.plant.register_ws - before) / 3600

    def restart(self) -> None:
        """Lose the power for a moment: what was told is forgotten."""
        self.plant.energised = True
        self.plant.limit_a = 16.0

    def tell_news(self) -> None:
        for news in self._news:
            news()

    # The link

    @property
    def connected(self) -> bool:
        return self.is_open and not self.gone

    async def open(self) -> None:
        if self.gone:
            raise LinkError(LinkFault.REFUSED, "nobody listens")
        self.is_open = True

    async def close(self) -> None:
        self.is_open = False

    def has(self, what: Role | Order) -> bool:
        return what in (self.profile.orders if isinstance(what, Order) else self.profile.readings)

    async def read(self, *, slow: bool = False) -> Sample:
        if self.gone or not self.is_open:
            raise LinkError(LinkFault.TIMEOUT, "no answer")
        plant = self.plant
        amps = plant.currents_a
        values: dict[Role, Scalar | None] = {
            Role.STATUS: STATES[plant.state],
            Role.PLUGGED: plant.car is not None,
            Role.CHARGING: plant.state in (PlugState.C, PlugState.D),
            Role.ENABLED: plant.energised,
            Role.POWER_W: plant.power_w,
            Role.CURRENT_A_1: amps[0],
            Role.CURRENT_A_2: amps[1],
            Role.CURRENT_A_3: amps[2],
            Role.ENERGY_WH: plant.register_wh,
            Role.SESSION_ENERGY_WH: plant.register_wh - self.session_from_wh,
            Role.LIMIT_A: plant.limit_a,
            Role.TOKEN: self.token,
            Role.PHASES: plant.phases_offered,
            Role.FALLBACK_A: self.fallback_a,
            Role.WATCHDOG_S: self.watchdog_s,
            Role.SERIAL: "4711",
            Role.FIRMWARE: "1.2",
        }
        values |= self.overrides
        told = {role: values.get(role) for role in self.profile.readings}
        for role in self.unknown:
            told[role] = None
        return Sample(outlets={1: told}, unknown=self.unknown)

    async def tell(self, order: Order, value: Scalar | None = None, *, outlet: int = 1) -> None:
        if self.gone:
            raise LinkError(LinkFault.TIMEOUT, "no answer")
        if order in self.refuses:
            raise LinkError(self.refuses[order], "exception 4")
        self.told.append((order, value))
        if self.deaf:
            return
        self._quiet_s = 0.0
        self._obey(order, value)

    def _obey(self, order: Order, value: Scalar | None) -> None:
        if order is Order.PAUSE:
            self.plant.energised = False
        elif order is Order.RESUME:
            self.plant.energised = True
        elif order is Order.LIMIT_A and isinstance(value, int | float):
            self.plant.limit_a = float(value)
            # Without an order to resume, any limit does.
            self.plant.energised |= Order.RESUME not in self.profile.orders
        elif order is Order.LIMIT_W and isinstance(value, int | float):
            self.plant.limit_a = value / 230 / self.plant.phases
        elif order is Order.FALLBACK_A and isinstance(value, int | float):
            self.fallback_a = float(value)
        elif order is Order.FORGET_TOKEN:
            self.token = None
        elif order is Order.PHASES and isinstance(value, int):
            if self.plant.currents_a[0]:
                self.under_load.append(order)
            self.plant.phases_offered = value

    def on_news(self, news: Callable[[], None]) -> Callable[[], None]:
        self._news.append(news)
        return lambda: self._news.remove(news)

    def times(self, name: Order) -> int:
        """Return how often it was given an order."""
        return sum(told == name for told, _ in self.told)


class Twin(Box):
    """A box with two outlets and one reader for cards; this one is the first of them."""

    def __init__(self, of: Profile) -> None:
        super().__init__(of)
        self.second = Box(of)

    async def open(self) -> None:
        await super().open()
        await self.second.open()

    async def read(self, *, slow: bool = False) -> Sample:
        outlets = {}
        for number, box in ((1, super()), (2, self.second)):
            told = dict((await box.read(slow=slow)).outlets[1])
            told.pop(Role.TOKEN, None)
            outlets[number] = told
        return Sample(station={Role.TOKEN: self.token}, outlets=outlets)

    async def tell(self, order: Order, value: Scalar | None = None, *, outlet: int = 1) -> None:
        box = super() if outlet == 1 else self.second
        await box.tell(order, value)

    def step(self, seconds: float) -> None:
        super().step(seconds)
        self.second.step(seconds)


class KilledError(Exception):
    """The program ended here."""


class Events:
    """The site as the station sees it, until the program is killed at a call of it."""

    def __init__(self, site: Any) -> None:
        self._site = site
        self.calls = 0
        self.kill_at: int | None = None
        self.kill_after = False

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._site, name)
        if not inspect.iscoroutinefunction(method):
            return method

        async def call(*args: Any, **more: Any) -> Any:
            self.calls += 1
            is_last = self.calls == self.kill_at
            if is_last and not self.kill_after:
                raise KilledError
            answer = await method(*args, **more)
            if is_last:
                raise KilledError
            return answer

        return call


class Place(World):
    """A real site with one such box."""

    def __init__(
        self, path: Path, new_ledger: Path, of: Profile, site: SiteSettings, box: Box | None = None
    ) -> None:
        shutil.copy(new_ledger, path)
        super().__init__(path, site)
        self.price = Decimal("0.30")
        self.profile = of
        self.box = box or Box(of)
        self.saved: Mapping[str, Any] | None = None
        self.all_saved: list[Mapping[str, Any]] = []
        self.more: dict[str, Any] = {}
        self.happened: list[StationEvent] = []
        self.station: DeclarativeStation
        self.events: Events
        self.serial = 0
        self.phases: int | None = None

    async def open(self) -> None:
        await super().open()
        self.site.happened_signal.connect(self.happened.append)
        self.build()

    def build(self) -> None:
        """Make the station anew, of what was saved."""
        self.events = Events(self.site)
        self.station = DeclarativeStation(
            STATION,
            self.profile,
            self.box,
            self.events,  # type: ignore[arg-type]
            now=lambda: self.now,
            memory=Memory.from_json(self.saved),
            on_memory=self._save,
            new_id=self._new_id,
            sleep=self._sleep,
            **{"fallback_current_a": 6} | self.more,
        )
        self.site.add_station(self.station, LIMITS, {})

    async def reopen(self) -> None:
        """Kill the program, and begin anew with what was saved."""
        await self.restart()

    def _save(self, station_id: str, memory: Memory) -> None:
        assert station_id == STATION
        self.saved = json.loads(json.dumps(memory.to_json()))
        self.all_saved.append(self.saved)

    def _new_id(self) -> str:
        self.serial += 1
        return f"charge-{self.serial}"

    async def _sleep(self, seconds: float) -> None:
        self.box.step(seconds)
        self.wait(seconds=seconds)

    def ask_phases(self, count: int | None) -> None:
        """Have each setpoint from now on name so many phases."""
        self.phases = count
        if "apply" in vars(self.station):
            return
        apply = self.station.apply

        async def with_phases(setpoint: Setpoint) -> None:
            await apply(replace(setpoint, phases=self.phases))

        self.station.apply = with_phases  # type: ignore[method-assign]

    async def pass_time(self, seconds: float, every: float = 2.0) -> None:
        """Let time pass for all: plant, station and site."""
        while seconds > 0:
            self.box.step(every)
            self.wait(seconds=every)
            seconds -= every
            await self.station.poll()
            await self.turn()

    def alone(self, seconds: float) -> None:
        """Let time pass for the plant only: the program does not run."""
        self.box.step(seconds)
        self.wait(seconds=seconds)

    @property
    def drawn_a(self) -> float:
        return self.box.plant.currents_a[0]

    async def only_session(self) -> Session:
        [session] = await self.sessions()
        return session

    async def booked_wh(self) -> int:
        return sum(session.energy_wh for session in await self.sessions())


def anyone() -> SiteSettings:
    return settings(Access.ANYONE)


def known() -> SiteSettings:
    return settings(Access.KNOWN)
