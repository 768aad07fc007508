"""The messages of OCPP-J: CALL, CALLRESULT, CALLERROR, and what can go wrong.

OCPP-J 1.6 §4.2; OCPP 2.0.1 part 4 §4.2, with error codes of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
import json
from typing import Any

type Payload = dict[str, Any]

_COMMON = frozenset(
    {
        "NotImplemented",
        "NotSupported",
        "InternalError",
        "ProtocolError",
        "SecurityError",
        "PropertyConstraintViolation",
        "TypeConstraintViolation",
        "GenericError",
    }
)
_SINCE_2 = _COMMON | {
    "FormatViolation",
    "MessageTypeNotSupported",
    "OccurrenceConstraintViolation",
    "RpcFrameworkError",
}
ERROR_CODES: dict[str, frozenset[str]] = {
    "1.6": _COMMON | {"FormationViolation", "OccurenceConstraintViolation"},
    "2.0.1": _SINCE_2,
    "2.1": _SINCE_2,
}
"""The error codes of each version; 1.6 spells two of them its own way."""


def bad_format(version: str) -> str:
    """Return the code for a payload that breaks the schema."""
    return "FormationViolation" if version == "1.6" else "FormatViolation"


class RpcError(Exception):
    """A CALLERROR, received or to be sent."""

    def __init__(self, code: str, description: str = "") -> None:
        """Make an error with one of `ERROR_CODES`."""
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description


class LinkDownError(ConnectionError):
    """The socket is gone; whether the server has the message is unknown."""


class NoAnswerError(TimeoutError):
    """The server did not answer in time."""


class FrameError(ValueError):
    """A text that is no OCPP-J message."""

    def __init__(self, kind: str, detail: str) -> None:
        """Make an error of one of the kinds of violation."""
        super().__init__(detail)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Call:
    """A request."""

    message_id: str
    action: str
    payload: Payload


@dataclass(frozen=True, slots=True)
class Result:
    """A good answer."""

    message_id: str
    payload: Payload


@dataclass(frozen=True, slots=True)
class Failure:
    """A CALLERROR."""

    message_id: str
    code: str
    description: str


def encode(*parts: object) -> str:
    """Write a frame, compact: some real peers can read nothing else."""
    return json.dumps(parts, separators=(",", ":"))


def decode(text: str) -> Call | Result | Failure:
    """Read a frame; FrameError says what is wrong with it."""
    try:
        frame = json.loads(text)
    except ValueError as err:
        raise FrameError("malformed_frame", f"no JSON: {err}") from err
    match frame:
        case [2, str() as message_id, str() as action, dict() as payload]:
            return Call(message_id, action, payload)
        case [3, str() as message_id, dict() as payload]:
            return Result(message_id, payload)
        case [4, str() as message_id, str() as code, str() as description, dict()]:
            return Failure(message_id, code, description)
        case [2 | 3 | 4, *_]:
            raise FrameError("malformed_frame", f"wrong elements: {text[:200]}")
        case [int() as kind, *_]:
            raise FrameError("unknown_message_type", str(kind))
    raise FrameError("malformed_frame", f"no message: {text[:200]}")
