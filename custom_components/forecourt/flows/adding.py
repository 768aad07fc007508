"""How a station comes to the site, whichever dialog adds it."""

from collections.abc import Iterable
from types import MappingProxyType
from typing import Any

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.core import HomeAssistant

from ..const import (
    CONF_EVSES,
    CONF_FALLBACK_CURRENT_A,
    CONF_MAX_CURRENT_A,
    CONF_STATION_ID,
    DEFAULT_FALLBACK_CURRENT_A,
    DOMAIN,
    SUBENTRY_STATION,
    station_unique_id,
)


def site_entry(hass: HomeAssistant) -> ConfigEntry[Any] | None:
    """Return the entry of the site; what the user ignored is an entry too, and not it."""
    entries = hass.config_entries.async_entries(DOMAIN, include_ignore=False)
    return entries[0] if entries else None


def is_added(entry: ConfigEntry[Any], station_id: str) -> bool:
    """Return whether the site has this station."""
    unique_ids: Iterable[str | None] = (one.unique_id for one in entry.subentries.values())
    return station_unique_id(station_id) in unique_ids


def station_data(station_id: str, evses: int, max_current_a: int) -> dict[str, Any]:
    """Return the data of a new station."""
    return {
        CONF_STATION_ID: station_id,
        CONF_EVSES: evses,
        CONF_MAX_CURRENT_A: max_current_a,
        CONF_FALLBACK_CURRENT_A: DEFAULT_FALLBACK_CURRENT_A,
    }


def add_station(
    hass: HomeAssistant, entry: ConfigEntry[Any], title: str, data: dict[str, Any]
) -> None:
    """Add a station; the site lets it in at once."""
    hass.config_entries.async_add_subentry(
        entry,
        ConfigSubentry(
            data=MappingProxyType(data),
            subentry_type=SUBENTRY_STATION,
            title=title,
            unique_id=station_unique_id(data[CONF_STATION_ID]),
        ),
    )
