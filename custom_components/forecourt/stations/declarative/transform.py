"""What makes a value of the vocabulary from a raw one, and back."""

from collections.abc import Iterable
import math
import re

from .profile import Scalar, Transform

_NUMBER = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)([eE][-+]?\d{1,3})?")


class UnmappedError(ValueError):
    """A value that the profile says nothing about; `raw` is that value."""

    def __init__(self, raw: Scalar) -> None:
        """Remember the value."""
        super().__init__(f"{raw!r} is not mapped")
        self.raw = raw


def decode(transform: Transform, raw: Scalar | None) -> Scalar | None:
    """Return what `raw` means, or `None` where it says that there is nothing.

    Raises `UnmappedError` for what the profile has no meaning for: a value that its map does not
    list, a text without its pattern, or one that is no number where a number is wanted.
    """
    if raw is None or _nothing(raw) or _same(transform.none, raw) is not None:
        return None
    value = _taken(transform, raw)
    if value is None or transform.map:
        return None if value is None else _mapped(transform, value, raw)
    if isinstance(value, str) and not value.strip():
        return None
    if not transform.numeric and transform.scale == 1 and transform.offset == 0:
        return value
    number = _number(value)
    if number is None:
        raise UnmappedError(raw)
    return None if _nothing(number) else _scaled(number, transform)


def encode(transform: Transform, value: Scalar) -> Scalar:
    """Return the raw value that `decode` makes `value` of, by `map`, `scale` and `offset`.

    Where several raw values mean the same, the first of the map is taken. A result that is whole
    but for the error of a float is an `int`; any other is left to the register to round, since
    only that knows what it can hold. Raises `UnmappedError` for what no raw value means.
    """
    if transform.map:
        for raw, meaning in transform.map.items():
            if _equal(meaning, value):
                return raw
        raise UnmappedError(value)
    if transform.scale == 1 and transform.offset == 0:
        # Some boxes refuse 16.0 where their manual says that it is an integer.
        return int(value) if isinstance(value, float) and value.is_integer() else value
    number = _number(value)
    if number is None or _nothing(number):
        raise UnmappedError(value)
    exact = _tidy((number - transform.offset) / transform.scale)
    if _nothing(exact):
        raise UnmappedError(value)
    whole = round(exact)
    return whole if abs(exact - whole) < 1e-6 else exact


def _taken(transform: Transform, raw: Scalar) -> Scalar | None:
    """Return the part of `raw` that matters: some bits, or what a pattern finds."""
    value = raw
    if transform.shift or transform.mask is not None or transform.bit is not None:
        value = _bits(transform, raw)
    if transform.pattern is None:
        return value
    found = re.search(transform.pattern, _text(value))
    if found is None:
        raise UnmappedError(raw)
    part: str | None = found[1] if found.re.groups else found[0]
    return None if part is None or _same(transform.none, part) is not None else part


def _mapped(transform: Transform, value: Scalar, raw: Scalar) -> Scalar:
    key = _same(transform.map, value)
    if key is not None:
        return transform.map[key]
    if transform.default is None:
        raise UnmappedError(raw)
    return transform.default


def _bits(transform: Transform, raw: Scalar) -> Scalar:
    """Return the bits of `raw` that the profile asks for; a single one is a boolean."""
    number = _number(raw)
    if number is None or number != int(number):
        raise UnmappedError(raw)
    value = int(number) >> transform.shift
    if transform.mask is not None:
        value &= transform.mask
    return bool(value >> transform.bit & 1) if transform.bit is not None else value


def _scaled(number: float, transform: Transform) -> Scalar | None:
    """Return the number in its unit; what was whole stays so where nothing makes it a fraction."""
    scale, offset = transform.scale, transform.offset
    if isinstance(number, int) and float(scale).is_integer() and float(offset).is_integer():
        return number * int(scale) + int(offset)
    value = _tidy(number * scale + offset)
    return None if _nothing(value) else value


def _same(keys: Iterable[Scalar], value: Scalar) -> Scalar | None:
    """Return the key that means `value`: `"3"`, 3 and 3.0 are the same, as boxes write either."""
    loose = None
    for key in keys:
        if type(key) is type(value) and key == value:
            return key
        if loose is None and _equal(key, value):
            loose = key
    return loose


def _equal(one: Scalar, other: Scalar) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return one == other
    first, second = _number(one), _number(other)
    return first is not None and first == second


def _number(value: Scalar) -> float | None:
    """Return the number that a value is or spells; booleans are 0 and 1."""
    if not isinstance(value, str):
        return int(value) if isinstance(value, bool) else value
    text = value.strip()
    if text.lower() in ("true", "false"):
        return int(text.lower() == "true")
    if len(text) > 40 or _NUMBER.fullmatch(text) is None:
        return None
    return int(text) if text.lstrip("+-").isdecimal() else float(text)


def _text(value: Scalar) -> str:
    """Return a value as a payload spells it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _nothing(value: Scalar) -> bool:
    """Whether a number says that there is none."""
    return isinstance(value, float) and not math.isfinite(value)


def _tidy(value: float) -> float:
    """Return a number without what arithmetic of floats adds at its end."""
    return float(f"{value:.15g}")
