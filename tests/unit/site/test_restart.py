"""Across a restart of Home Assistant, and stations that come and go."""

from datetime import timedelta
from decimal import Decimal
import logging

import pytest

from custom_components.forecourt.core.model.evse import EvseStatus
from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.session import SessionFlag, SessionStatus
from custom_components.forecourt.ledger import LedgerError
from custom_components.forecourt.site.site import GRACE

from .world import ANNAS, CARLS, EVSE, World

SECOND = timedelta(seconds=1)


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
    world.add()
    assert world.state().register_wh == 1_500
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
