"""Who is let in, what the controller starts where anyone may charge, and whom it ends."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from custom_components.forecourt.core.access.autostart import RETRY, SETTLE, TAP_HOLDS
from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.session import SessionFlag
from custom_components.forecourt.core.model.setpoint import LimitReason
from custom_components.forecourt.core.model.token import (
    Authorization,
    AuthorizationReason,
    AuthorizationStatus,
)
from custom_components.forecourt.site.controller import EVICT_AFTER
from custom_components.forecourt.stations.base import CanStart, CanStop, Failure

from .world import ANNAS, BENS, CARLS, EVSE, TOKENS, UNKNOWN, USERS, World, reasons

YARD = EvseId("yard", 1)
ELSEWHERE = (AuthorizationStatus.CONCURRENT, AuthorizationReason.CHARGING_ELSEWHERE)
OVER = (AuthorizationStatus.EXPIRED, AuthorizationReason.EXPIRED_TOKEN)


def said(answer: Authorization) -> tuple[AuthorizationStatus, AuthorizationReason]:
    return answer.status, answer.reason


def give(world: World, **changes: object) -> None:
    """Change what every card is good for."""
    world.site.set_members(USERS, [replace(one, **changes) for one in TOKENS])


async def test_who_plugs_in_is_started(anyone: World) -> None:
    box = anyone.add()
    await anyone.plug()
    await anyone.turn()
    assert box.all("start") == []
    anyone.now += SETTLE
    await anyone.turn()
    assert box.all("start") == [(EVSE, anyone.site.members.site_tag(None))]
    await anyone.start(anyone.site.members.site_tag(None))
    anyone.now += RETRY
    await anyone.turn()
    assert len(box.all("start")) == 1


async def test_a_start_that_the_station_asks_about_is_no_tap(anyone: World) -> None:
    box = anyone.add(evses=2)
    await anyone.plug()
    anyone.now += SETTLE
    await anyone.turn()
    assert (await anyone.tap(anyone.site.members.site_tag(None))).accepted
    await anyone.start(anyone.site.members.site_tag(None))
    second = EvseId("garage", 2)
    await anyone.plug(second)
    anyone.now += SETTLE
    await anyone.turn()
    assert [evse for evse, _ in box.all("start")] == [EVSE, second]


async def test_a_start_that_does_not_work_is_tried_again(
    anyone: World, caplog: pytest.LogCaptureFixture
) -> None:
    box = anyone.add()
    box.failure = Failure.REFUSED
    await anyone.plug()
    anyone.now += SETTLE
    for _ in range(10):
        await anyone.turn()
        anyone.now += RETRY
    assert len(box.all("start")) == 3
    assert "garage/1 did not start by itself: garage: refused" in caplog.text
    # The next car is another matter.
    await anyone.free()
    await anyone.plug()
    anyone.now += SETTLE
    await anyone.turn()
    assert len(box.all("start")) == 4


async def test_who_showed_a_card_first_is_left_to_the_station(anyone: World) -> None:
    box = anyone.add()
    await anyone.tap(ANNAS)
    await anyone.plug()
    anyone.now += SETTLE
    await anyone.turn()
    assert box.all("start") == []
    anyone.now += TAP_HOLDS
    await anyone.turn()
    assert len(box.all("start")) == 1


async def test_a_card_that_was_refused_holds_nothing_up(anyone: World) -> None:
    box = anyone.add()
    await anyone.tap(UNKNOWN)
    await anyone.plug()
    anyone.now += SETTLE
    await anyone.turn()
    assert len(box.all("start")) == 1


async def test_where_only_members_may_charge_nothing_starts_by_itself(world: World) -> None:
    box = world.add()
    await world.plug()
    world.wait(minutes=5)
    await world.turn()
    assert box.all("start") == []


async def test_a_station_that_cannot_be_started_is_not_asked(anyone: World) -> None:
    box = anyone.add()
    box.lacks.add(CanStart)
    await anyone.plug()
    anyone.wait(minutes=5)
    await anyone.turn()
    assert box.told == []


# --- who may not charge ---------------------------------------------------------------------------


async def test_a_stranger_is_paused_at_once_and_stopped_soon(world: World) -> None:
    box = world.add()
    transaction_id = (await world.start(UNKNOWN)).transaction_id
    await world.turn()
    setpoint = world.state().setpoint
    assert setpoint is not None
    assert (setpoint.current_a, setpoint.reason) == (0, LimitReason.NOT_AUTHORIZED)
    assert box.all("stop") == []
    world.now += EVICT_AFTER
    await world.turn()
    assert box.all("stop") == [transaction_id]
    await world.turn()
    assert len(box.all("stop")) == 1
    world.now += EVICT_AFTER
    await world.turn()
    assert len(box.all("stop")) == 2


async def test_the_next_stranger_gets_the_same_time(world: World) -> None:
    box = world.add()
    first = (await world.start(UNKNOWN)).transaction_id
    world.now += EVICT_AFTER
    await world.turn()
    await world.stop(first, 1_001)
    world.wait(hours=1)
    await world.start(UNKNOWN, 1_001)
    await world.turn()
    assert box.all("stop") == [first]


async def test_a_stranger_who_cannot_be_stopped_is_paused(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    box = world.add()
    await world.start(UNKNOWN)
    box.lacks.add(CanStop)
    world.now += EVICT_AFTER
    await world.turn()
    assert box.all("stop") == []
    box.lacks.clear()
    box.failure = Failure.REFUSED
    await world.turn()
    assert len(box.all("stop")) == 1
    assert "garage/1 does not end an unauthorised charge: garage: refused" in caplog.text


async def test_a_stranger_at_a_station_that_is_away_is_stopped_later(world: World) -> None:
    box = world.add()
    await world.start(UNKNOWN)
    box.online = False
    world.site.station_changed(box)
    world.now += EVICT_AFTER
    await world.turn()
    assert box.told == []
    box.online = True
    world.site.station_changed(box)
    await world.turn()
    assert len(box.all("stop")) == 1


async def test_who_ended_is_not_stopped(world: World) -> None:
    box = world.add()
    await world.stop((await world.start(UNKNOWN)).transaction_id, 1_001)
    session = world.state().session
    assert session is not None
    assert SessionFlag.UNAUTHORIZED in session.flags
    world.wait(hours=1)
    await world.turn()
    assert box.told == []


# --- one card, one car ----------------------------------------------------------------------------


async def test_a_card_charges_one_car_at_a_time(world: World) -> None:
    world.add()
    yard = world.add("yard")
    first = await world.start(ANNAS)
    assert said(await world.tap(ANNAS, "yard")) == ELSEWHERE
    # A station that did not ask is told so, and the energy is booked.
    answer = await world.start(ANNAS, evse=YARD)
    assert said(answer.authorization) == ELSEWHERE
    session = world.state(YARD).session
    assert session is not None
    assert (session.user_id, session.flags) == (None, {SessionFlag.UNAUTHORIZED})
    assert session.token_last4 == "0001"
    world.now += EVICT_AFTER
    await world.turn()
    assert yard.all("stop") == [answer.transaction_id]
    assert reasons(world.taps) == ["known_user", "charging_elsewhere"]
    # The one that was refused does not keep the other from going on, nor from being told again.
    assert await world.start(ANNAS, at=first_at(world)) == first
    assert (await world.tap(ANNAS)).accepted


def first_at(world: World) -> object:
    session = world.state().session
    assert session is not None
    return session.started_at


async def test_when_the_first_car_is_done_the_next_may_charge(world: World) -> None:
    world.add()
    world.add("yard")
    await world.stop((await world.start(ANNAS)).transaction_id, 1_100)
    assert (await world.tap(ANNAS, "yard")).accepted
    assert (await world.start(ANNAS, evse=YARD)).authorization.accepted


async def test_a_start_that_was_refused_is_refused_again(world: World) -> None:
    """Its answer was lost, and meanwhile the card would be let in."""
    world.add()
    world.add("yard")
    first = await world.start(ANNAS)
    at = world.now
    refused = await world.start(ANNAS, evse=YARD)
    await world.stop(first.transaction_id, 1_100)
    for _ in range(2):
        assert await world.start(ANNAS, evse=YARD, at=at) == refused
        await world.restart()
    # Who is refused for a reason of their own still hears that one.
    unknown = await world.start(UNKNOWN, evse=YARD)
    assert await world.start(UNKNOWN, evse=YARD) == unknown
    assert unknown.authorization.reason is AuthorizationReason.UNKNOWN_TOKEN


async def test_a_start_that_was_let_in_is_let_in_again(world: World) -> None:
    """Its answer was lost, and an older charge of the same card was told only then."""
    world.add()
    world.add("yard")
    at = world.now
    first = await world.start(ANNAS)
    world.wait(seconds=30)
    await world.start(ANNAS, evse=YARD, at=at - timedelta(minutes=1), replayed=True)
    for _ in range(2):
        assert await world.start(ANNAS, at=at) == first
        await world.restart()
    # A card that was blocked meanwhile is another matter.
    blocked = [replace(one, blocked=one.token == ANNAS) for one in TOKENS]
    world.site.set_members(USERS, blocked)
    again = await world.start(ANNAS, at=at)
    assert again.transaction_id == first.transaction_id
    assert again.authorization.status is AuthorizationStatus.BLOCKED


async def test_another_token_in_a_charge_that_was_refused_is_judged_by_itself(world: World) -> None:
    world.add()
    await world.start(UNKNOWN, reference="T1")
    assert not (await world.start(UNKNOWN, reference="T1")).authorization.accepted
    assert (await world.start(ANNAS, reference="T1")).authorization.accepted


async def test_a_start_that_is_told_again_is_not_elsewhere(world: World) -> None:
    world.add()
    at = world.now
    answers = []
    for _ in range(3):
        answers.append(await world.start(ANNAS, at=at))
        world.wait(seconds=20)
    assert [answer.authorization.accepted for answer in answers] == [True] * 3
    # Nor is another one at the same outlet, whose end was never told.
    assert (await world.start(ANNAS, 2_000)).authorization.accepted


async def test_the_other_outlet_of_a_station_is_elsewhere(world: World) -> None:
    world.add(evses=2)
    await world.start(ANNAS)
    # The reader does not say for which outlet: it may be to end the charge.
    assert (await world.tap(ANNAS)).accepted
    answer = await world.start(ANNAS, evse=EvseId("garage", 2))
    assert said(answer.authorization) == ELSEWHERE


async def test_who_may_end_a_charge_is_let_in_although_they_charge_elsewhere(world: World) -> None:
    world.add()
    world.add("yard")
    await world.start(ANNAS)
    await world.start(BENS, evse=YARD)
    # Anna and Ben are a family.
    assert (await world.tap(ANNAS, "yard")).accepted
    assert (await world.tap(ANNAS)).accepted
    answer = await world.stop(2, 1_100, "yard", token=ANNAS, reason="Local")
    assert answer is not None
    assert answer.accepted
    assert said(await world.tap(ANNAS, "yard")) == ELSEWHERE


async def test_two_cards_of_one_user_charge_two_cars(world: World) -> None:
    world.add()
    world.add("yard")
    world.site.set_members(USERS, [*TOKENS, replace(TOKENS[0], token=UNKNOWN)])
    await world.start(ANNAS)
    assert (await world.start(UNKNOWN, evse=YARD)).authorization.accepted


@pytest.mark.parametrize(("most", "starts"), [(1, 1), (2, 2), (None, 4)])
async def test_a_card_of_a_fleet_charges_as_many_cars_as_it_may(
    world: World, most: int | None, starts: int
) -> None:
    give(world, max_sessions=most)
    answers = []
    for number in range(4):
        world.add(f"box {number}")
        answers.append(await world.start(ANNAS, evse=EvseId(f"box {number}", 1)))
    accepted = [answer.authorization.accepted for answer in answers]
    assert accepted == [True] * starts + [False] * (4 - starts)


async def test_the_tags_of_the_site_charge_any_number(world: World) -> None:
    tag = world.site.members.site_tag("anna")
    for number in range(3):
        world.add(f"box {number}")
        answer = await world.start(tag, evse=EvseId(f"box {number}", 1))
        assert answer.authorization.accepted
    # Neither do they keep the user's card from charging.
    world.add()
    assert (await world.start(ANNAS)).authorization.accepted


async def test_two_starts_at_the_same_moment_are_not_both_the_first(world: World) -> None:
    world.add()
    world.add("yard")
    answers = await asyncio.gather(world.start(ANNAS), world.start(ANNAS, evse=YARD))
    assert sorted(answer.authorization.accepted for answer in answers) == [False, True]


async def test_a_card_is_still_charging_after_a_restart(world: World) -> None:
    world.add()
    world.add("yard")
    await world.start(ANNAS)
    for box in world.boxes.values():
        box.online = False
    await world.restart()
    assert said(await world.tap(ANNAS, "yard")) == ELSEWHERE


async def test_a_station_that_is_gone_for_good_does_not_keep_a_card_for_good(world: World) -> None:
    box = world.add()
    world.add("yard")
    await world.start(ANNAS)
    box.online = False
    world.site.station_changed(box)
    world.wait(minutes=59)
    assert said(await world.tap(ANNAS, "yard")) == ELSEWHERE
    world.wait(minutes=1)
    assert (await world.tap(ANNAS, "yard")).accepted
    # It comes back, and the charge went on.
    box.online = True
    world.site.station_changed(box)
    assert said(await world.tap(ANNAS, "yard")) == ELSEWHERE


async def test_a_start_that_is_told_late_is_judged_by_its_time(world: World) -> None:
    """What began after it was not elsewhere when it began."""
    world.add()
    world.add("yard")
    began = world.now
    world.wait(hours=1)
    await world.start(ANNAS, evse=YARD)
    answer = await world.start(ANNAS, at=began, replayed=True)
    assert answer.authorization.accepted
    session = world.state().session
    assert session is not None
    assert (session.user_id, session.flags) == ("anna", {SessionFlag.OFFLINE})
    world.add("third")
    late = await world.start(
        ANNAS, evse=EvseId("third", 1), at=began + timedelta(minutes=1), replayed=True
    )
    assert said(late.authorization) == ELSEWHERE
    third = world.state(EvseId("third", 1)).session
    assert third is not None
    assert third.flags == {SessionFlag.OFFLINE, SessionFlag.UNAUTHORIZED}


async def test_a_card_that_charges_elsewhere_takes_over_nothing(anyone: World) -> None:
    anyone.add()
    anyone.add("yard")
    await anyone.start(ANNAS, evse=YARD)
    await anyone.start(anyone.site.members.site_tag(None))
    # It may end a charge of nobody, but it does not become its own.
    assert (await anyone.tap(ANNAS)).accepted
    session = anyone.state().session
    assert session is not None
    assert session.user_id is None


# --- until its time is over -----------------------------------------------------------------------


async def test_a_card_is_good_until_its_time_is_over(world: World) -> None:
    world.add()
    over_at = world.now + timedelta(hours=1)
    give(world, expires_at=over_at)
    answer = await world.tap(ANNAS)
    assert (answer.accepted, answer.expires_at) == (True, over_at)
    world.wait(hours=1)
    assert said(await world.tap(ANNAS)) == OVER
    started = await world.start(ANNAS)
    assert said(started.authorization) == OVER
    session = world.state().session
    assert session is not None
    assert session.flags == {SessionFlag.UNAUTHORIZED}
    assert reasons(world.taps) == ["known_user", "expired_token"]


@pytest.mark.parametrize(("minutes", "flags"), [(59, set()), (60, {SessionFlag.UNAUTHORIZED})])
async def test_a_start_that_is_told_late_is_judged_by_what_was_valid_then(
    world: World, minutes: int, flags: set[SessionFlag]
) -> None:
    world.add()
    noon = world.now
    give(world, expires_at=noon + timedelta(hours=1))
    world.wait(hours=9)
    await world.start(ANNAS, at=noon + timedelta(minutes=minutes), replayed=True)
    session = world.state().session
    assert session is not None
    assert session.flags == {SessionFlag.OFFLINE} | flags


async def test_a_charge_goes_on_when_the_time_of_its_card_is_over(world: World) -> None:
    box = world.add()
    give(world, expires_at=world.now + timedelta(hours=1))
    await world.start(ANNAS)
    world.wait(hours=2)
    await world.turn()
    assert box.all("stop") == []


async def test_a_charge_without_a_token_is_allowed_where_anyone_may(
    world: World, anyone: World
) -> None:
    world.add()
    answer = await anyone.start(None)
    assert said(answer.authorization) == (
        AuthorizationStatus.ACCEPTED,
        AuthorizationReason.NO_TOKEN,
    )


async def test_a_charge_without_a_token_is_refused_where_only_members_may(world: World) -> None:
    world.add()
    answer = await world.start(None)
    assert said(answer.authorization) == (
        AuthorizationStatus.INVALID,
        AuthorizationReason.NO_TOKEN,
    )
    session = world.state().session
    assert session is not None
    assert session.flags == {SessionFlag.UNAUTHORIZED}


async def test_another_user_may_charge_meanwhile(world: World) -> None:
    world.add()
    world.add("yard")
    await world.start(ANNAS)
    assert (await world.tap(CARLS, "yard")).accepted
