"""The devices: the site, its stations with their outlets, and its users.

Entities do not describe their devices, they are given them: a station goes on
telling about itself after its entities are there.
"""

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.helpers.typing import UNDEFINED

from .const import CONF_STATION_ID, CONF_USER_ID, DOMAIN
from .core.model.ids import EvseId
from .core.model.station import StationInfo

KEY_CURRENT_USER = "current_user"
"""The entity of an outlet that tells nothing but who charges."""

_STATION, _EVSE, _USER = "station_", "evse_", "user_"


@callback
def register_site(hass: HomeAssistant, entry: ConfigEntry) -> dr.DeviceEntry:
    """Return the device of the site."""
    return dr.async_get(hass).async_get_or_create(
        config_entry_id=entry.entry_id,
        identifiers={(DOMAIN, entry.entry_id)},
        entry_type=dr.DeviceEntryType.SERVICE,
        name=entry.title,
    )


@callback
def register_station(
    hass: HomeAssistant, entry: ConfigEntry, subentry: ConfigSubentry, info: StationInfo
) -> dr.DeviceEntry:
    """Return the device of a station; what the station did not tell is left as it was."""
    return dr.async_get(hass).async_get_or_create(
        config_entry_id=entry.entry_id,
        config_subentry_id=subentry.subentry_id,
        identifiers={(DOMAIN, f"{_STATION}{subentry.data[CONF_STATION_ID]}")},
        manufacturer=info.vendor or UNDEFINED,
        model=info.model or UNDEFINED,
        name=subentry.title,
        serial_number=info.serial or UNDEFINED,
        sw_version=info.firmware or UNDEFINED,
        via_device_id=register_site(hass, entry).id,
    )


@callback
def forget_box(hass: HomeAssistant, station_id: str) -> None:
    """Forget what the device of a station told about itself: another box takes its place."""
    registry = dr.async_get(hass)
    device = registry.async_get_device({(DOMAIN, f"{_STATION}{station_id}")})
    if device is not None:
        registry.async_update_device(
            device.id, manufacturer=None, model=None, serial_number=None, sw_version=None
        )


@callback
def register_evse(
    hass: HomeAssistant, station: dr.DeviceEntry, evse: EvseId
) -> dr.ChildDeviceEntry:
    """Return the device of an EVSE, a part of its station's."""
    return dr.async_get(hass).async_get_or_create_child(
        config_entry_id=station.config_entry_id,
        config_subentry_id=station.config_subentry_id,
        identifiers={(DOMAIN, f"{_EVSE}{evse}")},
        parent_device_id=station.id,
        translation_key="evse",
        translation_placeholders={"number": str(evse.number)},
    )


@callback
def register_user(
    hass: HomeAssistant, entry: ConfigEntry, subentry: ConfigSubentry
) -> dr.DeviceEntry:
    """Return the device of a user."""
    return dr.async_get(hass).async_get_or_create(
        config_entry_id=entry.entry_id,
        config_subentry_id=subentry.subentry_id,
        identifiers={(DOMAIN, f"{_USER}{subentry.data[CONF_USER_ID]}")},
        entry_type=dr.DeviceEntryType.SERVICE,
        name=subentry.title,
    )


@callback
def forget_persons(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Remove the devices and entities that are about persons."""
    devices, entities = dr.async_get(hass), er.async_get(hass)
    for device in dr.async_entries_for_config_entry(devices, entry.entry_id):
        if _name(device).startswith(_USER):
            devices.async_remove_device(device.id)
    for entity in er.async_entries_for_config_entry(entities, entry.entry_id):
        if entity.translation_key == KEY_CURRENT_USER:
            entities.async_remove(entity.entity_id)


def station_of(device: dr.AnyDeviceEntry) -> str | None:
    """Return the identity of the station that the device is, `None` for any other device."""
    name = _name(device)
    return name.removeprefix(_STATION) if name.startswith(_STATION) else None


def evse_of(device: dr.AnyDeviceEntry) -> EvseId | None:
    """Return the EVSE that the device is, `None` for any other device."""
    name = _name(device)
    if not name.startswith(_EVSE):
        return None
    station_id, _, number = name.removeprefix(_EVSE).rpartition("/")
    return EvseId(station_id, int(number))


def _name(device: dr.AnyDeviceEntry) -> str:
    return next((name for domain, name in device.identifiers if domain == DOMAIN), "")
