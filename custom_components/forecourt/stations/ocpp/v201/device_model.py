"""The device model of OCPP 2.x: components, their variables, and what these hold.

A station tells it in reports of many messages (part 2, B06 to B08), and by GetVariables.
Names are compared without regard to case (identifierString, part 2 appendices).
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
import re
from typing import NamedTuple

from ..schema import Payload
from ..station import MAX_EVSES

MAX_VARIABLES = 4000
MAX_CHUNKS = 2000
MAX_CONNECTORS = 8
MAX_VALUE = 1000
ACTUAL = "Actual"

# Passwords and keys, and what tokens were read: no value of these is kept.
SECRET = re.compile(
    r"passw|passphrase|secret|psk|credential|key$|^pin$|^token$|vehicleid|masterpass", re.IGNORECASE
)


class Key(NamedTuple):
    """Names a variable; `evse` and `connector` are 0 where it belongs to none."""

    component: str
    variable: str
    instance: str = ""
    evse: int = 0
    connector: int = 0
    component_instance: str = ""

    @classmethod
    def of(cls, item: Payload) -> Key:
        """Return the key of anything with a `component` and a `variable`."""
        component, variable = item["component"], item["variable"]
        evse = component.get("evse", {})
        return cls(
            component=component["name"],
            variable=variable["name"],
            instance=variable.get("instance", ""),
            evse=evse.get("id", 0),
            connector=evse.get("connectorId", 0),
            component_instance=component.get("instance", ""),
        )

    @property
    def payload(self) -> Payload:
        """The `component` and the `variable` of a message."""
        component: Payload = {"name": self.component}
        variable: Payload = {"name": self.variable}
        if self.component_instance:
            component["instance"] = self.component_instance
        if self.evse:
            component["evse"] = {"id": self.evse}
            if self.connector:
                component["evse"]["connectorId"] = self.connector
        if self.instance:
            variable["instance"] = self.instance
        return {"component": component, "variable": variable}

    @property
    def folded(self) -> Key:
        """The same for all spellings."""
        return self._replace(
            component=self.component.casefold(),
            variable=self.variable.casefold(),
            instance=self.instance.casefold(),
            component_instance=self.component_instance.casefold(),
        )

    def __str__(self) -> str:
        """Return `Component[instance]#evse.connector/Variable[instance]`."""
        where = f"#{self.evse}" if self.evse else ""
        where += f".{self.connector}" if self.connector else ""
        component_instance = f"[{self.component_instance}]" if self.component_instance else ""
        instance = f"[{self.instance}]" if self.instance else ""
        return f"{self.component}{component_instance}{where}/{self.variable}{instance}"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One of the up to four values of a variable (Actual, Target, MinSet, MaxSet)."""

    value: str | None
    mutability: str = "ReadWrite"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """A variable with its attributes by type, what it may be set to, and between which limits."""

    key: Key
    attributes: dict[str, Attribute] = field(default_factory=dict)
    choices: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None

    @property
    def value(self) -> str | None:
        """What it is now; `None` where that is not told."""
        attribute = self.attributes.get(ACTUAL)
        return None if attribute is None else attribute.value

    @property
    def items(self) -> tuple[str, ...]:
        """The members of a list."""
        return _members(self.value or "")

    @property
    def is_true(self) -> bool | None:
        """What a switch is at; `None` where that is not told."""
        match (self.value or "").strip().casefold():
            case "true" | "1":
                return True
            case "false" | "0":
                return False
        return None

    @property
    def writable(self) -> bool:
        """Whether it may be set, as far as the station told."""
        attribute = self.attributes.get(ACTUAL)
        return attribute is not None and attribute.mutability != "ReadOnly"


