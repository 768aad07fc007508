"""What the owner decided about the encryption of the site's own port, and where it leads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Any, Self

from homeassistant.components.network import (
    async_get_enabled_source_ips,
    async_get_source_ip,
)
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from yarl import URL

from .const import (
    CONF_TLS_AUTHORITIES,
    CONF_TLS_CERTIFICATE,
    CONF_TLS_CERTIFICATE_FILE,
    CONF_TLS_HOSTS,
    CONF_TLS_KEY_FILE,
    CONF_TLS_PORT,
)

LOOPBACK = "127.0.0.1"


class CertificateSource(StrEnum):
    """Where the certificate of the server comes from; without any there is no encryption."""

    OFF = "off"
    OWN = "own"
    FILES = "files"
    PASTED = "pasted"


# Options that are about encryption; another dialog leaves them alone.
TLS_OPTIONS = (
    CONF_TLS_AUTHORITIES,
    CONF_TLS_CERTIFICATE,
    CONF_TLS_CERTIFICATE_FILE,
    CONF_TLS_HOSTS,
    CONF_TLS_KEY_FILE,
    CONF_TLS_PORT,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsOptions:
    """The options; `hosts` are those that the owner wants in an own certificate."""

    source: CertificateSource = CertificateSource.OFF
    port: int | None = None
    hosts: tuple[str, ...] = ()
    certificate_file: str = ""
    key_file: str = ""
    authorities_pem: str = ""

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Self:
        """Return those of the site's options, which before 0.2 had none."""
        return cls(
            source=CertificateSource(options.get(CONF_TLS_CERTIFICATE, CertificateSource.OFF)),
            port=options.get(CONF_TLS_PORT),
            hosts=tuple(options.get(CONF_TLS_HOSTS, ())),
            certificate_file=options.get(CONF_TLS_CERTIFICATE_FILE, ""),
            key_file=options.get(CONF_TLS_KEY_FILE, ""),
            authorities_pem=options.get(CONF_TLS_AUTHORITIES, ""),
        )


async def own_hosts(hass: HomeAssistant) -> list[str]:
    """Return the addresses and names by which this machine is reached, the best one first."""
    hosts = [await own_address(hass)]
    hosts += [str(one) for one in await async_get_enabled_source_ips(hass) if one.version == 4]
    hosts += filter(
        None,
        (
            URL(url).host
            for url in (hass.config.internal_url, hass.config.external_url)
            if url is not None
        ),
    )
    return list(dict.fromkeys(hosts))


async def own_address(hass: HomeAssistant) -> str:
    """Return the address of this machine in its network."""
    try:
        return await async_get_source_ip(hass)
    except HomeAssistantError:
        return LOOPBACK


def best_host(hosts: Sequence[str], address: str) -> str:
    """Return by which of its hosts a server is dialled: by its address where that is one.

    Many wallboxes cannot resolve names.
    """
    if address in hosts or not hosts:
        return address
    named = [host for host in hosts if not host.startswith("*")]
    return (named or [address])[0]


def secure_url(host: str, port: int) -> str:
    """Return the address with TLS, without the identity of a station."""
    try:
        bracketed = ip_address(host).version == 6
    except ValueError:
        bracketed = False
    return f"wss://[{host}]:{port}" if bracketed else f"wss://{host}:{port}"
