"""What YAML's shape cannot say: whether the parts of a profile fit each other.

Parts that are wrong in themselves have been reported and are missing or `None` here, so that one
mistake is told once.
"""

from collections.abc import Iterable, Iterator, Mapping
from math import inf
import re
from typing import Any

from ...core.model.evse import EvseStatus
from .firmware import version_of
from .profile import MODBUS, MQTT, Memory, ModbusTransport, Order, Role, Scalar, Space, Type
from .tree import Node, Path, Report

type Spec = Mapping[str, Any]

BOOLEANS = frozenset({Role.PLUGGED, Role.CHARGING, Role.ENABLED})
TEXTS = frozenset(
    {Role.ERROR, Role.TOKEN, Role.VENDOR, Role.MODEL, Role.SERIAL, Role.FIRMWARE, Role.PROBE}
)
NUMBERS = frozenset(Role) - BOOLEANS - TEXTS - {Role.STATUS}
VALUED = frozenset({Order.LIMIT_A, Order.LIMIT_W, Order.PHASES, Order.FALLBACK_A, Order.WATCHDOG_S})
"""Orders that have a value of their own."""

_TEXT_TYPES = frozenset({Type.ASCII, Type.UTF16, Type.HEX})
_FLOATS = frozenset({Type.F32, Type.F64})
_SIGNED = frozenset({Type.I16, Type.I32, Type.I64})
_BIT_TABLES = frozenset({Space.COIL, Space.DISCRETE})
_FUNCTIONS = {Space.COIL: (5, 15), Space.HOLDING: (6, 16)}
_LEAST_A, _MOST_A = 6, 32
_STATUSES = frozenset(EvseStatus)
_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_IN_TOPIC = frozenset({"id", "prefix", "connector"})
_IN_PAYLOAD = _IN_TOPIC | {"value", "now"}


def check(found: Spec, root: Node, report: Report) -> None:
    """Report whatever does not fit in a profile, given as read by `vocabulary`."""
    readings: Mapping[Role, Spec] = found.get("readings") or {}
    orders: Mapping[Order, Spec] = found.get("orders") or {}
    for role, spec in readings.items():
        _Reading(role, spec, ("readings", role.value), report).check(found)
    for order, spec in orders.items():
        path: Path = ("orders", order.value)
        _check_order(order, spec, found["protocol"], path, report)
        bounds = bounds_of_order(order, spec, found.get("current_a") or {})
        if bounds.get("minimum", 0) > bounds.get("maximum", inf):
            report.wrong((*path, "minimum"), "It is more than the maximum.")
    # What is there but wrong is not missing as well.
    told = _named(root, "readings")
    can = _named(root, "orders")
    _check_roles(found, told, orders, report)
    _check_pausing(can, orders, report)
    _check_watchdog(found, told, can, orders, report)
    _check_transport(found, report)
    for key, low, high in (("current_a", "min", "max"), ("connectors", "default", "max")):
        bounds = found.get(key) or {}
        if bounds.get(low, 1) > bounds.get(high, 500):
            report.wrong((key, high), f"It is less than {low}.")


def type_of(spec: Spec) -> Type:
    """Return the type of a register, which need not be told where there is only one."""
    kind: Type = spec.get("type", Type.BIT if spec["register"] in _BIT_TABLES else Type.U16)
    return kind


