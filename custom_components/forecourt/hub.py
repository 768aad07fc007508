"""Runs the site of a config entry: puts its parts together and keeps them in step with it."""

import asyncio
from collections.abc import Callable
from datetime import datetime
import logging
from pathlib import Path

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import issue_registry as ir
from homeassistant.util import dt as dt_util

from . import discovery
from .const import (
    CONF_EVSES,
    CONF_FALLBACK_CURRENT_A,
    CONF_GROUP,
    CONF_MAX_CURRENT_A,
    CONF_PERSON,
    CONF_PORT,
    CONF_PROFILE,
    CONF_STATION_ID,
    CONF_SWITCHES_PHASES,
    CONF_USER_ID,
    DOMAIN,
    SUBENTRY_STATION,
    SUBENTRY_USER,
)
from .coordinator import StationCoordinator, UsageCoordinator
from .core.control.limits import Limits
from .core.model.ids import EvseId
from .core.model.reservation import Reservation
from .core.model.station import StationInfo
from .core.model.token import Access, Token, User
from .declared import DeclaredStations, profiles_folder
from .devices import forget_persons, register_site, register_user
from .issues import StationIssues
from .ledger import Ledger
from .offers import Offers
from .options import is_private, site_settings
from .pace import Pace
from .plugin import CONF_DRIVER, PluginStations
from .price import PriceFeed
from .security import Security
from .site import Site
from .site.signal import Signal
from .stations.base import Station
from .stations.declarative.library import Library
from .stations.ocpp import CentralSystem, PortInUseError
from .stations.ocpp.forward import ForwardTarget
from .stations.ocpp.ha import async_serve
from .vault import Forward, Memory, Vault

_LOGGER = logging.getLogger(__name__)

ISSUE_DEFAULT_USER_MISSING = "default_user_missing"
ISSUE_LEDGER_NOT_WRITABLE = "ledger_not_writable"
ISSUE_PORT_FORBIDDEN = "port_forbidden"
ISSUE_PORT_IN_USE = "port_in_use"

type ForecourtConfigEntry = ConfigEntry[Hub]


def ledger_path(hass: HomeAssistant) -> Path:
    """Return where the ledger lies."""
    return Path(hass.config.path(DOMAIN, "ledger.db"))


