"""The schemas of all versions: fast and slow agree, and what is mended fits."""

import copy
from decimal import Decimal
from functools import cache
from importlib.resources import files
import json
from pathlib import Path
import threading
from typing import Any

from hypothesis import HealthCheck, given, settings, strategies as st
from jsonschema import Draft4Validator
import pytest

from custom_components.forecourt.stations.ocpp.schema import (
    CALL,
    CALL_RESULT,
    MAX_INTEGER,
    SEND,
    ErrorCode,
    Schemas,
    ViolationError,
)

VERSIONS = ("1.6", "2.0.1", "2.1")
SCHEMAS = {version: Schemas(version) for version in VERSIONS}


def all_messages() -> list[tuple[str, int, str]]:
    found = []
    for version in VERSIONS:
        SCHEMAS[version]._list()
        found += [(version, kind, action) for kind, action in SCHEMAS[version]._files]
    return sorted(found)


MESSAGES = all_messages()


@cache
def raw_schema(version: str, kind: int, action: str) -> Any:
    folder = files("ocpp") / f"v{version.replace('.', '')}" / "schemas"
    ending = {CALL: "" if version == "1.6" else "Request", CALL_RESULT: "Response", SEND: ""}
    text = (folder / f"{action}{ending[kind]}.json").read_text("utf-8-sig")
    return json.loads(text, parse_float=Decimal)


def accepted_by_jsonschema(version: str, kind: int, action: str, payload: Any) -> bool:
    """Judge as slowly and exactly as can be: decimals, and the file as it is."""
    exact = json.loads(json.dumps(payload), parse_float=Decimal)
    return bool(Draft4Validator(raw_schema(version, kind, action)).is_valid(exact))


ODD: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-MAX_INTEGER, MAX_INTEGER),
    st.floats(allow_nan=False, allow_infinity=False),
    st.decimals(-1000, 1000, places=1).map(float),
    st.sampled_from(["", "5", "5.5", "true", "x" * 600, "é" * 30, "1e3", "nan"]),
    st.just([]),
    st.just({}),
    st.just([{}]),
    st.just({"vendorId": "x", "more": {"x": 1}}),
)


def payloads(schema: Any, root: Any, spoil: bool) -> st.SearchStrategy[Any]:
    """Return what fits the schema, or mostly fits it."""
    if "$ref" in schema:
        return payloads(root["definitions"][schema["$ref"].rpartition("/")[2]], root, spoil)
    good = good_ones(schema, root, spoil)
    if not spoil:
        return good
    return st.integers(0, 25).flatmap(lambda luck: good if luck else ODD)


def good_ones(schema: Any, root: Any, spoil: bool) -> st.SearchStrategy[Any]:
    least, most = schema.get("minimum"), schema.get("maximum")
    match schema.get("type"):
        case None:
            found = ODD
        case "string" if "enum" in schema:
            found = st.sampled_from(schema["enum"])
        case "string":
            found = st.text("aé😀5", max_size=min(schema.get("maxLength", 20), 20))
        case "boolean":
            found = st.booleans()
        case "integer":
            found = st.integers(
                -9 if least is None else int(least), MAX_INTEGER if most is None else int(most)
            )
        case "number":
            low, high = -99 if least is None else least, 9999 if most is None else most
            found = st.decimals(low, high, places=1).map(float)
        case "array":
            fewest = schema.get("minItems", 0)
            items = payloads(schema["items"], root, spoil)
            found = st.lists(items, min_size=fewest, max_size=fewest + 1)
        case _:
            found = objects(schema, root, spoil)
    return found


@st.composite
def objects(draw: Any, schema: Any, root: Any, spoil: bool) -> Any:
    found = {}
    for name, part in schema.get("properties", {}).items():
        needed = name in schema.get("required", ())
        luck = draw(st.integers(0, 40 if needed else 3))
        if (needed and (luck or not spoil)) or (not needed and not luck):
            found[name] = draw(payloads(part, root, spoil))
    if spoil and not draw(st.integers(0, 20)):
        found["vendorExtra"] = draw(ODD)
    return found


@st.composite
def messages(draw: Any, spoil: bool) -> tuple[str, int, str, Any]:
    version, kind, action = draw(st.sampled_from(MESSAGES))
    schema = raw_schema(version, kind, action)
    return version, kind, action, draw(good_ones(schema, schema, spoil))


# Each example is a whole message, and a large one takes long to make up.
MANY = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@MANY
@given(messages(spoil=False))
def test_what_is_right_fits(message: tuple[str, int, str, Any]) -> None:
    version, kind, action, payload = message
    assert accepted_by_jsonschema(*message)
    assert SCHEMAS[version].fits(kind, action, payload)
    assert SCHEMAS[version].mend(kind, action, payload) == []


