"""Circuits, as their owner enters them."""

from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.forecourt.core.model.circuit import Circuit
from simulator import Ocpp16Station

from .conftest import CARD_OF_ANNA, STATION, SetUp, Time

DRIVE: dict[str, Any] = {"name": "Drive", "limit_a": 32, "stations": [STATION]}


async def add(hass: HomeAssistant, entry: MockConfigEntry, **answers: Any) -> Any:
    flow = hass.config_entries.subentries
    result = await flow.async_init((entry.entry_id, "circuit"), context={"source": "user"})
    assert result["type"] is FlowResultType.FORM
    done = await flow.async_configure(result["flow_id"], answers)
    await hass.async_block_till_done()
    return done


async def change(hass: HomeAssistant, entry: MockConfigEntry, which: str, **answers: Any) -> Any:
    result = await entry.start_subentry_reconfigure_flow(
        hass, next(key for key, item in entry.subentries.items() if item.title == which)
    )
    assert result["type"] is FlowResultType.FORM
    done = await hass.config_entries.subentries.async_configure(result["flow_id"], answers)
    await hass.async_block_till_done()
    return done


def circuits(entry: MockConfigEntry) -> dict[str, Circuit]:
    return {it.name: it for it in entry.runtime_data.site.settings.circuits}


async def test_circuits_nest_and_feed_stations(hass: HomeAssistant, set_up_site: SetUp) -> None:
    entry = await set_up_site()
    assert (await add(hass, entry, **DRIVE))["type"] is FlowResultType.CREATE_ENTRY
    [garage] = circuits(entry).values()
    assert (garage.limit_a, garage.parent) == (32, None)
    assert entry.runtime_data.site.settings.feeders == {STATION: garage.id}

    done = await add(hass, entry, name="House", limit_a=40, stations=[])
    assert done["type"] is FlowResultType.CREATE_ENTRY
    house = circuits(entry)["House"]
    done = await change(hass, entry, "Drive", **DRIVE | {"parent": house.id, "limit_a": 20})
    assert done["reason"] == "reconfigure_successful"
    assert circuits(entry)["Drive"].parent == house.id
    assert circuits(entry)["Drive"].limit_a == 20

    # Whose feeder is deleted, hangs on the main fuse.
    key = next(key for key, item in entry.subentries.items() if item.title == "House")
    hass.config_entries.async_remove_subentry(entry, key)
    await hass.async_block_till_done()
    assert circuits(entry)["Drive"].parent is None


async def test_a_circuit_limits_its_stations(
    hass: HomeAssistant, wallbox: Ocpp16Station, passing_time: Time
) -> None:
    [entry] = hass.config_entries.async_entries("forecourt")
    await wallbox.plug(1, "family", soc=0.2)
    await passing_time.passes(1)
    assert await wallbox.tap(CARD_OF_ANNA) == "started"
    await passing_time.until(lambda: wallbox.connector(1).evse.currents_a[0] == 16)
    await add(hass, entry, **DRIVE | {"limit_a": 10})
    await passing_time.until(lambda: wallbox.connector(1).evse.currents_a[0] == 10)

    def reason() -> str:
        state = hass.states.get("sensor.garage_outlet_1_reason_for_the_limit")
        assert state is not None
        return state.state

    await passing_time.until(lambda: reason() == "circuit")


async def test_what_cannot_be_is_said(hass: HomeAssistant, set_up_site: SetUp) -> None:
    entry = await set_up_site()
    await add(hass, entry, **DRIVE)
    for answers, field, error in (
        ({"name": " ", "limit_a": 20, "stations": []}, "name", "name_empty"),
        ({"name": "drive", "limit_a": 20, "stations": []}, "name", "name_taken"),
        ({"name": "Other", "limit_a": 20, "stations": [STATION]}, "stations", "fed_by_another"),
    ):
        done = await add(hass, entry, **answers)
        assert done["errors"] == {field: error}
        hass.config_entries.subentries.async_abort(done["flow_id"])
    garage = circuits(entry)["Drive"].id
    await add(hass, entry, name="Cellar", limit_a=20, stations=[], parent=garage)
    cellar = circuits(entry)["Cellar"].id
    done = await change(hass, entry, "Drive", **DRIVE | {"parent": cellar})
    assert done["errors"] == {"parent": "circuit_loop"}