class _Reading:
    """Checks one reading."""

    def __init__(self, role: Role, spec: Spec, path: Path, report: Report) -> None:
        self._role = role
        self._spec = spec
        self._path = path
        self._report = report

    def _wrong(self, key: str, text: str) -> None:
        self._report.wrong((*self._path, key), text)

    def check(self, found: Spec) -> None:
        spec = self._spec
        self._check_meaning()
        _check_firmware(spec, self._path, self._report)
        if "bit" in spec and spec.keys() & {"shift", "mask"}:
            self._wrong("bit", "Say 'bit' for one bit, or 'shift' and 'mask' for several.")
        if found["protocol"] == MQTT:
            _check_placeholders(spec["topic"], _IN_TOPIC, (*self._path, "topic"), self._report)
            _check_path(spec, self._path, self._report)
        elif found["protocol"] == MODBUS:
            self._check_register(found.get("transport") or {})

    def _check_meaning(self) -> None:
        spec, role = self._spec, self._role
        if "map" in spec and spec.keys() & {"scale", "offset"}:
            self._wrong("map", "Either a map or 'scale' and 'offset' make the value, not both.")
        if "default" in spec and "map" not in spec:
            self._wrong("default", "It is for what the map does not list; there is no map.")
        if role is Role.STATUS and "map" not in spec:
            words = ", ".join(sorted(_STATUSES))
            self._wrong("map", f"A status needs a map from what the box tells to: {words}.")
        meanings: list[tuple[Path, Scalar]] = [
            (("map", raw), value) for raw, value in (spec.get("map") or {}).items()
        ]
        if "default" in spec:
            meanings.append((("default",), spec["default"]))
        for path, value in meanings:
            if wanted := _wanted(role, value):
                self._report.wrong((*self._path, *path), f"{wanted}, not {value!r}.")

    def _check_register(self, transport: Spec) -> None:
        spec = self._spec
        kind = _check_place(spec, self._path, self._report)
        count = kind.registers or spec.get("count", 1)
        most = transport.get("max_registers", ModbusTransport().max_registers)
        if count > most:
            self._wrong("type", f"It takes {count} registers; this box gives {most} at once.")
        taken = spec.keys() & {"shift", "mask", "bit"}
        if taken and (kind in _TEXT_TYPES or kind in _FLOATS or kind is Type.BIT):
            self._wrong(min(taken), f"Only whole numbers have bits; the type is {kind}.")
        if "bit" in spec and spec["bit"] >= 16 * count:
            self._wrong("bit", f"A {kind} has no bit {spec['bit']}; the lowest is 0.")
        for index, raw in enumerate(spec.get("none", ())):
            _check_raw(raw, kind, (*self._path, "none", index), self._report)
        if not taken and "pattern" not in spec:
            for raw in spec.get("map") or {}:
                _check_raw(raw, kind, (*self._path, "map", raw), self._report)


def _wanted(role: Role, value: Scalar) -> str | None:
    """Return what a mapped value of a role ought to be, or `None` if it is."""
    if role is Role.STATUS:
        return None if value in _STATUSES else f"One of {', '.join(sorted(_STATUSES))} is wanted"
    if role in BOOLEANS:
        return None if isinstance(value, bool) else "true or false is wanted"
    if role is Role.PHASES:
        fits = value in (1, 2, 3) and not isinstance(value, bool)
        return None if fits else "1, 2 or 3 is wanted"
    if role in NUMBERS:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return None if number else "a number is wanted"
    return None


def _check_place(spec: Spec, path: Path, report: Report) -> Type:
    """Report what does not fit about a register, and return its type."""
    space: Space = spec["register"]
    kind = type_of(spec)
    if (kind is Type.BIT) is not (space in _BIT_TABLES):
        text = (
            f"A {space} holds one bit."
            if space in _BIT_TABLES
            else "A register is no bit; say which with 'bit'."
        )
        report.wrong((*path, "type"), text)
    if kind in _TEXT_TYPES:
        if "count" not in spec:
            report.wrong((*path, "count"), f"How many registers the {kind} takes is missing.")
    elif spec.get("count", kind.registers) != kind.registers:
        report.wrong((*path, "count"), f"A {kind} takes {kind.registers}; leave it out.")
    count = kind.registers or spec.get("count", 1)
    if spec["address"] + count > 0x10000:
        report.wrong((*path, "address"), "It goes beyond address 65535.")
    if "order" in spec and (count == 1 or kind in _TEXT_TYPES - {Type.HEX}):
        report.wrong((*path, "order"), "It is for numbers of several registers.")
    if spec.get("swapped") and kind is not Type.ASCII:
        report.wrong((*path, "swapped"), "It is for texts of type ascii.")
    return kind


def bounds_of(kind: Type) -> tuple[int, int] | None:
    """Return the least and the greatest raw value of a whole number, `None` for other types."""
    if kind in _TEXT_TYPES or kind in _FLOATS:
        return None
    bits = 1 if kind is Type.BIT else 16 * (kind.registers or 1)
    if kind in _SIGNED:
        return -(1 << bits - 1), (1 << bits - 1) - 1
    return 0, (1 << bits) - 1


def _check_raw(raw: Scalar, kind: Type, path: Path, report: Report) -> None:
    """Report a raw value that a register of a type never holds."""
    bounds = bounds_of(kind)
    if bounds is None:
        return
    low, high = bounds
    # A manual gives the value of a signed register as often by its bits (0x8000).
    if isinstance(raw, str) or not low <= raw <= high - low or raw != int(raw):
        report.wrong(path, f"A {kind} is never {raw!r}; it goes from {low} to {high}.")


