"""Runs the site of a config entry: puts its parts together and keeps them in step with it."""

import asyncio
from collections.abc import Callable
import logging
from pathlib import Path

from homeassistant.config_entries import (
    SOURCE_INTEGRATION_DISCOVERY,
    ConfigEntry,
    ConfigSubentry,
)
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import discovery_flow, issue_registry as ir
from homeassistant.util import dt as dt_util

from .const import (
    CONF_ACCESS,
    CONF_DEFAULT_USER,
    CONF_EVSES,
    CONF_FALLBACK_CURRENT_A,
    CONF_GROUP,
    CONF_MAIN_FUSE_A,
    CONF_MAX_CURRENT_A,
    CONF_PERSON,
    CONF_PORT,
    CONF_STATION_ID,
    CONF_USER_ID,
    DOMAIN,
    SUBENTRY_STATION,
    SUBENTRY_USER,
)
from .core.control.limits import Limits
from .core.model.station import StationInfo
from .core.model.token import Access, Token, User
from .ledger import Ledger
from .price import PriceFeed
from .site import Site, SiteSettings
from .stations.ocpp import CentralSystem, PortInUseError
from .stations.ocpp.ha import async_serve
from .vault import Memory, Vault

_LOGGER = logging.getLogger(__name__)

ISSUE_PORT_IN_USE = "port_in_use"

type ForecourtConfigEntry = ConfigEntry[Hub]


def ledger_path(hass: HomeAssistant) -> Path:
    """Return where the ledger lies."""
    return Path(hass.config.path(DOMAIN, "ledger.db"))


class Hub:
    """The running site of the entry, with everything it stands on."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ForecourtConfigEntry,
        vault: Vault,
        memory: Memory,
        ledger: Ledger,
    ) -> None:
        """Put the parts together; nothing runs before `start`."""
        self.hass = hass
        self.entry = entry
        self.vault = vault
        self.memory = memory
        self.ledger = ledger
        self.site = Site(ledger, vault.key, site_settings(hass, entry), dt_util.utcnow)
        self.central = CentralSystem(
            self.site,
            now=dt_util.utcnow,
            on_pending=self._station_pending,
            on_fallback_written=memory.remember_fallback,
        )
        self.price = PriceFeed(hass, self.site)
        self._stop_serving: Callable[[], None] | None = None
        self._running: asyncio.Task[None] | None = None
        self._disconnect: list[Callable[[], None]] = []

    async def start(self) -> None:
        """Load what was open, take in users and stations, and open the doors."""
        await self.site.load()
        await self.price.follow(self.entry.options)
        await self.sync_users()
        for subentry in self.entry.get_subentries_of_type(SUBENTRY_STATION):
            self.sync_station(subentry)
        self._disconnect.append(
            self.site.board.changed.connect(
                lambda evse: self.memory.remember(self.site.board[evse])
            )
        )
        self._stop_serving = async_serve(self.hass, self.central)
        await self._open_port()
        self._running = self.hass.async_create_background_task(self.site.run(), "forecourt site")

    async def stop(self) -> None:
        """Close every socket, then the books; leaves nothing behind and may be called twice."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
            self._running = None
        if self._stop_serving is not None:
            self._stop_serving()
            self._stop_serving = None
        for disconnect in self._disconnect:
            disconnect()
        self._disconnect.clear()
        self.price.close()
        await self.central.stop()
        await self.site.close()
        await self.memory.save()
        await self.ledger.close()

    async def sync_settings(self) -> None:
        """Take over the options of the entry."""
        self.site.settings = site_settings(self.hass, self.entry)
        await self.price.follow(self.entry.options)
        self.site.controller.wake()

    async def sync_users(self) -> None:
        """Take over the users of the entry and their tokens."""
        users = [
            User(
                id=subentry.data[CONF_USER_ID],
                name=subentry.title,
                group=subentry.data.get(CONF_GROUP),
                person=subentry.data.get(CONF_PERSON),
            )
            for subentry in self.entry.get_subentries_of_type(SUBENTRY_USER)
        ]
        ids = {user.id for user in users}
        await self.vault.keep_users(ids)
        known = await self.ledger.users()
        for user in users:
            await self.ledger.remember_user(user.id, user.name)
        for user_id, ledger_user in known.items():
            if user_id not in ids and ledger_user.deactivated_at is None:
                await self.ledger.deactivate_user(user_id, dt_util.utcnow())
        self.site.set_members(users, self.vault.tokens)

    @callback
    def sync_station(self, subentry: ConfigSubentry) -> None:
        """Take a station in, or take over what was edited."""
        station_id = subentry.data[CONF_STATION_ID]
        station = self.central.add_station(
            station_id,
            password_hash=self.vault.password_hash(station_id),
            evses=subentry.data[CONF_EVSES],
            fallback_current_a=subentry.data[CONF_FALLBACK_CURRENT_A],
            fallback_written=self.memory.fallback(station_id),
        )
        limits = Limits(
            max_current_a=subentry.data[CONF_MAX_CURRENT_A],
            fallback_current_a=subentry.data[CONF_FALLBACK_CURRENT_A],
        )
        self.site.add_station(station, limits, self.memory.evses(station_id))

    async def remove_station(self, station_id: str) -> None:
        """Let a station go, with its credentials; what it charged stays in the ledger."""
        self.site.remove_station(station_id)
        await self.central.remove_station(station_id)
        await self.vault.set_password_hash(station_id, None)
        self.memory.forget(station_id)

    async def enrol(self, token: Token, user_id: str) -> None:
        """Give a token to a user."""
        await self.vault.add_token(token, user_id)
        await self.sync_users()

    async def withdraw(self, token: Token) -> None:
        """Take a token away from its user."""
        await self.vault.remove_token(token)
        await self.sync_users()

    async def _open_port(self) -> None:
        port = self.entry.data[CONF_PORT]
        try:
            await self.central.start(None, port)
        except PortInUseError:
            # Stations that dial Home Assistant's own port, and everything else, go on.
            ir.async_create_issue(
                self.hass,
                DOMAIN,
                ISSUE_PORT_IN_USE,
                is_fixable=False,
                severity=ir.IssueSeverity.ERROR,
                translation_key=ISSUE_PORT_IN_USE,
                translation_placeholders={"port": str(port)},
            )
        else:
            ir.async_delete_issue(self.hass, DOMAIN, ISSUE_PORT_IN_USE)

    @callback
    def _station_pending(self, info: StationInfo) -> None:
        """Let a station that nobody knows appear as a discovered device."""
        discovery_flow.async_create_flow(
            self.hass,
            DOMAIN,
            context={"source": SOURCE_INTEGRATION_DISCOVERY},
            data={CONF_STATION_ID: info.id},
            discovery_key=discovery_flow.DiscoveryKey(domain=DOMAIN, key=info.id, version=1),
        )


def site_settings(hass: HomeAssistant, entry: ForecourtConfigEntry) -> SiteSettings:
    """Return the settings of the site from the entry's options."""
    options = entry.options
    return SiteSettings(
        main_fuse_a=options[CONF_MAIN_FUSE_A],
        access=Access(options[CONF_ACCESS]),
        currency=hass.config.currency,
        default_user_id=options.get(CONF_DEFAULT_USER),
    )
