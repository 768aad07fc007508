"""From what stations report to sessions in the books."""

from datetime import timedelta
from decimal import Decimal
import logging

import pytest

from custom_components.forecourt.core.model.events import SessionPhase
from custom_components.forecourt.core.model.evse import EvseStatus
from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.reading import Reading
from custom_components.forecourt.core.model.session import SessionFlag, SessionStatus
from custom_components.forecourt.core.model.token import AuthorizationStatus
from custom_components.forecourt.ledger import LedgerError
from custom_components.forecourt.site.site import GRACE

from .world import ANNAS, BENS, CARLS, EVSE, UNKNOWN, World

SECOND = timedelta(seconds=1)


async def test_a_charge_from_plug_to_unplug(world: World) -> None:
    await world.costs("0.30")
    world.add()
    await world.plug()
    world.wait(seconds=5)
    transaction_id = (await world.start(ANNAS)).transaction_id
    await world.status(EvseStatus.CHARGING)
    world.wait(minutes=10)
    await world.meter(2_500, transaction_id, power_w=9_000.0)
    state = world.state()
    assert state.register_wh == 2_500
    assert state.session is not None
    assert (state.session.energy_wh, state.session.cost) == (1_500, Decimal("0.45"))
    world.wait(minutes=10)
    await world.stop(transaction_id, 4_000, reason="Local")
    ended_at = world.now
    state = world.state()
    assert state.session is not None
    assert not state.session.charging
    assert state.reading is not None
    assert (state.reading.power_w, state.reading.at) == (0.0, ended_at)
    world.wait(hours=1)
    await world.free()
    assert world.state().session is None
    assert world.state().register_wh == 4_000
    [session] = await world.sessions()
    assert session.status is SessionStatus.CLOSED
    assert (session.energy_wh, session.cost) == (3_000, Decimal("0.90"))
    assert (session.ended_at, session.unplugged_at) == (ended_at, world.now)
    assert session.flags == frozenset()
    assert [event.phase for event in world.session_events] == [
        SessionPhase.STARTED,
        SessionPhase.ENDED,
    ]
    assert world.session_events[1].session == session


async def test_a_charge_goes_on_in_the_same_session_without_unplugging(world: World) -> None:
    world.add()
    await world.plug()
    await world.stop((await world.start(ANNAS)).transaction_id, 1_500)
    world.wait(minutes=30)
    await world.stop((await world.start(ANNAS, 1_500)).transaction_id, 1_700)
    await world.free()
    [session] = await world.sessions()
    assert session.energy_wh == 700
    assert len(world.session_events) == 2


async def test_another_user_gets_another_session(world: World) -> None:
    world.add()
    await world.plug()
    await world.stop((await world.start(ANNAS)).transaction_id, 1_500)
    await world.start(BENS, 1_500)
    first, second = await world.sessions()
    assert (first.user_id, first.status, first.energy_wh) == ("anna", SessionStatus.CLOSED, 500)
    assert (second.user_id, second.status, second.energy_wh) == ("ben", SessionStatus.OPEN, 0)
    assert [(event.phase, event.session.user_id) for event in world.session_events] == [
        (SessionPhase.STARTED, "anna"),
        (SessionPhase.ENDED, "anna"),
        (SessionPhase.STARTED, "ben"),
    ]


async def test_the_price_of_the_time_of_each_reading_holds(world: World) -> None:
    await world.costs("0.30")
    world.add()
    transaction_id = (await world.start(ANNAS)).transaction_id
    world.wait(minutes=10)
    await world.meter(2_000, transaction_id)
    late = Reading(at=world.now + SECOND, register_wh=2_100)
    world.wait(minutes=1)
    await world.costs("0.10")
    # Told after the change, but measured before.
    await world.site.report(EVSE, (late,), transaction_id)
    world.wait(minutes=9)
    await world.meter(4_100, transaction_id)
    await world.costs(None)
    world.wait(minutes=1)
    await world.stop(transaction_id, 4_200)
    [session] = await world.sessions()
    assert session.cost == Decimal("0.30") * Decimal("1.1") + Decimal("0.10") * 2
    assert session.unpriced_wh == 100
    assert SessionFlag.PRICE_MISSING in session.flags
    assert [price for _, price in await world.ledger.readings(session)] == [
        Decimal("0.30"),
        Decimal("0.30"),
        Decimal("0.10"),
    ]


