"""A box that speaks Modbus: outlets of the plant behind the registers of a model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from ..books import Books, BooksFile
from ..cars import Car, CarModel
from ..clock import Clock
from ..plant import Evse
from .faces import FACES, Face
from .outlet import Outlet
from .server import Fault, RegisterServer, Request

_POLL_S = 0.01
_FAULTS: dict[str, Callable[..., Fault]] = {
    "none": Fault,
    "silent": lambda: Fault(silent=True),
    "exception": lambda code: Fault(exception=code),
    "busy": lambda count=1: Fault(busy=count),
    "short": lambda: Fault(short=True),
    "garbage": lambda text="garbage": Fault(garbage=text.encode()),
    "hang_up": lambda: Fault(hang_up=True),
    "late": lambda seconds: Fault(delay_s=seconds),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModbusConfig:
    """A box; `model` is one of `simulator.modbus.FACES`."""

    identity: str
    model: str = "generic"
    port: int = 0
    outlets: int = 1
    phases: int = 3
    max_current_a: float = 16.0
    voltage_v: float = 230.0
    register_wh: int = 0
    fallback_a: float = 0.0
    watchdog_s: float = 0.0
    kind: str = "tcp"
    max_clients: int | None = None


class ModbusStation:
    """A box on 127.0.0.1; an asynchronous context manager. Watchdogs run in wall time."""

    def __init__(
        self,
        config: ModbusConfig,
        *,
        clock: Clock | None = None,
        books_file: BooksFile | None = None,
    ) -> None:
        """ValueError names the models if there is no such."""
        if config.model not in FACES:
            raise ValueError(f"no model {config.model!r}; there is {', '.join(FACES)}")
        self.config = config
        self.clock = clock or Clock()
        self.books = Books(config.identity, file=books_file, utc=self.clock.utc)
        self.outlets = {
            number: Outlet(
                number,
                Evse(
                    phases=config.phases,
                    max_current_a=config.max_current_a,
                    voltage_v=config.voltage_v,
                    register_wh=config.register_wh,
                ),
                self.clock,
                limit_a=config.max_current_a,
                fallback_a=config.fallback_a,
                watchdog_s=config.watchdog_s,
                told_at=self.clock.now(),
            )
            for number in range(1, config.outlets + 1)
        }
        self._face: Face = FACES[config.model]()
        self._face.show(self.outlets)
        self._plant_time = self.clock.plant()
        self.server = RegisterServer(
            self._face.units,
            port=config.port,
            kind=config.kind,
            max_registers=self._face.max_registers,
            max_clients=config.max_clients,
        )
        self.server.before_read = self._show
        self.server.on_write = self._take

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.server.port

    async def start(self) -> None:
        """Listen; RuntimeError if the port is taken."""
        await self.server.start()

    async def stop(self) -> None:
        """Stop listening."""
        await self.server.stop()

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

    def outlet(self, number: int) -> Outlet:
        """Return an outlet as it is now; ValueError if there is none of that number."""
        if number not in self.outlets:
            raise ValueError(f"no outlet {number}; there is 1 to {len(self.outlets)}")
        self._advance()
        return self.outlets[number]

    async def plug(
        self,
        connector: int,
        car: Car | CarModel | str,
        *,
        soc: float = 0.3,
        target_soc: float = 1.0,
    ) -> Car:
        """Plug a car in and return it. ValueError: no such outlet or car, or there is one."""
        if isinstance(car, str):
            car = Car.named(car, soc, target_soc)
        elif isinstance(car, CarModel):
            car = Car(car, soc, target_soc)
        outlet = self.outlet(connector)
        outlet.evse.plug(car)
        outlet.plug_in = self.books.plugged(connector, car.model.name)
        return car

    async def unplug(self, connector: int = 1) -> Car:
        """Plug the car out and return it; ValueError if there is none."""
        outlet = self.outlet(connector)
        delivered_wh = outlet.evse.delivered_wh
        car = outlet.evse.unplug()
        outlet.token = ""
        if outlet.plug_in is not None:
            self.books.unplugged(outlet.plug_in, delivered_wh)
            outlet.plug_in = None
        return car

    async def tap(self, card: str, connector: int | None = None) -> str:
        """Hold a card (hexadecimal) to the reader: the box shows it until the car has left."""
        int(card, 16)
        self.outlet(connector or 1).token = card
        return "shown"

    async def wake(self, connector: int = 1) -> None:
        """Wake the car by the control pilot."""
        self.outlet(connector).evse.toggle_pilot()

    async def fault(self, name: str, **parameters: Any) -> dict[str, Any]:
        """Misbehave from now on (`none` ends it); `drop` closes all connections once.

        ValueError names the faults, or says what is wrong with the parameters.
        """
        if name == "drop":
            self.server.hang_up()
            return {}
        if name not in _FAULTS:
            raise ValueError(f"no fault {name!r}; there is drop, {', '.join(_FAULTS)}")
        try:
            self.server.fault = _FAULTS[name](**parameters)
        except TypeError as err:
            raise ValueError(f"fault {name}: {err}") from None
        return {}

    async def wait_for(
        self,
        condition: Callable[[Self], object],
        timeout: float = 5.0,  # noqa: ASYNC109 - the message of its error is the point
    ) -> None:
        """Wait until something is true of the box; TimeoutError with its state if not."""
        try:
            async with asyncio.timeout(timeout):
                while True:
                    self._advance()
                    if condition(self):
                        return
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            raise TimeoutError(f"still waiting after {timeout} s: {self.state()}") from None

    def state(self) -> dict[str, Any]:
        """Return a snapshot, ready for JSON."""
        self._advance()
        return {
            "station": self.config.identity,
            "model": self.config.model,
            "port": self.port,
            "clients": self.server.clients,
            "connectors": [self._state(outlet) for outlet in self.outlets.values()],
        }

    def _state(self, outlet: Outlet) -> dict[str, Any]:
        evse = outlet.evse
        return {
            "connector": outlet.number,
            "state": evse.state.value,
            "enabled": outlet.enabled,
            "limit_a": outlet.limit_a,
            "offer_a": evse.offer_a,
            "fallen_back": outlet.fallen_back,
            "power_w": round(evse.power_w, 1),
            "currents_a": [round(current, 2) for current in evse.currents_a],
            "register_wh": evse.register_wh,
            "delivered_wh": round(evse.delivered_wh, 1),
            "phases_offered": evse.phases_offered,
            "token": outlet.token,
            "car": evse.car.model.name if evse.car else None,
        }

    def _advance(self) -> None:
        """Bring the plant up to now."""
        now = self.clock.plant()
        elapsed, self._plant_time = now - self._plant_time, now
        for outlet in self.outlets.values():
            outlet.settle()
            outlet.evse.step(elapsed)

    def _show(self, unit: int) -> None:
        self._advance()
        self._face.show(self.outlets)

    def _take(self, request: Request) -> int | None:
        self._advance()
        code = self._face.take(request, self.outlets)
        self._advance()
        return code
