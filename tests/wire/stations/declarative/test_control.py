"""What the box is told, and what becomes of a box that does not do it."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from custom_components.forecourt.core.model.evse import EvseStatus
from custom_components.forecourt.core.model.finding import Outcome
from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.session import SessionFlag
from custom_components.forecourt.stations.base import (
    CanRefresh,
    CanReset,
    CanStart,
    CanStop,
    CanTest,
    CanUnlock,
    Failure,
    StationError,
    supports,
)
from custom_components.forecourt.stations.declarative.link import LinkFault
from custom_components.forecourt.stations.declarative.pacing import Pace
from custom_components.forecourt.stations.declarative.profile import Order, Role, Watchdog
from tests.unit.site.world import UNKNOWN, until

from .conftest import Build
from .place import EVSE, anyone, order, profile

SWITCH = (order(Order.PAUSE, interval_s=0), order(Order.RESUME, interval_s=0))
ZERO = (order(Order.LIMIT_A, minimum=6, maximum=32, interval_s=0, zero_pauses=True),)
WATTS = (
    order(Order.LIMIT_W, minimum=1380, maximum=22_000, step=100, interval_s=0, zero_pauses=True),
)
RENEWED = (*profile().orders.values(), order(Order.RENEW))


async def test_a_box_that_starts_by_itself_is_paused(build: Build) -> None:
    place = await build()
    place.box.plug()
    await place.pass_time(20)
    place.box.plant.energised = True
    place.box.step(10)
    assert place.drawn_a > 6
    await place.pass_time(4)
    assert place.drawn_a == 0
    assert await place.sessions() == []


async def test_what_cannot_be_paused_is_booked_without_a_user(build: Build) -> None:
    place = await build()
    place.box.deaf = True
    place.box.plug()
    await place.pass_time(120)
    place.box.unplug()
    await place.pass_time(10)
    for session in await place.sessions():
        assert SessionFlag.UNAUTHORIZED in session.flags
        assert session.user_id is None
    assert await place.booked_wh() == pytest.approx(place.box.energy_wh, abs=2)


async def test_a_box_that_refuses_to_pause_is_booked_too(
    build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    place = await build()
    place.box.refuses = {Order.PAUSE: LinkFault.WRITE_ACCESS}
    place.box.plug()
    await place.pass_time(120)
    place.box.unplug()
    await place.pass_time(20)
    assert await place.booked_wh() == pytest.approx(place.box.energy_wh, abs=2)
    assert caplog.text.count("cannot be held at pause") == 1
    assert place.station.online


@pytest.mark.parametrize("orders", [ZERO, WATTS], ids=["amperes", "watts"])
async def test_a_box_is_paused_by_a_limit_of_nothing(
    build: Build, orders: tuple[object, ...]
) -> None:
    place = await build(profile(orders=orders, without=(Role.ENABLED,)))  # type: ignore[arg-type]
    place.box.plug()
    await place.pass_time(60)
    assert place.box.energy_wh == 0
    await place.site.orders.start(EVSE, "anna")
    place.site.orders.limit(EVSE, 10)
    await place.pass_time(60)
    assert place.drawn_a == pytest.approx(10, abs=0.2)
    await place.site.orders.stop(EVSE)
    await place.pass_time(20)
    assert place.drawn_a == 0


async def test_a_paused_box_goes_on_with_the_next_limit(build: Build) -> None:
    orders = (
        order(Order.LIMIT_A, minimum=6, maximum=32, interval_s=0),
        order(Order.PAUSE, interval_s=0),
    )
    place = await build(profile(orders=orders), anyone())
    place.box.plug()
    for allowed in (True, False, True, False, True):
        place.site.orders.allow(EVSE, allowed=allowed)
        await place.pass_time(40)
        assert place.drawn_a == pytest.approx(16 if allowed else 0)


async def test_a_box_that_is_only_switched_gives_all_or_nothing(build: Build) -> None:
    place = await build(profile(orders=SWITCH, without=(Role.LIMIT_A,)), anyone())
    place.box.plug()
    await place.pass_time(60)
    assert place.drawn_a == pytest.approx(16)
    place.site.orders.limit(EVSE, 10)
    await place.pass_time(60)
    assert place.site.controller.refusals[EVSE].failure is Failure.NOT_SUPPORTED


async def test_what_is_not_proven_is_not_told(build: Build) -> None:
    place = await build(site=anyone(), may_write=False)
    place.box.plug()
    await place.pass_time(60)
    assert place.box.told == []
    assert place.drawn_a == pytest.approx(16)
    assert place.station.fallback_current_a is None
    assert place.site.controller.refusals[EVSE].failure is Failure.NOT_SUPPORTED
    assert place.state(EVSE).setpoint is None
    assert not supports(place.station, CanStart)
    assert not supports(place.station, CanStop)
    place.box.unplug()
    await place.pass_time(10)
    session = await place.only_session()
    assert session.energy_wh == pytest.approx(place.box.energy_wh, abs=2)


async def test_the_control_test_proves_it(build: Build) -> None:
    place = await build(site=anyone(), may_write=False)
    assert supports(place.station, CanTest)
    await place.pass_time(4)
    assert [one.outcome for one in await place.station.test()] == [Outcome.SKIPPED]
    place.box.plug()
    await place.pass_time(60)
    findings = await place.station.test()
    assert [(one.probe, one.outcome) for one in findings] == [
        ("limit", Outcome.OK),
        ("pause", Outcome.OK),
        ("resume", Outcome.OK),
    ]
    assert findings[0].detail == "16.0 A → 6.0 A"
    assert place.box.plant.limit_a == 16
    assert place.station.may_write
    await place.reopen()
    await place.pass_time(10)
    assert place.station.may_write
    assert EVSE not in place.site.controller.refusals
    assert supports(place.station, CanStart)
    place.box.unplug()
    await place.pass_time(10)
    assert await place.booked_wh() == pytest.approx(place.box.energy_wh, abs=2)


async def test_a_box_that_fails_the_control_test_stays_unproven(build: Build) -> None:
    place = await build(site=anyone(), may_write=False)
    place.box.plug()
    await place.pass_time(60)
    place.box.deaf = True
    findings = await place.station.test()
    assert Outcome.FAILED in [one.outcome for one in findings]
    assert not place.station.may_write


async def test_the_current_follows_the_fuse(build: Build) -> None:
    place = await build(site=anyone())
    place.box.plug()
    await place.pass_time(60)
    for current_a in (12, 7, 0, 16):
        place.site.orders.limit(EVSE, current_a)
        await place.pass_time(40)
        assert place.drawn_a == pytest.approx(current_a)


async def test_what_the_box_forgot_is_told_again(build: Build) -> None:
    place = await build(site=anyone())
    place.box.plug()
    place.site.orders.limit(EVSE, 8)
    await place.pass_time(60)
    place.box.restart()
    await place.pass_time(30)
    assert place.drawn_a == pytest.approx(8)
    assert place.happened == []


async def test_another_controller_is_noticed(build: Build) -> None:
    place = await build(site=anyone())
    place.box.plug()
    place.site.orders.limit(EVSE, 8)
    await place.pass_time(60)
    for current_a in (10, 13):
        place.box.plant.limit_a = current_a
        await place.pass_time(60)
        assert place.drawn_a == pytest.approx(8)
    assert [(one.kind.value, one.what) for one in place.happened] == [
        ("external_limit", "another controller")
    ]
    assert place.station.rival_at is not None


async def test_another_controller_that_goes_on_is_news_once_an_hour(build: Build) -> None:
    place = await build(site=anyone())
    place.box.plug()
    place.site.orders.limit(EVSE, 8)
    await place.pass_time(60)
    for _ in range(40):
        place.box.plant.limit_a = 10
        await place.pass_time(120)
    assert len(place.happened) == 2


async def test_a_box_that_shows_another_limit_is_reported(build: Build) -> None:
    place = await build(site=anyone())
    place.box.plug()
    await place.pass_time(60)
    place.site.orders.limit(EVSE, 8)
    place.box.deaf = True
    await place.pass_time(120)
    assert "told 8 A, tells" in place.site.controller.refusals[EVSE].detail
    place.box.deaf = False
    await place.pass_time(180)
    assert place.drawn_a == pytest.approx(8)
    assert EVSE not in place.site.controller.refusals


async def test_a_watchdog_lets_the_box_fall_back_when_the_control_hangs(build: Build) -> None:
    of = profile(orders=RENEWED, watchdog=Watchdog(renewed_by="order", timeout_s=60, fallback_a=6))
    place = await build(of, anyone())
    place.box.watchdog_s = 60
    place.box.plug()
    await place.pass_time(600)
    assert place.drawn_a == pytest.approx(16)
    assert place.station.fallback_current_a == 6
    for _ in range(60):
        # The polling goes on, the control loop does not.
        place.alone(2)
        await place.station.poll()
    assert place.drawn_a == pytest.approx(6)


async def test_a_box_at_pause_does_not_fall_back_to_charging(build: Build) -> None:
    of = profile(orders=RENEWED, watchdog=Watchdog(renewed_by="order", timeout_s=60, fallback_a=6))
    place = await build(of)
    place.box.watchdog_s = 60
    place.box.plug()
    await place.pass_time(600)
    assert place.box.energy_wh == 0


async def test_a_watchdog_that_writes_renew(build: Build) -> None:
    of = profile(orders=ZERO, watchdog=Watchdog(renewed_by="write", timeout_s=60))
    place = await build(of, anyone())
    place.box.watchdog_s = 60
    place.box.plug()
    await place.pass_time(600)
    assert place.drawn_a == pytest.approx(16)
    assert 15 < place.box.times(Order.LIMIT_A) < 25


async def test_a_renewal_does_not_hold_up_a_lower_limit(build: Build) -> None:
    limit = order(Order.LIMIT_A, minimum=6, maximum=32, interval_s=30, zero_pauses=True)
    of = profile(orders=(limit,), watchdog=Watchdog(renewed_by="write", timeout_s=10))
    place = await build(of, anyone())
    place.box.watchdog_s = 10
    place.box.plug()
    await place.pass_time(120)
    times = place.box.times(Order.LIMIT_A)
    while place.box.times(Order.LIMIT_A) == times:
        await place.pass_time(2)
    place.site.orders.limit(EVSE, 8)
    await place.turn()
    assert place.box.told[-1] == (Order.LIMIT_A, 8)
    # One that was changed just now waits, as its box wants it.
    place.site.orders.limit(EVSE, 7)
    await place.turn()
    assert place.box.told[-1] == (Order.LIMIT_A, 8)
    await place.pass_time(40)
    assert place.drawn_a == pytest.approx(7)


async def test_the_fallback_is_written_once(build: Build) -> None:
    orders = (*RENEWED, order(Order.FALLBACK_A), order(Order.WATCHDOG_S))
    of = profile(
        Role.FALLBACK_A, Role.WATCHDOG_S, orders=orders, watchdog=Watchdog(renewed_by="order")
    )
    place = await build(of, anyone(), fallback_current_a=8)
    place.box.overrides[Role.WATCHDOG_S] = 0
    await place.pass_time(1_300, every=10)
    assert place.box.times(Order.FALLBACK_A) == 1
    assert place.station.fallback_current_a == 8


async def test_a_box_that_is_gone_is_offline_and_comes_back(
    build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    place = await build(site=anyone())
    place.box.plug()
    await place.pass_time(60)
    place.box.gone = True
    await place.pass_time(2)
    assert place.station.online
    await place.pass_time(120)
    assert not place.station.online
    assert not place.state(EVSE).online
    assert place.station.fallback_current_a is None
    with pytest.raises(StationError) as raised:
        await place.station.start(EVSE, place.site.members.site_tag(None))
    assert raised.value.failure is Failure.OFFLINE
    assert caplog.text.count("does not answer") == 1
    place.box.gone = False
    await place.pass_time(60)
    assert place.state(EVSE).online
    assert place.drawn_a == pytest.approx(16)
    place.box.unplug()
    await place.pass_time(10)
    assert (await place.only_session()).energy_wh == pytest.approx(place.box.energy_wh, abs=2)


async def test_a_value_that_nobody_knows_is_named(build: Build) -> None:
    place = await build(site=anyone())
    place.box.unknown = {Role.STATUS: 17}
    await place.pass_time(20)
    assert [(one.what, one.detail) for one in place.happened] == [("unknown value", "status 17")]
    assert place.state(EVSE).error == "unknown status 17"
    place.box.unknown = {}
    place.box.overrides[Role.STATUS] = "faulted"
    await place.pass_time(4)
    assert place.state(EVSE).status is EvseStatus.FAULTED
    assert place.state(EVSE).error is None


async def test_what_it_can_do(build: Build) -> None:
    place = await build(profile(orders=(*SWITCH, order(Order.UNLOCK))))
    await place.pass_time(4)
    can = [
        c
        for c in (CanStart, CanStop, CanUnlock, CanRefresh, CanReset)
        if supports(place.station, c)
    ]
    assert can == [CanStart, CanStop, CanUnlock, CanRefresh]
    await place.site.orders.unlock(EVSE)
    assert place.box.times(Order.UNLOCK) == 1
    await place.station.refresh(EVSE)
    assert place.station.info.serial == "4711" or Role.SERIAL not in place.profile.readings


async def test_it_runs_until_it_is_cancelled(build: Build) -> None:
    place = await build(
        site=anyone(), pace=Pace(busy_s=0.001, idle_s=60, longest_s=0.01, least_s=0)
    )
    running = asyncio.create_task(place.station.run())
    await until(lambda: place.station.online)
    place.box.plug()
    place.box.tell_news()
    await until(lambda: place.state(EVSE).status is EvseStatus.PREPARING)
    place.box.gone = True
    place.box.tell_news()
    await until(lambda: not place.station.online)
    place.box.gone = False
    await until(lambda: place.station.online)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await place.station.close()
    assert not place.station.online


async def test_the_control_test_needs_a_car_that_draws_enough(build: Build) -> None:
    place = await build(site=anyone(), may_write=False)
    place.box.plant.limit_a = 6
    place.box.plug()
    await place.pass_time(60)
    findings = await place.station.test()
    assert [(one.probe, one.outcome) for one in findings] == [
        ("limit", Outcome.SKIPPED),
        ("pause", Outcome.OK),
        ("resume", Outcome.OK),
    ]
    assert place.box.plant.limit_a == 6


async def test_the_control_test_of_a_box_that_is_only_switched(build: Build) -> None:
    place = await build(profile(orders=SWITCH, without=(Role.LIMIT_A,)), anyone(), may_write=False)
    place.box.plug()
    await place.pass_time(60)
    findings = await place.station.test()
    assert [one.outcome for one in findings] == [Outcome.NOT_SUPPORTED, Outcome.OK, Outcome.OK]
    assert place.station.may_write


async def test_the_control_test_of_a_box_that_cannot_be_paused(build: Build) -> None:
    of = profile(orders=(order(Order.LIMIT_A, minimum=6, maximum=32, interval_s=0),))
    place = await build(of, anyone(), may_write=False)
    place.box.plug()
    await place.pass_time(60)
    findings = await place.station.test()
    assert [one.outcome for one in findings] == [Outcome.OK, Outcome.NOT_SUPPORTED]
    await place.pass_time(20)
    assert place.drawn_a == pytest.approx(16)
    place.site.orders.allow(EVSE, allowed=False)
    await place.pass_time(20)
    assert place.site.controller.refusals[EVSE].detail == "it cannot be paused"


async def test_a_box_that_refuses_fails_the_control_test(build: Build) -> None:
    place = await build(site=anyone(), may_write=False)
    place.box.refuses = dict.fromkeys(Order, LinkFault.WRITE_ACCESS)
    place.box.plug()
    await place.pass_time(60)
    findings = await place.station.test()
    assert all(one.outcome is Outcome.FAILED for one in findings)
    assert not place.station.may_write


async def test_the_control_test_ends_where_the_site_needs_the_current(build: Build) -> None:
    place = await build(site=anyone())
    place.box.plug()
    await place.pass_time(60)
    setpoint = place.state(EVSE).setpoint
    assert setpoint is not None

    async def needed(seconds: float) -> None:
        await place._sleep(seconds)
        await place.station.apply(
            replace(setpoint, current_a=0, valid_until=place.now + timedelta(minutes=5))
        )

    place.station._sleep = needed
    findings = await place.station.test()
    assert findings[-1].outcome is Outcome.SKIPPED
    place.box.step(10)
    assert place.drawn_a == 0


async def test_the_control_test_of_a_car_that_nobody_let_in(build: Build) -> None:
    place = await build()
    place.box.plug()
    place.box.step(10)
    await place.station.poll()
    findings = await place.station.test()
    assert [one.outcome for one in findings] == [Outcome.SKIPPED]


async def test_orders_that_cannot_be(build: Build) -> None:
    place = await build(profile(orders=SWITCH))
    await place.pass_time(4)
    token = place.site.members.site_tag(None)
    calls = (
        place.station.stop(99),
        place.station.start(EvseId("box", 2), token),
        place.station.unlock(EVSE),
    )
    for call in calls:
        with pytest.raises(StationError):
            await call
    place.box.plug()
    await place.pass_time(4)
    await place.station.start(EVSE, token)
    with pytest.raises(StationError, match="already"):
        await place.station.start(EVSE, token)


async def test_a_box_that_does_not_answer_at_first(
    build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    place = await build(site=anyone())
    place.box.gone = True
    await place.pass_time(60)
    assert not place.station.online
    assert caplog.text.count("does not answer") == 1
    place.box.gone = False
    place.box.plug()
    await place.pass_time(60)
    assert place.drawn_a == pytest.approx(16)


async def test_a_failed_write_is_tried_again(build: Build) -> None:
    place = await build(site=anyone())
    place.box.plug()
    await place.pass_time(60)
    place.box.refuses = {Order.LIMIT_A: LinkFault.BUSY}
    place.site.orders.limit(EVSE, 8)
    await place.pass_time(30)
    assert place.site.controller.refusals[EVSE].failure is Failure.REFUSED
    place.box.refuses = {}
    await place.pass_time(60)
    assert place.drawn_a == pytest.approx(8)
    assert EVSE not in place.site.controller.refusals


async def test_a_box_that_tells_only_its_power(build: Build) -> None:
    none = tuple(role for role in profile().readings if role is not Role.POWER_W)
    place = await build(profile(without=none), anyone())
    place.box.plug()
    await place.pass_time(300)
    assert place.state(EVSE).status is EvseStatus.CHARGING
    session = place.state(EVSE).session
    assert session is not None
    assert SessionFlag.ESTIMATED in session.flags
    await place.site.orders.stop(EVSE)
    await place.pass_time(60)
    assert place.drawn_a == 0
    await place.site.orders.start(EVSE, None)
    await place.pass_time(60)
    assert place.drawn_a == pytest.approx(16)
    assert await place.booked_wh() == pytest.approx(place.box.energy_wh, rel=0.2)


async def test_a_fault_of_the_site_does_not_end_the_polling(
    build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    place = await build(site=anyone(), pace=Pace(busy_s=0.001, idle_s=0.001))
    place.events.kill_at = 1
    running = asyncio.create_task(place.station.run())
    await until(lambda: place.events.calls > 1 and place.state(EVSE).status is not None)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert caplog.text.count("could not be served") == 1
    assert place.state(EVSE).status is EvseStatus.AVAILABLE


async def test_a_charge_that_nobody_was_let_in_for_goes_to_who_shows_a_card(build: Build) -> None:
    orders = (*profile().orders.values(), order(Order.FORGET_TOKEN))
    place = await build(profile(Role.TOKEN, orders=orders))
    place.box.deaf = True
    place.box.refuses = {Order.FORGET_TOKEN: LinkFault.BUSY}
    place.box.plug()
    await place.pass_time(30)
    assert place.state(EVSE).session is not None
    place.box.token = "04AA0001"
    await place.pass_time(10)
    place.box.token = None
    await place.pass_time(4)
    place.box.token = "04AA0001"
    await place.pass_time(10)
    place.box.unplug()
    await place.pass_time(10)
    first, second = await place.sessions()
    assert SessionFlag.UNAUTHORIZED in first.flags
    assert (second.user_id, second.flags) == ("anna", frozenset())
    assert await place.booked_wh() == pytest.approx(place.box.energy_wh, abs=3)
    assert len(place.taps) == 1


async def test_who_charges_elsewhere_is_not_let_in_twice(build: Build) -> None:
    place = await build()
    place.box.plug()
    await place.pass_time(10)
    await place.station.start(EVSE, UNKNOWN)
    await place.pass_time(60)
    assert place.drawn_a == 0
    assert place.state(EVSE).status is EvseStatus.FINISHING


async def test_what_flowed_before_the_box_was_paused_is_booked(build: Build) -> None:
    place = await build(site=anyone())
    await place.pass_time(4)
    await place.station.close()
    place.box.restart()
    place.box.plug()
    place.alone(120)
    await place.reopen()
    await place.pass_time(60)
    place.box.unplug()
    await place.pass_time(10)
    assert await place.booked_wh() == pytest.approx(place.box.energy_wh, abs=3)


async def test_a_box_that_takes_no_fallback_is_told_to_the_log(
    build: Build, caplog: pytest.LogCaptureFixture
) -> None:
    orders = (*RENEWED, order(Order.FALLBACK_A))
    of = profile(Role.FALLBACK_A, orders=orders, watchdog=Watchdog(renewed_by="order"))
    place = await build(of, anyone(), fallback_current_a=8)
    place.box.refuses = {Order.FALLBACK_A: LinkFault.WRITE_ACCESS, Order.RENEW: LinkFault.BUSY}
    await place.pass_time(10)
    assert caplog.text.count("Could not set fallback_a") == 1
    assert place.station.fallback_current_a == 6


async def test_the_control_test_goes_by_power_where_no_current_is_told(build: Build) -> None:
    without = (Role.CURRENT_A_1, Role.CURRENT_A_2, Role.CURRENT_A_3)
    place = await build(profile(without=without), anyone(), may_write=False)
    place.box.plug()
    await place.pass_time(60)
    findings = await place.station.test()
    assert [one.outcome for one in findings] == [Outcome.OK] * 3
    assert findings[1].detail.endswith("→ 0 W")


async def test_the_control_test_of_a_car_that_just_left(build: Build) -> None:
    place = await build(site=anyone(), may_write=False)
    place.box.plug()
    await place.pass_time(60)
    place.box.unplug()
    findings = await place.station.test()
    assert [(one.probe, one.outcome) for one in findings] == [("charging", Outcome.SKIPPED)]
    assert not place.station.may_write
    assert place.box.told == []


async def test_a_car_that_leaves_during_the_control_test_fails_it(build: Build) -> None:
    place = await build(site=anyone(), may_write=False)
    place.box.plug()
    await place.pass_time(60)

    async def leaves(seconds: float) -> None:
        await place._sleep(seconds)
        place.box.overrides = dict.fromkeys(place.profile.readings)

    place.station._sleep = leaves
    findings = await place.station.test()
    assert {one.outcome for one in findings} == {Outcome.FAILED}
    assert findings[-1].detail == "unknown → unknown"
    assert not place.station.may_write


async def test_who_leaves_as_the_box_fails_is_noticed_later(build: Build) -> None:
    """A cable that seems to be out for one poll does not end a charge."""
    place = await build(site=anyone())
    place.box.plug()
    await place.pass_time(60)
    place.site.orders.allow(EVSE, allowed=False)
    await place.pass_time(30)
    place.box.overrides[Role.STATUS] = "available"
    await place.pass_time(2)
    place.box.overrides.clear()
    place.site.orders.allow(EVSE, allowed=True)
    await place.pass_time(30)
    assert place.drawn_a > 6
    place.box.overrides[Role.STATUS] = "faulted"
    await place.pass_time(20)
    assert place.state(EVSE).status is EvseStatus.FAULTED
    place.box.overrides[Role.STATUS] = "reserved"
    place.box.unplug()
    await place.pass_time(20)
    assert place.state(EVSE).status is EvseStatus.RESERVED
    assert (await place.only_session()).energy_wh == pytest.approx(place.box.energy_wh, abs=2)
