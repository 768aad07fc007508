"""How a station comes to the site, whichever dialog adds it."""

from collections.abc import Iterable
from itertools import count
from types import MappingProxyType
from typing import Any

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.core import HomeAssistant

from ..const import (
    CONF_ACCESS,
    CONF_BOX,
    CONF_EVSES,
    CONF_FALLBACK_CURRENT_A,
    CONF_MAX_CURRENT_A,
    CONF_STATION_ID,
    DEFAULT_FALLBACK_CURRENT_A,
    DOMAIN,
    MAX_EVSES,
    SUBENTRY_STATION,
    station_unique_id,
)
from ..core.model.station import StationInfo
from ..core.model.token import Access
from .knocks import model_name
from .texts import Texts


def site_entry(hass: HomeAssistant) -> ConfigEntry[Any] | None:
    """Return the entry of the site; what the user ignored is an entry too, and not it."""
    entries = hass.config_entries.async_entries(DOMAIN, include_ignore=False)
    return entries[0] if entries else None


def is_added(entry: ConfigEntry[Any], station_id: str) -> bool:
    """Return whether the site has this station, or this box in the place of another one."""
    unique_ids: Iterable[str | None] = (one.unique_id for one in entry.subentries.values())
    boxes = (one.data.get(CONF_BOX) for one in entry.subentries.values())
    return station_unique_id(station_id) in unique_ids or station_id in boxes


def suggested_name(entry: ConfigEntry[Any], info: StationInfo) -> str:
    """Return a name for a new station that no other one has."""
    taken = {one.title for one in entry.get_subentries_of_type(SUBENTRY_STATION)}
    name = model_name(info) or info.id
    numbered = (f"{name} {number}" for number in count(2))
    return name if name not in taken else next(one for one in numbered if one not in taken)


async def next_step_text(hass: HomeAssistant, entry: ConfigEntry[Any]) -> str:
    """Return what to do once a station is there."""
    texts = await Texts.load(hass)
    return texts(f"next_{Access(entry.options[CONF_ACCESS])}")


def station_data(station_id: str, evses: int, max_current_a: int) -> dict[str, Any]:
    """Return the data of a new station."""
    return {
        CONF_STATION_ID: station_id,
        # A stranger's word reserves no more of the fuse than what can be entered by hand. Once it
        # is known, it may show more.
        CONF_EVSES: min(evses, MAX_EVSES),
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
