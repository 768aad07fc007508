"""A box over a real broker: what it tells, how old that is, and what it answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from aiomqtt import Client
import pytest

from custom_components.forecourt.stations.declarative.link import LinkError, LinkFault, Sample
from custom_components.forecourt.stations.declarative.load import load_profile
from custom_components.forecourt.stations.declarative.profile import (
    ModbusTransport,
    MqttTransport,
    Order,
    Profile,
    Role,
)
from custom_components.forecourt.stations.mqtt.link import MqttLink
from custom_components.forecourt.stations.mqtt.own_broker import OwnBroker

from .mosquitto import Mosquitto

BOX = """
format: 1
id: box
vendor: Nobody
models: [Box]
protocol: mqtt
confidence: read
sources: [this test]
transport: {prefix: "box/{id}", first_connector: 0}
connectors: {default: 1, max: 2}
readings:
  status:
    {topic: "{prefix}/{connector}/state", json: false, map: {idle: available, busy: charging}}
  power_w: {topic: "{prefix}/{connector}/power", path: [total], json: true, scale: 1000}
  current_a_1: {topic: "{prefix}/{connector}/power", path: [amps, 0], json: true}
  voltage_v_1:
    {topic: "{prefix}/{connector}/power", path: [volts, 0], json: true, optional: true}
  token: {topic: "{prefix}/card", json: false, station: true, optional: true}
  firmware: {topic: "{prefix}/firmware", json: false, station: true, slow: true, optional: true}
  energy_wh: {topic: "{prefix}/energy", from_firmware: "2.0", station: true, optional: true}
orders:
  limit_a:
    write:
      - {topic: "{prefix}/{connector}/limit/set", payload: '{"ma": {value}}', scale: 0.001,
         acknowledge: "{prefix}/{connector}/limit/result", acknowledged: "ok"}
  pause: {write: [{topic: "{prefix}/pause", payload: "1", delay_s: 0.01},
                  {topic: "{prefix}/pause", value: 2}]}
  phases: {write: [{topic: "{prefix}/phases", map: {one: 1, three: 3}, retain: true}]}
  renew: {write: [{topic: "{prefix}/alive", payload: '{"at": {now}}'}]}
  forget_token:
    write: [{topic: "{prefix}/forget", payload: x, acknowledge: "{prefix}/did/+/+",
             acknowledged: "forget/yes"}]
  unlock: {to_firmware: "2.0", write: [{topic: "{prefix}/unlock", payload: "1"}]}
