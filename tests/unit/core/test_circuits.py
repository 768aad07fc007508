"""Circuits: nothing that they feed ever exceeds their fuse, and what is there is used."""

from dataclasses import replace

from hypothesis import given, strategies as st

from custom_components.forecourt.core.control.limits import CAP, Outlet, decide, room_a
from custom_components.forecourt.core.model.setpoint import LimitReason

from .outlets import MAX_A, NOON, charging, evse, idle, order

# The garage hangs on the house, the yard on the main fuse.
GARAGE, YARD = ("garage", "house"), ("yard",)


def at(place: tuple[str, ...], number: int, age: int = 0, **changes: object) -> Outlet:
    return replace(charging(number, age, **changes), feeders=place)


def amperes(outlets: list[Outlet], fuse_a: int, circuits: dict[str, int]) -> dict[int, int]:
    points = decide(outlets, fuse_a, NOON, circuits)
    return {int(one.station_id.split()[1]): point.current_a for one, point in points.items()}


def test_a_circuit_is_shared_and_what_it_cannot_use_is_for_others() -> None:
    outlets = [at(GARAGE, 1, 3), at(GARAGE, 2, 2), at(YARD, 3, 1)]
    limits = {"garage": 20, "house": 40, "yard": 32}
    assert amperes(outlets, 63, limits) == {1: 10, 2: 10, 3: 32}
    assert amperes(outlets, 40, limits) == {1: 10, 2: 10, 3: 20}
    assert amperes(outlets, 30, limits) == {1: 10, 2: 10, 3: 10}
    assert amperes(outlets, 63, limits | {"house": 13}) == {1: 6, 2: 7, 3: 32}


def test_where_a_circuit_is_too_small_who_came_first_there_is_served() -> None:
    outlets = [at(GARAGE, 1, 1, setpoint=order(1, 0)), at(GARAGE, 2, 2), at(YARD, 3)]
    limits = {"garage": 11, "house": 40, "yard": 32}
    points = decide(outlets, 63, NOON, limits)
    assert amperes(outlets, 63, limits) == {1: 0, 2: 11, 3: 32}
    assert points[evse(1)].reason is LimitReason.CIRCUIT
    assert points[evse(2)].reason is LimitReason.CIRCUIT
    assert points[evse(3)].reason is LimitReason.STATION_MAXIMUM


def test_the_reason_is_the_narrowest() -> None:
    outlets = [replace(at(YARD, 1), feeders=("yard", CAP)), at(YARD, 2)]
    points = decide(outlets, 63, NOON, {"yard": 32, CAP: 8})
    assert (points[evse(1)].current_a, points[evse(1)].reason) == (8, LimitReason.SITE_LIMIT)
    assert points[evse(2)].current_a == 24
    outlets = [at(YARD, 1), at(YARD, 2)]
    points = decide(outlets, 20, NOON, {"yard": 32})
    assert points[evse(1)].reason is LimitReason.MAIN_FUSE


def test_who_begins_by_itself_is_kept_free_in_its_circuit() -> None:
    waiting = replace(idle(1, online=False), feeders=GARAGE)
    outlets = [waiting, at(GARAGE, 2), at(YARD, 3)]
    limits = {"garage": 20, "house": 40, "yard": 32}
    assert amperes(outlets, 63, limits) == {2: 14, 3: 32}
    assert room_a(outlets, evse(2), 63, NOON, limits) == 14
    assert room_a(outlets, evse(9), 63, NOON, limits) <= 63


PLACES = st.sampled_from([(), YARD, GARAGE, ("house",)])
LIMITS = st.fixed_dictionaries({key: st.integers(0, 80) for key in ("garage", "house", "yard")})


@given(
    st.lists(st.tuples(PLACES, st.none() | st.integers(6, MAX_A)), max_size=12),
    LIMITS,
    st.integers(6, 120),
)
def test_no_fuse_is_exceeded_and_nothing_is_wasted(
    cars: list[tuple[tuple[str, ...], int | None]], limits: dict[str, int], fuse_a: int
) -> None:
    outlets = [
        at(place, number, number, requested_current_a=asked, plugged_at=NOON)
        for number, (place, asked) in enumerate(cars)
    ]
    # Each may draw its fallback so far, so what they rise to is told in the turns that follow.
    points = decide(outlets, fuse_a, NOON, limits)
    shares = {number: points[evse(number)].current_a for number in range(len(cars))}
    sums = dict.fromkeys((*limits, ""), 0)
    for number, (place, _) in enumerate(cars):
        for key in (*place, ""):
            sums[key] += shares[number]
    for key, limit_a in (limits | {"": fuse_a}).items():
        assert sums[key] <= limit_a
    assert all(share == 0 or share >= 6 for share in shares.values())
