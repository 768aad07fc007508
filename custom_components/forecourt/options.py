"""What the owner of the site decided, as the site wants it."""

from typing import Any

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util

from .circuits import circuits_of, feeders_of
from .const import (
    CONF_ACCESS,
    CONF_DEFAULT_USER,
    CONF_MAIN_FUSE_A,
    CONF_PERSONAL_DATA,
    CONF_USER_ID,
    PERSONAL_DATA_PRIVATE,
    SUBENTRY_USER,
)
from .core.model.token import Access
from .site import SiteSettings


def site_settings(hass: HomeAssistant, entry: ConfigEntry[Any]) -> SiteSettings:
    """Return the settings of the site; a default user who was deleted is none."""
    options = entry.options
    default_user: str | None = options.get(CONF_DEFAULT_USER)
    users = entry.get_subentries_of_type(SUBENTRY_USER)
    return SiteSettings(
        main_fuse_a=options[CONF_MAIN_FUSE_A],
        access=Access(options[CONF_ACCESS]),
        currency=hass.config.currency,
        default_user_id=(
            default_user
            if default_user in {subentry.data[CONF_USER_ID] for subentry in users}
            else None
        ),
        circuits=circuits_of(entry),
        feeders=feeders_of(entry),
        zone=dt_util.get_default_time_zone(),
    )


def is_private(entry: ConfigEntry[Any]) -> bool:
    """Return whether no entity may tell about persons."""
    return bool(entry.options.get(CONF_PERSONAL_DATA) == PERSONAL_DATA_PRIVATE)
