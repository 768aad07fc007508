"""A line about the site for Home Assistant's own system information."""

from typing import Any

from homeassistant.components import system_health
from homeassistant.core import HomeAssistant, callback

from .const import DOMAIN
from .hub import ForecourtConfigEntry


@callback
def async_register(hass: HomeAssistant, register: system_health.SystemHealthRegistration) -> None:
    """Register the line."""
    register.async_register_info(_info)


async def _info(hass: HomeAssistant) -> dict[str, Any]:
    entries: list[ForecourtConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    if not entries:
        return {}
    hub = entries[0].runtime_data
    stations = hub.site.stations.values()
    return {
        "stations": len(stations),
        "stations_online": sum(station.online for station in stations),
        "port": hub.central.port,
    }
