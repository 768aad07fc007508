"""The keys of the site at work: its port with TLS, its authority, and what stations must show."""

from collections.abc import Callable
from datetime import datetime, timedelta
import errno
import logging
import os
from pathlib import Path
import ssl

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .key_issues import KeyIssues
from .keys import Keys
from .required import RequiredProfiles
from .stations.ocpp import CentralSystem, PortInUseError
from .stations.ocpp.authority import KeyType, issue_server, make_authority
from .stations.ocpp.certificates import (
    CertificateError,
    CertifiedKey,
    facts_of,
    load_chain,
    parse_certified_key,
    to_pem,
)
from .stations.ocpp.keyring import Keyring
from .stations.ocpp.tls import server_context
from .stations.ocpp.upgrade import Upgrades, Way
from .tls_options import (
    CertificateSource,
    TlsOptions,
    best_host,
    own_address,
    own_hosts,
    secure_url,
)
from .vault import Vault

_LOGGER = logging.getLogger(__name__)

LOOK_EVERY = timedelta(days=1)

ISSUE_NOT_BACK = "upgrade_not_back"
ISSUE_TLS_CERTIFICATE = "tls_certificate_unusable"
ISSUE_TLS_PORT_FORBIDDEN = "tls_port_forbidden"
ISSUE_TLS_PORT_IN_USE = "tls_port_in_use"


