"""Whole charges at a box without transactions, from plug to the books."""

import pytest

from custom_components.forecourt.core.model.evse import EvseStatus
from custom_components.forecourt.core.model.session import SessionFlag, SessionStatus
from custom_components.forecourt.stations.declarative.profile import Order, Role
from tests.unit.site.world import ANNAS, UNKNOWN

from .conftest import Build
from .place import EVSE, Place, anyone, order, profile


async def whole_charge(place: Place) -> None:
    await place.pass_time(10)
    assert place.state(EVSE).status is EvseStatus.AVAILABLE
    place.box.plug()
    await place.pass_time(600)
    assert place.state(EVSE).status is EvseStatus.CHARGING
    assert place.drawn_a == pytest.approx(16)
    place.box.unplug()
    await place.pass_time(10)
    assert place.state(EVSE).status is EvseStatus.AVAILABLE
    assert place.state(EVSE).session is None


async def test_who_plugs_in_charges_where_anyone_may(build: Build) -> None:
    place = await build(site=anyone())
    await whole_charge(place)
    session = await place.only_session()
    assert session.status is SessionStatus.CLOSED
    assert session.flags == frozenset()
    assert session.energy_wh == pytest.approx(place.box.energy_wh, abs=2)
    assert session.energy_wh > 1_500


async def test_a_register_of_the_session_counts_the_same(build: Build) -> None:
    place = await build(profile(Role.SESSION_ENERGY_WH, without=(Role.ENERGY_WH,)), anyone())
    await whole_charge(place)
    await whole_charge(place)
    first, second = await place.sessions()
    assert first.energy_wh == pytest.approx(second.energy_wh, abs=50)
    assert await place.booked_wh() == pytest.approx(place.box.energy_wh, abs=4)


async def test_without_a_register_the_energy_is_an_estimate(build: Build) -> None:
    place = await build(profile(without=(Role.ENERGY_WH,)), anyone())
    await whole_charge(place)
    session = await place.only_session()
    assert SessionFlag.ESTIMATED in session.flags
    assert session.cost is None
    assert session.energy_wh == pytest.approx(place.box.energy_wh, rel=0.01)


async def test_nobody_charges_before_a_known_user_is_let_in(build: Build) -> None:
    place = await build()
    await place.pass_time(4)
    place.box.plug()
    await place.pass_time(120)
    assert place.state(EVSE).status is EvseStatus.PREPARING
    assert place.box.energy_wh == 0
    assert await place.sessions() == []
    await place.site.orders.start(EVSE, "anna")
    await place.pass_time(60)
    assert place.drawn_a == pytest.approx(16)
    session = await place.only_session()
    assert (session.user_id, session.flags) == ("anna", frozenset())


async def test_a_card_at_the_box_lets_its_owner_charge(build: Build) -> None:
    place = await build(profile(Role.TOKEN))
    await place.pass_time(4)
    place.box.plug()
    await place.pass_time(10)
    place.box.token = ANNAS.uid
    await place.pass_time(60)
    assert place.drawn_a == pytest.approx(16)
    assert (await place.only_session()).user_id == "anna"
    assert [tap.authorization.accepted for tap in place.taps] == [True]


async def test_a_card_may_be_shown_before_the_plug(build: Build) -> None:
    place = await build(profile(Role.TOKEN))
    await place.pass_time(4)
    place.box.token = ANNAS.uid
    await place.pass_time(20)
    place.box.plug()
    await place.pass_time(20)
    assert place.drawn_a > 6
    assert (await place.only_session()).user_id == "anna"


async def test_a_card_that_was_shown_long_ago_lets_nobody_in(build: Build) -> None:
    place = await build(profile(Role.TOKEN))
    await place.pass_time(4)
    place.box.token = ANNAS.uid
    await place.pass_time(120)
    place.box.plug()
    await place.pass_time(60)
    assert place.drawn_a == 0


async def test_the_card_of_the_last_charge_does_not_pay_for_the_next(build: Build) -> None:
    place = await build(profile(Role.TOKEN))
    await place.pass_time(4)
    place.box.plug()
    place.box.token = ANNAS.uid
    await place.pass_time(60)
    place.box.unplug()
    await place.pass_time(10)
    place.box.plug()
    await place.pass_time(60)
    assert place.drawn_a == 0
    assert len(await place.sessions()) == 1
    place.box.token = None
    await place.pass_time(4)
    place.box.token = ANNAS.uid
    await place.pass_time(30)
    assert place.drawn_a > 6
    assert len(await place.sessions()) == 2


async def test_a_refused_card_leaves_the_box_at_pause(build: Build) -> None:
    orders = (*profile().orders.values(), order(Order.FORGET_TOKEN))
    place = await build(profile(Role.TOKEN, orders=orders))
    await place.pass_time(4)
    place.box.plug()
    place.box.token = UNKNOWN.uid
    await place.pass_time(60)
    assert (place.drawn_a, place.box.energy_wh) == (0, 0)
    assert [tap.authorization.accepted for tap in place.taps] == [False]
    assert place.box.token is None
    assert await place.sessions() == []


async def test_a_stopped_charge_stays_stopped_until_somebody_starts_it(build: Build) -> None:
    place = await build(site=anyone())
    place.box.plug()
    await place.pass_time(60)
    await place.site.orders.stop(EVSE)
    await place.pass_time(120)
    assert place.drawn_a == 0
    assert place.state(EVSE).status is EvseStatus.FINISHING
    await place.site.orders.start(EVSE, None)
    await place.pass_time(60)
    assert place.drawn_a > 6
    place.box.unplug()
    await place.pass_time(10)
    assert (await place.only_session()).energy_wh == pytest.approx(place.box.energy_wh, abs=3)


async def test_a_pause_of_the_owner_holds_and_ends(build: Build) -> None:
    place = await build(site=anyone())
    place.box.plug()
    await place.pass_time(60)
    place.site.orders.allow(EVSE, allowed=False)
    await place.pass_time(60)
    assert place.drawn_a == 0
    assert place.state(EVSE).status is EvseStatus.SUSPENDED_EVSE
    place.site.orders.allow(EVSE, allowed=True)
    place.site.orders.limit(EVSE, 10)
    await place.pass_time(60)
    assert place.drawn_a == pytest.approx(10)
    session = place.state(EVSE).session
    assert session is not None
    assert session.charging


async def test_a_full_car_is_the_one_that_waits(build: Build) -> None:
    place = await build(site=anyone())
    place.box.plug(soc=0.99)
    await place.pass_time(3_600, every=5)
    assert place.state(EVSE).status is EvseStatus.SUSPENDED_EV


async def test_nothing_is_written_twice(build: Build) -> None:
    place = await build(site=anyone())
    place.box.plug()
    await place.pass_time(1_200)
    assert place.box.times(Order.PAUSE) == 1
    assert place.box.times(Order.RESUME) == 1
    assert place.box.times(Order.LIMIT_A) == 1
