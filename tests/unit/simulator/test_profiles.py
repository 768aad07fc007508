"""Which charging profile rules, by example and by law."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings, strategies as st
import pytest

from simulator.ocpp16.profile import Charge, Profile, ProfileError
from simulator.ocpp16.profiles import Abilities, Limit, Profiles

NOW = datetime(2026, 3, 2, 10, tzinfo=UTC)  # a Monday
CHARGE = Charge(NOW - timedelta(hours=1), 7)
MAX, DEFAULT, TX = "ChargePointMaxProfile", "TxDefaultProfile", "TxProfile"


def stamp(seconds: float) -> str:
    return (NOW + timedelta(seconds=seconds)).isoformat()


def payload(
    purpose: str,
    *limits: float,
    level: int = 0,
    number: int = 0,
    every_s: int = 3600,
    schedule: dict[str, Any] | None = None,
    phases: int | None = None,
    **fields: Any,
) -> dict[str, Any]:
    """Return csChargingProfiles whose limits change every so often."""
    periods: list[dict[str, Any]] = [
        {"startPeriod": place * every_s, "limit": limit} for place, limit in enumerate(limits)
    ]
    if phases is not None:
        for period in periods:
            period["numberPhases"] = phases
    return {
        "chargingProfileId": number or abs(hash((purpose, level, limits))) % 10_000 + 100,
        "stackLevel": level,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute",
        "chargingSchedule": {
            "chargingRateUnit": "A",
            "startSchedule": stamp(0),
            "chargingSchedulePeriod": periods,
            **(schedule or {}),
        },
        **fields,
    }


def stack(*installed: tuple[int, dict[str, Any]], **abilities: Any) -> Profiles:
    profiles = Profiles(2, Abilities(max_current_a=32, **abilities))
    for connector, one in installed:
        profiles.install(Profile.parse(connector, one, NOW), CHARGE if connector else None)
    return profiles


def amps(profiles: Profiles, after_s: float = 0, charge: Charge | None = CHARGE) -> float | None:
    limit = profiles.limit(1, NOW + timedelta(seconds=after_s), charge)
    return None if limit is None else limit.amps


def test_no_profile_says_nothing() -> None:
    assert amps(stack()) is None
    assert stack().cap(NOW) is None


def test_the_highest_level_that_runs_leads() -> None:
    profiles = stack(
        (1, payload(DEFAULT, 10, level=1)),
        (1, payload(DEFAULT, 20, level=3, schedule={"duration": 60})),
        (1, payload(DEFAULT, 15, level=2)),
        (1, payload(DEFAULT, 6, level=5, validFrom=stamp(120), validTo=stamp(180))),
    )
    assert [amps(profiles, after) for after in (0, 59, 60, 119, 120, 179, 180)] == [
        *(20, 20, 15, 15, 6, 6, 15)
    ]


def test_a_tx_profile_overrules_the_default_until_it_is_over() -> None:
    profiles = stack(
        (1, payload(DEFAULT, 6, level=8)),
        (1, payload(TX, 13, transactionId=7, schedule={"duration": 300})),
    )
    assert [amps(profiles, after) for after in (0, 299, 300)] == [13, 13, 6]
    profiles.end_charge(1)
    assert amps(profiles) == amps(profiles, charge=None) == 6


def test_a_profile_of_the_connector_goes_before_one_of_the_station() -> None:
    profiles = stack((0, payload(DEFAULT, 20, level=4)), (1, payload(DEFAULT, 10)))
    assert amps(profiles) == 10
    assert profiles.limit(2, NOW, None) == Limit(20)


def test_the_cap_of_the_station_holds_for_all() -> None:
    profiles = stack((0, payload(MAX, 11)), (1, payload(TX, 16, phases=1)))
    assert profiles.limit(1, NOW, CHARGE) == Limit(11, 1)
    assert profiles.limit(2, NOW, None) == Limit(11)
    assert profiles.cap(NOW) == 11


def test_before_its_start_a_schedule_is_silent() -> None:
    profiles = stack((1, payload(DEFAULT, 10, schedule={"startSchedule": stamp(30)})))
    assert [amps(profiles, after) for after in (0, 29, 30)] == [None, None, 10]


def test_relative_counts_from_the_start_of_the_transaction() -> None:
    relative = payload(DEFAULT, 10, 20, chargingProfileKind="Relative")
    profiles = stack((1, relative))
    assert [amps(profiles, after, CHARGE) for after in (-1, 0)] == [10, 20]
    # For a transaction that would begin now.
    assert amps(profiles, charge=None) == 10
    del relative["chargingSchedule"]["startSchedule"]
    assert amps(stack((1, {**relative, "chargingProfileKind": "Absolute"}))) == 20


def test_composite_schedule_of_a_transaction_that_would_begin_now() -> None:
    profiles = stack((1, payload(DEFAULT, 10, 20, chargingProfileKind="Relative")))
    periods = profiles.composite(1, NOW, 7200, "A", None)["chargingSchedulePeriod"]
    assert [(one["startPeriod"], one["limit"]) for one in periods] == [(0, 10), (3600, 20)]


def test_relative_may_count_from_its_receipt() -> None:
    relative = payload(TX, 10, 20, chargingProfileKind="Relative")
    profiles = Profiles(1, Abilities())
    profiles.install(Profile.parse(1, relative, NOW, "receipt"), CHARGE)
    assert [amps(profiles, after) for after in (0, 3600)] == [10, 20]
    later = Charge(NOW + timedelta(seconds=60), 8)
    assert [amps(profiles, after, later) for after in (59, 60, 3659, 3660)] == [None, 10, 10, 20]


def test_relative_for_the_station_counts_from_its_receipt() -> None:
    profiles = stack((0, payload(MAX, 10, 20, chargingProfileKind="Relative")))
    assert [profiles.cap(NOW + timedelta(seconds=after)) for after in (0, 3600)] == [10, 20]


@pytest.mark.parametrize(("recurrency", "days"), [("Daily", 1), ("Weekly", 7)])
def test_recurring(recurrency: str, days: int) -> None:
    long_ago = (NOW - timedelta(weeks=3)).isoformat()
    profiles = stack(
        (
            1,
            payload(
                *(DEFAULT, 8, 12),
                chargingProfileKind="Recurring",
                recurrencyKind=recurrency,
                schedule={"startSchedule": long_ago, "duration": 7200},
            ),
        )
    )
    for day in (0, days):
        moments = [day * 86400 + after for after in (0, 3599, 3600, 7199, 7200)]
        assert [amps(profiles, moment) for moment in moments] == [8, 8, 12, 12, None]
    assert amps(profiles, 86400 * 3) == (8 if recurrency == "Daily" else None)


@pytest.mark.parametrize(
    ("phases", "wired", "expected"), [(None, 3, 10), (3, 3, 10), (1, 3, 30), (None, 1, 30)]
)
def test_watts_are_over_all_phases(phases: int | None, wired: int, expected: float) -> None:
    one = payload(DEFAULT, 6900, phases=phases, schedule={"chargingRateUnit": "W"})
    assert amps(stack((1, one), phases=wired)) == expected


@pytest.mark.parametrize(
    ("connector", "one", "why"),
    [
        (3, payload(DEFAULT, 10), "no such connector"),
        (1, payload(DEFAULT, 10, level=9), "stack level"),
        (1, payload(DEFAULT, 10, level=-1), "stack level"),
        (1, payload(MAX, 10), "belongs to connector 0"),
        (0, payload(TX, 10), "without a transaction"),
        (1, payload(TX, 10, transactionId=8), "of another transaction"),
        (1, payload(DEFAULT, *range(6, 31)), "more periods"),
        (1, payload(DEFAULT, -1), "negative"),
        (1, payload(DEFAULT), "begin at 0"),
        (1, payload(DEFAULT, 10, 12, every_s=0), "begin at 0 and ascend"),
        (1, payload(DEFAULT, 10, chargingProfileKind="Recurring"), "needs recurrencyKind"),
        (1, payload(DEFAULT, 10, validFrom="yesterday"), "yesterday"),
    ],
)
def test_what_cannot_be_installed(connector: int, one: dict[str, Any], why: str) -> None:
    with pytest.raises(ProfileError, match=why):
        stack((connector, one))


def test_a_station_may_know_one_unit_only() -> None:
    with pytest.raises(ProfileError, match="takes limits in W only"):
        stack((1, payload(DEFAULT, 10)), units=("W",))


def test_no_more_than_fit() -> None:
    levels = [(1, payload(DEFAULT, 10, level=level, number=level + 1)) for level in range(4)]
    with pytest.raises(ProfileError, match="MaxChargingProfilesInstalled"):
        stack(*levels, max_installed=3)


def test_replacing_by_id_and_by_level() -> None:
    profiles = stack(
        (1, payload(DEFAULT, 10, level=1, number=5)),
        (1, payload(DEFAULT, 11, level=2, number=5)),
        (1, payload(DEFAULT, 12, level=2, number=6)),
        (2, payload(DEFAULT, 13, level=2, number=8)),
    )
    assert [(one.profile_id, one.connector) for one in profiles.installed] == [(6, 1), (8, 2)]


@pytest.mark.parametrize(
    ("criteria", "left"),
    [
        ({"profile_id": 2}, {1, 3}),
        ({"profile_id": 9}, {1, 2, 3}),
        ({"connector": 1}, {1}),
        ({"purpose": DEFAULT}, {1, 3}),
        ({"stack_level": 3}, {1, 2}),
        ({"connector": 1, "stack_level": 0}, {1, 3}),
        ({}, set()),
    ],
)
def test_clearing(criteria: dict[str, Any], left: set[int]) -> None:
    profiles = stack(
        (0, payload(MAX, 10, number=1)),
        (1, payload(DEFAULT, 10, number=2)),
        (1, payload(TX, 10, number=3, level=3)),
    )
    gone = profiles.clear(**criteria)
    assert {one.profile_id for one in profiles.installed} == left
    assert {one.profile_id for one in gone} == {1, 2, 3} - left


def test_composite_schedule() -> None:
    profiles = stack(
        (0, payload(MAX, 25)),
        (1, payload(DEFAULT, 10, level=1, number=1)),
        (1, payload(TX, 16, 30, every_s=60, number=2, schedule={"duration": 120})),
        (1, payload(TX, 6, level=4, number=3, validFrom=stamp(100), validTo=stamp(110))),
    )
    assert profiles.composite(1, NOW, 300, "A", CHARGE) == {
        "duration": 300,
        "startSchedule": "2026-03-02T10:00:00.000Z",
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [
            {"startPeriod": 0, "limit": 16, "numberPhases": 3},
            {"startPeriod": 60, "limit": 25, "numberPhases": 3},
            {"startPeriod": 100, "limit": 6, "numberPhases": 3},
            {"startPeriod": 110, "limit": 25, "numberPhases": 3},
            {"startPeriod": 120, "limit": 10, "numberPhases": 3},
        ],
    }


def test_composite_schedule_in_watts_without_profiles() -> None:
    [period] = stack().composite(2, NOW, 60, "W", None)["chargingSchedulePeriod"]
    assert period == {"startPeriod": 0, "limit": 22080, "numberPhases": 3}


@pytest.mark.parametrize(
    ("cap", "feed", "expected"), [(None, None, 64), (None, 40, 40), (25, 40, 25), (99, None, 64)]
)
def test_composite_schedule_of_the_station(
    cap: float | None, feed: float | None, expected: float
) -> None:
    profiles = stack(*([] if cap is None else [(0, payload(MAX, cap))]), feed_current_a=feed)
    [period] = profiles.composite(0, NOW, 60, "A", None)["chargingSchedulePeriod"]
    assert period["limit"] == expected


def test_composite_schedule_over_days_and_of_what_has_not_begun() -> None:
    profiles = stack(
        (
            1,
            payload(
                *(DEFAULT, 8),
                chargingProfileKind="Recurring",
                recurrencyKind="Daily",
                schedule={"duration": 3600, "startSchedule": stamp(-86400 * 2)},
            ),
        ),
        (1, payload(DEFAULT, 20, level=3, schedule={"startSchedule": stamp(86400 * 9)})),
    )
    periods = profiles.composite(1, NOW, 86400 * 2, "A", None)["chargingSchedulePeriod"]
    assert [(one["startPeriod"], one["limit"]) for one in periods] == [
        *((0, 8), (3600, 32), (86400, 8), (90000, 32))
    ]


SECONDS = st.integers(-200, 400)
SPECS = st.lists(
    st.tuples(
        st.sampled_from([MAX, DEFAULT, DEFAULT, TX]),
        st.integers(0, 4),  # level
        st.integers(0, 1),  # connector, where there is a choice
        st.lists(st.integers(0, 40), min_size=1, max_size=4),  # limits, each for 50 s
        SECONDS,  # start
        st.none() | st.integers(1, 300),  # duration
        st.none() | SECONDS,  # validFrom
        st.none() | SECONDS,  # validTo
    ),
    max_size=8,
)


def ruling(specs: dict[Any, Any], purpose: str, connectors: set[int], at: int) -> float | None:
    """Say again, in other words, which limit of a purpose rules at a second."""
    best: tuple[int, float] | None = None
    for (its_purpose, level, connector), (limits, start, duration, since, until) in specs.items():
        if its_purpose != purpose or connector not in connectors:
            continue
        running = at >= start and (duration is None or at < start + duration)
        valid = (since is None or at >= since) and (until is None or at < until)
        if running and valid and (best is None or level > best[0]):
            best = (level, limits[min((at - start) // 50, len(limits) - 1)])
    return None if best is None else best[1]


@settings(max_examples=80, deadline=None)
@given(specs=SPECS, at=st.integers(0, 500))
def test_stacking(specs: list[tuple[Any, ...]], at: int) -> None:
    profiles = Profiles(1, Abilities(max_current_a=32))
    known: dict[Any, Any] = {}
    for number, (purpose, level, choice, limits, start, duration, since, until) in enumerate(specs):
        connector = {MAX: 0, TX: 1}.get(purpose, choice)
        fields = {"validFrom": since, "validTo": until}
        one = payload(
            *(purpose, *limits),
            level=level,
            number=number + 1,
            every_s=50,
            schedule={
                "startSchedule": stamp(start),
                **({"duration": duration} if duration else {}),
            },
            **{name: stamp(value) for name, value in fields.items() if value is not None},
        )
        profiles.install(Profile.parse(connector, one, NOW), CHARGE if connector else None)
        known[purpose, level, connector] = (limits, start, duration, since, until)
    expected = next(
        (
            limit
            for purpose, connectors in ((TX, {1}), (DEFAULT, {1}), (DEFAULT, {0}))
            if (limit := ruling(known, purpose, connectors, at)) is not None
        ),
        None,
    )
    cap = ruling(known, MAX, {0}, at)
    both = [limit for limit in (expected, cap) if limit is not None]
    assert amps(profiles, at) == (min(both) if both else None)
    # The composite schedule says the same, whenever one looks.
    periods = profiles.composite(1, NOW, 501, "A", CHARGE)["chargingSchedulePeriod"]
    composite = [one["limit"] for one in periods if one["startPeriod"] <= at][-1]
    assert composite == min(32, *both, 32)
