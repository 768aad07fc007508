"""The stations' lists of cards follow the members, in the background and not too often."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from custom_components.forecourt.core.access.authorize import TokenRecord
from custom_components.forecourt.core.model.token import AuthorizationStatus, Token
from custom_components.forecourt.stations.base import (
    CanForgetTokens,
    CanHoldTokens,
    Failure,
    HeldToken,
)

from .world import (
    ANNA,
    ANNAS,
    BARRED,
    BENS,
    CARLS,
    LIMITS,
    TOKENS,
    USERS,
    Box,
    World,
    until,
)

EVERYBODY = [ANNAS, BENS, CARLS, BARRED]


class Holder(Box):
    """A station with a list and a cache."""

    async def hold_tokens(self, tokens: Sequence[HeldToken]) -> None:
        await self._take("hold", tuple(tokens))

    async def forget_cached_tokens(self) -> None:
        await self._take("forget", None)

    @property
    def lists(self) -> list[list[Token]]:
        """Return the cards of each list that it was given."""
        return [[one.token for one in held] for held in self.all("hold")]


def take_in(world: World, station_id: str = "garage") -> Holder:
    box = Holder(station_id)
    world.boxes[station_id] = box
    world.site.add_station(box, LIMITS, {})
    return box


def come(world: World, box: Box, *, online: bool) -> None:
    box.online = online
    world.site.station_changed(box)


@pytest.fixture
def quick(world: World) -> World:
    """Return a site that gathers changes for a moment only."""
    lists = world.site.lists
    lists.settle_s = lists.spacing_s = lists.retry_s = 0.001
    return world


async def settled() -> None:
    """Let pass what is gathered and spaced."""
    await asyncio.sleep(0.02)


async def test_a_station_is_told_when_it_comes(quick: World) -> None:
    box = take_in(quick)
    await until(lambda: box.lists)
    assert box.lists == [EVERYBODY]
    [held] = box.all("hold")
    assert {one.token: one.authorization.status for one in held} == {
        ANNAS: AuthorizationStatus.ACCEPTED,
        BENS: AuthorizationStatus.ACCEPTED,
        CARLS: AuthorizationStatus.ACCEPTED,
        BARRED: AuthorizationStatus.BLOCKED,
    }
    assert held[0].authorization.group == "group:family"
    assert box.all("forget") == []
    # It says something about itself, but it was there.
    come(quick, box, online=True)
    await settled()
    assert len(box.lists) == 1
    come(quick, box, online=False)
    come(quick, box, online=True)
    await until(lambda: len(box.lists) == 2)


async def test_where_anyone_may_charge_stations_know_the_cards_too(
    anyone: World, quick: World
) -> None:
    box = take_in(quick)
    await until(lambda: box.lists)
    assert box.lists == [EVERYBODY]


async def test_no_tag_of_the_site_is_ever_told(quick: World) -> None:
    tag = quick.site.members.site_tag("anna")
    quick.site.set_members(USERS, [*TOKENS, TokenRecord(token=tag, user_id="anna")])
    box = take_in(quick)
    await until(lambda: box.lists)
    assert tag not in box.lists[0]


async def test_a_new_card_is_told_to_every_station(quick: World) -> None:
    garage, yard = take_in(quick), take_in(quick, "yard")
    await until(lambda: garage.lists and yard.lists)
    new = Token("04FF0009")
    quick.site.set_members(USERS, [*TOKENS, TokenRecord(token=new, user_id="anna")])
    await until(lambda: len(garage.lists) == len(yard.lists) == 2)
    assert garage.lists[1] == yard.lists[1] == [*EVERYBODY, new]
    assert garage.all("forget") == []


async def test_a_card_that_was_taken_away_is_forgotten(quick: World) -> None:
    box = take_in(quick)
    await until(lambda: box.lists)
    quick.site.set_members(USERS, TOKENS[1:])
    await until(lambda: len(box.lists) == 2)
    assert box.lists[1] == EVERYBODY[1:]
    assert [name for name, _ in box.told] == ["hold", "forget", "hold"]


async def test_so_are_the_cards_of_a_user_who_leaves(quick: World) -> None:
    box = take_in(quick)
    await until(lambda: box.lists)
    quick.site.set_members(USERS[1:], TOKENS)
    await until(lambda: len(box.lists) == 2)
    assert box.lists[1] == EVERYBODY[1:]
    assert len(box.all("forget")) == 1


async def test_a_card_that_is_blocked_is_told_as_blocked(quick: World) -> None:
    box = take_in(quick)
    await until(lambda: box.lists)
    quick.site.set_members(USERS, [replace(TOKENS[0], blocked=True), *TOKENS[1:]])
    await until(lambda: len(box.lists) == 2)
    assert box.all("hold")[1][0].authorization.status is AuthorizationStatus.BLOCKED
    assert len(box.all("forget")) == 1


async def test_a_card_whose_time_is_over_leaves_by_itself(quick: World) -> None:
    over_at = quick.now + timedelta(hours=1)
    later = quick.now + timedelta(hours=2)
    quick.site.set_members(
        USERS,
        [
            replace(TOKENS[0], expires_at=over_at),
            replace(TOKENS[1], expires_at=later),
            *TOKENS[2:],
        ],
    )
    box = take_in(quick)
    await until(lambda: box.lists)
    assert box.all("hold")[0][0].authorization.expires_at == over_at
    await quick.turn()
    await settled()
    assert len(box.lists) == 1
    quick.now = over_at
    await quick.turn()
    await until(lambda: len(box.lists) == 2)
    assert box.lists[1] == EVERYBODY[1:]
    quick.now = later
    await quick.turn()
    await until(lambda: len(box.lists) == 3)
    assert box.lists[2] == EVERYBODY[2:]
    assert len(box.all("forget")) == 2
    await quick.turn()
    await settled()
    assert len(box.lists) == 3


async def test_a_user_who_is_renamed_is_nobodys_news(quick: World) -> None:
    box = take_in(quick)
    await until(lambda: box.lists)
    quick.site.set_members([replace(ANNA, name="Anne"), *USERS[1:]], TOKENS)
    await settled()
    assert len(box.lists) == 1


async def test_changes_that_come_together_are_told_once(quick: World) -> None:
    quick.site.lists.settle_s = 0.02
    box = take_in(quick)
    for number in range(5):
        quick.site.set_members(USERS, TOKENS[number:])
    await until(lambda: box.lists)
    await settled()
    assert box.lists == [[]]


async def test_a_station_is_told_one_thing_at_a_time(quick: World) -> None:
    box = take_in(quick)
    box.hold = asyncio.Event()
    await until(lambda: box.lists)
    quick.site.set_members(USERS, TOKENS[1:])
    await settled()
    assert len(box.told) == 1
    box.hold.set()
    await until(lambda: len(box.lists) == 2)


async def test_a_station_is_told_again_that_did_not_take_it(
    quick: World, caplog: pytest.LogCaptureFixture
) -> None:
    box = take_in(quick)
    box.failure = Failure.REFUSED
    await until(lambda: len(box.lists) == 4)
    assert caplog.text.count("is not in line: garage: refused") == 1
    box.failure = None
    before = len(box.lists)
    await until(lambda: len(box.lists) > before)
    await settled()
    after = len(box.lists)
    await settled()
    assert len(box.lists) == after
    # The next failure is news again.
    box.failure = Failure.TIMEOUT
    quick.site.set_members(USERS, TOKENS[1:])
    await until(lambda: "garage: timeout" in caplog.text)


async def test_it_is_told_again_after_longer_and_longer(quick: World) -> None:
    quick.site.lists.retry_s = 30
    box = take_in(quick)
    box.failure = Failure.REFUSED
    await until(lambda: box.lists)
    await settled()
    assert len(box.lists) == 1
    # Something new is told at once.
    quick.site.set_members(USERS, TOKENS[1:])
    await until(lambda: len(box.lists) == 2)


async def test_a_station_that_is_away_is_told_when_it_comes_back(quick: World) -> None:
    box = take_in(quick)
    await until(lambda: box.lists)
    come(quick, box, online=False)
    quick.site.set_members(USERS, TOKENS[1:])
    await settled()
    assert len(box.told) == 1
    come(quick, box, online=True)
    await until(lambda: len(box.lists) == 2)
    assert [name for name, _ in box.told] == ["hold", "forget", "hold"]


async def test_a_station_that_goes_while_it_is_told_is_told_when_it_comes_back(
    quick: World, caplog: pytest.LogCaptureFixture
) -> None:
    box = take_in(quick)
    box.failure = Failure.OFFLINE
    await until(lambda: box.lists)
    await settled()
    assert len(box.lists) == 1
    assert "not in line" not in caplog.text
    box.failure = None
    come(quick, box, online=False)
    come(quick, box, online=True)
    await until(lambda: len(box.lists) == 2)


async def test_a_cache_that_could_not_be_cleared_is_cleared_later(quick: World) -> None:
    box = take_in(quick)
    await until(lambda: box.lists)
    box.failure = Failure.TIMEOUT
    quick.site.set_members(USERS, TOKENS[1:])
    await until(lambda: len(box.all("forget")) == 2)
    assert len(box.lists) == 1
    box.failure = None
    await until(lambda: len(box.lists) == 2)
    assert [name for name, _ in box.told[-2:]] == ["forget", "hold"]


async def test_a_station_without_a_cache_gets_its_list(quick: World) -> None:
    box = take_in(quick)
    await until(lambda: box.lists)

    async def refuse() -> None:
        box.failure = Failure.REFUSED
        try:
            await Holder.forget_cached_tokens(box)
        finally:
            box.failure = None

    box.forget_cached_tokens = refuse  # type: ignore[method-assign]
    quick.site.set_members(USERS, TOKENS[1:])
    await until(lambda: len(box.lists) == 2)
    await settled()
    assert len(box.all("forget")) == 1


async def test_a_station_that_turns_out_to_have_no_list_is_left_alone(
    quick: World, caplog: pytest.LogCaptureFixture
) -> None:
    box = take_in(quick)
    box.failure = Failure.NOT_SUPPORTED
    await until(lambda: box.lists)
    box.lacks.add(CanHoldTokens)
    await settled()
    assert len(box.lists) == 1
    assert "not in line" not in caplog.text
    # Its cache is another thing.
    box.failure = None
    quick.site.set_members(USERS, TOKENS[1:])
    await until(lambda: box.all("forget"))
    assert len(box.lists) == 1


async def test_a_station_that_knows_nothing_of_cards_is_not_told(quick: World) -> None:
    box = take_in(quick)
    box.lacks |= {CanHoldTokens, CanForgetTokens}
    quick.add("yard")
    await settled()
    assert box.told == []
    assert set(quick.site.lists._keepers) <= {"garage"}


async def test_a_fault_in_a_driver_ends_nothing(
    quick: World, caplog: pytest.LogCaptureFixture
) -> None:
    box = take_in(quick)

    async def fail(tokens: Sequence[HeldToken]) -> None:
        raise RuntimeError("no")

    working, box.hold_tokens = box.hold_tokens, fail  # type: ignore[method-assign]
    await until(lambda: "The list of garage was not kept" in caplog.text)
    box.hold_tokens = working  # type: ignore[method-assign]
    quick.site.set_members(USERS, TOKENS[1:])
    await until(lambda: box.lists)


async def test_a_station_that_was_removed_is_told_nothing(quick: World) -> None:
    box = take_in(quick)
    await until(lambda: box.lists)
    await quick.site.remove_station("garage")
    quick.site.set_members(USERS, TOKENS[1:])
    await settled()
    assert len(box.told) == 1
    again = take_in(quick)
    await until(lambda: again.lists)


async def test_before_anybody_is_known_no_list_is_emptied(quick: World) -> None:
    quick.site.lists._held = None
    box = take_in(quick)
    await settled()
    assert box.told == []
    quick.site.set_members(USERS, TOKENS)
    await until(lambda: box.lists)
