"""The program ends at any moment and begins anew: no energy is lost, none is counted twice."""

import pytest

from custom_components.forecourt.core.model.evse import EvseStatus
from custom_components.forecourt.core.model.session import SessionFlag, SessionStatus
from custom_components.forecourt.site import SiteSettings
from custom_components.forecourt.stations.declarative.profile import Memory, Order, Profile, Role
from tests.unit.site.world import ANNAS

from .conftest import Build
from .place import EVSE, KilledError, Place, anyone, known, order, profile

LIFETIME = profile(Role.TOKEN)
OF_SESSION = profile(Role.TOKEN, Role.SESSION_ENERGY_WH, without=(Role.ENERGY_WH,))


async def charge(place: Place, killed_at: int | None, *, after: bool) -> int:
    """Charge from plug to unplug with one restart on the way; return the calls of the site."""
    place.events.kill_at, place.events.kill_after = killed_at, after
    calls = 0

    async def go(seconds: float) -> None:
        nonlocal calls
        try:
            await place.pass_time(seconds)
        except KilledError:
            place.alone(20)
            calls = place.events.calls
            await place.reopen()
            await place.pass_time(seconds)

    await go(6)
    place.box.plug()
    await go(6)
    place.box.token = ANNAS.uid
    await go(60)
    place.box.unplug()
    place.box.token = None
    await go(20)
    return calls + place.events.calls


