"""What a box publishes, as raw values, and what it is sent."""

import json
from typing import Any, Never

from ..declarative.profile import Scalar, Topic

_LONGEST = 65_536
"""Bytes of a payload that is looked at; the longest real one has some thousand."""
_LONGEST_TEXT = 1_024
_GREATEST = 2**64


class GarbledError(ValueError):
    """A payload that is not what the profile says."""


def parse(payload: bytes, *, as_json: bool) -> Any:
    """Return what a payload holds; `None` if it is empty. Raises `GarbledError`."""
    if len(payload) > _LONGEST:
        raise GarbledError("too long")
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        raise GarbledError("not UTF-8") from None
    if not text.strip():
        return None
    if not as_json:
        return text
    try:
        return json.loads(text, parse_constant=_refuse)
    except ValueError, RecursionError:
        raise GarbledError("no JSON") from None


def pick(found: Any, topic: Topic) -> Scalar | None:
    """Return the value that a topic's path leads to, `None` where the box says null.

    Raises `GarbledError`; `KeyError` where the payload simply lacks it.
    """
    for step in topic.path:
        if isinstance(found, dict) and isinstance(step, str):
            found = found[step]
        elif isinstance(found, list) and isinstance(step, int):
            if not -len(found) <= step < len(found):
                raise KeyError(step)
            found = found[step]
        elif found is None:
            return None
        else:
            raise GarbledError("of another shape")
    if isinstance(found, (int, float)) and not -_GREATEST < found < _GREATEST:
        raise GarbledError("no such number")
    if isinstance(found, str) and len(found) > _LONGEST_TEXT:
        raise GarbledError("too long")
    if found is None or isinstance(found, (bool, int, float, str)):
        return found
    raise GarbledError("no single value")


def text_of(value: Scalar) -> str:
    """Return a value as boxes want it in a payload: JSON, but texts without quotes."""
    return value if isinstance(value, str) else json.dumps(value)


def fill(template: str, names: dict[str, str]) -> str:
    """Return a topic or payload with its placeholders filled; other braces are JSON's own."""
    for name, text in names.items():
        template = template.replace(f"{{{name}}}", text)
    return template


def _refuse(constant: str) -> Never:
    raise GarbledError(f"{constant} is no number")