async def test_readings_belong_to_the_charge_that_runs(world: World) -> None:
    """Some stations do not say to which transaction, some name one of another outlet."""
    world.add(evses=2)
    other = EvseId("garage", 2)
    first = (await world.start(ANNAS)).transaction_id
    second = (await world.start(CARLS, evse=other)).transaction_id
    world.wait(minutes=1)
    await world.meter(1_100)
    await world.meter(1_300, transaction_id=second)
    await world.meter(1_050, evse=other, transaction_id=77)
    here, there = world.state().session, world.state(other).session
    assert here is not None
    assert there is not None
    assert (here.energy_wh, there.energy_wh) == (300, 50)
    assert first != second


async def test_readings_without_a_charge_are_shown_and_not_booked(world: World) -> None:
    world.add()
    await world.meter(1_000, power_w=5.0)
    reading = world.state().reading
    assert reading is not None
    assert reading.power_w == 5.0
    assert world.state().register_wh is None
    assert await world.rows("readings") == 0


async def test_a_reading_of_power_is_booked_with_the_charge(world: World) -> None:
    world.add()
    transaction_id = (await world.start(ANNAS)).transaction_id
    await world.meter(None, transaction_id, power_w=11_000.0)
    session = world.state().session
    assert session is not None
    assert session.energy_wh == 0
    [(reading, _)] = await world.ledger.readings(session)
    assert reading.power_w == 11_000.0


async def test_readings_with_an_end_are_booked_first(world: World) -> None:
    await world.costs("0.20")
    world.add()
    transaction_id = (await world.start(ANNAS)).transaction_id
    world.wait(minutes=10)
    readings = tuple(
        Reading(at=world.now - timedelta(minutes=9 - n), register_wh=1_000 + 100 * n)
        for n in range(10)
    )
    await world.costs("0.40")
    await world.stop(transaction_id, 2_000, readings=readings)
    [session] = await world.sessions()
    assert session.energy_wh == 1_000
    assert session.cost == Decimal("0.20") * 800 / 1000 + Decimal("0.40") * 200 / 1000
    assert await world.rows("readings") == 10


async def test_an_end_with_unplugging_closes_the_session(world: World) -> None:
    world.add()
    await world.plug()
    transaction_id = (await world.start(ANNAS)).transaction_id
    world.wait(minutes=1)
    await world.stop(transaction_id, 1_100, reason="EVDisconnected")
    assert world.state().session is None
    [session] = await world.sessions()
    assert (session.status, session.unplugged_at) == (SessionStatus.CLOSED, world.now)


async def test_the_end_may_come_after_the_word_that_the_outlet_is_free(world: World) -> None:
    world.add()
    await world.plug()
    transaction_id = (await world.start(ANNAS)).transaction_id
    world.wait(minutes=10)
    await world.free()
    assert world.state().session is not None
    free_at = world.now
    world.wait(seconds=10)
    await world.stop(transaction_id, 1_100, at=free_at - SECOND, reason="Local")
    assert world.state().session is None
    [session] = await world.sessions()
    assert session.status is SessionStatus.CLOSED
    assert (session.ended_at, session.unplugged_at) == (free_at - SECOND, free_at)
    assert SessionFlag.CLOSED_WITHOUT_STOP not in session.flags


async def test_a_session_does_not_end_before_its_charge(world: World) -> None:
    """Where the clocks of a status and an end differ."""
    world.add()
    transaction_id = (await world.start(ANNAS)).transaction_id
    world.wait(minutes=10)
    await world.stop(transaction_id, 1_100)
    await world.status(EvseStatus.AVAILABLE, at=world.now - timedelta(minutes=1))
    [session] = await world.sessions()
    assert session.unplugged_at == session.ended_at == world.now


# --- what nobody may ------------------------------------------------------------------------------