def _check_order(order: Order, spec: Spec, protocol: str, path: Path, report: Report) -> None:
    _check_firmware(spec, path, report)
    if spec.get("zero_pauses") and order not in (Order.LIMIT_A, Order.LIMIT_W):
        report.wrong((*path, "zero_pauses"), "It is for limits.")
    takes = False
    for index, write in enumerate(spec["write"]):
        where = (*path, "write", index)
        carries = _carries(write, protocol)
        takes = takes or carries
        if carries and order not in VALUED | {Order.RENEW}:
            text = f"{order} has no value of its own; say which 'value' is written."
            report.wrong((*where, "value"), text)
        _check_write(write, order, protocol, where, report)
    if order in VALUED and not takes:
        report.wrong((*path, "write"), f"None of them writes the value of {order}.")


def bounds_of_order(order: Order, spec: Spec, current: Spec) -> dict[str, float]:
    """Return the bounds of an order's value; those of a current are the box's own if not told."""
    bounds = {key: spec[key] for key in ("minimum", "maximum") if key in spec}
    if order is Order.LIMIT_A:
        bounds.setdefault("minimum", current.get("min", _LEAST_A))
        bounds.setdefault("maximum", current.get("max", _MOST_A))
    return bounds


def _carries(write: Spec, protocol: str) -> bool:
    """Whether a write has the order's value in it."""
    if "value" in write:
        return False
    if protocol == MQTT:
        return "{value}" in write.get("payload", "{value}")
    # A button is pressed, whatever the value.
    return protocol == MODBUS or not str(write["entity"]).startswith("button.")


def _check_write(write: Spec, order: Order, protocol: str, path: Path, report: Report) -> None:
    _check_rules(write, order, path, report)
    if order is Order.RENEW and write.get("memory") is Memory.FLASH:
        report.wrong((*path, "memory"), "A flash register must not be written in a loop.")
    if protocol == MQTT:
        _check_message(write, path, report)
    elif protocol == MODBUS:
        kind = _check_place(write, path, report)
        _check_function(write, kind, path, report)
        if "value" in write:
            _check_raw(write["value"], kind, (*path, "value"), report)
        for raw in write.get("map") or {}:
            _check_raw(raw, kind, (*path, "map", raw), report)


def _check_rules(write: Spec, order: Order, path: Path, report: Report) -> None:
    """Report what does not fit about how a value becomes what is written."""
    rules = write.keys() & {"map", "scale", "offset"}
    if "value" in write and rules:
        text = "A fixed value is written as it is; leave out map, scale and offset."
        report.wrong((*path, min(rules)), text)
    if "map" in rules and len(rules) > 1:
        report.wrong((*path, "map"), "Either a map or 'scale' and 'offset', not both.")
    role = Role.PHASES if order is Order.PHASES else Role.LIMIT_A
    for raw, value in (write.get("map") or {}).items():
        if wanted := _wanted(role, value):
            report.wrong((*path, "map", raw), f"{wanted}, not {value!r}.")


def _check_message(write: Spec, path: Path, report: Report) -> None:
    """Report what does not fit about a message of MQTT."""
    _check_placeholders(write["topic"], _IN_TOPIC, (*path, "topic"), report)
    _check_placeholders(write.get("payload", ""), _IN_PAYLOAD, (*path, "payload"), report)
    if "acknowledge" in write:
        _check_placeholders(write["acknowledge"], _IN_TOPIC, (*path, "acknowledge"), report)
    elif "acknowledged" in write:
        report.wrong((*path, "acknowledge"), "Where it is acknowledged is missing.")


def _check_function(write: Spec, kind: Type, path: Path, report: Report) -> None:
    space: Space = write["register"]
    if space not in _FUNCTIONS:
        report.wrong((*path, "register"), f"A table {space} cannot be written.")
        return
    function, fitting = write["function"], _FUNCTIONS[space]
    if function not in fitting:
        text = f"A {space} is written by function {fitting[0]} or {fitting[1]}."
        report.wrong((*path, "function"), text)
    elif function == 6 and (count := kind.registers or write.get("count", 1)) > 1:
        text = f"Function 6 writes one register; a {kind} takes {count}: function 16."
        report.wrong((*path, "function"), text)


def _check_roles(
    found: Spec, told: frozenset[Scalar], orders: Mapping[Order, Spec], report: Report
) -> None:
    """Report roles that are referred to but not read."""
    if "readings" in found and not told & {Role.STATUS, Role.PLUGGED, Role.CHARGING}:
        report.wrong(("readings",), "One of status, plugged and charging is needed.")
    for order, spec in orders.items():
        role = spec.get("read_back")
        if role is not None and role not in told:
            path: Path = ("orders", order.value, "read_back")
            report.wrong(path, f"There is no reading {role}.")
    fingerprint = found.get("fingerprint") or {}
    for part in ("matches", "excludes"):
        for role in fingerprint.get(part) or {}:
            if role not in told:
                report.wrong(("fingerprint", part, role.value), f"There is no reading {role}.")
    if "matches" in fingerprint and not fingerprint["matches"]:
        report.wrong(("fingerprint", "matches"), "Nothing is matched; name a role.")


