"""Every profile beside the box that it describes: each value, each order, and no word to spare.

A profile that is changed anywhere must fail here; that is tested too, by changing it everywhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
import re
from typing import Any, Self

import pytest

from custom_components.forecourt.stations.declarative.link import LinkError, LinkFault, Sample
from custom_components.forecourt.stations.declarative.load import load_profile
from custom_components.forecourt.stations.declarative.profile import (
    MqttTransport,
    Order,
    Profile,
    ReadingSpec,
    Role,
    Scalar,
    Topic,
    Transform,
    Write,
)
from custom_components.forecourt.stations.mqtt import link as link_module
from custom_components.forecourt.stations.mqtt.link import MqttLink
from custom_components.forecourt.stations.mqtt.own_broker import OwnBroker

from .boxes.base import SENTINEL, Box
from .boxes.go_e import GoE
from .boxes.prism import Prism
from .cases import CASES, Case
from .mosquitto import Mosquitto

PROFILES = Path(link_module.__file__).parents[1] / "profiles"
NOW = 1_800_000_005.0

by_name = pytest.mark.parametrize("case", CASES, ids=lambda case: case.profile)


def shipped(name: str) -> Profile:
    return load_profile((PROFILES / f"{name}.yaml").read_text(), name=name)


class Bench:
    """A box and its link, side by side."""

    def __init__(
        self,
        case: Case,
        profile: Profile,
        mosquitto: Mosquitto,
        broker: OwnBroker,
        patience_s: float = 10,
    ) -> None:
        self.case = case
        self.profile = profile
        self.broker = broker
        self.box: Any = case.box(mosquitto.port)
        self.link = MqttLink(
            profile,
            broker,
            case.box_id,
            prefix=case.prefix,
            patience_s=patience_s,
            settles_s=0,
            answers_s=patience_s,
            wall=lambda: NOW,
        )
        self._arrived: asyncio.Queue[int] = asyncio.Queue()

    async def __aenter__(self) -> Self:
        self._stop = await self.broker.subscribe(
            f"{SENTINEL}/out", lambda _, payload, *__: self._arrived.put_nowait(int(payload))
        )
        await self.box.__aenter__()
        opening = asyncio.create_task(self.link.open())
        while not opening.done():
            # What is not retained is lost on who does not listen yet.
            await self.box.show()
            await asyncio.wait([opening], timeout=0.02)
        try:
            await opening
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.link.close()
        await self.box.__aexit__()
        self._stop()

    async def show(self) -> Sample | None:
        """Let the box tell all, and return what came of it once it has arrived."""
        number = await self.box.show()
        while await self._arrived.get() != number:
            pass
        return await self.link.read() if self.link.connected else None

    async def tell(self, order: Order, value: Scalar | None) -> None:
        await self.link.tell(order, value)
        await self.broker.publish(f"{SENTINEL}/in", "1")
        await self.box.caught_up()


def values(sample: Sample | None) -> dict[Role, Scalar | None]:
    assert sample is not None, "the box is taken for dead"
    assert sample.faults == {}
    assert sample.unknown == {}
    return {**sample.station, **sample.outlets[1]}


async def check(
    case: Case,
    profile: Profile,
    mosquitto: Mosquitto,
    broker: OwnBroker,
    *,
    of: Role | Order | None = None,
    patience_s: float = 10,
) -> None:
    """Try all, or what has to do with one reading or order."""
    async with Bench(case, profile, mosquitto, broker, patience_s) as bench:
        assert values(await bench.show()) == case.told
        assert set(case.told) == set(profile.readings), "some reading is not tested"
        for attribute, raw, meant in case.scenes:
            if of is not None and of not in meant:
                continue
            before = getattr(bench.box, attribute)
            setattr(bench.box, attribute, raw)
            told = values(await bench.show())
            assert {role: told[role] for role in meant} == meant
            setattr(bench.box, attribute, before)
        assert {order for order, *_ in case.effects} == set(profile.orders)
        if isinstance(of, Role):
            return
        for order, value, holds in case.effects:
            if isinstance(of, Order) and order not in (of, Order.PREPARE, Order.PAUSE):
                continue
            await bench.tell(order, value)
            assert holds(bench.box), f"{order} {value}"
        if bench.box.offline:
            gone = asyncio.Event()
            bench.link.on_news(lambda: None if bench.link.connected else gone.set())
            await bench.box.say(*bench.box.offline, retain=True)
            async with asyncio.timeout(patience_s):
                await gone.wait()


@by_name
async def test_the_profile_fits_the_box(
    case: Case, mosquitto: Mosquitto, broker: OwnBroker
) -> None:
    await check(case, shipped(case.profile), mosquitto, broker)


def other(value: Scalar) -> Scalar:
    """Return a value of the same kind that is not the same."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return "reserved" if value in ("charging", "available") else f"{value}x"
    return value + 1


def changed_maps(transform: Transform) -> Iterator[Transform]:
    for key in transform.map:
        yield replace(transform, map={**transform.map, key: other(transform.map[key])})
        rest: Mapping[Scalar, Scalar] = {k: v for k, v in transform.map.items() if k != key}
        yield replace(transform, map=rest, default=None, none=())
    if transform.scale != 1:
        yield replace(transform, scale=1.0)
    yield (
        replace(transform, offset=1.0)
        if not transform.map
        else replace(transform, map={"nothing": True}, default=None)
    )


def changed_topics(topic: Topic) -> Iterator[Topic]:
    yield replace(topic, topic=f"{topic.topic}x")
    yield replace(topic, topic=f"x{topic.topic}")
    for index, step in enumerate(topic.path):
        wrong = step + 1 if isinstance(step, int) else f"{step}x"
        yield replace(topic, path=(*topic.path[:index], wrong, *topic.path[index + 1 :]))


