"""What the payloads of OCPP 2.x mean."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.forecourt.core.model.reading import Reading, ReadingContext
from custom_components.forecourt.core.model.reservation import ReservationStatus
from custom_components.forecourt.core.model.token import (
    Authorization,
    AuthorizationReason,
    AuthorizationStatus,
    Token,
    TokenKind,
)
from custom_components.forecourt.stations.ocpp.clock import Clock
from custom_components.forecourt.stations.ocpp.schema import CALL
from custom_components.forecourt.stations.ocpp.station import Moment
from custom_components.forecourt.stations.ocpp.tokens import group_tag
from custom_components.forecourt.stations.ocpp.v21 import V21
from custom_components.forecourt.stations.ocpp.v201 import V201
from custom_components.forecourt.stations.ocpp.v201.messages import (
    AUTHORIZATION,
    RESERVATION,
    event_text,
    id_token_info,
    judge_event,
    readings_of,
    stop_reason,
    token_of,
)

from .peer import meter, sample

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
CONNECTED = NOW - timedelta(hours=1)


def parse(*samples: Any) -> tuple[tuple[Reading, ...], dict[str, int]]:
    readings, notes = readings_of(meter(*samples, at=NOW), Clock(CONNECTED), now=NOW)
    return readings, dict(notes)


def one(*samples: Any) -> Reading:
    (reading,), _ = parse(*samples)
    return reading


# Tokens


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ("ISO14443", TokenKind.CARD),
        ("ISO15693", TokenKind.CARD_15693),
        ("KeyCode", TokenKind.KEY_CODE),
        ("MacAddress", TokenKind.MAC_ADDRESS),
        ("eMAID", TokenKind.CONTRACT),
        ("Central", TokenKind.CENTRAL),
        ("Local", TokenKind.LOCAL),
        ("DirectPayment", TokenKind.CARD),
    ],
)
def test_each_kind_of_token(told: str, kind: TokenKind) -> None:
    token = token_of({"idToken": "04aabb", "type": told})
    assert token == Token("04AABB")
    assert token is not None
    assert token.kind is kind


def test_a_button_is_nobody() -> None:
    assert token_of({"idToken": "", "type": "NoAuthorization"}) is None


def test_every_authorization_has_an_answer() -> None:
    assert set(AUTHORIZATION) == set(AuthorizationStatus)


def test_a_group_is_a_token_that_says_nothing() -> None:
    judged = Authorization(
        status=AuthorizationStatus.ACCEPTED,
        reason=AuthorizationReason.KNOWN_USER,
        group="family",
        expires_at=NOW,
    )
    assert id_token_info(judged) == {
        "status": "Accepted",
        "groupIdToken": {"idToken": group_tag("family"), "type": "Central"},
        "cacheExpiryDateTime": "2026-06-01T12:00:00Z",
    }
    nobody = Authorization(
        status=AuthorizationStatus.INVALID, reason=AuthorizationReason.UNKNOWN_TOKEN
    )
    assert id_token_info(nobody) == {"status": "Invalid"}


# Events


@pytest.mark.parametrize(
    ("told", "trigger", "reason"),
    [
        ("EVDisconnected", "EVCommunicationLost", "EVDisconnected"),
        ("PowerLoss", "AbnormalCondition", "PowerLoss"),
        (None, "StopAuthorized", "Local"),
        (None, "RemoteStop", "Remote"),
        (None, "EVDeparted", "EVDisconnected"),
        (None, "Deauthorized", "DeAuthorized"),
    ],
)
def test_an_end_has_a_reason(told: str | None, trigger: str, reason: str) -> None:
    info = {} if told is None else {"stoppedReason": told}
    assert stop_reason({"transactionInfo": info, "triggerReason": trigger}) == reason


@pytest.mark.parametrize(
    ("minutes", "offline", "expected"),
    [
        (0, False, Moment(NOW)),
        (-90, False, Moment(NOW - timedelta(minutes=90), replayed=True)),
        (-90, True, Moment(NOW - timedelta(minutes=90), replayed=True)),
        (0, True, Moment(NOW)),
        # The connection was up, but not for this: it says so.
        (-30, True, Moment(NOW - timedelta(minutes=30), replayed=True)),
        (-30, False, Moment(NOW, estimated=True)),
        (30, True, Moment(NOW, estimated=True)),
    ],
)
def test_an_event_happened_when_it_says(minutes: int, offline: bool, expected: Moment) -> None:
    payload = {
        "timestamp": (NOW + timedelta(minutes=minutes)).isoformat(),
        "offline": offline,
        "meterValue": meter(1000, at=NOW + timedelta(minutes=minutes)),
    }
    clock = Clock(CONNECTED)
    judged = judge_event(payload, clock, now=NOW)
    assert judged.when == expected
    (reading,), _ = readings_of(payload["meterValue"], clock, now=NOW, message=judged)
    assert (reading.at, reading.clock_estimated) == (expected.at, expected.estimated)


def test_what_a_component_tells_is_one_line() -> None:
    event = {
        "component": {"name": "Cable", "instance": "L", "evse": {"id": 2}},
        "variable": {"name": "Temperature"},
        "actualValue": "88",
        "trigger": "Alerting",
        "techCode": "E7",
        "cleared": True,
    }
    assert event_text(event) == ("Cable[L].Temperature", "EVSE 2, 88, Alerting, cleared, E7")


@pytest.mark.parametrize("name", ["Token", "BasicAuthPassword", "SharedSecret"])
def test_what_a_component_tells_is_no_secret(name: str) -> None:
    event = {
        "component": {"name": "TokenReader"},
        "variable": {"name": name},
        "actualValue": "04AABBCC",
        "trigger": "Delta",
    }
    assert "04AABBCC" not in "".join(event_text(event))


def test_every_end_of_a_reservation_is_known() -> None:
    V21.schemas.preload(("ReservationStatusUpdate",), ())
    for word, status in RESERVATION.items():
        payload = {"reservationId": 1, "reservationUpdateStatus": word}
        assert V21.schemas.fits(CALL, "ReservationStatusUpdate", payload)
        assert status in (ReservationStatus.EXPIRED, ReservationStatus.REMOVED)


# Meter values


@pytest.mark.parametrize(
    ("told", "field", "value"),
    [
        (sample(1234), "register_wh", 1234),
        (sample(1.2345, unitOfMeasure={"unit": "kWh"}), "register_wh", 1234),
        (sample(12, unitOfMeasure={"unit": "Wh", "multiplier": 2}), "register_wh", 1200),
        (sample(123456, unitOfMeasure={"multiplier": -1}), "register_wh", 12346),
        (sample(11, "Power.Active.Import", unitOfMeasure={"unit": "kW"}), "power_w", 11000.0),
        (sample(11, "Power.Active.Import", unitOfMeasure={"multiplier": 3}), "power_w", 11000.0),
        (sample(16, "Current.Import", phase="L2"), "current_a", (None, 16.0, None)),
        (sample(230, "Voltage", phase="L1-N", location="Outlet"), "voltage_v", 230.0),
        (sample(55, "SoC", location="EV"), "soc_percent", 55.0),
        (sample(55, "SoC", location="Inlet"), "soc_percent", 55.0),
        (sample(1e3), "register_wh", 1000),
        (sample(0.1 + 0.2, "Power.Active.Import"), "power_w", pytest.approx(0.3)),
    ],
)
def test_each_measurand_in_each_unit(told: dict[str, Any], field: str, value: Any) -> None:
    assert getattr(one(told), field) == value


@pytest.mark.parametrize("location", ["Inlet", "Body", "Cable", "EV", "Upstream"])
def test_what_is_measured_elsewhere_is_not_the_outlets(location: str) -> None:
    readings, notes = parse(sample(1000, location=location), sample(7, "Current.Import"))
    assert readings == (Reading(at=NOW, current_a=(7.0, None, None)),)
    assert notes == {f"measured at {location}": 1}
    assert parse(sample(50, "SoC", location="Body"))[0] == ()


def test_what_is_signed_is_read_all_the_same() -> None:
    signed = {
        "signedMeterData": "A",
        "signingMethod": "",
        "encodingMethod": "OCMF",
        "publicKey": "",
    }
    assert one(sample(1500, signedMeterValue=signed)).register_wh == 1500


def test_a_value_of_another_world_is_counted_and_left_out() -> None:
    assert parse(sample(1e30)) == ((), {"value out of range": 1})
    assert parse(sample(1, unitOfMeasure={"multiplier": 99})) == ((), {"value out of range": 1})


def test_begin_and_end_are_told_apart() -> None:
    readings, _ = parse(sample(1000, context="Transaction.Begin"), sample(0, "Power.Active.Import"))
    assert [one.context for one in readings] == [ReadingContext.BEGIN, ReadingContext.SAMPLE]


ANY_JSON: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2)
    ),
    max_leaves=4,
)
WORDS = st.sampled_from(
    ["Energy.Active.Import.Register", "Transaction.Begin", "Outlet", "L1", "Wh", "Nonsense"]
)
ANY_SAMPLE = st.fixed_dictionaries(
    {},
    optional={
        "value": st.integers() | st.floats(allow_nan=False) | ANY_JSON,
        "measurand": WORDS | ANY_JSON,
        "context": WORDS | ANY_JSON,
        "phase": WORDS | ANY_JSON,
        "location": WORDS | ANY_JSON,
        "unit": WORDS | ANY_JSON,
        "unitOfMeasure": st.fixed_dictionaries(
            {}, optional={"unit": WORDS | ANY_JSON, "multiplier": st.integers() | ANY_JSON}
        )
        | ANY_JSON,
    },
)
ANY_METER_VALUE = st.fixed_dictionaries(
    {"sampledValue": st.lists(ANY_SAMPLE, min_size=1, max_size=4)},
    optional={"timestamp": st.just(NOW.isoformat()) | ANY_JSON},
)
for version in (V201, V21):
    version.schemas.preload(("MeterValues", "TransactionEvent"), ())


@pytest.mark.parametrize("version", [V201, V21], ids=lambda one: str(one.subprotocol))
@settings(max_examples=100, deadline=None)
@given(meter_values=st.lists(ANY_METER_VALUE, min_size=1, max_size=3))
def test_meter_values_of_any_kind_are_read_or_left_out(
    version: Any, meter_values: list[dict[str, Any]]
) -> None:
    payload: dict[str, Any] = {"evseId": 1, "meterValue": meter_values}
    version.lenient(CALL, "MeterValues", payload)
    version.schemas.mend(CALL, "MeterValues", payload)
    readings, _ = readings_of(payload["meterValue"], Clock(CONNECTED), now=NOW)
    assert list(readings) == sorted(readings, key=lambda reading: reading.at)
    for reading in readings:
        assert reading.register_wh is None or 0 <= reading.register_wh <= 10**12


@given(st.lists(st.tuples(st.integers(-3000, 30), st.integers(0, 10**9)), min_size=1, max_size=10))
def test_no_register_is_lost_or_made_up(told: list[tuple[int, int]]) -> None:
    meter_values = [meter(wh, at=NOW + timedelta(seconds=seconds))[0] for seconds, wh in told]
    readings, notes = readings_of(meter_values, Clock(CONNECTED), now=NOW)
    assert sorted(reading.register_wh or 0 for reading in readings) == sorted(wh for _, wh in told)
    assert not notes
