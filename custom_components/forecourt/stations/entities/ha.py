"""A link over the entities of another integration."""

from collections.abc import Callable
import math
from typing import override

from homeassistant.const import (
    ATTR_ENTITY_ID,
    ATTR_UNIT_OF_MEASUREMENT,
    STATE_OFF,
    STATE_ON,
    STATE_UNAVAILABLE,
    STATE_UNKNOWN,
    UnitOfElectricCurrent,
    UnitOfElectricPotential,
    UnitOfEnergy,
    UnitOfPower,
)
from homeassistant.core import CALLBACK_TYPE, Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.event import async_track_state_change_event
from homeassistant.util.unit_conversion import (
    BaseUnitConverter,
    ElectricCurrentConverter,
    ElectricPotentialConverter,
    EnergyConverter,
    PowerConverter,
)

from ..declarative.library import Library
from ..declarative.link import Link, LinkError, LinkFault, Sample
from ..declarative.profile import Order, Profile, Role, Scalar, Transform, Write
from ..declarative.transform import UnmappedError, decode, encode
from .mapping import Found, resolve

_UNITS: tuple[tuple[str, type[BaseUnitConverter], str], ...] = (
    ("energy_wh", EnergyConverter, UnitOfEnergy.WATT_HOUR),
    ("session_energy_wh", EnergyConverter, UnitOfEnergy.WATT_HOUR),
    ("power_w", PowerConverter, UnitOfPower.WATT),
    ("limit_w", PowerConverter, UnitOfPower.WATT),
    ("fallback_w", PowerConverter, UnitOfPower.WATT),
    ("current_a", ElectricCurrentConverter, UnitOfElectricCurrent.AMPERE),
    ("limit_a", ElectricCurrentConverter, UnitOfElectricCurrent.AMPERE),
    ("fallback_a", ElectricCurrentConverter, UnitOfElectricCurrent.AMPERE),
    ("voltage_v", ElectricPotentialConverter, UnitOfElectricPotential.VOLT),
)
_TOLD_BY_NUMBER = {"number": "set_value", "input_number": "set_value"}
_TOLD_BY_OPTION = {"select": "select_option", "input_select": "select_option"}
_ON_OFF = ("switch", "input_boolean", "light")
_PRESSED = {"button": "press", "input_button": "press", "scene": "turn_on", "script": "turn_on"}


