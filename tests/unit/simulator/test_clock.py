from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from simulator.clock import Clock, ManualClock, StationClock, parse_time, wire_time


async def test_plant_time_runs_faster_from_the_moment_it_is_told_to() -> None:
    clock = ManualClock(speed=10)
    await clock.advance(3)
    clock.speed = 100
    await clock.advance(2)
    assert clock.plant() == 230
    assert clock.speed == 100
    assert clock.now() == 5


@pytest.mark.parametrize("speed", [0, -1, float("nan"), 1e9])
def test_an_impossible_speed_is_refused(speed: float) -> None:
    with pytest.raises(ValueError, match="speed must be"):
        Clock(speed)


async def test_the_real_clock_follows_the_machine() -> None:
    clock = Clock(speed=1000)
    before = clock.plant()
    await clock.sleep(0.002)
    assert clock.plant() - before >= 2
    assert abs(clock.utc() - datetime.now(UTC)) < timedelta(seconds=5)


async def test_sleepers_wake_in_order_and_cancelled_ones_do_not() -> None:
    clock = ManualClock()
    woken: list[tuple[str, float]] = []

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.now()))

    tasks = [asyncio.ensure_future(sleeper(*one)) for one in (("b", 2), ("a", 1), ("now", 0))]
    cancelled = asyncio.ensure_future(sleeper("never", 1.5))
    await clock.advance(0)
    cancelled.cancel()
    await clock.advance(2)
    await asyncio.gather(*tasks)
    assert woken == [("now", 0), ("a", 1), ("b", 2)]
    assert clock.utc() == datetime(2026, 3, 1, 0, 0, 2, tzinfo=UTC)


def test_a_clock_without_battery_begins_in_1970_and_is_set() -> None:
    clock = ManualClock()
    time = StationClock(clock, battery_backed=False)
    assert wire_time(time.now()) == "1970-01-01T00:00:00.000Z"
    time.set(datetime(2026, 7, 1, tzinfo=UTC))
    assert time.now() == datetime(2026, 7, 1, tzinfo=UTC)
    time.power_up()
    assert time.now().year == 1970


def test_a_skew_outlives_setting() -> None:
    time = StationClock(ManualClock())
    time.skew_s = -7200
    time.set(datetime(2026, 7, 1, 12, tzinfo=UTC))
    time.power_up()
    assert time.now() == datetime(2026, 7, 1, 10, tzinfo=UTC)


def test_time_stamps_need_a_zone() -> None:
    assert parse_time("2026-03-01T02:00:00+02:00") == datetime(2026, 3, 1, tzinfo=UTC)
    assert parse_time("2026-03-01T00:00:00Z") == datetime(2026, 3, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="without zone"):
        parse_time("2026-03-01T00:00:00")
