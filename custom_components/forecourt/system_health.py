"""Lines about the site for Home Assistant's own system information."""

from typing import Any

from homeassistant.components import system_health
from homeassistant.core import HomeAssistant, callback

from .const import DOMAIN
from .hub import ForecourtConfigEntry
from .stations.ocpp.frames import spread_ms


@callback
def async_register(hass: HomeAssistant, register: system_health.SystemHealthRegistration) -> None:
    """Register the lines."""
    register.async_register_info(_info)


async def _info(hass: HomeAssistant) -> dict[str, Any]:
    entries: list[ForecourtConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    if not entries:
        return {}
    hub = entries[0].runtime_data
    stations = hub.central.stations.values()
    counted = [station.counters for station in stations]
    answer_s = [seconds for counters in counted for seconds in counters.answer_s]
    # A hundred thousand numbers on a large site.
    answer_ms = await hass.async_add_executor_job(spread_ms, answer_s)
    return {
        "stations": len(stations),
        "stations_online": sum(station.online for station in stations),
        "port": hub.central.port,
        "tls_port": hub.central.tls_port,
        "messages_in": sum(counters.messages_in for counters in counted),
        "messages_out": sum(counters.messages_out for counters in counted),
        "errors": sum(
            counters.errors_in.total() + counters.errors_out.total() for counters in counted
        ),
        "answer_p99_ms": answer_ms["p99"],
    }
