"""Much at once: every event counts, in its order."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from custom_components.forecourt.core.model.events import SessionPhase
from custom_components.forecourt.core.model.evse import EvseStatus
from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.session import SessionFlag, SessionStatus
from custom_components.forecourt.core.model.token import Token
from custom_components.forecourt.site.site import GRACE

from .world import ANNAS, CARLS, EVSE, TOKENS, USERS, World, until

MINUTE = timedelta(minutes=1)


async def test_the_events_of_a_station_are_booked_in_their_order(world: World) -> None:
    """A driver may not wait for one event before it tells the next."""
    await world.costs("0.10")
    world.add()
    at = world.now
    world.wait(minutes=20)
    await asyncio.gather(
        world.start(ANNAS, at=at),
        world.status(EvseStatus.CHARGING, at=at),
        *[world.meter(1_000 + 100 * n, 1, at=at + n * MINUTE) for n in range(1, 10)],
        world.stop(1, 2_000, at=at + 10 * MINUTE),
        world.status(EvseStatus.AVAILABLE, at=at + 11 * MINUTE),
        world.status(EvseStatus.PREPARING, at=at + 12 * MINUTE),
        world.start(CARLS, 2_000, at=at + 13 * MINUTE),
    )
    first, second = await world.sessions()
    assert (first.user_id, first.energy_wh, first.cost) == ("anna", 1_000, Decimal("0.1"))
    assert first.status is SessionStatus.CLOSED
    assert first.unplugged_at == at + 11 * MINUTE
    assert first.flags == frozenset()
    assert (second.user_id, second.plugged_at) == ("carl", at + 12 * MINUTE)
    assert await world.rows("readings") == 9
    assert [event.phase for event in world.session_events] == [
        SessionPhase.STARTED,
        SessionPhase.ENDED,
        SessionPhase.STARTED,
    ]


async def charge(world: World, evse: EvseId, token: Token, number: int) -> int:
    """Go through a whole charge, and return its id."""
    await world.tap(token, evse.station_id)
    await world.plug(evse)
    answer = await world.start(token, 1_000 * number, evse)
    for step in range(1, 6):
        await world.meter(1_000 * number + step * number, answer.transaction_id, evse)
    await world.stop(answer.transaction_id, 1_000 * number + 6 * number, evse.station_id)
    await world.free(evse)
    return answer.transaction_id


async def test_two_outlets_of_each_of_many_stations(world: World) -> None:
    # Each card charges eight cars at a time.
    world.site.set_members(USERS, [replace(one, max_sessions=None) for one in TOKENS])
    evses = [EvseId(f"box {n}", side) for n in range(8) for side in (1, 2)]
    for name in dict.fromkeys(evse.station_id for evse in evses):
        world.add(name, evses=2)
    loop = asyncio.create_task(world.site.run())
    ids = await asyncio.gather(
        *[
            charge(world, evse, ANNAS if evse.number == 1 else CARLS, number)
            for number, evse in enumerate(evses, start=1)
        ]
    )
    loop.cancel()
    await asyncio.gather(loop, return_exceptions=True)
    assert sorted(ids) == list(range(1, 17))
    sessions = {session.evse: session for session in await world.sessions()}
    assert {evse: sessions[evse].energy_wh for evse in evses} == {
        evse: 6 * number for number, evse in enumerate(evses, start=1)
    }
    assert {session.status for session in sessions.values()} == {SessionStatus.CLOSED}
    assert {evse: sessions[evse].user_id for evse in evses} == {
        evse: "anna" if evse.number == 1 else "carl" for evse in evses
    }
    assert len(world.taps) == await world.rows("taps") == 16
    assert Counter(event.phase for event in world.session_events) == {
        SessionPhase.STARTED: 16,
        SessionPhase.ENDED: 16,
    }
    assert {state.evse: state.register_wh for state in world.site.board.all()} == {
        evse: 1_006 * number for number, evse in enumerate(evses, start=1)
    }
    assert await world.rows("orphans") == 0


async def test_the_same_start_many_times_at_once_is_one(world: World) -> None:
    world.add()
    answers = await asyncio.gather(*[world.start(ANNAS) for _ in range(20)])
    assert {answer.transaction_id for answer in answers} == {1}
    assert len(world.taps) == await world.rows("sessions") == 1


async def test_the_same_end_many_times_at_once_is_one(world: World) -> None:
    await world.costs("1")
    world.add()
    await world.start(ANNAS)
    world.wait(minutes=1)
    await asyncio.gather(*[world.stop(1, 1_500, token=ANNAS) for _ in range(20)])
    [session] = await world.sessions()
    assert (session.energy_wh, session.cost) == (500, Decimal("0.5"))
    assert len(world.taps) == 2


async def test_a_charge_that_begins_while_a_lost_one_is_given_up_is_kept(world: World) -> None:
    """The loop waits for the station's turn, and what it saw is not so any more."""
    world.add()
    await world.start(ANNAS)
    await world.free()
    world.now += GRACE + timedelta(seconds=1)
    # Both want the same turn; the station was first.
    began = asyncio.ensure_future(world.start(CARLS, 1_500))
    await until(world.site._locks["garage"].locked)
    await world.turn()
    await began
    lost, current = await world.sessions()
    assert (lost.user_id, lost.status) == ("anna", SessionStatus.CLOSED)
    assert (current.user_id, current.charging) == ("carl", True)
    assert SessionFlag.CLOSED_WITHOUT_STOP not in current.flags
    assert world.state(EVSE).session == current


async def test_a_slow_disk_of_one_station_does_not_mix_up_another(world: World) -> None:
    world.add()
    world.add("yard")
    there = EvseId("yard", 1)
    await asyncio.gather(
        world.start(ANNAS),
        world.start(CARLS, evse=there),
        world.meter(1_050),
        world.meter(1_070, evse=there),
    )
    assert [world.state(evse).register_wh for evse in (EVSE, there)] == [1_050, 1_070]
