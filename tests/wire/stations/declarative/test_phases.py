"""Phases are switched without current, with a rest, and seldom."""

from dataclasses import replace
from datetime import timedelta

import pytest

from custom_components.forecourt.core.model.finding import Outcome
from custom_components.forecourt.stations.base import CanSwitchPhases, Failure, supports
from custom_components.forecourt.stations.declarative.link import LinkFault
from custom_components.forecourt.stations.declarative.profile import (
    Confidence,
    Memory,
    Order,
    OrderSpec,
    Profile,
    Role,
    Scalar,
    Transform,
)

from .conftest import Build
from .place import EVSE, Place, anyone, order, profile

ONE_OR_THREE = Transform(map={0: 1, 1: 3})


def switch(*, counts: Transform = ONE_OR_THREE, **more: object) -> OrderSpec:
    wanted = {"paused_first": True, "read_back": Role.PHASES, "interval_s": 0.0} | more
    spec = order(Order.PHASES, **wanted)
    return replace(spec, writes=(replace(spec.writes[0], transform=counts),))


def switching(spec: OrderSpec | None = None, *roles: Role) -> Profile:
    return profile(
        *(roles or (Role.PHASES,)), orders=(*profile().orders.values(), spec or switch())
    )


async def charging(build: Build, of: Profile | None = None, **more: object) -> Place:
    place = await build(of or switching(), anyone(), **more)
    place.box.plug()
    await place.pass_time(60)
    assert drawn(place) == (16, 16, 16)
    return place


def drawn(place: Place) -> tuple[int, ...]:
    return tuple(round(amps) for amps in place.box.plant.currents_a)


async def pauses(place: Place, seconds: float = 300) -> float:
    """Let time pass; return how long nothing flowed."""
    still_s = 0.0
    for _ in range(int(seconds / 2)):
        await place.pass_time(2)
        still_s += 2 * (place.drawn_a == 0)
    return still_s


async def test_it_is_told_only_while_nothing_flows_and_the_car_rests(build: Build) -> None:
    place = await charging(build)
    assert supports(place.station, CanSwitchPhases)
    assert place.station.phase_counts(EVSE) == {1, 3}
    place.ask_phases(1)
    assert await pauses(place) >= 60
    assert drawn(place) == (16, 0, 0)
    place.ask_phases(3)
    assert await pauses(place) >= 60
    assert drawn(place) == (16, 16, 16)
    place.ask_phases(None)
    assert await pauses(place) == 0
    assert place.box.times(Order.PHASES) == 2
    assert place.box.under_load == []
    place.box.unplug()
    await place.pass_time(10)
    assert (await place.only_session()).energy_wh == pytest.approx(place.box.energy_wh, abs=3)


async def test_phases_that_it_has_already_cost_nothing(build: Build) -> None:
    place = await charging(build)
    place.ask_phases(3)
    assert await pauses(place) == 0
    assert place.box.times(Order.PHASES) == 0


async def test_a_box_that_does_not_show_its_phases_is_told_once(build: Build) -> None:
    place = await charging(build, switching(switch(read_back=None)))
    for count in (3, 3, 1, 1):
        place.ask_phases(count)
        await place.pass_time(240)
    assert place.box.times(Order.PHASES) == 2
    assert drawn(place) == (16, 0, 0)
    assert place.box.under_load == []


async def test_a_wish_that_is_taken_back_ends_the_pause(build: Build) -> None:
    place = await charging(build)
    place.ask_phases(1)
    # Paused, but nothing was read since.
    await place.turn()
    assert place.drawn_a == 0 or not place.box.plant.energised
    place.ask_phases(3)
    await place.pass_time(20)
    assert drawn(place) == (16, 16, 16)
    assert place.box.times(Order.PHASES) == 0


async def test_a_paused_box_is_switched_at_once_and_stays_at_pause(build: Build) -> None:
    place = await charging(build)
    place.site.orders.allow(EVSE, allowed=False)
    await place.pass_time(90)
    place.ask_phases(1)
    await place.pass_time(30)
    assert place.box.plant.phases_offered == 1
    assert place.drawn_a == 0
    place.site.orders.allow(EVSE, allowed=True)
    await place.pass_time(30)
    assert drawn(place) == (16, 0, 0)


async def test_switches_are_apart(build: Build) -> None:
    place = await charging(build, switching(switch(interval_s=300.0)))
    place.ask_phases(1)
    await place.pass_time(120)
    assert drawn(place) == (16, 0, 0)
    place.ask_phases(3)
    assert await pauses(place, 150) == 0
    await place.pass_time(200)
    assert drawn(place) == (16, 16, 16)
    assert place.box.times(Order.PHASES) == 2


async def test_what_needs_no_pause_gets_none(build: Build) -> None:
    place = await charging(build, switching(switch(paused_first=False)))
    place.ask_phases(1)
    await place.pass_time(4)
    assert place.box.plant.phases_offered == 1
    assert place.box.times(Order.PAUSE) == 1, "the one before the charge"


async def test_a_box_that_refuses_goes_on_and_is_reported(build: Build) -> None:
    place = await charging(build)
    place.box.refuses = {Order.PHASES: LinkFault.WRITE_ACCESS}
    place.ask_phases(1)
    await place.pass_time(60)
    assert drawn(place) == (16, 16, 16)
    assert place.site.controller.refusals[EVSE].failure is Failure.REFUSED
    place.box.refuses = {}
    await place.pass_time(300)
    assert place.box.times(Order.PHASES) == 0, "it is left alone for a while"
    await place.pass_time(500)
    assert drawn(place) == (16, 0, 0)
    assert EVSE not in place.site.controller.refusals


