"""What real stations of OCPP 2.x break, and what is made of it."""

from copy import deepcopy
from typing import Any

import pytest

from custom_components.forecourt.stations.ocpp.schema import CALL, CALL_RESULT, ViolationError
from custom_components.forecourt.stations.ocpp.tokens import UNREADABLE_TAG
from custom_components.forecourt.stations.ocpp.v21 import V21
from custom_components.forecourt.stations.ocpp.v201 import V201
from custom_components.forecourt.stations.ocpp.v201.messages import UNCOUNTED
from tests.wire.ocpp.peer import Payload

from .peer import meter, sample

STAMP = "2026-06-01T12:00:00Z"


@pytest.fixture(params=[V201, V21], ids=lambda one: str(one.subprotocol))
def version(request: pytest.FixtureRequest) -> Any:
    version = request.param
    version.schemas.preload(version.actions, ())
    return version


def event(**changes: Any) -> Payload:
    payload = {
        "eventType": "Updated",
        "timestamp": STAMP,
        "triggerReason": "MeterValuePeriodic",
        "seqNo": 1,
        "transactionInfo": {"transactionId": "T1"},
        **changes,
    }
    return {name: value for name, value in payload.items() if value is not ...}


def mended(version: Any, action: str, payload: Payload) -> tuple[Payload, list[str]]:
    """Return the payload as it comes to the handler, and what was mended."""
    payload = deepcopy(payload)
    notes = version.lenient(CALL, action, payload)
    notes += version.schemas.mend(CALL, action, payload)
    return payload, notes


@pytest.mark.parametrize(
    ("changes", "note", "expected"),
    [
        ({"seqNo": ...}, "missing seqNo", {"seqNo": UNCOUNTED}),
        ({"seqNo": "x"}, "missing seqNo", {"seqNo": UNCOUNTED}),
        ({"seqNo": "7"}, "Type of seqNo", {"seqNo": 7}),
        ({"timestamp": ...}, "missing timestamp", {"timestamp": ""}),
        ({"triggerReason": "Moonrise"}, "unknown triggerReason", {"triggerReason": "Trigger"}),
        ({"triggerReason": ...}, "unknown triggerReason", {"triggerReason": "Trigger"}),
        (
            {"transactionInfo": {"transactionId": "T1", "stoppedReason": "Boredom"}},
            "unknown stoppedReason",
            {"transactionInfo": {"transactionId": "T1", "stoppedReason": "Other"}},
        ),
        (
            {"transactionInfo": {"transactionId": "T1", "chargingState": "Dreaming"}},
            "unknown chargingState",
            {"transactionInfo": {"transactionId": "T1"}},
        ),
        (
            {"transactionInfo": {"transactionId": "T1", "chargingState": [{}]}},
            "unknown chargingState",
            {"transactionInfo": {"transactionId": "T1"}},
        ),
        (
            {"transactionInfo": {"transactionId": 17}},
            "Type of transactionId",
            {"transactionInfo": {"transactionId": "17"}},
        ),
        ({"offline": "true"}, "Type of offline", {"offline": True}),
        ({"vendor": 1}, "extra field", {}),
    ],
)
def test_an_event_is_mended(version: Any, changes: Payload, note: str, expected: Payload) -> None:
    payload, notes = mended(version, "TransactionEvent", event(**changes))
    assert [one.casefold() for one in notes] == [note.casefold()]
    for name, value in expected.items():
        assert payload[name] == value


def test_a_long_hex_id_is_as_good_as_any(version: Any) -> None:
    info = {"transactionId": "0123456789abcdef0123456789abcdef01"}
    assert mended(version, "TransactionEvent", event(transactionInfo=info))[1] == []


def test_an_id_that_is_too_long_has_a_short_form_of_its_own(version: Any) -> None:
    def named(name: str) -> str:
        payload = event(transactionInfo={"transactionId": name})
        payload, notes = mended(version, "TransactionEvent", payload)
        assert notes == ["transactionId is too long"]
        short: str = payload["transactionInfo"]["transactionId"]
        assert len(short) == 36
        return short

    assert named("x" * 37) == named("x" * 37)
    assert len({named("x" * 37), named("x" * 38), named("x" * 36 + "y"), named("\udc00" * 99)}) == 4


@pytest.mark.parametrize("told", [{}, {"type": 3}, {"type": None}])
def test_a_token_of_no_type_is_kept(version: Any, told: Payload) -> None:
    payload, notes = mended(
        version, "TransactionEvent", event(idToken={"idToken": "04AABB"} | told)
    )
    assert payload["idToken"] == {"idToken": "04AABB", "type": "Local"}
    assert notes == ["unknown type of idToken"]


TOO_LONG = {V201.subprotocol: "7" * 37, V21.subprotocol: "7" * 256}


@pytest.mark.parametrize("told", [None, [], {}, True, {"idToken": None}, {"type": "Local"}, ...])
def test_a_token_that_cannot_be_read_is_somebodys(version: Any, told: Any) -> None:
    if told is ...:
        told = {"idToken": TOO_LONG[version.subprotocol], "type": "ISO14443"}
    payload = event(eventType="Started") | {"idToken": told}
    payload, notes = mended(version, "TransactionEvent", payload)
    assert payload["idToken"]["idToken"] == UNREADABLE_TAG
    assert "idToken cannot be read" in notes


