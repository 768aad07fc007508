"""What all entities have in common: a device, a place to be written from, and thrift."""

from asyncio import TimerHandle
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, override

from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import callback
from homeassistant.helpers.entity import Entity, EntityDescription
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .const import CONF_USER_ID, SUBENTRY_USER
from .coordinator import EvseView, StationCoordinator, UsageCoordinator
from .core.model.goal import Goal
from .core.model.ids import EvseId
from .devices import register_site, register_user
from .hub import ForecourtConfigEntry, Hub

WRITE_EVERY_S = 1.0
"""How often at most the state of an entity is written; stations may report much more often."""

COUNT_EVERY_S = 30.0
"""How often what only grows is written while it does: each state is a line in a database."""


class ForecourtEntity(Entity):
    """Writes its state at once when what it shows changes, and then at most once in a while."""

    _attr_has_entity_name = True
    _attr_should_poll = False

    hub: Hub
    _written: tuple[Hashable, ...] | None = None
    _written_at: float = float("-inf")
    _timer: TimerHandle | None = None

    @property
    def shown(self) -> Any:
        """Return what the state is made of."""
        return None

    @property
    def write_every_s(self) -> float:
        """Return how often the state is written at most, as things are now."""
        return WRITE_EVERY_S

    def _showing(self) -> tuple[Hashable, ...]:
        """Return all that the state depends on."""
        return (self.available, self.shown)

    @override
    async def async_added_to_hass(self) -> None:
        """Take note of what is written first, by Home Assistant itself."""
        await super().async_added_to_hass()
        self._written = self._showing()
        self._written_at = self.hass.loop.time()

    @override
    async def async_will_remove_from_hass(self) -> None:
        """Write nothing any more."""
        await super().async_will_remove_from_hass()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @callback
    def refresh(self, *_: object) -> None:
        """Write the state if it changed: now, or as soon as the last time is long enough ago."""
        due = self._written_at + self.write_every_s
        if self._timer is not None:
            if self._timer.when() <= due:
                return
            self._timer.cancel()
            self._timer = None
        if due > self.hass.loop.time():
            self._timer = self.hass.loop.call_at(due, self._write)
        else:
            self._write()

    @callback
    def _write(self) -> None:
        self._timer = None
        showing = self._showing()
        if showing != self._written:
            self._written = showing
            self._written_at = self.hass.loop.time()
            self.async_write_ha_state()


class SiteEntity(ForecourtEntity):
    """An entity of the site."""

    def __init__(self, hub: Hub, description: EntityDescription) -> None:
        """Belong to the device of the site."""
        self.hub = hub
        self.entity_description = description
        self.device_entry = register_site(hub.hass, hub.entry)
        self._attr_unique_id = f"site_{description.key}"


class StationEntity(CoordinatorEntity[StationCoordinator], ForecourtEntity):
    """An entity of a station; a live one tells nothing while the station is offline.

    One that is not metered has nothing new to show when a meter went on counting.
    """

    _live = False
    _metered = False

    def __init__(
        self, hub: Hub, coordinator: StationCoordinator, description: EntityDescription
    ) -> None:
        """Belong to the device of the station."""
        super().__init__(coordinator)
        self.hub = hub
        self.entity_description = description
        self.device_entry = coordinator.device
        self._attr_unique_id = f"station_{coordinator.station_id}_{description.key}"

    @property
    @override
    def available(self) -> bool:
        """Return whether the station is there, if that matters."""
        return self.coordinator.data.online or not self._live

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        if self._metered or not self.coordinator.only_counted:
            self.refresh()


class EvseEntity(StationEntity):
    """An entity of an EVSE."""

    def __init__(
        self,
        hub: Hub,
        coordinator: StationCoordinator,
        evse: EvseId,
        description: EntityDescription,
    ) -> None:
        """Belong to the device of the EVSE."""
        super().__init__(hub, coordinator, description)
        self.evse = evse
        self.device_entry = coordinator.evse_devices[evse.number]
        self._attr_unique_id = f"evse_{evse}_{description.key}"

    @property
    def view(self) -> EvseView:
        """Return what is known of the EVSE."""
        return self.coordinator.data.evses[self.evse.number]


class GoalEntity(EvseEntity):
    """An entity that shows a part of what the charge at an EVSE is for, and changes it."""

    @property
    def goal(self) -> Goal:
        """Return what the charge is for."""
        return self.view.state.wanted

    @callback
    def change_goal(self, **changes: Any) -> None:
        """Change a part of what the charge is for, which may be newer than what is shown."""
        newest = self.hub.site.board[self.evse].wanted
        self.hub.site.goals.ask(self.evse, replace(newest, **changes))


