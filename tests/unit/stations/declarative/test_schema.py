"""The schema for editors, the table for readers, and the loader say the same."""

import json
from typing import Any

from hypothesis import given, strategies as st
import jsonschema_rs
import pytest
import yaml

from custom_components.forecourt.stations.declarative import vocabulary
from custom_components.forecourt.stations.declarative.library import SHIPPED, Library
from custom_components.forecourt.stations.declarative.load import ProfileError, load_profile
from custom_components.forecourt.stations.declarative.profile import Order, Role, Type
from script import profile_schema, stations_table

from .profiles import ENTITIES, MODBUS, MQTT

SAMPLES = {"box": MODBUS, "talker": MQTT, "others": ENTITIES}
SCHEMA = jsonschema_rs.validator_for(json.loads(profile_schema.SCHEMA.read_text()))
DOCS = profile_schema.ROOT / "docs/profiles.md"


def as_json(value: Any) -> Any:
    """Return a value as an editor's checker sees it: keys are texts."""
    if isinstance(value, dict):
        return {str(key): as_json(inside) for key, inside in value.items()}
    return [as_json(each) for each in value] if isinstance(value, list) else value


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, each in inside:
        found.append((*path, key))
        if isinstance(each, dict | list):
            found += places(each, (*path, key))
    return found


def test_the_schema_is_that_of_the_loader() -> None:
    assert profile_schema.SCHEMA.read_text() == profile_schema.text(), (
        "run: python -m script.profile_schema"
    )


def test_the_table_is_that_of_the_profiles() -> None:
    assert stations_table.TABLE.read_text() == stations_table.text(), (
        "run: python -m script.stations_table"
    )


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_schema_knows_every_profile(path: Any) -> None:
    assert not [
        error.message for error in SCHEMA.iter_errors(as_json(yaml.safe_load(path.read_text())))
    ]


@given(data=st.data(), name=st.sampled_from(sorted(SAMPLES)))
def test_what_the_loader_takes_the_schema_takes(data: st.DataObject, name: str) -> None:
    profile = yaml.safe_load(SAMPLES[name])
    path = data.draw(st.sampled_from(places(profile)))
    inside = profile
    for step in path[:-1]:
        inside = inside[step]
    wrong = [7, -1, 0.5, True, "text", "", [], {}, [1], {"a": 1}, "limit_a", "1.2"]
    change = data.draw(st.sampled_from(["drop", "add", *range(len(wrong))]))
    if change == "drop":
        del inside[path[-1]]
    elif change == "add" and isinstance(inside, dict):
        inside["unheard_of"] = 1
    elif isinstance(change, int):
        inside[path[-1]] = wrong[change]
    try:
        load_profile(yaml.safe_dump(profile), name=name)
    except ProfileError:
        return
    assert SCHEMA.is_valid(as_json(profile)), [
        error.message for error in SCHEMA.iter_errors(as_json(profile))
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("vendor: Box", "vendor: 3"),
        ("vendor: Box", "vender: Box"),
        ("vendor: Box\n", ""),
        ("confidence: read", "confidence: sure"),
        ("unit: 255", "unit: 256"),
        ("power_w:", "powr_w:"),
        ("scale: 0.1}]", "scale: 0}]"),
        ("function: 6, address: 70", "address: 70"),
        ("function: 15", "function: 3"),
        ("renewed_by: order", "renewed_by: hope"),
        ("protocol: modbus", "protocol: knx"),
        ('"1.2"', "newest"),
    ],
)
def test_what_the_schema_refuses_the_loader_refuses(old: str, new: str) -> None:
    text = MODBUS.replace(old, new, 1)
    assert text != MODBUS
    assert not SCHEMA.is_valid(as_json(yaml.safe_load(text)))
    with pytest.raises(ProfileError):
        load_profile(text, name="box")


def test_what_extends_another_need_not_be_whole() -> None:
    assert SCHEMA.is_valid({"format": 1, "id": "my_box", "extends": "box", "readings": {}})
    assert not SCHEMA.is_valid({"format": 1, "id": "my_box", "extends": "box", "reading": {}})


def test_the_page_names_every_key_role_order_and_type() -> None:
    page = DOCS.read_text()
    keys = {
        key
        for protocol in vocabulary.PROTOCOLS
        for record in (
            vocabulary.profile(protocol),
            vocabulary.reading(protocol),
            vocabulary.order(protocol),
        )
        for key in record.members
    }
    names = keys | {each.value for kind in (Role, Order, Type) for each in kind}
    phases = {f"{name[:-1]}1" for name in names if name[-2:] in ("_1", "_2", "_3")}
    wanted = {name for name in names if name[-2:] not in ("_1", "_2", "_3")} | phases
    assert not {name for name in wanted if f"`{name}`" not in page}


def test_the_example_of_the_page_is_right() -> None:
    example = DOCS.read_text().split("```yaml\n", 1)[1].split("```", 1)[0]
    assert load_profile(example, name="example_box").orders
    assert SCHEMA.is_valid(as_json(yaml.safe_load(example)))


def test_the_table_refuses_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = {"box": ProfileError()}
    monkeypatch.setattr(Library, "problems", lambda _: problem)
    with pytest.raises(ProfileError):
        stations_table.text()