async def test_a_charge_of_a_stranger_is_booked_on_nobody(world: World) -> None:
    world.add()
    answer = await world.start(UNKNOWN)
    assert answer.authorization.status is AuthorizationStatus.INVALID
    await world.stop(answer.transaction_id, 1_050)
    [session] = await world.sessions()
    assert (session.user_id, session.energy_wh) == (None, 50)
    assert session.flags >= {SessionFlag.UNAUTHORIZED}


async def test_a_stranger_is_not_the_default_user(anyone: World) -> None:
    anyone.add()
    await anyone.start(UNKNOWN)
    # Nobody in particular may charge, and not in the session of a stranger.
    await anyone.start(anyone.site.members.site_tag(None), 1_010)
    stranger, nobody = await anyone.sessions()
    assert stranger.id != nobody.id
    assert SessionFlag.UNAUTHORIZED not in nobody.flags


# --- what is told twice, late or wrong ------------------------------------------------------------


async def test_the_same_start_has_the_same_id(world: World) -> None:
    world.add()
    at = world.now
    first = await world.start(ANNAS, at=at)
    world.wait(minutes=1)
    await world.meter(1_100, first.transaction_id)
    assert await world.start(ANNAS, at=at) == first
    await world.restart()
    assert await world.start(ANNAS, at=at) == first
    await world.stop(first.transaction_id, 1_200)
    assert await world.start(ANNAS, at=at) == first
    [session] = await world.sessions()
    assert (session.energy_wh, session.charging) == (200, False)


async def test_the_same_start_of_a_station_without_a_clock_has_the_same_id(world: World) -> None:
    world.add()
    first = await world.start(ANNAS, clock_estimated=True)
    for _ in range(2):
        world.wait(seconds=30)
        assert await world.start(ANNAS, clock_estimated=True) == first
        await world.restart()
    world.wait(seconds=30)
    assert (await world.start(ANNAS, 1_001, clock_estimated=True)) != first
    assert (await world.start(CARLS, 1_001, clock_estimated=True)) != first
    session = world.state().session
    assert session is not None
    assert SessionFlag.CLOCK_ESTIMATED in session.flags


async def test_a_newer_start_ends_the_lost_charge_before(world: World) -> None:
    world.add()
    first = await world.start(ANNAS)
    world.wait(minutes=5)
    await world.meter(1_400, first.transaction_id)
    measured_at = world.now
    world.wait(hours=2)
    second = await world.start(CARLS, 1_700)
    assert second.transaction_id > first.transaction_id
    lost, current = await world.sessions()
    assert (lost.status, lost.energy_wh) == (SessionStatus.CLOSED, 400)
    assert lost.ended_at == measured_at
    assert lost.flags >= {SessionFlag.CLOSED_WITHOUT_STOP}
    assert current.charging


async def test_a_lost_charge_of_the_same_user_goes_on(world: World) -> None:
    world.add()
    await world.start(ANNAS)
    world.wait(minutes=5)
    await world.stop((await world.start(ANNAS, 1_100)).transaction_id, 1_300)
    [session] = await world.sessions()
    assert session.energy_wh == 200
    assert session.flags >= {SessionFlag.CLOSED_WITHOUT_STOP}


async def test_a_late_end_of_a_charge_that_was_given_up_amends(world: World) -> None:
    await world.costs("0.10")
    world.add()
    first = await world.start(ANNAS)
    world.wait(minutes=5)
    end_at = world.now
    await world.start(CARLS, 2_000)
    world.wait(minutes=5)
    await world.stop(first.transaction_id, 2_000, at=end_at)
    lost, current = await world.sessions()
    assert (lost.energy_wh, lost.cost, lost.status) == (1_000, Decimal("0.1"), SessionStatus.CLOSED)
    assert lost.flags >= {SessionFlag.AMENDED, SessionFlag.CLOSED_WITHOUT_STOP}
    assert current.charging
    assert world.state().session == current
    assert world.state().register_wh == 2_000


async def test_readings_of_a_charge_that_was_given_up_wait_for_its_end(world: World) -> None:
    world.add()
    first = await world.start(ANNAS)
    await world.start(CARLS, 1_000, at=world.now + SECOND)
    world.wait(minutes=5)
    await world.meter(1_500, first.transaction_id)
    lost, current = await world.sessions()
    assert (lost.energy_wh, current.energy_wh) == (0, 0)
    assert await world.rows("readings") == 1


