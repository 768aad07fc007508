"""Sessions that start and end, tokens that are shown, and what stations tell of themselves."""

from typing import Any, override

from homeassistant.components.event import EventEntity, EventEntityDescription
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import StationCoordinator
from .core.model.events import SessionEvent, SessionPhase, StationEvent, StationEventKind, Tap
from .core.model.ids import EvseId
from .entity import EvseEntity, Makers, StationEntity, add_as_they_come
from .hub import ForecourtConfigEntry, Hub

# Everything is pushed; there is nothing to wait for.
PARALLEL_UPDATES = 0

ACCEPTED, REFUSED = "accepted", "refused"

SESSION = EventEntityDescription(
    key="session",
    translation_key="session",
    event_types=[phase.value for phase in SessionPhase],
)
TOKEN_PRESENTED = EventEntityDescription(
    key="token_presented", translation_key="token_presented", event_types=[ACCEPTED, REFUSED]
)
STATION_EVENT = EventEntityDescription(
    key="station_event",
    translation_key="station_event",
    entity_category=EntityCategory.DIAGNOSTIC,
    event_types=[kind.value for kind in StationEventKind],
)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: ForecourtConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Set up the events."""
    await add_as_they_come(entry, async_add_entities, Makers(station=_of_station, evse=_of_evse))


def _of_station(hub: Hub, coordinator: StationCoordinator) -> list[EventEntity]:
    return [
        TokenPresentedEvent(hub, coordinator, TOKEN_PRESENTED),
        StationEventEntity(hub, coordinator, STATION_EVENT),
    ]


def _of_evse(hub: Hub, coordinator: StationCoordinator, evse: EvseId) -> list[EventEntity]:
    return [SessionEventEntity(hub, coordinator, evse, SESSION)]


class PersonalEvent(StationEntity, EventEntity):
    """An event that also tells about a person, as long as the site shares such data.

    What is personal stands beside the event's own attributes: so it can be taken
    back, and is not restored after a restart.
    """

    _personal: dict[str, Any] | None = None

    @override
    async def async_added_to_hass(self) -> None:
        """Follow what the site shares."""
        await super().async_added_to_hass()
        self.async_on_remove(self.hub.privacy_changed.connect(self._privacy_changed))

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any] | None:
        """Return what is personal."""
        return None if self.hub.private else self._personal

    @callback
    def _tell(self, event_type: str, attributes: dict[str, Any], personal: dict[str, Any]) -> None:
        """Write the event at once; each one counts, also if it looks like the last."""
        self._personal = personal
        self._trigger_event(event_type, attributes)
        self.async_write_ha_state()

    @callback
    def _privacy_changed(self, private: bool) -> None:
        if private:
            self._personal = None
            self.async_write_ha_state()


class SessionEventEntity(PersonalEvent, EvseEntity):
    """A session of the outlet started to charge, or was closed."""

    @override
    async def async_added_to_hass(self) -> None:
        """Follow the books."""
        await super().async_added_to_hass()
        self.async_on_remove(self.hub.site.books.session_event.connect(self._session_event))

    @callback
    def _session_event(self, event: SessionEvent) -> None:
        session = event.session
        if session.evse != self.evse:
            return
        self._tell(
            event.phase.value,
            {
                "station": self.hub.station_name(session.evse.station_id),
                "evse": session.evse.number,
                "session_id": session.id,
                "energy_wh": session.energy_wh,
                "cost": None if session.cost is None else f"{session.cost:.2f}",
                "currency": session.currency,
                "start": session.started_at.isoformat(),
                "end": session.ended_at.isoformat() if session.ended_at else None,
            },
            {"user": self.hub.user_name(session.user_id)},
        )


class TokenPresentedEvent(PersonalEvent):
    """A token was shown at the station: OCPP 1.6 does not say at which outlet."""

    @override
    async def async_added_to_hass(self) -> None:
        """Follow the desk."""
        await super().async_added_to_hass()
        self.async_on_remove(self.hub.site.desk.tapped.connect(self._tapped))

    @callback
    def _tapped(self, tap: Tap) -> None:
        if tap.station_id != self.coordinator.station_id:
            return
        answer = tap.authorization
        self._tell(
            ACCEPTED if answer.accepted else REFUSED,
            {"reason": answer.reason.value},
            {"last4": tap.last4, "user": self.hub.user_name(answer.user_id)},
        )


class StationEventEntity(StationEntity, EventEntity):
    """The station told something about itself: its security, its firmware, its diagnostics."""

    @override
    async def async_added_to_hass(self) -> None:
        """Follow the site."""
        await super().async_added_to_hass()
        self.async_on_remove(self.hub.site.happened_signal.connect(self._happened))

    @callback
    def _happened(self, event: StationEvent) -> None:
        if event.station_id == self.coordinator.station_id:
            # At once, since each one counts.
            self._trigger_event(event.kind.value, {"what": event.what, "detail": event.detail})
            self.async_write_ha_state()