def changed_readings(spec: ReadingSpec) -> Iterator[ReadingSpec]:
    assert isinstance(spec.source, Topic)
    for source in changed_topics(spec.source):
        yield replace(spec, source=source)
    textual = not spec.transform.numeric and not spec.transform.map
    for transform in () if textual else changed_maps(spec.transform):
        yield replace(spec, transform=transform)
    if spec.transform.none:
        yield replace(spec, transform=replace(spec.transform, none=()))
    if spec.transform.pattern:
        yield replace(spec, transform=replace(spec.transform, pattern="^(.)"))
    if spec.transform.default is not None:
        yield replace(spec, transform=replace(spec.transform, default="x"))


def changed_writes(write: Write, *, whatever: bool) -> Iterator[Write]:
    assert isinstance(write.target, Topic)
    for target in changed_topics(write.target):
        yield replace(write, target=target)
    if write.acknowledge is not None:
        yield replace(write, acknowledge=f"x{write.acknowledge}")
        yield replace(write, acknowledged="never")
    payload = write.payload or "{value}"
    if not whatever:
        yield replace(write, payload=f"{payload}!")
        for found in re.finditer(r'"(\w+)"', payload):
            yield replace(write, payload=payload.replace(found[0], f'"{found[1]}x"'))
        for word in re.findall(r"\{\w+\}", payload):
            yield replace(write, payload=payload.replace(word, "5"))
    if write.value is not None:
        yield replace(write, value=other(write.value))
    elif "{value}" in payload:
        for transform in changed_maps(write.transform):
            yield replace(write, transform=transform)


def mutants(
    profile: Profile, whatever: frozenset[Order]
) -> Iterator[tuple[Role | Order | None, str, Profile]]:
    for role, spec in profile.readings.items():
        for reading in changed_readings(spec):
            changed = {**profile.readings, role: reading}
            yield role, f"{reading}", replace(profile, readings=changed)
    for order, told in profile.orders.items():
        for index, write in enumerate(told.writes):
            for wrong in changed_writes(write, whatever=order in whatever):
                writes = (*told.writes[:index], wrong, *told.writes[index + 1 :])
                orders = {**profile.orders, order: replace(told, writes=writes)}
                yield order, f"{order}: {wrong}", replace(profile, orders=orders)
    transport = profile.transport
    assert isinstance(transport, MqttTransport)
    if any("{connector}" in str(spec.source) for spec in profile.readings.values()):
        off = replace(transport, first_connector=transport.first_connector + 1)
        yield Role.STATUS, "first_connector", replace(profile, transport=off)
    if transport.online is not None:
        yield None, "online", replace(profile, transport=replace(transport, online="x"))
        assert transport.availability is not None
        for at in changed_topics(transport.availability):
            yield None, f"{at}", replace(profile, transport=replace(transport, availability=at))


@pytest.mark.timeout(240)
@by_name
async def test_a_changed_profile_does_not_fit(
    case: Case, mosquitto: Mosquitto, broker: OwnBroker
) -> None:
    unnoticed = []
    for of, what, mutant in mutants(shipped(case.profile), case.whatever):
        try:
            await check(case, mutant, mosquitto, broker, of=of, patience_s=0.1)
        except AssertionError, LinkError, TimeoutError:
            continue
        unnoticed.append(what)
    assert unnoticed == []


@pytest.mark.parametrize("name", ["openwb_2_mqtt", "openwb_1_9_mqtt"])
async def test_the_watchdog_is_the_one_of_the_box(
    name: str, mosquitto: Mosquitto, broker: OwnBroker
) -> None:
    case = next(case for case in CASES if case.profile == name)
    profile = shipped(name)
    watchdog = profile.watchdog
    assert watchdog is not None
    assert watchdog.timeout_s is not None
    assert watchdog.renewed_by == "order"
    async with Bench(case, profile, mosquitto, broker) as bench:
        bench.box.now = NOW
        await bench.tell(Order.RENEW, None)
        await bench.tell(Order.LIMIT_A, 10)
        bench.box.pass_time(watchdog.timeout_s)
        assert bench.box.limit_a == 10
        bench.box.pass_time(1)
        assert bench.box.limit_a == watchdog.fallback_a


async def test_a_go_e_that_is_read_only_says_so(mosquitto: Mosquitto, broker: OwnBroker) -> None:
    case = next(case for case in CASES if case.box is GoE)
    async with Bench(case, shipped(case.profile), mosquitto, broker) as bench:
        bench.box.read_only = True
        with pytest.raises(LinkError) as refused:
            await bench.link.tell(Order.LIMIT_A, 10)
        assert refused.value.fault is LinkFault.WRITE_ACCESS
        assert refused.value.detail == "mqtt is read only"


async def test_a_prism_that_fails_says_so(mosquitto: Mosquitto, broker: OwnBroker) -> None:
    case = next(case for case in CASES if case.box is Prism)
    async with Bench(case, shipped(case.profile), mosquitto, broker) as bench:
        bench.box.angry = True
        with pytest.raises(LinkError) as refused:
            await bench.link.tell(Order.PAUSE)
        assert refused.value.fault is LinkFault.WRITE_ACCESS
        assert refused.value.detail == "error"


async def test_every_profile_for_mqtt_has_its_box() -> None:
    assert {path.stem for path in PROFILES.glob("*_mqtt.yaml")} == {c.profile for c in CASES}
    assert all(issubclass(case.box, Box) for case in CASES)
