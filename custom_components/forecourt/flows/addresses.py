"""The addresses that are typed into a wallbox."""

from dataclasses import dataclass

from homeassistant.components.network import async_get_source_ip
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.network import NoURLAvailableError, get_url

from ..stations.ocpp.ha import URL

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a wallbox reaches the site: its own port, and Home Assistant's server with TLS."""

    plain: str
    encrypted: str | None


async def station_addresses(hass: HomeAssistant, port: int) -> Addresses:
    """Return the addresses; of numbers only, since many wallboxes cannot resolve names."""
    try:
        host = await async_get_source_ip(hass)
    except HomeAssistantError:
        host = LOOPBACK
    return Addresses(plain=f"ws://{host}:{port}/", encrypted=_encrypted(hass))


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