@pytest.mark.parametrize("of", [LIFETIME, OF_SESSION], ids=["lifetime", "session"])
@pytest.mark.parametrize("site", [known(), anyone()], ids=["known", "anyone"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_killed_at_every_word_to_the_site(
    build: Build, of: Profile, site: SiteSettings, after: bool
) -> None:
    calls = await charge(await build(of, site), None, after=False)
    assert calls > 10
    for number in range(1, calls + 1):
        place = await build(of, site)
        await charge(place, number, after=after)
        session = await place.only_session()
        what = f"killed at call {number} of {calls}"
        assert session.status is SessionStatus.CLOSED, what
        assert session.user_id == "anna" or site.access.value == "anyone", what
        assert SessionFlag.UNAUTHORIZED not in session.flags, what
        assert session.energy_wh == pytest.approx(place.box.energy_wh, abs=2), what
        assert await place.rows("transactions") == 1, what


@pytest.mark.parametrize("of", [LIFETIME, OF_SESSION], ids=["lifetime", "session"])
@pytest.mark.parametrize("every", [4, 10, 26])
async def test_killed_again_and_again(build: Build, of: Profile, every: int) -> None:
    place = await build(of, anyone())
    place.box.plug()
    for _ in range(12):
        await place.pass_time(every)
        place.alone(40)
        await place.reopen()
    await place.pass_time(20)
    place.box.unplug()
    await place.pass_time(10)
    session = await place.only_session()
    assert session.energy_wh > 0
    assert session.energy_wh == pytest.approx(place.box.energy_wh, abs=2)


@pytest.mark.parametrize("of", [LIFETIME, OF_SESSION], ids=["lifetime", "session"])
async def test_a_car_that_left_while_nobody_looked(build: Build, of: Profile) -> None:
    place = await build(of, anyone())
    place.box.plug()
    await place.pass_time(60)
    place.alone(600)
    place.box.unplug()
    place.alone(600)
    await place.reopen()
    await place.pass_time(10)
    assert place.state(EVSE).status is EvseStatus.AVAILABLE
    session = await place.only_session()
    assert session.status is SessionStatus.CLOSED
    assert session.energy_wh == pytest.approx(place.box.energy_wh, abs=2)


async def test_a_charge_that_began_and_ended_while_nobody_looked_is_in_the_books(
    build: Build,
) -> None:
    place = await build(site=anyone(), open_to_all=lambda: True)
    await place.pass_time(10)
    await place.station.close()
    assert place.box.plant.energised
    place.box.plug()
    place.alone(3_600)
    place.box.unplug()
    place.alone(600)
    await place.reopen()
    await place.pass_time(10)
    session = await place.only_session()
    assert session.status is SessionStatus.CLOSED
    assert SessionFlag.OFFLINE in session.flags
    assert session.energy_wh == pytest.approx(place.box.energy_wh, abs=2)
    assert session.energy_wh > 3_000


async def test_a_closed_program_leaves_the_fallback_current(build: Build) -> None:
    place = await build(site=anyone())
    place.box.plug()
    await place.pass_time(60)
    await place.station.close()
    place.alone(60)
    assert place.drawn_a == pytest.approx(6)
    await place.reopen()
    await place.pass_time(60)
    assert place.drawn_a == pytest.approx(16)
    place.box.unplug()
    await place.pass_time(10)
    assert (await place.only_session()).energy_wh == pytest.approx(place.box.energy_wh, abs=2)


async def test_a_closed_program_leaves_a_box_at_pause_where_users_are_asked_for(
    build: Build,
) -> None:
    place = await build()
    place.box.plug()
    await place.pass_time(10)
    await place.station.close()
    place.alone(600)
    assert place.box.energy_wh == 0


async def test_a_charge_that_the_books_closed_is_not_gone_on_with(build: Build) -> None:
    place = await build(site=anyone())
    place.box.plug()
    await place.pass_time(60)
    saved = place.saved
    await place.site.orders.stop(EVSE)
    place.saved = saved
    await place.reopen()
    await place.pass_time(60)
    session = place.state(EVSE).session
    assert session is not None
    assert not session.charging
    assert place.drawn_a == 0


async def test_a_lost_memory_costs_no_energy_that_is_yet_to_flow(build: Build) -> None:
    place = await build(site=anyone())
    place.box.plug()
    await place.pass_time(60)
    place.saved = None
    await place.reopen()
    await place.pass_time(60)
    place.box.unplug()
    await place.pass_time(200)
    assert await place.booked_wh() == pytest.approx(place.box.energy_wh, abs=60)
    assert all(one.status is SessionStatus.CLOSED for one in await place.sessions())


async def test_memory_that_wears_is_written_no_more_often_after_a_restart(build: Build) -> None:
    orders = (order(Order.LIMIT_A, minimum=6, maximum=32, wear=Memory.FLASH, zero_pauses=True),)
    place = await build(profile(orders=orders), anyone())
    place.box.plug()
    for current_a in (8, 9, 10, 11, 12):
        place.site.orders.limit(EVSE, current_a)
        await place.pass_time(60)
        await place.reopen()
    assert place.box.times(Order.LIMIT_A) == 2
    await place.pass_time(10)
    assert "wear" in place.site.controller.refusals[EVSE].detail


@pytest.mark.parametrize("of", [LIFETIME, OF_SESSION], ids=["lifetime", "session"])
@pytest.mark.parametrize("lost", [1, 2, 3, 4])
async def test_a_memory_that_was_saved_too_early(build: Build, of: Profile, lost: int) -> None:
    place = await build(of)
    await place.pass_time(6)
    place.box.plug()
    await place.pass_time(6)
    await place.site.orders.start(EVSE, "anna")
    await place.pass_time(20)
    place.saved = place.all_saved[-min(lost, len(place.all_saved))]
    place.alone(30)
    await place.reopen()
    await place.pass_time(60)
    assert place.drawn_a > 6
    place.box.unplug()
    await place.pass_time(10)
    session = await place.only_session()
    assert (session.user_id, session.flags) == ("anna", frozenset())
    assert session.energy_wh == pytest.approx(place.box.energy_wh, abs=2)


async def test_an_order_for_a_charge_that_is_over_does_not_revive_it(build: Build) -> None:
    place = await build(site=anyone())
    place.box.plug()
    await place.pass_time(60)
    setpoint = place.state(EVSE).setpoint
    assert setpoint is not None
    await place.site.orders.stop(EVSE)
    await place.station.apply(setpoint)
    await place.pass_time(20)
    assert place.drawn_a == 0


@pytest.mark.parametrize("of", [LIFETIME, OF_SESSION], ids=["lifetime", "session"])
@pytest.mark.parametrize("moment", range(0, 60, 6))
async def test_killed_with_the_newest_save_lost_at_any_moment(
    build: Build, of: Profile, moment: int
) -> None:
    place = await build(of, anyone())
    await place.pass_time(6)
    place.box.plug()
    await place.pass_time(moment)
    if len(place.all_saved) > 1:
        place.saved = place.all_saved[-2]
    place.alone(30)
    await place.reopen()
    await place.pass_time(40)
    place.box.unplug()
    await place.pass_time(10)
    assert await place.booked_wh() == pytest.approx(place.box.energy_wh, abs=2)
    assert all(one.status is SessionStatus.CLOSED for one in await place.sessions())


async def test_killed_while_a_charge_is_stopped(build: Build) -> None:
    for number in range(1, 4):
        for after in (False, True):
            place = await build(site=anyone())
            place.box.plug()
            await place.pass_time(60)
            place.events.calls, place.events.kill_at = 0, number
            place.events.kill_after = after
            try:
                await place.site.orders.stop(EVSE)
                await place.pass_time(10)
            except KilledError:
                place.alone(10)
                await place.reopen()
            await place.pass_time(20)
            place.box.unplug()
            await place.pass_time(20)
            assert await place.booked_wh() == pytest.approx(place.box.energy_wh, abs=2)
            assert len(await place.sessions()) == 1
