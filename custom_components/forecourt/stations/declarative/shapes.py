"""What a value of a profile must look like: read from YAML, and told as JSON Schema.

Each shape has `read`, which returns the value or `None` after it reported what is wrong, and
`schema`. That the two stand side by side is what keeps the schema true.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
import math
import re
from typing import Any, Protocol

from .profile import Scalar
from .tree import Node, Path, Report

type Schema = dict[str, Any]


class Shape(Protocol):
    """One kind of value."""

    def read(self, node: Node, path: Path, report: Report) -> Any:
        """Return the value, or `None` after reporting what is wrong with it."""

    def schema(self) -> Schema:
        """Return its JSON Schema."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text; `form` is a regular expression for the whole of it, `example` one that fits."""

    form: str | None = None
    example: str = ""
    blank: bool = False
    longest: int = 1000

    def read(self, node: Node, path: Path, report: Report) -> str | None:
        """Return the text."""
        value = node.value
        if isinstance(value, str):
            if len(value) > self.longest:
                report.wrong(path, f"It is longer than {self.longest} characters.")
            elif not self.blank and not value.strip():
                report.wrong(path, "It is empty; leave it out instead.")
            elif self.form is not None and re.fullmatch(self.form, value) is None:
                report.wrong(path, f"{value!r} is not of the form of '{self.example}'.")
            else:
                return value
            return None
        hint = " Put it in quotes." if isinstance(value, bool | int | float) else ""
        report.wrong(path, f"a text is wanted, not {node.show()}.{hint}")
        return None

    def schema(self) -> Schema:
        """Return its JSON Schema."""
        schema: Schema = {"type": "string", "maxLength": self.longest}
        if self.form is not None:
            schema["pattern"] = f"^(?:{self.form})$"
        elif not self.blank:
            schema["pattern"] = r"\S"
        return schema


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression in the syntax of Python."""

    def read(self, node: Node, path: Path, report: Report) -> str | None:
        """Return its text."""
        text = Text(longest=200).read(node, path, report)
        if text is None:
            return None
        try:
            re.compile(text)
        except re.error as error:
            report.wrong(path, f"{text!r} is not a regular expression: {error.msg}.")
            return None
        return text

    def schema(self) -> Schema:
        """Return its JSON Schema; that cannot tell what Python compiles."""
        return Text(longest=200).schema()


@dataclass(frozen=True, slots=True)
class Number:
    """A finite number in bounds; `above` is excluded."""

    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    whole: bool = False
    not_zero: bool = False

    def read(self, node: Node, path: Path, report: Report) -> float | None:
        """Return the number."""
        value = node.value
        wanted = "a whole number" if self.whole else "a number"
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
            or (self.whole and not isinstance(value, int))
        ):
            report.wrong(path, f"{wanted} is wanted, not {node.show()}.{self._bounds()}")
            return None
        if (
            (self.minimum is not None and value < self.minimum)
            or (self.maximum is not None and value > self.maximum)
            or (self.above is not None and value <= self.above)
            or (self.not_zero and value == 0)
        ):
            report.wrong(path, f"{node.show()} is out of bounds.{self._bounds()}")
            return None
        return value

    def _bounds(self) -> str:
        if self.minimum is not None and self.maximum is not None:
            return f" It goes from {self.minimum:g} to {self.maximum:g}."
        if self.minimum is not None:
            return f" It is at least {self.minimum:g}."
        if self.above is not None:
            return f" It is above {self.above:g}."
        return " It is not 0." if self.not_zero else ""

    def schema(self) -> Schema:
        """Return its JSON Schema."""
        bounds = {
            "minimum": self.minimum,
            "maximum": self.maximum,
            "exclusiveMinimum": self.above,
        }
        return {
            "type": "integer" if self.whole else "number",
            **{key: bound for key, bound in bounds.items() if bound is not None},
            **({"not": {"const": 0}} if self.not_zero else {}),
        }


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    def read(self, node: Node, path: Path, report: Report) -> bool | None:
        """Return it."""
        if isinstance(node.value, bool):
            return node.value
        report.wrong(path, f"true or false is wanted, not {node.show()}.")
        return None

    def schema(self) -> Schema:
        """Return its JSON Schema."""
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class AnyScalar:
    """A text, number or boolean, as a box has it."""

    def read(self, node: Node, path: Path, report: Report) -> Scalar | None:
        """Return it."""
        if isinstance(node.value, bool | int | float | str):
            return node.value
        report.wrong(path, f"a text, a number, true or false is wanted, not {node.show()}.")
        return None

    def schema(self) -> Schema:
        """Return its JSON Schema."""
        return {"type": ["string", "number", "boolean"]}


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of some words or numbers."""

    choices: type[StrEnum] | tuple[Scalar, ...]
    called: str = "choice"

    @property
    def values(self) -> list[Scalar]:
        """All of them."""
        if isinstance(self.choices, tuple):
            return list(self.choices)
        return [each.value for each in self.choices]

    def read(self, node: Node, path: Path, report: Report) -> Any:
        """Return it, as a member where the choices are an enum."""
        for choice in self.choices:
            if node.value == choice and not isinstance(node.value, bool):
                return choice
        report.wrong(path, unknown(self.called, node.show(), self.values))
        return None

    def schema(self) -> Schema:
        """Return its JSON Schema."""
        return {"enum": self.values}


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list with at least `least` members."""

    member: Shape
    least: int = 0
    most: int = 64

    def read(self, node: Node, path: Path, report: Report) -> tuple[Any, ...] | None:
        """Return its members, or `None` if one is wrong."""
        if not isinstance(node.value, list):
            report.wrong(path, f"a list is wanted, not {node.show()}.")
            return None
        if not self.least <= len(node.value) <= self.most:
            report.wrong(path, f"{self.least} to {self.most} members are wanted.")
            return None
        members = [
            self.member.read(each, (*path, index), report) for index, each in enumerate(node.value)
        ]
        return None if None in members else tuple(members)

    def schema(self) -> Schema:
        """Return its JSON Schema."""
        return {
            "type": "array",
            "items": self.member.schema(),
            "minItems": self.least,
            "maxItems": self.most,
        }


@dataclass(frozen=True, slots=True)
class MapOf:
    """A mapping from names of one kind; what is wrong is reported and left out."""

    member: Shape
    names: type[StrEnum] | None = None
    called: str = "name"

    def read(self, node: Node, path: Path, report: Report) -> dict[Any, Any] | None:
        """Return its members that are right, under members of the enum if there is one."""
        if not isinstance(node.value, dict):
            report.wrong(path, f"a mapping is wanted, not {node.show()}.")
            return None
        members: dict[Any, Any] = {}
        known: dict[Scalar, StrEnum] = {each.value: each for each in self.names or ()}
        for key, inside in node.value.items():
            if inside.value is None:
                continue
            where = (*path, key)
            if self.names is not None and key not in known:
                report.wrong(where, unknown(self.called, repr(key), list(known)))
            elif (value := self.member.read(inside, where, report)) is not None:
                members[known.get(key, key)] = value
        return members

    def schema(self) -> Schema:
        """Return its JSON Schema."""
        schema: Schema = {"type": "object", "additionalProperties": self.member.schema()}
        if self.names is not None:
            schema["propertyNames"] = {"enum": [each.value for each in self.names]}
        return schema


@dataclass(frozen=True, slots=True)
class Record:
    """A mapping with known keys. A key set to null counts as left out."""

    members: Mapping[str, Shape]
    required: frozenset[str] = frozenset()

    def read(self, node: Node, path: Path, report: Report) -> dict[str, Any] | None:
        """Return the members that are there, or `None` if one is wrong."""
        found = self.found(node, path, report)
        return None if None in found.values() else found

    def found(self, node: Node, path: Path, report: Report) -> dict[str, Any]:
        """Return the members that are there; those that are wrong or missing are `None`."""
        if not isinstance(node.value, dict):
            report.wrong(path, f"a mapping is wanted, not {node.show()}.")
            return {"": None}
        found: dict[str, Any] = {}
        for key, inside in node.value.items():
            shape = self.members.get(key) if isinstance(key, str) else None
            if shape is None:
                report.wrong((*path, key), unknown("key", repr(key), list(self.members)))
                found[str(key)] = None
            elif inside.value is not None:
                found[str(key)] = shape.read(inside, (*path, key), report)
        for key in sorted(self.required - found.keys()):
            report.wrong((*path, key), "It is missing.")
            found[key] = None
        return found

    def schema(self) -> Schema:
        """Return its JSON Schema."""
        return {
            "type": "object",
            "properties": {key: shape.schema() for key, shape in self.members.items()},
            "required": sorted(self.required),
            "additionalProperties": False,
        }


def unknown(called: str, shown: str, known: list[Scalar]) -> str:
    """Return that something is not known, and what it was probably meant to be."""
    words = [str(each) for each in known]
    close = get_close_matches(shown.strip("'\""), words, 1, 0.6)
    if close:
        return f"{shown} is no {called} that is known. Did you mean '{close[0]}'?"
    return f"{shown} is no {called} that is known. Known are: {', '.join(words)}."
