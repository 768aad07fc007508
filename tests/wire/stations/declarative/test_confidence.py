"""What a profile is not sure of: shown, but trusted with neither money nor the fuse."""

from dataclasses import replace

import pytest

from custom_components.forecourt.core.model.finding import Outcome
from custom_components.forecourt.core.model.session import SessionFlag
from custom_components.forecourt.stations.base import CanUnlock, Failure, supports
from custom_components.forecourt.stations.declarative.profile import (
    Confidence,
    Order,
    Profile,
    Role,
    Watchdog,
)

from .conftest import Build
from .place import EVSE, anyone, order, profile

GUESS = Confidence.EXPERIMENTAL


def unsure(*guesses: Role | Order, of: Profile | None = None) -> Profile:
    of = of or profile()
    readings = {
        role: replace(spec, confidence=GUESS) if role in guesses else spec
        for role, spec in of.readings.items()
    }
    orders = {
        name: replace(spec, confidence=GUESS) if name in guesses else spec
        for name, spec in of.orders.items()
    }
    return replace(of, readings=readings, orders=orders)


async def test_an_order_that_is_a_guess_is_not_given(build: Build) -> None:
    place = await build(unsure(Order.LIMIT_A), anyone())
    place.box.plug()
    place.site.orders.limit(EVSE, 8)
    await place.pass_time(60)
    assert place.box.times(Order.LIMIT_A) == 0
    assert place.site.controller.refusals[EVSE].failure is Failure.NOT_SUPPORTED


async def test_the_control_test_makes_a_fact_of_it(build: Build) -> None:
    place = await build(unsure(*Order), anyone(), may_write=False)
    place.box.plug()
    await place.pass_time(60)
    findings = await place.station.test()
    assert {one.outcome for one in findings} == {Outcome.OK}
    await place.reopen()
    place.site.orders.limit(EVSE, 8)
    await place.pass_time(60)
    assert place.drawn_a == pytest.approx(8)
    place.site.orders.allow(EVSE, allowed=False)
    await place.pass_time(30)
    assert place.drawn_a == 0


async def test_an_order_that_the_control_test_left_out_stays_a_guess(build: Build) -> None:
    place = await build(unsure(Order.LIMIT_A), anyone(), may_write=False)
    place.box.plant.limit_a = 6
    place.box.plug()
    await place.pass_time(60)
    findings = await place.station.test()
    assert [one.outcome for one in findings] == [Outcome.SKIPPED, Outcome.OK, Outcome.OK]
    assert place.station.may_write
    told = place.box.times(Order.LIMIT_A)
    place.site.orders.limit(EVSE, 8)
    await place.pass_time(60)
    assert place.box.times(Order.LIMIT_A) == told
    # The next one, with a car that draws more, shows it.
    place.box.plant.limit_a = 16
    place.site.orders.limit(EVSE, 16)
    await place.pass_time(60)
    await place.station.test()
    place.site.orders.limit(EVSE, 8)
    await place.pass_time(60)
    assert place.drawn_a == pytest.approx(8)


async def test_what_no_meter_can_show_is_never_given(build: Build) -> None:
    of = profile(orders=(*profile().orders.values(), order(Order.UNLOCK)))
    place = await build(unsure(Order.UNLOCK, of=of), anyone())
    place.box.plug()
    await place.pass_time(60)
    await place.station.test()
    assert not supports(place.station, CanUnlock)


@pytest.mark.parametrize(
    ("told", "guesses", "estimated"),
    [
        ((Role.SESSION_ENERGY_WH,), (), False),
        ((Role.SESSION_ENERGY_WH,), (Role.ENERGY_WH,), False),
        ((Role.SESSION_ENERGY_WH,), (Role.ENERGY_WH, Role.SESSION_ENERGY_WH), True),
        ((), (Role.ENERGY_WH,), True),
        ((), (Role.POWER_W, Role.CURRENT_A_1), False),
    ],
)
async def test_no_money_hangs_on_a_register_that_is_a_guess(
    build: Build, told: tuple[Role, ...], guesses: tuple[Role, ...], estimated: bool
) -> None:
    place = await build(unsure(*guesses, of=profile(*told)), anyone())
    place.box.plug()
    await place.pass_time(600)
    if Role.ENERGY_WH in guesses:
        place.box.overrides[Role.ENERGY_WH] = 99
    place.box.unplug()
    await place.pass_time(10)
    session = await place.only_session()
    assert (SessionFlag.ESTIMATED in session.flags) is estimated
    assert session.energy_wh == pytest.approx(place.box.energy_wh, rel=0.02)


async def test_no_fuse_hangs_on_a_fallback_that_is_a_guess(build: Build) -> None:
    of = profile(
        Role.FALLBACK_A,
        orders=(*profile().orders.values(), order(Order.RENEW)),
        watchdog=Watchdog(renewed_by="order", timeout_s=60),
    )
    place = await build(of, anyone(), fallback_current_a=None)
    await place.pass_time(10)
    assert place.station.fallback_current_a == 6
    place = await build(unsure(Role.FALLBACK_A, of=of), anyone(), fallback_current_a=None)
    await place.pass_time(10)
    assert place.station.fallback_current_a != 6


async def test_a_box_without_a_meter_shows_by_its_status_that_it_obeys(build: Build) -> None:
    meters = tuple(role for role in profile().readings if role is not Role.STATUS)
    place = await build(profile(without=meters), anyone(), may_write=False)
    place.box.plug()
    await place.pass_time(60)
    findings = await place.station.test()
    assert [(one.probe, one.outcome) for one in findings] == [
        ("limit", Outcome.SKIPPED),
        ("pause", Outcome.OK),
        ("resume", Outcome.OK),
    ]
    assert findings[0].detail == "no meter shows it"
    assert place.station.may_write


async def test_a_plug_that_cannot_be_read_is_not_taken_from_the_status(build: Build) -> None:
    """A KEBA says 'not ready' of a car that waits as of no car."""
    place = await build(profile(Role.PLUGGED), anyone())
    place.box.plug()
    await place.pass_time(60)
    place.box.plant.energised = False
    place.box.overrides[Role.STATUS] = "available"
    place.box.unknown = {Role.PLUGGED: 17}
    await place.pass_time(20)
    assert place.state(EVSE).session is not None
    place.box.unknown = {}
    place.box.unplug()
    await place.pass_time(20)
    assert place.state(EVSE).session is None
