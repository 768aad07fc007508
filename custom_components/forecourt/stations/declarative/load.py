"""Profiles from YAML: the only place that makes them, so that all of them are right.

Everything that is wrong with a file is told at once, each with its line and what to do.
"""

from collections.abc import Callable, Mapping
from typing import Any

from . import checks, vocabulary
from .profile import (
    MODBUS,
    MQTT,
    Fingerprint,
    ModbusTransport,
    MqttTransport,
    Order,
    OrderSpec,
    Profile,
    ReadingSpec,
    Register,
    Role,
    Topic,
    Transform,
    Type,
    Watchdog,
    Write,
)
from .shapes import OneOf
from .tree import Node, Problem, ProfileError, Report, merge, parse

__all__ = ["Problem", "ProfileError", "load_profile"]

_DEEPEST_FAMILY = 4


def load_profile(text: str, *, name: str, base: Callable[[str], str] | None = None) -> Profile:
    """Return the profile that a YAML text describes.

    `name` is that of its file, with or without `.yaml`; the profile's id must be the same.
    `base` returns the text of the profile that `extends` names, and raises `KeyError` where there
    is none. Raises `ProfileError` with everything that is wrong.
    """
    stem = name.removesuffix(".yaml")
    root = _family(parse(text, f"{stem}.yaml"), base)
    report = Report(root)
    protocol = _protocol(root, report)
    if protocol is None:
        report.check()
    found = vocabulary.SHAPES[str(protocol)].found(root, (), report)
    if found.get("id", stem) not in (stem, None):
        report.wrong(("id",), f"It is named like its file: {stem}.")
    checks.check(found, root, report)
    report.check()
    return _profile(found)


def _family(root: Node, base: Callable[[str], str] | None) -> Node:
    """Return the tree laid over those that it extends. Raises `ProfileError`."""
    if not isinstance(root.value, dict):
        raise ProfileError(
            Problem(root.file, root.line, "", f"a mapping is wanted, not {root.show()}.")
        )
    layers = [root]
    while extends := _extended(layers[-1]):
        wanted, line = str(extends.value), extends.line
        if base is None or len(layers) > _DEEPEST_FAMILY:
            why = "Nothing can be extended here." if base is None else "This never ends."
            raise ProfileError(Problem(extends.file, line, "extends", why))
        try:
            text = base(wanted)
        except KeyError:
            why = f"No profile {wanted!r} comes with Forecourt."
            raise ProfileError(Problem(extends.file, line, "extends", why)) from None
        layers.append(parse(text, f"{wanted}.yaml"))
    tree = layers.pop()
    for over in reversed(layers):
        # A profile has its own name, whatever it extends.
        inherited = {k: v for k, v in _members(tree).items() if k not in ("id", "extends")}
        tree = merge(Node(inherited, tree.file, tree.line), over)
    return tree


def _members(node: Node) -> Mapping[Any, Node]:
    return node.value if isinstance(node.value, dict) else {}


def _extended(node: Node) -> Node | None:
    extends = _members(node).get("extends")
    return extends if extends is not None and isinstance(extends.value, str) else None


def _protocol(root: Node, report: Report) -> str | None:
    """Return how the box is spoken to: that decides what all else must look like."""
    node = _members(root).get("protocol")
    if node is None:
        report.wrong(("protocol",), "It is missing.")
        return None
    protocol: str | None = OneOf(vocabulary.PROTOCOLS, "protocol").read(node, ("protocol",), report)
    return protocol


