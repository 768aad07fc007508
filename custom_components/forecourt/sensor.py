"""What an outlet does and delivers, what users charged this month, and the site as a whole."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
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
    UnitOfElectricCurrent,
    UnitOfElectricPotential,
    UnitOfEnergy,
    UnitOfPower,
    UnitOfRatio,
    UnitOfTime,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import EvseView, StationCoordinator, applied, power_w
from .core.model.evse import EvseState, EvseStatus
from .core.model.ids import EvseId
from .core.model.setpoint import LimitReason
from .devices import KEY_CURRENT_USER
from .entity import AsTheyCome, EvseEntity, Makers, SiteEntity, UserEntity
from .hub import ForecourtConfigEntry, Hub
from .ledger import UserTotals

# Everything is pushed; there is nothing to wait for.
PARALLEL_UPDATES = 0

NO_ERROR = "no_error"
NOBODY = "nobody"
ANONYMOUS = "anonymous"

type Value = str | int | float | Decimal | None


def _duration_s(view: EvseView) -> float | None:
    """Return how long the session charges, up to its last reading: no clock ticks here."""
    session, reading = view.last_session, view.state.reading
    if session is None:
        return None
    until = session.ended_at
    if until is None:
        until = session.started_at if reading is None else max(reading.at, session.started_at)
    return round((until - session.started_at).total_seconds())


def _error(state: EvseState) -> str | None:
    if state.error is None:
        return None if state.status is None else NO_ERROR
    return state.error


@dataclass(frozen=True, kw_only=True)
class EvseSensorDescription(SensorEntityDescription):
    """A sensor of an EVSE; a live one tells nothing while the station is offline.

    The value of one that is of a session starts again with each session.
    """

    value: Callable[[EvseView], Value]
    live: bool = False
    of_session: bool = False


EVSE_SENSORS = (
    EvseSensorDescription(
        key="status",
        translation_key="status",
        device_class=SensorDeviceClass.ENUM,
        options=[status.value for status in EvseStatus],
        value=lambda view: view.state.status,
        live=True,
    ),
    EvseSensorDescription(
        key="charging_power",
        translation_key="charging_power",
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value=lambda view: power_w(view.state),
        live=True,
    ),
    EvseSensorDescription(
        key="energy_register",
        translation_key="energy_register",
        device_class=SensorDeviceClass.ENERGY,
        native_unit_of_measurement=UnitOfEnergy.WATT_HOUR,
        state_class=SensorStateClass.TOTAL_INCREASING,
        suggested_display_precision=2,
        suggested_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        value=lambda view: view.state.register_wh,
    ),
    EvseSensorDescription(
        key="session_energy",
        translation_key="session_energy",
        device_class=SensorDeviceClass.ENERGY,
        native_unit_of_measurement=UnitOfEnergy.WATT_HOUR,
        state_class=SensorStateClass.TOTAL,
        suggested_display_precision=2,
        suggested_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        value=lambda view: view.last_session.energy_wh if view.last_session else None,
        of_session=True,
    ),
    EvseSensorDescription(
        key="session_duration",
        translation_key="session_duration",
        device_class=SensorDeviceClass.DURATION,
        native_unit_of_measurement=UnitOfTime.SECONDS,
        suggested_display_precision=0,
        suggested_unit_of_measurement=UnitOfTime.MINUTES,
        value=_duration_s,
    ),
    EvseSensorDescription(
        key="session_cost",
        translation_key="session_cost",
        device_class=SensorDeviceClass.MONETARY,
        state_class=SensorStateClass.TOTAL,
        suggested_display_precision=2,
        value=lambda view: view.last_session.cost if view.last_session else None,
        of_session=True,
    ),
    EvseSensorDescription(
        key="current",
        translation_key="current",
        device_class=SensorDeviceClass.CURRENT,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=1,
        value=lambda view: reading.max_current_a if (reading := view.state.reading) else None,
        live=True,
    ),
    EvseSensorDescription(
        key="voltage",
        translation_key="voltage",
        device_class=SensorDeviceClass.VOLTAGE,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        native_unit_of_measurement=UnitOfElectricPotential.VOLT,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value=lambda view: reading.voltage_v if (reading := view.state.reading) else None,
        live=True,
    ),
    EvseSensorDescription(
        key="state_of_charge",
        translation_key="state_of_charge",
        device_class=SensorDeviceClass.BATTERY,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        native_unit_of_measurement=UnitOfRatio.PERCENTAGE,
        state_class=SensorStateClass.MEASUREMENT,
        suggested_display_precision=0,
        value=lambda view: reading.soc_percent if (reading := view.state.reading) else None,
        live=True,
    ),
    EvseSensorDescription(
        key="error",
        translation_key="error",
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        value=lambda view: _error(view.state),
        live=True,
    ),
    EvseSensorDescription(
        key="applied_limit",
        translation_key="applied_limit",
        device_class=SensorDeviceClass.CURRENT,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        state_class=SensorStateClass.MEASUREMENT,
        value=lambda view: point.current_a if (point := applied(view.state)) else None,
        live=True,
    ),
    EvseSensorDescription(
        key="limit_reason",
        translation_key="limit_reason",
        device_class=SensorDeviceClass.ENUM,
        entity_category=EntityCategory.DIAGNOSTIC,
        entity_registry_enabled_default=False,
        options=[reason.value for reason in LimitReason],
        value=lambda view: point.reason if (point := applied(view.state)) else None,
        live=True,
    ),
)

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
    AsTheyCome(
        entry, async_add_entities, Makers(evse=_of_evse, personal=_about_person, user=_of_user)
    )


def _of_evse(hub: Hub, coordinator: StationCoordinator, evse: EvseId) -> list[SensorEntity]:
    return [EvseSensor(hub, coordinator, evse, description) for description in EVSE_SENSORS]


def _about_person(hub: Hub, coordinator: StationCoordinator, evse: EvseId) -> list[SensorEntity]:
    return [CurrentUserSensor(hub, coordinator, evse, CURRENT_USER)]


def _of_user(hub: Hub, subentry: ConfigSubentry) -> list[SensorEntity]:
    return [UserSensor(hub, subentry, description) for description in USER_SENSORS]


class EvseSensor(EvseEntity, SensorEntity):
    """One value of an EVSE."""

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
        self.async_on_remove(self.hub.site.board.changed.connect(self.refresh))

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