class Hub:
    """The running site of the entry, with everything it stands on.

    `private` is whether no entity may tell about persons. The signals say what
    the entities must follow: stations, EVSEs and users that came, names that
    changed, and the site's privacy.
    """

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
            on_gone=self._station_gone,
            on_learned=memory.remember_station,
            key=vault.key,
        )
        self.security = Security(hass, entry, vault, self.central, self.station_name)
        self.price = PriceFeed(hass, self.site)
        self.offers = Offers(hass)
        self.issues = StationIssues(
            hass, self.site, self.central, self.evse_name, self.station_name
        )
        self.coordinators: dict[str, StationCoordinator] = {}
        self.usage = UsageCoordinator(hass, entry, self.site)
        self.pace = Pace(hass)
        self.private = is_private(entry)
        self.station_added = Signal[StationCoordinator]()
        self.evse_added = Signal[EvseId]()
        self.user_added = Signal[ConfigSubentry]()
        self.users_changed = Signal[None]()
        self.privacy_changed = Signal[bool]()
        self.library = Library(user=profiles_folder(hass))
        self.declared = DeclaredStations(
            *(hass, entry, self.site, self.library, self.sync_station), access=vault.broker
        )
        self.plugins = PluginStations(
            *(hass, entry, self.site, self.sync_station), pending=lambda: self.central.pending
        )
        self._names: dict[str, str] = {}
        self._stop_serving: Callable[[], None] | None = None
        self._running: asyncio.Task[None] | None = None
        self._disconnect: list[Callable[[], None]] = []

    async def start(self) -> None:
        """Load what was open, take in users and stations."""
        self.ledger.watch(self._ledger_trouble)
        register_site(self.hass, self.entry)
        if self.private:
            forget_persons(self.hass, self.entry)
        await self.security.load()
        await self.site.load()
        self.site.goals.users.update(self.memory.goals)
        await self.price.follow(self.entry.options)
        await self.sync_users()
        if (held := self.memory.reservations) is not None:
            self.site.reservations.restore(held)
        self._disconnect = [
            self.site.board.changed.connect(self._evse_changed),
            self.site.books.changed.connect(self._session_changed),
            self.site.station_signal.connect(self._station_changed),
            self.site.reservations.changed.connect(self._remember_reservations),
            self.site.goals.changed.connect(self.memory.remember_goals),
            *self.issues.watch(),
        ]
        await self.declared.load()
        for subentry in self.entry.get_subentries_of_type(SUBENTRY_STATION):
            await self.sync_station(subentry)
        for coordinator in self.coordinators.values():
            await coordinator.load_last_sessions()
        self.usage.start()
        await self.usage.async_refresh()

    async def open(self) -> None:
        """Open the doors, and run."""
        self._stop_serving = async_serve(self.hass, self.central)
        await self._open_port()
        await self.security.open()
        self.declared.open()
        self.plugins.open()
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
        if self._disconnect:
            # What stations hold is no news to anybody, but must be known after a restart.
            self._remember_reservations()
        for disconnect in self._disconnect:
            disconnect()
        self._disconnect.clear()
        self.offers.clear()
        for coordinator in self.coordinators.values():
            await coordinator.async_shutdown()
        self.pace.close()
        await self.usage.async_shutdown()
        self.price.close()
        await self.security.close()
        await self.declared.stop()
        await self.plugins.stop()
        await self.central.stop()
        await self.site.close()
        await self.memory.save()
        await self.ledger.close()

    async def sync_settings(self) -> None:
        """Take over the options of the entry."""
        self._take_settings()
        self.site.controller.wake()
        private = is_private(self.entry)
        if private != self.private:
            self.private = private
            if private:
                forget_persons(self.hass, self.entry)
            else:
                await self.usage.async_refresh()
            self.privacy_changed.send(private)
        await self.security.sync()
        # Last, since the books may not take it.
        await self.price.follow(self.entry.options)

    @callback
    def sync_circuits(self) -> None:
        """Take over the circuits of the entry."""
        self._take_settings()
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
        new = ids - set(self.site.members.users)
        await self.vault.keep_users(ids)
        self._names |= {user.id: user.name for user in users}
        self.site.set_members(users, self.vault.tokens)
        self.site.goals.keep_users(ids)
        self._take_settings()
        if not self.private:
            for subentry in self.entry.get_subentries_of_type(SUBENTRY_USER):
                register_user(self.hass, self.entry, subentry)
                if subentry.data[CONF_USER_ID] in new:
                    self.user_added.send(subentry)
        self.users_changed.send(None)
        # Last, since the disk may not take it: a card that was taken away opens no more even then.
        await self._book_users(users)

    async def _book_users(self, users: list[User]) -> None:
        """Have the books know the users; learn from them the names of former ones."""
        known = await self.ledger.users()
        self._names = {user_id: user.name for user_id, user in known.items()} | self._names
        for user in users:
            await self.ledger.remember_user(user.id, user.name)
        for user_id in set(known) - {user.id for user in users}:
            if known[user_id].deactivated_at is None:
                await self.ledger.deactivate_user(user_id, dt_util.utcnow())

    def _take_settings(self) -> None:
        """Take over what the owner decided, as far as those it is about exist."""
        settings = self.site.settings = site_settings(self.hass, self.entry)
        if settings.access is Access.ANYONE and settings.default_user_id is None:
            ir.async_create_issue(
                self.hass,
                DOMAIN,
                ISSUE_DEFAULT_USER_MISSING,
                is_fixable=False,
                severity=ir.IssueSeverity.WARNING,
                translation_key=ISSUE_DEFAULT_USER_MISSING,
            )
        else:
            ir.async_delete_issue(self.hass, DOMAIN, ISSUE_DEFAULT_USER_MISSING)

    def user_name(self, user_id: str | None) -> str | None:
        """Return a user's name, also of one who may charge no more; `None` for nobody."""
        return None if user_id is None else self._names.get(user_id)

    def evse_name(self, evse: EvseId) -> str:
        """Return the name by which people know an EVSE: its station's, numbered if need be."""
        name = self.station_name(evse.station_id)
        return name if len(self.site.board.of(evse.station_id)) == 1 else f"{name} {evse.number}"

    def station_name(self, station_id: str) -> str:
        """Return the name that the owner gave a station."""
        return next(
            (
                subentry.title
                for subentry in self.entry.get_subentries_of_type(SUBENTRY_STATION)
                if subentry.data[CONF_STATION_ID] == station_id
            ),
            station_id,
        )

    async def sync_station(self, subentry: ConfigSubentry) -> None:
        """Take a station in, or take over what was edited."""
        if CONF_PROFILE in subentry.data:
            await self._stop_dialling(subentry.data[CONF_STATION_ID])
            await self.declared.sync(subentry, lambda station: self._take_in(subentry, station))
        elif CONF_DRIVER in subentry.data:
            await self.plugins.sync(subentry, lambda station: self._take_in(subentry, station))
        else:
            self.sync_dialling(subentry)

    async def _stop_dialling(self, station_id: str) -> None:
        """Let the box go that dialled in by OCPP, where another took its place."""
        if station_id not in self.central.stations:
            return
        await self.central.remove_station(station_id)
        await self.security.forget(station_id)
        await self.vault.set_forward(station_id, None)
        self.memory.remember_station(station_id, {})

    @callback
    def sync_dialling(self, subentry: ConfigSubentry) -> None:
        """Take in a station that dials in by OCPP, or take over what was edited."""
        station_id = subentry.data[CONF_STATION_ID]
        station = self.central.add_station(
            station_id,
            credentials=self.security.keyring.credentials(station_id),
            evses=subentry.data[CONF_EVSES],
            fallback_current_a=subentry.data[CONF_FALLBACK_CURRENT_A],
            switches_phases=subentry.data.get(CONF_SWITCHES_PHASES, False),
            learned=self.memory.station(station_id),
        )
        self.security.keyring.attach(station)
        forward = self.vault.forward(station_id)
        station.forward_to(None if forward is None else self.forward_target(forward))
        self._take_in(subentry, station)
        discovery.take_back(self.hass, station_id)

    @callback
    def _take_in(self, subentry: ConfigSubentry, station: Station) -> None:
        """Have the site and the entities know a station."""
        station_id = station.info.id
        limits = Limits(
            max_current_a=subentry.data[CONF_MAX_CURRENT_A],
            fallback_current_a=subentry.data[CONF_FALLBACK_CURRENT_A],
        )
        self.site.add_station(station, limits, self.memory.evses(station_id))
        if (coordinator := self.coordinators.get(station_id)) is not None:
            coordinator.renamed()
            return
        coordinator = StationCoordinator(self.hass, self.entry, subentry, self.site, self.pace)
        self.coordinators[station_id] = coordinator
        self.station_added.send(coordinator)

    def forward_target(self, forward: Forward) -> ForwardTarget:
        """Return how a second central system is reached. Raises `ValueError` if it cannot be."""
        return ForwardTarget(
            url=forward.url,
            identity=forward.identity,
            password=forward.password,
            send_tokens=forward.send_tokens,
            is_secret_tag=self._is_site_tag,
        )

    def _is_site_tag(self, uid: str) -> bool:
        return self.site.members.is_site_tag(Token(uid))

    async def remove_station(self, station_id: str) -> None:
        """Let a station go, with its credentials; what it charged stays in the ledger."""
        if (coordinator := self.coordinators.pop(station_id, None)) is not None:
            await coordinator.async_shutdown()
        evses = [state.evse for state in self.site.board.of(station_id)]
        await self.site.remove_station(station_id)
        await self.central.remove_station(station_id)
        await self.declared.remove(station_id)
        await self.plugins.remove(station_id)
        self.issues.forget(station_id, evses)
        await self.security.forget(station_id)
        await self.vault.set_forward(station_id, None)
        await self.vault.set_broker(station_id, {})
        self.memory.forget(station_id)

    async def enrol(self, token: Token, user_id: str) -> None:
        """Give a token to a user."""
        await self.vault.add_token(token, user_id)
        await self.sync_users()

    async def change_card(
        self,
        token: Token,
        *,
        blocked: bool,
        expires_at: datetime | None,
        max_sessions: int | None,
    ) -> None:
        """Change what a card is good for; it is so at once, at stations too."""
        await self.vault.update_token(
            token, blocked=blocked, expires_at=expires_at, max_sessions=max_sessions
        )
        await self.sync_users()

    async def withdraw(self, token: Token) -> None:
        """Take a token away from its user."""
        await self.vault.remove_token(token)
        await self.sync_users()

    async def accept_offer(self, number: int) -> bool:
        """Give an offered card to its user; return whether that was still possible."""
        offer = self.offers.take(number)
        members = self.site.members
        if offer is None or members.user(offer.user_id) is None or offer.token in members.tokens:
            return False
        await self.enrol(offer.token, offer.user_id)
        return True

    @callback
    def _evse_changed(self, evse: EvseId) -> None:
        self.memory.remember(self.site.board[evse])
        coordinator = self.coordinators.get(evse.station_id)
        if coordinator is not None and coordinator.evse_changed(evse):
            self.evse_added.send(evse)

    @callback
    def _session_changed(self, evse: EvseId) -> None:
        self.usage.session_changed(evse)
        coordinator = self.coordinators.get(evse.station_id)
        if coordinator is not None and self.site.books.session(evse) is None:
            self.entry.async_create_background_task(
                self.hass, coordinator.load_last_sessions(), f"{DOMAIN} last sessions"
            )

    @callback
    def _remember_reservations(self, changed: Reservation | None = None) -> None:
        self.memory.remember_reservations(self.site.reservations.snapshot())

    @callback
    def _station_changed(self, station_id: str) -> None:
        if station_id not in self.site.stations:
            self.usage.station_removed(station_id)
        elif (coordinator := self.coordinators.get(station_id)) is not None:
            coordinator.station_changed()

    async def _open_port(self) -> None:
        port = self.entry.data[CONF_PORT]
        try:
            await self.central.start(None, port)
        except (PortInUseError, PermissionError) as error:
            # Stations that dial Home Assistant's own port, and everything else, go on.
            taken = isinstance(error, PortInUseError)
            issue = ISSUE_PORT_IN_USE if taken else ISSUE_PORT_FORBIDDEN
            ir.async_create_issue(
                self.hass,
                DOMAIN,
                issue,
                is_fixable=False,
                severity=ir.IssueSeverity.ERROR,
                translation_key=issue,
                translation_placeholders={"port": str(port)},
            )
        else:
            ir.async_delete_issue(self.hass, DOMAIN, ISSUE_PORT_IN_USE)
            ir.async_delete_issue(self.hass, DOMAIN, ISSUE_PORT_FORBIDDEN)

    @callback
    def _ledger_trouble(self, trouble: str | None) -> None:
        """Tell that nothing can be booked: stations get no answer then, and repeat themselves."""
        if trouble is None:
            ir.async_delete_issue(self.hass, DOMAIN, ISSUE_LEDGER_NOT_WRITABLE)
            return
        _LOGGER.error("The ledger does not take what is booked: %s", trouble)
        ir.async_create_issue(
            self.hass,
            DOMAIN,
            ISSUE_LEDGER_NOT_WRITABLE,
            is_fixable=False,
            severity=ir.IssueSeverity.ERROR,
            translation_key=ISSUE_LEDGER_NOT_WRITABLE,
            translation_placeholders={
                "path": str(self.ledger.path),
                "reason": trouble,
            },
        )

    @callback
    def _station_pending(self, info: StationInfo) -> None:
        discovery.show(self.hass, info.id, (*self.central.pending, *self.plugins.offered))

    @callback
    def _station_gone(self, station_id: str) -> None:
        discovery.take_back(self.hass, station_id)
