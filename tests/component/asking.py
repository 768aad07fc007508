"""How tests ask for actions, as whom, and what is said when they cannot be."""

from typing import Any

from homeassistant.core import Context, HomeAssistant, SupportsResponse
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr
import pytest
from pytest_homeassistant_custom_component.common import MockUser

from custom_components.forecourt.const import DOMAIN

from .conftest import ANNA, BEN, a_station, a_user, devices_of_site

FAMILY = [
    a_station(),
    a_user(ANNA, "Anna", person="person.anna", group="family"),
    a_user(BEN, "Ben", person="person.ben"),
    a_user("33333333-cccc", "Carla", group="family"),
]


def device(hass: HomeAssistant, name: str = "Outlet 1") -> str:
    [found] = [d for d in devices_of_site(dr.async_get(hass)) if d.name == name]
    return found.id


async def call(
    hass: HomeAssistant, action: str, /, *, login: MockUser | None = None, **data: Any
) -> Any:
    return await hass.services.async_call(
        DOMAIN,
        action,
        data,
        blocking=True,
        context=Context(user_id=login.id if login else None),
        return_response=hass.services.supports_response(DOMAIN, action)
        is not SupportsResponse.NONE,
    )


def login_of(hass: HomeAssistant, person: str | None = None, *, admin: bool = False) -> MockUser:
    """Return a login, that of a person if one is given."""
    login = MockUser(is_owner=admin).add_to_hass(hass)
    if person is not None:
        hass.states.async_set(person, "home", {"user_id": login.id})
    return login


async def refused(hass: HomeAssistant, key: str, action: str, /, **data: Any) -> HomeAssistantError:
    with pytest.raises(HomeAssistantError) as raised:
        await call(hass, action, **data)
    assert raised.value.translation_key == key
    assert raised.value.translation_domain == DOMAIN
    return raised.value