def _check_pausing(can: frozenset[Scalar], orders: Mapping[Order, Spec], report: Report) -> None:
    limits = [order for order in (Order.LIMIT_A, Order.LIMIT_W) if order in can]
    zero = any(orders.get(limit, {}).get("zero_pauses") for limit in limits)
    if Order.RESUME in can and Order.PAUSE not in can:
        report.wrong(("orders", "resume"), "There is no pause to resume from.")
    if Order.PAUSE in can and Order.RESUME not in can and not limits:
        report.wrong(("orders", "pause"), "Nothing ends a pause; add 'resume'.")
    if limits and not zero and Order.PAUSE not in can:
        text = "It cannot be paused: add the order 'pause', or 'zero_pauses: true'."
        report.wrong(("orders", limits[0].value), text)


def _check_watchdog(
    found: Spec,
    told: frozenset[Scalar],
    can: frozenset[Scalar],
    orders: Mapping[Order, Spec],
    report: Report,
) -> None:
    watchdog = found.get("watchdog")
    if not watchdog:
        return
    renewed_by = watchdog.get("renewed_by")
    where: Path = ("watchdog", "renewed_by")
    limits = [order for order in (Order.LIMIT_A, Order.LIMIT_W) if order in can]
    if renewed_by == "order" and Order.RENEW not in can:
        report.wrong(where, "There is no order 'renew'.")
    if renewed_by == "write":
        if not limits:
            report.wrong(where, "There is no limit to write.")
        for limit in limits:
            for index, write in enumerate(orders.get(limit, {}).get("write", ())):
                if write.get("memory") is Memory.FLASH:
                    path: Path = ("orders", limit.value, "write", index, "memory")
                    report.wrong(path, "A flash register must not be written in a loop.")
    if "timeout_s" not in watchdog and "watchdog_s" not in told | can:
        text = "After how long it falls back is missing: here, or as reading 'watchdog_s'."
        report.wrong(("watchdog", "timeout_s"), text)


def _check_transport(found: Spec, report: Report) -> None:
    transport = found.get("transport") or {}
    units = transport.get("connector_units")
    connectors = found.get("connectors") or {}
    most = connectors.get("max") or connectors.get("default") or 1
    if units is not None and len(units) != most:
        text = f"There are {most} connectors, so {most} unit ids are wanted."
        report.wrong(("transport", "connector_units"), text)
    for index, topic in enumerate(transport.get("discovery") or ()):
        if "+" not in topic.split("/") and "discovered_id" not in transport:
            text = "A '+' at the place of the id is missing, or a 'discovered_id'."
            report.wrong(("transport", "discovery", index), text)
    if "prefix" in transport:
        _check_placeholders(transport["prefix"], frozenset({"id"}), ("transport", "prefix"), report)
    if availability := transport.get("availability"):
        path: Path = ("transport", "availability")
        _check_placeholders(availability["topic"], _IN_TOPIC, (*path, "topic"), report)
        _check_path(availability, path, report)


def _check_path(spec: Spec, path: Path, report: Report) -> None:
    if spec.get("path") and spec.get("json") is False:
        report.wrong((*path, "path"), "Only JSON has a path.")
    for index, step in enumerate(spec.get("path") or ()):
        if isinstance(step, bool | float):
            report.wrong((*path, "path", index), "A key or an index is wanted.")


def _check_placeholders(
    text: str | None, known: frozenset[str], path: Path, report: Report
) -> None:
    for name in _placeholders(text or ""):
        if name not in known:
            shown = ", ".join(f"{{{each}}}" for each in sorted(known))
            report.wrong(path, f"{{{name}}} is not filled in here; known are {shown}.")


def _placeholders(text: str) -> Iterator[str]:
    return (found[1] for found in _PLACEHOLDER.finditer(text))


def _check_firmware(spec: Spec, path: Path, report: Report) -> None:
    low = version_of(spec.get("from_firmware") or "")
    high = version_of(spec.get("to_firmware") or "")
    if low is not None and high is not None and low >= high:
        report.wrong((*path, "to_firmware"), "It is not above 'from_firmware'.")


def _named(root: Node, section: str) -> frozenset[Scalar]:
    """Return the keys of a section, whether what they hold is right or not."""
    inside = root.value.get(section) if isinstance(root.value, dict) else None
    members: Iterable[tuple[Scalar, Node]] = ()
    if inside is not None and isinstance(inside.value, dict):
        members = inside.value.items()
    return frozenset(key for key, node in members if node.value is not None)