async def test_a_box_that_shows_other_phases_is_reported(build: Build) -> None:
    place = await charging(build)
    place.box.overrides[Role.PHASES] = 3
    place.ask_phases(1)
    await place.pass_time(120)
    assert place.site.controller.refusals[EVSE].detail == "told 1 phases, tells 3"
    assert place.drawn_a == pytest.approx(16)
    place.ask_phases(None)
    await place.pass_time(20)
    assert EVSE not in place.site.controller.refusals


async def test_a_box_that_does_not_pause_is_not_switched(build: Build) -> None:
    of = profile(Role.PHASES, orders=(*profile().orders.values(), switch()))
    place = await charging(build, of)
    place.box.overrides |= dict.fromkeys(
        (Role.CURRENT_A_1, Role.CURRENT_A_2, Role.CURRENT_A_3), 9.0
    )
    place.ask_phases(1)
    await place.pass_time(120)
    assert place.box.times(Order.PHASES) == 0
    assert place.site.controller.refusals[EVSE].detail == "it does not pause"
    assert place.box.plant.energised


async def test_memory_that_wears_is_spared(build: Build) -> None:
    place = await charging(build, switching(switch(wear=Memory.FLASH)))
    for count in (1, 3, 1, 3):
        place.ask_phases(count)
        await place.pass_time(240)
    assert place.box.times(Order.PHASES) == 2
    place.ask_phases(1)
    await place.pass_time(200)
    assert place.drawn_a == pytest.approx(16)
    assert "wear" in place.site.controller.refusals[EVSE].detail


async def test_a_limit_in_watts_goes_by_the_phases(build: Build) -> None:
    watts = order(
        Order.LIMIT_W, minimum=1380, maximum=22_000, step=10, interval_s=0, zero_pauses=True
    )
    place = await build(profile(Role.PHASES, orders=(watts, switch(read_back=None))), anyone())
    place.box.plug()
    place.site.orders.limit(EVSE, 10)
    await place.pass_time(60)
    assert place.box.told[-1] == (Order.LIMIT_W, 6900)
    place.box.overrides[Role.PHASES] = None
    place.ask_phases(1)
    await place.pass_time(120)
    assert place.box.told[-1] == (Order.LIMIT_W, 2300)


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        (Transform(map={1: 1, 2: 2, 3: 3}), {1, 3}),
        (Transform(map={7: 3}), {3}),
        (Transform(), {1, 3}),
    ],
)
async def test_what_it_can_be_told(build: Build, counts: Transform, told: set[int]) -> None:
    place = await build(switching(switch(counts=counts)))
    assert place.station.phase_counts(EVSE) == told


async def test_a_box_without_the_order_switches_nothing(build: Build) -> None:
    place = await charging(build, profile())
    assert not supports(place.station, CanSwitchPhases)
    place.ask_phases(1)
    assert await pauses(place, 60) == 0


EXPERIMENTAL = switching(switch(confidence=Confidence.EXPERIMENTAL))


async def test_what_is_not_sure_is_not_told(build: Build) -> None:
    place = await charging(build, EXPERIMENTAL)
    assert not supports(place.station, CanSwitchPhases)
    place.ask_phases(1)
    await place.pass_time(120)
    assert place.box.times(Order.PHASES) == 0


async def test_the_control_test_shows_that_it_switches_phases(build: Build) -> None:
    place = await charging(build, EXPERIMENTAL, may_write=False)
    findings = await place.station.test()
    assert [(one.probe, one.outcome) for one in findings] == [
        (probe, Outcome.OK) for probe in ("limit", "pause", "resume", "phases", "phases")
    ]
    assert place.box.under_load == []
    assert place.station.phase_counts(EVSE) == {1, 3}
    await place.pass_time(20)
    assert drawn(place) == (16, 16, 16)
    await place.reopen()
    await place.pass_time(10)
    assert supports(place.station, CanSwitchPhases)
    place.ask_phases(1)
    await place.pass_time(120)
    assert drawn(place) == (16, 0, 0)


async def test_a_control_test_in_which_phases_stay_does_not_prove_them(build: Build) -> None:
    place = await charging(build, EXPERIMENTAL, may_write=False)
    tell = place.box.tell

    async def ignores(order: Order, value: Scalar | None = None, *, outlet: int = 1) -> None:
        if order is not Order.PHASES:
            await tell(order, value, outlet=outlet)

    place.box.tell = ignores  # type: ignore[method-assign]
    findings = await place.station.test()
    assert findings[-1].probe == "phases"
    assert Outcome.FAILED in {one.outcome for one in findings}
    assert not place.station.may_write


async def test_what_the_control_test_switched_is_switched_back(build: Build) -> None:
    """The site needs the current in the middle of it."""
    place = await charging(build, replace(EXPERIMENTAL), may_write=True)
    setpoint = place.state(EVSE).setpoint
    assert setpoint is not None
    off = replace(setpoint, current_a=0, valid_until=place.now + timedelta(hours=1))

    async def interrupted(seconds: float) -> None:
        await place._sleep(seconds)
        first, second, _ = drawn(place)
        if first and not second:
            await place.station.apply(off)

    place.station._sleep = interrupted
    findings = await place.station.test()
    assert [one.outcome for one in findings[-2:]] == [Outcome.OK, Outcome.SKIPPED]
    assert place.box.plant.phases_offered == 3
    assert place.box.under_load == []
    assert place.drawn_a == 0
