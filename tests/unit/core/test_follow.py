"""Whether an EVSE does what it was ordered, and what the others get if it does not."""

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import given, strategies as st
import pytest

from custom_components.forecourt.core.control.follow import follows
from custom_components.forecourt.core.control.limits import FRESH, Outlet
from custom_components.forecourt.core.model.reading import Reading
from custom_components.forecourt.core.model.setpoint import FOLLOWED_IN, LimitReason

from .outlets import MAX_A, NOON, SECOND, charging, currents, order


def drawing(
    number: int, measured_a: float | None, at: datetime = NOON, **changes: object
) -> Outlet:
    current = None if measured_a is None else (measured_a, 0.0, 0.0)
    return charging(number, reading=Reading(at=at, current_a=current), **changes)


LATER = NOON + FOLLOWED_IN


@pytest.mark.parametrize(
    ("ordered_a", "before_a", "measured_a", "expected"),
    [
        (6, 16, 16.0, False),
        (6, 16, 7.1, False),
        (6, 16, 7.0, True),
        (6, 16, 0.0, True),
        (32, 16, 35.3, False),
        (32, 16, 35.1, None),
        (0, 16, 1.1, False),
        (0, 16, 0.4, True),
        # A car that draws little does not show whether its station listens.
        (16, 6, 6.0, None),
        (16, 16, 10.0, None),
    ],
)
def test_the_meter_tells(
    ordered_a: int, before_a: int, measured_a: float, expected: bool | None
) -> None:
    point = order(1, ordered_a, since=NOON, before_a=before_a)
    assert follows(drawing(1, measured_a, LATER, setpoint=point).state, LATER) is expected


def test_it_is_given_time() -> None:
    point = order(1, 6, since=NOON, before_a=16)
    at = LATER - SECOND
    assert follows(drawing(1, 16, at, setpoint=point).state, LATER) is None


def test_without_proof_nothing_is_said() -> None:
    told = order(1, 6, since=NOON, before_a=16)
    expired = replace(told, valid_until=LATER)
    assert follows(charging(1).state, LATER) is None
    assert follows(charging(1, setpoint=told).state, LATER) is None
    assert follows(drawing(1, None, LATER, setpoint=told).state, LATER) is None
    assert follows(drawing(1, 16, LATER, setpoint=replace(told, since=None)).state, LATER) is None
    assert follows(drawing(1, 16, LATER, setpoint=expired).state, LATER) is None


def disobedient(outlet: Outlet) -> Outlet:
    return replace(outlet, obeys=False)


def test_who_does_not_obey_counts_as_measured() -> None:
    others = [charging(n, setpoint=order(n, 0)) for n in (2, 3)]
    rebel = disobedient(drawing(1, 15.2, setpoint=order(1, 6, since=NOON, before_a=16)))
    assert currents([rebel, *others], 32) == {
        1: (11, LimitReason.MAIN_FUSE),
        2: (8, LimitReason.MAIN_FUSE),
        3: (8, LimitReason.MAIN_FUSE),
    }


def test_who_does_not_obey_and_is_not_measured_counts_with_all_it_can() -> None:
    other = charging(2, setpoint=order(2, 0))
    for rebel in (
        disobedient(charging(1, setpoint=order(1, 6))),
        disobedient(drawing(1, None, setpoint=order(1, 6))),
        disobedient(drawing(1, 6, NOON - FRESH - SECOND, setpoint=order(1, 6))),
    ):
        assert currents([rebel, other], MAX_A + 10)[2] == (10, LimitReason.MAIN_FUSE)


def test_it_is_still_told_what_it_may() -> None:
    rebel = disobedient(drawing(1, 16, setpoint=order(1, 6, since=NOON, before_a=16)))
    assert currents([rebel], 10) == {1: (10, LimitReason.MAIN_FUSE)}
    assert currents([rebel], 5) == {1: (0, LimitReason.NO_ROOM)}


@given(
    fuse_a=st.integers(6, 100),
    rebels=st.lists(st.floats(0, MAX_A), max_size=3),
    others=st.integers(0, 4),
    seconds=st.integers(0, 90),
)
def test_those_who_obey_leave_room_for_those_who_do_not(
    fuse_a: int, rebels: list[float], others: int, seconds: int
) -> None:
    now = NOON + timedelta(seconds=seconds)
    outlets = [
        disobedient(drawing(number, measured_a, now, setpoint=order(number, 6, now)))
        for number, measured_a in enumerate(rebels)
    ]
    outlets += [
        charging(len(rebels) + n, setpoint=order(len(rebels) + n, 0)) for n in range(others)
    ]
    told = currents(outlets, fuse_a, now)
    shared = sum(current for number, (current, _) in told.items() if number >= len(rebels))
    assert shared == 0 or sum(rebels) + shared <= fuse_a


@pytest.mark.parametrize(
    ("power_w", "expected"), [(11_040.0, False), (4_140.0, True), (0.0, True), (None, None)]
)
def test_where_only_the_power_is_told_it_proves_what_it_can(
    power_w: float | None, expected: bool | None
) -> None:
    outlet = charging(
        1,
        reading=Reading(at=LATER, power_w=power_w),
        setpoint=order(1, 6, since=NOON, before_a=16),
    )
    assert follows(outlet.state, LATER) is expected


def test_power_that_may_be_all_on_one_phase_counts_so() -> None:
    outlets = [
        charging(1, reading=Reading(at=NOON, power_w=3_680.0), setpoint=order(1, 6)),
        charging(2, setpoint=order(2, 0)),
    ]
    # It may draw 16 A on one phase, whatever it was told.
    assert currents(outlets, 24)[2] == (8, LimitReason.MAIN_FUSE)
    # But no more than its station can give.
    outlets[0] = charging(1, reading=Reading(at=NOON, power_w=22_080.0), setpoint=order(1, 6))
    assert currents(outlets, MAX_A + 7)[2] == (7, LimitReason.MAIN_FUSE)
