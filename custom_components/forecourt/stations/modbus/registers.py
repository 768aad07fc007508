"""How registers hold values: pure translation between register words and raw values.

Raw values are numbers and texts as a box means them, before the profile maps and scales them.
`modbus_connection` translates the numbers; what is told as text is told here.
"""

from collections.abc import Sequence
import math

from modbus_connection import WordOrder as Order
from modbus_connection.decode import decode_float32, decode_float64, decode_int
from modbus_connection.encode import encode_float32, encode_float64, encode_int

from ..declarative.profile import Register, Scalar, Space, Type, WordOrder

_TEXTS = {Type.ASCII: "latin-1", Type.UTF16: "utf-16-be"}
_SIGNED = frozenset((Type.I16, Type.I32, Type.I64))
_PADDING = " \t\r\n\N{NO-BREAK SPACE}\xff\uffff"


def width(register: Register) -> int:
    """Return how many registers (or bits of a coil table) a value takes."""
    if register.space in (Space.COIL, Space.DISCRETE):
        return 1
    return register.type.registers or register.count


def decode(register: Register, words: Sequence[int]) -> Scalar | None:
    """Return the raw value in `words`; None for a float that is not a number, or infinite.

    ValueError if there are not as many words as the value takes, or one of them is no word.
    """
    if len(words) != width(register):
        raise ValueError(f"{len(words)} registers instead of {width(register)}")
    if not all(0 <= word <= 0xFFFF for word in words):
        raise ValueError("a register has 16 bits")
    kind, order = register.type, _order(register)
    if kind in _TEXTS or kind is Type.HEX:
        return _text(register, words)
    if kind is Type.BIT:
        return bool(words[0])
    if kind is Type.F32 or kind is Type.F64:
        number = (decode_float32 if kind is Type.F32 else decode_float64)(
            list(words), word_order=order
        )
        return number if math.isfinite(number) else None
    return decode_int(list(words), signed=kind in _SIGNED, word_order=order)


def encode(register: Register, value: Scalar) -> list[int]:
    """Return the words that hold a raw value; ValueError if they cannot."""
    kind, order = register.type, _order(register)
    if kind in _TEXTS or kind is Type.HEX:
        return _words(register, str(value))
    if isinstance(value, str):
        raise ValueError(f"{value!r} is not a number")  # noqa: TRY004 - of a profile, not of code
    if kind is Type.BIT:
        return [int(bool(value))]
    if not math.isfinite(value):
        raise ValueError(f"{value} is not finite")
    try:
        if kind is Type.F32:
            return encode_float32(value, word_order=order)
        if kind is Type.F64:
            return encode_float64(value, word_order=order)
        # The encoder takes whatever fits in the bits; the sign is part of the type.
        bits = 16 * width(register) - (kind in _SIGNED)
        if not (-(1 << bits) if kind in _SIGNED else 0) <= (whole := round(value)) < 1 << bits:
            raise ValueError(f"{value} does not fit in {kind}")
        return encode_int(whole, count=width(register), word_order=order)
    except OverflowError as err:
        raise ValueError(f"{value} does not fit in {kind}") from err


def _order(register: Register) -> Order:
    return "big" if register.order is WordOrder.HIGH_FIRST else "little"


def _text(register: Register, words: Sequence[int]) -> str:
    if register.order is WordOrder.LOW_FIRST:
        words = words[::-1]
    end: Order = "little" if register.swapped else "big"
    raw = b"".join(word.to_bytes(2, end) for word in words)
    if register.type is Type.HEX:
        return raw.hex()
    text = raw.decode(_TEXTS[register.type], errors="replace")
    # Texts end at the first NUL: what is behind it is left over from a longer one.
    return text.partition("\0")[0].strip(_PADDING)


def _words(register: Register, text: str) -> list[int]:
    size = 2 * width(register)
    try:
        if register.type is Type.HEX:
            raw = bytes.fromhex(text)
        else:
            raw = text.encode(_TEXTS[register.type])
    except UnicodeEncodeError as err:
        raise ValueError(f"{text!r} cannot be written as {register.type}") from err
    if len(raw) > size:
        raise ValueError(f"{text!r} is longer than {size} bytes")
    raw = raw.ljust(size, b"\0")
    end: Order = "little" if register.swapped else "big"
    words = [int.from_bytes(raw[at : at + 2], end) for at in range(0, size, 2)]
    return words if register.order is WordOrder.HIGH_FIRST else words[::-1]
