"""The way in for other integrations that bring stations of their own; see docs/plugins.md."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
import logging
from typing import Any, Protocol

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.util.hass_dict import HassKey

from . import discovery
from .const import CONF_BOX, CONF_EVSES, CONF_STATION_ID, DOMAIN, SUBENTRY_STATION
from .core.model.evse import EvseStatus
from .core.model.ids import EvseId
from .core.model.reading import Reading
from .core.model.setpoint import Setpoint
from .core.model.station import StationInfo
from .core.model.token import Token
from .site.signal import Signal
from .stations import base
from .stations.base import (
    CanStart,
    CanStop,
    Failure,
    SiteEvents,
    Station,
    StationError,
    TransactionEnd,
    TransactionStart,
)
from .stations.ocpp.door import IDENTITY

__all__ = [
    "CanStart",
    "CanStop",
    "EvseId",
    "EvseStatus",
    "Failure",
    "PluginStation",
    "Reading",
    "Setpoint",
    "SiteEvents",
    "StationError",
    "StationInfo",
    "Token",
    "TransactionEnd",
    "TransactionStart",
    "async_offer_station",
    "base",
]
# What a plug-in needs. The other capabilities of stations are in `base`.

_LOGGER = logging.getLogger(__name__)

CONF_DRIVER = "driver"
"""In the data of a station: the protocol of the integration that brought it."""

CLOSE_S = 5.0
"""How long a station may take to close: a site that stops waits for no stranger."""


class PluginStation(Station, Protocol):
    """A station of another integration: the port of any station, and how to let go of it."""

    async def close(self) -> None:
        """Leave the station in its safe state, and report nothing any more."""


type Make = Callable[[SiteEvents], PluginStation]


@dataclass(frozen=True, slots=True)
class _Offer:
    info: StationInfo
    make: Make


@dataclass(slots=True)
class _Offers:
    """What is offered now, by identity; `changed` names one that came or went."""

    stations: dict[str, _Offer] = field(default_factory=dict)
    changed: Signal[str] = field(default_factory=Signal[str])


_OFFERS: HassKey[_Offers] = HassKey("forecourt_offered_stations")


@callback
def async_offer_station(hass: HomeAssistant, info: StationInfo, make: Make) -> CALLBACK_TYPE:
    """Offer a station to the site, now or as soon as there is one; the result takes it back.

    `info.id` is its identity for good: letters, digits and `*-_=:+|@.`, unique at the site.
    `info.protocol` says who brings it. Unless it was added already, it appears as discovered, and
    its owner decides. Then `make` is called with the site's events, to which the station reports
    (`stations.base.SiteEvents`), on every start of the site again. Raises `ValueError` for an
    identity that cannot be, or that is offered already, and for a station without outlets.
    """
    offers = hass.data.setdefault(_OFFERS, _Offers())
    if not IDENTITY.fullmatch(info.id):
        raise ValueError(f"{info.id!r} cannot be the identity of a station")
    if info.evses < 1:
        raise ValueError(f"the station {info.id!r} needs an outlet at least")
    if (other := offers.stations.get(info.id)) is not None:
        raise ValueError(f"the station {info.id!r} is offered already, by {other.info.protocol}")
    offer = offers.stations[info.id] = _Offer(info, make)
    offers.changed.send(info.id)

    @callback
    def take_back() -> None:
        if offers.stations.get(info.id) is offer:
            del offers.stations[info.id]
            offers.changed.send(info.id)

    return take_back


@callback
def offered(hass: HomeAssistant, station_id: str) -> StationInfo | None:
    """Return what is known of a station that is offered, `None` for any other."""
    offers = hass.data.get(_OFFERS)
    offer = None if offers is None else offers.stations.get(station_id)
    return None if offer is None else offer.info


class AbsentStation:
    """Stands for a station whose integration is not there. Implements `Station`."""

    def __init__(self, info: StationInfo) -> None:
        """Know what it was."""
        self.info = info
        self.online = False
        # Nobody knows what it does by itself.
        self.fallback_current_a: int | None = None

    def supports(self, capability: type) -> bool:
        """Return that it can do nothing."""
        return False

    async def apply(self, setpoint: Setpoint) -> None:
        """Refuse: it is not there."""
        raise StationError(self.info.id, Failure.OFFLINE)

    async def close(self) -> None:
        """Do nothing."""


class PluginStations:
    """The stations of a site that other integrations brought.

    Whatever they raise while they are made and closed, the site and its other stations go on: a
    station that cannot be made counts as one that is not there.
    """

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry[Any],
        events: SiteEvents,
        anew: Callable[[ConfigSubentry], Coroutine[Any, Any, None]],
        *,
        pending: Callable[[], Iterable[str]],
    ) -> None:
        """Begin with none.

        `anew` is awaited for the subentry of one that came or went, and calls `sync`; `pending`
        are the stations that wait beside those that are offered.
        """
        self._hass = hass
        self._entry = entry
        self._events = events
        self._anew = anew
        self._pending = pending
        self._offers = hass.data.setdefault(_OFFERS, _Offers())
        self._running: dict[str, tuple[_Offer | None, PluginStation]] = {}
        self._unlisten: CALLBACK_TYPE | None = None
        self._turn = asyncio.Lock()
        self._is_over = False

    @property
    def offered(self) -> Iterable[str]:
        """The identities of all that are offered, added or not."""
        return self._offers.stations

    @callback
    def open(self) -> None:
        """Show what is offered, and follow what comes and goes."""
        self._unlisten = self._offers.changed.connect(self._changed)
        for station_id in tuple(self._offers.stations):
            self._changed(station_id)

    async def sync(self, subentry: ConfigSubentry, added: Callable[[Station], None]) -> None:
        """Run the station of a subentry; `added` takes it into the site."""
        # An integration that reloads takes its station back and offers it again at once.
        async with self._turn:
            if self._is_over or subentry.subentry_id not in self._entry.subentries:
                return
            station_id: str = subentry.data[CONF_STATION_ID]
            offer = self._offer(subentry)
            running = self._running.get(station_id)
            if running is None or running[0] is not offer:
                await self._stop(station_id)
                running = self._running[station_id] = offer, await self._make(offer, subentry)
                if subentry.subentry_id not in self._entry.subentries:
                    # Removed while it came: who removes it waits for this turn and closes it.
                    return
            added(running[1])
            discovery.take_back(self._hass, station_id)

    async def remove(self, station_id: str) -> None:
        """Let a station go."""
        async with self._turn:
            await self._stop(station_id)

    async def stop(self) -> None:
        """Let all go; the next start makes them anew."""
        self._is_over = True
        if self._unlisten is not None:
            self._unlisten()
            self._unlisten = None
        async with self._turn:
            await asyncio.gather(*(self._stop(station_id) for station_id in tuple(self._running)))

    def _offer(self, subentry: ConfigSubentry) -> _Offer | None:
        """Return who brings the station of a subentry now: it is nobody else's."""
        if self._unlisten is None:
            # What it tells would come before the entities that show it.
            return None
        offer = self._offers.stations.get(subentry.data[CONF_STATION_ID])
        if offer is None or offer.info.protocol == subentry.data[CONF_DRIVER]:
            return offer
        _LOGGER.error(
            "The station %s was brought by %s, so it is not served for %s",
            *(offer.info.id, subentry.data[CONF_DRIVER], offer.info.protocol),
        )
        return None

    async def _make(self, offer: _Offer | None, subentry: ConfigSubentry) -> PluginStation:
        station_id: str = subentry.data[CONF_STATION_ID]
        protocol: str = subentry.data[CONF_DRIVER]
        absent = AbsentStation(
            StationInfo(id=station_id, protocol=protocol, evses=subentry.data[CONF_EVSES])
        )
        if offer is None:
            return absent
        try:
            station = offer.make(self._events)
            is_it = station.info.id == station_id
        except Exception:
            # Somebody else's code: whatever it raises, the other stations are served.
            _LOGGER.exception("The station %s of %s cannot be made", station_id, protocol)
            return absent
        if is_it:
            return station
        _LOGGER.error("The station %s of %s calls itself otherwise", station_id, protocol)
        await _close(station_id, station)
        return absent

    async def _stop(self, station_id: str) -> None:
        if (running := self._running.pop(station_id, None)) is not None:
            await _close(station_id, running[1])

    @callback
    def _changed(self, station_id: str) -> None:
        for subentry in self._entry.get_subentries_of_type(SUBENTRY_STATION):
            if station_id not in (subentry.data[CONF_STATION_ID], subentry.data.get(CONF_BOX)):
                continue
            if CONF_DRIVER in subentry.data:
                name = f"{DOMAIN} {station_id}"
                self._entry.async_create_task(self._hass, self._anew(subentry), name)
            elif (offer := self._offers.stations.get(station_id)) is not None:
                _LOGGER.error(
                    "The station %s that %s offers cannot be added: %s has this identity",
                    *(station_id, offer.info.protocol, subentry.title),
                )
            return
        if station_id in self._offers.stations:
            discovery.show(self._hass, station_id, (*self._offers.stations, *self._pending()))
        else:
            discovery.take_back(self._hass, station_id)


async def _close(station_id: str, station: PluginStation) -> None:
    try:
        async with asyncio.timeout(CLOSE_S):
            await station.close()
    except Exception:
        # Somebody else's code: whatever it raises, the site goes on, or stops.
        _LOGGER.exception("The station %s was not closed in order", station_id)
