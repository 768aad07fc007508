"""What charges are for: entities and the action that say it, and the user whom it follows."""

from datetime import timedelta
from typing import Any

from homeassistant.const import STATE_UNKNOWN
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers import entity_registry as er
import pytest
from pytest_homeassistant_custom_component.common import MockUser

from custom_components.forecourt.core.model.goal import ChargeMode, Goal
from simulator import Ocpp16Station

from .conftest import ANNA, CARD_OF_ANNA, CARD_OF_BEN, NOON, SetUp, Time

MODE = "select.garage_outlet_1_charge_mode"
ENERGY = "number.garage_outlet_1_target_energy"
READY = "datetime.garage_outlet_1_ready_by"


async def act(hass: HomeAssistant, action: str, **data: Any) -> None:
    domain, _, name = action.partition(".")
    await hass.services.async_call(domain, name, data, blocking=True)


def shown(hass: HomeAssistant, entity_id: str) -> str:
    state = hass.states.get(entity_id)
    assert state is not None, entity_id
    return state.state


def outlet(hass: HomeAssistant) -> str:
    entity = er.async_get(hass).async_get(MODE)
    assert entity is not None
    assert entity.device_id is not None
    return entity.device_id


def goal(hass: HomeAssistant) -> Goal:
    [entry] = hass.config_entries.async_entries("forecourt")
    [state] = entry.runtime_data.site.board.all()
    found: Goal = state.wanted
    return found


async def test_entities_say_what_charges_are_for(
    hass: HomeAssistant, wallbox: Ocpp16Station, passing_time: Time
) -> None:
    assert (shown(hass, MODE), shown(hass, ENERGY), shown(hass, READY)) == (
        "fast",
        "0.0",
        STATE_UNKNOWN,
    )
    await act(hass, "select.select_option", entity_id=MODE, option="off")
    await act(hass, "number.set_value", entity_id=ENERGY, value=12.5)
    ready = NOON + timedelta(hours=8)
    await act(hass, "datetime.set_value", entity_id=READY, datetime=ready.isoformat())
    assert goal(hass) == Goal(mode=ChargeMode.OFF, energy_wh=12_500, ready_at=ready)
    await passing_time.until(lambda: shown(hass, READY) == ready.isoformat())
    with pytest.raises(ServiceValidationError) as late:
        await act(hass, "datetime.set_value", entity_id=READY, datetime=NOON.isoformat())
    assert late.value.translation_key == "goal_in_past"
    await act(hass, "number.set_value", entity_id=ENERGY, value=0)
    assert goal(hass).energy_wh is None


async def test_the_action_changes_what_it_names(
    hass: HomeAssistant, wallbox: Ocpp16Station
) -> None:
    device_id = outlet(hass)
    await act(
        hass,
        "forecourt.set_goal",
        device_id=device_id,
        mode="off",
        energy=20,
        minimum_energy=2.5,
        target_soc=80,
        ready_time="07:00:00",
        weekdays=["mon", "fri"],
        price_cap=0.25,
        budget=9.5,
    )
    assert Goal.from_dict(goal(hass).to_dict()) == goal(hass)
    assert goal(hass).weekdays == (0, 4)
    assert str(goal(hass).price_cap) == "0.25"
    await act(hass, "forecourt.set_goal", device_id=device_id, mode="fast")
    assert (goal(hass).mode, goal(hass).energy_wh) == (ChargeMode.FAST, 20_000)
    at = (NOON + timedelta(hours=2)).isoformat()
    await act(hass, "forecourt.set_goal", device_id=device_id, ready_at=at)
    assert goal(hass).ready_time is None
    await act(hass, "forecourt.set_goal", device_id=device_id, mode="off", replace=True)
    assert goal(hass) == Goal(mode=ChargeMode.OFF)
    with pytest.raises(ServiceValidationError) as late:
        await act(
            hass, "forecourt.set_goal", device_id=device_id, ready_at=NOON - timedelta(hours=1)
        )
    assert late.value.translation_key == "goal_in_past"


async def test_the_goal_of_a_user_follows_the_card(
    hass: HomeAssistant, wallbox: Ocpp16Station, passing_time: Time
) -> None:
    await act(hass, "forecourt.set_goal", user="Anna", energy=8)
    assert goal(hass) == Goal()
    await wallbox.plug(1, "family", soc=0.2)
    await passing_time.passes(1)
    assert await wallbox.tap(CARD_OF_ANNA) == "started"
    await passing_time.until(lambda: shown(hass, ENERGY) == "8.0")
    # What is asked of the outlet now is asked of this charge.
    await act(hass, "number.set_value", entity_id=ENERGY, value=9)
    await wallbox.unplug(1)
    await passing_time.until(lambda: shown(hass, ENERGY) == "0.0")
    await wallbox.plug(1, "family", soc=0.2)
    await passing_time.passes(1)
    assert await wallbox.tap(CARD_OF_BEN) == "started"
    await passing_time.passes(3)
    assert shown(hass, ENERGY) == "0.0"


