"""Registers hold what the vendors say they hold."""

import math
import struct

from hypothesis import given, strategies as st
import pytest

from custom_components.forecourt.stations.declarative.profile import (
    Register,
    Space,
    Type,
    WordOrder,
)
from custom_components.forecourt.stations.modbus.registers import decode, encode, width

_WHOLE = {
    Type.U16: (0, 2**16 - 1),
    Type.I16: (-(2**15), 2**15 - 1),
    Type.U32: (0, 2**32 - 1),
    Type.I32: (-(2**31), 2**31 - 1),
    Type.U64: (0, 2**64 - 1),
    Type.I64: (-(2**63), 2**63 - 1),
}
_ORDERS = st.sampled_from(WordOrder)


def _register(kind: Type, **fields: object) -> Register:
    return Register(space=Space.HOLDING, address=0, type=kind, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kind", "words", "value"),
    [
        (Type.U16, [0xFFFE], 65534),
        (Type.I16, [0xFFFE], -2),
        (Type.U32, [0x0001, 0x0002], 65538),
        (Type.I32, [0xFFFF, 0xFFFE], -2),
        (Type.U64, [0, 0, 1, 0], 65536),
        (Type.I64, [0xFFFF] * 4, -1),
        (Type.F32, [0x41B8, 0x0000], 23.0),
        (Type.F64, [0x4037, 0, 0, 0], 23.0),
        (Type.BIT, [1], True),
        (Type.HEX, [0x04A1, 0x00FF], "04a100ff"),
        (Type.ASCII, [0x416C, 0x6665, 0x6E00], "Alfen"),
        (Type.UTF16, [0x0041, 0x00DF, 0x0000], "Aß"),
    ],
)
def test_values_are_read_as_they_lie_on_the_wire(
    kind: Type, words: list[int], value: float | str
) -> None:
    assert decode(_register(kind, count=len(words)), words) == value


def test_the_low_word_may_come_first() -> None:
    swapped = _register(Type.U32, order=WordOrder.LOW_FIRST)
    assert decode(swapped, [2, 1]) == 65538
    assert encode(swapped, 65538) == [2, 1]


def test_the_second_letter_of_a_register_may_come_first() -> None:
    register = _register(Type.ASCII, count=2, swapped=True)
    assert decode(register, [0x424B, 0x4145]) == "KBEA"
    assert encode(register, "KBEA") == [0x424B, 0x4145]


def test_texts_end_where_they_end() -> None:
    register = _register(Type.ASCII, count=3)
    assert decode(register, [0x4142, 0x0043, 0x4445]) == "AB"
    assert decode(register, [0x2041, 0x4220, 0x2020]) == "AB"
    assert decode(register, [0xFFFF] * 3) == ""
    assert decode(register, [0] * 3) == ""


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_float_that_is_no_number_is_unknown(number: float) -> None:
    first, second = struct.unpack(">HH", struct.pack(">f", number))
    assert decode(_register(Type.F32), [first, second]) is None
    words = list(struct.unpack(">4H", struct.pack(">d", number)))
    assert decode(_register(Type.F64), words) is None
    with pytest.raises(ValueError, match="not finite"):
        encode(_register(Type.F32), number)
    with pytest.raises(ValueError, match="not finite"):
        encode(_register(Type.U16), number)


@given(st.sampled_from(sorted(_WHOLE)), _ORDERS, st.data())
def test_whole_numbers_come_back(kind: Type, order: WordOrder, data: st.DataObject) -> None:
    register = _register(kind, order=order)
    value = data.draw(st.integers(*_WHOLE[kind]))
    assert decode(register, encode(register, value)) == value


@given(_ORDERS, st.floats(allow_nan=False, allow_infinity=False))
def test_floats_come_back(order: WordOrder, value: float) -> None:
    register = _register(Type.F64, order=order)
    assert decode(register, encode(register, value)) == value


@given(_ORDERS, st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_short_floats_come_back(order: WordOrder, value: float) -> None:
    register = _register(Type.F32, order=order)
    assert decode(register, encode(register, value)) == value


_LETTERS = st.characters(min_codepoint=0x21, max_codepoint=0x7E)


@given(
    st.sampled_from([Type.ASCII, Type.UTF16]),
    _ORDERS,
    st.booleans(),
    st.text(_LETTERS, max_size=8),
)
def test_texts_come_back(kind: Type, order: WordOrder, swapped: bool, text: str) -> None:
    register = _register(kind, count=8, order=order, swapped=swapped)
    assert decode(register, encode(register, text)) == text


@given(_ORDERS, st.booleans(), st.binary(min_size=6, max_size=6))
def test_bytes_come_back(order: WordOrder, swapped: bool, raw: bytes) -> None:
    register = _register(Type.HEX, count=3, order=order, swapped=swapped)
    assert decode(register, encode(register, raw.hex())) == raw.hex()


@given(
    st.sampled_from(Type),
    _ORDERS,
    st.booleans(),
    st.lists(st.integers(0, 0xFFFF), min_size=4, max_size=4),
)
def test_whatever_a_box_sends_is_read(
    kind: Type, order: WordOrder, swapped: bool, words: list[int]
) -> None:
    register = _register(kind, count=4, order=order, swapped=swapped)
    decode(register, words[: width(register)])


@pytest.mark.parametrize("words", [[], [1], [1, 2, 3], [-1, 0], [0, 0x10000]])
def test_what_is_not_as_long_as_it_should_be_is_refused(words: list[int]) -> None:
    with pytest.raises(ValueError, match=r"register"):
        decode(_register(Type.U32), words)


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Type.U16, -1),
        (Type.U16, 65536),
        (Type.I16, 32768),
        (Type.I16, -32769),
        (Type.U32, 2**32),
        (Type.F32, 1e39),
        (Type.U16, "six"),
        (Type.F32, "six"),
        (Type.ASCII, "\N{EURO SIGN}"),
        (Type.ASCII, "much too long"),
        (Type.HEX, "no hex"),
    ],
)
def test_what_does_not_fit_is_refused(kind: Type, value: float | str) -> None:
    with pytest.raises(ValueError, match=r"."):
        encode(_register(kind, count=2), value)


def test_numbers_are_rounded_to_what_a_register_holds() -> None:
    assert encode(_register(Type.U16), 15.9999) == [16]
    assert encode(_register(Type.I16), -0.4) == [0]
    assert encode(_register(Type.BIT), 3) == [1]


def test_a_bit_of_a_table_is_one_wide() -> None:
    coil = Register(space=Space.COIL, address=3, type=Type.U16, count=1)
    assert width(coil) == 1
    assert decode(coil, [True]) == 1
