"""Stations, outlets and users that come and go, restarts, and a site that keeps to itself."""

from collections.abc import Callable
import json
from types import MappingProxyType
from typing import Any

from homeassistant.config_entries import ConfigSubentry, ConfigSubentryData
from homeassistant.const import STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.entity import Entity
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.forecourt.const import DOMAIN
from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.hub import Hub
from simulator import Ocpp16Station

from .conftest import (
    ANNA,
    CARD_OF_ANNA,
    STATION,
    SetUp,
    Time,
    a_station,
    a_user,
    devices_of_site,
)

NAMES = ("Anna", "Ben", "A1B2", "C3D4")


def add(hass: HomeAssistant, entry: MockConfigEntry, data: ConfigSubentryData) -> ConfigSubentry:
    subentry = ConfigSubentry(
        data=MappingProxyType(data["data"]),
        subentry_type=data["subentry_type"],
        title=data["title"],
        unique_id=data["unique_id"],
    )
    hass.config_entries.async_add_subentry(entry, subentry)
    return subentry


def shown(hass: HomeAssistant, entity_id: str) -> str | None:
    state = hass.states.get(entity_id)
    return None if state is None else state.state


def devices_of(hass: HomeAssistant, subentry: ConfigSubentry) -> list[dr.AnyDeviceEntry]:
    return [
        device
        for device in devices_of_site(dr.async_get(hass))
        if device.config_subentry_id == subentry.subentry_id
    ]


async def test_a_station_comes_and_goes_while_the_site_runs(
    hass: HomeAssistant,
    set_up_site: SetUp,
    dial_in: Callable[..., Ocpp16Station],
    passing_time: Time,
) -> None:
    entry = await set_up_site(subentries=[])
    assert shown(hass, "sensor.home_stations_online") == "0"
    subentry = add(hass, entry, a_station())
    await passing_time.settle()
    assert shown(hass, "switch.garage_outlet_1_charging_allowed") == "on"
    assert shown(hass, "sensor.garage_outlet_1_status") == STATE_UNAVAILABLE
    async with dial_in() as station:
        await passing_time.until(lambda: station.ready)
        await passing_time.passes(1)
        assert shown(hass, "sensor.garage_outlet_1_status") == "available"
        [outlet, device] = devices_of(hass, subentry)
        assert isinstance(device, dr.DeviceEntry)
        assert isinstance(outlet, dr.ChildDeviceEntry)
        assert outlet.parent_device_id == device.id
        assert (device.manufacturer, device.model, device.serial_number, device.sw_version) == (
            "Forecourt Simulator",
            "Simulated Wallbox",
            "SN-1",
            "1.0.0",
        )
        # Anna's charge at a station that is about to go.
        hass.config_entries.async_remove_subentry(entry, subentry.subentry_id)
        await passing_time.passes(2)
    assert devices_of(hass, subentry) == []
    assert not [state for state in hass.states.async_all() if "garage" in state.entity_id]
    registry = er.async_get(hass)
    assert not [
        entity
        for entity in er.async_entries_for_config_entry(registry, "site")
        if entity.config_subentry_id == subentry.subentry_id
    ]
    assert shown(hass, "sensor.home_stations_online") == "0"


async def test_an_outlet_that_the_station_tells_of_later(
    hass: HomeAssistant,
    set_up_site: SetUp,
    dial_in: Callable[..., Ocpp16Station],
    passing_time: Time,
    hass_ws_client: WebSocketGenerator,
) -> None:
    assert await async_setup_component(hass, "config", {})
    entry = await set_up_site()
    async with dial_in(connectors=2) as station:
        await passing_time.until(lambda: station.ready)
        await passing_time.passes(2)
        assert shown(hass, "sensor.garage_outlet_2_status") == "available"

    outlets = {device.name: device for device in devices_of_site(dr.async_get(hass))}
    # After a restart it is there before the station is heard again, which has it no more.
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert shown(hass, "sensor.garage_outlet_2_status") == "unavailable"
    async with dial_in(connectors=1) as station:
        await passing_time.until(lambda: station.ready)
        await passing_time.passes(2)
    assert await hass.config_entries.async_unload(entry.entry_id)
    client = await hass_ws_client(hass)

    async def remove(name: str) -> bool:
        await client.send_json_auto_id(
            {
                "type": "config/device_registry/remove",
                "device_id": outlets[name].id,
            }
        )
        answer = await client.receive_json()
        return bool(answer["success"])

    assert not await remove("Outlet 2")  # who knows
    assert await hass.config_entries.async_setup(entry.entry_id)
    await passing_time.settle()
    assert not await remove("Outlet 1")
    assert not await remove("Garage")
    assert not await remove("Anna")
    assert await remove("Outlet 2")
    assert shown(hass, "sensor.garage_outlet_2_status") is None


