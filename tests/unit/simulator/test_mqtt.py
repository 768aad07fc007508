"""The simulator's box that speaks MQTT, by its topics and by the control interface."""

import asyncio
from collections.abc import AsyncIterator
import json
from pathlib import Path

from aiomqtt import Client
import pytest

from simulator import ControlClient, ControlServer, ManualClock, MqttConfig, MqttStation
from simulator.__main__ import mqtt_boxes, parse
from simulator.clock import Clock
from simulator.control import Station
from simulator.mqtt import GoE
from simulator.plant import Evse
from tests.wire.mqtt.mosquitto import Mosquitto

CARD = "04A1B2C3"


def _box(**more: object) -> GoE:
    clock = ManualClock()
    return GoE("123456", Evse(max_current_a=16), clock, cards=(CARD,), **more)  # type: ignore[arg-type]


@pytest.fixture
async def mosquitto(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    async with Mosquitto(tmp_path) as running:
        yield running


@pytest.fixture
async def station(mosquitto: Mosquitto) -> AsyncIterator[MqttStation]:
    config = MqttConfig(
        identity="123456", port=mosquitto.port, cards=(CARD,), every_s=0.02, reconnect_s=0.02
    )
    async with MqttStation(config, clock=Clock(600)) as running:
        await running.wait_for(lambda box: box.online)
        yield running


async def _heard(client: Client, topic: str, payload: str) -> None:
    """Wait for a message."""
    async with asyncio.timeout(5):
        async for message in client.messages:
            if message.topic.value == topic and message.payload == payload.encode():
                return


async def test_orders_are_answered_and_the_state_is_kept_by_the_broker(
    mosquitto: Mosquitto, station: MqttStation
) -> None:
    at = station.prefix
    async with Client("127.0.0.1", mosquitto.port) as client:
        await client.subscribe(f"{at}/#")
        await client.publish(f"{at}/amp/set", "10")
        await _heard(client, f"{at}/amp/result", "success")
        await _heard(client, f"{at}/amp", "10")
        await station.fault("refuse", word="no")
        await client.publish(f"{at}/amp/set", "12")
        await _heard(client, f"{at}/amp/result", "no")
        await station.fault("none")
        await station.fault("late", seconds=0.01)
        await client.publish(f"{at}/frc/set", "1")
        await _heard(client, f"{at}/frc/result", "success")
        await station.fault("silent")
        await client.publish(f"{at}/amp/set", "6")
        await _heard(client, f"{at}/amp/set", "6")
        await asyncio.sleep(0.1)
        await station.fault("none")
        await station.fault("error", code=3)
        assert station.state()["connectors"][0]["state"] == "E"
        await _heard(client, f"{at}/err", "3")
        await station.fault("none")
        await _heard(client, f"{at}/err", "0")
    async with Client("127.0.0.1", mosquitto.port) as late:
        await late.subscribe(f"{at}/amp")
        await _heard(late, f"{at}/amp", "10")


async def test_the_network_goes_and_comes(mosquitto: Mosquitto, station: MqttStation) -> None:
    await station.fault("offline")
    assert not station.online
    await station.fault("online")
    await station.wait_for(lambda box: box.online)
    await station.fault("offline", seconds=0.02)
    assert not station.online
    await station.wait_for(lambda box: box.online)
    await station.fault("drop")
    await station.wait_for(lambda box: box.online)
    await mosquitto.stop()
    await station.wait_for(lambda box: not box.online)
    await mosquitto.start()
    await station.wait_for(lambda box: box.online)
    await station.fault("offline", seconds=60)
    await station.stop()


async def test_a_box_is_driven_over_the_control_interface(station: MqttStation) -> None:
    stations: dict[str, Station] = {"123456": station}
    async with ControlServer(stations, station.clock) as server:
        client = ControlClient(server.port)

        def drive() -> None:
            assert client.plug()["connectors"][0]["car"] == "family"
            assert client.tap(CARD) == "shown"
            assert client.tap("FF") == "refused"
            client.wake()
            client.fault("offline")
            client.fault("online")
            assert client.unplug()["connectors"][0]["transaction"] is None
            assert client.books()["123456"]["plug_ins"][0]["car"] == "family"

        await asyncio.to_thread(drive)


async def test_what_makes_no_sense_is_refused() -> None:
    station = MqttStation(MqttConfig(identity="123456"))
    with pytest.raises(ValueError, match="offline"):
        await station.fault("explode")
    with pytest.raises(ValueError, match="late"):
        await station.fault("late")
    with pytest.raises(ValueError, match="no outlet 2"):
        await station.plug(2, "family")
    with pytest.raises(TimeoutError, match="123456"):
        await station.wait_for(lambda _: False, timeout=0.05)
    with pytest.raises(ValueError, match="10 cards"):
        MqttStation(MqttConfig(identity="1", cards=tuple("0123456789A")))


@pytest.mark.parametrize(
    ("key", "payload", "answer"),
    [
        ("amp", "16", "success"),
        ("amp", "17", "value out of range"),
        ("amp", "16.0", "value out of range"),
        ("amp", "true", "value out of range"),
        ("frc", "3", "value out of range"),
        ("psm", "1", "success"),
        ("psm", '"1"', "value out of range"),
        ("acs", "1", "success"),
        ("acs", "2", "value out of range"),
        ("trx", "null", "success"),
        ("trx", "11", "value out of range"),
        ("eto", "0", "unknown key"),
        ("amp", "a lot", "invalid json"),
    ],
)
def test_what_a_box_takes(key: str, payload: str, answer: str) -> None:
    box = _box()
    before = box.told()[key]
    assert box.take(key, payload) == answer
    assert box.told()[key] == (json.loads(payload) if answer == "success" else before)


async def test_a_box_tells_why_it_does_not_charge() -> None:
    clock = ManualClock()
    config = MqttConfig(identity="123456", cards=(CARD,))
    station = MqttStation(config, clock=clock)
    box = station.box

    async def told(*keys: str) -> list[object]:
        await clock.advance(30)
        station.state()
        values = box.told()
        return [values[key] for key in keys]

    keys = ("car", "modelStatus", "trx", "alw")
    box.take("acs", "1")
    assert await told(*keys) == [1, 2, None, False]
    await station.plug(1, "family")
    assert await told(*keys) == [3, 2, None, False]
    await station.tap(CARD)
    assert await told(*keys) == [2, 15, 1, True]
    box.take("frc", "1")
    assert await told(*keys) == [4, 4, 1, False]
    box.take("frc", "2")
    assert await told(*keys) == [2, 3, 1, True]
    await station.fault("error", code=5)
    assert await told(*keys[:2]) == [5, 26]
    await station.fault("none")
    await station.unplug()
    box.take("acs", "0")
    box.take("frc", "0")
    assert await told(*keys) == [1, 15, None, True]
    await station.plug(1, "family")
    assert await told(*keys) == [2, 15, 0, True]


def test_the_command_line_makes_boxes() -> None:
    line = "--protocol mqtt --station 1 --station 2 --broker host:1884 --card 04A1 --password p"
    first, second = mqtt_boxes(parse(line.split()))
    assert (first.identity, first.host, first.port) == ("1", "host", 1884)
    assert (second.username, second.password, second.cards) == ("2", "p", ("04A1",))
    with pytest.raises(ValueError, match="HOST:PORT"):
        mqtt_boxes(parse(["--station", "1", "--broker", "host"]))
