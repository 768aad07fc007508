"""The device model: components with variables, as the server sees them (OCPP 2.0.1 block B)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
import re
from typing import Any, Literal, NamedTuple

from ..frames import Payload

type GetStatus = Literal[
    "Accepted", "Rejected", "UnknownComponent", "UnknownVariable", "NotSupportedAttributeType"
]
type SetStatus = GetStatus | Literal["RebootRequired"]
type Mutability = Literal["ReadOnly", "WriteOnly", "ReadWrite"]

_KEY = re.compile(
    r"(?P<component>[^.:\[\]]+)(?:\[(?P<component_instance>[^\]]*)\])?"
    r"(?::(?P<evse>\d+)(?::(?P<connector>\d+))?)?"
    r"\.(?P<variable>[^.:\[\]]+)(?:\[(?P<variable_instance>[^\]]*)\])?"
)


class Place(NamedTuple):
    """Where a variable is: its component, of the station, an EVSE or a connector."""

    component: str
    component_instance: str | None
    evse: int | None
    connector: int | None

    @property
    def key(self) -> tuple[str, str | None, int | None, int | None]:
        """What makes it the same as another one: names ignore case."""
        instance = self.component_instance
        folded = None if instance is None else instance.casefold()
        return self.component.casefold(), folded, self.evse, self.connector

    @classmethod
    def parse(cls, component: Payload) -> Place:
        """Read a ComponentType."""
        evse = component.get("evse", {})
        return cls(
            component["name"], component.get("instance"), evse.get("id"), evse.get("connectorId")
        )

    def wire(self) -> Payload:
        """Return the ComponentType."""
        wire: Payload = {"name": self.component}
        if self.component_instance is not None:
            wire["instance"] = self.component_instance
        if self.evse is not None:
            wire["evse"] = {"id": self.evse}
            if self.connector is not None:
                wire["evse"]["connectorId"] = self.connector
        return wire


@dataclass(slots=True)
class Variable:
    """One variable, with its attribute Actual."""

    place: Place
    name: str
    value: str | Callable[[], str]
    """A function for what is measured rather than set."""
    mutability: Mutability = "ReadWrite"
    data_type: str = "string"
    instance: str | None = None
    unit: str | None = None
    least: float | None = None
    most: float | None = None
    choices: tuple[str, ...] = ()
    reboot: bool = False
    """Whether a change takes effect only after a reboot."""
    constant: bool = False
    monitored: bool = False
    """Whether the server may ask to be told of changes."""
    check: Callable[[str], bool] = field(default=lambda _: True)

    @property
    def key(self) -> tuple[Any, ...]:
        """What makes it the same as another one."""
        folded = None if self.instance is None else self.instance.casefold()
        return (*self.place.key, self.name.casefold(), folded)

    @property
    def actual(self) -> str:
        """The value now."""
        return self.value() if callable(self.value) else self.value

    def wire_name(self) -> Payload:
        """Return the VariableType."""
        return _variable(self.name, self.instance)

    def takes(self, value: str) -> bool:
        """Whether a value fits the characteristics."""
        match self.data_type:
            case "boolean":
                fits = value.lower() in ("true", "false")
            case "integer" | "decimal":
                fits = self._in_range(value)
            case "OptionList":
                fits = value in self.choices
            case "MemberList" | "SequenceList":
                parts = split(value)
                fits = all(part in self.choices for part in parts) or not self.choices
                fits = fits and len(parts) == len(set(parts))
            case _:
                fits = True
        return fits and self.check(value)

    def report(self) -> Payload:
        """Return the ReportDataType."""
        attribute: Payload = {
            "type": "Actual",
            "mutability": self.mutability,
            "persistent": not callable(self.value),
            "constant": self.constant,
        }
        if self.mutability != "WriteOnly":
            attribute["value"] = self.actual
        characteristics: Payload = {
            "dataType": self.data_type,
            "supportsMonitoring": self.monitored,
        }
        for name, found in (
            ("unit", self.unit),
            ("minLimit", self.least),
            ("maxLimit", self.most),
            ("valuesList", ",".join(self.choices) or None),
        ):
            if found is not None:
                characteristics[name] = found
        return {
            "component": self.place.wire(),
            "variable": self.wire_name(),
            "variableAttribute": [attribute],
            "variableCharacteristics": characteristics,
        }

    def _in_range(self, value: str) -> bool:
        try:
            number = int(value) if self.data_type == "integer" else float(value)
        except ValueError:
            return False
        return (self.least is None or number >= self.least) and (
            self.most is None or number <= self.most
        )


class Variables:
    """All variables of one station. They survive a reboot."""

    def __init__(self, given: Iterable[Variable], changes: Mapping[str, str | None]) -> None:
        """Take the defaults, then what `changes` says; ValueError for a bad name or value."""
        self._all = {variable.key: variable for variable in given}
        for name, value in changes.items():
            where = key(name)
            variable = self._all.get(where)
            if variable is None:
                raise ValueError(f"no variable {name}")
            if value is None:
                del self._all[where]
            elif not variable.takes(value):
                raise ValueError(f"variable {name} cannot be {value!r}")
            else:
                variable.value = value

    def __iter__(self) -> Iterator[Variable]:
        """Return all variables."""
        return iter(list(self._all.values()))

    def has(self, name: str) -> bool:
        """Whether there is a variable; names as in `key`."""
        return key(name) in self._all

    def text(self, name: str, default: str = "") -> str:
        """Return a value as it is."""
        found = self._all.get(key(name))
        return default if found is None else found.actual

    def flag(self, name: str, *, default: bool = False) -> bool:
        """Return a boolean."""
        return self.text(name, str(default)).lower() == "true"

    def number(self, name: str, default: int = 0) -> int:
        """Return an integer."""
        return int(self.text(name, str(default)))

    def names(self, name: str) -> tuple[str, ...]:
        """Return a comma-separated list."""
        return split(self.text(name))

    def set(self, name: str, value: str) -> None:
        """Set a variable from inside, read-only or not; nothing if there is none."""
        found = self._all.get(key(name))
        if found is not None:
            found.value = value

    def find(self, place: Place, name: str, instance: str | None) -> Variable | None:
        """Return a variable, None if there is none."""
        folded = None if instance is None else instance.casefold()
        return self._all.get((*place.key, name.casefold(), folded))

    def lookup(self, wanted: Payload) -> Variable | Literal["UnknownComponent", "UnknownVariable"]:
        """Return the variable that a component and a variable name, or which of them is unknown."""
        place = Place.parse(wanted["component"])
        variable = wanted["variable"]
        found = self.find(place, variable["name"], variable.get("instance"))
        if found is not None:
            return found
        there = any(one.place.key == place.key for one in self._all.values())
        return "UnknownVariable" if there else "UnknownComponent"

    def get(self, wanted: Payload) -> Payload:
        """Answer one element of a GetVariables (B06)."""
        found = self.lookup(wanted)
        kind = wanted.get("attributeType", "Actual")
        value = None
        status: GetStatus
        if not isinstance(found, Variable):
            status = found
        elif kind != "Actual":
            status = "NotSupportedAttributeType"
        elif found.mutability == "WriteOnly":
            status = "Rejected"
        else:
            status, value = "Accepted", found.actual
        answer = _echo(wanted, status)
        return answer if value is None else {**answer, "attributeValue": value}

    def change(self, wanted: Payload) -> tuple[Payload, Variable | None]:
        """Answer one element of a SetVariables (B05), with what has changed."""
        found = self.lookup(wanted)
        changed = None
        status: SetStatus
        if not isinstance(found, Variable):
            status = found
        elif wanted.get("attributeType", "Actual") != "Actual":
            status = "NotSupportedAttributeType"
        elif found.mutability == "ReadOnly" or not found.takes(wanted["attributeValue"]):
            status = "Rejected"
        else:
            found.value = wanted["attributeValue"]
            status = "RebootRequired" if found.reboot else "Accepted"
            changed = found
        return _echo(wanted, status), changed


def key(name: str) -> tuple[Any, ...]:
    """Read `Component[Instance]:evse:connector.Variable[Instance]`; ValueError if it is none."""
    found = _KEY.fullmatch(name)
    if found is None:
        raise ValueError(f"{name!r} is not Component.Variable")
    evse, connector = found["evse"], found["connector"]
    place = Place(
        found["component"],
        found["component_instance"],
        None if evse is None else int(evse),
        None if connector is None else int(connector),
    )
    instance = found["variable_instance"]
    folded = None if instance is None else instance.casefold()
    return (*place.key, found["variable"].casefold(), folded)


def split(value: str) -> tuple[str, ...]:
    """Return the parts of a comma-separated list."""
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _variable(name: str, instance: str | None) -> Payload:
    return {"name": name} if instance is None else {"name": name, "instance": instance}


def _echo(wanted: Payload, status: str) -> Payload:
    return {
        "attributeStatus": status,
        "attributeType": wanted.get("attributeType", "Actual"),
        "component": wanted["component"],
        "variable": wanted["variable"],
    }
