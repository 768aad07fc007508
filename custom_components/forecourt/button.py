"""Releases the cable of an outlet, and restarts a station."""

from typing import override

from homeassistant.components.button import ButtonEntity, ButtonEntityDescription
from homeassistant.components.button.const import ButtonDeviceClass
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import StationCoordinator
from .core.model.ids import EvseId
from .entity import EvseEntity, Makers, StationEntity, add_as_they_come
from .errors import explained
from .hub import ForecourtConfigEntry, Hub

# Presses that come close together are joined below; none waits for another station's answer.
PARALLEL_UPDATES = 0

UNLOCK = ButtonEntityDescription(key="unlock", translation_key="unlock")
RESTART = ButtonEntityDescription(
    key="restart",
    translation_key="restart",
    device_class=ButtonDeviceClass.RESTART,
    entity_category=EntityCategory.CONFIG,
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: ForecourtConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the buttons."""
    await add_as_they_come(entry, async_add_entities, Makers(station=_of_station, evse=_of_evse))


def _of_station(hub: Hub, coordinator: StationCoordinator) -> list[ButtonEntity]:
    return [RestartButton(hub, coordinator, RESTART)]


def _of_evse(hub: Hub, coordinator: StationCoordinator, evse: EvseId) -> list[ButtonEntity]:
    return [UnlockButton(hub, coordinator, evse, UNLOCK)]


class UnlockButton(EvseEntity, ButtonEntity):
    """Releases the cable."""

    _live = True

    @override
    async def async_press(self) -> None:
        """Release the cable."""
        with explained(self.hub):
            await self.hub.site.orders.unlock(self.evse)


class RestartButton(StationEntity, ButtonEntity):
    """Restarts the station; what it charges is ended in an orderly way first."""

    _live = True

    @override
    async def async_press(self) -> None:
        """Restart the station."""
        with explained(self.hub):
            await self.hub.site.orders.reset(self.coordinator.station_id)
