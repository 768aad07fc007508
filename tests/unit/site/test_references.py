"""Stations that name their transactions themselves, and charges that nobody identified for."""

from datetime import timedelta

import pytest

from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.reading import Reading
from custom_components.forecourt.core.model.session import SessionFlag

from .world import ANNAS, EVSE, NOON, World


async def test_a_charge_by_the_name_its_station_gave(world: World) -> None:
    world.add()
    books = world.site.books
    answer = await world.start(ANNAS, reference="tx-1")
    transaction_id = answer.transaction_id
    assert await books.transaction_id("garage", "tx-1") == transaction_id
    assert await books.reference(transaction_id) == "tx-1"
    await world.meter(1_400, transaction_id)
    # It is told again: all may differ but the name.
    world.wait(minutes=1)
    again = await world.start(None, wh=1_400, reference="tx-1")
    assert again.transaction_id == transaction_id
    await world.stop(None, 1_500, reference="tx-1", reason="Local")
    [session] = await world.sessions()
    assert (session.energy_wh, session.transaction_id) == (500, None)
    assert await world.ledger.orphans() == []
    # Its end is told again, and it still has its names.
    assert await books.transaction_id("garage", "tx-1") == transaction_id
    assert await books.reference(transaction_id) == "tx-1"
    await world.stop(None, 9_999, reference="tx-1")
    assert [one.energy_wh for one in await world.sessions()] == [500]


async def test_names_are_known_after_a_restart(world: World) -> None:
    world.add()
    ended = (await world.start(ANNAS, reference="tx-1")).transaction_id
    await world.stop(None, 1_100, reference="tx-1")
    running = (await world.start(ANNAS, 1_100, reference="tx-2")).transaction_id
    await world.restart()
    books = world.site.books
    assert await books.transaction_id("garage", "tx-1") == ended
    assert await books.transaction_id("garage", "tx-2") == running
    assert [await books.reference(one) for one in (ended, running)] == ["tx-1", "tx-2"]
    await world.stop(None, 1_300, reference="tx-2")
    assert [session.energy_wh for session in await world.sessions()] == [300]


async def test_names_that_nobody_gave(world: World) -> None:
    world.add()
    world.add("yard")
    books = world.site.books
    transaction_id = (await world.start(ANNAS)).transaction_id
    assert await books.reference(transaction_id) is None
    assert await books.reference(99) is None
    assert await books.transaction_id("garage", "tx-1") is None
    await world.start(ANNAS, evse=EvseId("yard", 1), reference="tx-1")
    assert await books.transaction_id("garage", "tx-1") is None


@pytest.mark.parametrize("reference", ["tx-9", None])
async def test_the_end_of_a_charge_that_nobody_knows_by_its_name(
    world: World, reference: str | None
) -> None:
    world.add()
    await world.stop(None, None, reference=reference)
    await world.stop(None, None, reference=reference)
    [orphan] = await world.ledger.orphans()
    assert (orphan.transaction_id, orphan.reference, orphan.meter_stop_wh) == (
        None,
        reference,
        None,
    )


@pytest.mark.parametrize(
    ("readings", "stop_wh", "energy_wh"),
    [
        ([1_200, 1_400], 1_400, 400),
        ([], 1_000, 0),
        # The meter was exchanged meanwhile: what goes on from the new one counts.
        ([1_200, 3, 50], 50, 247),
        # One odd value is not believed.
        ([1_200, 3], 3, 200),
    ],
)
async def test_an_end_without_a_register_stands_at_the_newest_one(
    anyone: World, readings: list[int], stop_wh: int, energy_wh: int
) -> None:
    world = anyone
    world.add()
    answer = await world.start(ANNAS)
    for wh in readings:
        world.wait(minutes=1)
        await world.meter(wh, answer.transaction_id)
    await world.stop(answer.transaction_id, None)
    # Told again, it is no news.
    await world.stop(answer.transaction_id, None)
    found = await world.ledger.transaction(answer.transaction_id)
    assert found is not None
    transaction, session = found
    assert (transaction.meter_stop_wh, transaction.energy_wh) == (stop_wh, energy_wh)
    assert session.energy_wh == energy_wh
    assert SessionFlag.METER_MISMATCH in session.flags
    assert world.site.books.register_wh(EVSE) == 1_000 + energy_wh


async def test_readings_that_come_with_the_end_are_stored_with_it(world: World) -> None:
    world.add()
    answer = await world.start(ANNAS)
    first, last = (
        Reading(at=NOON + timedelta(minutes=minute), register_wh=wh, clock_estimated=minute == 2)
        for minute, wh in ((1, 1_200), (2, 1_500))
    )
    await world.stop(
        answer.transaction_id, None, readings=(first, last), at=NOON + timedelta(minutes=2)
    )
    [session] = await world.sessions()
    assert session.energy_wh == 500
    assert SessionFlag.CLOCK_ESTIMATED in session.flags
    assert SessionFlag.METER_MISMATCH not in session.flags
    assert [reading for reading, _ in await world.ledger.readings(session)] == [first, last]


async def test_a_late_end_without_a_register_has_that_of_its_readings(anyone: World) -> None:
    world = anyone
    world.add()
    lost = await world.start(ANNAS)
    world.wait(minutes=5)
    # The next charge gives the first one up, whose end comes after all.
    await world.start(ANNAS, 1_700)
    reading = Reading(at=world.now, register_wh=1_600)
    await world.stop(lost.transaction_id, None, readings=(reading, Reading(at=world.now)))
    found = await world.ledger.transaction(lost.transaction_id)
    assert found is not None
    assert (found[0].meter_stop_wh, found[0].energy_wh) == (1_600, 600)


async def test_a_charge_that_nobody_identified_for(anyone: World) -> None:
    world = anyone
    world.add()
    first = await world.start(None)
    assert (await world.start(None)).transaction_id == first.transaction_id
    # A station without a clock repeats it: the time is another one each time.
    world.wait(minutes=1)
    repeated = await world.start(None, clock_estimated=True)
    assert repeated.transaction_id == first.transaction_id
    found = await world.ledger.transaction(first.transaction_id)
    assert found is not None
    assert found[0].token_key is None
    with_a_card = await world.start(ANNAS, clock_estimated=True)
    assert with_a_card.transaction_id != first.transaction_id


async def test_a_clock_that_is_estimated_does_not_mix_up_names(anyone: World) -> None:
    world = anyone
    world.add()
    named = await world.start(None, reference="tx-1", clock_estimated=True)
    other = await world.start(None, reference="tx-2", clock_estimated=True)
    unnamed = await world.start(None, clock_estimated=True)
    assert len({one.transaction_id for one in (named, other, unnamed)}) == 3
