"""Limits as charging profiles of OCPP 2.0.1 and 2.1, against the schemas."""

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.forecourt.stations.ocpp.learned import RateUnit
from custom_components.forecourt.stations.ocpp.limits import Limit
from custom_components.forecourt.stations.ocpp.profiles import fallback_ids
from custom_components.forecourt.stations.ocpp.schema import CALL, Schemas
from custom_components.forecourt.stations.ocpp.v201.profiles import (
    charging_profile,
    clearing,
    composite_amount,
    composite_payload,
)

AT = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)
SCHEMAS = (Schemas("2.0.1"), Schemas("2.1"))


def limit(**changes: Any) -> Limit:
    told: dict[str, Any] = {"evse": 2, "amount": 16, "unit": RateUnit.AMPERE, "at": AT}
    return Limit(**told | changes)


def of_a_transaction(**changes: Any) -> Limit:
    return limit(duration=timedelta(seconds=300), transaction_id=7, **changes)


def test_the_fallback_is_for_every_transaction_and_for_good() -> None:
    assert charging_profile(limit(evse=0)) == {
        "evseId": 0,
        "chargingProfile": {
            "id": 1,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Relative",
            "chargingSchedule": [
                {
                    "id": 1,
                    "chargingRateUnit": "A",
                    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}],
                }
            ],
        },
    }


def test_a_limit_is_for_one_transaction_and_a_time() -> None:
    assert charging_profile(of_a_transaction(), "abc") == {
        "evseId": 2,
        "chargingProfile": {
            "id": 102,
            "stackLevel": 0,
            "transactionId": "abc",
            "chargingProfilePurpose": "TxProfile",
            "chargingProfileKind": "Absolute",
            "chargingSchedule": [
                {
                    "id": 102,
                    "chargingRateUnit": "A",
                    # A minute for a clock that is slow.
                    "startSchedule": "2026-05-01T11:59:00Z",
                    "duration": 360,
                    "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}],
                }
            ],
        },
    }


def test_where_times_count_from_the_start_it_lasts_as_long() -> None:
    told = of_a_transaction(began_at=AT - timedelta(seconds=100))
    profile = charging_profile(told, "abc")["chargingProfile"]
    assert profile["chargingProfileKind"] == "Relative"
    assert profile["chargingSchedule"][0]["duration"] == 400
    assert "startSchedule" not in profile["chargingSchedule"][0]


@given(
    told=st.builds(
        Limit,
        evse=st.integers(0, 64),
        amount=st.integers(0, 100_000),
        unit=st.sampled_from(RateUnit),
        at=st.just(AT),
        duration=st.timedeltas(timedelta(seconds=1), timedelta(days=1)),
        transaction_id=st.none() | st.just(1),
        began_at=st.none()
        | st.datetimes(datetime(2026, 1, 1), datetime(2026, 5, 1)).map(  # noqa: DTZ001
            lambda at: at.replace(tzinfo=UTC)
        ),
    )
)
def test_every_limit_fits_the_schemas(told: Limit) -> None:
    payload = charging_profile(told, None if told.transaction_id is None else "r" * 36)
    for schemas in SCHEMAS:
        schemas.check(CALL, "SetChargingProfile", payload)
        schemas.check(CALL, "GetCompositeSchedule", composite_payload(told))
    schedule = payload["chargingProfile"]["chargingSchedule"][0]
    assert schedule["chargingSchedulePeriod"][0]["limit"] == told.amount


def test_what_may_have_been_written_for_good_can_be_cleared() -> None:
    ids = [charging_profile(limit(evse=evse))["chargingProfile"]["id"] for evse in range(3)]
    assert list(fallback_ids(2)) == ids
    for profile_id in ids:
        SCHEMAS[0].check(CALL, "ClearChargingProfile", clearing(profile_id))
        assert clearing(profile_id) == {"chargingProfileId": profile_id}


def schedule(*limits: float | None, unit: str = "A") -> dict[str, Any]:
    periods = [
        {"startPeriod": 60 * at} | ({} if one is None else {"limit": one})
        for at, one in enumerate(limits)
    ]
    return {
        "status": "Accepted",
        "schedule": {"chargingRateUnit": unit, "chargingSchedulePeriod": periods},
    }


@pytest.mark.parametrize(
    ("answer", "amount"),
    [
        (schedule(16, 6), 16.0),
        (schedule(0), 0.0),
        (schedule(10.5), 10.5),
        # Some have no limit and say so with this, others leave it out.
        (schedule(-1), None),
        (schedule(None), None),
        (schedule(3680, unit="W"), None),
        ({"status": "Accepted"}, None),
        ({"status": "Rejected"}, None),
        (schedule(16) | {"status": "Rejected"}, None),
    ],
)
def test_the_first_limit_of_a_schedule_counts(answer: Any, amount: float | None) -> None:
    assert composite_amount(of_a_transaction(), answer) == amount


def test_a_schedule_is_asked_for_in_the_unit_of_the_limit() -> None:
    assert composite_payload(limit(unit=RateUnit.WATT)) == {
        "evseId": 2,
        "duration": 60,
        "chargingRateUnit": "W",
    }
