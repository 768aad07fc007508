"""What people are shown at the outlet."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from custom_components.forecourt.stations.base import CanShowCost, CanShowPrice, Failure

from .world import ANNAS, LIMITS, NOON, Box, World


class Screen(Box):
    """A station with a display."""

    async def show_cost(self, transaction_id: int, cost: Decimal) -> None:
        await self._take("cost", (transaction_id, cost))

    async def show_price(self, price_per_kwh: Decimal, currency: str) -> None:
        await self._take("price", (price_per_kwh, currency))


@pytest.fixture
def screen(world: World) -> Screen:
    box = world.boxes["garage"] = Screen()
    world.site.add_station(box, LIMITS, {})
    return box


async def test_the_cost_is_shown_as_it_grows_but_not_all_the_time(
    world: World, screen: Screen
) -> None:
    await world.site.books.set_price(NOON, Decimal("0.30"))
    start = await world.start(ANNAS)
    shown: list[Any] = []
    for wh in (1_000, 2_000, 3_000, 4_000, 4_000, 4_000):
        await world.meter(1_000 + wh, start.transaction_id)
        await world.turn()
        shown.append([str(cost) for _, cost in screen.all("cost")])
        world.wait(seconds=30)
    assert shown[0] == ["0.30"]
    assert shown[1] == ["0.30"]
    assert shown[-1] == ["0.30", "0.90", "1.20"]
    assert {transaction_id for transaction_id, _ in screen.all("cost")} == {start.transaction_id}


async def test_the_price_is_shown_once_an_hour_at_most(world: World, screen: Screen) -> None:
    await world.turn()
    assert not screen.all("price")
    world.wait(minutes=1)
    for cents in ("0.30", "0.40", "0.50"):
        await world.site.books.set_price(world.now, Decimal(cents))
        await world.turn()
        world.wait(minutes=31)
    await world.turn()
    assert screen.all("price") == [(Decimal("0.30"), "EUR"), (Decimal("0.50"), "EUR")]
    # An unknown price leaves the last one.
    await world.site.books.set_price(world.now, None)
    world.wait(hours=2)
    await world.turn()
    assert len(screen.all("price")) == 2


async def test_who_has_no_display_or_refuses_is_left_alone(world: World, screen: Screen) -> None:
    screen.lacks |= {CanShowCost, CanShowPrice}
    await world.site.books.set_price(NOON, Decimal("0.30"))
    start = await world.start(ANNAS)
    await world.meter(2_000, start.transaction_id)
    await world.turn()
    assert not screen.all("cost")
    assert not screen.all("price")
    screen.lacks.clear()
    screen.failure = Failure.REFUSED
    world.wait(seconds=60)
    await world.turn()
    assert len(screen.all("cost")) == 1
    assert len(screen.all("price")) == 1


async def test_a_slow_display_is_not_told_more_meanwhile(world: World, screen: Screen) -> None:
    screen.hold = asyncio.Event()
    await world.site.books.set_price(NOON, Decimal("0.30"))
    for _ in range(3):
        await world.site.books.set_price(world.now, Decimal(world.now.hour))
        world.site.displays.look(world.now)
        await asyncio.sleep(0)
        world.wait(hours=2)
    assert len(screen.all("price")) == 1
    await world.site.displays.close()
