"""What switches, numbers and buttons do, and when entities are unavailable."""

import asyncio
from collections.abc import Callable
from typing import Any

from homeassistant.const import STATE_OFF, STATE_ON, STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
import pytest

from simulator import Ocpp16Station

from .conftest import CARD_OF_ANNA, Commanded, SetUp, Time, a_station

SWITCH = "switch.garage_outlet_1_charging_allowed"
LIMIT = "number.garage_outlet_1_current_limit"
UNLOCK = "button.garage_outlet_1_unlock_cable"
RESTART = "button.garage_restart"


async def act(hass: HomeAssistant, action: str, entity_id: str, **data: Any) -> None:
    domain, _, name = action.partition(".")
    await hass.services.async_call(domain, name, {"entity_id": entity_id, **data}, blocking=True)


def shown(hass: HomeAssistant, entity_id: str) -> str:
    state = hass.states.get(entity_id)
    assert state is not None, entity_id
    return state.state


async def test_a_pause_holds_the_charge_and_its_end_lets_it_go_on(
    hass: HomeAssistant, wallbox: Ocpp16Station, passing_time: Time
) -> None:
    await wallbox.plug(1, "family", soc=0.2)
    await passing_time.passes(1)
    assert await wallbox.tap(CARD_OF_ANNA) == "started"
    await passing_time.until(lambda: wallbox.connector(1).evse.power_w > 10000)

    await act(hass, "switch.turn_off", SWITCH)
    assert shown(hass, SWITCH) == STATE_OFF
    await passing_time.until(lambda: wallbox.connector(1).evse.power_w == 0)
    await passing_time.passes(3)
    limit = hass.states.get(LIMIT)
    assert limit is not None
    assert limit.state == "16"
    assert limit.attributes["applied_current"] == 0
    assert limit.attributes["reason"] == "not_allowed"
    assert wallbox.connector(1).transaction is not None

    await act(hass, "switch.turn_on", SWITCH)
    await passing_time.until(lambda: wallbox.connector(1).evse.power_w > 10000)
    assert shown(hass, SWITCH) == STATE_ON


async def test_a_limit_is_kept_and_can_be_lifted(
    hass: HomeAssistant, wallbox: Ocpp16Station, passing_time: Time
) -> None:
    await wallbox.plug(1, "family", soc=0.2)
    await passing_time.passes(1)
    assert await wallbox.tap(CARD_OF_ANNA) == "started"
    await act(hass, "number.set_value", LIMIT, value=8)
    await passing_time.until(lambda: wallbox.connector(1).evse.currents_a[0] == 8)
    await passing_time.passes(2)
    state = hass.states.get(LIMIT)
    assert state is not None
    assert state.state == "8"
    assert (state.attributes["applied_current"], state.attributes["reason"]) == (8, "user_limit")

    await act(hass, "number.set_value", LIMIT, value=16)
    await passing_time.until(lambda: wallbox.connector(1).evse.currents_a[0] == 16)
    [entry] = hass.config_entries.async_entries("forecourt")
    [state] = entry.runtime_data.site.board.all()
    assert state.requested_current_a is None


async def test_twenty_presses_are_one_command(
    hass: HomeAssistant, wallbox: Ocpp16Station, commands: Commanded
) -> None:
    await asyncio.gather(*(act(hass, "button.press", UNLOCK) for _ in range(20)))
    assert [action for action, _ in commands].count("UnlockConnector") == 1


async def test_restart(
    hass: HomeAssistant, wallbox: Ocpp16Station, commands: Commanded, passing_time: Time
) -> None:
    await act(hass, "button.press", RESTART)
    assert ("Reset", {"type": "Soft"}) in commands
    await passing_time.until(lambda: not wallbox.ready)
    await passing_time.until(lambda: wallbox.ready)


async def test_a_refusal_is_told_in_the_words_of_the_station(
    hass: HomeAssistant,
    set_up_site: SetUp,
    dial_in: Callable[..., Ocpp16Station],
    passing_time: Time,
) -> None:
    await set_up_site()
    async with dial_in(unlock_works=False) as station:
        await passing_time.until(lambda: station.ready)
        with pytest.raises(HomeAssistantError) as raised:
            await act(hass, "button.press", UNLOCK)
    assert raised.value.translation_key == "command_refused"
    assert raised.value.translation_placeholders == {
        "station": "Garage",
        "answer": "UnlockFailed",
    }