def _profile(found: Mapping[str, Any]) -> Profile:
    protocol: str = found["protocol"]
    connectors = found.get("connectors", {})
    current = found.get("current_a", {})
    default = connectors.get("default", 1)
    values = {
        key: found[key]
        for key in (
            *("id", "vendor", "models", "protocol", "confidence", "sources", "phases"),
            *("has_rfid", "mdns", "integration", "write_access_hint", "notes"),
        )
        if key in found
    }
    if "min" in current:
        values["min_current_a"] = current["min"]
    if "max" in current:
        values["max_current_a"] = current["max"]
    return Profile(
        **values,
        connectors=default,
        max_connectors=connectors.get("max", default),
        transport=_transport(protocol, found.get("transport", {})),
        readings={role: _reading(protocol, role, spec) for role, spec in found["readings"].items()},
        orders={
            order: _order(protocol, order, spec, current)
            for order, spec in found.get("orders", {}).items()
        },
        watchdog=Watchdog(**found["watchdog"]) if "watchdog" in found else None,
        fingerprint=Fingerprint(**found["fingerprint"]) if "fingerprint" in found else None,
    )


def _transport(protocol: str, spec: Mapping[str, Any]) -> ModbusTransport | MqttTransport | None:
    if protocol == MODBUS:
        return ModbusTransport(**spec)
    if protocol == MQTT:
        rest = dict(spec)
        availability = rest.pop("availability", None)
        return MqttTransport(availability=Topic(**availability) if availability else None, **rest)
    return None


def _reading(protocol: str, role: Role, spec: Mapping[str, Any]) -> ReadingSpec:
    rules = _picked(spec, vocabulary.TRANSFORM_KEYS)
    if role in checks.BOOLEANS and not rules.keys() & {"map", "bit"}:
        rules["map"] = {0: False, 1: True}
    if protocol == MODBUS:
        _by_value(rules, checks.type_of(spec))
    return ReadingSpec(
        role=role,
        source=_place(protocol, spec),
        transform=Transform(numeric=role in checks.NUMBERS, **rules),
        **_picked(spec, vocabulary.READING_KEYS),
    )


def _by_value(rules: dict[str, Any], kind: Type) -> None:
    """Turn what a signed register holds, given by its bits (0x8000), into its value (-32768)."""
    bounds = checks.bounds_of(kind)
    if bounds is None or not bounds[0] or rules.keys() & {"shift", "mask", "bit"}:
        return
    low, high = bounds

    def value(raw: int) -> int:
        return raw + 2 * low if raw > high else raw

    if "none" in rules:
        rules["none"] = tuple(map(value, rules["none"]))
    if "map" in rules and "pattern" not in rules:
        rules["map"] = {value(raw): meaning for raw, meaning in rules["map"].items()}


def _order(
    protocol: str, order: Order, spec: Mapping[str, Any], current: Mapping[str, Any]
) -> OrderSpec:
    rest = dict(spec)
    writes = rest.pop("write")
    rest |= checks.bounds_of_order(order, spec, current)
    return OrderSpec(order=order, writes=tuple(_write(protocol, write) for write in writes), **rest)


def _write(protocol: str, spec: Mapping[str, Any]) -> Write:
    rest = _picked(
        spec,
        frozenset(
            {
                *("function", "payload", "retain", "qos", "acknowledge", "acknowledged"),
                *("value", "memory", "delay_s"),
            }
        ),
    )
    if protocol == MQTT:
        rest.setdefault("payload", "{value}")
    transform = Transform(**_picked(spec, frozenset({"map", "scale", "offset"})))
    return Write(target=_place(protocol, spec), transform=transform, **rest)


def _place(protocol: str, spec: Mapping[str, Any]) -> Register | Topic | str:
    """Return where a value is read or written."""
    if protocol == MODBUS:
        kind = checks.type_of(spec)
        return Register(
            space=spec["register"],
            address=spec["address"],
            type=kind,
            count=kind.registers or spec["count"],
            unit=spec.get("unit_id"),
            **_picked(spec, frozenset({"order", "swapped", "connector_step", "alone"})),
        )
    if protocol == MQTT:
        return Topic(**_picked(spec, frozenset({"topic", "path", "json"})))
    entity: str = spec["entity"]
    return entity


def _picked(spec: Mapping[str, Any], keys: frozenset[str]) -> dict[str, Any]:
    return {key: value for key, value in spec.items() if key in keys}
