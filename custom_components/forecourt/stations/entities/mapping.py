"""Which entities of a device tell what, and take which orders.

Profiles of `protocol: entities` name an entity by domain and translation key, which are the same
in every installation (`sensor.cp_state`); `resolve` puts the entities of one device in their
place. `guess` is for devices of integrations that no profile knows: it goes by domain, device
class and unit, and the user has the last word.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from ..declarative.profile import Order, OrderSpec, Profile, ReadingSpec, Role, Write


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One entity of a device. `key` is its translation key, `counts` whether it only grows."""

    entity_id: str
    domain: str
    unique_id: str
    platform: str
    key: str | None = None
    device_class: str | None = None
    unit: str | None = None
    counts: bool = False


def resolve(profile: Profile, found: Iterable[Found]) -> Profile:
    """Return the profile with the entities of a device in the place of their keys.

    What the device does not have is left out, orders with all of their writes.
    """
    entities = list(found)
    readings: dict[Role, ReadingSpec] = {}
    for role, reading in profile.readings.items():
        if (entity_id := _find(str(reading.source), entities)) is not None:
            readings[role] = replace(reading, source=entity_id)
    orders: dict[Order, OrderSpec] = {}
    for order, spec in profile.orders.items():
        writes = [_resolved(write, entities) for write in spec.writes]
        if all(write is not None for write in writes):
            read_back = spec.read_back if spec.read_back in readings else None
            known = tuple(write for write in writes if write is not None)
            orders[order] = replace(spec, writes=known, read_back=read_back)
    return replace(profile, readings=readings, orders=orders)


def _resolved(write: Write, entities: Iterable[Found]) -> Write | None:
    entity_id = _find(str(write.target), entities)
    return None if entity_id is None else replace(write, target=entity_id)


def _find(name: str, entities: Iterable[Found]) -> str | None:
    """Return the entity that is meant; one named after its device class has no translation key."""
    domain, key = name.split(".", 1)
    for one in entities:
        if one.domain == domain and (
            one.key == key or (one.key is None and one.unique_id.endswith((f"_{key}", f"-{key}")))
        ):
            return one.entity_id
    return None


# In this order, the first entity that fits is suggested.
_READINGS: tuple[tuple[Role, str, str | None, bool], ...] = (
    (Role.POWER_W, "sensor", "power", False),
    (Role.ENERGY_WH, "sensor", "energy", True),
    (Role.CURRENT_A, "sensor", "current", False),
    (Role.VOLTAGE_V_1, "sensor", "voltage", False),
    (Role.SOC_PERCENT, "sensor", "battery", False),
    (Role.PLUGGED, "binary_sensor", "plug", False),
    (Role.CHARGING, "binary_sensor", "battery_charging", False),
)
_CURRENT_UNITS = ("A", "mA")


def guess(found: Iterable[Found]) -> dict[Role | Order, str]:
    """Return a suggestion for each thing that one entity alone can be meant for.

    Where two could be meant, nothing is suggested: a wrong guess charges wrongly.
    """
    entities = list(found)
    suggested: dict[Role | Order, str] = {}
    for role, domain, device_class, counts in _READINGS:
        fitting = [
            one
            for one in entities
            if one.domain == domain
            and one.device_class == device_class
            and (one.counts or not counts)
        ]
        _only(suggested, role, fitting)
    numbers = [one for one in entities if one.domain == "number" and one.unit in _CURRENT_UNITS]
    _only(suggested, Order.LIMIT_A, numbers)
    _only(suggested, Order.PAUSE, [one for one in entities if one.domain == "switch"])
    return suggested


def _only(suggested: dict[Role | Order, str], what: Role | Order, fitting: list[Found]) -> None:
    if len(fitting) == 1:
        suggested[what] = fitting[0].entity_id