class Security:
    """Keeps the port with TLS as the options say, and its certificates fresh."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry,
        vault: Vault,
        central: CentralSystem,
        station_name: Callable[[str], str],
    ) -> None:
        """Put the parts together; `load` comes first."""
        self.keys = Keys(hass, vault, RequiredProfiles(hass, entry))
        self.keyring = Keyring(central, self.keys, lambda: self.keys.authority, now=dt_util.utcnow)
        self.upgrades = Upgrades(self.keyring)
        self.issues = KeyIssues(hass, self.keys, central, station_name)
        self.keyring.on_news = self._news
        self._hass = hass
        self._entry = entry
        self._central = central
        # Of the last good certificate, as long as there was one.
        self._context: ssl.SSLContext | None = None
        self._hosts: tuple[str, ...] = ()
        self._root_pem: str | None = None
        self._stop_looking: CALLBACK_TYPE | None = None

    async def load(self) -> None:
        """Read the keys."""
        await self.keys.load()

    async def open(self) -> None:
        """Open the port, if it is wanted, and look after the certificates from now on."""
        self._stop_looking = async_track_time_interval(self._hass, self._look, LOOK_EVERY)
        for identity in self._central.stations:
            self.keys.remember_least(identity)
        self._review()
        await self.sync()

    async def close(self) -> None:
        """Stop looking, and what is under way; the central system closes its ports."""
        if self._stop_looking is not None:
            self._stop_looking()
            self._stop_looking = None
        await self.upgrades.close()
        await self.keyring.close()

    @property
    def options(self) -> TlsOptions:
        """What the owner decided."""
        return TlsOptions.of(self._entry.options)

    async def sync(self) -> None:
        """Take over the options. Only the port with TLS is closed, where it is another."""
        options, port = self.options, self.options.port
        wanted = None if options.source is CertificateSource.OFF else port
        if self._central.tls_port not in (None, wanted):
            await self._central.close_tls()
        if wanted is None:
            self._forget(ISSUE_TLS_CERTIFICATE, ISSUE_TLS_PORT_IN_USE, ISSUE_TLS_PORT_FORBIDDEN)
            return
        await self.refresh()
        if self._central.tls_port is None and self._context is not None:
            await self._open(wanted)

    async def _open(self, port: int) -> None:
        try:
            await self._central.open_tls(None, port, self._tls)
        except (PortInUseError, PermissionError) as error:
            taken = isinstance(error, PortInUseError)
            issue = ISSUE_TLS_PORT_IN_USE if taken else ISSUE_TLS_PORT_FORBIDDEN
            self._raise(issue, port=str(port))
        else:
            self._forget(ISSUE_TLS_PORT_IN_USE, ISSUE_TLS_PORT_FORBIDDEN)

    def _tls(self) -> ssl.SSLContext:
        assert self._context is not None  # noqa: S101 - the port is opened with one
        return self._context

    async def _look(self, now: datetime) -> None:
        """Renew what ends soon, once a day."""
        if self._central.tls_port is not None:
            await self.refresh()
        await self.keyring.renew()
        self._review()

    def _review(self) -> None:
        for identity in self._central.stations:
            self.issues.review(identity)

    @callback
    def _news(self, identity: str) -> None:
        """Take back what is no trouble any more; a station came, or its keys changed."""
        if not self.keyring.expects(identity):
            self._forget(f"{ISSUE_NOT_BACK}_{identity}")
        least = self.keys.keys(identity).least
        if self.keys.is_lost(identity) and self.issues.has_proved(identity, least):
            # It showed what it has to: nothing of it is missing.
            self._entry.async_create_task(self._hass, self.keyring.change(identity))
        self.issues.review(identity)

    # Certificates

    async def refresh(self) -> None:
        """Have connections from now on see the certificate that is the right one now."""
        options = self.options
        authority = await self.authority()
        trusted = authority.chain_pem + options.authorities_pem
        try:
            keys = await self._given(options) or await self._own(authority, options)
            context = await self._hass.async_add_executor_job(server_context, keys, trusted)
        except (CertificateError, ssl.SSLError) as error:
            # What was good before still is.
            self._unusable(error)
            return
        self._context = context
        self._hosts = facts_of(keys[0].chain_pem).hosts
        self._root_pem = _root_of(keys[0], authority)

    async def forget(self, station_id: str) -> None:
        """Forget the keys of a station that was removed."""
        await self.keys.forget(station_id)
        self.keyring.forget(station_id)
        self.issues.forget(station_id)
        self._forget(f"{ISSUE_NOT_BACK}_{station_id}")

    async def authority(self) -> CertifiedKey:
        """Return the site's authority, which is made at its first use."""
        if (authority := self.keys.authority) is None:
            authority = await self._hass.async_add_executor_job(
                make_authority, self._entry.title, dt_util.utcnow()
            )
            await self.keys.set_authority(authority)
            self.keyring.refresh()
        return authority

    async def way(self) -> Way | None:
        """Return where stations come with TLS, `None` while they cannot."""
        port = self._central.tls_port
        if port is None:
            return None
        host = best_host(self._hosts, await own_address(self._hass))
        return Way(url=secure_url(host, port), root_pem=self._root_pem)

    async def _own(self, authority: CertifiedKey, options: TlsOptions) -> tuple[CertifiedKey, ...]:
        """Return the server's keys of our own authority, new ones where it is time for them."""
        now = dt_util.utcnow()
        hosts = list(options.hosts) or await own_hosts(self._hass)
        keys = self.keys.server
        is_good = keys and not any(facts_of(one.chain_pem).is_due(now) for one in keys)
        # One for more addresses than there are now is no reason for another.
        if is_good and self.keys.server_hosts >= set(hosts):
            return keys

        def issue() -> tuple[CertifiedKey, ...]:
            return tuple(issue_server(authority, hosts, now, key_type=kind) for kind in KeyType)

        keys = await self._hass.async_add_executor_job(issue)
        await self.keys.set_server(keys, hosts)
        return keys

    async def _given(self, options: TlsOptions) -> tuple[CertifiedKey, ...] | None:
        """Return what the owner gave; if it is of no use, say so and do without."""
        if options.source not in (CertificateSource.FILES, CertificateSource.PASTED):
            self._forget(ISSUE_TLS_CERTIFICATE)
            return None
        try:
            key = await self._hass.async_add_executor_job(
                read_given, self._hass, options, self.keys.given
            )
        except (CertificateError, OSError) as error:
            self._unusable(error)
            return None
        self._forget(ISSUE_TLS_CERTIFICATE)
        return (key,)

    # Issues

    @callback
    def _unusable(self, error: Exception) -> None:
        _LOGGER.warning("The certificate for the port with TLS cannot be used: %s", error)
        self._raise(ISSUE_TLS_CERTIFICATE, reason=str(error))

    @callback
    def _raise(self, issue: str, **placeholders: str) -> None:
        ir.async_create_issue(
            self._hass,
            DOMAIN,
            issue,
            is_fixable=False,
            severity=ir.IssueSeverity.ERROR,
            translation_key=issue,
            translation_placeholders=placeholders,
        )

    @callback
    def _forget(self, *issues: str) -> None:
        for issue in issues:
            ir.async_delete_issue(self._hass, DOMAIN, issue)


def read_given(
    hass: HomeAssistant, options: TlsOptions, pasted: CertifiedKey | None
) -> CertifiedKey:
    """Return the key and certificate of files, or those that were pasted. Blocks.

    Paths are relative to Home Assistant's configuration. Raises `CertificateError`, and
    `OSError` for a file that cannot be read.
    """
    if options.source is CertificateSource.PASTED:
        chain, key = ("", "") if pasted is None else (pasted.chain_pem, pasted.key_pem)
    else:
        chain, key = (
            _text_of(hass.config.path(name))
            for name in (options.certificate_file, options.key_file)
        )
    return parse_certified_key(chain, key, dt_util.utcnow())


def _text_of(path: str) -> str:
    try:
        return Path(path).read_text("utf-8", errors="replace")
    except ValueError as error:
        # No file has a NUL in its name.
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL), path) from error


def _root_of(server: CertifiedKey, authority: CertifiedKey) -> str | None:
    """Return whom a station has to trust, `None` where we do not have that certificate."""
    last = load_chain(server.chain_pem)[-1]
    own = load_chain(authority.chain_pem)[0]
    if last.issuer == own.subject:
        return authority.chain_pem
    return to_pem(last) if last.issuer == last.subject else None
