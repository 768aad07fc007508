"""What a station may tell without end is not kept without end."""

from datetime import timedelta

import pytest

from custom_components.forecourt.core.model.session import SessionStatus
from custom_components.forecourt.core.model.token import Token
from custom_components.forecourt.site import desk
from custom_components.forecourt.stations.base import Failure, StationError

from .world import ANNAS, CARLS, EVSE, World


async def test_charges_of_long_ago_that_never_end_are_left_to_the_ledger(world: World) -> None:
    world.add()
    world.wait(days=1)
    current = (await world.start(CARLS, 3_000)).transaction_id
    for number in range(20):
        at = world.now - timedelta(hours=20) + timedelta(minutes=number)
        reference = f"tx-{number}" if number % 2 else None
        answer = await world.start(ANNAS, 1_000, at=at, reference=reference, replayed=True)
        old = answer.transaction_id
        await world.meter(1_000 + number, old, at=at + timedelta(seconds=1))
    for _ in range(2):
        books = world.site.books
        assert list(books._transactions) == [current]
        assert list(books._ids) == []
        # They are known all the same.
        assert await books.transaction_id("garage", "tx-19") == old
        assert await books.reference(old) == "tx-19"
        session = world.state().session
        assert session is not None
        assert session.transaction_id == current
        await world.restart()
    at = world.now - timedelta(hours=19)
    await world.start(ANNAS, 1_000, at=at, reference="tx-19", replayed=True)
    await world.stop(None, 1_500, reference="tx-19", at=at, replayed=True)
    await world.stop(current, 3_100)
    ended = [one for one in await world.sessions() if one.energy_wh == 500]
    assert [one.status for one in ended] == [SessionStatus.CLOSED]
    session = world.state().session
    assert session is not None
    assert (session.user_id, session.energy_wh) == ("carl", 100)


async def test_an_older_charge_that_goes_on_is_the_one_that_runs_once_there_is_no_newer(
    world: World,
) -> None:
    world.add()
    world.wait(hours=5)
    current = (await world.start(CARLS, 3_000)).transaction_id
    at = world.now - timedelta(hours=2)
    old = (await world.start(ANNAS, 1_000, at=at, replayed=True)).transaction_id
    await world.stop(current, 3_100)
    await world.free()
    await world.meter(1_200, old)
    session = world.state().session
    assert session is not None
    assert (session.user_id, session.transaction_id, session.energy_wh) == ("anna", old, 200)
    assert list(world.site.books._transactions) == [old]


async def test_taps_are_remembered_for_so_many_cards(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "MAX_JUDGED", 3)
    world.add()
    for number in range(10):
        await world.tap(Token(f"{number:08}"))
        await world.tap(Token(f"{number:08}"))
    assert len(world.site.desk._judged) == 3
    await world.tap(ANNAS)
    await world.start(ANNAS)
    assert len(world.taps) == 21, "the start is no other tap"
    # They are forgotten after a while, too.
    world.wait(minutes=4)
    await world.tap(CARLS)
    assert list(world.site.desk._judged) == [("garage", CARLS)]


async def test_a_failure_that_is_kept_keeps_nothing_else(world: World) -> None:
    box = world.add()
    box.failure = Failure.REFUSED
    await world.start(ANNAS)
    await world.turn()
    kept = world.site.controller.refusals[EVSE]
    assert isinstance(kept, StationError)
    assert (kept.failure, kept.__traceback__, kept.__context__) == (Failure.REFUSED, None, None)
