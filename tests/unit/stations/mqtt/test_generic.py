"""A profile from a form."""

from __future__ import annotations

from typing import Any

import pytest

from custom_components.forecourt.stations.declarative.load import ProfileError
from custom_components.forecourt.stations.declarative.profile import (
    Confidence,
    MqttTransport,
    Order,
    Role,
    Scalar,
    Topic,
)
from custom_components.forecourt.stations.declarative.transform import decode, encode
from custom_components.forecourt.stations.mqtt.generic import generic_profile

ANSWERS: dict[str, Any] = {
    "vendor": "Own make",
    "model": "Bridge",
    "phases": 1,
    "min_a": 6,
    "max_a": 32,
    "online_topic": "box/online",
    "online_payload": "yes (1.0)",
    "stale_after_s": 60,
    "status_topic": "box/state",
    "status_available": "free, idle",
    "status_charging": "on",
    "status_faulted": "",
    "plugged_topic": "box/plug",
    "plugged_yes": "in",
    "plugged_no": "out",
    "charging_topic": "box/flow",
    "charging_path": "now.0",
    "power_topic": "box/meter",
    "power_path": "power.total",
    "power_unit": "kW",
    "energy_topic": "box/energy",
    "energy_unit": "Wh",
    "current_1_topic": "box/amps",
    "current_1_unit": "mA",
    "limit_topic": "box/limit",
    "token_topic": "box/card",
    "session_energy_topic": None,
    "set_limit_topic": "box/limit/set",
    "set_limit_payload": '{"ma": {value}}',
    "set_limit_unit": "mA",
    "zero_pauses": True,
    "set_pause_topic": "box/stop",
    "set_pause_payload": "1",
}


def test_everything_that_can_be_filled_in() -> None:
    profile = generic_profile(ANSWERS)
    assert profile.confidence is Confidence.EXPERIMENTAL
    assert (profile.vendor, profile.models, profile.phases) == ("Own make", ("Bridge",), 1)
    assert (profile.min_current_a, profile.max_current_a, profile.has_rfid) == (6, 32, True)
    transport = profile.transport
    assert isinstance(transport, MqttTransport)
    assert transport.availability == Topic(topic="box/online", json=False)
    assert (transport.online, transport.stale_after_s) == (r"yes \(1\.0\)", 60)
    assert set(profile.readings) == {
        Role.STATUS,
        Role.PLUGGED,
        Role.CHARGING,
        Role.POWER_W,
        Role.ENERGY_WH,
        Role.CURRENT_A_1,
        Role.LIMIT_A,
        Role.TOKEN,
    }
    source = profile.readings[Role.CHARGING].source
    assert source == Topic(topic="box/flow", path=("now", 0))


@pytest.mark.parametrize(
    ("role", "raw", "value"),
    [
        (Role.STATUS, "idle", "available"),
        (Role.STATUS, "on", "charging"),
        (Role.PLUGGED, "in", True),
        (Role.PLUGGED, "out", False),
        (Role.CHARGING, 1, True),
        (Role.POWER_W, 7.4, 7400),
        (Role.ENERGY_WH, 5, 5),
        (Role.CURRENT_A_1, 6500, 6.5),
        (Role.TOKEN, "007", "007"),
    ],
)
def test_values_get_their_units(role: Role, raw: Scalar, value: Scalar) -> None:
    assert decode(generic_profile(ANSWERS).readings[role].transform, raw) == value


def test_orders() -> None:
    orders = generic_profile(ANSWERS).orders
    assert set(orders) == {Order.LIMIT_A, Order.PAUSE}
    limit = orders[Order.LIMIT_A]
    assert (limit.zero_pauses, limit.read_back) == (True, Role.LIMIT_A)
    assert encode(limit.writes[0].transform, 16) == 16000
    assert limit.writes[0].payload == '{"ma": {value}}'
    assert orders[Order.PAUSE].writes[0].payload == "1"


def test_the_least() -> None:
    profile = generic_profile({"plugged_topic": "a", "set_limit_topic": "b", "zero_pauses": True})
    assert decode(profile.readings[Role.PLUGGED].transform, "true") is True
    assert profile.orders[Order.LIMIT_A].writes[0].payload == "{value}"
    assert profile.orders[Order.LIMIT_A].maximum == 16
    given = {"plugged_topic": "a", "online_topic": "b"}
    transport = generic_profile(given).transport
    assert isinstance(transport, MqttTransport)
    assert transport.online is None


@pytest.mark.parametrize(
    "answers",
    [
        {"status_topic": "a"},
        {"plugged_topic": "a/#"},
        {"plugged_topic": "a", "set_limit_topic": "b", "set_limit_payload": "fixed"},
        {"plugged_topic": "a", "phases": 7},
        {"plugged_topic": "a", "min_a": 20, "max_a": 10},
    ],
)
def test_what_cannot_be(answers: dict[str, Any]) -> None:
    with pytest.raises(ProfileError):
        generic_profile(answers)
