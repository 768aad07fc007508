"""From what stations report to sessions in the books."""

from datetime import timedelta
from decimal import Decimal

import pytest

from custom_components.forecourt.core.model.events import SessionPhase
from custom_components.forecourt.core.model.evse import EvseStatus
from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.reading import Reading
from custom_components.forecourt.core.model.session import SessionFlag, SessionStatus
from custom_components.forecourt.core.model.token import AuthorizationStatus

from .world import ANNAS, BENS, CARLS, EVSE, UNKNOWN, World

SECOND = timedelta(seconds=1)


async def test_a_charge_from_plug_to_unplug(world: World) -> None:
    await world.costs("0.30")
    world.add()
    await world.plug()
    world.wait(seconds=5)
    transaction_id = (await world.start(ANNAS)).transaction_id
    await world.status(EvseStatus.CHARGING)
    assert world.state().register_wh == 1_000
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
    another = await world.start(ANNAS, 1_001, clock_estimated=True)
    others = await world.start(CARLS, 1_001, clock_estimated=True)
    assert len({one.transaction_id for one in (first, another, others)}) == 3
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


@pytest.mark.parametrize(("late_s", "replayed"), [(-30, False), (30, True)])
async def test_only_a_charge_of_before_leaves_the_one_that_runs(
    world: World, late_s: int, replayed: bool
) -> None:
    """A clock may lag, and what was told late may still be the newest."""
    world.add()
    await world.start(ANNAS)
    at = world.now + timedelta(seconds=late_s)
    await world.start(CARLS, 1_700, at=at, replayed=replayed)
    lost, current = sorted(await world.sessions(), key=lambda session: session.user_id or "")
    assert lost.status is SessionStatus.CLOSED
    assert current.charging
    assert world.state().session == current


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
    assert f"garage ended transaction {transaction_id}, which is not one of its own" in caplog.text
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


async def test_energy_that_was_only_estimated_has_no_price(world: World) -> None:
    await world.costs("0.30")
    world.add()
    answer = await world.start(ANNAS, estimated=True)
    await world.meter(2_000, answer.transaction_id)
    await world.stop(answer.transaction_id, 2_000)
    [session] = await world.sessions()
    assert (session.energy_wh, session.unpriced_wh, session.cost) == (1_000, 1_000, None)
    assert SessionFlag.ESTIMATED in session.flags
