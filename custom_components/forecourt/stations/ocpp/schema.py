"""Checks payloads against the schemas of the `ocpp` package, and mends what is harmless.

Many stations break the schema in ways that cost nothing: an extra field, a number
as text, a serial number that is too long. Refusing those would lose the message, and
often the station (it repeats it forever), so what the validator complains about is
mended where the meaning stays clear, counted, and refused only else.
"""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from importlib.resources.abc import Traversable
import json
import math
import sys
from typing import Any

from jsonschema_rs import Draft4Validator, ValidationError, ValidationErrorKind as Kind

type Payload = dict[str, Any]

CALL = 2
CALL_RESULT = 3
CALL_ERROR = 4
# OCPP 2.1 part 4 §4.2
CALL_RESULT_ERROR = 5
SEND = 6

# Cutting these, or what is in them, would make another, perhaps valid, one of a wrong one.
NEVER_CUT = frozenset(
    {
        # tokens
        "additionalIdToken",
        "groupIdToken",
        "idTag",
        "idToken",
        "idTokens",
        "parentIdTag",
        "prioritizedEMAIDs",
        # what is known by its id
        "controlId",
        "customerIdentifier",
        "receiptId",
        "pspRef",
        "supersededIds",
        "tariffId",
        "tariffIds",
        "transactionId",
        # certificates and what is signed
        "certificate",
        "certificateChain",
        "certificateHashData",
        "certificateHashDataChain",
        "checksum",
        "csr",
        "customerCertificate",
        "digestValue",
        "exiRequest",
        "exiResponse",
        "hashRootCertificate",
        "iso15118CertificateHashData",
        "ocspRequestData",
        "ocspResult",
        "publicKey",
        "signature",
        "signedMeterData",
        "signingCertificate",
        # values, of which a part would be another one
        "actualValue",
        "attributeValue",
    }
)

# What every JSON library can hold exactly (RFC 8259 §6).
MAX_INTEGER = 2**53 - 1

# Much of the text of the schemas of 2.x, and of no use to a machine.
_PROSE = frozenset({"comment", "description", "javaType"})

_MISSING = object()


class ErrorCode(StrEnum):
    """The error codes of OCPP-J 1.6 §4.2.3, spelled as there, and those that 2.x added.

    `Schemas.spell` knows how a version writes them.
    """

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
    MESSAGE_TYPE_NOT_SUPPORTED = "MessageTypeNotSupported"
    RPC_FRAMEWORK_ERROR = "RpcFrameworkError"


# OCPP-J 1.6 §4.2.3 knows no other code for what is no call at all.
_SPELLED_1_6 = {ErrorCode.RPC_FRAMEWORK_ERROR: "FormationViolation"}
# OCPP 2.0.1 part 4 §4.3
_SPELLED_2 = {
    ErrorCode.FORMATION_VIOLATION: "FormatViolation",
    ErrorCode.OCCURENCE_CONSTRAINT_VIOLATION: "OccurrenceConstraintViolation",
}
# In any version: stations mix them up.
_KNOWN = frozenset(map(str, ErrorCode)) | frozenset(_SPELLED_2.values())

_CODES = {
    "type": ErrorCode.TYPE_CONSTRAINT_VIOLATION,
    "minItems": ErrorCode.OCCURENCE_CONSTRAINT_VIOLATION,
    "maxItems": ErrorCode.OCCURENCE_CONSTRAINT_VIOLATION,
}


def known_code(code: Any) -> str:
    """Return a code that a station sent; an unknown one may be anything, even a secret."""
    return str(code) if isinstance(code, str) and code in _KNOWN else ErrorCode.GENERIC_ERROR


class ViolationError(Exception):
    """A payload that does not fit its schema; names the field, never its value."""

    def __init__(self, code: ErrorCode, field: str) -> None:
        super().__init__(f"{code}: {field}")
        self.code = code
        self.field = field


@dataclass(frozen=True, slots=True)
class _Schema:
    tree: dict[str, Any]
    validator: Draft4Validator


