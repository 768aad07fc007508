"""JSON to message and back: fast where it may be, exact where it matters."""

import json
import math
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.forecourt.stations.ocpp.codec import dump, parse, parse_carefully

# Without what has to be told by `parse_carefully`.
PLAIN: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NOTHING = ["", " ", "{", "nul", "NaN", "[Infinity]", "[-Infinity]", "[1,]", "01", '{"a":1}x', "'a'"]


@given(st.lists(PLAIN, max_size=4))
def test_both_ways_of_reading_agree(message: list[Any]) -> None:
    text = json.dumps(message)
    assert parse(text) == parse_carefully(text) == message
    assert parse(dump(message)) == message


@given(st.text() | st.text('[]{}",:0123.eE-ntrufalse\\'))
def test_any_text_is_something_or_nothing(text: str) -> None:
    fast, careful = parse(text), parse_carefully(text)
    assert fast == careful or isinstance(fast, int | float)


@pytest.mark.parametrize("text", [*NOTHING, "[" * 20_000, '{"a":' * 20_000, f"[2,{'9' * 5000}]"])
def test_what_is_no_json_is_nothing(text: str) -> None:
    assert parse(text) is None
    assert parse_carefully(text) is None


@pytest.mark.parametrize("digits", ["9007199254740992", "-9007199254740992", "9" * 40])
def test_carefully_a_number_of_too_many_digits_stays_text(digits: str) -> None:
    assert parse_carefully(f"[{digits}]") == [digits]
    assert parse_carefully("[9007199254740991]") == [2**53 - 1]


def test_a_message_id_keeps_all_its_digits() -> None:
    assert parse(f'[2,{2**63},"Heartbeat",{{}}]')[1] == 2**63
    assert parse(f'[2,{"9" * 30},"Heartbeat",{{}}]')[1] == "9" * 30


def test_the_last_of_two_equal_names_counts() -> None:
    assert parse('{"a":1,"a":2}') == parse_carefully('{"a":1,"a":2}') == {"a": 2}


def test_a_number_that_is_too_big_is_infinite() -> None:
    assert math.isinf(parse("[1e400]")[0])


def test_half_a_character_is_replaced() -> None:
    assert parse(r'["a\ud800b",{"\udc00":"\ud83d\ude00"}]') == ["a?b", {"?": "😀"}]


def test_what_is_too_deep_is_cut() -> None:
    text = "[" * 1100 + "]" * 1100
    levels, found = 0, parse(text)
    while found:
        levels, found = levels + 1, found[0]
    assert (levels, found) == (32, None)


def test_messages_go_out_without_blanks() -> None:
    assert dump([3, "1", {"a": "ü b", "n": [1.5, None, True]}]) == (
        '[3,"1",{"a":"ü b","n":[1.5,null,true]}]'
    )
