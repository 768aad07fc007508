"""What is known about outlets, and for how long."""

from dataclasses import replace
from datetime import timedelta

import pytest

from custom_components.forecourt.core.model.evse import EvseStatus
from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.reading import Reading
from custom_components.forecourt.site.board import STALE
from custom_components.forecourt.site.signal import Signal

from .world import ANNAS, EVSE, World

SECOND = timedelta(seconds=1)


async def test_a_station_brings_its_outlets(world: World) -> None:
    heard: list[str] = []
    world.site.station_signal.connect(heard.append)
    box = world.add(evses=2)
    assert [state.evse for state in world.site.board.of("garage")] == [EVSE, EvseId("garage", 2)]
    assert all(state.online for state in world.site.board.all())
    box.online = False
    world.site.station_changed(box)
    assert not any(state.online for state in world.site.board.all())
    box.info = replace(box.info, evses=3)
    world.site.station_changed(box)
    assert len(world.site.board.of("garage")) == 3
    assert heard == ["garage"] * 3
    assert world.site.board.of("yard") == []


async def test_a_station_that_was_replaced_changes_nothing(world: World) -> None:
    old = world.add()
    world.add()
    old.online = False
    world.site.station_changed(old)
    assert world.state().online


async def test_when_a_car_was_plugged_in(world: World) -> None:
    world.add()
    assert world.state().plugged is None
    await world.free()
    await world.plug()
    plugged_at = world.now
    for status in (EvseStatus.CHARGING, EvseStatus.FAULTED, EvseStatus.FINISHING):
        world.wait(minutes=1)
        await world.status(status)
        assert world.state().plugged_at == plugged_at
        assert world.state().status_at == world.now
    await world.free()
    assert world.state().plugged_at is None


async def test_a_fault_is_shown_until_it_is_over(world: World) -> None:
    world.add()
    await world.site.status_changed(EVSE, EvseStatus.FAULTED, world.now, "GroundFailure")
    assert world.state().error == "GroundFailure"
    await world.free()
    assert world.state().error is None


async def test_readings_that_come_apart_are_one(world: World) -> None:
    world.add()
    await world.meter(None, power_w=11_000.0)
    world.wait(seconds=10)
    await world.meter(2_000)
    reading = world.state().reading
    assert reading is not None
    assert (reading.at, reading.power_w, reading.register_wh) == (world.now, 11_000.0, 2_000)


async def test_an_old_reading_does_not_replace_a_new_one(world: World) -> None:
    world.add()
    await world.meter(None, power_w=100.0)
    newest = world.state().reading
    await world.meter(None, power_w=1.0, at=world.now - SECOND)
    assert world.state().reading == newest


async def test_a_reading_from_offline_times_is_no_live_value(world: World) -> None:
    world.add()
    await world.meter(None, power_w=1.0, at=world.now - STALE - SECOND)
    assert world.state().reading is None
    await world.meter(None, power_w=1.0, at=world.now - STALE)
    assert world.state().reading is not None


@pytest.mark.parametrize(
    "values", [{"power_w": 7_000.0}, {"current_a": (10.0, 10.0, 10.0)}, {"voltage_v": 230.0}]
)
async def test_a_live_value_that_nobody_renews_is_unknown(
    world: World, values: dict[str, float]
) -> None:
    world.add()
    await world.start(ANNAS)
    await world.meter(2_000, soc_percent=50.0, **values)
    measured_at = world.now
    world.now += STALE
    await world.turn()
    assert world.state().reading == Reading(
        at=measured_at,
        register_wh=2_000,
        soc_percent=50.0,
        **values,  # type: ignore[arg-type]
    )
    world.now += SECOND
    await world.turn()
    assert world.state().reading == Reading(at=measured_at, register_wh=2_000, soc_percent=50.0)


async def test_what_is_at_rest_stays_so(world: World) -> None:
    world.add()
    await world.stop((await world.start(ANNAS)).transaction_id, 1_100)
    world.wait(hours=1)
    await world.turn()
    reading = world.state().reading
    assert reading is not None
    assert reading.power_w == 0.0


async def test_only_changes_are_told(world: World) -> None:
    world.add()
    changed: list[EvseId] = []
    world.site.board.changed.connect(changed.append)
    await world.plug()
    await world.plug()
    world.site.orders.allow(EVSE, allowed=True)
    assert changed == [EVSE]


def test_a_listener_may_leave_at_any_time() -> None:
    signal = Signal[int]()
    heard: list[str] = []

    def first(value: int) -> None:
        heard.append(f"first {value}")
        leave()
        leave()

    leave = signal.connect(first)
    leave_second = signal.connect(lambda value: heard.append(f"second {value}"))
    signal.send(1)
    signal.send(2)
    leave_second()
    signal.send(3)
    assert heard == ["first 1", "second 1", "second 2"]
