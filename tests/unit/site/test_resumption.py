"""Charges that a station ended because it was told to let nothing flow."""

from typing import Any

import pytest

from custom_components.forecourt.core.model.evse import EvseStatus
from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.site.resumption import MAX_TRIES
from custom_components.forecourt.stations.base import Failure

from .world import ANNAS, CARLS, EVSE, Box, World, settings

OTHER = EvseId("yard", 1)


async def paused(world: World) -> tuple[Box, int]:
    """Let a charge be paused because its user does not allow it for now."""
    box = world.add()
    await world.plug()
    start = await world.start(ANNAS)
    await world.turn()
    world.site.orders.allow(EVSE, allowed=False)
    await world.turn()
    assert box.limits_a[-1] == 0
    return box, start.transaction_id


async def ends(world: World, transaction_id: int, **how: Any) -> None:
    world.wait(seconds=5)
    await world.stop(transaction_id, 1_500, **{"reason": "Other"} | how)
    await world.status(EvseStatus.FINISHING)
    await world.turn()


async def test_it_goes_on_for_the_same_user_when_it_may(world: World) -> None:
    box, transaction_id = await paused(world)
    await ends(world, transaction_id)
    assert not box.all("start")
    world.site.orders.allow(EVSE, allowed=True)
    await world.turn()
    [(evse, tag)] = box.all("start")
    assert evse == EVSE
    assert tag == world.site.members.site_tag("anna")
    await world.start(tag, wh=1_500)
    await world.turn()
    await world.turn()
    assert len(box.all("start")) == 1
    # It is one session still.
    [session] = await world.sessions()
    assert (session.user_id, session.charging) == ("anna", True)


@pytest.mark.parametrize(
    "how",
    [
        {"reason": "Local"},
        {"reason": "Remote"},
        {"reason": None},
        {"reason": "EmergencyStop"},
        {"token": ANNAS},
        {"replayed": True},
    ],
)
async def test_what_somebody_ended_stays_ended(world: World, how: dict[str, Any]) -> None:
    box, transaction_id = await paused(world)
    await ends(world, transaction_id, **how)
    world.site.orders.allow(EVSE, allowed=True)
    await world.turn()
    assert not box.all("start")


async def test_what_was_not_paused_stays_ended(world: World) -> None:
    box = world.add()
    await world.plug()
    start = await world.start(ANNAS)
    await world.turn()
    await ends(world, start.transaction_id)
    await world.turn()
    assert not box.all("start")


async def test_a_car_that_left_does_not_go_on(world: World) -> None:
    box, transaction_id = await paused(world)
    await ends(world, transaction_id)
    await world.free()
    await world.plug()
    world.site.orders.allow(EVSE, allowed=True)
    await world.turn()
    assert not box.all("start")
    assert EVSE not in world.site.controller.resumption


async def test_it_waits_until_there_is_room(world: World) -> None:
    world.site.settings = settings(main_fuse_a=10)
    yard, garage = world.add("yard"), world.add()
    await world.plug(OTHER)
    first = await world.start(CARLS, evse=OTHER)
    await world.turn()
    await world.plug()
    second = await world.start(ANNAS)
    await world.turn()
    assert garage.limits_a[-1] == 0
    await ends(world, second.transaction_id)
    assert not garage.all("start")
    world.wait(seconds=5)
    await world.stop(first.transaction_id, 2_000, station_id="yard", reason="EVDisconnected")
    await world.free(OTHER)
    await world.turn()
    assert len(garage.all("start")) == 1
    assert not yard.all("start")


async def test_a_station_that_does_not_start_is_asked_a_few_times(world: World) -> None:
    box, transaction_id = await paused(world)
    await ends(world, transaction_id)
    box.failure = Failure.REFUSED
    world.site.orders.allow(EVSE, allowed=True)
    for _ in range(MAX_TRIES + 5):
        await world.turn()
        await world.turn()
        world.wait(minutes=1)
    assert len(box.all("start")) == MAX_TRIES


async def test_it_is_forgotten_with_its_station(world: World) -> None:
    _, transaction_id = await paused(world)
    await ends(world, transaction_id)
    assert EVSE in world.site.controller.resumption
    await world.site.remove_station("garage")
    assert EVSE not in world.site.controller.resumption
