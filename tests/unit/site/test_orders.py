"""What people ask for: once, and to the station that can."""

import asyncio
from collections.abc import Awaitable, Callable
import gc

import pytest

from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.site import controller, once
from custom_components.forecourt.site.once import Once
from custom_components.forecourt.site.orders import AlreadyChargingError, NotChargingError, Orders
from custom_components.forecourt.stations.base import (
    CanReset,
    CanStart,
    CanStop,
    CanUnlock,
    Failure,
    StationError,
)

from .world import ANNAS, EVSE, World, until

type Press = Callable[[Orders], Awaitable[None]]


async def test_a_charge_is_started_with_the_tag_of_its_user(world: World) -> None:
    box = world.add()
    orders, members = world.site.orders, world.site.members
    await orders.start(EVSE, "anna")
    await orders.start(EVSE, None)
    assert box.all("start") == [(EVSE, members.site_tag("anna")), (EVSE, members.site_tag(None))]


async def test_what_charges_is_not_started(world: World) -> None:
    world.add()
    await world.start(ANNAS)
    with pytest.raises(AlreadyChargingError):
        await world.site.orders.start(EVSE, "anna")


async def test_a_charge_is_stopped_by_its_id(world: World) -> None:
    box = world.add()
    transaction_id = (await world.start(ANNAS)).transaction_id
    await world.site.orders.stop(EVSE)
    assert box.all("stop") == [transaction_id]
    await world.stop(transaction_id, 1_100)
    with pytest.raises(NotChargingError):
        await world.site.orders.stop(EVSE)


async def test_what_does_not_charge_is_not_stopped(world: World) -> None:
    world.add()
    with pytest.raises(NotChargingError):
        await world.site.orders.stop(EVSE)


async def test_a_cable_is_released_and_a_station_restarted(world: World) -> None:
    box = world.add()
    await world.site.orders.unlock(EVSE)
    await world.site.orders.reset("garage")
    assert box.told == [("unlock", EVSE), ("reset", None)]


PRESSES: list[tuple[type, str, Press]] = [
    (CanStart, "start", lambda orders: orders.start(EVSE, "anna")),
    (CanStop, "stop", lambda orders: orders.stop(EVSE)),
    (CanUnlock, "unlock", lambda orders: orders.unlock(EVSE)),
    (CanReset, "reset", lambda orders: orders.reset("garage")),
]


@pytest.fixture
async def ready(world: World, request: pytest.FixtureRequest) -> World:
    """Return a site where the command of the test is possible."""
    world.add()
    if request.getfixturevalue("command") == "stop":
        await world.start(ANNAS)
    return world


@pytest.mark.parametrize(("capability", "command", "press"), PRESSES)
async def test_twenty_presses_are_one_command(
    ready: World, capability: type, command: str, press: Press
) -> None:
    box = ready.boxes["garage"]
    box.hold = asyncio.Event()
    fingers = [asyncio.ensure_future(press(ready.site.orders)) for _ in range(10)]
    await until(lambda: bool(box.told))
    fingers += [asyncio.ensure_future(press(ready.site.orders)) for _ in range(9)]
    await asyncio.sleep(0)
    box.hold.set()
    await asyncio.gather(*fingers)
    await press(ready.site.orders)
    assert [name for name, _ in box.told] == [command]


@pytest.mark.parametrize(("capability", "command", "press"), PRESSES)
@pytest.mark.parametrize("failure", Failure)
async def test_a_failure_is_shared(
    ready: World, capability: type, command: str, press: Press, failure: Failure
) -> None:
    box = ready.boxes["garage"]
    box.failure = failure
    results = await asyncio.gather(
        *[press(ready.site.orders) for _ in range(20)], return_exceptions=True
    )
    assert {getattr(result, "failure", None) for result in results} == {failure}
    assert len(box.told) == 1


@pytest.mark.parametrize(("capability", "command", "press"), PRESSES)
async def test_a_command_that_the_station_cannot_do_is_not_sent(
    ready: World, capability: type, command: str, press: Press
) -> None:
    box = ready.boxes["garage"]
    box.lacks.add(capability)
    with pytest.raises(StationError) as raised:
        await press(ready.site.orders)
    assert raised.value.failure is Failure.NOT_SUPPORTED
    assert box.told == []


@pytest.mark.parametrize(("capability", "command", "press"), PRESSES)
async def test_a_command_to_a_station_that_is_away_is_not_sent(
    ready: World, capability: type, command: str, press: Press
) -> None:
    box = ready.boxes["garage"]
    box.online = False
    with pytest.raises(StationError) as raised:
        await press(ready.site.orders)
    assert raised.value.failure is Failure.OFFLINE
    assert box.told == []