async def test_a_goal_of_a_user_who_charges_counts_at_once_and_goes_with_the_user(
    hass: HomeAssistant, wallbox: Ocpp16Station, passing_time: Time
) -> None:
    await wallbox.plug(1, "family", soc=0.2)
    await passing_time.passes(1)
    assert await wallbox.tap(CARD_OF_ANNA) == "started"
    await passing_time.until(lambda: wallbox.connector(1).evse.power_w > 10000)
    await act(hass, "forecourt.set_goal", user="Anna", energy=8)
    await act(hass, "forecourt.set_goal", user="Ben", energy=5)
    assert goal(hass).energy_wh == 8000
    [entry] = hass.config_entries.async_entries("forecourt")
    goals = entry.runtime_data.site.goals
    goals.ask_for_user(ANNA, None)
    assert goal(hass).energy_wh is None
    [ben] = [key for key, one in entry.subentries.items() if one.title == "Ben"]
    hass.config_entries.async_remove_subentry(entry, ben)
    await hass.async_block_till_done()
    assert not goals.users


async def test_goals_outlive_a_restart(
    hass: HomeAssistant, set_up_site: SetUp, passing_time: Time
) -> None:
    entry = await set_up_site()
    site = entry.runtime_data.site
    await act(hass, "forecourt.set_goal", user="Anna", energy=8, mode="off")
    [state] = site.board.all()
    site.goals.ask(state.evse, Goal(mode=ChargeMode.OFF))
    await hass.config_entries.async_reload(entry.entry_id)
    site = entry.runtime_data.site
    [state] = site.board.all()
    assert state.goal == Goal(mode=ChargeMode.OFF)
    assert site.goals.users == {ANNA: Goal(mode=ChargeMode.OFF, energy_wh=8000)}
    site.goals.ask_for_user(ANNA, None)
    assert not site.goals.users


async def test_who_is_nobody_sets_no_goals(
    hass: HomeAssistant, wallbox: Ocpp16Station, hass_read_only_user: MockUser
) -> None:
    with pytest.raises(ServiceValidationError) as nobody:
        await act(hass, "forecourt.set_goal", mode="off")
    assert nobody.value.translation_key == "nobody_named"
    stranger = Context(user_id=hass_read_only_user.id)
    with pytest.raises(ServiceValidationError) as refused:
        await hass.services.async_call(
            "forecourt",
            "set_goal",
            {"device_id": outlet(hass), "mode": "off"},
            blocking=True,
            context=stranger,
        )
    assert refused.value.translation_key == "admin_only"


async def test_a_charge_pauses_when_it_has_what_it_is_for(
    hass: HomeAssistant, wallbox: Ocpp16Station, passing_time: Time
) -> None:
    await wallbox.plug(1, "family", soc=0.2)
    await passing_time.passes(1)
    assert await wallbox.tap(CARD_OF_ANNA) == "started"
    await passing_time.until(lambda: wallbox.connector(1).evse.power_w > 10000)
    await act(hass, "forecourt.set_goal", device_id=outlet(hass), energy=0.001)
    await passing_time.until(lambda: wallbox.connector(1).evse.power_w == 0)
    await passing_time.until(
        lambda: shown(hass, "sensor.garage_outlet_1_reason_for_the_limit") == "goal_reached"
    )
    # Energy costs 0.30: too much, until it must be ready.
    await act(hass, "forecourt.set_goal", device_id=outlet(hass), energy=0, price_cap=0.2)
    await passing_time.until(
        lambda: shown(hass, "sensor.garage_outlet_1_reason_for_the_limit") == "waiting_for_price"
    )
    at = (NOON + timedelta(minutes=20)).isoformat()
    await act(hass, "forecourt.set_goal", device_id=outlet(hass), ready_at=at, energy=5)
    await passing_time.until(lambda: wallbox.connector(1).evse.power_w > 10000)
    await act(hass, "select.select_option", entity_id=MODE, option="off")
    await passing_time.until(lambda: wallbox.connector(1).evse.power_w == 0)