def test_a_token_may_be_as_long_as_the_version_has_it(version: Any) -> None:
    token = {"idToken": TOO_LONG[version.subprotocol][1:], "type": "ISO14443"}
    payload, notes = mended(version, "TransactionEvent", event(idToken=token))
    assert payload["idToken"] == token
    assert notes == []


@pytest.mark.parametrize("told", ["04AABB", 4])
def test_a_token_that_is_nothing_but_its_text_is_kept(version: Any, told: Any) -> None:
    payload, _ = mended(version, "TransactionEvent", event(idToken=told))
    assert payload["idToken"] == {"idToken": str(told), "type": "Local"}


def test_the_token_of_nobody_needs_no_text(version: Any) -> None:
    payload, _ = mended(version, "TransactionEvent", event(idToken={"type": "NoAuthorization"}))
    assert payload["idToken"] == {"idToken": "", "type": "NoAuthorization"}


def test_a_type_of_a_token_that_is_too_long_costs_no_token(version: Any) -> None:
    token = {"idToken": "04AABB", "type": "x" * 21}
    payload, _ = mended(version, "TransactionEvent", event(idToken=token))
    assert payload["idToken"] == {"idToken": "04AABB", "type": "Local"}


def test_the_types_of_tokens_are_open_in_2_1() -> None:
    for version, kind in ((V201, "Local"), (V21, "DirectPayment")):
        version.schemas.preload(("Authorize",), ())
        payload = {"idToken": {"idToken": "A", "type": "DirectPayment"}}
        assert mended(version, "Authorize", payload)[0]["idToken"]["type"] == kind


@pytest.mark.parametrize(
    ("told", "read"),
    [
        (sample("1500"), {"value": 1500}),
        (sample(1.5, unit="kWh"), {"value": 1.5, "unitOfMeasure": {"unit": "kWh"}}),
        (sample(1.5, unitOfMeasure="kWh"), {"value": 1.5, "unitOfMeasure": {"unit": "kWh"}}),
        (sample(5, context="Sometimes"), {"value": 5, "context": "Other"}),
        (sample(5, unitOfMeasure={"multiplier": "3"}), {"unitOfMeasure": {"multiplier": 3}}),
    ],
)
def test_a_sample_is_mended(version: Any, told: Payload, read: Payload) -> None:
    payload, notes = mended(version, "TransactionEvent", event(meterValue=meter(told)))
    (found,) = payload["meterValue"][0]["sampledValue"]
    assert {name: found[name] for name in read} == read
    assert notes


@pytest.mark.parametrize(
    "told",
    [
        sample(""),
        sample(None),
        sample("abc"),
        sample(True),
        sample({}),
        sample(10**400),
        sample(5, "Energy.Moon"),
        sample(5, phase="L9"),
        sample(5, location="Moon"),
        {"value": 5, "measurand": ["x"]},
        sample(5, unitOfMeasure={"multiplier": "many"}),
        sample(5, unitOfMeasure={"unit": 1e-300}),
        {},
    ],
)
def test_a_sample_that_nobody_can_read_costs_no_other(version: Any, told: Payload) -> None:
    good = sample(230, "Voltage")
    payload, notes = mended(version, "MeterValues", {"evseId": 1, "meterValue": meter(told, good)})
    bad, kept = payload["meterValue"][0]["sampledValue"]
    assert bad == {"value": 0, "measurand": "Frequency"}
    assert kept == good
    assert notes


def test_meter_values_that_are_none_are_left_out(version: Any) -> None:
    payload, _ = mended(version, "TransactionEvent", event(meterValue="x"))
    assert "meterValue" not in payload


def test_a_status_of_1_6_is_a_plug(version: Any) -> None:
    status = {"evseId": 1, "connectorId": 1}
    for word in ("Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing"):
        payload, notes = mended(version, "StatusNotification", status | {"connectorStatus": word})
        assert payload["connectorStatus"] == "Occupied"
        assert payload["timestamp"] == ""
        assert len(notes) == 2
    wrong: tuple[Any, ...] = ("Melting", ["Available"], None)
    for word in wrong:
        with pytest.raises(ViolationError):
            mended(version, "StatusNotification", status | {"connectorStatus": word})


def test_a_boot_has_some_reason(version: Any) -> None:
    station = {"model": "Box", "vendorName": "Acme", "serialNumber": "S" * 26}
    for told in ({"reason": "Boredom"}, {}):
        payload, notes = mended(version, "BootNotification", {"chargingStation": station} | told)
        assert payload["reason"] == "Unknown"
        assert "unknown reason" in notes
        assert len(payload["chargingStation"]["serialNumber"]) == 25


@pytest.mark.parametrize("info", [None, 7, []])
def test_an_event_of_no_transaction_is_refused(version: Any, info: Any) -> None:
    with pytest.raises(ViolationError):
        mended(version, "TransactionEvent", event(transactionInfo=info))


def test_other_messages_are_left_to_the_schema(version: Any) -> None:
    assert version.lenient(CALL, "Heartbeat", {}) == []
    assert version.lenient(CALL_RESULT, "TransactionEvent", {}) == []
