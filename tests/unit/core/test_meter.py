"""The energy of a transaction, whatever its meter tells in between."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from hypothesis import example, given, strategies as st
import pytest

from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.session import Transaction
from custom_components.forecourt.core.sessions.meter import (
    MAX_STEP_WH,
    ROUNDING_WH,
    Counted,
    count,
    finish,
)

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Sample(NamedTuple):
    """A register value and its time."""

    register_wh: int
    at: datetime


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def begun(meter_start_wh: int) -> Transaction:
    return Transaction(
        id=1,
        evse=EvseId("garage", 1),
        session_id="s",
        started_at=NOON,
        meter_start_wh=meter_start_wh,
        last_wh=meter_start_wh,
        last_at=NOON,
    )


def counted(transaction: Transaction, samples: Iterable[Sample]) -> Transaction:
    """Count the samples; energy only ever rises, by what each is said to add."""
    for sample in samples:
        result = count(transaction, sample.register_wh, sample.at)
        assert result.added_wh >= 0
        assert result.transaction.energy_wh == transaction.energy_wh + result.added_wh
        assert not result.mismatch
        transaction = result.transaction
    return transaction


def every(seconds: float, *registers_wh: int) -> list[Sample]:
    return [Sample(wh, after(seconds * n)) for n, wh in enumerate(registers_wh, start=1)]


STARTS = st.integers(0, 10_000_000)


@st.composite
def charges(draw: st.DrawFn, starts: st.SearchStrategy[int] = STARTS) -> list[Sample]:
    """Return a start, samples and a stop of a charge that could be, with up to 44 kW."""
    steps = draw(
        st.lists(st.tuples(st.integers(1, 900), st.integers(0, 44_000)), min_size=1, max_size=12)
    )
    samples = [Sample(draw(starts), NOON)]
    for seconds, watts in steps:
        last = samples[-1]
        samples.append(
            Sample(
                last.register_wh + round(watts * seconds / 3600),
                last.at + timedelta(seconds=seconds),
            )
        )
    return samples


def settled(charge: Sequence[Sample], samples: Iterable[Sample]) -> Counted:
    """Count the samples between start and stop of a charge, and finish."""
    transaction = counted(begun(charge[0].register_wh), samples)
    stop = charge[-1]
    result = finish(transaction, stop.register_wh)
    assert result.transaction.energy_wh == transaction.energy_wh + result.added_wh
    assert result.transaction.meter_stop_wh == stop.register_wh
    return result


@given(charges(), st.data())
def test_whatever_samples_arrive_the_energy_is_stop_minus_start(
    charge: list[Sample], data: st.DataObject
) -> None:
    arrived = [sample for sample in charge if data.draw(st.booleans())]
    result = settled(charge, arrived)
    assert result.transaction.energy_wh == charge[-1].register_wh - charge[0].register_wh
    assert not result.mismatch
    assert not result.rollback


@given(charges())
def test_live_the_energy_is_that_of_the_newest_sample(charge: list[Sample]) -> None:
    transaction = begun(charge[0].register_wh)
    for sample in charge:
        transaction = counted(transaction, [sample])
        assert transaction.energy_wh == sample.register_wh - charge[0].register_wh
        assert transaction.last_at == sample.at


@given(charges(st.integers(1, 10_000_000)), st.data())
def test_a_dip_of_one_or_more_samples_changes_nothing(
    charge: list[Sample], data: st.DataObject
) -> None:
    place = data.draw(st.integers(1, len(charge)))
    before = charge[place - 1]
    to = data.draw(st.just(0) | st.integers(0, before.register_wh - 1))
    times = data.draw(st.integers(1, 4))
    samples = [*charge[:place], *[Sample(to, before.at)] * times, *charge[place:]]
    result = settled(charge, samples)
    assert result.transaction.energy_wh == charge[-1].register_wh - charge[0].register_wh
    assert not result.mismatch
    assert not result.rollback


@given(charges(st.integers(100_000, 10_000_000)), st.data())
def test_a_spike_changes_nothing(charge: list[Sample], data: st.DataObject) -> None:
    place = data.draw(st.integers(1, len(charge) - 1))
    before = charge[place - 1]
    spike = Sample(before.register_wh + data.draw(st.integers(600_000, 2**32)), before.at)
    samples = [*charge[:place], spike, *charge[place:]]
    result = settled(charge, samples)
    assert result.transaction.energy_wh == charge[-1].register_wh - charge[0].register_wh
    assert not result.rollback


def test_a_register_that_counts_from_zero_for_some_samples_gives_nothing_twice() -> None:
    transaction = counted(begun(9_000), every(10, 9_060, 0, 5, 40, 9_300, 9_360))
    assert transaction.energy_wh == 360
    assert finish(transaction, 9_400).transaction.energy_wh == 400


def test_nonsense_that_rises_faster_than_the_car_charges_is_taken_back_at_the_end() -> None:
    transaction = counted(begun(9_000), every(10, 9_060, 0, 400, 9_120))
    assert transaction.energy_wh == 460
    result = finish(transaction, 9_140)
    assert (result.transaction.energy_wh, result.added_wh) == (140, -320)
    assert result.mismatch


@given(charges(st.integers(1_000_000, 10_000_000)))
def test_samples_of_the_session_between_lifetime_start_and_stop(charge: list[Sample]) -> None:
    start = charge[0].register_wh
    transaction = begun(start)
    for sample in charge:
        transaction = counted(transaction, [Sample(sample.register_wh - start, sample.at)])
        assert transaction.energy_wh == sample.register_wh - start
    result = finish(transaction, charge[-1].register_wh)
    assert result.transaction.energy_wh == charge[-1].register_wh - start
    assert not result.mismatch


def test_samples_of_the_session_grow_past_the_lifetime_value_of_a_new_station() -> None:
    samples = every(600, *range(0, 8_000, 1_000))
    transaction = counted(begun(2_500), samples)
    assert transaction.energy_wh == 7_000
    assert finish(transaction, 2_500 + 7_100).transaction.energy_wh == 7_100


@given(charges(st.just(0)), st.integers(1_000_000, 10_000_000))
def test_lifetime_samples_between_start_and_stop_of_the_session(
    charge: list[Sample], lifetime: int
) -> None:
    transaction = begun(0)
    for sample in charge:
        transaction = counted(transaction, [Sample(sample.register_wh + lifetime, sample.at)])
        assert transaction.energy_wh == sample.register_wh
    result = finish(transaction, charge[-1].register_wh)
    assert result.transaction.energy_wh == charge[-1].register_wh
    assert not result.mismatch


@given(charges(), st.integers(0, 99), st.data())
def test_an_exchanged_meter_goes_on_where_the_old_one_stopped(
    charge: list[Sample], new_start: int, data: st.DataObject
) -> None:
    """The old meter stood far above; what flowed between the two is not known."""
    old = [Sample(sample.register_wh + 10_000_000, sample.at) for sample in charge]
    place = data.draw(st.integers(1, len(charge) - 1))
    offset = charge[place].register_wh - new_start
    new = [Sample(sample.register_wh - offset, sample.at) for sample in charge[place:]]
    transaction = counted(begun(old[0].register_wh), [*old[:place], *new])
    expected = (charge[place - 1].register_wh - charge[0].register_wh) + (
        charge[-1].register_wh - charge[place].register_wh
    )
    assert transaction.energy_wh == expected
    result = finish(transaction, new[-1].register_wh + 7)
    assert result.transaction.energy_wh == expected + 7
    assert result.rollback
    assert not result.mismatch


def test_an_exchanged_meter_that_did_not_count_adds_nothing() -> None:
    result = finish(counted(begun(5_000), every(60, 500)), 495)
    assert (result.transaction.energy_wh, result.rollback, result.mismatch) == (0, True, False)


def test_what_fits_neither_meter_is_reported() -> None:
    transaction = counted(begun(5_000), every(60, 500, 700))
    result = finish(transaction, 100)
    assert (result.transaction.energy_wh, result.rollback, result.mismatch) == (200, False, True)


def test_a_register_that_goes_on_is_no_new_segment() -> None:
    assert not count(begun(5_000), 5_100, after(10)).rollback


def test_a_new_segment_is_reported_once_it_counts() -> None:
    result = count(begun(5_000), 0, after(10))
    assert not result.rollback
    result = count(result.transaction, 0, after(20))
    assert not result.rollback
    assert count(result.transaction, 40, after(30)).rollback


def test_a_value_just_below_the_register_after_odd_ones_is_no_energy() -> None:
    transaction = counted(begun(9_000), every(10, 9_100, 0, 10, 9_090))
    assert transaction.energy_wh == 110
    assert counted(transaction, every(60, 9_120)).energy_wh == 120
    result = finish(transaction, 9_050)
    assert (result.transaction.energy_wh, result.mismatch) == (50, True)


def test_the_largest_step() -> None:
    assert counted(begun(9), every(10, 9 + MAX_STEP_WH)).energy_wh == MAX_STEP_WH
    assert counted(begun(9), every(10, 10 + MAX_STEP_WH)).energy_wh == 0
    above = counted(begun(9), every(10, 2**30, 2**30 + MAX_STEP_WH))
    assert above.energy_wh == MAX_STEP_WH
    assert counted(above, every(60, 2**31)).energy_wh == MAX_STEP_WH


def test_a_dip_of_an_exchanged_meter_is_waited_out() -> None:
    transaction = counted(begun(5_000), every(60, 5_100, 0, 100, 200, 3, 300))
    assert transaction.energy_wh == 100 + 300


@given(charges(), st.data())
def test_readings_told_late_or_twice_change_nothing(
    charge: list[Sample], data: st.DataObject
) -> None:
    transaction = begun(charge[0].register_wh)
    for number, sample in enumerate(charge):
        again = data.draw(st.lists(st.sampled_from(charge[: number + 1]), max_size=3))
        transaction = counted(transaction, [sample, *again])
        assert transaction.energy_wh == sample.register_wh - charge[0].register_wh


def test_a_late_reading_that_knows_more_counts() -> None:
    transaction = counted(begun(1_000), [Sample(1_050, after(60)), Sample(1_070, after(30))])
    assert transaction.energy_wh == 70
    assert transaction.last_at == after(60)


NONSENSE = st.lists(
    st.builds(
        Sample,
        st.integers(0, 20_000) | st.integers(0, 2**40),
        st.integers(-3600, 7200).map(after),
    ),
    max_size=20,
)


@given(STARTS, NONSENSE, st.integers(0, 2**40))
@example(0, every(1, 50, 0, 90, 0, 100, 30, 130), 0)
def test_nonsense_never_makes_more_energy_than_its_steps(
    start: int, samples: list[Sample], stop: int
) -> None:
    transaction = counted(begun(start), samples)
    ended = finish(transaction, stop).transaction
    possible = MAX_STEP_WH * (len(samples) + 1)
    assert transaction.energy_wh <= possible
    assert 0 <= ended.energy_wh <= possible


@pytest.mark.parametrize("below", [1, ROUNDING_WH])
def test_a_stop_that_is_rounded_down_is_no_mismatch(below: int) -> None:
    result = finish(counted(begun(1_000), every(60, 1_500)), 1_500 - below)
    assert result.transaction.energy_wh == 500 - below
    assert not result.mismatch


def test_a_stop_at_the_start_is_never_negative() -> None:
    result = finish(begun(1_000), 1_000 - ROUNDING_WH)
    assert (result.transaction.energy_wh, result.mismatch) == (0, False)


@pytest.mark.parametrize(
    ("stop", "energy_wh"),
    [
        # Of two accounts the smaller, unless it is none.
        (1_300, 300),
        (1_000, 500),
        (800, 500),
        (0, 500),
        (2**32 - 1, 500),
        (1_501 + MAX_STEP_WH, 500),
    ],
)
def test_a_stop_that_does_not_fit_is_reported(stop: int, energy_wh: int) -> None:
    result = finish(counted(begun(1_000), every(60, 1_500)), stop)
    assert (result.transaction.energy_wh, result.added_wh) == (energy_wh, energy_wh - 500)
    assert result.mismatch
    assert not result.rollback


def test_lifetime_samples_of_a_new_station_are_settled_by_start_and_stop() -> None:
    transaction = counted(begun(0), every(60, 80_000, 80_500, 81_000))
    result = finish(transaction, 1_050)
    assert result.transaction.energy_wh == 1_050
    assert result.mismatch


def test_without_samples_stop_minus_start_is_all_there_is() -> None:
    assert finish(begun(5_000), 5_000 + MAX_STEP_WH).transaction.energy_wh == MAX_STEP_WH


def test_the_state_of_a_transaction_is_enough_to_go_on_after_a_restart() -> None:
    """What is not in the transaction is not remembered, so any prefix gives the same."""
    registers = every(10, 9_060, 0, 30, 9_120, 9_180)
    whole = [counted(begun(9_000), registers[:n]).energy_wh for n in range(len(registers) + 1)]
    assert whole == [0, 60, 60, 90, 120, 180]
    assert all(earlier <= later for earlier, later in pairwise(whole))