@MANY
@given(messages(spoil=True))
def test_fast_and_exact_agree_and_what_is_mended_fits(message: tuple[str, int, str, Any]) -> None:
    version, kind, action, payload = message
    before = copy.deepcopy(payload)
    fits = SCHEMAS[version].fits(kind, action, payload)
    assert fits == accepted_by_jsonschema(*message)
    try:
        mended = SCHEMAS[version].mend(kind, action, payload)
    except ViolationError:
        assert not fits
        with pytest.raises(ViolationError):
            SCHEMAS[version].check(kind, action, before)
    else:
        assert accepted_by_jsonschema(version, kind, action, payload)
        # As text, since 1.0 and 1 are the same in Python, but not here.
        assert bool(mended) == (not fits) == (json.dumps(payload) != json.dumps(before))


def test_every_message_of_every_version_compiles() -> None:
    for version, kind, action in MESSAGES:
        Schemas(version).fits(kind, action, {})
    assert len(MESSAGES) == 78 + 128 + 181
    assert [one for one in MESSAGES if one[1] == SEND] == [
        ("2.1", SEND, "NotifyPeriodicEventStream")
    ]


async def test_a_schema_is_read_outside_of_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads = set()
    read = Path.read_text

    def watched(path: Path, *args: Any, **kwargs: Any) -> str:
        threads.add(threading.get_ident())
        return read(path, *args, **kwargs)

    monkeypatch.setattr(Path, "read_text", watched)
    schemas = Schemas("2.0.1")
    await schemas.ensure(CALL, "Heartbeat")
    assert threads
    assert threading.get_ident() not in threads
    # Now it is there.
    threads.clear()
    await schemas.ensure(CALL, "Heartbeat")
    assert schemas.fits(CALL, "Heartbeat", {})
    assert not threads


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "action",
    ["MakeCoffee", "../v16/schemas/Heartbeat", "", ".", "/etc/passwd", "AuthorizeResponse", "\0"],
)
async def test_a_made_up_action_touches_no_file(
    version: str, action: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    schemas = Schemas(version)
    await schemas.ensure(CALL, "Authorize")

    def read(*_: Any, **__: Any) -> str:
        raise AssertionError

    monkeypatch.setattr(Path, "read_text", read)
    monkeypatch.setattr(Path, "open", read)
    for kind in (CALL, CALL_RESULT, SEND):
        with pytest.raises(ViolationError, match="NotImplemented: no such message"):
            await schemas.ensure(kind, action)
        with pytest.raises(ViolationError, match="NotImplemented: no such message"):
            schemas.mend(kind, action, {})


@pytest.mark.parametrize(
    ("code", "spelled"),
    [
        ("FORMATION_VIOLATION", ("FormationViolation", "FormatViolation")),
        (
            "OCCURENCE_CONSTRAINT_VIOLATION",
            ("OccurenceConstraintViolation", "OccurrenceConstraintViolation"),
        ),
        ("RPC_FRAMEWORK_ERROR", ("FormationViolation", "RpcFrameworkError")),
        ("NOT_SUPPORTED", ("NotSupported", "NotSupported")),
    ],
)
def test_codes_are_spelled_as_the_version_has_them(code: str, spelled: tuple[str, str]) -> None:
    assert tuple(SCHEMAS[one].spell(ErrorCode[code]) for one in ("1.6", "2.0.1")) == spelled
    assert SCHEMAS["2.1"].spell(ErrorCode[code]) == spelled[1]


# What is mended of 2.x

TOKEN = {"idToken": "ABCD", "type": "ISO14443"}
EVENT = {
    "eventType": "Updated",
    "timestamp": "x",
    "triggerReason": "MeterValuePeriodic",
    "seqNo": 1,
    "transactionInfo": {"transactionId": "t"},
}
BOOT = {"reason": "PowerUp", "chargingStation": {"model": "M", "vendorName": "V"}}


def samples(*values: Any) -> dict[str, Any]:
    sampled = [value if isinstance(value, dict) else {"value": value} for value in values]
    return {"meterValue": [{"timestamp": "x", "sampledValue": sampled}]}


@pytest.mark.parametrize("version", ["2.0.1", "2.1"])
@pytest.mark.parametrize(
    ("action", "payload", "expected", "note"),
    [
        ("TransactionEvent", EVENT | {"customData": {"x": 1}}, EVENT, "required of customData"),
        (
            "TransactionEvent",
            EVENT | {"customData": {"vendorId": "V", "x": 1}},
            EVENT | {"customData": {"vendorId": "V", "x": 1}},
            None,
        ),
        ("TransactionEvent", EVENT | {"vendor": 1}, EVENT, "extra field"),
        (
            "TransactionEvent",
            EVENT | {"idToken": TOKEN | {"extra": 1}},
            EVENT | {"idToken": TOKEN},
            "extra field",
        ),
        ("TransactionEvent", EVENT | samples("230.1"), EVENT | samples(230.1), "type of value"),
        (
            "TransactionEvent",
            EVENT | samples({"value": 1, "context": "Periodic"}),
            EVENT | samples(1),
            "enum of context",
        ),
        ("TransactionEvent", EVENT | samples(), EVENT, "minItems of sampledValue"),
        ("TransactionEvent", EVENT | samples("nan"), EVENT, "type of value"),
        ("TransactionEvent", EVENT | samples("much"), EVENT, "type of value"),
        ("TransactionEvent", EVENT | {"evse": {"id": "1"}}, EVENT | {"evse": {"id": 1}}, "type"),
        ("TransactionEvent", EVENT | {"seqNo": 1.0}, EVENT, "type of seqNo"),
        ("TransactionEvent", EVENT | {"cableMaxCurrent": 2**53}, EVENT, "maximum of cable"),
        (
            "TransactionEvent",
            EVENT | {"idToken": TOKEN | {"idToken": "F" * 256}},
            EVENT,
            "maxLength of idToken",
        ),
        (
            "BootNotification",
            BOOT | {"chargingStation": BOOT["chargingStation"] | {"serialNumber": "s" * 30}},  # type: ignore[operator]
            BOOT | {"chargingStation": BOOT["chargingStation"] | {"serialNumber": "s" * 25}},  # type: ignore[operator]
            "maxLength of serialNumber",
        ),
    ],
)
def test_harmless_deviations_of_2_are_mended(
    version: str, action: str, payload: Any, expected: Any, note: str | None
) -> None:
    payload = copy.deepcopy(payload)
    notes = SCHEMAS[version].mend(CALL, action, payload)
    assert payload == expected
    assert len(notes) == (note is not None)
    assert note is None or notes[0].startswith(note)


@pytest.mark.parametrize(
    ("action", "payload", "code", "field"),
    [
        (
            "Authorize",
            {"idToken": TOKEN | {"idToken": "F" * 256}},
            "PropertyConstraintViolation",
            "idToken/idToken",
        ),
        (
            "TransactionEvent",
            EVENT | {"transactionInfo": {"transactionId": "F" * 37}},
            "PropertyConstraintViolation",
            "transactionInfo/transactionId",
        ),
        ("SignCertificate", {"csr": "F" * 6000}, "PropertyConstraintViolation", "csr"),
        ("Authorize", {}, "OccurenceConstraintViolation", "idToken"),
        ("Authorize", {"idToken": {}}, "OccurenceConstraintViolation", "idToken/idToken, type"),
        ("BootNotification", {"reason": "x"}, "PropertyConstraintViolation", "reason"),
        ("NotifyReport", {"seqNo": 2**53}, "PropertyConstraintViolation", "seqNo"),
    ],
)
def test_the_rest_of_2_is_refused_without_its_value(
    action: str, payload: Any, code: str, field: str
) -> None:
    for version in ("2.0.1", "2.1"):
        with pytest.raises(ViolationError) as caught:
            SCHEMAS[version].mend(CALL, action, copy.deepcopy(payload))
        assert (str(caught.value.code), caught.value.field) == (code, field)


def test_the_serial_number_of_a_certificate_is_not_cut() -> None:
    data = {
        "hashAlgorithm": "SHA256",
        "issuerNameHash": "a",
        "issuerKeyHash": "b",
        "serialNumber": "1" * 41,
    }
    with pytest.raises(ViolationError, match="serialNumber"):
        SCHEMAS["2.0.1"].mend(CALL, "DeleteCertificate", {"certificateHashData": data})


@pytest.mark.parametrize("limit", [0.1, 0.3, 6.1, 16.4, 21.4, 32.7, 21474.8])
def test_a_limit_with_one_decimal_is_exact(limit: float) -> None:
    period = {"startPeriod": 0, "limit": limit}
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [period]}
    answer = {"status": "Accepted", "chargingSchedule": schedule}
    SCHEMAS["1.6"].check(CALL_RESULT, "GetCompositeSchedule", answer)
    period["limit"] = limit + 0.01
    assert not SCHEMAS["1.6"].fits(CALL_RESULT, "GetCompositeSchedule", answer)


@pytest.mark.parametrize("payload", [{"\ud800": 1}, {"idTag": json.loads("[" * 900 + "]" * 900)}])
def test_what_cannot_even_be_looked_at_is_refused(payload: Any) -> None:
    assert not SCHEMAS["1.6"].fits(CALL, "Authorize", payload)
    for look in (SCHEMAS["1.6"].check, SCHEMAS["1.6"].mend):
        with pytest.raises(ViolationError, match="FormationViolation: Authorize"):
            look(CALL, "Authorize", payload)
