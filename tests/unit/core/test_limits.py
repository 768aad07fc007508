"""Sharing the fuse: what flows never exceeds it, and nothing is kept back without need."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import Enum, auto

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.forecourt.core.control.limits import (
    BELIEVED,
    FRESH,
    MIN_CURRENT_A,
    RENEWED,
    VALIDITY,
    Limits,
    Outlet,
    decide,
)
from custom_components.forecourt.core.model.evse import EvseState, EvseStatus
from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.reading import Reading
from custom_components.forecourt.core.model.session import Session
from custom_components.forecourt.core.model.setpoint import LimitReason, Setpoint

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MAX_A, FALLBACK_A = 32, 6


def evse(number: int) -> EvseId:
    return EvseId(f"box {number}", 1)


def session(number: int, plugged_at: datetime = NOON, *, charging: bool = True) -> Session:
    return Session(
        id=f"of {number}",
        evse=evse(number),
        user_id="anna",
        started_at=plugged_at,
        plugged_at=plugged_at,
        currency="EUR",
        transaction_id=number if charging else None,
    )


def idle(number: int, **changes: object) -> Outlet:
    """Return an outlet without a car."""
    state = EvseState(evse=evse(number), online=True, status=EvseStatus.AVAILABLE)
    return Outlet(
        state=replace(state, **changes),  # type: ignore[arg-type]
        limits=Limits(max_current_a=MAX_A, fallback_current_a=FALLBACK_A),
    )


def charging(number: int, age: int = 0, **changes: object) -> Outlet:
    """Return an outlet that charges since `age` minutes."""
    own = session(number, NOON - timedelta(minutes=age))
    given = {"status": EvseStatus.CHARGING, "session": own} | changes
    return idle(number, **given)


def order(number: int, current_a: int, now: datetime = NOON, **changes: object) -> Setpoint:
    point = Setpoint(
        evse=evse(number),
        current_a=current_a,
        valid_until=now + VALIDITY,
        reason=LimitReason.STATION_MAXIMUM,
    )
    return replace(point, **changes)  # type: ignore[arg-type]


def currents(
    outlets: Iterable[Outlet], main_fuse_a: int, now: datetime = NOON
) -> dict[int, tuple[int, LimitReason]]:
    """Return current and reason by the number of the outlet."""
    outlets = list(outlets)
    numbers = {outlet.state.evse: int(outlet.state.evse.station_id[4:]) for outlet in outlets}
    decided = decide(outlets, main_fuse_a, now)
    assert all(point.valid_until == now + VALIDITY for point in decided.values())
    return {numbers[evse]: (point.current_a, point.reason) for evse, point in decided.items()}


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


# --- in time --------------------------------------------------------------------------------------


class Manner(Enum):
    """How a station takes orders."""

    OBEYS = auto()
    REFUSES = auto()
    IGNORES = auto()


@dataclass
class Box:
    """A station with a car, and what the site knows of both; times are seconds since noon."""

    number: int
    lag_s: int = 0
    meter_every_s: int | None = 10
    manner: Manner = Manner.OBEYS
    demand_a: int = MAX_A
    plugged_at: int | None = None
    sent_at: int | None = None
    sent_a: int = 0
    flows_a: int = 0
    dropping_since: int | None = None
    outlet: Outlet = field(init=False)

    def __post_init__(self) -> None:
        self.outlet = idle(self.number)

    @property
    def state(self) -> EvseState:
        return self.outlet.state

    @property
    def running(self) -> bool:
        return self.state.session is not None

    def know(self, **changes: object) -> None:
        state = replace(self.state, **changes)  # type: ignore[arg-type]
        self.outlet = replace(self.outlet, state=state)

    def offered_a(self, now: int) -> int:
        if not self.running:
            return 0
        if self.sent_at is None or now >= self.sent_at + VALIDITY.total_seconds():
            return FALLBACK_A
        return self.sent_a

    def take(self, point: Setpoint, now: int) -> None:
        """Bring a setpoint into force as a driver does: again only at half its time."""
        if self.manner is Manner.REFUSES:
            return
        self.know(setpoint=point)
        if self.manner is Manner.IGNORES:
            return
        same = self.sent_at is not None and self.sent_a == point.current_a
        if not same or now - (self.sent_at or 0) >= RENEWED.total_seconds():
            self.sent_at, self.sent_a = now, point.current_a

    def live(self, now: int) -> None:
        """Let a second pass: a car draws more at once, and less after its lag."""
        # The site makes room for what a charge begins with while people handle their cards.
        if self.plugged_at is not None and not self.running and now - self.plugged_at == SETTLED_S:
            self.start(now)
        offered = min(self.offered_a(now), self.demand_a)
        if self.manner is Manner.IGNORES and self.running:
            offered = self.demand_a
        if offered >= self.flows_a or not self.running:
            self.flows_a, self.dropping_since = offered, None
        elif self.dropping_since is None:
            self.dropping_since = now
        if self.dropping_since is not None and now - self.dropping_since >= self.lag_s:
            self.flows_a, self.dropping_since = offered, None
        if self.meter_every_s and self.state.online and now % self.meter_every_s == 0:
            at = NOON + timedelta(seconds=now)
            self.know(reading=Reading(at=at, current_a=(float(self.flows_a),) * 3))

    # What happens.

    def come(self, now: int) -> None:
        if self.plugged_at is None:
            self.plugged_at = now
            self.know(status=EvseStatus.PREPARING)

    def start(self, now: int) -> None:
        at = NOON + timedelta(seconds=self.plugged_at or 0)
        self.know(status=EvseStatus.CHARGING, session=session(self.number, at), setpoint=None)
        self.sent_at = None

    def leave(self, now: int) -> None:
        self.plugged_at, self.sent_at = None, None
        self.know(status=EvseStatus.AVAILABLE, session=None, setpoint=None, reading=None)

    def offline(self, now: int) -> None:
        self.know(online=False)

    def online(self, now: int) -> None:
        self.know(online=True)

    def pause(self, now: int) -> None:
        self.know(allowed=False)

    def allow(self, now: int) -> None:
        self.know(allowed=True)

    def want_less(self, now: int) -> None:
        self.know(requested_current_a=10)

    def want_all(self, now: int) -> None:
        self.know(requested_current_a=None)


EVENTS = (
    Box.come,
    Box.come,
    Box.come,
    Box.leave,
    Box.offline,
    Box.online,
    Box.pause,
    Box.allow,
    Box.want_less,
    Box.want_all,
)
SETTLED_S = 70
QUIET_S = 150


@dataclass
class Yard:
    """Some boxes behind one fuse, under control."""

    boxes: list[Box]
    fuse_a: int
    now: int = 0

    def run(self, seconds: int, *, safe: bool) -> None:
        for _ in range(seconds):
            self.now += 1
            if self.now % 2 == 0:
                at = NOON + timedelta(seconds=self.now)
                decided = decide([box.outlet for box in self.boxes], self.fuse_a, at)
                for box in self.boxes:
                    if box.state.evse in decided:
                        box.take(decided[box.state.evse], self.now)
            for box in self.boxes:
                box.live(self.now)
            if safe:
                assert self.flows_a <= self.fuse_a, self

    @property
    def flows_a(self) -> int:
        return sum(box.flows_a for box in self.boxes)


BOXES = st.lists(
    st.builds(
        Box,
        number=st.just(0),
        lag_s=st.integers(0, 5),
        meter_every_s=st.sampled_from([None, 5, 10, 30, 60]),
        demand_a=st.sampled_from([MAX_A, MAX_A, 16, 8]),
    ),
    min_size=2,
    max_size=4,
)
STORIES = st.lists(
    st.tuples(st.integers(1, 90), st.integers(0, 3), st.sampled_from(EVENTS)), max_size=25
)


def tell(yard: Yard, story: list[tuple[int, int, object]], *, safe: bool) -> None:
    for number, box in enumerate(yard.boxes, start=1):
        box.number = number
        box.outlet = idle(number)
    for seconds, index, event in story:
        yard.run(seconds, safe=safe)
        event(yard.boxes[index % len(yard.boxes)], yard.now)  # type: ignore[operator]


@settings(max_examples=60, deadline=None)
@given(BOXES, STORIES, st.integers(4 * FALLBACK_A, 70))
def test_what_flows_never_exceeds_the_fuse(
    boxes: list[Box], story: list[tuple[int, int, object]], fuse_a: int
) -> None:
    """Stations that obey, with cars that follow late, that come, go and lose their connection."""
    yard = Yard(boxes, fuse_a)
    tell(yard, story, safe=True)
    yard.run(QUIET_S, safe=True)
    served = [b for b in boxes if b.running and b.state.online and b.state.allowed]
    reserved = sum(
        FALLBACK_A for b in boxes if b not in served and not b.running and b.plugged_at is not None
    )
    if any(not box.state.online for box in boxes):
        return
    # Nothing is kept back without need: nobody could be given one ampere more.
    got = {box.number: box.state.setpoint.current_a for box in served if box.state.setpoint}
    assert len(got) == len(served)
    rest = fuse_a - reserved - sum(got.values())
    hungry = [b for b in served if got[b.number] < (b.state.requested_current_a or MAX_A)]
    fed = [box for box in hungry if got[box.number]]
    assert rest >= 0
    assert not fed or rest < len(fed)
    assert len(fed) == len(hungry) or (rest + sum(got.values())) < MIN_CURRENT_A * len(served)
    assert max(got.values(), default=0) - min((got[b.number] for b in fed), default=99) <= 1


@settings(max_examples=60, deadline=None)
@given(
    BOXES,
    STORIES,
    st.integers(4 * FALLBACK_A, 70),
    st.lists(st.sampled_from(Manner), min_size=4, max_size=4),
)
def test_who_does_not_obey_is_made_room_for(
    boxes: list[Box],
    story: list[tuple[int, int, object]],
    fuse_a: int,
    manners: list[Manner],
) -> None:
    for box, manner in zip(boxes, manners, strict=False):
        box.manner = manner
        box.meter_every_s = box.meter_every_s or 10
    yard = Yard(boxes, fuse_a)
    tell(yard, story, safe=False)
    yard.run(QUIET_S, safe=False)
    # What no order reaches: a charge that goes on as it likes, or on the last order offline.
    wild = sum(
        box.flows_a if box.running else FALLBACK_A
        for box in boxes
        if box.manner is not Manner.OBEYS or not box.state.online or not box.running
    )
    unseen = any(box.manner is Manner.IGNORES and not box.state.online for box in boxes)
    if wild <= fuse_a and not unseen:
        yard.run(20, safe=True)
