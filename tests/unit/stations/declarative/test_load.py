from collections.abc import Mapping
import re

from hypothesis import given, strategies as st
import pytest

from custom_components.forecourt.stations.declarative.load import ProfileError, load_profile
from custom_components.forecourt.stations.declarative.profile import (
    ModbusTransport,
    MqttTransport,
    Order,
    Register,
    Role,
    Space,
    Topic,
    Type,
    WordOrder,
)

from .profiles import ENTITIES, MODBUS, MQTT

HEADS = {"box": MODBUS, "talker": MQTT, "others": ENTITIES}


def problems(text: str, name: str = "box", bases: Mapping[str, str] | None = None) -> list[str]:
    with pytest.raises(ProfileError) as caught:
        load_profile(text, name=name, base=None if bases is None else bases.__getitem__)
    assert str(caught.value) == "\n".join(map(str, caught.value.problems))
    return [str(each) for each in caught.value.problems]


def test_a_modbus_box() -> None:
    profile = load_profile(MODBUS, name="box.yaml")

    assert profile.transport == ModbusTransport(kinds=("tcp", "serial"), unit=255, max_registers=20)
    assert (profile.connectors, profile.max_connectors) == (1, 2)
    assert (profile.min_current_a, profile.max_current_a) == (6, 16)
    status = profile.readings[Role.STATUS]
    assert status.source == Register(space=Space.HOLDING, address=1000, type=Type.U32, count=2)
    assert status.transform.map == {0: "available", 3: "charging"}
    assert not status.transform.numeric
    power = profile.readings[Role.POWER_W]
    assert power.transform.none == (-32768, -1)  # given by its bits, and by its value
    assert power.transform.numeric
    limit = profile.readings[Role.LIMIT_A]
    assert isinstance(limit.source, Register)
    assert limit.source.order is WordOrder.LOW_FIRST
    charging = profile.readings[Role.CHARGING]
    assert isinstance(charging.source, Register)
    assert charging.source.type is Type.BIT
    assert charging.transform.map == {0: False, 1: True}
    assert profile.readings[Role.SERIAL].slow
    order = profile.orders[Order.LIMIT_A]
    assert (order.minimum, order.maximum) == (6, 16)  # as the box as a whole
    assert order.writes[0].transform.scale == 0.1
    assert profile.orders[Order.RESUME].writes[0].delay_s == 0.5
    assert profile.watchdog is not None
    assert profile.fingerprint is not None
    assert profile.fingerprint.excludes == {Role.FIRMWARE: "^9"}


def test_a_box_that_speaks_mqtt() -> None:
    profile = load_profile(MQTT, name="talker")

    assert isinstance(profile.transport, MqttTransport)
    assert profile.transport.availability == Topic(topic="{prefix}/online")
    assert profile.readings[Role.PLUGGED].source == Topic(
        topic="{prefix}/plug", path=(0, "plugged")
    )
    assert profile.orders[Order.LIMIT_A].writes[0].payload == "{value}"
    assert profile.orders[Order.RESUME].writes[0].value == 2


def test_a_box_of_another_integration() -> None:
    profile = load_profile(ENTITIES, name="others")

    assert profile.transport is None
    assert profile.integration == "others"
    assert profile.readings[Role.POWER_W].source == "sensor.power#watts"
    assert profile.orders[Order.UNLOCK].writes[0].target == "button.unlock"


