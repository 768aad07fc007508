"""What boxes publish, whatever it is."""

from __future__ import annotations

from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.forecourt.stations.declarative.load import load_profile
from custom_components.forecourt.stations.declarative.profile import Scalar, Topic
from custom_components.forecourt.stations.mqtt.heard import Memory, Wanted
from custom_components.forecourt.stations.mqtt.payloads import (
    GarbledError,
    fill,
    parse,
    pick,
    text_of,
)

PROFILE = load_profile(
    """
format: 1
id: box
vendor: V
models: [M]
protocol: mqtt
confidence: read
sources: [test]
readings:
  status: {topic: t, path: [a, 0], map: {1: charging, B: available}}
  power_w: {topic: t, path: [a, 1], scale: 0.001}
  serial: {topic: t, json: false, pattern: "^(a+)+$"}
  plugged: {topic: t}
""",
    name="box",
)


@pytest.mark.parametrize(
    ("found", "path", "value"),
    [
        ({"a": [1, {"b": "x"}]}, ("a", 1, "b"), "x"),
        ([True], (0,), True),
        ({"a": None}, ("a", "b"), None),
        (None, (), None),
        ([1, 2], (-1,), 2),
        (2**63, (), 2**63),
    ],
)
def test_a_path_leads_to_a_value(found: Any, path: tuple[str | int, ...], value: Scalar) -> None:
    assert pick(found, Topic(topic="t", path=path)) == value


@pytest.mark.parametrize(
    ("found", "path", "error"),
    [
        ({}, ("a",), KeyError),
        ([], (0,), KeyError),
        ([1], ("a",), GarbledError),
        ({"0": 1}, (0,), GarbledError),
        ("text", (0,), GarbledError),
        ({"a": 1}, (), GarbledError),
        (float("inf"), (), GarbledError),
        (2**64, (), GarbledError),
        ("x" * 1025, (), GarbledError),
    ],
)
def test_a_path_that_leads_nowhere(
    found: Any, path: tuple[str | int, ...], error: type[Exception]
) -> None:
    with pytest.raises(error):
        pick(found, Topic(topic="t", path=path))


@pytest.mark.parametrize("payload", [b"", b"  ", b"\n"])
def test_an_empty_payload_is_nothing(payload: bytes) -> None:
    assert parse(payload, as_json=True) is None
    assert parse(payload, as_json=False) is None


@given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)), st.booleans())
def test_no_payload_does_harm(payload: bytes, retained: bool) -> None:
    memory = Memory()
    wanted = []
    for spec in PROFILE.readings.values():
        assert isinstance(spec.source, Topic)
        wanted.append(Wanted(spec=spec, source=spec.source, outlet=1))
    memory.take(wanted, payload, retained=retained, now=0)
    memory.sample([(role, 1) for role in PROFILE.readings], now=0, fresh_s={})


@pytest.mark.parametrize(
    ("value", "text"), [(True, "true"), (16, "16"), (12.5, "12.5"), ("Normal", "Normal")]
)
def test_values_are_written_as_json_but_texts_bare(value: Scalar, text: str) -> None:
    assert text_of(value) == text


def test_only_known_braces_are_filled() -> None:
    assert fill('{"a": {value}, "b": {}}', {"value": "5"}) == '{"a": 5, "b": {}}'
