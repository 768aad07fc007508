"""Changes what the owner decided about the site."""

from typing import Any

from homeassistant.config_entries import ConfigFlowResult, ConfigSubentry
from homeassistant.const import ATTR_UNIT_OF_MEASUREMENT
from homeassistant.helpers.selector import (
    EntitySelector,
    EntitySelectorConfig,
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
)
import probatio as vol

from ..const import (
    CONF_ACCESS,
    CONF_DEFAULT_USER,
    CONF_PERSONAL_DATA,
    CONF_PRICE,
    CONF_PRICE_ENTITY,
    CONF_USER_ID,
    PERSONAL_DATA_PRIVATE,
    PERSONAL_DATA_SHARED,
    SUBENTRY_USER,
)
from ..core.model.token import Access
from ..price import per_kwh, read_price
from ..tls_options import TLS_OPTIONS
from .fields import SITE, choice, labelled_choice
from .security import SecuritySteps

CONF_PRICE_SOURCE = "price_source"
PRICE_NONE = "none"
PRICE_FIXED = "fixed"
PRICE_FROM_ENTITY = "entity"


class SiteOptionsFlow(SecuritySteps):
    """The options of the site."""

    def __init__(self) -> None:
        """Start without answers."""
        super().__init__()
        self._options: dict[str, Any] = {}

    async def async_step_init(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask what to change."""
        return self.async_show_menu(step_id="init", menu_options=["site", "security"])

    async def async_step_site(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for everything but the price itself."""
        errors: dict[str, str] = {}
        if user_input is not None:
            anyone = user_input[CONF_ACCESS] == Access.ANYONE
            if anyone and CONF_DEFAULT_USER not in user_input:
                errors[CONF_DEFAULT_USER] = "default_user_required"
            else:
                self._options = dict(user_input)
                match self._options.pop(CONF_PRICE_SOURCE):
                    case "fixed":
                        return await self.async_step_price_fixed()
                    case "entity":
                        return await self.async_step_price_entity()
                return self._finish()
        return self.async_show_form(
            step_id="site",
            data_schema=self.add_suggested_values_to_schema(
                self._schema(), user_input or self._current()
            ),
            errors=errors,
        )

    async def async_step_price_fixed(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask what a kilowatt-hour costs."""
        if user_input is not None:
            return self._finish(**user_input)
        box = NumberSelectorConfig(
            min=0,
            step="any",
            mode=NumberSelectorMode.BOX,
            unit_of_measurement=f"{self.hass.config.currency}/kWh",
        )
        return self.async_show_form(
            step_id="price_fixed",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema({vol.Required(CONF_PRICE): NumberSelector(box)}),
                self.config_entry.options,
            ),
        )

    async def async_step_price_entity(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which entity knows the price, and look whether it does."""
        errors: dict[str, str] = {}
        placeholders = {"currency": self.hass.config.currency, "state": "", "unit": ""}
        if user_input is not None:
            state = self.hass.states.get(user_input[CONF_PRICE_ENTITY])
            unit = None if state is None else state.attributes.get(ATTR_UNIT_OF_MEASUREMENT)
            if state is None:
                errors[CONF_PRICE_ENTITY] = "price_missing"
            elif read_price(state) is None:
                errors[CONF_PRICE_ENTITY] = "price_not_numeric"
                placeholders["state"] = state.state
            elif not per_kwh(unit):
                errors[CONF_PRICE_ENTITY] = "price_unit"
                placeholders["unit"] = str(unit)
            else:
                return self._finish(**user_input)
        selector = EntitySelector(EntitySelectorConfig(domain=["sensor", "input_number", "number"]))
        return self.async_show_form(
            step_id="price_entity",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema({vol.Required(CONF_PRICE_ENTITY): selector}),
                user_input or self.config_entry.options,
            ),
            errors=errors,
            description_placeholders=placeholders,
        )

    def _finish(self, **price: Any) -> ConfigFlowResult:
        """Keep what was answered, and what other dialogs ask for."""
        known = self.config_entry.options
        tls = {key: known[key] for key in TLS_OPTIONS if key in known}
        return self.async_create_entry(data={**tls, **self._options, **price})

    def _schema(self) -> vol.Schema:
        users = {user.data[CONF_USER_ID]: user.title for user in self._users()}
        return vol.Schema(
            {
                **SITE,
                vol.Optional(CONF_DEFAULT_USER): labelled_choice(users),
                vol.Required(CONF_PRICE_SOURCE): choice(
                    (PRICE_NONE, PRICE_FIXED, PRICE_FROM_ENTITY), "price_source"
                ),
                vol.Required(CONF_PERSONAL_DATA): choice(
                    (PERSONAL_DATA_SHARED, PERSONAL_DATA_PRIVATE), "personal_data"
                ),
            }
        )

    def _current(self) -> dict[str, Any]:
        options = dict(self.config_entry.options)
        options[CONF_PRICE_SOURCE] = PRICE_NONE
        if CONF_PRICE in options:
            options[CONF_PRICE_SOURCE] = PRICE_FIXED
        if CONF_PRICE_ENTITY in options:
            options[CONF_PRICE_SOURCE] = PRICE_FROM_ENTITY
        known = {user.data[CONF_USER_ID] for user in self._users()}
        if options.get(CONF_DEFAULT_USER) not in known:
            options.pop(CONF_DEFAULT_USER, None)
        return options

    def _users(self) -> list[ConfigSubentry]:
        return list(self.config_entry.get_subentries_of_type(SUBENTRY_USER))
