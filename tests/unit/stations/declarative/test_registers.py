"""A register that only rises, whatever the box tells."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given, strategies as st
import pytest

from custom_components.forecourt.stations.declarative.registers import (
    CONFIRMED,
    ROUNDING_WH,
    SLACK_WH,
    Register,
    Source,
    integrate,
    take,
)

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
MOST_W = 11_040.0
STEPS = st.lists(st.floats(0, 6.0), min_size=1, max_size=60)


def told(
    values: list[float], *, source: Source = Source.LIFETIME, register: Register | None = None
) -> list[Register]:
    """Return the register after each value, told every two seconds."""
    register, at = register or Register(), NOON
    after = []
    for value in values:
        at += timedelta(seconds=2)
        register = take(register, value, at, source=source, most_w=MOST_W)
        after.append(register)
    return after


@given(start=st.floats(0, 1e9), steps=STEPS)
def test_a_register_of_a_lifetime_is_taken_as_it_is(start: float, steps: list[float]) -> None:
    values = [start]
    for step in steps:
        values.append(values[-1] + step)
    assert [one.total_wh for one in told(values)] == pytest.approx(values)


@given(values=st.lists(st.floats(0, 1e7), min_size=1, max_size=60), source=st.sampled_from(Source))
def test_it_never_falls(values: list[float], source: Source) -> None:
    totals = [one.total_wh for one in told(values, source=source)]
    assert totals == sorted(totals)


@given(
    steps=STEPS,
    dips=st.dictionaries(st.integers(1, 59), st.floats(0, 5_000), max_size=20),
    source=st.sampled_from([Source.LIFETIME, Source.SESSION]),
)
def test_a_dip_costs_nothing_and_counts_nothing(
    steps: list[float], dips: dict[int, float], source: Source
) -> None:
    true, values, since = 100_000.0, [100_000.0], 0
    for number, step in enumerate(steps, 1):
        true += step
        since += 1
        is_dip = number in dips and since > 1
        if is_dip:
            since = 0
        values.append(dips[number] if is_dip else true)
    values.append(true)
    assert told(values, source=source)[-1].total_wh == pytest.approx(true)


@given(charges=st.lists(st.lists(st.floats(0, 6.0), min_size=4, max_size=20), max_size=5))
def test_a_register_of_the_charge_that_begins_anew_goes_on(charges: list[list[float]]) -> None:
    values, total = [0.0], 0.0
    for steps in charges:
        value = 0.0
        # What it tells before the charge; a fall within the rounding cannot be told from noise.
        values += [0.0] * CONFIRMED
        for step in steps:
            value += step
            total += step
            values.append(value)
    counted = told(values, source=Source.SESSION)[-1].total_wh
    assert counted == pytest.approx(total, abs=ROUNDING_WH * (len(charges) + 1))


def test_another_meter_counts_from_where_it_stands() -> None:
    registers = told([50_000, 50_100, 7, 8, 9, 29])
    assert registers[-1].total_wh == 50_100 + 22
    registers = told([50_000, 900_000, 900_010, 900_020, 900_030])
    assert registers[-1].total_wh == 50_000 + 30


def test_a_slow_meter_that_catches_up_is_believed() -> None:
    register = take(Register(), 1_000, NOON, source=Source.LIFETIME, most_w=MOST_W)
    at = NOON
    for _ in range(450):
        at += timedelta(seconds=2)
        register = take(register, 1_000, at, source=Source.LIFETIME, most_w=MOST_W)
    for _ in range(CONFIRMED):
        at += timedelta(seconds=2)
        register = take(register, 3_750, at, source=Source.LIFETIME, most_w=MOST_W)
    assert register.total_wh == 3_750


def test_what_flowed_while_nobody_looked_is_counted_at_once() -> None:
    register = take(Register(), 1_000, NOON, source=Source.LIFETIME, most_w=MOST_W)
    later = NOON + timedelta(hours=8)
    register = take(register, 61_000, later, source=Source.LIFETIME, most_w=MOST_W)
    assert register.total_wh == 61_000
    assert SLACK_WH < 60_000


def test_a_register_of_the_charge_is_added_to_what_was_known() -> None:
    known = Register(total_wh=5_000)
    register = take(known, 300, NOON, source=Source.SESSION, most_w=MOST_W)
    assert register.whole_wh == 5_300


@given(powers=st.lists(st.floats(0, 22_000), min_size=2, max_size=40), seconds=st.integers(1, 120))
def test_power_is_integrated_by_trapezoids(powers: list[float], seconds: int) -> None:
    register, at = Register(), NOON
    for power in powers:
        register = integrate(register, power, at)
        at += timedelta(seconds=seconds)
    expected = sum((a + b) / 2 for a, b in pairwise(powers))
    assert register.total_wh == pytest.approx(expected * seconds / 3600)


def test_gaps_are_not_integrated() -> None:
    register = integrate(Register(), 11_000, NOON)
    register = integrate(register, 11_000, NOON + timedelta(minutes=3))
    assert register.total_wh == 0
    register = integrate(register, None, NOON + timedelta(minutes=4))
    register = integrate(register, 11_000, NOON + timedelta(minutes=5))
    assert register.total_wh == 0
    register = integrate(register, 11_000, NOON + timedelta(minutes=4))
    assert register.total_wh == 0
