"""What entities show: one coordinator per station, and one for what users charged.

Neither asks anybody for anything by the clock. Stations push, and the books say
when something was written to them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
import logging
from typing import Any, override

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.const import EVENT_CORE_CONFIG_UPDATE
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.debounce import Debouncer
from homeassistant.helpers.event import async_track_point_in_time
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator, UpdateFailed
from homeassistant.util import dt as dt_util

from .const import CONF_STATION_ID, DOMAIN
from .core.model.evse import EvseState
from .core.model.ids import EvseId
from .core.model.session import Session
from .core.model.setpoint import Setpoint
from .core.model.station import StationInfo
from .devices import register_evse, register_station
from .ledger import LedgerError, UserTotals
from .pace import Pace
from .site import Site

_LOGGER = logging.getLogger(__name__)

RECENT_SESSIONS = 50
"""How far back in a station's books the last session of each of its EVSEs is looked for."""

USAGE_EVERY_S = 60
"""How often at most the sums of users are made while somebody charges."""


def power_w(state: EvseState) -> float | None:
    """Return the power; where no cable is in, it is certain that nothing flows."""
    if state.reading is not None and state.reading.power_w is not None:
        return state.reading.power_w
    return 0.0 if state.plugged is False else None


def applied(state: EvseState) -> Setpoint | None:
    """Return the setpoint that the charge is under; without a charge there is none."""
    charging = state.session is not None and state.session.charging
    return state.setpoint if charging and state.online else None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvseView:
    """An EVSE as entities show it; `last_session` is the open session, or the last that was."""

    state: EvseState
    last_session: Session | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StationView:
    """A station as entities show it, with its EVSEs by number."""

    info: StationInfo
    online: bool
    evses: Mapping[int, EvseView]


class StationCoordinator(DataUpdateCoordinator[StationView]):
    """Passes on what the site knows of one station, and keeps its devices up to date."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry[Any],
        subentry: ConfigSubentry,
        site: Site,
        pace: Pace,
    ) -> None:
        """Show a station that the site has."""
        self.station_id: str = subentry.data[CONF_STATION_ID]
        super().__init__(hass, _LOGGER, config_entry=entry, name=f"{DOMAIN} {self.station_id}")
        self._entry = entry
        self._subentry = subentry
        self._site = site
        self._pace = pace
        self._last: dict[int, Session] = {}
        self._news = True
        self.only_counted = False
        """Whether nothing changed with what is shown but what a meter counts."""
        station = site.stations[self.station_id]
        self.device = register_station(hass, entry, subentry, station.info)
        self.evse_devices: dict[int, dr.ChildDeviceEntry] = {}
        self.data = StationView(info=station.info, online=station.online, evses={})
        for state in site.board.of(self.station_id):
            self.evse_changed(state.evse)

    @override
    async def async_shutdown(self) -> None:
        """Show nothing any more."""
        await super().async_shutdown()
        self._pace.forget(self._show)

    @property
    def subentry_id(self) -> str:
        """Return the id of the station's subentry."""
        return self._subentry.subentry_id

    @property
    def evses(self) -> list[EvseId]:
        """Return the station's EVSEs."""
        return [EvseId(self.station_id, number) for number in self.data.evses]

    @callback
    def renamed(self) -> None:
        """Take over the name that the station was given."""
        self.device = register_station(self.hass, self._entry, self._subentry, self.data.info)

    @callback
    def station_changed(self) -> None:
        """Pass on that the station came, went, or told something about itself."""
        station = self._site.stations[self.station_id]
        if station.info != self.data.info:
            self.device = register_station(self.hass, self._entry, self._subentry, station.info)
        self._news = True
        self._pace.show(self._show)

    @callback
    def evse_changed(self, evse: EvseId) -> bool:
        """Pass on what is known of an EVSE; return whether it is a new one.

        What is news is shown at once, and what a meter counts soon.
        """
        known = self.data.evses.get(evse.number)
        if known is None:
            self.evse_devices[evse.number] = register_evse(self.hass, self.device, evse)
            self._news = True
            self._show()
            return True
        if _goes_on(known.state, self._site.board[evse]):
            self._pace.show_later(self._show)
        else:
            self._news = True
            self._pace.show(self._show)
        return False

    async def load_last_sessions(self) -> None:
        """Read the last session of each EVSE that has none now: after a start, and after its end.

        A station may tell the end of a session long after it was closed, so the
        books say what its last state is.
        """
        try:
            recent = await self._site.ledger.sessions(
                station_id=self.station_id, limit=RECENT_SESSIONS
            )
        except LedgerError as error:
            _LOGGER.warning("The last sessions of %s cannot be read: %s", self.station_id, error)
            return
        # The ledger tells the newest first.
        self._last |= {session.evse.number: session for session in reversed(recent)}
        self._news = True
        self._show()

    @callback
    def _show(self) -> None:
        """Show how things are now."""
        station = self._site.stations.get(self.station_id)
        if station is None:
            # It was removed meanwhile.
            return
        self.only_counted, self._news = not self._news, False
        evses = {number: self._view(number) for number in self.evse_devices}
        self.async_set_updated_data(
            StationView(info=station.info, online=station.online, evses=evses)
        )

    def _view(self, number: int) -> EvseView:
        state = self._site.board[EvseId(self.station_id, number)]
        if state.session is not None:
            self._last[number] = state.session
        return EvseView(state=state, last_session=self._last.get(number))


