"""What entities show of stations, outlets, users and the site."""

from collections.abc import Iterator
from itertools import count
from unittest.mock import PropertyMock, patch
from uuid import UUID

from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
import pytest
from syrupy.assertion import SnapshotAssertion

from simulator import Ocpp16Station

from .conftest import CARD_OF_ANNA, Time, devices_of_site

pytestmark = pytest.mark.usefixtures("_all_enabled")


@pytest.fixture
def _all_enabled() -> Iterator[None]:
    """Enable every entity, also those that are not by default."""
    with patch(
        "homeassistant.helpers.entity.Entity.entity_registry_enabled_default", PropertyMock()
    ):
        yield


@pytest.fixture(autouse=True)
def _session_ids() -> Iterator[None]:
    """Number the sessions."""
    numbers = count(1)
    with patch("custom_components.forecourt.site.books.uuid4", lambda: UUID(int=next(numbers))):
        yield


def assert_as_known(
    hass: HomeAssistant, snapshot: SnapshotAssertion, registry: er.EntityRegistry
) -> None:
    """Compare every entity with its snapshot."""
    entities = er.async_entries_for_config_entry(registry, "site")
    assert entities
    for entity in sorted(entities, key=lambda entity: entity.entity_id):
        assert entity == snapshot(name=f"{entity.entity_id}-entry")
        assert hass.states.get(entity.entity_id) == snapshot(name=f"{entity.entity_id}-state")


async def test_a_free_outlet(
    hass: HomeAssistant,
    wallbox: Ocpp16Station,
    passing_time: Time,
    entity_registry: er.EntityRegistry,
    snapshot: SnapshotAssertion,
) -> None:
    await passing_time.passes(2)
    assert_as_known(hass, snapshot, entity_registry)


async def test_a_charging_outlet(
    hass: HomeAssistant,
    wallbox: Ocpp16Station,
    passing_time: Time,
    entity_registry: er.EntityRegistry,
    snapshot: SnapshotAssertion,
) -> None:
    await wallbox.plug(1, "family", soc=0.2)
    await passing_time.passes(1)
    assert await wallbox.tap(CARD_OF_ANNA) == "started"
    await passing_time.passes(85)
    assert_as_known(hass, snapshot, entity_registry)
    assert wallbox.books.violations == []


async def test_devices(
    wallbox: Ocpp16Station, device_registry: dr.DeviceRegistry, snapshot: SnapshotAssertion
) -> None:
    assert devices_of_site(device_registry) == snapshot


async def test_a_fault_of_an_outlet_is_shown_until_it_is_over(
    hass: HomeAssistant, wallbox: Ocpp16Station, passing_time: Time
) -> None:
    def shown() -> tuple[str, str]:
        state = hass.states.get("sensor.garage_outlet_1_error")
        status = hass.states.get("sensor.garage_outlet_1_status")
        assert state is not None
        assert status is not None
        return state.state, status.state

    await passing_time.passes(2)
    assert shown() == ("no_error", "available")
    await wallbox.fault("connector_error", error_code="GroundFailure")
    await passing_time.passes(2)
    assert shown() == ("GroundFailure", "faulted")
    await wallbox.fault("connector_error", error_code="NoError")
    await passing_time.passes(2)
    assert shown() == ("no_error", "available")
