"""The way in for other integrations that bring stations of their own; see docs/plugins.md."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.util.hass_dict import HassKey

from . import discovery
from .const import CONF_EVSES, CONF_STATION_ID, SUBENTRY_STATION
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

CONF_DRIVER = "driver"
"""In the data of a station: the protocol of the integration that brought it."""


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
    identity that cannot be, or that is offered already.
    """
    offers = hass.data.setdefault(_OFFERS, _Offers())
    if not IDENTITY.fullmatch(info.id):
        raise ValueError(f"{info.id!r} cannot be the identity of a station")
    if info.id in offers.stations:
        raise ValueError(f"the station {info.id!r} is offered already")
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
    """The stations of a site that other integrations brought."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry: ConfigEntry[Any],
        events: SiteEvents,
        sync: Callable[[ConfigSubentry], Any],
    ) -> None:
        """Begin with none; `sync` is awaited for the subentry of one that came or went."""
        self._hass = hass
        self._entry = entry
        self._events = events
        self._sync = sync
        self._offers = hass.data.setdefault(_OFFERS, _Offers())
        self._running: dict[str, tuple[_Offer | None, PluginStation]] = {}
        self._unlisten: CALLBACK_TYPE | None = None

    @property
    def running(self) -> list[PluginStation]:
        """Return the stations, with those that are not there."""
        return [station for _, station in self._running.values()]

    @callback
    def open(self) -> None:
        """Show what is offered, and follow what comes and goes."""
        self._unlisten = self._offers.changed.connect(self._changed)
        for station_id in self._offers.stations:
            self._changed(station_id)

    async def sync(self, subentry: ConfigSubentry, added: Callable[[Station], None]) -> None:
        """Run the station of a subentry; `added` takes it into the site."""
        station_id: str = subentry.data[CONF_STATION_ID]
        offer = self._offers.stations.get(station_id)
        running = self._running.get(station_id)
        if running is not None and running[0] is offer:
            added(running[1])
            return
        if running is not None:
            await running[1].close()
        station: PluginStation
        if offer is None:
            info = StationInfo(
                id=station_id,
                protocol=subentry.data[CONF_DRIVER],
                evses=subentry.data[CONF_EVSES],
            )
            station = AbsentStation(info)
        else:
            station = offer.make(self._events)
        self._running[station_id] = (offer, station)
        added(station)
        discovery.take_back(self._hass, station_id)

    async def remove(self, station_id: str) -> None:
        """Let a station go."""
        if (running := self._running.pop(station_id, None)) is not None:
            await running[1].close()

    async def stop(self) -> None:
        """Let all go; the next start makes them anew."""
        if self._unlisten is not None:
            self._unlisten()
            self._unlisten = None
        for station_id in list(self._running):
            await self.remove(station_id)

    @callback
    def _changed(self, station_id: str) -> None:
        for subentry in self._entry.get_subentries_of_type(SUBENTRY_STATION):
            if subentry.data[CONF_STATION_ID] == station_id:
                if CONF_DRIVER in subentry.data:
                    self._entry.async_create_task(
                        self._hass, self._sync(subentry), f"forecourt {station_id}"
                    )
                return
        if station_id in self._offers.stations:
            discovery.show(self._hass, station_id, self._offers.stations)
        else:
            discovery.take_back(self._hass, station_id)
