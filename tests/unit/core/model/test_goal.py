"""Goals: when they are due, and what is kept of them."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
import json
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st

from custom_components.forecourt.core.model.goal import NO_GOAL, ChargeMode, Goal

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 11, 23, 11, tzinfo=UTC)  # a Monday

GOALS = st.builds(
    Goal,
    mode=st.sampled_from(ChargeMode),
    energy_wh=st.none() | st.integers(1, 100_000),
    target_soc_percent=st.none() | st.integers(1, 100),
    ready_at=st.none() | st.datetimes(timezones=st.just(UTC)),
    ready_time=st.none() | st.times(),
    weekdays=st.lists(st.integers(0, 6), unique=True).map(sorted).map(tuple),
    minimum_wh=st.integers(0, 100_000),
    price_cap=st.none() | st.decimals(-1, 1, places=4),
    budget=st.none() | st.decimals(0, 100, places=2),
)


@given(GOALS)
def test_what_is_kept_is_what_was_asked(goal: Goal) -> None:
    assert Goal.from_dict(json.loads(json.dumps(goal.to_dict()))) == goal


def test_of_a_charge_without_a_goal_nothing_is_kept() -> None:
    assert NO_GOAL.to_dict() == {}


@given(GOALS, st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_what_is_due_is_still_to_come(goal: Goal, now: datetime) -> None:
    due = goal.deadline(now, BERLIN)
    assert due is None or due > now
    if goal.ready_at is None and goal.ready_time is not None and goal.weekdays:
        assert due is not None
        assert due - now <= timedelta(days=8)
        assert due.astimezone(BERLIN).weekday() in goal.weekdays


def test_once_and_again() -> None:
    once = Goal(ready_at=NOON + timedelta(hours=1))
    assert once.deadline(NOON, BERLIN) == NOON + timedelta(hours=1)
    assert once.deadline(NOON + timedelta(hours=1), BERLIN) is None
    again = Goal(ready_time=time(7), weekdays=(0, 4))
    assert again.deadline(NOON, BERLIN) == datetime(2026, 11, 27, 6, tzinfo=UTC)
    assert again.deadline(NOON - timedelta(hours=8), BERLIN) == datetime(
        2026, 11, 23, 6, tzinfo=UTC
    )
    assert Goal(ready_time=time(7), weekdays=()).deadline(NOON, BERLIN) is None
    assert NO_GOAL.deadline(NOON, BERLIN) is None


def test_the_clocks_change() -> None:
    again = Goal(ready_time=time(2, 30))
    spring = datetime(2026, 3, 28, 12, tzinfo=UTC)
    assert again.deadline(spring, BERLIN) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    autumn = datetime(2026, 10, 24, 12, tzinfo=UTC)
    assert again.deadline(autumn, BERLIN) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_money_stays_exact() -> None:
    goal = Goal(price_cap=Decimal("0.1"))
    assert Goal.from_dict(goal.to_dict()).price_cap == Decimal("0.1")
