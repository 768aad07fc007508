"""What pages of the frontend ask for."""

from typing import Any

from homeassistant.components.websocket_api import async_register_command
from homeassistant.components.websocket_api.connection import ActiveConnection
from homeassistant.components.websocket_api.const import ERR_NOT_FOUND
from homeassistant.components.websocket_api.decorators import require_admin, websocket_command
from homeassistant.core import HomeAssistant, callback
import probatio as vol

from .const import DOMAIN
from .hub import ForecourtConfigEntry


@callback
def async_setup_websocket_api(hass: HomeAssistant) -> None:
    """Register the commands."""
    async_register_command(hass, _frames)


@websocket_command({vol.Required("type"): f"{DOMAIN}/frames", vol.Required("station_id"): str})
@require_admin
@callback
def _frames(hass: HomeAssistant, connection: ActiveConnection, message: dict[str, Any]) -> None:
    """Answer with the latest frames from and to a station, masked, oldest first."""
    entries: list[ForecourtConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    stations = entries[0].runtime_data.central.stations if entries else {}
    station = stations.get(message["station_id"])
    if station is None:
        connection.send_error(
            message["id"],
            ERR_NOT_FOUND,
            "There is no such station",
            translation_domain=DOMAIN,
            translation_key="no_such_station",
            translation_placeholders={"station": message["station_id"]},
        )
        return
    connection.send_result(message["id"], {"frames": station.frames.entries()})
