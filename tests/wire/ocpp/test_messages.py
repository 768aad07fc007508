"""What the payloads of OCPP 1.6 mean."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.forecourt.core.model.reading import Reading, ReadingContext
from custom_components.forecourt.core.model.token import (
    Authorization,
    AuthorizationReason,
    AuthorizationStatus,
)
from custom_components.forecourt.stations.ocpp.clock import Clock
from custom_components.forecourt.stations.ocpp.measured import charging_phases, is_live, time_text
from custom_components.forecourt.stations.ocpp.schema import CALL, Schemas
from custom_components.forecourt.stations.ocpp.tokens import group_tag
from custom_components.forecourt.stations.ocpp.v16.lenient import MEANING, lenient
from custom_components.forecourt.stations.ocpp.v16.messages import (
    AUTHORIZATION,
    error_text,
    id_tag_info,
    readings_of,
)

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
CONNECTED = NOW - timedelta(hours=1)
SCHEMAS = Schemas("1.6")


def parse(*samples: dict[str, Any], at: datetime = NOW) -> tuple[Reading, ...]:
    return parse_all([{"timestamp": at.isoformat(), "sampledValue": list(samples)}])[0]


def parse_all(meter_values: list[dict[str, Any]]) -> tuple[tuple[Reading, ...], dict[str, int]]:
    readings, notes = readings_of(meter_values, Clock(CONNECTED), now=NOW)
    return readings, dict(notes)


def one(*samples: dict[str, Any]) -> Reading:
    (reading,) = parse(*samples)
    return reading


def sample(value: Any, measurand: str | None = None, **more: Any) -> dict[str, Any]:
    return {"value": value, **({"measurand": measurand} if measurand else {}), **more}


# Times


def test_times_go_out_in_utc_without_fractions() -> None:
    local = datetime(2026, 6, 1, 14, 0, 0, 123456, tzinfo=timezone(timedelta(hours=2)))
    assert time_text(local) == "2026-06-01T12:00:00Z"


# Words


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        ({"errorCode": "NoError"}, None),
        ({"errorCode": "NoError", "info": "all well"}, None),
        ({"errorCode": "GroundFailure"}, "GroundFailure"),
        ({"errorCode": "OtherError", "info": " door "}, "OtherError (door)"),
        ({"errorCode": "OtherError", "vendorErrorCode": "E1"}, "OtherError (E1)"),
        (
            {"errorCode": "OtherError", "vendorErrorCode": "E1", "info": "door"},
            "OtherError (E1: door)",
        ),
        ({"errorCode": "OtherError", "vendorErrorCode": "", "info": " "}, "OtherError"),
    ],
)
def test_faults_carry_what_the_vendor_says(payload: dict[str, Any], text: str | None) -> None:
    assert error_text(payload) == text


def test_every_authorization_has_an_answer() -> None:
    assert set(AUTHORIZATION) == set(AuthorizationStatus)


def test_a_group_is_a_parent_id_that_says_nothing() -> None:
    def judged(group: str | None) -> Authorization:
        return Authorization(
            status=AuthorizationStatus.ACCEPTED, reason=AuthorizationReason.KNOWN_USER, group=group
        )

    assert id_tag_info(judged(None)) == {"status": "Accepted"}
    info = id_tag_info(judged("family"))
    assert info["parentIdTag"] == group_tag("family") != group_tag("fleet")
    assert len(info["parentIdTag"]) == 20
    assert "family" not in info["parentIdTag"].lower()


# Meter values


@pytest.mark.parametrize(
    ("told", "field", "value"),
    [
        (sample("1234"), "register_wh", 1234),  # no measurand: the register
        (sample("1.2345", unit="kWh"), "register_wh", 1234),
        (sample("1234.6", "Energy.Active.Import.Register", unit="Wh"), "register_wh", 1235),
        (sample("11", "Power.Active.Import", unit="kW"), "power_w", 11000.0),
        (sample("-12.5", "Power.Active.Import"), "power_w", -12.5),
        (sample("16", "Current.Import", phase="L2"), "current_a", (None, 16.0, None)),
        (sample("16", "Current.Import", phase="L3-N"), "current_a", (None, None, 16.0)),
        (sample("7", "Current.Import"), "current_a", (7.0, None, None)),
        (sample("7", "Current.Import", phase="N"), "current_a", (7.0, None, None)),
        (sample("230", "Voltage", phase="L1-N", unit="V"), "voltage_v", 230.0),
        (sample("400", "Voltage", phase="L1-L2"), "voltage_v", pytest.approx(230.94, abs=0.01)),
        (sample("55", "SoC", unit="Percent"), "soc_percent", 55.0),
        (sample("1e3"), "register_wh", 1000),
    ],
)
def test_each_measurand_in_each_unit(told: dict[str, Any], field: str, value: Any) -> None:
    assert getattr(one(told), field) == value


def test_what_is_not_told_is_unknown() -> None:
    assert one(sample("5")) == Reading(at=NOW, register_wh=5)


def test_phases_are_added_where_there_is_no_total() -> None:
    reading = one(
        *(sample("2300", "Power.Active.Import", phase=phase) for phase in ("L1", "L2", "L3-N")),
        *(sample("1", phase=phase, unit="kWh") for phase in ("L1", "L2", "L3")),
        *(sample("10", "Current.Import", phase=phase) for phase in ("L1", "L2", "L3")),
        *(sample(v, "Voltage", phase=p) for p, v in (("L1", "229"), ("L2", "231"), ("L3", "0"))),
        sample("99", "Current.Import", phase="N"),
    )
    assert reading.power_w == 6900
    assert reading.register_wh == 3000
    assert reading.current_a == (10.0, 10.0, 10.0)
    assert reading.voltage_v == 230


def test_a_total_goes_before_the_phases() -> None:
    reading = one(
        sample("6900", "Power.Active.Import"), sample("1", "Power.Active.Import", phase="L1")
    )
    assert reading.power_w == 6900


def test_no_voltage_at_all_is_zero_volts() -> None:
    assert one(sample("0", "Voltage")).voltage_v == 0


@pytest.mark.parametrize(
    "value",
    ["", " ", "NaN", "inf", "-inf", "1,5", "0x10", "1_000", "٣", "abc", "--1", "1e99", "9" * 30],
)
def test_a_value_that_is_no_number_is_counted_and_left_out(value: str) -> None:
    readings, notes = parse_all(
        [{"timestamp": NOW.isoformat(), "sampledValue": [sample(value), sample("230", "Voltage")]}]
    )
    assert readings == (Reading(at=NOW, voltage_v=230.0),)
    assert sum(notes.values()) == 1


@pytest.mark.parametrize(
    "told",
    [
        sample("-1"),
        sample("1", unit="W"),
        sample("1", "Current.Import", unit="V"),
        sample("50", "Frequency"),
        sample("5", "Energy.Active.Export.Register"),
        sample("abc", format="SignedData"),
        sample("5", phase="N"),
        sample("5", "Power.Active.Import", phase="L1-L2"),
    ],
)
def test_what_does_not_count_makes_no_reading(told: dict[str, Any]) -> None:
    assert parse(told) == ()


def test_readings_come_in_the_order_of_their_time_begin_first_and_end_last() -> None:
    def at(seconds: int, context: str) -> dict[str, Any]:
        stamp = (NOW + timedelta(seconds=seconds)).isoformat()
        return {"timestamp": stamp, "sampledValue": [sample("1", context=context)]}

    readings, _ = parse_all(
        [
            at(5, "Transaction.End"),
            at(5, "Sample.Periodic"),
            at(5, "Transaction.Begin"),
            at(1, "Trigger"),
            at(3, "Interruption.Begin"),
            at(2, "Sample.Clock"),
        ]
    )
    assert [reading.context for reading in readings] == [
        ReadingContext.TRIGGER,
        ReadingContext.CLOCK,
        ReadingContext.OTHER,
        ReadingContext.BEGIN,
        ReadingContext.SAMPLE,
        ReadingContext.END,
    ]


def test_a_first_register_that_is_repeated_with_every_sample_is_left_out() -> None:
    readings, notes = parse_all(
        [
            {
                "timestamp": NOW.isoformat(),
                "sampledValue": [
                    sample("1000", context="Transaction.Begin"),
                    sample("1500", context="Sample.Periodic"),
                ],
            }
        ]
    )
    assert [reading.register_wh for reading in readings] == [1500]
    assert notes == {"repeated Transaction.Begin": 1}


def test_a_first_register_beside_a_power_stays() -> None:
    readings = parse(
        sample("1000", context="Transaction.Begin"), sample("0", "Power.Active.Import")
    )
    assert [reading.context for reading in readings] == [
        ReadingContext.BEGIN,
        ReadingContext.SAMPLE,
    ]


def test_a_reading_of_a_clock_that_was_not_set_counts_as_of_now() -> None:
    (reading,) = parse(sample("5"), at=datetime(1970, 1, 1, 0, 30, 55, tzinfo=UTC))
    assert reading.at == NOW
    assert reading.clock_estimated


def test_live_readings_are_those_of_this_connection() -> None:
    assert is_live(parse(sample("5")), CONNECTED)
    assert not is_live(parse(sample("5"), at=CONNECTED - timedelta(hours=1)), CONNECTED)


@pytest.mark.parametrize(
    ("amps", "phases"),
    [
        ((16.0, 16.0, 16.0), 3),
        ((16.0, 0.1, 0.0), 1),
        ((10.0, 10.0, 0.0), 2),
        ((0.0, 0.0, 0.0), None),
        ((16.0, None, None), 1),
        ((0.5, None, None), None),
        (None, None),
    ],
)
def test_the_phases_of_a_car_show_in_its_currents(
    amps: tuple[float | None, float | None, float | None] | None, phases: int | None
) -> None:
    assert charging_phases([Reading(at=NOW, current_a=amps)]) == phases


@pytest.mark.parametrize(
    ("power_w", "phases"), [(3680.0, 1), (7000.0, 2), (11_000.0, 3), (40_000.0, 3), (100.0, 1)]
)
def test_the_power_tells_the_phases_that_are_not_measured(power_w: float, phases: int) -> None:
    reading = Reading(at=NOW, current_a=(16.0, None, None), power_w=power_w)
    assert charging_phases([reading]) == phases


def test_the_newest_reading_tells_the_phases() -> None:
    newer = Reading(at=NOW + timedelta(seconds=1), current_a=(9.0, 0.0, 0.0))
    assert charging_phases([newer, Reading(at=NOW, current_a=(9.0, 9.0, 9.0))]) == 1


ANY_SAMPLE = st.fixed_dictionaries(
    {"value": st.one_of(st.text(max_size=8), st.floats().map(str), st.integers().map(str))},
    optional={
        "measurand": st.sampled_from(sorted(MEANING["measurand"])) | st.text(max_size=5),
        "phase": st.sampled_from(sorted(MEANING["phase"])) | st.text(max_size=3),
        "unit": st.sampled_from(sorted(MEANING["unit"])) | st.text(max_size=3),
        "context": st.sampled_from(["Sample.Periodic", "Transaction.Begin", "Nonsense", ""]),
        "location": st.sampled_from(["Outlet", "Moon"]),
        "format": st.sampled_from(["Raw", "SignedData", "?"]),
        "vendor": st.integers(),
    },
)
ANY_METER_VALUE = st.fixed_dictionaries(
    {"sampledValue": st.lists(ANY_SAMPLE, min_size=1, max_size=4)},
    optional={
        "timestamp": st.one_of(
            st.datetimes(min_value=datetime(1970, 1, 1)).map(lambda at: at.isoformat() + "Z"),  # noqa: DTZ001
            st.text(max_size=10),
        )
    },
)


@settings(max_examples=60, deadline=None)
@given(st.lists(ANY_METER_VALUE, min_size=1, max_size=4))
def test_meter_values_of_any_kind_are_read_or_left_out(meter_values: list[dict[str, Any]]) -> None:
    payload = {"connectorId": 1, "meterValue": meter_values}
    lenient(CALL, "MeterValues", payload)
    SCHEMAS.mend(CALL, "MeterValues", payload)
    readings, _ = parse_all(meter_values)
    assert list(readings) == sorted(readings, key=lambda reading: reading.at)
    for reading in readings:
        assert reading.register_wh is None or 0 <= reading.register_wh <= 10**12
        assert reading.at <= NOW + timedelta(seconds=60)
        assert reading.at >= datetime(2020, 1, 1, tzinfo=UTC)


@given(
    st.lists(st.tuples(st.integers(-3000, 30), st.integers(0, 10**9)), min_size=1, max_size=10),
    st.booleans(),
)
def test_no_register_is_lost_or_made_up(told: list[tuple[int, int]], kilo: bool) -> None:
    meter_values = [
        {
            "timestamp": (NOW + timedelta(seconds=seconds)).isoformat(),
            "sampledValue": [
                sample(str(Decimal(wh) / 1000), unit="kWh") if kilo else sample(str(wh))
            ],
        }
        for seconds, wh in told
    ]
    readings, notes = parse_all(meter_values)
    assert sorted(reading.register_wh or 0 for reading in readings) == sorted(wh for _, wh in told)
    assert not notes
