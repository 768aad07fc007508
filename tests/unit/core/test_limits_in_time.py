"""The main fuse in time: orders, cars that follow late, and stations that do not."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import Enum, auto

from hypothesis import given, settings, strategies as st

from custom_components.forecourt.core.control.limits import (
    MIN_CURRENT_A,
    RENEWED,
    VALIDITY,
    Outlet,
    decide,
)
from custom_components.forecourt.core.model.evse import EvseState, EvseStatus
from custom_components.forecourt.core.model.reading import Reading
from custom_components.forecourt.core.model.setpoint import Setpoint

from .outlets import FALLBACK_A, MAX_A, NOON, idle, session


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
