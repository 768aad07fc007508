"""Lets an outlet charge, or pauses it."""

from typing import Any, override

from homeassistant.components.switch import SwitchEntity, SwitchEntityDescription
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import StationCoordinator
from .core.model.ids import EvseId
from .entity import EvseEntity, Makers, add_as_they_come
from .hub import ForecourtConfigEntry, Hub

# A wish is taken at once; the station follows it when it can.
PARALLEL_UPDATES = 0

CHARGING_ALLOWED = SwitchEntityDescription(
    key="charging_allowed", translation_key="charging_allowed"
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: ForecourtConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the switches."""
    await add_as_they_come(entry, async_add_entities, Makers(evse=_of_evse))


def _of_evse(hub: Hub, coordinator: StationCoordinator, evse: EvseId) -> list[SwitchEntity]:
    return [ChargingAllowedSwitch(hub, coordinator, evse, CHARGING_ALLOWED)]


class ChargingAllowedSwitch(EvseEntity, SwitchEntity):
    """Off pauses the charge without ending it, also one that starts later."""

    @property
    @override
    def shown(self) -> bool:
        """Return whether the outlet may charge."""
        return self.view.state.allowed

    @property
    @override
    def is_on(self) -> bool:
        """Return whether the outlet may charge."""
        return self.shown

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        """Let the outlet charge."""
        self.hub.site.orders.allow(self.evse, allowed=True)

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        """Pause the outlet."""
        self.hub.site.orders.allow(self.evse, allowed=False)
