"""Stations that take their limits and ignore them."""

from custom_components.forecourt.core.model.ids import EvseId

from .world import ANNAS, CARLS, EVSE, World, settings

OTHER = EvseId("yard", 1)


async def test_who_ignores_its_limit_is_reported_once_and_so_is_its_end(world: World) -> None:
    world.site.settings = settings(main_fuse_a=32)
    world.add(), world.add("yard")
    news: list[EvseId] = []
    world.site.controller.ignored.connect(news.append)
    one = await world.start(ANNAS)
    await world.turn()
    await world.meter(1_000, one.transaction_id, current_a=(26.0, 26.0, 26.0))
    two = await world.start(CARLS, evse=OTHER)
    await world.turn()
    for _ in range(3):
        world.wait(seconds=31)
        await world.meter(1_100, one.transaction_id, current_a=(26.0, 26.0, 26.0))
        await world.turn()
    assert news == [EVSE]
    assert world.site.controller.ignoring == {EVSE}
    assert world.site.board[OTHER].setpoint is not None
    assert world.site.board[OTHER].setpoint.current_a == 6
    # Told to draw less than it does, it draws less.
    assert world.site.board[EVSE].setpoint is not None
    assert world.site.board[EVSE].setpoint.current_a == 16
    world.wait(seconds=31)
    await world.meter(1_200, one.transaction_id, current_a=(16.0, 16.0, 16.0))
    await world.turn()
    assert news == [EVSE, EVSE]
    assert not world.site.controller.ignoring
    assert two.transaction_id != one.transaction_id


async def test_it_is_forgotten_with_its_station(world: World) -> None:
    world.add()
    world.site.controller.ignoring.add(EVSE)
    await world.site.remove_station("garage")
    assert not world.site.controller.ignoring
