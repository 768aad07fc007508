"""How often states are written, and what is never held back."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.helpers.event import async_track_state_change_event
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.forecourt.core.model.evse import EvseStatus
from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.reading import Reading
from simulator import Ocpp16Station

from .conftest import CARD_OF_ANNA, NOON, STATION, STRANGE_CARD, SetUp, Time

EVSE = EvseId(STATION, 1)
POWER = "sensor.garage_outlet_1_charging_power"
ENERGY = "sensor.garage_outlet_1_session_energy"
STATUS = "sensor.garage_outlet_1_status"
TOTAL_POWER = "sensor.home_total_power"
CARD = "event.garage_card_presented"


class Witness:
    """Writes down every state that is written."""

    def __init__(self, hass: HomeAssistant, *entity_ids: str) -> None:
        self.seen: list[tuple[str, str]] = []
        self.stop = async_track_state_change_event(hass, entity_ids, self._changed)

    @callback
    def _changed(self, event: Event[EventStateChangedData]) -> None:
        if (state := event.data["new_state"]) is not None:
            self.seen.append((state.entity_id, state.state))

    def of(self, entity_id: str) -> list[str]:
        return [state for seen, state in self.seen if seen == entity_id]


async def test_a_chatty_station_writes_once_a_second_and_its_last_word_counts(
    hass: HomeAssistant, wallbox: Ocpp16Station, passing_time: Time, set_up_site: SetUp
) -> None:
    [entry] = hass.config_entries.async_entries("forecourt")
    site = entry.runtime_data.site
    await passing_time.passes(2)
    witness = Witness(hass, POWER, STATUS, TOTAL_POWER)
    reading = Reading(at=NOON + timedelta(seconds=2), power_w=1000)

    await site.report(EVSE, (reading,), None)
    await passing_time.passes(0.75)
    assert witness.of(POWER) == witness.of(TOTAL_POWER) == ["1000"]
    for power in range(1001, 1051):
        await site.report(EVSE, (replace(reading, power_w=power),), None)
    # Another entity of the outlet is not held up by this one.
    await site.status_changed(EVSE, EvseStatus.PREPARING, reading.at)
    assert witness.of(STATUS) == ["preparing"]
    assert witness.of(POWER) == witness.of(TOTAL_POWER) == ["1000"]

    await passing_time.passes(1.25)
    assert witness.of(POWER) == witness.of(TOTAL_POWER) == ["1000", "1050"]
    await passing_time.passes(5)
    assert witness.of(POWER) == ["1000", "1050"]

    per_second = Counter[int]()
    for tenth in range(30):
        await site.report(EVSE, (replace(reading, power_w=2000 + tenth),), None)
        before = len(witness.of(POWER))
        await passing_time.passes(0.25)
        per_second[tenth // 4] += len(witness.of(POWER)) - before
    await passing_time.passes(1.5)
    assert max(per_second.values()) <= 2  # the edge of a second may fall into it
    assert witness.of(POWER)[-1] == "2029"
    assert len(witness.of(POWER)) <= 2 + 30 / 4 + 2
    witness.stop()


async def test_what_only_grows_is_written_seldom_until_it_ends(
    hass: HomeAssistant, wallbox: Ocpp16Station, passing_time: Time
) -> None:
    [entry] = hass.config_entries.async_entries("forecourt")
    await passing_time.passes(2)
    witness = Witness(hass, ENERGY, POWER)
    await wallbox.plug(1, "family", soc=0.2)
    await passing_time.passes(1)
    assert await wallbox.tap(CARD_OF_ANNA) == "started"
    await passing_time.passes(2)
    assert witness.of(ENERGY) == ["0.0"]
    await passing_time.passes(85)
    assert len(witness.of(ENERGY)) == 3
    assert len(wallbox.books.readings) > 7

    await wallbox.unplug()
    await passing_time.passes(2)
    [session] = await entry.runtime_data.ledger.sessions()
    assert witness.of(ENERGY)[-1] == f"{session.energy_wh / 1000}"
    # The next one does not wait either.
    await wallbox.plug(1, "family", soc=0.2)
    await passing_time.passes(1)
    assert await wallbox.tap(CARD_OF_ANNA) == "started"
    await passing_time.passes(2)
    assert witness.of(ENERGY)[-1] == "0.0"
    witness.stop()


async def test_what_changes_back_within_a_second_is_not_written(
    hass: HomeAssistant, wallbox: Ocpp16Station, passing_time: Time
) -> None:
    [entry] = hass.config_entries.async_entries("forecourt")
    site = entry.runtime_data.site
    await passing_time.passes(2)
    witness = Witness(hass, STATUS)
    for status in (EvseStatus.PREPARING, EvseStatus.AVAILABLE, EvseStatus.PREPARING):
        await site.status_changed(EVSE, status, NOON)
    await passing_time.passes(2)
    assert witness.of(STATUS) == ["preparing"]
    witness.stop()


async def test_every_tap_is_an_event_at_once(
    hass: HomeAssistant, wallbox: Ocpp16Station, passing_time: Time
) -> None:
    await passing_time.passes(2)
    witness = Witness(hass, CARD)
    for _ in range(2):
        assert await wallbox.tap(STRANGE_CARD) == "refused"
        await passing_time.settle()
    assert await wallbox.tap(CARD_OF_ANNA) == "waiting"
    await passing_time.settle()
    assert len(witness.of(CARD)) == len(set(witness.of(CARD))) == 3
    witness.stop()
    state = hass.states.get(CARD)
    assert state is not None
    assert state.attributes["event_type"] == "accepted"


async def test_nothing_is_written_after_the_end(
    hass: HomeAssistant, set_up_site: SetUp, passing_time: Time
) -> None:
    entry: MockConfigEntry = await set_up_site()
    site = entry.runtime_data.site
    site.orders.allow(EVSE, allowed=False)
    assert await hass.config_entries.async_unload(entry.entry_id)
    state = hass.states.get("switch.garage_outlet_1_charging_allowed")
    assert state is not None
    assert state.state == "unavailable"
    await passing_time.passes(2)
