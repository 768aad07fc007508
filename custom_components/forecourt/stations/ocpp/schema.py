"""Checks payloads against the schemas of the `ocpp` package, and mends what is harmless.

Many stations break the schema in ways that cost nothing: an extra field, a number
as text, a serial number that is too long. Refusing those would lose the message, and
often the station (it repeats it forever), so what the validator complains about is
mended where the meaning stays clear, counted, and refused only else.
"""

from collections.abc import Iterable
from enum import StrEnum
import json
from typing import Any

from ocpp.messages import get_validator  # type: ignore[import-untyped]

type Payload = dict[str, Any]

CALL = 2
CALL_RESULT = 3
CALL_ERROR = 4

# Cutting these would make another, perhaps valid, identifier of a wrong one.
NEVER_CUT = frozenset({"idTag", "parentIdTag"})

# What every JSON library can hold exactly (RFC 8259 §6).
MAX_INTEGER = 2**53 - 1

_MISSING = object()


class ErrorCode(StrEnum):
    """The error codes of OCPP-J 1.6 §4.2.3, spelled as there."""

    NOT_IMPLEMENTED = "NotImplemented"
    NOT_SUPPORTED = "NotSupported"
    INTERNAL_ERROR = "InternalError"
    PROTOCOL_ERROR = "ProtocolError"
    SECURITY_ERROR = "SecurityError"
    FORMATION_VIOLATION = "FormationViolation"
    PROPERTY_CONSTRAINT_VIOLATION = "PropertyConstraintViolation"
    OCCURENCE_CONSTRAINT_VIOLATION = "OccurenceConstraintViolation"
    TYPE_CONSTRAINT_VIOLATION = "TypeConstraintViolation"
    GENERIC_ERROR = "GenericError"


_CODES = {
    "type": ErrorCode.TYPE_CONSTRAINT_VIOLATION,
    "required": ErrorCode.PROTOCOL_ERROR,
    "minItems": ErrorCode.OCCURENCE_CONSTRAINT_VIOLATION,
}


class ViolationError(Exception):
    """A payload that does not fit its schema; names the field, never its value."""

    def __init__(self, code: ErrorCode, field: str) -> None:
        super().__init__(f"{code}: {field}")
        self.code = code
        self.field = field


class Schemas:
    """The schemas of one version of OCPP, as the `ocpp` package names it."""

    def __init__(self, version: str) -> None:
        self._version = version

    def preload(self, calls: Iterable[str], results: Iterable[str]) -> None:
        """Read the schemas from disk, where the package keeps them. Run it in an executor."""
        wanted = [(CALL, action) for action in calls] + [(CALL_RESULT, one) for one in results]
        for kind, action in wanted:
            # Using it once loads what jsonschema itself needs.
            get_validator(kind, action, self._version).is_valid({})

    def check(self, kind: int, action: str, payload: Payload) -> None:
        """Raise `ViolationError` when the payload does not fit."""
        for error in get_validator(kind, action, self._version).iter_errors(payload):
            field = "/".join(map(str, error.absolute_path)) or _missing_names(error) or action
            raise ViolationError(_CODES.get(error.validator, _OTHER), field)

    def mend(self, kind: int, action: str, payload: Payload) -> list[str]:
        """Mend the payload in place and return what was mended; raises `ViolationError`."""
        validator = get_validator(kind, action, self._version)
        errors = list(validator.iter_errors(payload))
        mended = []
        for error in errors:
            path = list(error.absolute_path)
            if not _has(payload, path):
                # It went with what was dropped for an earlier error.
                continue
            if error.validator == "additionalProperties":
                holder = _at(payload, path)
                for name in set(holder) - set(error.schema.get("properties", ())):
                    del holder[name]
                mended.append("extra field")
            elif _convert(payload, path, error) or _drop_optional(payload, path, validator.schema):
                mended.append(f"{error.validator} of {_name_of(path)}")
        if errors:
            self.check(kind, action, payload)
        return mended


_OTHER = ErrorCode.PROPERTY_CONSTRAINT_VIOLATION


def _missing_names(error: Any) -> str:
    if error.validator != "required":
        return ""
    return ", ".join(name for name in error.validator_value if name not in error.instance)


def _at(payload: Any, path: list[str | int]) -> Any:
    for step in path:
        payload = payload[step]
    return payload


def _has(payload: Any, path: list[str | int]) -> bool:
    try:
        _at(payload, path)
    except KeyError, TypeError:
        return False
    return True


def _name_of(path: list[str | int]) -> str:
    return next((step for step in reversed(path) if isinstance(step, str)), "payload")


def _convert(payload: Payload, path: list[str | int], error: Any) -> bool:
    """Bring one value into the form asked for; returns whether that was possible."""
    if not path:
        return False
    value = error.instance
    converted: Any = _MISSING
    match error.validator, error.validator_value:
        case "type", "integer":
            number = whole_number(value)
            converted = _MISSING if number is None else number
        case "type", "string" if isinstance(value, int | float) and not isinstance(value, bool):
            converted = json.dumps(value)
        case "type", "boolean" if value in ("true", "True", "false", "False"):
            converted = value in ("true", "True")
        case "maxLength", limit if _name_of(path) not in NEVER_CUT:
            converted = value[:limit]
    if converted is _MISSING:
        return False
    _at(payload, path[:-1])[path[-1]] = converted
    return True


def whole_number(value: Any) -> int | None:
    """Return the whole number that a value is or tells as text, `None` where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError, OverflowError:
        return None
    exact = number.is_integer() and abs(number) <= MAX_INTEGER
    return int(number) if exact else None


def _drop_optional(payload: Payload, path: list[str | int], schema: Any) -> bool:
    """Remove the innermost optional field on the path; returns whether there was one.

    A message without an optional field is one that the station might have sent.
    """
    droppable: list[str | int] | None = None
    for depth, step in enumerate(path):
        if isinstance(step, str):
            if step not in schema.get("required", ()):
                droppable = path[: depth + 1]
            schema = schema["properties"][step]
        else:
            schema = schema["items"]
    if droppable is None:
        return False
    _at(payload, droppable[:-1]).pop(droppable[-1], None)
    return True
