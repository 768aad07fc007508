"""Home Assistant's own broker, as boxes are reached through it: a real one behind a real client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from aiomqtt import Client
from homeassistant.components.mqtt.const import DOMAIN as MQTT
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.forecourt.stations.declarative.link import LinkError, LinkFault
from custom_components.forecourt.stations.mqtt.ha import HomeAssistantBroker
from tests.wire.mqtt.mosquitto import Mosquitto


@pytest.fixture
async def mosquitto(tmp_path: Path, socket_enabled: None) -> AsyncIterator[Mosquitto]:
    async with Mosquitto(tmp_path) as running:
        yield running


@pytest.fixture
async def broker(
    hass: HomeAssistant, mosquitto: Mosquitto, tmp_path: Path
) -> AsyncIterator[HomeAssistantBroker]:
    (tmp_path / "configuration.yaml").touch()
    hass.config.config_dir = str(tmp_path)
    entry = MockConfigEntry(
        domain=MQTT,
        data={"broker": "127.0.0.1", "port": mosquitto.port, "protocol": "3.1.1"},
        version=2,
        minor_version=1,
    )
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    made = HomeAssistantBroker(hass)
    await made.wait_ready()
    yield made
    await hass.config_entries.async_unload(entry.entry_id)


async def connection(broker: HomeAssistantBroker, *, wanted: bool) -> None:
    changed = asyncio.Event()
    stop = broker.on_connection(lambda _: changed.set())
    while broker.connected is not wanted:
        await changed.wait()
        changed.clear()
    stop()


async def test_messages_come_and_go(
    hass: HomeAssistant, broker: HomeAssistantBroker, mosquitto: Mosquitto
) -> None:
    await connection(broker, wanted=True)
    told: asyncio.Queue[tuple[str, bytes, bool]] = asyncio.Queue()
    async with Client("127.0.0.1", mosquitto.port) as wire:
        await wire.publish("box/old", b"\xff", retain=True, qos=1)
        stop = await broker.subscribe("box/+", lambda *message: told.put_nowait(message))
        assert await told.get() == ("box/old", b"\xff", True)
        await broker.publish("box/new", "16", qos=1)
        assert await told.get() == ("box/new", b"16", False)
        stop()
    await mosquitto.stop()
    await connection(broker, wanted=False)
    with pytest.raises(LinkError) as gone:
        await broker.publish("box/new", "17")
    assert gone.value.fault is LinkFault.REFUSED


async def test_mqtt_is_not_set_up(hass: HomeAssistant) -> None:
    broker = HomeAssistantBroker(hass)
    assert not broker.connected
    with pytest.raises(LinkError):
        await broker.wait_ready()
    with pytest.raises(LinkError) as missing:
        await broker.subscribe("a", lambda *_: None)
    assert missing.value.fault is LinkFault.REFUSED


async def test_mqtt_sets_up_with_nothing_configured(hass: HomeAssistant) -> None:
    assert await async_setup_component(hass, MQTT, {})
    broker = HomeAssistantBroker(hass)
    assert not broker.connected
    with pytest.raises(LinkError):
        await broker.publish("a", "1")