def _goes_on(before: EvseState, after: EvseState) -> bool:
    """Whether nothing changed but what a meter counts, and what follows from that."""
    return _news(after) == _news(before)


def _news(state: EvseState) -> tuple[object, ...]:
    """Return what of a state is news when it changes: all but what a meter counts."""
    return (
        state.online,
        state.status,
        state.status_at,
        state.plugged_at,
        state.error,
        state.allowed,
        state.requested_current_a,
        state.wanted,
        _charge(state.session),
        _order(state.setpoint),
    )


def _charge(session: Session | None) -> tuple[object, ...] | None:
    """Return what a session is, apart from how much it is."""
    if session is None:
        return None
    return session.id, session.user_id, session.transaction_id, session.ended_at


def _order(setpoint: Setpoint | None) -> tuple[object, ...] | None:
    """Return what a setpoint says, whenever it was renewed."""
    return None if setpoint is None else (setpoint.current_a, setpoint.reason)


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What users charged since the month began, and who is charging now."""

    since: datetime
    totals: Mapping[str, UserTotals]
    charging: frozenset[str]


class UsageCoordinator(DataUpdateCoordinator[Usage]):
    """Sums up what each user charged this month, soon after it changed."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry[Any], site: Site) -> None:
        """Sum up the books of the site."""
        super().__init__(
            hass,
            _LOGGER,
            config_entry=entry,
            name=f"{DOMAIN} users",
            request_refresh_debouncer=Debouncer(
                hass, _LOGGER, cooldown=USAGE_EVERY_S, immediate=True, background=True
            ),
        )
        self._site = site
        self._charging: dict[EvseId, str] = {}
        self._stop_month: Callable[[], None] | None = None
        self._stop_zone: Callable[[], None] | None = None
        self.data = Usage(since=_month_start(), totals={}, charging=frozenset())

    @callback
    def start(self) -> None:
        """Look at what is being charged, and at the calendar."""
        self._stop_zone = self.hass.bus.async_listen(EVENT_CORE_CONFIG_UPDATE, self._zone_changed)
        for state in self._site.board.all():
            self._note(state.evse, state.session)
        self._show(self.data)
        self._await_month()

    @override
    async def async_shutdown(self) -> None:
        """Sum up no more, and let go of the calendar; may be called twice."""
        await super().async_shutdown()
        for release in (self._stop_month, self._stop_zone):
            if release is not None:
                release()
        self._stop_month = self._stop_zone = None

    @callback
    def session_changed(self, evse: EvseId) -> None:
        """Show at once who charges, and sum up soon unless nobody looks."""
        if self._note(evse, self._site.books.session(evse)):
            self._show(self.data)
        if self._listeners:
            self._debounced_refresh.async_schedule_call()

    @callback
    def station_removed(self, station_id: str) -> None:
        """Forget who charges at a station that is no more."""
        for evse in [evse for evse in self._charging if evse.station_id == station_id]:
            del self._charging[evse]
        self._show(self.data)

    @override
    async def _async_update_data(self) -> Usage:
        since = _month_start()
        try:
            totals = await self._site.ledger.user_totals(since)
        except LedgerError as error:
            raise UpdateFailed(
                translation_domain=DOMAIN,
                translation_key="ledger_unavailable",
                translation_placeholders={"reason": str(error)},
            ) from error
        return Usage(since=since, totals=totals, charging=self.data.charging)

    def _note(self, evse: EvseId, session: Session | None) -> bool:
        """Take note of who charges; return whether that is news."""
        user_id = session.user_id if session is not None and session.charging else None
        if user_id == self._charging.get(evse):
            return False
        if user_id is None:
            del self._charging[evse]
        else:
            self._charging[evse] = user_id
        return True

    def _show(self, usage: Usage) -> None:
        charging = frozenset(self._charging.values())
        if charging != usage.charging:
            # Not `async_set_updated_data`: that would also forget when the sums are due.
            self.data = replace(usage, charging=charging)
            self.async_update_listeners()

    def _await_month(self) -> None:
        if self._stop_month is not None:
            self._stop_month()
        # The first and 32 days is always some day of the next month.
        some_day = dt_util.as_local(_month_start()).date() + timedelta(days=32)
        self._stop_month = async_track_point_in_time(
            self.hass, self._month_began, dt_util.start_of_local_day(some_day.replace(day=1))
        )

    async def _month_began(self, now: datetime) -> None:
        self._stop_month = None
        self._await_month()
        await self.async_refresh()

    async def _zone_changed(self, event: Event) -> None:
        self._await_month()
        await self.async_refresh()


def _month_start() -> datetime:
    """Return when this month began where Home Assistant is."""
    return dt_util.as_utc(dt_util.start_of_local_day(dt_util.now().replace(day=1)))
