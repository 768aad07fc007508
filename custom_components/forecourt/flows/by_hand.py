"""Connects a wallbox that nobody has described: its user fills in topics, or picks entities."""

from abc import ABC, abstractmethod
from typing import Any

from homeassistant.config_entries import ConfigSubentryFlow, SubentryFlowResult
from homeassistant.const import CONF_DEVICE_ID
from homeassistant.data_entry_flow import section
from homeassistant.helpers.selector import (
    EntitySelector,
    EntitySelectorConfig,
    SelectSelectorMode,
    TextSelector,
)
import probatio as vol

from ..declared import CONF_ANSWERS, CONF_BOX_ID, CONF_ENTITIES
from ..stations.declarative.profile import Order, Profile, Role
from ..stations.declarative.tree import ProfileError
from ..stations.entities.by_hand import entities_profile
from ..stations.entities.ha import entities_of
from ..stations.entities.mapping import guess
from ..stations.mqtt.generic import generic_profile
from .fields import Fields, labelled_choice, whole_number

READINGS = ("power", "energy", "session_energy", "current", "limit")
UNITS = {
    "power": ("W", "kW"),
    "energy": ("Wh", "kWh"),
    "session_energy": ("Wh", "kWh"),
    "current": ("A", "mA"),
    "limit": ("A", "mA"),
}
STATUSES = ("available", "preparing", "charging", "suspended_ev", "suspended_evse", "faulted")

ENTITIES: dict[Role | Order, tuple[str, ...]] = {
    Role.PLUGGED: ("binary_sensor", "input_boolean", "switch"),
    Role.CHARGING: ("binary_sensor", "input_boolean", "switch"),
    Role.STATUS: ("sensor", "select", "input_select"),
    Role.POWER_W: ("sensor", "input_number", "number"),
    Role.ENERGY_WH: ("sensor", "input_number", "number"),
    Role.SESSION_ENERGY_WH: ("sensor", "input_number", "number"),
    Role.CURRENT_A: ("sensor", "input_number", "number"),
    Order.LIMIT_A: ("number", "input_number"),
    Order.PAUSE: ("switch", "input_boolean"),
}


def field_of(what: Role | Order) -> str:
    """Return the field of the form that asks for an entity."""
    return what.value if isinstance(what, Role) else f"set_{what.value}"


class ByHandSteps(ConfigSubentryFlow, ABC):
    """Makes a profile of what a user fills in; the look at the box comes after."""

    _profile: Profile | None
    _link: dict[str, Any]

    @abstractmethod
    async def _try(self) -> SubentryFlowResult | str:
        """Look at the box: go on, or return the key of an error."""

    async def async_step_generic(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the topics of a box."""
        errors: dict[str, str] = {}
        detail = ""
        if user_input is not None:
            answers = _flat(user_input)
            try:
                self._profile = generic_profile(answers)
            except ProfileError as error:
                errors["base"], detail = "topics_wrong", error.problems[0].text
            else:
                self._link = {CONF_BOX_ID: answers.get("model") or "mqtt", CONF_ANSWERS: answers}
                done = await self._try()
                if not isinstance(done, str):
                    return done
                errors["base"] = done
        return self.async_show_form(
            step_id="generic",
            data_schema=self.add_suggested_values_to_schema(_topics_schema(), user_input),
            errors=errors,
            description_placeholders={"detail": detail, "hint": ""},
        )

    async def async_step_entities_map(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask which entity tells what, and which ones take orders."""
        device_id: str = self._link[CONF_DEVICE_ID]
        errors: dict[str, str] = {}
        if user_input is not None:
            chosen = _flat(user_input)
            try:
                self._profile = entities_profile(chosen)
            except ProfileError:
                errors["base"] = "entities_missing"
            else:
                self._link = {CONF_DEVICE_ID: device_id, CONF_ENTITIES: chosen}
                done = await self._try()
                if not isinstance(done, str):
                    return done
                errors["base"] = done
        suggested = {
            field_of(what): entity_id
            for what, entity_id in guess(entities_of(self.hass, device_id)).items()
        }
        schema = vol.Schema(
            {
                vol.Optional(field_of(what)): EntitySelector(
                    EntitySelectorConfig(domain=list(domains))
                )
                for what, domains in ENTITIES.items()
            }
            | _statuses()
        )
        return self.async_show_form(
            step_id="entities_map",
            data_schema=self.add_suggested_values_to_schema(schema, user_input or suggested),
            errors=errors,
            description_placeholders={"hint": ""},
        )


def _topics_schema() -> vol.Schema:
    text = TextSelector()
    return vol.Schema(
        {
            vol.Required("model"): text,
            vol.Required("phases", default=3): whole_number(1, 3),
            vol.Required("car"): section(
                vol.Schema(
                    {
                        vol.Optional(f"{name}_{part}"): text
                        for name in ("plugged", "charging")
                        for part in ("topic", "path", "yes", "no")
                    }
                    | {vol.Optional("status_topic"): text, vol.Optional("status_path"): text}
                    | _statuses()
                )
            ),
            vol.Required("meter"): section(
                vol.Schema(
                    {
                        key: value
                        for name in READINGS
                        for key, value in (
                            (vol.Optional(f"{name}_topic"), text),
                            (vol.Optional(f"{name}_path"), text),
                            (vol.Optional(f"{name}_unit"), _unit(name)),
                        )
                    }
                )
            ),
            vol.Required("orders"): section(
                vol.Schema(
                    {
                        vol.Optional(f"set_{name}_{part}"): text
                        for name in ("limit", "pause", "resume")
                        for part in ("topic", "payload")
                    }
                    | {vol.Optional("set_limit_unit"): _unit("limit")}
                )
            ),
        }
    )


def _statuses() -> Fields:
    return {vol.Optional(f"status_{word}"): TextSelector() for word in STATUSES}


def _unit(name: str) -> Any:
    return labelled_choice({unit: unit for unit in UNITS[name]}, SelectSelectorMode.DROPDOWN)


def _flat(answers: dict[str, Any]) -> dict[str, Any]:
    """Return the answers without their sections, and without what was left empty."""
    flat: dict[str, Any] = {}
    for key, value in answers.items():
        if isinstance(value, dict):
            flat |= _flat(value)
        elif value not in (None, ""):
            flat[key] = value
    return flat
