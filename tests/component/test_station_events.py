"""What stations tell about themselves."""

from collections.abc import Callable

from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.event import async_track_state_change_event
import pytest

from simulator import Ocpp16Station

from .asking import call, device
from .conftest import SetUp, Time, a_station

EVENT = "event.garage_station_event"


@pytest.fixture
def states(hass: HomeAssistant) -> list[tuple[str, str]]:
    """Return the events of the default station as they come."""
    told: list[tuple[str, str]] = []

    @callback
    def note(changed: Event[EventStateChangedData]) -> None:
        state = changed.data["new_state"]
        if state is not None and state.attributes["event_type"] is not None:
            told.append((state.attributes["event_type"], state.attributes["what"]))

    async_track_state_change_event(hass, [EVENT], note)
    return told


async def test_a_station_tells_of_itself(
    hass: HomeAssistant,
    set_up_site: SetUp,
    dial_in: Callable[..., Ocpp16Station],
    passing_time: Time,
    states: list[tuple[str, str]],
) -> None:
    await set_up_site(subentries=[a_station(), a_station("OTHER", "Other")])
    async with dial_in(security_events=True) as station:
        await passing_time.until(lambda: station.ready)
        await passing_time.until(lambda: states)
        assert states[0] == ("security", "StartupOfTheDevice")
        await passing_time.passes(10)
        states.clear()
        answer = await call(
            hass,
            "ocpp_call",
            device_id=device(hass, "Garage"),
            action="GetDiagnostics",
            payload={"location": "ftp://127.0.0.1/"},
        )
        assert answer["answer"]["fileName"]
        await passing_time.until(lambda: ("diagnostics", "Uploaded") in states)
    other = hass.states.get("event.other_station_event")
    assert other is not None
    assert other.state == "unknown"
    entry = er.async_get(hass).async_get(EVENT)
    assert entry is not None
    assert entry.entity_category == "diagnostic"