"""


def profile(**transport: Any) -> Profile:
    made = load_profile(BOX, name="box")
    assert isinstance(made.transport, MqttTransport)
    return replace(made, transport=replace(made.transport, **transport))


@asynccontextmanager
async def linked(
    broker: OwnBroker, of: Profile | None = None, **options: Any
) -> AsyncIterator[MqttLink]:
    given = {"patience_s": 5, "settles_s": 0, "answers_s": 2} | options
    link = MqttLink(of or profile(), broker, "B1", **given)
    try:
        yield link
    finally:
        await link.close()
        await link.close()


async def awaken(link: MqttLink, wire: Client, topic: str, payload: str = "0") -> None:
    """Open the link while the box publishes."""
    opening = asyncio.create_task(link.open())
    while not opening.done():
        await wire.publish(topic, payload)
        await asyncio.wait([opening], timeout=0.02)
    await opening


async def until(link: MqttLink, reached: Callable[[Sample], bool]) -> Sample:
    """Return the first sample that is as wanted."""
    news = asyncio.Event()
    stop = link.on_news(news.set)
    while not reached(sample := await link.read()):
        await news.wait()
        news.clear()
    stop()
    stop()
    return sample


async def heard(link: MqttLink, wire: Client) -> Sample:
    """Return what is known once everything published so far has arrived."""
    await wire.publish("box/B1/0/state", "busy")
    return await until(link, lambda sample: sample.outlets[1][Role.STATUS] == "charging")


@pytest.fixture
async def link(broker: OwnBroker, wire: Client) -> AsyncIterator[MqttLink]:
    async with linked(broker) as opened:
        await awaken(opened, wire, "box/B1/0/state", "idle")
        yield opened


async def test_values_come_out_in_their_units(link: MqttLink, wire: Client) -> None:
    await wire.publish("box/B1/0/power", '{"total": 11.04, "amps": [16, 15, 14], "more": {}}')
    sample = await heard(link, wire)
    assert sample.outlets[1] == {
        Role.STATUS: "charging",
        Role.POWER_W: 11040,
        Role.CURRENT_A_1: 16,
    }
    assert (sample.station, sample.unknown, sample.faults) == ({}, {}, {})
    assert link.connected


async def test_two_outlets_have_their_own_topics(broker: OwnBroker, wire: Client) -> None:
    async with linked(broker, outlets=2) as link:
        await awaken(link, wire, "box/B1/1/state", "busy")
        await wire.publish("box/B1/0/state", "idle")
        sample = await until(link, lambda told: told.outlets[1][Role.STATUS] is not None)
        assert [sample.outlets[n][Role.STATUS] for n in (1, 2)] == ["available", "charging"]
        await wire.subscribe("box/B1/1/limit/set")
        telling = asyncio.create_task(link.tell(Order.LIMIT_A, 16, outlet=2))
        assert (await anext(aiter(wire.messages))).payload == b'{"ma": 16000}'
        await wire.publish("box/B1/1/limit/result", "ok")
        await telling


async def test_a_prefix_of_the_users_own(broker: OwnBroker, wire: Client) -> None:
    async with linked(broker, prefix="/elsewhere") as link:
        await awaken(link, wire, "/elsewhere/0/state", "idle")
        assert (await link.read()).outlets[1][Role.STATUS] == "available"


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff\xfe",
        b"{",
        b"[" * 60_000,
        b'{"total": NaN, "amps": [1]}',
        b'{"total": {"deep": 1}, "amps": {"a": 1}}',
        b'{"total": 1e999, "amps": ["1e999"]}',
        b'{"total": 1' + b"0" * 500 + b"}",
        b'"text"',
        b"5",
        b"x" * 70_000,
        b'{"total": "' + b"9" * 5_000 + b'"}',
    ],
)
async def test_garbage_is_a_fault_and_nothing_worse(
    link: MqttLink, wire: Client, payload: bytes
) -> None:
    await wire.publish("box/B1/0/power", '{"total": 1, "amps": [1]}')
    await wire.publish("box/B1/0/power", payload)
    sample = await heard(link, wire)
    assert sample.outlets[1][Role.POWER_W] is None
    assert Role.POWER_W in sample.faults
    assert link.connected


@pytest.mark.parametrize("payload", ["null", '{"total": null}', ""])
async def test_none_and_deleted_are_unknown_not_faults(
    link: MqttLink, wire: Client, payload: str
) -> None:
    await wire.publish("box/B1/0/power", '{"total": 1, "amps": [1]}')
    await wire.publish("box/B1/0/power", payload)
    sample = await heard(link, wire)
    assert sample.outlets[1][Role.POWER_W] is None
    assert Role.POWER_W not in sample.faults


async def test_what_the_profile_does_not_know_is_told_so(link: MqttLink, wire: Client) -> None:
    await wire.publish("box/B1/0/state", "dancing")
    sample = await until(link, lambda told: bool(told.unknown))
    assert sample.unknown == {Role.STATUS: "dancing"}
    assert sample.outlets[1][Role.STATUS] is None


async def test_a_payload_that_lacks_the_path(link: MqttLink, wire: Client) -> None:
    await wire.publish("box/B1/0/power", '{"total": 2, "amps": []}')
    sample = await heard(link, wire)
    assert sample.faults == {Role.CURRENT_A_1: LinkFault.NOT_SUPPORTED}
    assert not link.has(Role.VOLTAGE_V_1)
    await wire.publish("box/B1/0/power", '{"total": 2, "amps": [1], "volts": [230]}')
    await until(link, lambda told: told.outlets[1].get(Role.VOLTAGE_V_1) == 230)
    assert link.has(Role.VOLTAGE_V_1)


async def test_what_its_firmware_does_not_have(link: MqttLink, wire: Client) -> None:
    assert not link.has(Order.UNLOCK), "a firmware that nobody knows is taken for a new one"
    await wire.publish("box/B1/energy", "5")
    await until(link, lambda told: told.station.get(Role.ENERGY_WH) == 5)
    await wire.publish("box/B1/firmware", "1.9.1")
    await until(link, lambda told: told.station.get(Role.FIRMWARE) == "1.9.1")
    assert not link.has(Role.ENERGY_WH)
    assert link.has(Order.UNLOCK)
    assert link.has(Order.LIMIT_A)
    assert not link.has(Order.WATCHDOG_S)
    assert not link.has(Role.SOC_PERCENT)


async def test_what_was_stored_counts_once_the_box_lives(broker: OwnBroker, wire: Client) -> None:
    await wire.publish("box/B1/0/state", "busy", retain=True, qos=1)
    await wire.publish("box/B1/card", "04AABBCC", retain=True, qos=1)
    async with linked(broker, patience_s=0.3) as link:
        with pytest.raises(LinkError) as dead:
            await link.open()
        assert dead.value.fault is LinkFault.TIMEOUT
    async with linked(broker) as link:
        await awaken(link, wire, "box/B1/0/power", '{"total": 1, "amps": [1]}')
        sample = await link.read()
        assert sample.outlets[1][Role.STATUS] == "charging"
        assert Role.TOKEN not in sample.station, "nobody stands there any more"
        await wire.publish("box/B1/card", "04AABBCC", retain=True, qos=1)
        sample = await until(link, lambda told: Role.TOKEN in told.station)
        assert sample.station[Role.TOKEN] == "04AABBCC"


async def test_left_overs_of_a_box_that_retains_nothing(broker: OwnBroker, wire: Client) -> None:
    await wire.publish("box/B1/0/state", "busy", retain=True, qos=1)
    async with linked(broker, profile(retained=False)) as link:
        await awaken(link, wire, "box/B1/0/power", '{"total": 1, "amps": [1]}')
        assert (await link.read()).outlets[1][Role.STATUS] is None


async def test_each_value_grows_old_by_itself(broker: OwnBroker, wire: Client) -> None:
    async with linked(broker, profile(stale_after_s=0.3)) as link:
        await awaken(link, wire, "box/B1/0/state", "idle")
        await wire.publish("box/B1/firmware", "1.0")
        while True:
            await wire.publish("box/B1/0/power", '{"total": 1, "amps": [1]}')
            sample = await link.read()
            if sample.outlets[1][Role.STATUS] is None:
                break
            await asyncio.sleep(0.02)
        assert sample.faults[Role.STATUS] is LinkFault.TIMEOUT
        assert sample.outlets[1][Role.POWER_W] == 1000
        assert sample.station[Role.FIRMWARE] == "1.0"


async def test_a_box_that_tells_changes_only(broker: OwnBroker, wire: Client) -> None:
    async with linked(broker, profile(stale_after_s=0.3, on_change=True)) as link:
        await awaken(link, wire, "box/B1/0/state", "idle")
        await wire.publish("box/B1/card", "04AABBCC")
        await until(link, lambda told: Role.TOKEN in told.station)
        while (await link.read()).station[Role.TOKEN] is not None:
            await wire.publish("box/B1/0/power", '{"total": 1, "amps": [1]}')
            await asyncio.sleep(0.02)
        assert (await link.read()).outlets[1][Role.STATUS] == "available"


async def test_a_box_that_falls_silent_is_away(broker: OwnBroker, wire: Client) -> None:
    async with linked(broker, profile(stale_after_s=0.3)) as link:
        await awaken(link, wire, "box/B1/0/state", "idle")
        gone = asyncio.Event()
        link.on_news(lambda: None if link.connected else gone.set())
        await gone.wait()
        with pytest.raises(LinkError) as silent:
            await link.read()
        assert silent.value.fault is LinkFault.TIMEOUT
        with pytest.raises(LinkError):
            await link.tell(Order.PAUSE)
        await awaken(link, wire, "box/B1/0/state", "idle")
        while not link.connected:
            await wire.publish("box/B1/0/state", "idle")
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("on_change", [True, False])
async def test_a_box_that_says_whether_it_is_there(
    broker: OwnBroker, wire: Client, on_change: bool
) -> None:
    spoken = load_profile(
        BOX.replace(
            "first_connector: 0",
            'first_connector: 0, availability: {topic: "{prefix}/there", path: [is]}, '
            'online: "yes|true"',
        ),
        name="box",
    )
    assert isinstance(spoken.transport, MqttTransport)
    spoken = replace(spoken, transport=replace(spoken.transport, on_change=on_change))
    await wire.publish("box/B1/there", '{"is": true}', retain=True, qos=1)
    await wire.publish("box/B1/0/state", "idle", retain=True, qos=1)
    async with linked(broker, spoken) as link:
        if on_change:
            await link.open()
        else:
            await awaken(link, wire, "box/B1/there", '{"is": "yes"}')
        assert link.connected
        away = asyncio.Event()
        link.on_news(lambda: None if link.connected else away.set())
        await wire.publish("box/B1/there", "{")
        await wire.publish("box/B1/there", "{}")
        await wire.publish("box/B1/there", '{"is": "no"}')
        await away.wait()
        with pytest.raises(LinkError, match="offline"):
            await link.read()


async def test_a_topic_that_is_only_a_sign_of_life(broker: OwnBroker, wire: Client) -> None:
    spoken = load_profile(
        BOX.replace(
            "first_connector: 0",
            'first_connector: 0, on_change: true, availability: {topic: "{prefix}/uptime"}',
        ),
        name="box",
    )
    await wire.publish("box/B1/uptime", "1", retain=True, qos=1)
    await wire.publish("box/B1/0/state", "idle", retain=True, qos=1)
    async with linked(broker, spoken, patience_s=0.2) as link:
        with pytest.raises(LinkError):
            await link.open()
    async with linked(broker, spoken) as link:
        await awaken(link, wire, "box/B1/uptime", "2")
        assert (await link.read()).outlets[1][Role.STATUS] == "available"


async def test_the_broker_goes_and_comes_back(
    mosquitto: Mosquitto, broker: OwnBroker, link: MqttLink
) -> None:
    gone = asyncio.Event()
    link.on_news(lambda: None if link.connected else gone.set())
    telling = asyncio.create_task(link.tell(Order.LIMIT_A, 10))
    await asyncio.sleep(0.05)
    await mosquitto.stop()
    await gone.wait()
    assert not link.connected
    with pytest.raises(LinkError) as cut:
        await telling
    assert cut.value.fault is LinkFault.REFUSED
    with pytest.raises(LinkError) as offline:
        await link.read()
    assert offline.value.fault is LinkFault.REFUSED
    await mosquitto.start()
    await broker.wait_connected()
    async with Client("127.0.0.1", mosquitto.port) as wire:
        assert (await heard(link, wire)).outlets[1][Role.STATUS] == "charging"


async def test_what_the_broker_tells_again_is_no_younger(broker: OwnBroker, wire: Client) -> None:
    """Whenever somebody subscribes, the broker tells what it has stored, to all of us."""
    now = 1000.0
    async with linked(broker, clock=lambda: now) as link:
        await awaken(link, wire, "box/B1/0/state", "idle")
        await wire.publish("box/B1/0/power", '{"total": 1, "amps": [1]}', retain=True, qos=1)
        await until(link, lambda told: told.outlets[1][Role.POWER_W] == 1000)
        now += 119
        again = asyncio.Event()
        await broker.subscribe("box/B1/0/power", lambda *_: again.set())
        await again.wait()
        await heard(link, wire)
        now += 2
        sample = await link.read()
        assert sample.outlets[1][Role.STATUS] == "charging"
        assert sample.outlets[1][Role.POWER_W] is None


async def test_an_order_is_taken_when_the_box_says_so(link: MqttLink, wire: Client) -> None:
    await wire.publish("box/B1/0/limit/result", "an old no", retain=True, qos=1)
    await wire.subscribe("box/B1/0/limit/set")
    telling = asyncio.create_task(link.tell(Order.LIMIT_A, 12.5))
    message = await anext(aiter(wire.messages))
    assert (message.payload, message.retain) == (b'{"ma": 12500}', False)
    await asyncio.sleep(0.02)
    assert not telling.done()
    await wire.publish("box/B1/0/limit/result", "ok")
    await telling


@pytest.mark.parametrize(
    ("word", "fault"),
    [
        ("no write access", LinkFault.WRITE_ACCESS),
        ("invalid json at position 3", LinkFault.GARBLED),
        ("not ok", LinkFault.WRITE_ACCESS),
        ("x" * 5000, LinkFault.WRITE_ACCESS),
    ],
)
async def test_a_box_that_says_no(
    link: MqttLink, wire: Client, word: str, fault: LinkFault
) -> None:
    await wire.subscribe("box/B1/0/limit/set")
    telling = asyncio.create_task(link.tell(Order.LIMIT_A, 6))
    await anext(aiter(wire.messages))
    await wire.publish("box/B1/0/limit/result", word)
    with pytest.raises(LinkError) as refused:
        await telling
    assert (refused.value.fault, refused.value.detail) == (fault, word[:200])


async def test_a_box_that_answers_by_the_topic(link: MqttLink, wire: Client) -> None:
    await wire.subscribe("box/B1/forget")
    messages = aiter(wire.messages)
    for answer, detail in (("yes", None), ("no", "forget/no because")):
        telling = asyncio.create_task(link.tell(Order.FORGET_TOKEN))
        await anext(messages)
        await wire.publish(f"box/B1/did/forget/{answer}", "because")
        if detail is None:
            await telling
        else:
            with pytest.raises(LinkError) as refused:
                await telling
            assert refused.value.detail == detail


async def test_a_box_that_does_not_answer(broker: OwnBroker, wire: Client) -> None:
    async with linked(broker, answers_s=0.05) as link:
        await awaken(link, wire, "box/B1/0/state", "idle")
        with pytest.raises(LinkError) as late:
            await link.tell(Order.LIMIT_A, 6)
        assert late.value.fault is LinkFault.TIMEOUT
        await wire.publish("box/B1/0/limit/result", "ok")
        assert (await heard(link, wire)).faults == {}


async def test_orders_of_several_messages_and_of_fixed_ones(
    broker: OwnBroker, wire: Client
) -> None:
    await wire.subscribe("box/B1/+")
    messages = aiter(wire.messages)
    async with linked(broker, wall=lambda: 1_800_000_000.7) as link:
        await awaken(link, wire, "box/B1/0/state", "idle")
        await link.tell(Order.PAUSE)
        await link.tell(Order.PHASES, 3)
        await link.tell(Order.RENEW)
        told = [await anext(messages) for _ in range(4)]
        assert [(m.topic.value, m.payload) for m in told] == [
            ("box/B1/pause", b"1"),
            ("box/B1/pause", b"2"),
            ("box/B1/phases", b"three"),
            ("box/B1/alive", b'{"at": 1800000000}'),
        ]


async def test_what_the_box_cannot_be_told(link: MqttLink) -> None:
    for order, value in (
        (Order.PHASES, 2),
        (Order.LIMIT_A, None),
        (Order.WATCHDOG_S, 60),
        (Order.UNLOCK, None),
    ):
        with pytest.raises(LinkError) as cannot:
            await link.tell(order, value)
        assert cannot.value.fault is LinkFault.NOT_SUPPORTED


async def test_opening_without_a_broker() -> None:
    from custom_components.forecourt.stations.mqtt.own_broker import Address  # noqa: PLC0415

    from .mosquitto import free_port  # noqa: PLC0415

    async with OwnBroker(Address(host="127.0.0.1", port=free_port())) as broker:
        link = MqttLink(profile(), broker, "B1", patience_s=0.1)
        with pytest.raises(LinkError) as nobody:
            await link.open()
        assert nobody.value.fault is LinkFault.REFUSED
        assert not link.connected


async def test_opening_twice_listens_once(link: MqttLink) -> None:
    await link.open()
    assert link.connected


async def test_a_profile_of_something_else(broker: OwnBroker) -> None:
    with pytest.raises(ValueError, match="no profile for MQTT"):
        MqttLink(replace(profile(), transport=ModbusTransport()), broker, "B1")
