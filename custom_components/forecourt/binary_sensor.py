"""Whether a cable is in, a station is there, and a user is charging."""

from typing import override

from homeassistant.components.binary_sensor import (
    BinarySensorEntity,
    BinarySensorEntityDescription,
)
from homeassistant.components.binary_sensor.const import BinarySensorDeviceClass
from homeassistant.config_entries import ConfigSubentry
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import StationCoordinator
from .core.model.ids import EvseId
from .entity import EvseEntity, Makers, StationEntity, UserEntity, add_as_they_come
from .hub import ForecourtConfigEntry, Hub

# Everything is pushed; there is nothing to wait for.
PARALLEL_UPDATES = 0

PLUGGED = BinarySensorEntityDescription(
    key="plugged", translation_key="plugged", device_class=BinarySensorDeviceClass.PLUG
)
CONNECTIVITY = BinarySensorEntityDescription(
    key="connectivity",
    translation_key="connectivity",
    device_class=BinarySensorDeviceClass.CONNECTIVITY,
    entity_category=EntityCategory.DIAGNOSTIC,
)
CHARGING = BinarySensorEntityDescription(
    key="charging",
    translation_key="charging",
    device_class=BinarySensorDeviceClass.BATTERY_CHARGING,
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: ForecourtConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the binary sensors."""
    await add_as_they_come(
        entry, async_add_entities, Makers(station=_of_station, evse=_of_evse, user=_of_user)
    )


def _of_station(hub: Hub, coordinator: StationCoordinator) -> list[BinarySensorEntity]:
    return [ConnectivitySensor(hub, coordinator, CONNECTIVITY)]


def _of_evse(hub: Hub, coordinator: StationCoordinator, evse: EvseId) -> list[BinarySensorEntity]:
    return [PluggedSensor(hub, coordinator, evse, PLUGGED)]


def _of_user(hub: Hub, subentry: ConfigSubentry) -> list[BinarySensorEntity]:
    return [UserChargingSensor(hub, subentry, CHARGING)]


class PluggedSensor(EvseEntity, BinarySensorEntity):
    """Whether a cable is in; unknown where the station's status does not tell."""

    _live = True

    @property
    @override
    def shown(self) -> bool | None:
        """Return whether a cable is in."""
        return self.view.state.plugged

    @property
    @override
    def is_on(self) -> bool | None:
        """Return whether a cable is in."""
        return self.shown


class ConnectivitySensor(StationEntity, BinarySensorEntity):
    """Whether the station is connected."""

    @property
    @override
    def shown(self) -> bool:
        """Return whether a command could reach it."""
        return self.coordinator.data.online

    @property
    @override
    def is_on(self) -> bool:
        """Return whether a command could reach it."""
        return self.shown


class UserChargingSensor(UserEntity, BinarySensorEntity):
    """Whether a charge of the user is running."""

    @property
    @override
    def available(self) -> bool:
        """Return that this is always known: it does not come from the sums."""
        return True

    @property
    @override
    def shown(self) -> bool:
        """Return whether a charge is running."""
        return self.user_id in self.coordinator.data.charging

    @property
    @override
    def is_on(self) -> bool:
        """Return whether a charge is running."""
        return self.shown