async def test_a_user_comes_is_renamed_and_goes(
    hass: HomeAssistant, set_up_site: SetUp, passing_time: Time
) -> None:
    entry = await set_up_site()
    carla = add(hass, entry, a_user("33333333-cccc", "Carla"))
    await passing_time.settle()
    assert shown(hass, "sensor.carla_energy_this_month") == "0.0"
    assert shown(hass, "binary_sensor.carla_charging") == "off"
    hass.config_entries.async_update_subentry(entry, carla, title="Carla B.")
    await passing_time.settle()
    [device] = devices_of(hass, carla)
    assert device.name == "Carla B."
    hass.config_entries.async_remove_subentry(entry, carla.subentry_id)
    await passing_time.settle()
    assert shown(hass, "sensor.carla_energy_this_month") is None
    # History keeps the name.
    assert entry.runtime_data.user_name("33333333-cccc") == "Carla B."


async def test_a_station_is_renamed(
    hass: HomeAssistant, set_up_site: SetUp, passing_time: Time
) -> None:
    entry = await set_up_site(subentries=[a_station()])
    [subentry] = entry.subentries.values()
    hass.config_entries.async_update_subentry(entry, subentry, title="Carport")
    await passing_time.settle()
    assert devices_of(hass, subentry)[1].name == "Carport"


async def charge(wallbox: Ocpp16Station, passing_time: Time, seconds: float = 25) -> None:
    await wallbox.plug(1, "family", soc=0.2)
    await passing_time.passes(1)
    assert await wallbox.tap(CARD_OF_ANNA) == "started"
    await passing_time.passes(seconds)


async def test_a_restart_shows_what_is_in_the_books(
    hass: HomeAssistant, wallbox: Ocpp16Station, passing_time: Time
) -> None:
    await charge(wallbox, passing_time)
    await wallbox.stop()
    # What counts is written once in a while.
    await passing_time.passes(31)
    told = ("session_energy", "session_cost", "session_duration", "energy_register")
    names = [f"sensor.garage_outlet_1_{name}" for name in told]
    before = [shown(hass, name) for name in names]
    event_before = hass.states.get("event.garage_outlet_1_session")

    [entry] = hass.config_entries.async_entries(DOMAIN)
    assert await hass.config_entries.async_reload(entry.entry_id)
    await passing_time.settle()

    # The duration waits for the next reading: nobody knows when the car stopped drawing.
    assert [shown(hass, name) for name in names][:2] == before[:2]
    assert [shown(hass, name) for name in names][3] == before[3]
    assert shown(hass, "sensor.garage_outlet_1_current_user") == "Anna"
    assert shown(hass, "binary_sensor.anna_charging") == "on"
    assert float(shown(hass, "sensor.anna_energy_this_month") or 0) > 1
    assert shown(hass, "sensor.garage_outlet_1_status") == STATE_UNAVAILABLE
    event = hass.states.get("event.garage_outlet_1_session")
    assert event is not None
    assert event_before is not None
    assert event.state == event_before.state
    assert event.attributes["event_type"] == "started"
    assert event_before.attributes["user"] == "Anna"
    assert "user" not in event.attributes


async def test_a_new_outlet_has_no_energy_rather_than_none(
    hass: HomeAssistant, set_up_site: SetUp
) -> None:
    await set_up_site()
    for name in ("session_energy", "session_cost", "session_duration", "energy_register"):
        assert shown(hass, f"sensor.garage_outlet_1_{name}") == STATE_UNKNOWN, name


async def test_the_last_session_is_shown_until_the_next_one(
    hass: HomeAssistant, wallbox: Ocpp16Station, passing_time: Time
) -> None:
    await charge(wallbox, passing_time)
    await wallbox.unplug()
    await passing_time.passes(3)
    energy = shown(hass, "sensor.garage_outlet_1_session_energy")
    assert float(energy or 0) > 1
    assert shown(hass, "sensor.garage_outlet_1_session_duration") not in (None, STATE_UNKNOWN)
    assert shown(hass, "sensor.garage_outlet_1_current_user") == "nobody"
    assert shown(hass, "binary_sensor.anna_charging") == "off"
    event = hass.states.get("event.garage_outlet_1_session")
    assert event is not None
    assert event.attributes["event_type"] == "ended"
    assert event.attributes["energy_wh"] == pytest.approx(float(energy or 0) * 1000)

    [entry] = hass.config_entries.async_entries(DOMAIN)
    assert await hass.config_entries.async_reload(entry.entry_id)
    await passing_time.settle()
    assert shown(hass, "sensor.garage_outlet_1_session_energy") == energy

    await passing_time.until(lambda: wallbox.ready)
    await charge(wallbox, passing_time, seconds=1)
    await passing_time.passes(1)
    assert shown(hass, "sensor.garage_outlet_1_session_energy") == "0.0"


