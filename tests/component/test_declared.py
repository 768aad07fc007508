"""Wallboxes without OCPP: added in the dialog, looked at first, and charged at."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
import ssl
from typing import Any, cast

from aiomqtt import Client
from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er, issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.forecourt import diagnostics
from custom_components.forecourt.const import DOMAIN
from custom_components.forecourt.core.model.ids import EvseId
from simulator.modbus.server import RegisterServer, Request
from tests.wire.mqtt.mosquitto import Certificates, Mosquitto

from .asking import call, device, refused
from .conftest import ANNA, SetUp, a_station, a_user, devices_of_site
from .dialogs import Desk
from .peblar import PLUGGED, SERIAL, UNPLUGGED, Peblar, a_box, a_peblar, hurry, proven, shown, until
from .test_config_flow_station import connect_screen


@pytest.fixture
async def box(socket_enabled: None) -> AsyncIterator[tuple[Peblar, RegisterServer]]:
    async with a_box() as (peblar, server):
        yield peblar, server


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


async def test_added_by_modbus(
    hass: HomeAssistant,
    set_up_site: SetUp,
    desk: Desk,
    box: tuple[Peblar, RegisterServer],
) -> None:
    _, server = box
    site = await set_up_site(subentries=[])
    dialog = await connect_screen(desk, site)
    await dialog.choose("connect", "other")
    await dialog.choose("other", "modbus")
    assert "peblar" in dialog.options("profile")
    await dialog.answer("modbus", profile="peblar")
    assert dialog.step == "modbus_address"

    # Nobody there; the wrong unit; the wrong model.
    where = {"host": " 127.0.0.1 ", "port": server.port, "unit": 255, "kind": "tcp"}
    await dialog.answer("modbus_address", **{**where, "port": 1})
    assert dialog.errors == {"base": "link_refused"}
    texts = server.units[255].input[30050]
    server.units[255].input.update(dict.fromkeys(range(30050, 30074), 0))
    await dialog.answer("modbus_address", **where)
    assert dialog.errors == {"base": "link_wrong_model"}
    assert texts
    Peblar._text(box[0], 30050, SERIAL)
    Peblar._text(box[0], 30062, "6004-2300-8002")

    await dialog.answer("modbus_address", **where)
    assert dialog.step == "found"
    assert SERIAL in dialog.placeholders["serial"]
    assert "1.8.0" in dialog.placeholders["firmware"]
    assert dialog.placeholders["meter"] == "1234.5 kWh"
    await dialog.answer("found", name="Garage", max_current_a=16)
    await hass.async_block_till_done()
    (subentry,) = site.subentries.values()
    assert subentry.data["link"] == {**where, "host": "127.0.0.1"}
    assert not [request for request in server.requests if request.values is not None]
    await until(lambda: shown(hass, "sensor.status") == "available")

    # The same box a second time.
    dialog = await connect_screen(desk, site)
    await dialog.choose("connect", "other")
    await dialog.choose("other", "modbus")
    await dialog.answer("modbus", profile="peblar")
    await dialog.answer("modbus_address", **where)
    assert dialog.step == "already_added"


async def test_read_only_until_it_is_shown_to_obey(
    hass: HomeAssistant, set_up_site: SetUp, box: tuple[Peblar, RegisterServer]
) -> None:
    peblar, server = box
    site = await set_up_site(subentries=[a_peblar(server.port), a_user(ANNA, "Anna")])
    await until(lambda: shown(hass, "sensor.status") == "available")
    peblar.status = PLUGGED
    # It charges by itself: nobody may stop it, but it is booked.
    books = site.runtime_data.site.books
    await until(lambda: (one := books.session(EvseId("peblar_1", 1))) and one.energy_wh > 0)
    assert not [request for request in server.requests if request.values is not None]


async def test_a_charge(
    hass: HomeAssistant, set_up_site: SetUp, box: tuple[Peblar, RegisterServer]
) -> None:
    peblar, server = box
    site = await set_up_site(subentries=[a_peblar(server.port), a_user(ANNA, "Anna")])
    writes: list[Request] = []

    def taken(request: Request) -> None:
        writes.append(request)

    server.on_write = taken
    async with proven(hass, site):
        await until(lambda: peblar.limit_a == 0)
        peblar.status = PLUGGED
        await until(lambda: shown(hass, "sensor.status") == "preparing")
        outlet = device(hass)
        await call(hass, "start_session", device_id=outlet, user="Anna")
        await until(lambda: peblar.limit_a == 16)
        await until(lambda: shown(hass, "sensor.status") == "charging")
        await until(lambda: shown(hass, "sensor.current_user") == "Anna")
        await call(hass, "stop_session", device_id=outlet)
        await until(lambda: peblar.limit_a == 0)
        peblar.status = UNPLUGGED
        await until(lambda: shown(hass, "sensor.status") == "available")
    sessions = await site.runtime_data.ledger.sessions()
    assert [session.user_id for session in sessions] == [ANNA]
    assert sessions[0].energy_wh > 0

    # Where it is changed, it is served anew; removed, it is left in peace.
    subentry = next(one for one in site.subentries.values() if one.subentry_type == "station")
    hass.config_entries.async_update_subentry(
        site, subentry, data={**subentry.data, "max_current_a": 10}
    )
    await hass.async_block_till_done()
    hass.config_entries.async_remove_subentry(site, subentry.subentry_id)
    await hass.async_block_till_done()
    assert site.runtime_data.declared.station("peblar_1") is None


async def test_gone_and_back(
    hass: HomeAssistant, set_up_site: SetUp, box: tuple[Peblar, RegisterServer]
) -> None:
    _, server = box
    await set_up_site(subentries=[a_peblar(server.port)])
    await until(lambda: shown(hass, "sensor.status") == "available")
    await server.stop()
    await until(lambda: shown(hass, "sensor.status") == "unavailable")
    await server.start()
    await until(lambda: shown(hass, "sensor.status") == "available")


async def test_what_ocpp_alone_can_do(
    hass: HomeAssistant, set_up_site: SetUp, box: tuple[Peblar, RegisterServer]
) -> None:
    _, server = box
    await set_up_site(subentries=[a_peblar(server.port)])
    garage = device(hass, "Garage")
    await refused(hass, "not_supported", "ocpp_call", device_id=garage, action="Heartbeat")
    await refused(hass, "not_supported", "upgrade_security", device_id=garage, profile="1")


async def test_a_profile_that_cannot_be_used(
    hass: HomeAssistant, set_up_site: SetUp, tmp_path: Path
) -> None:
    folder = tmp_path / DOMAIN / "profiles"
    folder.mkdir(parents=True)
    (folder / "mine.yaml").write_text("format: 1\nid: mine\nvendor: 3\n")
    await set_up_site(
        subentries=[
            a_peblar(1, profile="mine"),
            a_station("other", "Other", profile="none_such", link={}),
        ]
    )
    issues = ir.async_get(hass).issues
    mine = issues[DOMAIN, "profile_unusable_peblar_1"]
    assert mine.translation_placeholders is not None
    assert "line" in mine.translation_placeholders["reason"]
    assert (DOMAIN, "profile_unusable_other") in issues


async def test_entities_of_another_integration(
    hass: HomeAssistant, set_up_site: SetUp, desk: Desk
) -> None:
    other = MockConfigEntry(domain="peblar")
    other.add_to_hass(hass)
    wallbox = dr.async_get(hass).async_get_or_create(
        config_entry_id=other.entry_id, identifiers={("peblar", "1")}, name="Peblar"
    )
    registry = er.async_get(hass)
    ids: dict[str, str] = {}
    for domain, key, state, attributes in (
        ("sensor", "cp_state", "no_ev_connected", {}),
        ("sensor", "energy_total", "1234.5", {"unit_of_measurement": "kWh"}),
        ("sensor", "power_phase_1", "1.5", {"unit_of_measurement": "kW"}),
        ("number", "charge_current_limit", "16", {"unit_of_measurement": "A"}),
        ("switch", "charge", "on", {}),
    ):
        entity = registry.async_get_or_create(
            domain, "peblar", f"1_{key}", device_id=wallbox.id, translation_key=key
        )
        hass.states.async_set(entity.entity_id, state, attributes)
        ids[key] = entity.entity_id
    site = await set_up_site(subentries=[])
    dialog = await connect_screen(desk, site)
    await dialog.choose("connect", "other")
    await dialog.choose("other", "entities")
    stranger = dr.async_get(hass).async_get_or_create(
        config_entry_id=other.entry_id, identifiers={("peblar", "2")}
    )
    await dialog.answer("entities", device_id=stranger.id)
    assert dialog.step == "entities_map"
    dialog.close()
    dialog = await connect_screen(desk, site)
    await dialog.choose("connect", "other")
    await dialog.choose("other", "entities")
    await dialog.answer("entities", device_id=wallbox.id)
    assert dialog.placeholders["meter"] == "1234.5 kWh"
    await dialog.answer("found", name="Garage", max_current_a=16)
    await hass.async_block_till_done()
    await until(lambda: shown(hass, "sensor.status") == "available")
    hass.states.async_set(ids["cp_state"], "charging")
    await until(lambda: shown(hass, "sensor.charging_power") in ("1500", "1500.0"))
    assert shown(hass, "sensor.status") == "charging"


async def test_entities_that_are_picked(
    hass: HomeAssistant, set_up_site: SetUp, desk: Desk
) -> None:
    other = MockConfigEntry(domain="strange")
    other.add_to_hass(hass)
    wallbox = dr.async_get(hass).async_get_or_create(
        config_entry_id=other.entry_id, identifiers={("strange", "1")}, name="Strange"
    )
    registry = er.async_get(hass)
    ids = {}
    for domain, key, state, device_class, unit in (
        ("binary_sensor", "car", "off", "plug", None),
        ("sensor", "power", "0", "power", "kW"),
        ("number", "current", "16", None, "A"),
        ("switch", "charge", "on", None, None),
    ):
        entity = registry.async_get_or_create(
            domain,
            "strange",
            key,
            device_id=wallbox.id,
            original_device_class=device_class,
            unit_of_measurement=unit,
        )
        ids[key] = entity.entity_id
        hass.states.async_set(
            entity.entity_id, state, {"unit_of_measurement": unit} if unit else {}
        )
    site = await set_up_site(subentries=[])
    dialog = await connect_screen(desk, site)
    await dialog.choose("connect", "other")
    await dialog.choose("other", "entities")
    await dialog.answer("entities", device_id=wallbox.id)
    assert dialog.filled == {
        "plugged": ids["car"],
        "power_w": ids["power"],
        "set_limit_a": ids["current"],
        "set_pause": ids["charge"],
    }
    await dialog.answer("entities_map", power_w=ids["power"])
    assert dialog.errors == {"base": "entities_missing"}
    picked = {**dialog.filled, "plugged": ids["car"]}
    for entity_id in ids.values():
        hass.states.async_set(entity_id, "unavailable")
    await dialog.answer("entities_map", **picked)
    assert dialog.errors == {"base": "link_timeout"}
    hass.states.async_set(ids["car"], "off")
    await dialog.answer("entities_map", **picked)
    await dialog.answer("found", name="Garage", max_current_a=16)
    await hass.async_block_till_done()
    await until(lambda: shown(hass, "sensor.status") == "available")
    hass.states.async_set(ids["car"], "on")
    await until(lambda: shown(hass, "sensor.status") == "preparing")


async def test_topics_that_are_filled_in(
    hass: HomeAssistant, set_up_site: SetUp, desk: Desk
) -> None:
    site = await set_up_site(subentries=[])
    dialog = await connect_screen(desk, site)
    await dialog.choose("connect", "other")
    await dialog.choose("other", "generic")
    answers: dict[str, Any] = {"model": "Mine", "phases": 3, "car": {}, "meter": {}, "orders": {}}
    await dialog.answer("generic", **answers)
    assert dialog.errors == {"base": "topics_wrong"}
    answers["car"] = {"plugged_topic": "mine/car"}
    await dialog.answer("generic", **answers)
    # Home Assistant has no broker here.
    assert dialog.errors == {"base": "link_refused"}
    answers["car"]["plugged_path"] = ""
    await dialog.answer("generic", **answers)
    assert dialog.errors == {"base": "link_refused"}

    # As it is when the broker is there.
    link = {"box_id": "Mine", "answers": {"model": "Mine", "plugged_topic": "mine/car"}}
    station = a_station("generic_mqtt_mine", "Mine", profile="generic_mqtt", link=link)
    hass.config_entries.async_add_subentry(site, ConfigSubentry(**cast("Any", station)))
    await hass.async_block_till_done()
    assert (DOMAIN, "profile_unusable_generic_mqtt_mine") in ir.async_get(hass).issues


async def test_changed_in_the_dialog_and_told_in_diagnostics(
    hass: HomeAssistant, set_up_site: SetUp, desk: Desk, box: tuple[Peblar, RegisterServer]
) -> None:
    _, server = box
    site = await set_up_site(subentries=[a_peblar(server.port)])
    await until(lambda: shown(hass, "sensor.status") == "available")
    (subentry,) = site.subentries.values()
    dialog = await desk.edit(site, subentry)
    answers = {"name": "Carport", "max_current_a": 10, "fallback_current_a": 3}
    await dialog.choose("reconfigure", "edit_declared")
    await dialog.answer("edit_declared", **answers)
    assert dialog.errors == {"fallback_current_a": "fallback_too_low"}
    await dialog.answer("edit_declared", **{**answers, "fallback_current_a": 16})
    assert dialog.errors == {"fallback_current_a": "fallback_too_high"}
    await dialog.answer("edit_declared", **{**answers, "fallback_current_a": 6})
    await hass.async_block_till_done()
    (subentry,) = site.subentries.values()
    assert (subentry.title, subentry.data["max_current_a"]) == ("Carport", 10)

    await until(lambda: site.runtime_data.declared.station("peblar_1").online)
    told = await diagnostics.async_get_config_entry_diagnostics(hass, site)
    (station,) = told["declared"]
    assert station["profile"] == "peblar"
    assert SERIAL not in str(station)
    outlet = next(one for one in devices_of_site(dr.async_get(hass)) if one.name == "Outlet 1")
    of_device = await diagnostics.async_get_device_diagnostics(hass, site, outlet)
    assert of_device["station"]["profile"] == "peblar"
    home = next(one for one in devices_of_site(dr.async_get(hass)) if one.name == "Home")
    assert await diagnostics.async_get_device_diagnostics(hass, site, home) == {}


@asynccontextmanager
async def an_openwb(port: int, **access: Any) -> AsyncIterator[None]:
    """Publish what an openWB 2 does, again and again."""
    told = {
        "plug_state": "false",
        "charge_state": "false",
        "power": "0",
        "imported": "1234500",
        "currents": "[0,0,0]",
        "voltages": "[230,230,230]",
        "phases_in_use": "0",
        "evse_current": "0",
        "fault_state": "0",
        "serial_number": '"SN1"',
    }

    async def publish() -> None:
        async with Client("127.0.0.1", port, **access) as client:
            while True:
                for key, value in told.items():
                    await client.publish(f"openWB/internal_chargepoint/0/get/{key}", value)
                await asyncio.sleep(0.1)

    task = asyncio.create_task(publish())
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_added_by_mqtt(
    hass: HomeAssistant, set_up_site: SetUp, desk: Desk, tmp_path: Path, socket_enabled: None
) -> None:
    site = await set_up_site(subentries=[])
    dialog = await connect_screen(desk, site)
    await dialog.choose("connect", "other")
    await dialog.choose("other", "mqtt")
    await dialog.answer("mqtt", profile="go_e_mqtt")
    await dialog.answer("mqtt_topics", box_id="123456")
    # Home Assistant has no broker here.
    assert dialog.errors == {"base": "link_refused"}
    dialog.close()

    async with Mosquitto(tmp_path) as broker, an_openwb(broker.port):
        dialog = await connect_screen(desk, site)
        await dialog.choose("connect", "other")
        await dialog.choose("other", "mqtt")
        await dialog.answer("mqtt", profile="openwb_2_mqtt")
        where = {"box_id": "0", "host": "127.0.0.1", "port": broker.port}
        await dialog.answer("mqtt_broker", **where)
        assert dialog.step == "found", dialog.errors
        await dialog.answer("found", name="Garage", max_current_a=16)
        await hass.async_block_till_done()
        await until(lambda: shown(hass, "sensor.status") == "available")
        assert await hass.config_entries.async_unload(site.entry_id)


async def test_a_broker_that_wants_to_know_who_asks(
    hass: HomeAssistant, set_up_site: SetUp, desk: Desk, tmp_path: Path, socket_enabled: None
) -> None:
    site = await set_up_site(subentries=[])
    made = Certificates.make()
    async with Mosquitto(
        tmp_path, users={"forecourt": "secret-of-ours"}, tls=made, client_certificates=True
    ) as broker:
        context = ssl.create_default_context(cadata=made.authority)
        (tmp_path / "client.pem").write_text(made.client + made.client_key)
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.load_cert_chain(tmp_path / "client.pem")
        box = an_openwb(
            broker.port, username="forecourt", password="secret-of-ours", tls_context=context
        )
        async with box:
            dialog = await connect_screen(desk, site)
            await dialog.choose("connect", "other")
            await dialog.choose("other", "mqtt")
            await dialog.answer("mqtt", profile="openwb_2_mqtt")
            where = {"box_id": "0", "host": "127.0.0.1", "port": broker.port}
            secrets = {
                "username": "forecourt",
                "password": "secret-of-ours",
                "tls": True,
                "authorities": made.authority,
                "certificate": made.client,
                "key": made.client_key,
            }
            await dialog.answer("mqtt_broker", **where, **secrets | {"key": "no key"})
            assert dialog.errors == {"base": "broker_certificate"}
            half = {key: value for key, value in secrets.items() if key != "key"}
            await dialog.answer("mqtt_broker", **where, **half)
            assert dialog.errors == {"base": "broker_certificate"}
            await dialog.answer("mqtt_broker", **where, **secrets | {"password": "wrong"})
            assert dialog.errors == {"base": "link_not_authenticated"}
            await dialog.answer("mqtt_broker", **where, **secrets)
            assert dialog.step == "found", dialog.errors
            await dialog.answer("found", name="Garage", max_current_a=16)
            await hass.async_block_till_done()
            await until(lambda: shown(hass, "sensor.status") == "available")
            # Secrets are in the vault only, and go with the station.
            [subentry] = site.subentries.values()
            assert "secret-of-ours" not in str(subentry.data)
            hub = site.runtime_data
            [station_id] = hub.site.stations
            assert hub.vault.broker(station_id) == secrets
            hass.config_entries.async_remove_subentry(site, subentry.subentry_id)
            await hass.async_block_till_done()
            assert hub.vault.broker(station_id) == {}
            assert await hass.config_entries.async_unload(site.entry_id)


async def test_a_serial_line(hass: HomeAssistant, set_up_site: SetUp, desk: Desk) -> None:
    site = await set_up_site(subentries=[])
    dialog = await connect_screen(desk, site)
    await dialog.choose("connect", "other")
    await dialog.choose("other", "modbus")
    await dialog.answer("modbus", profile="heidelberg_energy_control")
    assert "serial" in dialog.options("kind")
    where = {"host": "/dev/there-is-none", "port": 502, "unit": 1, "kind": "serial"}
    await dialog.answer("modbus_address", **where)
    assert dialog.errors["base"].startswith("link_")


async def test_a_device_that_is_gone(hass: HomeAssistant, set_up_site: SetUp) -> None:
    await set_up_site(
        subentries=[
            a_station("gone", "Gone", profile="peblar_entities", link={"device_id": "none"}),
            a_station("deaf", "Deaf", profile="go_e_mqtt", link={"box_id": "1"}),
        ]
    )
    issues = ir.async_get(hass).issues
    assert (DOMAIN, "profile_unusable_gone") in issues
    assert (DOMAIN, "profile_unusable_deaf") in issues