async def test_a_repeated_end_changes_nothing(world: World) -> None:
    world.add()
    transaction_id = (await world.start(ANNAS)).transaction_id
    await world.stop(transaction_id, 1_500)
    before = await world.sessions()
    await world.stop(transaction_id, 1_500)
    world.wait(minutes=1)
    await world.stop(transaction_id, 9_999)
    assert await world.sessions() == before
    assert await world.rows("orphans") == 0


@pytest.mark.parametrize("transaction_id", [-1, 0, 4711])
async def test_the_end_of_an_unknown_charge_is_an_orphan(
    world: World, transaction_id: int, caplog: pytest.LogCaptureFixture
) -> None:
    world.add()
    await world.start(ANNAS)
    for _ in range(2):
        answer = await world.stop(transaction_id, 1_500, token=CARLS, at=world.now)
        assert answer is not None
        assert answer.accepted
    [orphan] = await world.ledger.orphans()
    assert (orphan.station_id, orphan.transaction_id, orphan.meter_stop_wh) == (
        "garage",
        transaction_id,
        1_500,
    )
    session = world.state().session
    assert session is not None
    assert session.charging
    assert len(world.taps) == 2
    assert CARLS.uid not in caplog.text


async def test_the_end_of_another_stations_charge_is_an_orphan(world: World) -> None:
    world.add()
    world.add("yard")
    transaction_id = (await world.start(ANNAS)).transaction_id
    assert await world.stop(transaction_id, 9_000, station_id="yard") is None
    assert [orphan.station_id for orphan in await world.ledger.orphans()] == ["yard"]
    session = world.state().session
    assert session is not None
    assert session.charging


# --- offline times --------------------------------------------------------------------------------


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

    async def full(*args: object) -> int:
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

    async def full(*args: object) -> int:
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


# --- across a restart -----------------------------------------------------------------------------


async def test_a_restart_in_the_middle_loses_nothing(world: World) -> None:
    await world.costs("0.25")
    world.add()
    await world.plug()
    plugged_at = world.now
    world.wait(minutes=1)
    answer = await world.start(ANNAS)
    world.wait(minutes=10)
    await world.meter(3_000, answer.transaction_id)
    before = world.state()
    await world.restart()
    state = world.state()
    assert (state.session, state.register_wh) == (before.session, 3_000)
    assert state.plugged_at == plugged_at
    world.wait(minutes=10)
    await world.meter(5_000, answer.transaction_id)
    await world.restart()
    world.wait(minutes=10)
    await world.stop(answer.transaction_id, 7_000)
    await world.free()
    [session] = await world.sessions()
    assert (session.energy_wh, session.cost) == (6_000, Decimal("1.50"))
    assert session.plugged_at == plugged_at
    assert session.flags == frozenset()
    assert world.state().register_wh == 7_000
    await world.restart()
    assert world.state().session is None
    assert world.state().register_wh == 7_000


async def test_a_car_that_waits_plugged_in_is_known_after_a_restart(world: World) -> None:
    world.add()
    await world.plug()
    await world.stop((await world.start(ANNAS)).transaction_id, 1_500)
    before = world.state().session
    await world.restart()
    assert world.state().session == before
    assert world.state().setpoint is None
    world.wait(hours=1)
    await world.stop((await world.start(ANNAS, 1_500)).transaction_id, 1_700)
    await world.free()
    [session] = await world.sessions()
    assert (session.energy_wh, session.status) == (700, SessionStatus.CLOSED)


async def test_a_price_of_before_the_restart_holds_for_what_was_before(world: World) -> None:
    await world.costs("0.50")
    world.add()
    answer = await world.start(ANNAS)
    world.wait(minutes=10)
    measured_at = world.now
    world.wait(minutes=10)
    world.price = Decimal("0.20")
    await world.restart()
    await world.meter(2_000, answer.transaction_id, at=measured_at)
    session = world.state().session
    assert session is not None
    assert session.cost == Decimal("0.50")