def personal_data(hass: HomeAssistant) -> list[str]:
    """Return the names and digits that any state shows."""
    everything = json.dumps([state.as_dict() for state in hass.states.async_all()], default=str)
    return [name for name in NAMES if name.casefold() in everything.casefold()]


async def test_a_private_site_tells_about_nobody(
    hass: HomeAssistant,
    set_up_site: SetUp,
    passing_time: Time,
    dial_in: Callable[..., Ocpp16Station],
) -> None:
    entry = await set_up_site()
    async with dial_in() as wallbox:
        await passing_time.until(lambda: wallbox.ready)
        await charge(wallbox, passing_time)
        assert personal_data(hass) == ["Anna", "Ben", "A1B2"]

        hass.config_entries.async_update_entry(
            entry, options={**entry.options, "personal_data": "private"}
        )
        await passing_time.settle()
        assert personal_data(hass) == []
        names = {device.name for device in devices_of_site(dr.async_get(hass))}
        assert names == {"Home", "Garage", "Outlet 1"}
        assert wallbox.online, "a station was dropped"

        # Nor does what happens from now on, nor a restart.
        await wallbox.unplug()
        await passing_time.passes(2)
        event = hass.states.get("event.garage_outlet_1_session")
        assert event is not None
        assert event.attributes["event_type"] == "ended"
        await charge(wallbox, passing_time, seconds=2)
        add(hass, entry, a_user("33333333-cccc", "Benjamin"))
        add(hass, entry, a_station("SECOND", "Second"))
        await passing_time.settle()
        assert shown(hass, "switch.second_outlet_1_charging_allowed") == "on"
        assert personal_data(hass) == []
        assert await hass.config_entries.async_reload(entry.entry_id)
        await passing_time.settle()
        assert personal_data(hass) == []

        hass.config_entries.async_update_entry(
            entry, options={**entry.options, "personal_data": "shared"}
        )
        await passing_time.settle()
        assert shown(hass, "sensor.garage_outlet_1_current_user") == "Anna"
        assert shown(hass, "binary_sensor.anna_charging") == "on"
        assert float(shown(hass, "sensor.anna_energy_this_month") or 0) > 1
        assert shown(hass, "binary_sensor.benjamin_charging") == "off"


async def test_a_site_that_became_private_while_it_was_off(
    hass: HomeAssistant, set_up_site: SetUp, passing_time: Time
) -> None:
    entry = await set_up_site()
    assert await hass.config_entries.async_unload(entry.entry_id)
    hass.config_entries.async_update_entry(
        entry, options={**entry.options, "personal_data": "private"}
    )
    assert await hass.config_entries.async_setup(entry.entry_id)
    await passing_time.settle()
    assert personal_data(hass) == []
    assert shown(hass, "sensor.garage_outlet_1_current_user") is None


async def test_a_session_without_a_user(
    hass: HomeAssistant,
    set_up_site: SetUp,
    dial_in: Callable[..., Ocpp16Station],
    passing_time: Time,
) -> None:
    await set_up_site(options={"access": "anyone"})
    async with dial_in() as station:
        await passing_time.until(lambda: station.ready)
        await station.plug(1, "family", soc=0.2)
        await passing_time.until(lambda: station.connector(1).transaction is not None)
        await passing_time.passes(2)
        assert shown(hass, "sensor.garage_outlet_1_current_user") == "anonymous"
        assert shown(hass, "binary_sensor.anna_charging") == "off"


async def test_a_renamed_user_is_shown_by_the_new_name(
    hass: HomeAssistant, wallbox: Ocpp16Station, passing_time: Time
) -> None:
    await charge(wallbox, passing_time, seconds=2)
    [entry] = hass.config_entries.async_entries(DOMAIN)
    subentry = next(s for s in entry.subentries.values() if s.data.get("user_id") == ANNA)
    hass.config_entries.async_update_subentry(entry, subentry, title="Anna K.")
    await passing_time.passes(1.25)
    assert shown(hass, "sensor.garage_outlet_1_current_user") == "Anna K."


async def test_what_waits_to_be_shown_goes_with_its_entity(
    hass: HomeAssistant, set_up_site: SetUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = await set_up_site()
    left: list[object] = []
    stop = Hub.stop

    async def look(hub: Hub) -> None:
        # A coordinator has nobody left to tell.
        waiting: list[Any] = [show.__self__ for show in hub.pace._later]
        left.extend(one for one in waiting if isinstance(one, Entity))
        await stop(hub)

    monkeypatch.setattr(Hub, "stop", look)
    pace = site.runtime_data.pace
    site.runtime_data.site.board.changed.send(EvseId(STATION, 1))
    assert pace._later
    assert await hass.config_entries.async_unload(site.entry_id)
    assert left == []
