"""How a charge uses energy: with the sun, when it is cheap, or at once."""

from typing import override

from homeassistant.components.select import SelectEntity, SelectEntityDescription
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import StationCoordinator
from .core.model.goal import ChargeMode
from .core.model.ids import EvseId
from .entity import GoalEntity, Makers, add_as_they_come
from .hub import ForecourtConfigEntry, Hub

# A wish is taken at once; the station follows it when it can.
PARALLEL_UPDATES = 0

CHARGE_MODE = SelectEntityDescription(
    key="charge_mode",
    translation_key="charge_mode",
    options=[mode.value for mode in ChargeMode],
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: ForecourtConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the selects."""
    await add_as_they_come(entry, async_add_entities, Makers(evse=_of_evse))


def _of_evse(hub: Hub, coordinator: StationCoordinator, evse: EvseId) -> list[SelectEntity]:
    return [ChargeModeSelect(hub, coordinator, evse, CHARGE_MODE)]


class ChargeModeSelect(GoalEntity, SelectEntity):
    """The mode of an outlet, or of the charge there whose user has a goal of their own."""

    @property
    @override
    def shown(self) -> str:
        """Return the mode."""
        return self.goal.mode.value

    @property
    @override
    def current_option(self) -> str:
        """Return the mode."""
        return self.shown

    @override
    async def async_select_option(self, option: str) -> None:
        """Charge in another mode."""
        self.change_goal(mode=ChargeMode(option))
