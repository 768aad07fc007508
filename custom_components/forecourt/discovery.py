"""The stations that nobody knows, as what Home Assistant has discovered."""

from collections.abc import Iterable

from homeassistant.config_entries import SOURCE_INTEGRATION_DISCOVERY
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import discovery_flow

from .const import CONF_STATION_ID, DOMAIN, station_unique_id
from .stations.ocpp import MAX_PENDING


@callback
def show(hass: HomeAssistant, station_id: str, waiting: Iterable[str]) -> None:
    """Let a station appear that waits; never are there more of them than may wait.

    `waiting` are all who wait now. Those who waited before the site was restarted stay in
    view until there is no room for them.
    """
    flows = hass.config_entries.flow
    shown = flows.async_progress_by_handler(
        DOMAIN, match_context={"source": SOURCE_INTEGRATION_DISCOVERY}
    )
    if len(shown) >= MAX_PENDING:
        wanted = {station_unique_id(identity) for identity in waiting}
        for flow in shown:
            if flow["context"].get("unique_id") not in wanted:
                flows.async_abort(flow["flow_id"])
    discovery_flow.async_create_flow(
        hass,
        DOMAIN,
        context={"source": SOURCE_INTEGRATION_DISCOVERY},
        data={CONF_STATION_ID: station_id},
        discovery_key=discovery_flow.DiscoveryKey(domain=DOMAIN, key=station_id, version=1),
    )


@callback
def take_back(hass: HomeAssistant, station_id: str) -> None:
    """Show a station no more: it was added another way, or does not wait any longer."""
    flows = hass.config_entries.flow
    about = {"unique_id": station_unique_id(station_id)}
    for flow in flows.async_progress_by_handler(
        DOMAIN, include_uninitialized=True, match_context=about
    ):
        flows.async_abort(flow["flow_id"])