@pytest.mark.parametrize(
    ("name", "old", "new", "line", "told"),
    [
        ("box", "scale: 0.1}\n  limit", "scale: x}\n  limit", 16, "scale: a number is wanted"),
        ("box", "scale: 0.1}\n  limit", "scale: 0}\n  limit", 16, "out of bounds"),
        ("box", "scale: 0.1}\n  limit", "scale: .inf}\n  limit", 16, "a number is wanted"),
        ("box", "vendor: Box", "vendor: 3", 3, "a text is wanted, not 3. Put it in quotes"),
        ("box", "vendor: Box", "vendor: ''", 3, "It is empty"),
        ("box", "vendor: Box", "vendor: [a]", 3, "a text is wanted, not a list"),
        ("box", "vendor: Box", f"vendor: {'x' * 1001}", 3, "longer than"),
        ("box", "vendor: Box\n", "", 1, "vendor: It is missing"),
        ("box", "vendor: Box", "vendor: ~", 3, "vendor: It is missing"),
        ("box", "vendor: Box", "vender: Box", 3, "Did you mean 'vendor'?"),
        ("box", "id: box", "id: bux", 2, "It is named like its file: box"),
        ("box", "id: box", "id: Box", 2, "not of the form"),
        ("box", "format: 1", "format: 2", 1, "no format that is known. Known are: 1"),
        ("box", "format: 1", "format: true", 1, "no format that is known"),
        ("box", "protocol: modbus", "protocol: knx", 5, "Known are: modbus, mqtt, entities"),
        ("box", "protocol: modbus\n", "", 1, "protocol: It is missing"),
        ("box", "confidence: read", "confidence: sure", 6, "no confidence that is known"),
        ("box", "models: [Box 1]", "models: []", 4, "1 to 64 members"),
        ("box", "models: [Box 1]", "models: Box 1", 4, "a list is wanted"),
        ("box", "models: [Box 1]", "models: [Box 1, 2]", 4, "models[1]: a text is wanted"),
        ("box", "transport: {", "transport: {port: 99999, ", 8, "transport.port: 99999"),
        ("box", "unit: 255", "connector_units: [1]", 8, "2 connectors, so 2 unit ids"),
        ("box", "{default: 1, max: 2}", "{default: 3, max: 2}", 9, "less than default"),
        ("box", "{default: 1, max: 2}", "3", 9, "a mapping is wanted, not 3"),
        ("box", "{min: 6, max: 16}", "{min: 16, max: 6}", 10, "less than min"),
        ("box", '{probe: "^3"}', '{probe: "("}', 11, "not a regular expression"),
        ("box", '{probe: "^3"}', "{}", 11, "Nothing is matched"),
        ("box", '{probe: "^3"}', '{model: "^3"}', 11, "There is no reading model"),
        ("box", "  power_w:", "  powerw:", 16, "Did you mean 'power_w'?"),
        ("box", "0: available", "0: free", 13, "One of available, charging"),
        ("box", "0: available", "-1: available", 13, "A u32 is never -1"),
        ("box", "0: available", "zero: available", 13, "A u32 is never 'zero'"),
        ("box", "map: {0: available, 3: charging}", "scale: 1", 13, "A status needs a map"),
        ("box", "3: charging}", "3: charging}, scale: 2", 13, "not both"),
        ("box", "3: charging}", "3: charging}, default: gone", 13, "not 'gone'"),
        ("box", "3: charging", "0: charging", 13, "0 is there twice"),
        ("box", "bit: 2", "bit: 16", 14, "has no bit 16"),
        ("box", "bit: 2", "bit: 2, mask: 4", 14, "'shift' and 'mask' for several"),
        ("box", "bit: 2", "map: {0: no, 1: true}", 14, "true or false is wanted, not 'no'"),
        ("box", "bit: 2", "default: true", 14, "there is no map"),
        ("box", "bit: 2", "type: bit", 14, "say which with 'bit'"),
        ("box", "address: 11", "address: 11, type: u16", 15, "A discrete holds one bit"),
        ("box", "address: 11", "address: 11, bit: 0", 15, "Only whole numbers have bits"),
        ("box", "[0x8000, -1]", "[0x10000]", 16, "A i16 is never 65536"),
        ("box", "[0x8000, -1]", "[1.5]", 16, "A i16 is never 1.5"),
        ("box", "scale: 0.1}\n  limit", "map: {1: lots}}\n  limit", 16, "a number is wanted"),
        ("box", "type: ascii, count: 8", "type: ascii", 18, "How many registers"),
        ("box", "type: ascii, count: 8", "type: ascii, count: 30", 18, "this box gives 20"),
        ("box", "type: ascii, count: 8", "count: 8", 18, "A u16 takes 1; leave it out"),
        ("box", "address: 40", "address: 65530", 18, "beyond address 65535"),
        ("box", "slow: true", "slow: yes", 18, "true or false is wanted, not 'yes'"),
        ("box", "slow: true", "order: low_first", 18, "numbers of several registers"),
        ("box", "slow: true", "swapped: true, type: hex", 18, "type is there twice"),
        ("box", "address: 50,", "address: 50, swapped: true,", 19, "texts of type ascii"),
        ("box", '"1.2"', '"2.1"', 19, "not above 'from_firmware'"),
        ("box", '"1.2"', "1.2", 19, "a text is wanted, not 1.2"),
        ("box", '"1.2"', "new", 19, "not of the form of '1.12.3'"),
        ("box", "read_back: limit_a", "read_back: phases", 24, "There is no reading phases"),
        ("box", "    zero_pauses: true", "    minimum: 40", 23, "more than the maximum"),
        ("box", "function: 6, address: 70", "function: 5, address: 70", 25, "6 or 16"),
        ("box", "function: 6, address: 70", "function: 6, type: u32, address: 70", 25, "takes 2"),
        ("box", "address: 70, scale: 0.1", "address: 70, value: 6", 25, "None of them writes"),
        ("box", "address: 70, scale: 0.1", "address: 70, scale: 2, map: {1: 2}", 25, "not both"),
        ("box", "function: 5, address: 1, value: 0", "function: 5, address: 1", 26, "no value of"),
        ("box", "address: 1, value: 0", "address: 1, value: 2", 26, "A bit is never 2"),
        ("box", "address: 1, value: 0", "address: 1, value: 0, scale: 2", 26, "as it is"),
        ("box", "register: coil, function: 5", "register: input, function: 6", 26, "cannot be"),
        ("box", "pause: {", "pause: {zero_pauses: true, ", 26, "It is for limits"),
        ("box", "1: 3}}]}", "1: 4}}]}", 28, "1, 2 or 3 is wanted, not 4"),
        ("box", "address: 72,", "address: 72, memory: flash,", 29, "must not be written in a loop"),
        ("box", "renew: {", "forget_token: {", 30, "There is no order 'renew'"),
        ("box", " timeout_s: 60,", "", 30, "After how long"),
        ("box", "renewed_by: order, ", "", 30, "renewed_"),
        ("box", "  pause: {", "  unlock: {", 27, "There is no pause to resume from"),
        ("talker", "{prefix}/online", "{prefx}/online", 11, "{prefx} is not filled in here"),
        ("talker", '["talker/+/status"]', '["talker/status"]', 10, "A '+' at the place of the id"),
        ("talker", '"talker/{id}"', '"{prefix}"', 9, "{prefix} is not filled in here"),
        ("talker", "json: false", "json: false, path: [a]", 17, "Only JSON has a path"),
        ("talker", "path: [0, plugged]", "path: [1.5]", 16, "A key or an index"),
        ("talker", '"{prefix}/card"', '"talker/#"', 18, "not of the form"),
        ("talker", "{now}", "{then}", 24, "{then} is not filled in here"),
        ("talker", "acknowledge:", "acknowledged:", 20, "Where it is acknowledged is missing"),
        ("talker", "resume:", "unlock:", 21, "Nothing ends a pause"),
        ("others", "sensor.status", "status", 10, "not of the form"),
        ("others", ", value: true", "", 15, "resume has no value of its own"),
        ("others", "integration: others", "transport: {}", 6, "'transport' is no key"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(
    name: str, old: str, new: str, line: int, told: str
) -> None:
    whole = HEADS[name]
    if told == "Nothing ends a pause":
        whole = re.sub(r"  limit_a:.*\n", "", whole)
        line -= 1
    assert old in whole
    found = problems(whole.replace(old, new, 1), name)
    assert any(told in each and f"{name}.yaml, line {line}: " in each for each in found), found


def test_all_mistakes_are_told_at_once_by_line() -> None:
    broken = MODBUS.replace("scale: 0.1", "scale: x").replace("vendor: Box", "vendor: 1")
    broken = broken.replace("renewed_by: order", "renewed_by: hope").replace("^9", "(")

    found = problems(broken)

    lines = [int(each.split("line ")[1].split(":")[0]) for each in found]
    assert lines == sorted(lines) == [3, 11, 16, 25, 30]


def test_a_limit_that_cannot_pause_is_refused() -> None:
    text = re.sub(r"    zero_pauses.*\n|  pause:.*\n|  resume:.*\n", "", MODBUS)
    assert "It cannot be paused" in problems(text)[0]


def test_a_limit_in_flash_is_not_what_renews() -> None:
    text = MODBUS.replace("renewed_by: order", "renewed_by: write")
    assert load_profile(text, name="box").watchdog is not None
    flash = text.replace("address: 70,", "address: 70, memory: flash,")
    assert "must not be written in a loop" in problems(flash)[0]
    without = re.sub(r"  limit_a:\n(    .*\n)+", "", text)
    assert "There is no limit to write" in problems(without)[0]


def test_a_profile_tells_whether_a_car_is_there() -> None:
    text = re.sub(r"  (status|plugged|charging):.*\n", "", MODBUS)
    assert "One of status, plugged and charging is needed" in problems(text)[0]


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("", 1, "It is empty"),
        ("# nothing\n", 1, "It is empty"),
        ("hello", 1, "a mapping is wanted, not 'hello'"),
        ("null", 1, "a mapping is wanted, not nothing"),
        ("true", 1, "a mapping is wanted, not true"),
        ("a: 1\n---\nb: 2\n", 2, "One file holds one profile"),
        ("a: 1\na: 2\n", 2, "a is there twice"),
        ("a: 1\na: 2\nb: *c\n", 2, "a is there twice"),
        ("a: &x [1]\nb: 2\n", 1, "Anchors (&) and aliases (*) are refused"),
        ("b: 2\na: *x\n", 2, "are refused"),
        ("a: 1\nb: !!python/object:os.system x\n", 2, "The tag"),
        ("? [a]\n: 1\n", 1, "A key is a name or a number"),
        ("a: [\n", 2, "This is not YAML"),
        ("a:\n\t- b\n", 2, "This is not YAML"),
        ("a: \x00", 1, "characters that YAML does not allow"),
        ("a: \ud800", 1, "characters that YAML does not allow"),
        ("[" * 10000, 1, "nested deeper"),
        ("a: 1\n" + "#" * 300_000, 1, "larger than 256 KiB"),
    ],
)
def test_what_is_no_profile_at_all(text: str, line: int, told: str) -> None:
    found = problems(text, "box.yaml")
    assert told in "\n".join(found)
    assert found[0].startswith(f"box.yaml, line {line}: ")


def test_texts_are_those_of_newer_yaml() -> None:
    text = MQTT.replace(
        "idle: available", "on: available, 012: preparing, 0x1F: faulted, 1e1: reserved"
    )
    status = load_profile(text, name="talker").readings[Role.STATUS].transform.map
    assert list(status)[:4] == ["on", 12, 31, 10.0]


def test_a_family_of_boxes() -> None:
    small = """\
id: small_box
extends: box
models: [Small box]
phases: 1
current_a: {max: 10}
readings:
  status: {address: 2000, map: {5: faulted, 0: ~}}
  probe: ~
fingerprint: ~
"""
    smaller = "id: smaller_box\nextends: small_box\nhas_rfid: true\n"
    bases = {"box": MODBUS, "small_box": small}
    profile = load_profile(smaller, name="smaller_box", base=bases.__getitem__)

    assert profile.id == "smaller_box"
    assert profile.vendor == "Box"
    assert profile.models == ("Small box",)
    assert (profile.min_current_a, profile.max_current_a) == (6, 10)
    assert profile.has_rfid
    assert profile.fingerprint is None
    assert Role.PROBE not in profile.readings
    status = profile.readings[Role.STATUS]
    assert status.transform.map == {3: "charging", 5: "faulted"}
    assert isinstance(status.source, Register)
    assert (status.source.address, status.source.type) == (2000, Type.U32)


def test_a_profile_may_extend_its_namesake() -> None:
    own = "id: box\nextends: box\nphases: 1\n"
    assert load_profile(own, name="box", base={"box": MODBUS}.__getitem__).phases == 1


@pytest.mark.parametrize(
    ("text", "bases", "told"),
    [
        ("id: an\nextends: box\n", None, "line 2: extends: Nothing can be extended here"),
        ("id: an\nextends: bax\n", {"box": MODBUS}, "No profile 'bax' comes with Forecourt"),
        ("id: an\nextends: b\n", {"b": "id: b\nextends: b\n"}, "This never ends"),
        ("id: an\nextends: box\nphases: 4\n", {"box": MODBUS}, "an.yaml, line 3: phases"),
        ("id: an\nextends: [box]\n", {"box": MODBUS}, "protocol: It is missing"),
        (
            "id: an\nextends: box\ncurrent_a: {min: 20}\n",
            {"box": MODBUS},
            "box.yaml, line 10: current_a.max",
        ),
    ],
)
def test_what_cannot_be_extended(text: str, bases: dict[str, str] | None, told: str) -> None:
    assert told in problems(text, "an", bases)[0]


@given(
    st.sampled_from(sorted(HEADS)),
    st.lists(st.tuples(st.integers(0, 1500), st.text("{}[]:,-&*!~'\"\n 019az.#|>%@", max_size=6))),
)
def test_whatever_a_text_holds_is_a_profile_or_wrong(
    name: str, edits: list[tuple[int, str]]
) -> None:
    text = HEADS[name]
    for at, piece in edits:
        text = text[: at % len(text)] + piece + text[at % len(text) + len(piece) // 2 :]
    try:
        profile = load_profile(text, name=name)
    except ProfileError as error:
        assert all(each.line >= 1 and each.text for each in error.problems)  # noqa: PT017
        assert error.problems  # noqa: PT017
    else:
        assert profile.id == name
