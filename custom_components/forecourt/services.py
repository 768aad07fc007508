"""Registers what people and automations may ask of the site; `actions` has what it does."""

from homeassistant.core import HomeAssistant, callback

from .actions import demand, goals, ocpp, reservations, security, sessions, tokens
from .const import DOMAIN

ACTIONS = (
    *demand.ACTIONS,
    *goals.ACTIONS,
    *ocpp.ACTIONS,
    *reservations.ACTIONS,
    *security.ACTIONS,
    *sessions.ACTIONS,
    *tokens.ACTIONS,
)


@callback
def async_setup_services(hass: HomeAssistant) -> None:
    """Register the actions."""
    for action in ACTIONS:
        hass.services.async_register(
            DOMAIN,
            action.name,
            action.handler,
            action.schema,
            supports_response=action.supports_response,
        )
