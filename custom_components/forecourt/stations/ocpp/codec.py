"""OCPP-J's JSON: from text to a message, and back."""

import json
from typing import Any

import orjson

from .schema import MAX_INTEGER

# The deepest message of OCPP has 13. What is deeper was made to exhaust the stack.
MAX_LEVELS = 32


def parse(text: str) -> Any:
    """Return what a text holds, `None` where it is no JSON; takes microseconds.

    An integer beyond 64 bits comes as a float. Where that matters it does not fit the
    schema, and then `parse_carefully` tells what it was.
    """
    try:
        message = orjson.loads(text)
    except ValueError:
        # Maybe only too deep, or with half a character in it.
        return parse_carefully(text)
    if isinstance(message, list) and len(message) > 1 and isinstance(message[1], float):
        # A message id of so many digits.
        return parse_carefully(text)
    return message


def parse_carefully(text: str) -> Any:
    """Return what a text holds, `None` where it is no JSON, as far as it makes any sense.

    Integers that are none of this world stay text, halves of characters become `?`, and
    what is nested too deep becomes `None`.
    """
    try:
        message = json.loads(text, parse_int=_integer, parse_constant=_refuse_constant)
    except ValueError, RecursionError:
        return None
    return _sound(message, MAX_LEVELS)


def dump(message: list[Any]) -> str:
    """Return a message as text, without blanks: some stations parse only that."""
    return orjson.dumps(message).decode()


def _integer(digits: str) -> int | str:
    """Leave a number as text that is none of this world, and would fit into no database."""
    number = int(digits)
    return number if abs(number) <= MAX_INTEGER else digits


def _refuse_constant(name: str) -> None:
    """Refuse NaN and Infinity, which are not JSON."""
    raise ValueError(name)


def _sound(value: Any, levels: int) -> Any:
    if isinstance(value, str):
        return value if value.isascii() else value.encode(errors="replace").decode()
    if not isinstance(value, dict | list):
        return value
    if not levels:
        return None
    if isinstance(value, list):
        return [_sound(item, levels - 1) for item in value]
    return {_sound(name, 0): _sound(item, levels - 1) for name, item in value.items()}
