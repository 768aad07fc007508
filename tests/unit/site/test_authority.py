"""What the controller starts where anyone may charge, and ends where somebody may not."""

import pytest

from custom_components.forecourt.core.access.autostart import RETRY, SETTLE, TAP_HOLDS
from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.session import SessionFlag
from custom_components.forecourt.core.model.setpoint import LimitReason
from custom_components.forecourt.site.controller import EVICT_AFTER
from custom_components.forecourt.stations.base import CanStart, CanStop, Failure

from .world import ANNAS, EVSE, UNKNOWN, World


async def test_who_plugs_in_is_started(anyone: World) -> None:
    box = anyone.add()
    await anyone.plug()
    await anyone.turn()
    assert box.all("start") == []
    anyone.now += SETTLE
    await anyone.turn()
    assert box.all("start") == [(EVSE, anyone.site.members.site_tag(None))]
    await anyone.start(anyone.site.members.site_tag(None))
    anyone.now += RETRY
    await anyone.turn()
    assert len(box.all("start")) == 1


async def test_a_start_that_the_station_asks_about_is_no_tap(anyone: World) -> None:
    box = anyone.add(evses=2)
    await anyone.plug()
    anyone.now += SETTLE
    await anyone.turn()
    assert (await anyone.tap(anyone.site.members.site_tag(None))).accepted
    await anyone.start(anyone.site.members.site_tag(None))
    second = EvseId("garage", 2)
    await anyone.plug(second)
    anyone.now += SETTLE
    await anyone.turn()
    assert [evse for evse, _ in box.all("start")] == [EVSE, second]


async def test_a_start_that_does_not_work_is_tried_again(
    anyone: World, caplog: pytest.LogCaptureFixture
) -> None:
    box = anyone.add()
    box.failure = Failure.REFUSED
    await anyone.plug()
    anyone.now += SETTLE
    for _ in range(10):
        await anyone.turn()
        anyone.now += RETRY
    assert len(box.all("start")) == 3
    assert "garage/1 did not start by itself: garage: refused" in caplog.text
    # The next car is another matter.
    await anyone.free()
    await anyone.plug()
    anyone.now += SETTLE
    await anyone.turn()
    assert len(box.all("start")) == 4


async def test_who_showed_a_card_first_is_left_to_the_station(anyone: World) -> None:
    box = anyone.add()
    await anyone.tap(ANNAS)
    await anyone.plug()
    anyone.now += SETTLE
    await anyone.turn()
    assert box.all("start") == []
    anyone.now += TAP_HOLDS
    await anyone.turn()
    assert len(box.all("start")) == 1


async def test_a_card_that_was_refused_holds_nothing_up(anyone: World) -> None:
    box = anyone.add()
    await anyone.tap(UNKNOWN)
    await anyone.plug()
    anyone.now += SETTLE
    await anyone.turn()
    assert len(box.all("start")) == 1


async def test_where_only_members_may_charge_nothing_starts_by_itself(world: World) -> None:
    box = world.add()
    await world.plug()
    world.wait(minutes=5)
    await world.turn()
    assert box.all("start") == []


async def test_a_station_that_cannot_be_started_is_not_asked(anyone: World) -> None:
    box = anyone.add()
    box.lacks.add(CanStart)
    await anyone.plug()
    anyone.wait(minutes=5)
    await anyone.turn()
    assert box.told == []


# --- who may not charge ---------------------------------------------------------------------------


async def test_a_stranger_is_paused_at_once_and_stopped_soon(world: World) -> None:
    box = world.add()
    transaction_id = (await world.start(UNKNOWN)).transaction_id
    await world.turn()
    setpoint = world.state().setpoint
    assert setpoint is not None
    assert (setpoint.current_a, setpoint.reason) == (0, LimitReason.NOT_AUTHORIZED)
    assert box.all("stop") == []
    world.now += EVICT_AFTER
    await world.turn()
    assert box.all("stop") == [transaction_id]
    await world.turn()
    assert len(box.all("stop")) == 1
    world.now += EVICT_AFTER
    await world.turn()
    assert len(box.all("stop")) == 2


async def test_the_next_stranger_gets_the_same_time(world: World) -> None:
    box = world.add()
    first = (await world.start(UNKNOWN)).transaction_id
    world.now += EVICT_AFTER
    await world.turn()
    await world.stop(first, 1_001)
    world.wait(hours=1)
    await world.start(UNKNOWN, 1_001)
    await world.turn()
    assert box.all("stop") == [first]


async def test_a_stranger_who_cannot_be_stopped_is_paused(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    box = world.add()
    await world.start(UNKNOWN)
    box.lacks.add(CanStop)
    world.now += EVICT_AFTER
    await world.turn()
    assert box.all("stop") == []
    box.lacks.clear()
    box.failure = Failure.REFUSED
    await world.turn()
    assert len(box.all("stop")) == 1
    assert "garage/1 does not end an unauthorised charge: garage: refused" in caplog.text


async def test_a_stranger_at_a_station_that_is_away_is_stopped_later(world: World) -> None:
    box = world.add()
    await world.start(UNKNOWN)
    box.online = False
    world.site.station_changed(box)
    world.now += EVICT_AFTER
    await world.turn()
    assert box.told == []
    box.online = True
    world.site.station_changed(box)
    await world.turn()
    assert len(box.all("stop")) == 1


async def test_who_ended_is_not_stopped(world: World) -> None:
    box = world.add()
    await world.stop((await world.start(UNKNOWN)).transaction_id, 1_001)
    session = world.state().session
    assert session is not None
    assert SessionFlag.UNAUTHORIZED in session.flags
    world.wait(hours=1)
    await world.turn()
    assert box.told == []
