"""The control loop: what stations are told, and when."""

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from datetime import datetime, timedelta
import logging
from typing import Any

import pytest

from custom_components.forecourt.core.control.limits import VALIDITY, Limits
from custom_components.forecourt.core.model.evse import EvseState, EvseStatus
from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.setpoint import LimitReason
from custom_components.forecourt.site import controller
from custom_components.forecourt.stations.base import Failure

from .world import ANNAS, CARLS, EVSE, LIMITS, Box, World, settings, until

OTHER = EvseId("yard", 1)
SECOND = timedelta(seconds=1)


def current_a(world: World, evse: EvseId = EVSE) -> int | None:
    setpoint = world.state(evse).setpoint
    return None if setpoint is None else setpoint.current_a


async def test_a_charge_gets_its_setpoint_and_keeps_it_renewed(world: World) -> None:
    box = world.add()
    await world.turn()
    assert box.told == []
    await world.start(ANNAS)
    await world.turn()
    setpoint = world.state().setpoint
    assert setpoint is not None
    assert (setpoint.current_a, setpoint.reason, setpoint.valid_until) == (
        32,
        LimitReason.STATION_MAXIMUM,
        world.now + VALIDITY,
    )
    world.wait(seconds=100)
    await world.turn()
    assert world.state().setpoint == replace(setpoint, valid_until=world.now + VALIDITY)
    assert len(box.told) == len(box.all("apply")) == 2


async def test_a_renewal_is_nobodys_news(world: World) -> None:
    world.add()
    await world.start(ANNAS)
    changed: list[EvseId] = []
    world.site.board.changed.connect(changed.append)
    await world.turn()
    assert changed == [EVSE]
    await world.turn()
    assert changed == [EVSE]


async def test_cars_share_the_fuse_when_the_first_was_measured_to_follow(world: World) -> None:
    world.site.settings = settings(main_fuse_a=32)
    first, second = world.add(), world.add("yard")
    one = await world.start(ANNAS)
    await world.turn()
    # Where a charge could begin by itself, the fallback is kept free.
    await world.meter(1_000, one.transaction_id, current_a=(26.0, 26.0, 26.0))
    world.wait(minutes=1)
    two = await world.start(CARLS, evse=OTHER)
    await world.turn()
    world.wait(seconds=2)
    await world.turn()
    world.wait(seconds=5)
    await world.meter(1_100, one.transaction_id, current_a=(15.9, 15.9, 15.9))
    await world.turn()
    assert first.limits_a == [26, 16]
    assert second.limits_a == [6, 16]
    await world.stop(two.transaction_id, 1_000, station_id="yard", reason="EVDisconnected")
    await world.status(EvseStatus.AVAILABLE, OTHER)
    await world.turn()
    assert first.limits_a == [26, 16, 32]


async def test_an_order_ends_with_its_charge(world: World) -> None:
    world.add()
    world.site.orders.allow(EVSE, allowed=False)
    await world.start(ANNAS)
    await world.turn()
    assert current_a(world) == 0
    await world.start(CARLS, 1_100, at=world.now + SECOND)
    # The next one begins with what its station falls back to.
    assert world.state().setpoint is None


async def test_an_order_for_a_charge_that_ended_meanwhile_is_not_one_of_the_next(
    world: World,
) -> None:
    box = world.add()
    await world.start(ANNAS)
    box.hold = asyncio.Event()
    await world.site.turn()
    await until(lambda: bool(box.told))
    await world.start(CARLS, 1_100, at=world.now + SECOND)
    box.hold.set()
    await world.idle()
    assert world.state().setpoint is None
    await world.turn()
    assert current_a(world) == 32


async def test_an_order_for_a_charge_that_ended_before_its_turn_is_none(world: World) -> None:
    box = world.add(evses=2)
    second = EvseId("garage", 2)
    await world.start(ANNAS)
    other = await world.start(CARLS, evse=second)
    box.hold = asyncio.Event()
    await world.site.turn()
    await until(lambda: bool(box.told))
    await world.stop(other.transaction_id, 1_001)
    box.hold.set()
    await world.idle()
    # It is not even told.
    assert [setpoint.evse for setpoint in box.all("apply")] == [EVSE]
    assert world.state(second).setpoint is None


async def test_an_outlet_that_its_station_does_not_have_takes_nothing_from_others(
    world: World,
) -> None:
    world.site.settings = settings(main_fuse_a=25)
    world.add("yard")
    box = world.add(evses=4)
    await world.free()
    await world.start(ANNAS, evse=OTHER)
    await world.turn()
    assert current_a(world, OTHER) == 7, "three outlets may charge, for all that is known"
    box.info = replace(box.info, told_evses=1)
    await world.turn()
    assert current_a(world, OTHER) == 25
    # Whatever it says, what it shows counts.
    await world.plug(EvseId("garage", 3))
    world.wait(seconds=60)
    await world.turn()
    assert current_a(world, OTHER) == 19


