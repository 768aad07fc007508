"""A box that speaks MQTT: an outlet of the plant behind the topics of a model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
import json
from types import TracebackType
from typing import Any, Self

from aiomqtt import Client, MqttError

from ..books import Books, BooksFile, PlugIn
from ..cars import Car, CarModel
from ..clock import Clock
from ..plant import Evse
from .goe import GoE, Json

_POLL_S = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttConfig:
    """A go-eCharger; `identity` is its serial number. Its topics begin with go-eCharger/identity.

    Changes are told every `every_s`, and a lost broker is sought every `reconnect_s`, wall time.
    `cards` are those that it has learned. `register_wh` is where its meter begins.
    """

    identity: str
    host: str = "127.0.0.1"
    port: int = 1883
    username: str | None = None
    password: str | None = None
    phases: int = 3
    max_current_a: float = 16.0
    voltage_v: float = 230.0
    register_wh: int = 0
    cards: tuple[str, ...] = ()
    every_s: float = 1.0
    reconnect_s: float = 1.0


class MqttStation:
    """A box at a broker; an asynchronous context manager. Its connection comes back by itself."""

    def __init__(
        self,
        config: MqttConfig,
        *,
        clock: Clock | None = None,
        books_file: BooksFile | None = None,
    ) -> None:
        """ValueError if there are too many cards."""
        self.config = config
        self.clock = clock or Clock()
        self.books = Books(config.identity, file=books_file, utc=self.clock.utc)
        self.evse = Evse(
            phases=config.phases,
            max_current_a=config.max_current_a,
            voltage_v=config.voltage_v,
            register_wh=config.register_wh,
        )
        self.box = GoE(config.identity, self.evse, self.clock, cards=config.cards)
        self.prefix = f"{self.box.prefix}/{config.identity}"
        self.online = False
        """Whether it is connected to the broker, and its topics are subscribed to."""
        self.taken: list[tuple[str, str]] = []
        """What it was told: key and payload."""
        self._plant_time = self.clock.plant()
        self._plug_in: PlugIn | None = None
        self._silent = False
        self._refusal: str | None = None
        self._delay_s = 0.0
        self._task: asyncio.Task[None] | None = None
        self._later: asyncio.TimerHandle | None = None
        self._faults: dict[str, Callable[..., None]] = {
            "none": self._behave,
            "silent": self._be_silent,
            "refuse": self._refuse,
            "late": self._be_late,
            "error": self._break,
        }
        self._network: dict[str, Callable[..., Any]] = {
            "offline": self._lose_network,
            "online": self.start,
            "drop": self._drop,
        }

    async def start(self) -> None:
        """Connect, and again whenever the connection is lost. Does not wait for the broker."""
        self._forget_later()
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=f"simulated {self.prefix}")

    async def stop(self) -> None:
        """Disconnect; may be called twice."""
        self._forget_later()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

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

    async def plug(
        self,
        connector: int,
        car: Car | CarModel | str,
        *,
        soc: float = 0.3,
        target_soc: float = 1.0,
    ) -> Car:
        """Plug a car in and return it. ValueError: no such outlet or car, or there is one."""
        self._check(connector)
        if isinstance(car, str):
            car = Car.named(car, soc, target_soc)
        elif isinstance(car, CarModel):
            car = Car(car, soc, target_soc)
        self.evse.plug(car)
        self._plug_in = self.books.plugged(connector, car.model.name)
        return car

    async def unplug(self, connector: int = 1) -> Car:
        """Plug the car out and return it; ValueError if there is none."""
        self._check(connector)
        delivered_wh = self.evse.delivered_wh
        car = self.evse.unplug()
        self.box.left()
        if self._plug_in is not None:
            self.books.unplugged(self._plug_in, delivered_wh)
            self._plug_in = None
        return car

    async def tap(self, card: str, connector: int | None = None) -> str:
        """Hold a card to the reader: `shown` until the car has left, or `refused`."""
        self._check(connector or 1)
        return "shown" if self.box.tap(card) else "refused"

    async def wake(self, connector: int = 1) -> None:
        """Wake the car by the control pilot."""
        self._check(connector)
        self.evse.toggle_pilot()

    async def fault(self, name: str, **parameters: Any) -> dict[str, Any]:
        """Misbehave from now on.

        `offline {seconds=0}` (0: until `online`), `drop`: the connection is lost and comes again,
        `silent`: it stays connected, but tells and answers nothing, `refuse {word}` what it
        answers to every order, `late {seconds}`: so late it answers, `error {code}`: of the box
        (0: none), `none`: ends the last four. ValueError names the faults, or says what is wrong
        with the parameters.
        """
        try:
            if name in self._network:
                await self._network[name](**parameters)
            elif name in self._faults:
                self._faults[name](**parameters)
            else:
                known = ", ".join((*self._network, *self._faults))
                raise ValueError(f"no fault {name!r}; there is {known}")
        except TypeError as err:
            raise ValueError(f"fault {name}: {err}") from None
        self.books.note("fault", fault=name, **parameters)
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
        evse, box = self.evse, self.box
        connector = {
            "connector": 1,
            "state": evse.state.value,
            "enabled": box.allowed,
            "limit_a": box.limit_a,
            "offer_a": evse.offer_a,
            "power_w": round(evse.power_w, 1),
            "currents_a": [round(current, 2) for current in evse.currents_a],
            "register_wh": evse.register_wh,
            "delivered_wh": round(evse.delivered_wh, 1),
            "phases_offered": evse.phases_offered,
            "transaction": box.transaction,
            "car": evse.car.model.name if evse.car else None,
        }
        return {
            "station": self.config.identity,
            "model": "go_e",
            "prefix": self.prefix,
            "online": self.online,
            "connectors": [connector],
        }

    # The connection

    async def _run(self) -> None:
        config = self.config
        while True:
            with suppress(MqttError):
                async with Client(
                    config.host,
                    config.port,
                    username=config.username,
                    password=config.password,
                    identifier=f"go-eCharger_{config.identity}",
                ) as client:
                    await self._talk(client)
            await self.clock.sleep(config.reconnect_s)

    async def _talk(self, client: Client) -> None:
        """Tell what changes and take orders until the connection breaks, an `MqttError`."""
        await client.subscribe(f"{self.prefix}/+/set")
        telling = asyncio.create_task(self._tell_all(client))
        self.online = True
        try:
            async for message in client.messages:
                payload = message.payload if isinstance(message.payload, bytes) else b""
                key = message.topic.value.split("/")[-2]
                await self._take(client, key, payload.decode(errors="replace"))
        finally:
            self.online = False
            telling.cancel()
            with suppress(asyncio.CancelledError, MqttError):
                await telling

    async def _tell_all(self, client: Client) -> None:
        """Tell everything once, and then whatever has changed, at every tick."""
        told: dict[str, Json] = {}
        tick_at = self.clock.now()
        while True:
            self._advance()
            values = {} if self._silent else self.box.told()
            for key, value in values.items():
                if key not in told or told[key] != value:
                    await client.publish(f"{self.prefix}/{key}", json.dumps(value), retain=True)
                    told[key] = value
            tick_at += self.config.every_s
            await self.clock.sleep(max(0.0, tick_at - self.clock.now()))

    async def _take(self, client: Client, key: str, payload: str) -> None:
        if self._silent:
            return
        self.taken.append((key, payload))
        self._advance()
        answer = self._refusal or self.box.take(key, payload)
        self._advance()
        if self._delay_s:
            await self.clock.sleep(self._delay_s)
        await client.publish(f"{self.prefix}/{key}/result", answer)

    # What goes wrong

    async def _lose_network(self, seconds: float = 0.0) -> None:
        await self.stop()
        if seconds > 0:
            loop = asyncio.get_running_loop()
            self._later = loop.call_later(seconds, lambda: loop.create_task(self.start()))

    async def _drop(self) -> None:
        await self.stop()
        await self.start()

    def _forget_later(self) -> None:
        if self._later is not None:
            self._later.cancel()
            self._later = None

    def _behave(self) -> None:
        self._silent, self._refusal, self._delay_s, self.box.error = False, None, 0.0, 0

    def _be_silent(self) -> None:
        self._silent = True

    def _refuse(self, word: str) -> None:
        self._refusal = word

    def _be_late(self, seconds: float) -> None:
        self._delay_s = seconds

    def _break(self, code: int) -> None:
        self.box.error = code

    def _check(self, connector: int) -> None:
        """Bring the plant up to now; ValueError if there is no such outlet."""
        if connector != 1:
            raise ValueError(f"no outlet {connector}; there is 1 only")
        self._advance()

    def _advance(self) -> None:
        """Bring the plant up to now."""
        now = self.clock.plant()
        elapsed, self._plant_time = now - self._plant_time, now
        self.box.settle()
        self.evse.step(elapsed)
        self.box.settle()