class UserEntity(CoordinatorEntity[UsageCoordinator], ForecourtEntity):
    """An entity of a user."""

    def __init__(self, hub: Hub, subentry: ConfigSubentry, description: EntityDescription) -> None:
        """Belong to the device of the user."""
        super().__init__(hub.usage)
        self.hub = hub
        self.entity_description = description
        self.user_id: str = subentry.data[CONF_USER_ID]
        self.device_entry = register_user(hub.hass, hub.entry, subentry)
        self._attr_unique_id = f"user_{self.user_id}_{description.key}"

    @override
    async def async_added_to_hass(self) -> None:
        """Follow what users charged."""
        # First of all, so that it is last when what is removed goes in the opposite order.
        self.async_on_remove(partial(self.hub.pace.forget, self.refresh))
        await super().async_added_to_hass()

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        # All users hear of it at once.
        self.hub.pace.show(self.refresh)


type ForStation = Callable[[Hub, StationCoordinator], Iterable[Entity]]
type ForEvse = Callable[[Hub, StationCoordinator, EvseId], Iterable[Entity]]
type ForUser = Callable[[Hub, ConfigSubentry], Iterable[Entity]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Makers:
    """What makes the entities of a platform; `personal` are those of an EVSE about persons."""

    station: ForStation = lambda _hub, _coordinator: ()
    evse: ForEvse = lambda _hub, _coordinator, _evse: ()
    personal: ForEvse = lambda _hub, _coordinator, _evse: ()
    user: ForUser = lambda _hub, _subentry: ()


async def add_as_they_come(
    entry: ForecourtConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
    makers: Makers,
) -> None:
    """Add the entities of every station, EVSE and user, now and whenever one is added.

    Those about persons are there only while the site shares personal data; the
    hub takes them away when it does so no more.
    """
    await _AsTheyCome(entry, async_add_entities, makers).all()


class _AsTheyCome:
    """Follows the hub."""

    def __init__(
        self,
        entry: ForecourtConfigEntry,
        async_add_entities: AddConfigEntryEntitiesCallback,
        makers: Makers,
    ) -> None:
        self._hub = hub = entry.runtime_data
        self._entry = entry
        self._add = async_add_entities
        self._makers = makers
        for disconnect in (
            hub.station_added.connect(self._station_added),
            hub.evse_added.connect(self._evse_added),
            hub.user_added.connect(self._user_added),
            hub.privacy_changed.connect(self._privacy_changed),
        ):
            entry.async_on_unload(disconnect)

    async def all(self) -> None:
        """Add what there is: thousands, in as many turns of the event loop as it takes."""
        hub = self._hub
        # What comes meanwhile is told by the hub.
        stations = [(one, one.evses) for one in hub.coordinators.values()]
        users = () if hub.private else self._entry.get_subentries_of_type(SUBENTRY_USER)
        await hub.pace.do(partial(self._add_station, *station) for station in stations)
        await hub.pace.do([partial(self._user_added, user) for user in users])

    @callback
    def _station_added(self, coordinator: StationCoordinator) -> None:
        self._add_station(coordinator, coordinator.evses)

    def _add_station(self, coordinator: StationCoordinator, evses: Iterable[EvseId]) -> None:
        self._add(
            self._makers.station(self._hub, coordinator),
            config_subentry_id=coordinator.subentry_id,
        )
        for evse in evses:
            self._evse_added(evse)

    @callback
    def _evse_added(self, evse: EvseId) -> None:
        self._add_of_evse(self._makers.evse, evse)
        if not self._hub.private:
            self._add_of_evse(self._makers.personal, evse)

    @callback
    def _user_added(self, subentry: ConfigSubentry) -> None:
        self._add(self._makers.user(self._hub, subentry), config_subentry_id=subentry.subentry_id)

    @callback
    def _privacy_changed(self, private: bool) -> None:
        if not private:
            for coordinator in self._hub.coordinators.values():
                for evse in coordinator.evses:
                    self._add_of_evse(self._makers.personal, evse)
            for subentry in self._entry.get_subentries_of_type(SUBENTRY_USER):
                self._user_added(subentry)

    def _add_of_evse(self, make: ForEvse, evse: EvseId) -> None:
        coordinator = self._hub.coordinators[evse.station_id]
        self._add(make(self._hub, coordinator, evse), config_subentry_id=coordinator.subentry_id)
