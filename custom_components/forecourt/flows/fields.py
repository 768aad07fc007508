"""Fields that several dialogs ask for."""

from collections.abc import Iterable
from typing import Any

from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import CONF_NAME
from homeassistant.helpers.selector import (
    NumberSelector,
    NumberSelectorConfig,
    NumberSelectorMode,
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    TextSelector,
)
import probatio as vol

from ..const import (
    CONF_ACCESS,
    CONF_FALLBACK_CURRENT_A,
    CONF_MAIN_FUSE_A,
    CONF_MAX_CURRENT_A,
    CONF_PORT,
    DEFAULT_MAIN_FUSE_A,
    DEFAULT_MAX_CURRENT_A,
    MAX_MAIN_FUSE_A,
    MAX_STATION_CURRENT_A,
    MIN_CURRENT_A,
)
from ..core.model.token import Access
from .ports import LAST_PORT


def whole_number(minimum: int, maximum: int, unit: str | None = None) -> vol.All[Any]:
    """Return a box for a whole number."""
    config = NumberSelectorConfig(min=minimum, max=maximum, step=1, mode=NumberSelectorMode.BOX)
    if unit is not None:
        config["unit_of_measurement"] = unit
    return vol.All(NumberSelector(config), vol.Coerce(int))


def choice(options: Iterable[str], translation_key: str) -> SelectSelector:
    """Return a list of which one is chosen, all of it in view."""
    return SelectSelector(
        SelectSelectorConfig(
            options=list(options),
            mode=SelectSelectorMode.LIST,
            translation_key=translation_key,
        )
    )


def labelled_choice(
    options: dict[str, str], mode: SelectSelectorMode = SelectSelectorMode.DROPDOWN
) -> SelectSelector:
    """Return a list of things that have names of their own."""
    labelled = [SelectOptionDict(value=value, label=label) for value, label in options.items()]
    return SelectSelector(SelectSelectorConfig(options=labelled, mode=mode))


type Fields = dict[vol.Marker, Any]

NAME: Fields = {vol.Required(CONF_NAME): TextSelector()}
PORT: Fields = {vol.Required(CONF_PORT): whole_number(1, LAST_PORT)}
SITE: Fields = {
    vol.Required(CONF_MAIN_FUSE_A, default=DEFAULT_MAIN_FUSE_A): whole_number(
        MIN_CURRENT_A, MAX_MAIN_FUSE_A, "A"
    ),
    vol.Required(CONF_ACCESS, default=Access.ANYONE.value): choice(Access, "access"),
}
MAX_CURRENT: Fields = {
    vol.Required(CONF_MAX_CURRENT_A, default=DEFAULT_MAX_CURRENT_A): whole_number(
        MIN_CURRENT_A, MAX_STATION_CURRENT_A, "A"
    )
}
FALLBACK: Fields = {
    vol.Required(CONF_FALLBACK_CURRENT_A): whole_number(0, MAX_STATION_CURRENT_A, "A")
}


def fallback_errors(answers: dict[str, Any]) -> dict[str, str]:
    """Return what is wrong with the fallback: no car charges with less than 6 A."""
    fallback: int = answers[CONF_FALLBACK_CURRENT_A]
    if 0 < fallback < MIN_CURRENT_A:
        return {CONF_FALLBACK_CURRENT_A: "fallback_too_low"}
    if fallback > answers[CONF_MAX_CURRENT_A]:
        return {CONF_FALLBACK_CURRENT_A: "fallback_too_high"}
    return {}


def same_name(name: str, others: Iterable[ConfigSubentry]) -> bool:
    """Return whether one of the others has this name, however it is written."""
    return name.casefold() in {other.title.casefold() for other in others}
