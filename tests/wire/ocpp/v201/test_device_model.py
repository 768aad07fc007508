"""What is kept of a device model, and how a report of it is put together."""

import asyncio
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.forecourt.stations.ocpp.schema import CALL, Schemas
from custom_components.forecourt.stations.ocpp.v201 import device_model
from custom_components.forecourt.stations.ocpp.v201.device_model import DeviceModel, Key

NAMES = st.text("abcXYZ019", min_size=1, max_size=20)
KEYS = st.builds(
    Key,
    component=NAMES,
    variable=NAMES,
    instance=NAMES | st.just(""),
    evse=st.integers(1, 9),
    connector=st.integers(0, 9),
    component_instance=NAMES | st.just(""),
)
SCHEMAS = Schemas("2.0.1")
INTERVAL = Key("SampledDataCtrlr", "TxUpdatedInterval")


def entry(key: Key, value: str | None = None, **more: Any) -> dict[str, Any]:
    attribute = {} if value is None else {"value": value}
    return key.payload | {"variableAttribute": [attribute | more.pop("attribute", {})], **more}


def report(*entries: dict[str, Any], number: int = 0, **more: Any) -> dict[str, Any]:
    told = {"requestId": 1, "generatedAt": "", "seqNo": number, "reportData": list(entries)}
    return told | more


@given(KEYS)
def test_a_key_is_the_same_there_and_back(key: Key) -> None:
    assert Key.of(key.payload) == key
    SCHEMAS.check(CALL, "GetVariables", {"getVariableData": [key.payload]})


def test_a_key_has_a_name_for_people() -> None:
    key = Key("Connector", "Available", "x", evse=1, connector=2, component_instance="y")
    assert str(key) == "Connector[y]#1.2/Available[x]"
    assert str(INTERVAL) == "SampledDataCtrlr/TxUpdatedInterval"
    assert str(Key("EVSE", "Power", evse=1)) == "EVSE#1/Power"


def test_names_are_the_same_in_any_case() -> None:
    model = DeviceModel()
    model.report(report(entry(Key("SAMPLEDDATACTRLR", "txupdatedinterval"), "7")))
    told = model[INTERVAL]
    assert told is not None
    assert told.value == "7"
    assert INTERVAL in model
    assert Key("A", "B") not in model


def test_a_variable_is_what_was_told_of_it() -> None:
    model = DeviceModel()
    model.report(
        report(
            entry(
                INTERVAL,
                "7",
                variableCharacteristics={
                    "dataType": "integer",
                    "supportsMonitoring": False,
                    "minLimit": 5,
                    "maxLimit": 900,
                    "valuesList": "a, b,,c",
                },
            )
        )
    )
    told = model[INTERVAL]
    assert told is not None
    assert (told.least, told.most, told.choices, told.writable) == (5, 900, ("a", "b", "c"), True)
    # A value that is read later says nothing about the rest.
    model.set(INTERVAL, "8")
    later = model[INTERVAL]
    assert later is not None
    assert (later.value, later.least, later.choices) == ("8", 5, ("a", "b", "c"))
    # Nor does another attribute.
    model.report(report(entry(INTERVAL, "1", attribute={"type": "MinSet"})))
    latest = model[INTERVAL]
    assert latest is not None
    assert latest.value == "8"
    assert latest.attributes["MinSet"].value == "1"


@pytest.mark.parametrize(
    ("attribute", "writable"),
    [({}, True), ({"mutability": "ReadWrite"}, True), ({"mutability": "ReadOnly"}, False)],
)
def test_what_is_not_for_reading_only_may_be_set(attribute: Any, writable: bool) -> None:
    model = DeviceModel()
    model.report(report(entry(INTERVAL, "7", attribute=attribute)))
    told = model[INTERVAL]
    assert told is not None
    assert told.writable is writable


def test_a_variable_without_an_actual_value_has_none() -> None:
    model = DeviceModel()
    model.report(report(entry(INTERVAL, "7", attribute={"type": "MaxSet"})))
    told = model[INTERVAL]
    assert told is not None
    assert (told.value, told.items, told.is_true, told.writable) == (None, (), None, False)


@pytest.mark.parametrize(
    ("text", "is_true"),
    [("true", True), ("True ", True), ("1", True), ("false", False), ("0", False), ("no", None)],
)
def test_a_switch_is_told_in_many_ways(text: str, is_true: bool | None) -> None:
    model = DeviceModel()
    model.set(INTERVAL, text)
    told = model[INTERVAL]
    assert told is not None
    assert told.is_true is is_true