class DeviceModel:
    """What a station told of itself, bounded in size whatever it sends.

    `is_complete` says whether it told all there is, `firmware` with which one.
    """

    def __init__(self) -> None:
        self.is_complete = False
        self.firmware: str | None = None
        self._variables: dict[Key, Variable] = {}
        self._request_id: int | None = None
        self._next_chunk = 0
        self._gap = False
        self._news = asyncio.Event()
        self._ended = asyncio.Event()

    def __getitem__(self, key: Key) -> Variable | None:
        """Return a variable, `None` where it was not told."""
        return self._variables.get(key.folded)

    def __contains__(self, key: Key) -> bool:
        return key.folded in self._variables

    def __len__(self) -> int:
        return len(self._variables)

    @property
    def evses(self) -> int | None:
        """The number of outlets, `None` where none was told."""
        numbers = [key.evse for key in self._variables if 0 < key.evse <= MAX_EVSES]
        return max(numbers, default=None)

    def connectors(self, evse: int) -> list[int]:
        """Return the numbers of the plugs of an outlet; it has one where none was told."""
        numbers = {
            key.connector
            for key in self._variables
            if key.evse == evse and 0 < key.connector <= MAX_CONNECTORS
        }
        return sorted(numbers) or [1]

    def has_component(self, name: str) -> bool:
        """Whether anything was told of a component."""
        return any(key.component == name.casefold() for key in self._variables)

    def forget(self) -> None:
        """Forget it all, because the station is another one now."""
        self._variables.clear()
        self.is_complete = False

    # Reports

    def expect(self, request_id: int) -> None:
        """Wait from now on for the report of a request, before that is sent."""
        self._request_id = request_id
        self._next_chunk = 0
        self._gap = False
        self._news.clear()
        self._ended.clear()

    def report(self, payload: Payload) -> None:
        """Take a NotifyReport; also of a report that somebody else asked for."""
        for item in payload.get("reportData", ()):
            self._take(item)
        if payload["requestId"] != self._request_id:
            return
        self._gap = self._gap or payload["seqNo"] != self._next_chunk
        self._next_chunk = payload["seqNo"] + 1
        if not payload.get("tbc", False) or self._next_chunk > MAX_CHUNKS:
            self._ended.set()
        self._news.set()

    async def received(self, patience_s: float) -> bool:
        """Wait for the end of the report; returns whether all of it came.

        `patience_s` is how long the next message of it may take.
        """
        try:
            while not self._ended.is_set():
                self._news.clear()
                async with asyncio.timeout(patience_s):
                    await self._news.wait()
        except TimeoutError:
            return False
        finally:
            self._request_id = None
        return not self._gap and self._next_chunk <= MAX_CHUNKS

    def _take(self, item: Payload) -> None:
        key = Key.of(item)
        folded = key.folded
        if len(self) >= MAX_VARIABLES and folded not in self._variables:
            return
        before = self._variables.get(folded) or Variable(key=key)
        told = {
            one.get("type", ACTUAL): Attribute(
                _kept(key, one.get("value"), one.get("mutability")),
                one.get("mutability", "ReadWrite"),
            )
            for one in item["variableAttribute"]
        }
        limits = item.get("variableCharacteristics", {})
        self._variables[folded] = replace(
            before,
            attributes=before.attributes | told,
            choices=_members(limits.get("valuesList", "")) or before.choices,
            least=limits.get("minLimit", before.least),
            most=limits.get("maxLimit", before.most),
        )

    # Single variables

    def take(self, result: Payload) -> bool:
        """Take one result of GetVariables; returns whether it has a value."""
        key = Key.of(result)
        if result["attributeStatus"] != "Accepted":
            return False
        self.set(key, result.get("attributeValue", ""))
        return True

    def set(self, key: Key, value: str) -> None:
        """Take note of a variable's actual value."""
        folded = key.folded
        if len(self) >= MAX_VARIABLES and folded not in self._variables:
            return
        before = self._variables.get(folded) or Variable(key=key)
        actual = before.attributes.get(ACTUAL, Attribute(None))
        actual = replace(actual, value=_kept(key, value, actual.mutability))
        self._variables[folded] = replace(before, attributes=before.attributes | {ACTUAL: actual})

    # Diagnostics

    def summary(self) -> dict[str, str]:
        """Return the actual values by their full names; what is secret was never kept."""
        return dict(sorted(self._shown()))

    def _shown(self) -> Iterator[tuple[str, str]]:
        for variable in self._variables.values():
            if variable.value is not None:
                yield str(variable.key), variable.value


def _kept(key: Key, value: str | None, mutability: str | None) -> str | None:
    """Return what is kept of a value: nothing of a secret, and not more than there is room."""
    if value is None or mutability == "WriteOnly" or SECRET.search(key.variable):
        return None
    return value[:MAX_VALUE]


def _members(text: str) -> tuple[str, ...]:
    return tuple(item for one in text.split(",") if (item := one.strip()))
