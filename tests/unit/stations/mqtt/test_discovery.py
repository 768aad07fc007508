"""Boxes are found by what they publish."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from custom_components.forecourt.stations.declarative.load import load_profile
from custom_components.forecourt.stations.declarative.profile import ModbusTransport, Profile
from custom_components.forecourt.stations.mqtt import discovery
from custom_components.forecourt.stations.mqtt.discovery import Found, find, topics

FOLDER = Path(discovery.__file__).parents[1] / "profiles"
PROFILES: list[Profile] = [
    load_profile(path.read_text(), name=path.name) for path in sorted(FOLDER.glob("*_mqtt.yaml"))
]


def found(profile: str, box: str, prefix: str) -> Found:
    return Found(profile_id=profile, box_id=box, prefix=prefix)


@pytest.mark.parametrize(
    ("topic", "payload", "expected"),
    [
        (
            "go-eCharger/226305/var",
            "22",
            [found("go_e_mqtt", "226305", "go-eCharger/226305")],
        ),
        (
            "/go-eCharger/226305/var",
            "11",
            [found("go_e_mqtt", "226305", "/go-eCharger/226305")],
        ),
        ("warp2/2aBc/info/name", '{"uid": "2aBc"}', [found("warp_mqtt", "2aBc", "warp2/2aBc")]),
        ("warp/XYZ/info/name", '{"uid": "XYZ"}', [found("warp_mqtt", "XYZ", "warp/XYZ")]),
        (
            "openevse/announce/7d2c",
            '{"state": "connected", "id": "a4cf12f07d2c", "mqtt": "garage/left"}',
            [found("openevse_mqtt", "7d2c", "garage/left")],
        ),
        (
            "openevse/announce/7d2c",
            '{"state": "connected"}',
            [found("openevse_mqtt", "7d2c", "openevse-7d2c")],
        ),
        (
            "SmartEVSE/123456/connected",
            "online",
            [found("smartevse_mqtt", "123456", "SmartEVSE/123456")],
        ),
        (
            "openWB/internal_chargepoint/0/get/serial_number",
            '"493826"',
            [found("openwb_2_mqtt", "493826", "openWB")],
        ),
        (
            "openWB/lp/1/boolChargePointConfigured",
            "1",
            [found("openwb_1_9_mqtt", "1", "openWB")],
        ),
        ("openWB/lp/1/boolChargePointConfigured", "0", []),
        (
            "prism/hello",
            "Prism-A00006 3.2.77 (evsemd v1.1.1)",
            [found("silla_prism_mqtt", "A00006", "prism")],
        ),
        (
            "prism/hello",
            "Silla-Prism 4.4.4 (mqtt:user_v1) (serial A00006)",
            [found("silla_prism_mqtt", "A00006", "prism")],
        ),
        (
            "everest_api/connectors",
            '["connector_1", "connector_2"]',
            [
                found("everest_mqtt", "connector_1", "everest_api/connector_1"),
                found("everest_mqtt", "connector_2", "everest_api/connector_2"),
            ],
        ),
        ("go-eCharger/226305/var", "", []),
        ("go-eCharger/226305/car", "2", []),
        ("go-eCharger/<script>/var", "22", []),
        ("openevse/announce/7d2c", '{"mqtt": "all/#"}', []),
        ("prism/hello", "\ufffd", []),
    ],
)
def test_a_topic_tells_which_box_it_is(topic: str, payload: str, expected: list[Found]) -> None:
    assert list(find(PROFILES, topic, payload.encode())) == expected


def test_all_topics_once() -> None:
    assert set(topics(PROFILES)) >= {"go-eCharger/+/var", "prism/hello", "openevse/announce/+"}
    assert len(topics([*PROFILES, *PROFILES])) == len(topics(PROFILES))


def test_boxes_of_other_protocols_and_nameless_ones() -> None:
    first = PROFILES[0]
    other = replace(first, transport=ModbusTransport())
    assert topics([other]) == ()
    assert find([other], "everest_api/connectors", b'["a"]') == ()
    plain = replace(first.transport, discovery=("box/there",), discovered_id=None)
    assert find([replace(first, id="box", transport=plain)], "box/there", b"1") == (
        found("box", "box", "everest_api/box"),
    )
