"""The addresses that are typed into a wallbox."""

from dataclasses import dataclass

from homeassistant.core import HomeAssistant
from homeassistant.helpers.network import NoURLAvailableError, get_url

from ..hub import Hub
from ..stations.ocpp.ha import URL
from ..tls_options import own_address


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a wallbox reaches the site: its own ports, and Home Assistant's server with TLS."""

    plain: str
    own_tls: str | None
    encrypted: str | None


async def station_addresses(hass: HomeAssistant, hub: Hub, port: int) -> Addresses:
    """Return the addresses; of numbers if possible, since many wallboxes cannot resolve names."""
    host = await own_address(hass)
    way = await hub.security.way()
    return Addresses(
        plain=f"ws://{host}:{port}/",
        own_tls=None if way is None else f"{way.url}/",
        encrypted=_encrypted(hass),
    )


def _encrypted(hass: HomeAssistant) -> str | None:
    try:
        # Without the cloud: the way to the wallbox must not lead through the internet.
        url = get_url(hass, require_ssl=True, allow_cloud=False, allow_ip=False)
    except NoURLAvailableError:
        return None
    if url.endswith(".local") or ".local:" in url:
        # Found by multicast, which hardly any wallbox asks.
        return None
    path = URL.removesuffix("{identity}")
    return f"wss://{url.removeprefix('https://')}{path}"
