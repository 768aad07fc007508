import pytest

from custom_components.forecourt.probe.mqtt import prefix_of, topics_of
from custom_components.forecourt.stations.declarative.library import Library


def test_where_the_topics_of_a_box_are() -> None:
    profile = Library().get("go_e_mqtt")
    names = prefix_of(profile, "123456")
    assert names["id"] == "123456"
    assert all("{" not in topic for topic in topics_of(profile, names))


def test_only_boxes_by_mqtt_have_topics() -> None:
    with pytest.raises(TypeError, match="not for MQTT"):
        prefix_of(Library().get("peblar"), "1")
