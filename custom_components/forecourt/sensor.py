"""The sensors: of outlets, of what users charged this month, and of the site as a whole."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import (
    EntityCategory,
    UnitOfEnergy,
    UnitOfPower,
)
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import StationCoordinator, power_w
from .core.model.ids import EvseId
from .devices import KEY_CURRENT_USER
from .entity import (
    COUNT_EVERY_S,
    WRITE_EVERY_S,
    EvseEntity,
    Makers,
    SiteEntity,
    UserEntity,
    add_as_they_come,
)
from .hub import ForecourtConfigEntry, Hub
from .ledger import UserTotals
from .sensor_evse import EVSE_SENSORS, EvseSensorDescription, Value

# Everything is pushed; there is nothing to wait for.
PARALLEL_UPDATES = 0

NOBODY = "nobody"
ANONYMOUS = "anonymous"

CURRENT_USER = SensorEntityDescription(key=KEY_CURRENT_USER, translation_key="current_user")


@dataclass(frozen=True, kw_only=True)
class UserSensorDescription(SensorEntityDescription):
    """A sensor of what a user charged this month."""

    value: Callable[[UserTotals], Value]


USER_SENSORS = (
    UserSensorDescription(
        key="energy_this_month",
        translation_key="energy_this_month",
        device_class=SensorDeviceClass.ENERGY,
        native_unit_of_measurement=UnitOfEnergy.WATT_HOUR,
        state_class=SensorStateClass.TOTAL,
        suggested_display_precision=1,
        suggested_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        value=lambda totals: totals.energy_wh,
    ),
    UserSensorDescription(
        key="cost_this_month",
        translation_key="cost_this_month",
        device_class=SensorDeviceClass.MONETARY,
        state_class=SensorStateClass.TOTAL,
        suggested_display_precision=2,
        # Nothing charged costs nothing; something charged without a price is unknown.
        value=lambda totals: totals.cost if totals.energy_wh else Decimal(0),
    ),
)

STATIONS_ONLINE = SensorEntityDescription(
    key="stations_online",
    translation_key="stations_online",
    entity_category=EntityCategory.DIAGNOSTIC,
    state_class=SensorStateClass.MEASUREMENT,
)

TOTAL_POWER = SensorEntityDescription(
    key="total_power",
    translation_key="total_power",
    device_class=SensorDeviceClass.POWER,
    native_unit_of_measurement=UnitOfPower.WATT,
    state_class=SensorStateClass.MEASUREMENT,
    suggested_display_precision=0,
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: ForecourtConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the sensors."""
    hub = entry.runtime_data
    async_add_entities(
        [StationsOnlineSensor(hub, STATIONS_ONLINE), TotalPowerSensor(hub, TOTAL_POWER)]
    )
    makers = Makers(evse=_of_evse, personal=_about_person, user=_of_user)
    await add_as_they_come(entry, async_add_entities, makers)


def _of_evse(hub: Hub, coordinator: StationCoordinator, evse: EvseId) -> list[SensorEntity]:
    return [EvseSensor(hub, coordinator, evse, description) for description in EVSE_SENSORS]


def _about_person(hub: Hub, coordinator: StationCoordinator, evse: EvseId) -> list[SensorEntity]:
    return [CurrentUserSensor(hub, coordinator, evse, CURRENT_USER)]


def _of_user(hub: Hub, subentry: ConfigSubentry) -> list[SensorEntity]:
    return [UserSensor(hub, subentry, description) for description in USER_SENSORS]


