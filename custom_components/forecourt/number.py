"""The current that an outlet may draw at most, and the energy that a charge is for."""

from collections.abc import Hashable
from typing import Any, override

from homeassistant.components.number import (
    NumberDeviceClass,
    NumberEntity,
    NumberEntityDescription,
    NumberMode,
)
from homeassistant.const import UnitOfElectricCurrent, UnitOfEnergy
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import MAX_TARGET_WH
from .coordinator import StationCoordinator, applied
from .core.control.limits import MIN_CURRENT_A
from .core.model.ids import EvseId
from .entity import EvseEntity, GoalEntity, Makers, add_as_they_come
from .hub import ForecourtConfigEntry, Hub

# A wish is taken at once; the station follows it when it can.
PARALLEL_UPDATES = 0

CURRENT_LIMIT = NumberEntityDescription(
    key="current_limit",
    translation_key="current_limit",
    device_class=NumberDeviceClass.CURRENT,
    mode=NumberMode.SLIDER,
    native_min_value=MIN_CURRENT_A,
    native_step=1,
    native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
)

TARGET_ENERGY = NumberEntityDescription(
    key="target_energy",
    translation_key="target_energy",
    device_class=NumberDeviceClass.ENERGY,
    mode=NumberMode.BOX,
    native_min_value=0,
    native_max_value=MAX_TARGET_WH / 1000,
    native_step=0.1,
    native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: ForecourtConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the numbers."""
    await add_as_they_come(entry, async_add_entities, Makers(evse=_of_evse))


def _of_evse(hub: Hub, coordinator: StationCoordinator, evse: EvseId) -> list[NumberEntity]:
    return [
        CurrentLimitNumber(hub, coordinator, evse, CURRENT_LIMIT),
        TargetEnergyNumber(hub, coordinator, evse, TARGET_ENERGY),
    ]


class CurrentLimitNumber(EvseEntity, NumberEntity):
    """What is asked for; what applies, and why, stands beside it."""

    _unrecorded_attributes = frozenset({"applied_current", "reason"})

    @override
    def _showing(self) -> tuple[Hashable, ...]:
        return (*super()._showing(), self.native_max_value, *self.extra_state_attributes.values())

    @property
    @override
    def shown(self) -> int:
        """Return the current that is asked for; without a wish, all that the outlet can give."""
        wished, maximum = self.view.state.requested_current_a, int(self.native_max_value)
        return maximum if wished is None else min(wished, maximum)

    @property
    @override
    def native_value(self) -> int:
        """Return the current that is asked for."""
        return self.shown

    @property
    @override
    def native_max_value(self) -> float:
        """Return what the outlet can give."""
        return self.hub.site.board.limits(self.evse).max_current_a

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """Return what applies to the charge that runs, and why."""
        point = applied(self.view.state)
        return {
            "applied_current": point.current_a if point else None,
            "reason": point.reason.value if point else None,
        }

    @override
    async def async_set_native_value(self, value: float) -> None:
        """Ask for a current; for all that the outlet can give, where it is at its maximum."""
        current = None if value >= self.native_max_value else int(value)
        self.hub.site.orders.limit(self.evse, current)


class TargetEnergyNumber(GoalEntity, NumberEntity):
    """What shall flow in a session; 0 for as much as the car takes."""

    @property
    @override
    def shown(self) -> float:
        """Return the energy in kilowatt-hours."""
        return (self.goal.energy_wh or 0) / 1000

    @property
    @override
    def native_value(self) -> float:
        """Return the energy in kilowatt-hours."""
        return self.shown

    @override
    async def async_set_native_value(self, value: float) -> None:
        """Charge so much."""
        self.change_goal(energy_wh=round(value * 1000) or None)
