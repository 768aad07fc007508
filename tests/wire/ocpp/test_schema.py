"""What is mended of a message, and what is refused."""

from typing import Any

import pytest

from custom_components.forecourt.stations.ocpp.schema import (
    CALL,
    CALL_RESULT,
    ErrorCode,
    Schemas,
    ViolationError,
)
from custom_components.forecourt.stations.ocpp.tokens import UNREADABLE_TAG
from custom_components.forecourt.stations.ocpp.v16 import V16
from custom_components.forecourt.stations.ocpp.v16.lenient import lenient

SCHEMAS = Schemas("1.6")
START = {"connectorId": 1, "idTag": "A", "meterStart": 5, "timestamp": "x"}
STOP = {"transactionId": 1, "meterStop": 5, "timestamp": "x"}
BOOT = {"chargePointVendor": "V", "chargePointModel": "M"}
STATUS = {"connectorId": 1, "errorCode": "NoError", "status": "Available"}


def mended(action: str, payload: dict[str, Any], kind: int = CALL) -> tuple[Any, list[str]]:
    payload = dict(payload)
    notes = [*lenient(kind, action, payload), *SCHEMAS.mend(kind, action, payload)]
    return payload, notes


def test_every_schema_can_be_loaded_beforehand() -> None:
    V16.preload()


@pytest.mark.parametrize(
    ("action", "payload"),
    [("StartTransaction", START), ("StopTransaction", STOP), ("Heartbeat", {})],
)
def test_a_good_message_is_left_alone(action: str, payload: dict[str, Any]) -> None:
    assert mended(action, payload) == (payload, [])


@pytest.mark.parametrize(
    ("action", "payload", "expected", "note"),
    [
        ("StartTransaction", START | {"vendor": 1}, START, "extra field"),
        ("StartTransaction", START | {"meterStart": 5.0}, START, "meterStart is not whole"),
        ("StartTransaction", START | {"meterStart": "5"}, START, "type of meterStart"),
        ("StartTransaction", START | {"meterStart": "5.0"}, START, "type of meterStart"),
        ("StartTransaction", START | {"connectorId": 1.0}, START, "type of connectorId"),
        ("StartTransaction", START | {"meterStart": 5.4}, START, "meterStart is not whole"),
        ("StartTransaction", START | {"reservationId": None}, START, "type of reservationId"),
        ("StartTransaction", START | {"idTag": 5}, START | {"idTag": "5"}, "type of idTag"),
        (
            "StartTransaction",
            {key: START[key] for key in ("connectorId", "idTag", "meterStart")},
            START | {"timestamp": ""},
            "missing timestamp",
        ),
        (
            "StartTransaction",
            START | {"meterStart": "x"},
            START | {"meterStart": -1},
            "missing meterStart",
        ),
        *(
            (
                "StartTransaction",
                START | {"idTag": tag},
                START | {"idTag": UNREADABLE_TAG},
                "idTag cannot be read",
            )
            for tag in ("F" * 21, 10**21, None, ["F"])
        ),
        ("BootNotification", BOOT | {"iccid": None}, BOOT, "type of iccid"),
        (
            "BootNotification",
            BOOT | {"chargePointSerialNumber": "s" * 30},
            BOOT | {"chargePointSerialNumber": "s" * 25},
            "maxLength of chargePointSerialNumber",
        ),
        (
            "StatusNotification",
            STATUS | {"errorCode": "Error"},
            STATUS | {"errorCode": "OtherError", "vendorErrorCode": "Error"},
            "unknown errorCode",
        ),
        ("StatusNotification", STATUS | {"timestamp": {}}, STATUS, "type of timestamp"),
        (
            "StopTransaction",
            STOP | {"reason": "Because"},
            STOP | {"reason": "Other"},
            "unknown reason",
        ),
        ("StopTransaction", STOP | {"reason": 5}, STOP | {}, "type of reason"),
        ("StopTransaction", STOP | {"idTag": "F" * 21}, STOP, "maxLength of idTag"),
        ("StopTransaction", STOP | {"meterStop": 5.2}, STOP, "meterStop is not whole"),
        (
            "StopTransaction",
            {"meterStop": 5, "timestamp": "x"},
            STOP | {"transactionId": -1},
            "missing transactionId",
        ),
        ("StopTransaction", STOP | {"transactionData": "x"}, STOP, "type of transactionData"),
        ("StopTransaction", STOP | {"transactionData": [5]}, STOP, "type of transactionData"),
        (
            "StopTransaction",
            STOP | {"transactionData": [{"timestamp": "x"}]},
            STOP,
            "required of transactionData",
        ),
        (
            "DataTransfer",
            {"vendorId": "V", "data": {"a": 1}},
            {"vendorId": "V", "data": '{"a": 1}'},
            "data is not text",
        ),
        ("MeterValues", {"transactionId": "x"}, {}, "type of transactionId"),
    ],
)
def test_harmless_deviations_are_mended_and_counted(
    action: str, payload: dict[str, Any], expected: dict[str, Any], note: str
) -> None:
    rest = {"connectorId": 1, "meterValue": [meter_value()]} if action == "MeterValues" else {}
    found, notes = mended(action, {**rest, **payload})
    assert found == {**rest, **expected}
    assert note in notes