class EvseSensor(EvseEntity, SensorEntity):
    """One value of an EVSE."""

    _metered = True
    entity_description: EvseSensorDescription

    def __init__(
        self,
        hub: Hub,
        coordinator: StationCoordinator,
        evse: EvseId,
        description: EvseSensorDescription,
    ) -> None:
        """Show what the description names."""
        super().__init__(hub, coordinator, evse, description)
        self._live = description.live

    @property
    @override
    def shown(self) -> Value:
        """Return what the state is made of."""
        return self.entity_description.value(self.view)

    @property
    @override
    def write_every_s(self) -> float:
        """Return how often the state is written at most: begin and end of a charge do not wait."""
        session = self.view.state.session
        is_counting = (
            self.entity_description.counts
            and session is not None
            and session.charging
            # It is of this session that something was written.
            and self._written is not None
            and self._written[-1] == self.last_reset
        )
        return COUNT_EVERY_S if is_counting else WRITE_EVERY_S

    @override
    def _showing(self) -> tuple[Hashable, ...]:
        return (*super()._showing(), self.last_reset)

    @property
    @override
    def native_value(self) -> Value:
        """Return the value."""
        return self.shown

    @property
    @override
    def last_reset(self) -> datetime | None:
        """Return when the session started whose value this is."""
        session = self.view.last_session
        return session.started_at if session and self.entity_description.of_session else None

    @property
    @override
    def native_unit_of_measurement(self) -> str | None:
        """Return the unit; that of money is the session's currency."""
        if self.device_class is not SensorDeviceClass.MONETARY:
            return super().native_unit_of_measurement
        session = self.view.last_session
        return session.currency if session else self.hub.site.settings.currency


class CurrentUserSensor(EvseEntity, SensorEntity):
    """The name of who is plugged in."""

    @override
    async def async_added_to_hass(self) -> None:
        """Follow the names, too."""
        await super().async_added_to_hass()
        self.async_on_remove(self.hub.users_changed.connect(self.refresh))

    @property
    @override
    def shown(self) -> str:
        """Return the name."""
        session = self.view.state.session
        if session is None:
            return NOBODY
        return self.hub.user_name(session.user_id) or ANONYMOUS

    @property
    @override
    def native_value(self) -> str:
        """Return the name."""
        return self.shown


class UserSensor(UserEntity, SensorEntity):
    """What a user charged this month."""

    entity_description: UserSensorDescription

    @property
    @override
    def shown(self) -> Value:
        """Return the sum."""
        totals = self.coordinator.data.totals.get(self.user_id)
        return self.entity_description.value(totals or UserTotals(energy_wh=0, cost=None))

    @override
    def _showing(self) -> tuple[Hashable, ...]:
        return (*super()._showing(), self.last_reset)

    @property
    @override
    def native_value(self) -> Value:
        """Return the sum."""
        return self.shown

    @property
    @override
    def last_reset(self) -> datetime:
        """Return when the month began."""
        return self.coordinator.data.since

    @property
    @override
    def native_unit_of_measurement(self) -> str | None:
        """Return the unit; that of money is the site's currency."""
        if self.device_class is not SensorDeviceClass.MONETARY:
            return super().native_unit_of_measurement
        return self.hub.site.settings.currency


class StationsOnlineSensor(SiteEntity, SensorEntity):
    """How many stations are there, of how many."""

    _unrecorded_attributes = frozenset({"total"})

    @override
    async def async_added_to_hass(self) -> None:
        """Follow the stations."""
        await super().async_added_to_hass()
        self.async_on_remove(self.hub.site.station_signal.connect(self.refresh))

    @override
    def _showing(self) -> tuple[Hashable, ...]:
        return (*super()._showing(), len(self.hub.site.stations))

    @property
    @override
    def shown(self) -> int:
        """Return the number."""
        return sum(station.online for station in self.hub.site.stations.values())

    @property
    @override
    def native_value(self) -> int:
        """Return the number."""
        return self.shown

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """Return of how many."""
        return {"total": len(self.hub.site.stations)}


class TotalPowerSensor(SiteEntity, SensorEntity):
    """The power of all outlets, as far as it is known."""

    @override
    async def async_added_to_hass(self) -> None:
        """Follow the outlets."""
        await super().async_added_to_hass()
        # Last of all, since what is removed goes in the opposite order.
        self.async_on_remove(partial(self.hub.pace.forget, self.refresh))
        self.async_on_remove(self.hub.site.board.changed.connect(self._board_changed))

    @callback
    def _board_changed(self, _: EvseId) -> None:
        """Look at all outlets once for many that changed."""
        self.hub.pace.show_later(self.refresh)

    @property
    @override
    def shown(self) -> float | None:
        """Return the sum of what is known; `None` where nothing is."""
        powers = [power_w(state) for state in self.hub.site.board.all() if state.online]
        known = [power for power in powers if power is not None]
        return sum(known) if known else None

    @property
    @override
    def native_value(self) -> float | None:
        """Return the sum."""
        return self.shown
