"""What the dialogs that add a wallbox without OCPP have in common."""

from typing import Any

from homeassistant.const import CONF_DEVICE_ID, CONF_HOST, CONF_NAME
from homeassistant.util import slugify
import probatio as vol

from ..const import (
    CONF_LINK,
    CONF_MAX_CURRENT_A,
    CONF_PROFILE,
    MAX_STATION_CURRENT_A,
    MIN_CURRENT_A,
)
from ..declared import CONF_BOX_ID, CONF_UNIT, Box, LinkData
from ..stations.declarative.profile import Profile
from .adding import station_data
from .fields import NAME, whole_number
from .texts import quoted


def box_station_id(profile: Profile, link: LinkData, box: Box) -> str:
    """Return what names this very box: its serial number, or where it is."""
    place = link.get(CONF_DEVICE_ID) or link.get(CONF_BOX_ID)
    if place is None:
        place = f"{link[CONF_HOST]}_{link[CONF_UNIT]}"
    return f"{profile.id}_{slugify(box.serial or str(place))}"[:48]


def box_schema(profile: Profile, box: Box) -> vol.Schema:
    """Return the questions about a box that was looked at."""
    most = min(box.max_current_a or profile.max_current_a, MAX_STATION_CURRENT_A)
    return vol.Schema(
        {
            **NAME,
            vol.Required(CONF_MAX_CURRENT_A, default=min(most, 16)): whole_number(
                MIN_CURRENT_A, MAX_STATION_CURRENT_A, "A"
            ),
        }
    )


def box_name(profile: Profile, box: Box) -> dict[str, str]:
    """Return the answer that is suggested."""
    return {CONF_NAME: box.model or profile.models[0]}


def box_facts(profile: Profile, box: Box) -> dict[str, str]:
    """Return what a box told, for a text."""
    return {
        "vendor": box.vendor or profile.vendor,
        "model": quoted(box.model or "?"),
        "serial": quoted(box.serial or "?"),
        "firmware": quoted(box.firmware or "?"),
        "meter": "?" if box.energy_kwh is None else f"{box.energy_kwh:.1f} kWh",
        "confidence": profile.confidence.value,
    }


def box_data(
    station_id: str, profile: Profile, link: LinkData, max_current_a: int
) -> dict[str, Any]:
    """Return the data of its subentry."""
    return {
        **station_data(station_id, profile.connectors, max_current_a),
        CONF_PROFILE: profile.id,
        CONF_LINK: link,
    }
