"""Wallboxes without OCPP that Home Assistant sees in the network, or at its MQTT broker."""

import asyncio
from collections.abc import AsyncIterator
from ipaddress import ip_address
import json
from pathlib import Path
from typing import Any

from aiomqtt import Client
from homeassistant.components.mqtt.const import DOMAIN as MQTT
from homeassistant.config_entries import SOURCE_DHCP, SOURCE_IGNORE, SOURCE_MQTT, SOURCE_ZEROCONF
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.service_info.dhcp import DhcpServiceInfo
from homeassistant.helpers.service_info.mqtt import MqttServiceInfo
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo
from homeassistant.loader import async_get_integration
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.forecourt.const import DOMAIN
from custom_components.forecourt.flows.found import BY_MAC, WARP
from custom_components.forecourt.stations.declarative.library import Library
from custom_components.forecourt.stations.declarative.profile import MqttTransport
from simulator import ModbusConfig, ModbusStation
from simulator.modbus.server import RegisterServer, Tables
from tests.wire.mqtt.mosquitto import Mosquitto

from .conftest import SetUp, a_station
from .dialogs import Desk, Dialog, stations

# Where a station was before, nothing may be reached in a test.
pytestmark = pytest.mark.filterwarnings("ignore:A test tried to use")

HERE = "127.0.0.1"
MAC = "0060b5aabbcc"
SERVICE = "_keba-test._tcp.local."
KEBAS = BY_MAC[MAC[:6]]


@pytest.fixture
async def box(socket_enabled: None) -> AsyncIterator[ModbusStation]:
    async with ModbusStation(ModbusConfig(identity="BOX", model="keba_p30")) as running:
        yield running


@pytest.fixture
def keba_at(tmp_path: Path) -> Any:
    """Return what has all KEBAs at another port than the one that only root can open."""

    def keba_at(port: int) -> None:
        folder = tmp_path / DOMAIN / "profiles"
        folder.mkdir(parents=True, exist_ok=True)
        for name in KEBAS:
            (folder / f"{name}.yaml").write_text(
                f"format: 1\nid: {name}\nextends: {name}\n"
                f"transport: {{port: {port}}}\nmdns: [{SERVICE}]\n"
            )

    return keba_at


def fetched(host: str = HERE, mac: str = MAC) -> DhcpServiceInfo:
    return DhcpServiceInfo(ip=host, hostname="keba", macaddress=mac)


def announced(
    host: str = HERE, kind: str = SERVICE, name: str = "KEBA", **properties: str
) -> ZeroconfServiceInfo:
    address = ip_address(host)
    return ZeroconfServiceInfo(
        ip_address=address,
        ip_addresses=[address],
        port=80,
        hostname="keba.local.",
        type=kind,
        name=f"{name}.{kind}",
        properties=properties,
    )


def published(topic: str, payload: str | bytes) -> MqttServiceInfo:
    return MqttServiceInfo(
        topic=topic, payload=payload, qos=0, retain=True, subscribed_topic=topic, timestamp=0
    )


async def add(hass: HomeAssistant, dialog: Dialog) -> None:
    await dialog.answer("box")
    await dialog.answer("box_found", name=" Garage ", max_current_a=16)
    assert dialog.step == "wallbox_added"
    await hass.async_block_till_done()


async def test_what_the_manifest_listens_to(hass: HomeAssistant) -> None:
    ours = await async_get_integration(hass, DOMAIN)
    profiles = await hass.async_add_executor_job(Library().all)
    assert set(ours.mqtt or ()) == {
        topic
        for profile in profiles.values()
        if isinstance(profile.transport, MqttTransport) and not profile.transport.own_broker
        for topic in profile.transport.discovery
        if topic != "prism/hello"  # Home Assistant's own integration listens to it
    }
    macs = {str(each["macaddress"]).casefold().removesuffix("*") for each in ours.dhcp or ()}
    assert macs == BY_MAC.keys()
    assert {name for names in BY_MAC.values() for name in names} <= profiles.keys()
    assert WARP in profiles
    kinds = {each if isinstance(each, str) else each["type"] for each in ours.zeroconf or ()}
    named = {kind for profile in profiles.values() for kind in profile.mdns}
    assert kinds == named - {"_nrgkick._tcp.local."} | {"_http._tcp.local."}


async def test_by_its_network_card(
    hass: HomeAssistant, set_up_site: SetUp, desk: Desk, box: ModbusStation, keba_at: Any
) -> None:
    keba_at(box.port)
    site = await set_up_site(subentries=[])
    card = await desk.config(SOURCE_DHCP, data=fetched())
    assert card.step == "box"
    assert card.placeholders["vendor"] == "KEBA"

    # One card for one box, and none that is ignored.
    assert (await desk.config(SOURCE_DHCP, data=fetched())).step == "already_in_progress"
    await card.answer("box")
    assert "21212121" in card.placeholders["serial"]
    await card.answer("box_found", name=" Garage ", max_current_a=16)
    assert card.step == "wallbox_added"
    (station,) = stations(site)
    assert (station.title, station.data["profile"]) == ("Garage", "keba_p30")
    assert station.data["link"] == {"host": HERE, "port": box.port, "unit": 255, "kind": "tcp"}
    await hass.async_block_till_done()

    # There it is known, whoever tells of it; also by another name and at another address.
    assert (await desk.config(SOURCE_DHCP, data=fetched())).step == "already_added"
    told = announced("127.0.0.9", serial="21212121")
    assert (await desk.config(SOURCE_ZEROCONF, data=told)).step == "already_added"
    assert stations(site)[0].data["link"]["host"] == HERE