@pytest.mark.parametrize(
    ("key", "attribute"),
    [
        (Key("SecurityCtrlr", "BasicAuthPassword"), {}),
        (Key("NetworkConfiguration", "VpnKey", component_instance="1"), {}),
        (Key("TokenReader", "Token"), {}),
        (Key("ConnectedEV", "VehicleId", evse=1), {}),
        (Key("AuthCtrlr", "MasterPassGroupId"), {}),
        (Key("Acme", "Harmless"), {"mutability": "WriteOnly"}),
    ],
)
def test_nothing_is_kept_of_a_secret(key: Key, attribute: Any) -> None:
    model = DeviceModel()
    model.report(report(entry(key, "hunter2", attribute=attribute), entry(INTERVAL, "7")))
    model.set(key, "hunter2")
    assert "hunter2" not in repr(model._variables)
    assert model.summary() == {"SampledDataCtrlr/TxUpdatedInterval": "7"}
    assert key in model


@pytest.mark.parametrize("status", ["Rejected", "UnknownVariable", "NotSupportedAttributeType"])
def test_only_what_is_accepted_has_a_value(status: str) -> None:
    model = DeviceModel()
    assert not model.take(INTERVAL.payload | {"attributeStatus": status, "attributeValue": "1"})
    assert INTERVAL not in model
    assert model.take(INTERVAL.payload | {"attributeStatus": "Accepted"})
    told = model[INTERVAL]
    assert told is not None
    assert told.value == ""


def test_outlets_and_plugs_are_counted_by_what_is_told_of_them() -> None:
    model = DeviceModel()
    assert model.evses is None
    assert model.connectors(1) == [1]
    for key in (
        Key("EVSE", "Power", evse=3),
        Key("Connector", "Available", evse=3, connector=2),
        Key("Connector", "Available", evse=3, connector=1),
        Key("Connector", "Available", evse=3, connector=99),
        Key("EVSE", "Power", evse=65),
        Key("EVSE", "Power", evse=-1),
    ):
        model.set(key, "1")
    assert model.evses == 3
    assert model.connectors(3) == [1, 2]
    assert model.connectors(1) == [1]
    model.forget()
    assert model.evses is None


def test_a_station_cannot_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_model, "MAX_VARIABLES", 10)
    model = DeviceModel()
    keys = [Key("Acme", f"Variable{number}") for number in range(30)]
    model.report(report(*(entry(key, "x" * 2500) for key in keys)))
    for key in keys:
        model.set(key, "y" * 2500)
    assert len(model) == 10
    assert set(map(len, model.summary().values())) == {device_model.MAX_VALUE}
    # What is there can still change.
    model.set(keys[0], "z")
    assert model.summary()["Acme/Variable0"] == "z"


async def received(model: DeviceModel, *payloads: dict[str, Any]) -> bool:
    model.expect(1)
    for payload in payloads:
        model.report(payload)
    return await model.received(0.01)


async def test_a_report_of_many_messages_is_whole() -> None:
    model = DeviceModel()
    parts = [report(entry(Key("A", str(n)), "1"), number=n, tbc=n < 2) for n in range(3)]
    assert await received(model, *parts)
    assert len(model) == 3


async def test_a_report_that_lacks_a_message_is_not_whole_but_counts() -> None:
    model = DeviceModel()
    parts = [report(entry(Key("A", str(n)), "1"), number=n, tbc=n < 2) for n in (0, 2)]
    assert not await received(model, *parts)
    assert len(model) == 2


async def test_a_report_that_does_not_end_is_given_up() -> None:
    model = DeviceModel()
    assert not await received(model, report(entry(INTERVAL, "1"), tbc=True))
    assert not await received(model)


async def test_a_report_without_an_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_model, "MAX_CHUNKS", 3)
    model = DeviceModel()
    assert not await received(model, *(report(number=n, tbc=True) for n in range(9)))


async def test_a_report_may_come_slowly() -> None:
    model = DeviceModel()
    model.expect(1)
    whole = asyncio.create_task(model.received(5))
    for number in range(3):
        await asyncio.sleep(0)
        assert not whole.done()
        model.report(report(number=number, tbc=number < 2))
    assert await whole


async def test_a_report_that_somebody_else_asked_for_counts_but_ends_nothing() -> None:
    model = DeviceModel()
    foreign = report(entry(INTERVAL, "7"), requestId=2)
    assert not await received(model, foreign)
    assert INTERVAL in model
    # One that comes too late is no end of the next.
    model.report(report(number=0))
    assert await received(model, foreign, report(number=0))


def test_a_report_may_be_empty() -> None:
    model = DeviceModel()
    payload = report()
    del payload["reportData"]
    model.report(payload)
    assert len(model) == 0
