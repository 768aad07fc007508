"""Which topics belong to which subscription."""

import pytest

from custom_components.forecourt.stations.mqtt.broker import at_wildcards, matches


@pytest.mark.parametrize(
    ("pattern", "topic", "fits"),
    [
        ("a/b", "a/b", True),
        ("a/b", "a/bc", False),
        ("a/b", "a/b/c", False),
        ("a/b/c", "a/b", False),
        ("a/+", "a/b", True),
        ("a/+", "a", False),
        ("a/+", "a/", True),
        ("+/+", "/a", True),
        ("/+", "a", False),
        ("a/#", "a", True),
        ("a/#", "a/b/c", True),
        ("#", "a/b", True),
        ("#", "$SYS/broker", False),
        ("+/broker", "$SYS/broker", False),
        ("$SYS/#", "$SYS/broker", True),
        ("A/b", "a/b", False),
    ],
)
def test_matching_as_the_standard_says(pattern: str, topic: str, fits: bool) -> None:
    assert matches(pattern, topic) is fits


@pytest.mark.parametrize(
    ("pattern", "topic", "found"),
    [
        ("a/+", "a/b", "b"),
        ("+/x/+", "a/x/b", "a/b"),
        ("a/b", "a/b", ""),
        ("a/+", "b/c", None),
        ("+/#", "a/b/c", "a"),
    ],
)
def test_what_stands_at_the_wildcards(pattern: str, topic: str, found: str | None) -> None:
    assert at_wildcards(pattern, topic) == found