class Schemas:
    """The schemas of one version of OCPP: "1.6", "2.0.1" or "2.1".

    A schema is read and compiled when it is first needed. That reads a file, so in an event
    loop `ensure` comes first. Only the messages of the version are looked for: an action
    that a stranger made up raises `ViolationError` and touches no file.
    """

    def __init__(self, version: str) -> None:
        self.version = version
        self._spelled = _SPELLED_1_6 if version == "1.6" else _SPELLED_2
        # OCPP-J 1.6: the payload "is incomplete"; 2.x: "violates occurrence constraints".
        self._missing = (
            ErrorCode.PROTOCOL_ERROR
            if version == "1.6"
            else ErrorCode.OCCURENCE_CONSTRAINT_VIOLATION
        )
        self._files: dict[tuple[int, str], Traversable] = {}
        self._schemas: dict[tuple[int, str], _Schema] = {}

    @property
    def kinds(self) -> frozenset[int]:
        """The message types that this version has."""
        more = {CALL_RESULT_ERROR, SEND} if self.version == "2.1" else set()
        return frozenset({CALL, CALL_RESULT, CALL_ERROR} | more)

    @property
    def ignores_other_kinds(self) -> bool:
        """Whether a message of another type is ignored, as OCPP-J 1.6 §4.1.3 wants, or refused."""
        return self.version == "1.6"

    def spell(self, code: ErrorCode) -> str:
        """Return the code as this version writes it."""
        return self._spelled.get(code, code)

    # Loading

    def preload(
        self, calls: Iterable[str], results: Iterable[str], sends: Iterable[str] = ()
    ) -> None:
        """Read the schemas from disk, where the package keeps them. Run it in an executor."""
        for kind, actions in ((CALL, calls), (CALL_RESULT, results), (SEND, sends)):
            for action in actions:
                self._schema(kind, action)

    async def ensure(self, kind: int, action: str) -> None:
        """Have a schema ready. Raises `ViolationError` when there is no such message."""
        if (kind, action) in self._schemas:
            return
        if not self._files:
            await asyncio.to_thread(self._list)
        if (kind, action) not in self._files:
            raise _no_such_message()
        await asyncio.to_thread(self._schema, kind, action)

    def _schema(self, kind: int, action: str) -> _Schema:
        """Return a schema, read from disk when it is the first time."""
        schema = self._schemas.get((kind, action))
        if schema is None:
            if not self._files:
                self._list()
            file = self._files.get((kind, action))
            if file is None:
                raise _no_such_message()
            # Some of the files start with a byte order mark.
            tree = _lean(json.loads(file.read_text("utf-8-sig")))
            # Draft 4 whatever the file says: in later ones 1.0 is an integer. What a date
            # looks like is left to who reads it.
            validator = Draft4Validator(tree, validate_formats=False, offline=True)
            schema = self._schemas[kind, action] = _Schema(tree, validator)
        return schema

    def _list(self) -> None:
        """Learn which messages there are."""
        folder = files("ocpp") / f"v{self.version.replace('.', '')}" / "schemas"
        call = "" if self.version == "1.6" else "Request"
        found = {}
        for file in folder.iterdir():
            name = file.name.removesuffix(".json")
            if name.endswith("Response"):
                found[CALL_RESULT, name.removesuffix("Response")] = file
            elif name.endswith(call):
                found[CALL, name.removesuffix(call)] = file
            else:
                found[SEND, name] = file
        self._files = found

    # Checking

    def fits(self, kind: int, action: str, payload: Payload) -> bool:
        """Return whether the payload is as it should be; takes microseconds."""
        try:
            return self._schema(kind, action).validator.is_valid(payload)
        except ValueError:
            # Nested too deep, or text that is none.
            return False

    def check(self, kind: int, action: str, payload: Payload) -> None:
        """Raise `ViolationError` when the payload does not fit."""
        if self.fits(kind, action, payload):
            return
        errors = self._errors(kind, action, payload)
        # What is wrong says more than what is missing.
        error = min(errors, key=lambda error: isinstance(error.kind, Kind.Required))
        path = error.instance_path
        if isinstance(error.kind, Kind.Required):
            names = [
                one.kind.property
                for one in errors
                if isinstance(one.kind, Kind.Required) and one.instance_path == path
            ]
            raise ViolationError(self._missing, "/".join([*map(str, path), ", ".join(names)]))
        code = _CODES.get(error.kind.name, ErrorCode.PROPERTY_CONSTRAINT_VIOLATION)
        raise ViolationError(code, "/".join(map(str, path)) or action)

    def mend(self, kind: int, action: str, payload: Payload) -> list[str]:
        """Mend the payload in place and return what was mended; raises `ViolationError`."""
        if self.fits(kind, action, payload):
            return []
        tree = self._schema(kind, action).tree
        mended = []
        for error in self._errors(kind, action, payload):
            path = error.instance_path
            if not _has(payload, path):
                # It went with what was dropped for an earlier error.
                continue
            if isinstance(error.kind, Kind.AdditionalProperties):
                holder = _at(payload, path)
                for name in error.kind.unexpected:
                    del holder[name]
                mended.append("extra field")
            elif _convert(payload, path, error.kind) or _drop_optional(payload, path, tree):
                # Every station counts these, so they share one copy of each.
                mended.append(sys.intern(f"{error.kind.name} of {_name_of(path)}"))
        self.check(kind, action, payload)
        return mended

    def _errors(self, kind: int, action: str, payload: Payload) -> list[ValidationError]:
        try:
            return list(self._schema(kind, action).validator.iter_errors(payload))
        except ValueError:
            raise ViolationError(ErrorCode.FORMATION_VIOLATION, action) from None