@pytest.mark.parametrize("failure", [None, Failure.TIMEOUT])
async def test_an_order_for_an_outlet_that_was_removed_meanwhile(
    world: World, failure: Failure | None
) -> None:
    box = world.add()
    box.hold = asyncio.Event()
    box.failure = failure
    await world.start(ANNAS)
    await world.site.turn()
    await until(lambda: bool(box.told))
    await world.site.remove_station("garage")
    box.hold.set()
    await world.idle()
    assert EVSE not in world.site.board
    world.add()
    assert world.state().setpoint is None


async def test_after_a_restart_a_charge_may_draw_all_until_it_is_told_less(world: World) -> None:
    world.settings = world.site.settings = settings(main_fuse_a=40)
    world.add()
    yard = world.add("yard")
    await world.start(ANNAS)
    await world.restart()
    assert current_a(world) == 32
    assert current_a(world, OTHER) is None
    world.boxes["garage"].online = False
    world.site.station_changed(world.boxes["garage"])
    await world.start(CARLS, evse=OTHER)
    await world.turn()
    assert yard.limits_a == [8]
    world.wait(seconds=VALIDITY.total_seconds())
    await world.turn()
    assert yard.limits_a == [8, 32]


# --- stations that do not follow ------------------------------------------------------------------


@pytest.mark.parametrize(
    "failure", [Failure.REFUSED, Failure.TIMEOUT, Failure.NOT_SUPPORTED], ids=str
)
async def test_a_refusal_is_reported_once_and_so_is_its_end(
    world: World, failure: Failure, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    box = world.add()
    reported: list[EvseId] = []
    world.site.controller.refused.connect(reported.append)
    world.site.orders.allow(EVSE, allowed=False)
    await world.start(ANNAS)
    box.failure = failure
    for _ in range(5):
        await world.turn()
    assert len(box.all("apply")) == 5
    assert reported == [EVSE]
    assert world.site.controller.refusals[EVSE].failure is failure
    assert world.state().setpoint is None
    box.failure = None
    for _ in range(3):
        await world.turn()
    assert reported == [EVSE, EVSE]
    assert world.site.controller.refusals == {}
    assert current_a(world) == 0
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


async def test_a_station_that_is_silent_is_told_apart_from_one_that_refuses(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    box = world.add()
    reported: list[Failure | None] = []
    refusals = world.site.controller.refusals
    world.site.controller.refused.connect(
        lambda evse: reported.append(refusals[evse].failure if evse in refusals else None)
    )
    await world.start(ANNAS)
    for failure in (Failure.TIMEOUT, Failure.OFFLINE, Failure.REFUSED, Failure.NOT_SUPPORTED):
        box.failure = failure
        await world.turn()
        await world.turn()
    box.failure = Failure.TIMEOUT
    await world.turn()
    box.failure = None
    await world.turn()
    assert reported == [Failure.TIMEOUT, Failure.REFUSED, Failure.TIMEOUT, None]
    told = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert ["does not answer" in text for text in told] == [True, False, True]


async def test_a_station_that_just_went_away_does_not_refuse(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    box = world.add()
    reported: list[EvseId] = []
    world.site.controller.refused.connect(reported.append)
    await world.start(ANNAS)
    box.failure = Failure.OFFLINE
    await world.turn()
    box.failure = Failure.REFUSED
    await world.turn()
    assert reported == [EVSE]
    box.failure = None
    await world.turn()
    assert reported == [EVSE, EVSE]


async def test_a_refusal_is_forgotten_with_its_station(world: World) -> None:
    box = world.add()
    reported: list[EvseId] = []
    world.site.controller.refused.connect(reported.append)
    box.failure = Failure.REFUSED
    await world.start(ANNAS)
    await world.turn()
    await world.site.remove_station("garage")
    assert world.site.controller.refusals == {}
    world.add().failure = Failure.REFUSED
    await world.start(ANNAS, at=world.now + SECOND)
    await world.turn()
    assert reported == [EVSE, EVSE]


async def test_one_outlet_may_refuse_and_another_follow(world: World) -> None:
    world.site.settings = settings(main_fuse_a=64)
    box = world.add(evses=2)
    second = EvseId("garage", 2)
    reported: list[EvseId] = []
    world.site.controller.refused.connect(reported.append)
    await world.start(ANNAS)
    await world.start(CARLS, evse=second)
    take = box._take

    async def refuse_the_second(command: str, what: object) -> None:
        box.failure = Failure.REFUSED if getattr(what, "evse", None) == second else None
        await take(command, what)

    box._take = refuse_the_second  # type: ignore[method-assign]
    for _ in range(3):
        await world.turn()
    assert reported == [second]
    assert current_a(world) == 32
    assert current_a(world, second) is None


@pytest.mark.parametrize("failure", [Failure.TIMEOUT, Failure.OFFLINE], ids=str)
async def test_a_raise_that_may_have_arrived_counts_and_a_drop_does_not(
    world: World, failure: Failure
) -> None:
    box = world.add()
    await world.start(ANNAS)
    box.failure = failure
    await world.turn()
    assert current_a(world) == 32
    world.site.orders.limit(EVSE, 10)
    await world.turn()
    assert current_a(world) == 32
    box.failure = None
    await world.turn()
    assert current_a(world) == 10
    # Nor does a renewal that did not arrive make it last longer.
    renewed = world.state().setpoint
    box.failure = failure
    world.wait(seconds=60)
    await world.turn()
    assert world.state().setpoint == renewed


async def test_a_raise_counts_also_while_a_drop_before_it_waits_for_its_proof(
    world: World,
) -> None:
    box = world.add()
    await world.start(ANNAS)
    await world.turn()
    world.site.orders.limit(EVSE, 6)
    await world.turn()
    world.site.orders.limit(EVSE, 10)
    box.failure = Failure.TIMEOUT
    await world.turn()
    assert current_a(world) == 10


async def test_a_drop_that_may_not_have_arrived_does_not_count_at_first_either(
    world: World,
) -> None:
    box = world.add()
    world.site.orders.allow(EVSE, allowed=False)
    await world.start(ANNAS)
    box.failure = Failure.TIMEOUT
    await world.turn()
    assert world.state().setpoint is None


async def test_a_station_that_is_away_is_not_asked(world: World) -> None:
    box = world.add()
    await world.start(ANNAS)
    box.online = False
    world.site.station_changed(box)
    await world.turn()
    assert box.told == []


async def test_a_slow_station_delays_nobody_but_itself(world: World) -> None:
    slow, quick = world.add(), world.add("yard")
    await world.start(ANNAS)
    await world.start(CARLS, evse=OTHER)
    slow.hold = asyncio.Event()
    for count in range(1, 4):
        await world.site.turn()
        await until(lambda: set(world.site.controller._busy) == {"garage"})
        assert len(quick.all("apply")) == count
    assert len(slow.all("apply")) == 1
    slow.hold.set()
    await world.idle()
    await world.turn()
    assert len(slow.all("apply")) == 2


async def test_a_driver_that_fails_is_tried_again(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    box = world.add()
    await world.start(ANNAS)
    take = box._take

    async def fail(command: str, what: object) -> None:
        raise ValueError("a mistake of the driver")

    box._take = fail  # type: ignore[method-assign]
    await world.turn()
    assert "garage was not served; trying again" in caplog.text
    assert "a mistake of the driver" in caplog.text
    caplog.clear()
    box._take = take  # type: ignore[method-assign]
    await world.turn()
    assert current_a(world) == 32


# --- the loop -------------------------------------------------------------------------------------


async def test_the_loop_turns_by_itself_and_when_something_happens(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controller, "PAUSE_S", 0.0)
    box = world.add()
    running = asyncio.create_task(world.site.run())
    await world.start(ANNAS)
    await until(lambda: box.limits_a == [32])
    world.site.orders.limit(EVSE, 10)
    await until(lambda: box.limits_a == [32, 10])
    monkeypatch.setattr(controller, "PERIOD_S", 0.001)
    world.site.controller.wake()
    count = len(box.told)
    await until(lambda: len(box.told) > count + 3)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_a_fault_in_one_turn_is_logged_and_the_loop_goes_on(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Box):
        broken = True

        def __getattribute__(self, name: str) -> Any:
            if name == "online" and object.__getattribute__(self, "broken"):
                raise ZeroDivisionError
            return object.__getattribute__(self, name)

    box = world.add()
    await world.start(ANNAS)
    broken = Broken()
    monkeypatch.setitem(world.site.stations, "broken", broken)
    monkeypatch.setattr(controller, "PERIOD_S", 0.001)
    monkeypatch.setattr(controller, "PAUSE_S", 0.0)
    running = asyncio.create_task(world.site.run())
    await until(lambda: "The control loop failed" in caplog.text)
    broken.broken = False
    count = len(box.told)
    await until(lambda: len(box.told) > count)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_whatever_a_station_tells_wakes_the_loop(world: World) -> None:
    box = world.add()
    waking = world.site.controller._wake

    async def woke(event: Awaitable[object] | None = None) -> bool:
        waking.clear()
        if event is not None:
            await event
        return waking.is_set()

    assert not await woke()
    assert await woke(world.plug())
    assert await woke(world.start(ANNAS))
    assert await woke(world.stop(1, 1_002))
    waking.clear()
    world.site.station_changed(box)
    assert waking.is_set()
    assert await woke(world.site.remove_station("garage"))


async def test_a_reading_wakes_the_loop_if_it_matters(world: World) -> None:
    world.add()
    await world.start(ANNAS)
    await world.turn()
    assert current_a(world) == 32
    waking = world.site.controller._wake

    async def wakes(amps: float) -> bool:
        world.wait(seconds=10)
        waking.clear()
        await world.meter(None, 1, current_a=(amps, None, None))
        return waking.is_set()

    assert not await wakes(10)
    assert not await wakes(32)
    # More than it may: the others have to make room.
    assert await wakes(34)
    assert not await wakes(34)
    assert await wakes(20)
    # Less was ordered; until the meter shows it, the others get nothing of it.
    world.site.orders.limit(EVSE, 10)
    await world.turn()
    assert await wakes(10)
    assert not await wakes(9)


async def test_others_have_a_turn_while_many_stations_are_served(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controller, "SLICE_S", 0.0)
    boxes = [world.add(name) for name in ("one", "two", "three")]
    for box in boxes:
        await world.start(None, evse=EvseId(box.info.id, 1))
    served: list[list[int]] = []

    async def look() -> None:
        while True:
            served.append([len(box.all("apply")) for box in boxes])
            if served[-1][1]:
                # It is taken away, and the turn goes on without it.
                await world.site.remove_station("three")
            await asyncio.sleep(0)

    looking = asyncio.create_task(look())
    await world.turn()
    assert [1, 0, 0] in served
    assert [len(box.all("apply")) for box in boxes] == [1, 1, 0]
    looking.cancel()


async def test_a_turn_that_is_under_way_ends_with_the_site(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controller, "SLICE_S", 0.0)
    boxes = [world.add(name) for name in ("one", "two")]
    for box in boxes:
        await world.start(None, evse=EvseId(box.info.id, 1))
    turn = asyncio.create_task(world.site.controller.step(world.now))
    await until(lambda: boxes[0].all("apply") != [])
    await world.site.controller.close()
    await turn
    assert boxes[1].all("apply") == []


async def test_what_happens_together_is_one_turn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add()
    turns: list[None] = []
    step = world.site.controller.step

    async def counted(now: datetime) -> None:
        turns.append(None)
        await step(now)

    monkeypatch.setattr(world.site.controller, "step", counted)
    monkeypatch.setattr(controller, "PAUSE_S", 0.05)
    running = asyncio.create_task(world.site.run())
    await until(lambda: len(turns) == 1)
    for amps in range(6, 20):
        world.site.orders.limit(EVSE, amps)
        await asyncio.sleep(0)
    await until(lambda: len(turns) == 2)
    await asyncio.sleep(0.1)
    assert len(turns) == 2
    # After a rest, the next one comes at once.
    monkeypatch.setattr(controller, "PAUSE_S", 60.0)
    world.site.controller.wake()
    await until(lambda: len(turns) == 3)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_what_is_under_way_ends_with_the_site(world: World) -> None:
    box = world.add()
    await world.start(ANNAS)
    box.hold = asyncio.Event()
    await world.site.turn()
    finger = asyncio.create_task(world.site.orders.unlock(EVSE))
    await until(lambda: len(box.told) == 2)
    await world.site.close()
    with pytest.raises(asyncio.CancelledError):
        await finger
    assert asyncio.all_tasks() == {asyncio.current_task()}
    # Whoever still has a turn begins nothing.
    await world.site.turn()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_new_limits_of_a_station_hold_at_once(world: World) -> None:
    box = world.add()
    await world.start(ANNAS)
    await world.turn()
    world.site.add_station(box, Limits(max_current_a=10, fallback_current_a=6), {})
    await world.turn()
    assert box.limits_a == [32, 10]


async def test_what_users_asked_for_before_a_restart_holds(world: World) -> None:
    box = Box()
    asked = EvseState(evse=EVSE, allowed=False, requested_current_a=12)
    world.site.add_station(box, LIMITS, {EVSE: asked})
    assert (world.state().allowed, world.state().requested_current_a) == (False, 12)
    await world.start(ANNAS)
    await world.turn()
    assert box.limits_a == [0]


async def test_the_fallback_that_a_station_has_counts(world: World) -> None:
    """Not the one that its owner wants it to have."""
    world.site.settings = settings(main_fuse_a=40)
    garage, yard = world.add(), world.add("yard")
    yard.online = False
    world.site.station_changed(yard)
    await world.start(ANNAS)
    await world.turn()
    assert garage.limits_a[-1] == 32
    for has_a, left_a in ((20, 20), (None, 8), (6, 32)):
        yard.fallback_current_a = has_a
        world.wait(seconds=10)
        await world.turn()
        assert garage.limits_a[-1] == left_a