class EntitiesLink(Link):
    """Reads states and calls the actions that change them.

    An entity that is unavailable is unknown; a station all of whose entities are unavailable
    is not connected. Values are converted from the unit in which the entity is shown, which a
    user may change at any time.
    """

    def __init__(self, hass: HomeAssistant, profile: Profile) -> None:
        """Take a profile whose sources are entity ids; sources of other kinds are none of ours."""
        self._hass = hass
        self._profile = profile
        self._sources = {role: str(spec.source) for role, spec in profile.readings.items()}

    @property
    @override
    def connected(self) -> bool:
        return any(self._state(entity_id) is not None for entity_id in self._sources.values())

    @override
    async def open(self) -> None:
        if not self.connected:
            raise LinkError(LinkFault.TIMEOUT, "unavailable")

    @override
    async def close(self) -> None:
        """Nothing is held."""

    @override
    def has(self, what: Role | Order) -> bool:
        if isinstance(what, Order):
            return what in self._profile.orders
        return what in self._profile.readings

    @override
    async def read(self, *, slow: bool = False) -> Sample:
        if not self.connected:
            raise LinkError(LinkFault.TIMEOUT, "unavailable")
        values: dict[Role, Scalar | None] = {}
        unknown: dict[Role, Scalar] = {}
        for role, entity_id in self._sources.items():
            raw = self._state(entity_id)
            try:
                values[role] = None if raw is None else self._value(role, entity_id, raw)
            except UnmappedError:
                values[role] = None
                unknown[role] = raw or ""
        return Sample(outlets={1: values}, unknown=unknown)

    def _value(self, role: Role, entity_id: str, raw: str) -> Scalar | None:
        transform = self._profile.readings[role].transform
        if role in (Role.PLUGGED, Role.CHARGING, Role.ENABLED) and raw in (STATE_ON, STATE_OFF):
            return raw == STATE_ON
        number = _number(raw)
        value = decode(transform, raw if number is None or transform.map else number)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return value
        return self._converted(role.value, entity_id, value)

    def _converted(self, name: str, entity_id: str, value: float, *, back: bool = False) -> float:
        state = self._hass.states.get(entity_id)
        shown = state.attributes.get(ATTR_UNIT_OF_MEASUREMENT) if state else None
        for prefix, converter, ours in _UNITS:
            if name.startswith(prefix) and shown in converter.VALID_UNITS:
                units = (ours, shown) if back else (shown, ours)
                return converter.convert(value, *units)
        return value

    def _state(self, entity_id: str) -> str | None:
        state = self._hass.states.get(entity_id)
        if state is None or state.state in (STATE_UNAVAILABLE, STATE_UNKNOWN):
            return None
        return state.state

    @override
    async def tell(self, order: Order, value: Scalar | None = None, *, outlet: int = 1) -> None:
        spec = self._profile.orders.get(order)
        if spec is None:
            raise LinkError(LinkFault.NOT_SUPPORTED, order.value)
        for write in spec.writes:
            await self._write(order, write, value)

    async def _write(self, order: Order, write: Write, value: Scalar | None) -> None:
        entity_id = str(write.target)
        told = write.value if write.value is not None else value
        if write.value is None and told is not None and write.transform != Transform():
            told = encode(write.transform, told)
        if write.value is None and isinstance(told, int | float) and not isinstance(told, bool):
            told = self._converted(order.value, entity_id, told, back=True)
        domain = entity_id.split(".", 1)[0]
        action, data = _action(domain, told)
        try:
            await self._hass.services.async_call(
                domain, action, {ATTR_ENTITY_ID: entity_id, **data}, blocking=True
            )
        except HomeAssistantError as error:
            raise LinkError(LinkFault.REFUSED, str(error)) from error

    @override
    def on_news(self, news: Callable[[], None]) -> CALLBACK_TYPE:
        @callback
        def changed(_: Event[EventStateChangedData]) -> None:
            news()

        return async_track_state_change_event(self._hass, set(self._sources.values()), changed)


def _action(domain: str, value: Scalar | None) -> tuple[str, dict[str, Scalar]]:
    """Return the action that brings an entity of the domain to the value, and its data."""
    if domain in _TOLD_BY_NUMBER and value is not None:
        return _TOLD_BY_NUMBER[domain], {"value": value}
    if domain in _TOLD_BY_OPTION and value is not None:
        return _TOLD_BY_OPTION[domain], {"option": value}
    if domain in _ON_OFF:
        return ("turn_on" if value in (True, "on") else "turn_off"), {}
    if domain in _PRESSED:
        return _PRESSED[domain], {}
    if domain == "lock":
        return ("lock" if value in (True, "lock") else "unlock"), {}
    raise LinkError(LinkFault.NOT_SUPPORTED, domain)


def _number(raw: str) -> float | None:
    try:
        value = float(raw)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def entities_of(hass: HomeAssistant, device_id: str) -> list[Found]:
    """Return the entities of a device, without those that are disabled."""
    entries = er.async_entries_for_device(er.async_get(hass), device_id)
    return [
        Found(
            entity_id=entry.entity_id,
            domain=entry.domain,
            unique_id=entry.unique_id,
            platform=entry.platform,
            key=entry.translation_key,
            device_class=entry.device_class or entry.original_device_class,
            unit=entry.unit_of_measurement,
            counts=(entry.capabilities or {}).get("state_class") == "total_increasing",
        )
        for entry in entries
    ]


async def device_profile(hass: HomeAssistant, library: Library, device_id: str) -> Profile | None:
    """Return the profile of a device of another integration, `None` where none knows it."""
    profiles = await hass.async_add_executor_job(library.all)
    found = entities_of(hass, device_id)
    platforms = {one.platform for one in found}
    for profile in profiles.values():
        if profile.integration in platforms:
            resolved = resolve(profile, found)
            if resolved.readings.keys() & {Role.STATUS, Role.PLUGGED, Role.CHARGING}:
                return resolved
    return None