async def test_ignored(hass: HomeAssistant, set_up_site: SetUp, desk: Desk, keba_at: Any) -> None:
    keba_at(1)
    await set_up_site(subentries=[])
    card = await desk.config(SOURCE_DHCP, data=fetched())
    unique_id = hass.config_entries.flow.async_get(card.shown["flow_id"])["context"]["unique_id"]
    await desk.config(SOURCE_IGNORE, data={"unique_id": unique_id, "title": "KEBA"})
    assert (await desk.config(SOURCE_DHCP, data=fetched())).step == "already_configured"


async def test_two_cards_end_in_one_station(
    hass: HomeAssistant, set_up_site: SetUp, desk: Desk, box: ModbusStation, keba_at: Any
) -> None:
    keba_at(box.port)
    site = await set_up_site(subentries=[])
    first = await desk.config(SOURCE_DHCP, data=fetched())
    second = await desk.config(SOURCE_ZEROCONF, data=announced(name="Wallbox"))
    await second.answer("box")
    await add(hass, first)
    await second.answer("box_found", name="Again", max_current_a=16)
    assert second.step == "already_added"
    assert len(stations(site)) == 1


async def test_it_has_moved(
    hass: HomeAssistant, set_up_site: SetUp, desk: Desk, box: ModbusStation, keba_at: Any
) -> None:
    keba_at(box.port)
    link = {"host": "127.0.0.2", "port": box.port, "unit": 255, "kind": "tcp"}
    station_id = "keba_p30_21212121"
    site = await set_up_site(
        subentries=[
            a_station(station_id, profile="keba_p30", link=link),
            a_station("keba_p30_9", "Another", profile="keba_p30", link={**link, "port": 1}),
        ]
    )
    assert (await desk.config(SOURCE_DHCP, data=fetched())).step == "already_added"
    hosts = {each.data["station_id"]: each.data["link"]["host"] for each in stations(site)}
    assert hosts == {station_id: HERE, "keba_p30_9": "127.0.0.2"}


async def test_an_impostor(
    hass: HomeAssistant, set_up_site: SetUp, desk: Desk, keba_at: Any, socket_enabled: None
) -> None:
    """It has the name and the serial number of a box, but is something else."""
    holding = dict.fromkeys(range(1000, 1700), 9)
    async with RegisterServer({255: Tables(holding=holding)}) as server:
        keba_at(server.port)
        link = {"host": "127.0.0.2", "port": server.port, "unit": 255, "kind": "tcp"}
        site = await set_up_site(
            subentries=[a_station("keba_p30_21212121", profile="keba_p30", link=link)]
        )
        told = announced(serial="21212121")
        assert (await desk.config(SOURCE_ZEROCONF, data=told)).step == "already_added"
        assert stations(site)[0].data["link"] == link
        card = await desk.config(SOURCE_ZEROCONF, data=announced(serial="33333333"))
        await card.answer("box")
        assert card.errors == {"base": "link_wrong_model"}
        assert not [request for request in server.requests if request.values is not None]


async def test_nobody_answers_yet(
    hass: HomeAssistant, set_up_site: SetUp, desk: Desk, box: ModbusStation, keba_at: Any
) -> None:
    keba_at(1)
    await set_up_site(subentries=[])
    site = hass.config_entries.async_entries(DOMAIN)[0]
    card = await desk.config(SOURCE_DHCP, data=fetched())
    await card.answer("box")
    assert card.errors == {"base": "link_refused"}
    assert card.placeholders["hint"]
    keba_at(box.port)
    await hass.async_add_executor_job(site.runtime_data.library.reload)
    await card.answer("box")
    assert card.errors == {"base": "link_refused"}  # as it was seen
    card.close()
    card = await desk.config(SOURCE_DHCP, data=fetched())
    await card.answer("box")
    assert card.step == "box_found"
    await hass.config_entries.async_remove(site.entry_id)
    await card.answer("box_found", name="Late", max_current_a=16)
    assert card.step == "no_site"


async def test_warp_by_its_brand(hass: HomeAssistant, set_up_site: SetUp, desk: Desk) -> None:
    await set_up_site(subentries=[])
    told = announced(kind="_http._tcp.local.", brand="Tinkerforge", uid="ABC")
    card = await desk.config(SOURCE_ZEROCONF, data=told)
    assert card.placeholders["vendor"] == "Tinkerforge"
    flow = hass.config_entries.flow.async_get(card.shown["flow_id"])
    assert flow["context"]["unique_id"] == "box_abc"


