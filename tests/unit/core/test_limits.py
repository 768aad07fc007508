"""Sharing the fuse: what flows never exceeds it, and nothing is kept back without need."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from custom_components.forecourt.core.control.limits import (
    BELIEVED,
    FRESH,
    RENEWED,
    VALIDITY,
    Limits,
    Outlet,
    decide,
)
from custom_components.forecourt.core.model.evse import EvseStatus
from custom_components.forecourt.core.model.reading import Reading
from custom_components.forecourt.core.model.setpoint import LimitReason

from .outlets import FALLBACK_A, NOON, SECOND, charging, currents, evse, idle, order, session

# --- what each gets -------------------------------------------------------------------------------


def test_a_car_alone_gets_what_its_station_can_give() -> None:
    assert currents([charging(1)], 40) == {1: (32, LimitReason.STATION_MAXIMUM)}
    assert currents([charging(1)], 20) == {1: (20, LimitReason.MAIN_FUSE)}


def test_cars_share_in_whole_amperes() -> None:
    outlets = [charging(n, setpoint=order(n, 6)) for n in (1, 2, 3)]
    assert currents(outlets, 49) == {
        1: (16, LimitReason.MAIN_FUSE),
        2: (16, LimitReason.MAIN_FUSE),
        3: (17, LimitReason.MAIN_FUSE),
    }


def test_what_one_does_not_want_is_for_the_others() -> None:
    outlets = [charging(n, setpoint=order(n, 6)) for n in (1, 2, 3)]
    outlets[1] = replace(outlets[1], state=replace(outlets[1].state, requested_current_a=8))
    assert currents(outlets, 48) == {
        1: (20, LimitReason.MAIN_FUSE),
        2: (8, LimitReason.USER_LIMIT),
        3: (20, LimitReason.MAIN_FUSE),
    }


def test_where_there_is_too_little_for_all_who_came_first_is_served() -> None:
    outlets = [charging(n, age, setpoint=order(n, 0)) for n, age in ((1, 5), (2, 30), (3, 10))]
    assert currents(outlets, 14) == {
        1: (0, LimitReason.NO_ROOM),
        2: (7, LimitReason.MAIN_FUSE),
        3: (7, LimitReason.MAIN_FUSE),
    }
    assert currents(outlets, 5) == dict.fromkeys((1, 2, 3), (0, LimitReason.NO_ROOM))


def test_who_plugged_in_first_came_first() -> None:
    late = session(1, NOON - timedelta(minutes=9))
    early = replace(session(2), plugged_at=NOON - timedelta(hours=1))
    outlets = [
        charging(1, session=late, setpoint=order(1, 0)),
        charging(2, session=early, setpoint=order(2, 0)),
        charging(3, session=replace(late, plugged_at=None, evse=evse(3)), setpoint=order(3, 0)),
    ]
    assert {n: amps for n, (amps, _) in currents(outlets, 6).items()} == {1: 0, 2: 6, 3: 0}


def test_a_user_may_ask_for_less() -> None:
    assert currents([charging(1, requested_current_a=10)], 40) == {1: (10, LimitReason.USER_LIMIT)}
    assert currents([charging(1, requested_current_a=6)], 40) == {1: (6, LimitReason.USER_LIMIT)}
    assert currents([charging(1, requested_current_a=0)], 40) == {1: (0, LimitReason.USER_LIMIT)}
    assert currents([charging(1, requested_current_a=5)], 40) == {1: (0, LimitReason.USER_LIMIT)}


@pytest.mark.parametrize("asked", [None, 32, 63])
def test_a_user_may_not_ask_for_more(asked: int | None) -> None:
    outlet = charging(1, requested_current_a=asked)
    assert currents([outlet], 80) == {1: (32, LimitReason.STATION_MAXIMUM)}


def test_a_user_may_stop_and_nobody_unknown_charges() -> None:
    outlets = [
        charging(1, allowed=False),
        replace(charging(2), authorized=False),
        replace(charging(3, allowed=False), authorized=False),
        charging(4),
    ]
    assert currents(outlets, 50) == {
        1: (0, LimitReason.NOT_ALLOWED),
        2: (0, LimitReason.NOT_AUTHORIZED),
        3: (0, LimitReason.NOT_ALLOWED),
        4: (32, LimitReason.STATION_MAXIMUM),
    }


def test_who_may_not_charge_takes_no_turn() -> None:
    outlets = [
        charging(1, 60, allowed=False, setpoint=order(1, 0)),
        charging(2, 30, requested_current_a=3, setpoint=order(2, 0)),
        charging(3, 0, setpoint=order(3, 0)),
    ]
    assert {n: amps for n, (amps, _) in currents(outlets, 6).items()} == {1: 0, 2: 0, 3: 6}


def test_only_what_charges_and_is_reachable_gets_a_setpoint() -> None:
    outlets = [
        idle(1),
        idle(2, status=EvseStatus.PREPARING),
        idle(3, status=EvseStatus.FINISHING, session=session(3, charging=False)),
        charging(4, online=False),
    ]
    assert decide(outlets, 100, NOON) == {}
    assert decide([], 100, NOON) == {}


# --- what others may draw -------------------------------------------------------------------------


def left_over(*others: Outlet, fuse_a: int = 63, now: datetime = NOON) -> int:
    """Return what the others leave of the fuse to a car that could take all of it."""
    greedy = replace(
        charging(9, setpoint=order(9, 0, now)),
        limits=Limits(max_current_a=fuse_a, fallback_current_a=0),
    )
    return fuse_a - currents([*others, greedy], fuse_a, now)[9][0]


def drawing(amps: float, at: datetime = NOON) -> Reading:
    return Reading(at=at, current_a=(1.0, amps, None))


@pytest.mark.parametrize(
    ("outlet", "reserved"),
    [
        (idle(1), 0),
        (idle(1, status=EvseStatus.RESERVED), 0),
        (idle(1, status=EvseStatus.PREPARING), FALLBACK_A),
        (idle(1, status=EvseStatus.FAULTED), FALLBACK_A),
        (idle(1, status=None), FALLBACK_A),
        (idle(1, status=EvseStatus.PREPARING, setpoint=order(1, 32)), FALLBACK_A),
        (idle(1, status=EvseStatus.PREPARING, reading=drawing(11.0)), 11),
        (idle(1, reading=drawing(11.0, NOON - FRESH - SECOND)), 0),
        (idle(1, online=False), FALLBACK_A),
        (charging(1, online=False), FALLBACK_A),
        (charging(1, online=False, setpoint=order(1, 20)), 20),
        (charging(1, online=False, setpoint=order(1, 0)), FALLBACK_A),
        (charging(1, online=False, setpoint=order(1, 20, NOON - VALIDITY)), FALLBACK_A),
        (charging(1, online=False, reading=drawing(11.0)), 11),
    ],
)
def test_what_no_setpoint_reaches_is_kept_free(outlet: Outlet, reserved: int) -> None:
    assert left_over(outlet) == reserved


NOT_ALLOWED = {"allowed": False}


@pytest.mark.parametrize(
    ("outlet", "reserved"),
    [
        # A new transaction begins with the fallback of its station.
        (charging(1, allowed=False), FALLBACK_A),
        (charging(1, allowed=False, setpoint=order(1, 0)), 0),
        (charging(1, allowed=False, setpoint=order(1, 20)), 20),
        # What was not renewed for half its time may have run out.
        (charging(1, allowed=False, setpoint=order(1, 0, NOON - RENEWED + SECOND)), 0),
        (charging(1, allowed=False, setpoint=order(1, 0, NOON - RENEWED)), FALLBACK_A),
        (charging(1, allowed=False, setpoint=order(1, 20, NOON - RENEWED)), 20),
        (charging(1, allowed=False, setpoint=order(1, 20, NOON - VALIDITY)), FALLBACK_A),
        # The meter knows better.
        (charging(1, allowed=False, setpoint=order(1, 0), reading=drawing(15.9)), 15),
        (charging(1, allowed=False, setpoint=order(1, 20), reading=drawing(15.9)), 20),
        (charging(1, allowed=False, setpoint=order(1, 0), reading=drawing(9, NOON - FRESH)), 9),
        (
            charging(
                1, allowed=False, setpoint=order(1, 0), reading=drawing(9, NOON - FRESH - SECOND)
            ),
            0,
        ),
        (charging(1, allowed=False, setpoint=order(1, 0), reading=Reading(at=NOON)), 0),
    ],
)
def test_a_charge_counts_with_what_it_may_draw(outlet: Outlet, reserved: int) -> None:
    assert left_over(outlet) == reserved


def test_a_drop_counts_when_it_was_measured() -> None:
    point = order(1, 6, since=NOON, before_a=20)
    before = charging(1, requested_current_a=6, setpoint=point, reading=drawing(19.0))
    assert left_over(before, now=NOON + SECOND) == 20
    still = charging(1, requested_current_a=6, setpoint=point, reading=drawing(19.0, NOON + SECOND))
    assert left_over(still, now=NOON + SECOND) == 19
    after = charging(1, requested_current_a=6, setpoint=point, reading=drawing(6.2, NOON + SECOND))
    assert left_over(after, now=NOON + SECOND) == 6


def test_a_drop_that_nobody_measures_is_believed_after_a_while() -> None:
    point = order(1, 6, since=NOON, before_a=20)
    for outlet in (
        charging(1, requested_current_a=6, setpoint=point),
        charging(1, requested_current_a=6, online=False, setpoint=point),
    ):
        assert left_over(outlet, now=NOON + BELIEVED - SECOND) == 20
        assert left_over(outlet, now=NOON + BELIEVED) == 6


def test_a_setpoint_remembers_since_when_and_from_where() -> None:
    first = decide([charging(1)], 20, NOON)[evse(1)]
    assert (first.current_a, first.since, first.before_a) == (20, NOON, FALLBACK_A)
    later = NOON + 9 * SECOND
    same = decide([charging(1, setpoint=first)], 20, later)[evse(1)]
    assert (same.current_a, same.since, same.before_a) == (20, NOON, FALLBACK_A)
    lower = decide([charging(1, setpoint=same)], 10, later)[evse(1)]
    assert (lower.current_a, lower.since, lower.before_a) == (10, later, 20)
    unknown = order(1, 10)
    known = decide([charging(1, setpoint=unknown)], 10, later)[evse(1)]
    assert (known.since, known.before_a) == (later, 0)
    late = first.valid_until
    anew = decide([charging(1, setpoint=first)], 20, late)[evse(1)]
    assert (anew.since, anew.before_a) == (late, FALLBACK_A)


def test_all_are_lowered_at_once_and_nobody_is_paused_for_it() -> None:
    outlets = [charging(n, setpoint=order(n, 16)) for n in (1, 2)]
    assert {n: amps for n, (amps, _) in currents(outlets, 20).items()} == {1: 10, 2: 10}


def test_who_comes_second_waits_for_the_first_to_be_lowered() -> None:
    first = charging(1, 60, setpoint=order(1, 32), reading=drawing(31.8))
    assert {n: amps for n, (amps, _) in currents([first, charging(2)], 32).items()} == {1: 16, 2: 0}


def test_who_does_not_follow_leaves_the_rest_to_the_oldest() -> None:
    stuck = charging(1, 60, requested_current_a=10, setpoint=order(1, 10), reading=drawing(26.0))
    others = [charging(n, 30 - n, setpoint=order(n, 0)) for n in (2, 3)]
    assert {n: amps for n, (amps, _) in currents([stuck, *others], 40).items()} == {
        1: 10,
        2: 14,
        3: 0,
    }


def test_who_has_a_share_makes_room_for_who_does_not_follow() -> None:
    stuck = charging(1, requested_current_a=10, setpoint=order(1, 10), reading=drawing(26.0))
    other = charging(2, setpoint=order(2, 30))
    assert {n: amps for n, (amps, _) in currents([stuck, other], 40).items()} == {1: 10, 2: 14}


def test_where_others_take_more_than_the_fuse_all_wait() -> None:
    wild = idle(1, online=False, reading=drawing(30.0))
    assert currents([wild, charging(2)], 16) == {2: (0, LimitReason.NO_ROOM)}
