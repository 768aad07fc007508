"""When a charge shall be ready."""

from datetime import datetime
from typing import override

from homeassistant.components.datetime import DateTimeEntity, DateTimeEntityDescription
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback
from homeassistant.util import dt as dt_util

from .coordinator import StationCoordinator
from .core.model.ids import EvseId
from .entity import GoalEntity, Makers, add_as_they_come
from .errors import invalid
from .hub import ForecourtConfigEntry, Hub

# A wish is taken at once; the station follows it when it can.
PARALLEL_UPDATES = 0

READY_BY = DateTimeEntityDescription(key="ready_by", translation_key="ready_by")


async def async_setup_entry(
    hass: HomeAssistant,
    entry: ForecourtConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the times."""
    await add_as_they_come(entry, async_add_entities, Makers(evse=_of_evse))


def _of_evse(hub: Hub, coordinator: StationCoordinator, evse: EvseId) -> list[DateTimeEntity]:
    return [ReadyByDateTime(hub, coordinator, evse, READY_BY)]


class ReadyByDateTime(GoalEntity, DateTimeEntity):
    """When it shall be ready next; unknown where that does not matter."""

    @property
    @override
    def shown(self) -> datetime | None:
        """Return the next time."""
        return self.goal.deadline(dt_util.utcnow(), dt_util.get_default_time_zone())

    @property
    @override
    def native_value(self) -> datetime | None:
        """Return the next time."""
        return self.shown

    @override
    async def async_set_value(self, value: datetime) -> None:
        """Be ready then, once."""
        if value <= dt_util.utcnow():
            raise invalid("goal_in_past")
        self.change_goal(ready_at=dt_util.as_utc(value), ready_time=None)