async def test_two_outlets_are_two_commands(world: World) -> None:
    box = world.add(evses=2)
    other = EvseId("garage", 2)
    await asyncio.gather(world.site.orders.unlock(EVSE), world.site.orders.unlock(other))
    assert sorted(box.all("unlock")) == [EVSE, other]


async def test_who_starts_stops_and_starts_again_means_it(world: World) -> None:
    box = world.add()
    await world.site.orders.start(EVSE, "anna")
    transaction_id = (await world.start(world.site.members.site_tag("anna"))).transaction_id
    await world.site.orders.stop(EVSE)
    await world.stop(transaction_id, 1_001)
    await world.site.orders.start(EVSE, "anna")
    assert [name for name, _ in box.told] == ["start", "stop", "start"]


async def test_what_users_ask_of_an_outlet_is_kept_and_looked_at(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(controller, "PAUSE_S", 0.0)
    box = world.add()
    await world.start(ANNAS)
    await world.turn()
    world.site.orders.limit(EVSE, 10)
    assert world.state().requested_current_a == 10
    await asyncio.wait_for(world.site.controller.wait(), 1)
    await world.turn()
    world.site.orders.limit(EVSE, None)
    world.site.orders.allow(EVSE, allowed=False)
    await asyncio.wait_for(world.site.controller.wait(), 1)
    await world.turn()
    assert (world.state().requested_current_a, world.state().allowed) == (None, False)
    assert box.limits_a == [32, 10, 0]


# --- Once -----------------------------------------------------------------------------------------


async def test_a_command_counts_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str] = []

    async def command() -> None:
        given.append("unlock")

    unlocking = Once()
    await unlocking.run("place", "unlock", command)
    await unlocking.run("place", "unlock", command)
    assert len(given) == 1
    monkeypatch.setattr(once, "HOLD_S", 0.0)
    await unlocking.run("place", "unlock", command)
    assert len(given) == 2
    await unlocking.close()


async def test_what_failed_is_given_again() -> None:
    given: list[str] = []

    async def command() -> None:
        given.append("start")
        if len(given) == 1:
            raise StationError("GARAGE", Failure.REFUSED, "no car is plugged in")

    starting = Once()
    with pytest.raises(StationError):
        await starting.run("place", "start", command)
    # The car was plugged in meanwhile.
    await starting.run("place", "start", command)
    assert len(given) == 2
    await starting.close()


async def test_a_command_that_takes_long_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(once, "HOLD_S", 0.0)
    given: list[str] = []
    done = asyncio.Event()

    async def command() -> None:
        given.append("reset")
        await done.wait()

    resetting = Once()
    first = asyncio.create_task(resetting.run("place", "reset", command))
    await until(lambda: bool(given))
    second = asyncio.create_task(resetting.run("place", "reset", command))
    await asyncio.sleep(0)
    done.set()
    await asyncio.gather(first, second)
    assert len(given) == 1


async def test_a_caller_that_goes_away_does_not_take_the_command_with_it() -> None:
    done = asyncio.Event()
    given: list[str] = []

    async def command() -> None:
        await done.wait()
        given.append("start")
        raise StationError("garage", Failure.REFUSED)

    starting = Once()
    impatient = asyncio.create_task(starting.run("place", "start", command))
    await asyncio.sleep(0)
    impatient.cancel()
    with pytest.raises(asyncio.CancelledError):
        await impatient
    done.set()
    with pytest.raises(StationError):
        await starting.run("place", "start", command)
    assert given == ["start"]


async def test_a_failure_that_nobody_waits_for_any_more_is_nobodys(
    caplog: pytest.LogCaptureFixture,
) -> None:
    done = asyncio.Event()

    async def command() -> None:
        await done.wait()
        raise StationError("garage", Failure.REFUSED)

    async def leave() -> None:
        starting = Once()
        impatient = asyncio.create_task(starting.run("place", "start", command))
        await asyncio.sleep(0)
        impatient.cancel()
        await asyncio.gather(impatient, return_exceptions=True)
        done.set()
        await until(lambda: not starting._running)

    await leave()
    gc.collect()
    assert caplog.text == ""


async def test_nothing_runs_on_after_the_end() -> None:
    orders = Once()
    caller = asyncio.create_task(orders.run("place", "start", asyncio.Event().wait))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == 3
    await orders.close()
    assert asyncio.all_tasks() <= {asyncio.current_task(), caller}
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert asyncio.all_tasks() == {asyncio.current_task()}
