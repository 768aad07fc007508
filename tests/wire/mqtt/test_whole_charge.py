"""Whole charges at a simulated box over a real broker, from the plug to the books of a real site.

Time is that of one clock by hand, for the plant, the box, the link and the site; messages travel
in their own time, and are waited for.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from decimal import Decimal
import json
from pathlib import Path
from typing import Any

import pytest

from custom_components.forecourt.core.control.limits import Limits
from custom_components.forecourt.core.model.evse import EvseStatus
from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.session import SessionStatus
from custom_components.forecourt.stations.declarative.library import Library
from custom_components.forecourt.stations.declarative.memory import Memory
from custom_components.forecourt.stations.declarative.station import DeclarativeStation
from custom_components.forecourt.stations.mqtt.link import MqttLink
from custom_components.forecourt.stations.mqtt.own_broker import Address, OwnBroker
from simulator import ManualClock, MqttConfig, MqttStation
from tests.unit.site.world import NOON, World, settings

from .mosquitto import Mosquitto

SERIAL = "123456"
EVSE = EvseId("go-e", 1)
PROFILE = Library().get("go_e_mqtt")


class Place(World):
    """A real site, with a box at a broker."""

    def __init__(self, path: Path, mosquitto: Mosquitto) -> None:
        super().__init__(path, settings())
        self.price = Decimal("0.30")
        self.mosquitto = mosquitto
        self.clock = ManualClock(start=NOON)
        self.plant = MqttStation(
            MqttConfig(identity=SERIAL, port=mosquitto.port, register_wh=1_234_000),
            clock=self.clock,
        )
        self.saved: Any = None
        self.heard_s = -1.0
        self.broker: OwnBroker
        self.station: DeclarativeStation
        self._stack: AsyncExitStack

    async def open(self) -> None:
        await super().open()
        self._stack = AsyncExitStack()
        address = Address(host="127.0.0.1", port=self.mosquitto.port)
        self.broker = await self._stack.enter_async_context(
            OwnBroker(address, timeout_s=5, first_wait_s=0.02, longest_wait_s=0.1)
        )
        await self.broker.wait_connected()
        link = MqttLink(PROFILE, self.broker, SERIAL, clock=self.clock.now)
        # The process may end without a word to the box: the link only is closed.
        self._stack.push_async_callback(link.close)
        await self.broker.subscribe(f"{self.plant.prefix}/rbt", self._ticked)
        self.station = DeclarativeStation(
            EVSE.station_id,
            PROFILE,
            link,
            self.site,
            now=lambda: self.now,
            memory=Memory.from_json(self.saved),
            on_memory=self._save,
            may_write=True,
            fallback_current_a=6,
            sleep=self.clock.sleep,
        )
        self.site.add_station(self.station, Limits(max_current_a=16, fallback_current_a=6), {})

    async def close(self) -> None:
        await super().close()
        await self._stack.aclose()

    async def pass_time(self, seconds: int) -> None:
        """Let time pass for all, second by second."""
        for _ in range(seconds):
            await self.tick()
            await self.during(self.station.poll())
            await self.during(self.turn())

    async def tick(self) -> None:
        """Let a second pass, and wait for what the box tells then."""
        await self.alone(1)
        async with asyncio.timeout(5):
            while self._in_touch and self.heard_s < self.clock.now() - 1e-3:  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    async def alone(self, seconds: float) -> None:
        """Let time pass for the box only: nobody listens."""
        await self.clock.advance(seconds)
        self.wait(seconds=seconds)

    async def during(self, doing: Awaitable[object]) -> None:
        """Let time pass for as long as something takes that waits for the box."""
        task = asyncio.ensure_future(doing)
        while not (await asyncio.wait({task}, timeout=0.05))[0]:
            await self.tick()
        await task

    async def until_in_touch(self) -> None:
        """Wait until both sides have found the broker again."""
        async with asyncio.timeout(10):
            while not self._in_touch:
                await self.alone(1)
                await asyncio.sleep(0.01)

    async def start(self, user: str) -> None:  # type: ignore[override]
        await self.during(self.site.orders.start(EVSE, user))

    @property
    def drawn_a(self) -> float:
        return self.plant.evse.currents_a[0]

    @property
    def delivered_wh(self) -> float:
        """What truly flowed, by the books of the box; of cars that have left."""
        return sum(entry.energy_wh or 0.0 for entry in self.plant.books.plug_ins)

    async def booked_wh(self) -> int:
        return sum(session.energy_wh for session in await self.sessions())

    @property
    def _in_touch(self) -> bool:
        return self.plant.online and self.broker.connected

    def _ticked(self, topic: str, payload: bytes, retained: bool) -> None:
        self.heard_s = json.loads(payload) / 1000

    def _save(self, station_id: str, memory: Memory) -> None:
        self.saved = json.loads(json.dumps(memory.to_json()))


@pytest.fixture
async def place(tmp_path: Path, mosquitto: Mosquitto) -> AsyncIterator[Place]:
    made = Place(tmp_path / "ledger.db", mosquitto)
    async with made.plant:
        await made.plant.wait_for(lambda box: box.online)
        await made.open()
        await made.pass_time(3)
        assert made.state(EVSE).status is EvseStatus.AVAILABLE
        yield made
        await made.close()


async def held(place: Place) -> None:
    """Plug in, and see that nobody charges yet."""
    await place.plant.plug(1, "family")
    await place.pass_time(20)
    assert place.state(EVSE).status is EvseStatus.PREPARING
    assert place.plant.box.force == 1
    assert place.drawn_a == 0


async def charging(place: Place) -> None:
    """Let Anna charge for a minute."""
    await place.start("anna")
    await place.pass_time(60)
    assert place.state(EVSE).status is EvseStatus.CHARGING
    assert place.drawn_a == pytest.approx(16)


async def left(place: Place) -> None:
    """Unplug, and compare the books of both sides."""
    await place.plant.unplug()
    await place.pass_time(10)
    assert place.state(EVSE).status is EvseStatus.AVAILABLE
    [session] = await place.sessions()
    assert session.status is SessionStatus.CLOSED
    assert (session.user_id, session.flags) == ("anna", frozenset())
    assert session.energy_wh > 100
    # Both ends are read from a register of whole watt-hours.
    assert session.energy_wh == pytest.approx(place.delivered_wh, abs=1)


async def test_held_started_limited_stopped_and_left(place: Place) -> None:
    await held(place)
    await charging(place)

    place.site.orders.limit(EVSE, 10)
    await place.pass_time(30)
    assert place.plant.box.limit_a == 10
    assert place.drawn_a == pytest.approx(10)

    await place.during(place.site.orders.stop(EVSE))
    await place.pass_time(20)
    assert place.plant.box.force == 1
    assert place.drawn_a == 0
    [session] = await place.sessions()
    assert session.transaction_id is None
    stopped_wh = place.plant.evse.delivered_wh
    await place.pass_time(60)
    assert place.plant.evse.delivered_wh == stopped_wh
    await left(place)


async def test_a_whole_charge_is_booked_to_the_watt_hour(place: Place) -> None:
    await held(place)
    await charging(place)
    await place.pass_time(60)
    await left(place)


async def test_a_restart_in_the_middle(place: Place) -> None:
    await held(place)
    await charging(place)
    await place.close()
    await place.alone(300)
    away_wh = place.plant.state()["connectors"][0]["register_wh"] - 1_234_000
    await place.open()
    await place.pass_time(30)
    assert place.state(EVSE).status is EvseStatus.CHARGING
    assert await place.booked_wh() >= away_wh > 800
    await left(place)


async def test_the_car_leaves_while_nobody_listens(place: Place) -> None:
    await held(place)
    await charging(place)
    await place.close()
    await place.alone(300)
    await place.plant.unplug()
    await place.alone(60)
    await place.open()
    await place.pass_time(10)
    [session] = await place.sessions()
    assert session.status is SessionStatus.CLOSED
    assert session.energy_wh == pytest.approx(place.delivered_wh, abs=1)


async def test_the_broker_is_gone_and_comes_back(place: Place) -> None:
    await held(place)
    await charging(place)
    await place.mosquitto.stop()
    await place.plant.wait_for(lambda box: not box.online)
    await _until(lambda: not place.broker.connected)
    await place.pass_time(30)
    assert not place.station.online
    assert place.drawn_a == pytest.approx(16)  # nothing watches over such a box

    await place.mosquitto.start()
    await place.until_in_touch()
    await place.pass_time(30)
    assert place.station.online
    assert place.state(EVSE).status is EvseStatus.CHARGING
    place.site.orders.limit(EVSE, 8)
    await place.pass_time(20)
    assert place.drawn_a == pytest.approx(8)
    await left(place)


async def test_the_box_is_gone_and_comes_back(place: Place) -> None:
    await held(place)
    await charging(place)
    await place.plant.fault("offline")
    await place.pass_time(90)
    assert not place.station.online
    await place.plant.fault("online")
    await place.until_in_touch()
    await place.pass_time(20)
    assert place.station.online
    await left(place)


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)