def _no_such_message() -> ViolationError:
    return ViolationError(ErrorCode.NOT_IMPLEMENTED, "no such message")


def _lean(tree: Any, *, names: bool = False) -> Any:
    """Return a schema without its prose, and with a bound for integers that have none.

    `names` says that the keys are names of fields, not words of JSON Schema.
    """
    if not isinstance(tree, dict):
        return tree
    lean = {
        key: _lean(value, names=not names and key in ("definitions", "properties"))
        for key, value in tree.items()
        if names or key not in _PROSE
    }
    if not names and lean.get("type") == "integer":
        lean.setdefault("minimum", -MAX_INTEGER)
        lean.setdefault("maximum", MAX_INTEGER)
    return lean


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


def _convert(payload: Payload, path: list[str | int], kind: Kind) -> bool:
    """Bring one value into the form asked for; returns whether that was possible."""
    if not path:
        return False
    value = _at(payload, path)
    converted: Any = _MISSING
    match kind:
        case Kind.Type(["integer"]):
            number = whole_number(value)
            converted = _MISSING if number is None else number
        case Kind.Type(["number"]) if isinstance(value, str):
            converted = _finite(value)
        case Kind.Type(["string"]) if isinstance(value, int | float) and not isinstance(
            value, bool
        ):
            converted = json.dumps(value)
        case Kind.Type(["boolean"]) if value in ("true", "True", "false", "False"):
            converted = value in ("true", "True")
        case Kind.MaxLength(limit) if NEVER_CUT.isdisjoint(path):
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


def _finite(text: str) -> Any:
    try:
        number = float(text)
    except ValueError:
        return _MISSING
    return number if math.isfinite(number) else _MISSING


def _drop_optional(payload: Payload, path: list[str | int], tree: dict[str, Any]) -> bool:
    """Remove the innermost optional field on the path; returns whether there was one.

    A message without an optional field is one that the station might have sent.
    """
    droppable: list[str | int] | None = None
    for depth, (step, schema) in enumerate(_along(path, tree)):
        if isinstance(step, str) and step not in schema.get("required", ()):
            droppable = path[: depth + 1]
    if droppable is None:
        return False
    _at(payload, droppable[:-1]).pop(droppable[-1], None)
    return True


def _along(path: list[str | int], tree: dict[str, Any]) -> Iterator[tuple[str | int, Any]]:
    """Yield each step of the path with the schema of what it is a part of."""
    schema = tree
    for step in path:
        if "$ref" in schema:
            schema = tree["definitions"][schema["$ref"].rpartition("/")[2]]
        yield step, schema
        schema = schema["properties"][step] if isinstance(step, str) else schema["items"]