async def test_nothing_for_us(hass: HomeAssistant, set_up_site: SetUp, desk: Desk) -> None:
    assert (await desk.config(SOURCE_DHCP, data=fetched())).step == "no_site"
    await set_up_site(subentries=[])
    assert (await desk.config(SOURCE_DHCP, data=fetched(mac="ffffff000000"))).step == "no_wallbox"
    told = published("go-eCharger/1/var", "")
    assert (await desk.config(SOURCE_MQTT, data=told)).step == "no_wallbox"


def another(hass: HomeAssistant, **entry: Any) -> MockConfigEntry:
    """Set up a Peblar of Home Assistant's own integration."""
    other = MockConfigEntry(domain="peblar", title="Peblar", **entry)
    other.add_to_hass(hass)
    registry = dr.async_get(hass)
    registry.async_get_or_create(config_entry_id=other.entry_id, identifiers={("peblar", "hub")})
    device = registry.async_get_or_create(
        config_entry_id=other.entry_id, identifiers={("peblar", "1")}, name="Peblar"
    )
    for domain, key, state, attributes in (
        ("sensor", "cp_state", "no_ev_connected", {}),
        ("sensor", "energy_total", "1234.5", {"unit_of_measurement": "kWh"}),
    ):
        entity = er.async_get(hass).async_get_or_create(
            domain, "peblar", f"1_{key}", device_id=device.id, translation_key=key
        )
        hass.states.async_set(entity.entity_id, state, attributes)
    return other


async def test_another_integration_has_it(
    hass: HomeAssistant, set_up_site: SetUp, desk: Desk, keba_at: Any
) -> None:
    keba_at(1)
    another(hass, data={"host": HERE})
    site = await set_up_site(subentries=[])
    card = await desk.config(SOURCE_DHCP, data=fetched())
    assert card.step == "through"
    assert card.placeholders["integration"] == "Peblar"
    await card.answer("through")
    await card.answer("box_found", name="", max_current_a=16)
    (station,) = stations(site)
    assert station.data["profile"] == "peblar_entities"
    assert station.title == station.data["station_id"]
    await hass.async_block_till_done()
    assert (await desk.config(SOURCE_DHCP, data=fetched())).step == "already_added"


async def test_another_integration_that_is_not_known(
    hass: HomeAssistant, set_up_site: SetUp, desk: Desk, keba_at: Any
) -> None:
    keba_at(1)
    MockConfigEntry(domain="keba", title="KEBA", unique_id="4711").add_to_hass(hass)
    await set_up_site(subentries=[])
    card = await desk.config(SOURCE_ZEROCONF, data=announced(serial="4711"))
    assert card.step == "other_integration"


@pytest.fixture
async def broker(hass: HomeAssistant, tmp_path: Path, socket_enabled: None) -> AsyncIterator[Any]:
    """Return what has Home Assistant connect to a real broker, and that broker's port."""
    entry = MockConfigEntry(domain=MQTT, version=2, minor_version=1)
    async with Mosquitto(tmp_path) as running:

        async def connect() -> None:
            (tmp_path / "configuration.yaml").touch()
            entry.add_to_hass(hass)
            data = {"broker": HERE, "port": running.port, "protocol": "3.1.1"}
            hass.config_entries.async_update_entry(entry, data=data)
            assert await hass.config_entries.async_setup(entry.entry_id)

        yield running.port, connect
        await hass.config_entries.async_unload(entry.entry_id)


GO_E = {"var": 11, "rbt": 100, "car": 1, "amp": 16, "eto": 1234500, "nrg": [0] * 16, "frc": 0}


async def test_by_mqtt(hass: HomeAssistant, set_up_site: SetUp, desk: Desk, broker: Any) -> None:
    port, connect = broker
    site = await set_up_site(subentries=[])
    # One has its topics at the usual place, the other one where older firmware has them.
    boxes = ("go-eCharger/20123456", "/go-eCharger/20123457")

    async def live() -> None:
        async with Client(HERE, port) as client:
            for prefix in boxes:
                for key, value in {**GO_E, "sse": prefix[-8:]}.items():
                    await client.publish(f"{prefix}/{key}", json.dumps(value), retain=True)
            while True:
                for prefix in boxes:
                    await client.publish(f"{prefix}/rbt", "100")
                await asyncio.sleep(0.1)

    living = asyncio.create_task(live())
    await connect()
    cards: list[Any] = []
    async with asyncio.timeout(20):
        while len(cards) < len(boxes):
            await asyncio.sleep(0.05)
            cards = hass.config_entries.flow.async_progress_by_handler(
                DOMAIN, match_context={"source": SOURCE_MQTT}
            )
    for card in sorted(cards, key=lambda each: str(each["context"]["unique_id"])):
        dialog = desk.discovered(card)
        await dialog.look()
        await add(hass, dialog)
    first, second = (station.data["link"] for station in stations(site))
    assert first == {"box_id": "20123456"}
    assert second == {"box_id": "20123457", "prefix": "/go-eCharger/20123457"}
    seen = published("go-eCharger/20123456/var", b"11")
    assert (await desk.config(SOURCE_MQTT, data=seen)).step == "already_added"
    assert await hass.config_entries.async_unload(site.entry_id)
    living.cancel()
    await asyncio.gather(living, return_exceptions=True)
