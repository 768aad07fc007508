"""Charges told late, and charges whose end is never told."""

from datetime import timedelta
from decimal import Decimal

import pytest

from custom_components.forecourt.core.model.events import SessionPhase
from custom_components.forecourt.core.model.evse import EvseStatus
from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.reading import Reading
from custom_components.forecourt.core.model.session import SessionFlag, SessionStatus
from custom_components.forecourt.ledger import LedgerError
from custom_components.forecourt.site.site import GRACE

from .world import ANNAS, CARLS, EVSE, UNKNOWN, World

SECOND = timedelta(seconds=1)


async def test_a_charge_from_offline_times_is_booked_by_its_own_times(world: World) -> None:
    await world.costs("0.50")
    world.add()
    began_at = world.now + timedelta(minutes=10)
    world.wait(hours=1)
    await world.costs("0.20")
    world.wait(hours=1)
    answer = await world.start(ANNAS, at=began_at, replayed=True)
    reading = Reading(at=began_at + timedelta(minutes=20), register_wh=2_000)
    await world.site.report(EVSE, (reading,), answer.transaction_id)
    await world.free()
    await world.stop(answer.transaction_id, 4_000, at=began_at + timedelta(hours=1), replayed=True)
    [session] = await world.sessions()
    assert (session.started_at, session.ended_at) == (began_at, began_at + timedelta(hours=1))
    assert session.status is SessionStatus.CLOSED
    assert session.energy_wh == 3_000
    assert session.cost == Decimal("0.50") + Decimal("0.20") * 2
    assert session.flags == {SessionFlag.OFFLINE}
    # Nobody is told of what happened long ago.
    assert SessionPhase.STARTED not in [event.phase for event in world.session_events]
    assert world.state().reading is None or world.state().reading.at == world.now


async def test_a_charge_from_offline_times_leaves_the_one_that_runs(world: World) -> None:
    world.add()
    old_at = world.now
    world.wait(hours=5)
    current = await world.start(CARLS, 3_000)
    old = await world.start(ANNAS, 1_000, at=old_at, replayed=True)
    await world.meter(2_000, old.transaction_id, at=old_at + timedelta(hours=1))
    await world.stop(old.transaction_id, 2_500, at=old_at + timedelta(hours=2), replayed=True)
    first, second = await world.sessions()
    assert (first.user_id, first.energy_wh, first.status) == ("anna", 1_500, SessionStatus.CLOSED)
    assert (second.user_id, second.energy_wh, second.charging) == ("carl", 0, True)
    assert world.state().session == second
    await world.stop(current.transaction_id, 3_500)
    session = world.state().session
    assert session is not None
    assert session.energy_wh == 500


async def test_a_charge_of_a_stranger_from_offline_times_is_booked(world: World) -> None:
    world.add()
    answer = await world.start(UNKNOWN, at=world.now - timedelta(hours=1), replayed=True)
    assert not answer.authorization.accepted
    [session] = await world.sessions()
    assert session.flags == {SessionFlag.OFFLINE, SessionFlag.UNAUTHORIZED}


async def test_a_charge_without_a_clock_is_booked_and_flagged(world: World) -> None:
    world.add()
    answer = await world.start(ANNAS, clock_estimated=True)
    await world.meter(2_000, answer.transaction_id, clock_estimated=True)
    await world.stop(answer.transaction_id, 9_000, clock_estimated=True)
    [session] = await world.sessions()
    assert session.energy_wh == 8_000
    assert session.flags == {SessionFlag.CLOCK_ESTIMATED, SessionFlag.PRICE_MISSING}


async def test_a_reading_or_end_without_a_clock_is_flagged(world: World) -> None:
    world.add()
    answer = await world.start(ANNAS)
    await world.meter(1_001, answer.transaction_id, clock_estimated=True)
    session = world.state().session
    assert session is not None
    assert SessionFlag.CLOCK_ESTIMATED in session.flags
    answer = await world.start(CARLS, 1_001)
    await world.stop(answer.transaction_id, 1_002, clock_estimated=True)
    session = world.state().session
    assert session is not None
    assert SessionFlag.CLOCK_ESTIMATED in session.flags