def meter_value(**changes: Any) -> dict[str, Any]:
    return {"timestamp": "x", "sampledValue": [{"value": "1"} | changes]}


@pytest.mark.parametrize(
    ("changes", "sample"),
    [
        ({"measurand": "Energy.Total"}, {"value": ""}),
        ({"unit": "Hz", "measurand": "Frequency"}, {"value": "", "measurand": "Frequency"}),
        ({"phase": "T"}, {"value": ""}),
        ({"context": "Periodic"}, {"value": "1"}),
        ({"location": "Moon"}, {"value": "1"}),
        ({"value": 12.5}, {"value": "12.5"}),
        ({"value": 7}, {"value": "7"}),
        ({"value": None}, {"value": ""}),
        ({"value": []}, {"value": ""}),
        ({"unit": None}, {"value": ""}),
        ({"measurand": []}, {"value": ""}),
        ({"vendor": "x"}, {"value": "1"}),
    ],
)
def test_a_sample_keeps_its_meaning_or_is_emptied(
    changes: dict[str, Any], sample: dict[str, Any]
) -> None:
    payload = {"connectorId": 1, "meterValue": [meter_value(**changes)]}
    found, notes = mended("MeterValues", payload)
    assert found["meterValue"][0]["sampledValue"] == [sample]
    assert notes


def test_a_setting_without_readonly_can_be_changed() -> None:
    payload = {"configurationKey": [{"key": "K", "value": "5"}, 5]}
    with pytest.raises(ViolationError):
        # An entry that is none is optional as a part of the list, but not by itself.
        SCHEMAS.check(CALL_RESULT, "GetConfiguration", payload)
    found, notes = mended(
        "GetConfiguration", {"configurationKey": [{"key": "K", "value": "5"}]}, CALL_RESULT
    )
    assert found["configurationKey"][0]["readonly"] is False
    assert notes == ["missing readonly"]


@pytest.mark.parametrize(("told", "meant"), [("true", True), ("False", False)])
def test_truth_may_be_written(told: str, meant: bool) -> None:
    entry = {"key": "K", "readonly": told}
    found, _ = mended("GetConfiguration", {"configurationKey": [entry]}, CALL_RESULT)
    assert found["configurationKey"][0]["readonly"] is meant


@pytest.mark.parametrize(
    ("action", "payload", "code", "field"),
    [
        ("Authorize", {"idTag": "F" * 21}, "PropertyConstraintViolation", "idTag"),
        *(
            (
                "StartTransaction",
                START | {"connectorId": wrong},
                "TypeConstraintViolation",
                "connectorId",
            )
            for wrong in ("x", True, "inf", 1.5, 1e400, None)
        ),
        ("StartTransaction", {"timestamp": "x"}, "ProtocolError", "connectorId"),
        ("StatusNotification", {}, "ProtocolError", "connectorId, errorCode, status"),
        (
            "MeterValues",
            {"connectorId": 1, "meterValue": 5},
            "TypeConstraintViolation",
            "meterValue",
        ),
        (
            "MeterValues",
            {"connectorId": 1, "meterValue": [{"timestamp": "x", "sampledValue": [5]}]},
            "TypeConstraintViolation",
            "meterValue/0/sampledValue/0",
        ),
    ],
)
def test_the_rest_is_refused_without_its_value(
    action: str, payload: dict[str, Any], code: str, field: str
) -> None:
    with pytest.raises(ViolationError) as caught:
        mended(action, payload)
    assert (caught.value.code, caught.value.field) == (ErrorCode(code), field)


def test_our_own_messages_are_checked_too() -> None:
    with pytest.raises(ViolationError, match="Reset"):
        SCHEMAS.check(CALL, "Reset", {"type": "Soft", "extra": 1})
    # A limit with a decimal stands a check that floats are not made for.
    SCHEMAS.check(CALL_RESULT, "GetCompositeSchedule", {"status": "Accepted"})