async def test_without_a_price_after_a_restart_the_last_one_holds(world: World) -> None:
    await world.costs("0.50")
    world.add()
    answer = await world.start(ANNAS)
    world.price = None
    await world.restart()
    world.wait(minutes=10)
    await world.meter(2_000, answer.transaction_id)
    session = world.state().session
    assert session is not None
    assert session.cost == Decimal("0.50")


async def test_the_newest_open_session_is_the_one_that_runs(world: World) -> None:
    """An older charge, told late, may still wait for its end."""
    world.add()
    world.wait(hours=3)
    await world.start(CARLS, 3_000)
    old = await world.start(ANNAS, 1_000, at=world.now - timedelta(hours=2), replayed=True)
    await world.restart()
    session = world.state().session
    assert session is not None
    assert session.user_id == "carl"
    await world.stop(old.transaction_id, 2_000, at=world.now - timedelta(hours=1), replayed=True)
    first, second = await world.sessions()
    assert (first.energy_wh, first.status) == (1_000, SessionStatus.CLOSED)
    assert second.charging


async def test_after_a_restart_a_lost_charge_is_given_up(world: World) -> None:
    world.add()
    await world.start(ANNAS)
    await world.restart()
    await world.free()
    world.now += GRACE + SECOND
    await world.turn()
    [session] = await world.sessions()
    assert session.status is SessionStatus.CLOSED


# --- stations that come and go --------------------------------------------------------------------


async def test_a_station_that_is_removed_takes_its_charge_with_it(world: World) -> None:
    world.add(evses=2)
    world.add("yard")
    stay = EvseId("yard", 1)
    answer = await world.start(ANNAS)
    world.wait(seconds=1)
    await world.start(CARLS, evse=stay)
    world.wait(minutes=5)
    await world.meter(1_500, answer.transaction_id)
    heard: list[str] = []
    world.site.station_signal.connect(heard.append)
    box = world.boxes.pop("garage")
    await world.site.remove_station("garage")
    assert heard == ["garage"]
    assert [state.evse for state in world.site.board.all()] == [stay]
    gone, other = await world.sessions()
    assert (gone.status, gone.energy_wh) == (SessionStatus.CLOSED, 500)
    assert gone.flags >= {SessionFlag.CLOSED_WITHOUT_STOP}
    assert other.charging
    # What it still says does not bring it back.
    world.site.station_changed(box)
    await world.status(EvseStatus.AVAILABLE)
    await world.meter(1_600, answer.transaction_id)
    await world.stop(answer.transaction_id, 1_700)
    assert EVSE not in world.site.board
    gone, _ = await world.sessions()
    assert gone.energy_wh == 700
    await world.turn()


async def test_a_station_can_be_removed_while_the_disk_is_full(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    world.add(evses=2)
    await world.stop((await world.start(CARLS)).transaction_id, 1_100)
    await world.start(ANNAS, evse=EvseId("garage", 2))

    async def full(*args: object) -> int:
        raise LedgerError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(world.ledger, "save", full)
        await world.site.remove_station("garage")
    assert list(world.site.board.all()) == []
    assert "database or disk is full" in caplog.text
    world.add(evses=2)
    assert [state.session for state in world.site.board.all()] == [None, None]


async def test_a_station_that_comes_again_counts_on(world: World) -> None:
    world.add()
    await world.stop((await world.start(ANNAS)).transaction_id, 1_500)
    await world.site.remove_station("garage")
    del world.boxes["garage"]
    await world.restart()
    world.add()
    assert world.state().register_wh == 1_500
    assert world.state().session is None


async def test_removing_what_is_not_there_does_nothing(world: World) -> None:
    await world.site.remove_station("somewhere")
    assert list(world.site.board.all()) == []


async def test_a_register_never_falls_for_a_correction_of_the_station(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    world.add()
    transaction_id = (await world.start(ANNAS)).transaction_id
    world.wait(minutes=10)
    await world.meter(2_009, transaction_id)
    await world.stop(transaction_id, 2_000)
    [session] = await world.sessions()
    assert session.energy_wh == 1_000
    assert world.state().register_wh == 2_009