async def test_a_station_that_cannot_says_so(
    hass: HomeAssistant,
    set_up_site: SetUp,
    dial_in: Callable[..., Ocpp16Station],
    passing_time: Time,
) -> None:
    await set_up_site()
    async with dial_in(tethered=True) as station:
        await passing_time.until(lambda: station.ready)
        with pytest.raises(HomeAssistantError) as raised:
            await act(hass, "button.press", UNLOCK)
    assert raised.value.translation_key == "not_supported"


async def test_a_station_that_stays_silent(
    hass: HomeAssistant, wallbox: Ocpp16Station, passing_time: Time
) -> None:
    await passing_time.passes(5)  # the set-up asks things, too
    await wallbox.fault("no_answer", count=1)
    press = asyncio.create_task(act(hass, "button.press", UNLOCK))
    await passing_time.until(press.done, limit_s=120)
    error = press.exception()
    assert isinstance(error, HomeAssistantError)
    assert error.translation_key == "command_timeout"


async def test_what_is_live_is_unavailable_while_the_station_is_away(
    hass: HomeAssistant,
    set_up_site: SetUp,
    dial_in: Callable[..., Ocpp16Station],
    passing_time: Time,
) -> None:
    await set_up_site()
    async with dial_in() as station:
        await passing_time.until(lambda: station.ready)
        await station.plug(1, "family", soc=0.2)
        await passing_time.passes(1)
        assert await station.tap(CARD_OF_ANNA) == "started"
        await passing_time.passes(40)
    await passing_time.passes(2)

    live = ("status", "charging_power")
    assert {shown(hass, f"sensor.garage_outlet_1_{name}") for name in live} == {STATE_UNAVAILABLE}
    assert shown(hass, "binary_sensor.garage_outlet_1_plugged_in") == STATE_UNAVAILABLE
    assert shown(hass, UNLOCK) == shown(hass, RESTART) == STATE_UNAVAILABLE
    assert shown(hass, "binary_sensor.garage_connection") == STATE_OFF
    assert shown(hass, "sensor.home_stations_online") == "0"
    assert shown(hass, "sensor.home_total_power") == STATE_UNKNOWN
    # What the books say is true all the same.
    assert float(shown(hass, "sensor.garage_outlet_1_session_energy")) > 1
    assert float(shown(hass, "sensor.garage_outlet_1_session_cost")) > 0.3
    assert float(shown(hass, "sensor.garage_outlet_1_energy_register")) > 251
    assert shown(hass, "sensor.garage_outlet_1_current_user") == "Anna"
    # And what is asked for now is done when it is back.
    await act(hass, "switch.turn_off", SWITCH)
    await act(hass, "number.set_value", LIMIT, value=10)
    await passing_time.passes(1)
    assert (shown(hass, SWITCH), shown(hass, LIMIT)) == (STATE_OFF, "10")


async def test_the_slider_ends_where_the_station_does(
    hass: HomeAssistant, set_up_site: SetUp
) -> None:
    entry = await set_up_site(subentries=[a_station(max_current_a=32)])
    [subentry] = entry.subentries.values()
    state = hass.states.get(LIMIT)
    assert state is not None
    assert (state.attributes["min"], state.attributes["max"], state.state) == (6, 32, "32")
    hass.config_entries.async_update_subentry(
        entry, subentry, title="Carport", data={**subentry.data, "max_current_a": 20}
    )
    await hass.async_block_till_done()
    await asyncio.sleep(1.1)
    state = hass.states.get(LIMIT)
    assert state is not None
    assert (state.attributes["max"], state.state) == (20, "20")


async def test_at_most_sixteen_entities_of_an_outlet_are_enabled(
    hass: HomeAssistant, set_up_site: SetUp, entity_registry: er.EntityRegistry
) -> None:
    await set_up_site()
    of_outlet = [
        entity
        for entity in er.async_entries_for_config_entry(entity_registry, "site")
        if entity.unique_id.startswith("evse_")
    ]
    assert len([entity for entity in of_outlet if entity.disabled_by is None]) == 16
    assert all(entity.entity_category == "diagnostic" for entity in of_outlet if entity.disabled_by)