async def test_an_outlet_that_the_station_did_not_announce_is_booked(world: World) -> None:
    world.add()
    third = EvseId("garage", 3)
    answer = await world.start(ANNAS, evse=third)
    await world.meter(1_300, answer.transaction_id, evse=third)
    await world.stop(answer.transaction_id, 1_500)
    [session] = await world.sessions()
    assert (session.evse, session.energy_wh) == (third, 500)
    assert await world.rows("readings") == 1
    assert third not in world.site.board


# --- lost charges ---------------------------------------------------------------------------------


async def test_a_charge_at_a_free_outlet_is_given_up_after_a_while(world: World) -> None:
    world.add()
    await world.plug()
    answer = await world.start(ANNAS)
    world.wait(minutes=5)
    await world.meter(1_300, answer.transaction_id)
    measured_at = world.now
    world.wait(minutes=30)
    await world.free()
    free_at = world.now
    world.now = free_at + GRACE
    await world.turn()
    assert world.state().session is not None
    world.wait(seconds=1)
    await world.turn()
    assert world.state().session is None
    [session] = await world.sessions()
    assert (session.status, session.energy_wh) == (SessionStatus.CLOSED, 300)
    assert (session.ended_at, session.unplugged_at) == (measured_at, free_at)
    assert session.flags >= {SessionFlag.CLOSED_WITHOUT_STOP}
    # The end comes all the same.
    await world.stop(answer.transaction_id, 1_400)
    [session] = await world.sessions()
    assert session.energy_wh == 400
    assert (session.status, session.unplugged_at) == (SessionStatus.CLOSED, free_at)
    assert session.flags >= {SessionFlag.AMENDED}
    assert world.state().session is None


async def test_while_a_station_is_offline_nothing_is_given_up(world: World) -> None:
    box = world.add()
    await world.start(ANNAS)
    await world.free()
    box.online = False
    world.site.station_changed(box)
    world.wait(hours=1)
    await world.turn()
    assert world.state().session is not None
    # What it kept to tell comes after it is back.
    box.online = True
    world.site.station_changed(box)
    world.now += GRACE
    await world.turn()
    assert world.state().session is not None
    world.wait(seconds=1)
    await world.turn()
    assert world.state().session is None


async def test_a_status_of_old_gives_the_end_time_to_arrive(world: World) -> None:
    world.add()
    answer = await world.start(ANNAS)
    world.wait(hours=3)
    free_at = world.now - timedelta(hours=2)
    await world.status(EvseStatus.AVAILABLE, at=free_at)
    await world.turn()
    await world.stop(answer.transaction_id, 1_100, at=free_at)
    [session] = await world.sessions()
    assert session.unplugged_at == free_at
    assert SessionFlag.CLOSED_WITHOUT_STOP not in session.flags


async def test_a_charge_that_begins_before_the_word_of_the_plug_is_not_given_up(
    world: World,
) -> None:
    world.add()
    await world.free()
    world.wait(hours=8)
    await world.start(ANNAS)
    await world.turn()
    session = world.state().session
    assert session is not None
    assert session.charging
    await world.status(EvseStatus.CHARGING)
    world.wait(hours=8)
    await world.turn()
    session = world.state().session
    assert session is not None
    assert session.charging


async def test_a_full_disk_does_not_end_the_control(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    box = world.add(evses=2)
    await world.start(ANNAS)
    await world.start(CARLS, evse=EvseId("garage", 2))
    await world.free()
    world.wait(minutes=5)

    async def full(*args: object, **more: object) -> int:
        raise LedgerError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(world.ledger, "save", full)
        await world.turn()
    assert "database or disk is full" in caplog.text
    assert box.limits_a
    session = world.state().session
    assert session is not None
    assert session.charging
    await world.turn()
    assert world.state().session is None


async def test_what_the_disk_did_not_take_is_not_in_memory_either(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.add()
    transaction_id = (await world.start(ANNAS)).transaction_id
    before = world.state()

    async def full(*args: object, **more: object) -> int:
        raise LedgerError("database or disk is full")

    world.wait(minutes=1)
    with monkeypatch.context() as patch:
        patch.setattr(world.ledger, "save", full)
        with pytest.raises(LedgerError):
            await world.meter(1_200, transaction_id)
        with pytest.raises(LedgerError):
            await world.stop(transaction_id, 1_300)
    assert world.state() == before
    # The station tells it again.
    await world.stop(transaction_id, 1_300)
    [session] = await world.sessions()
    assert session.energy_wh == 300
