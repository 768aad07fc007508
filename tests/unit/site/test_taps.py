"""Whoever shows a card: the answer, the event, and who pays."""

from dataclasses import replace
from datetime import timedelta

import pytest

from custom_components.forecourt.core.model.evse import EvseStatus
from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.session import SessionFlag
from custom_components.forecourt.core.model.token import (
    AuthorizationReason,
    AuthorizationStatus,
    Token,
)

from .world import ANNAS, BARRED, BENS, CARLS, EVSE, UNKNOWN, World, reasons


async def test_tap_then_plug(world: World) -> None:
    world.add()
    answer = await world.tap(ANNAS)
    assert answer.accepted
    world.wait(seconds=20)
    await world.plug()
    assert (await world.start(ANNAS)).authorization == answer
    assert [(tap.station_id, tap.last4, tap.authorization) for tap in world.taps] == [
        ("garage", "0001", answer)
    ]
    session = world.state().session
    assert session is not None
    assert (session.user_id, session.token_last4) == ("anna", "0001")


async def test_plug_then_tap(world: World) -> None:
    world.add()
    await world.plug()
    world.wait(seconds=40)
    assert (await world.tap(ANNAS)).accepted
    world.wait(seconds=2)
    await world.start(ANNAS)
    assert len(world.taps) == await world.rows("taps") == 1
    session = world.state().session
    assert session is not None
    assert session.plugged_at == world.now - timedelta(seconds=42)


async def test_every_tap_is_an_event_also_of_the_same_card(world: World) -> None:
    world.add()
    for _ in range(3):
        await world.tap(ANNAS)
    assert [tap.last4 for tap in world.taps] == ["0001"] * 3
    assert await world.rows("taps") == 3


async def test_a_tap_that_the_station_did_not_ask_about_is_an_event(world: World) -> None:
    """A station that keeps cards in a list of its own starts and stops without asking."""
    world.add()
    transaction_id = (await world.start(ANNAS)).transaction_id
    assert len(world.taps) == 1
    world.wait(seconds=30)
    answer = await world.stop(transaction_id, 1_100, token=ANNAS, reason="Local")
    assert answer is not None
    assert answer.accepted
    assert len(world.taps) == await world.rows("taps") == 2


async def test_a_tap_that_was_asked_about_is_not_counted_again(world: World) -> None:
    world.add()
    await world.tap(ANNAS)
    transaction_id = (await world.start(ANNAS)).transaction_id
    world.wait(minutes=1)
    await world.tap(ANNAS)
    await world.stop(transaction_id, 1_100, token=ANNAS)
    assert len(world.taps) == await world.rows("taps") == 2


async def test_a_tap_long_ago_was_another_one(world: World) -> None:
    world.add()
    await world.tap(ANNAS)
    world.wait(minutes=4)
    await world.start(ANNAS)
    assert len(world.taps) == 2


async def test_taps_of_two_cards_at_two_outlets_are_counted_once_each(world: World) -> None:
    world.add(evses=2)
    await world.tap(ANNAS)
    await world.tap(CARLS)
    await world.start(ANNAS)
    await world.start(CARLS, evse=EvseId("garage", 2))
    assert [tap.last4 for tap in world.taps] == ["0001", "0003"]


async def test_a_start_or_stop_that_is_told_again_is_no_other_tap(world: World) -> None:
    world.add()
    for _ in range(3):
        answer = await world.start(ANNAS, at=world.now)
    for _ in range(3):
        await world.stop(answer.transaction_id, 1_100, token=ANNAS)
    assert len(world.taps) == await world.rows("taps") == 2


@pytest.mark.parametrize(
    ("reason", "taps"), [(None, 1), ("Local", 1), ("EVDisconnected", 0), ("PowerLoss", 0)]
)
async def test_a_token_that_comes_with_an_end_that_nobody_asked_for_is_no_tap(
    world: World, reason: str | None, taps: int
) -> None:
    world.add()
    await world.tap(ANNAS)
    transaction_id = (await world.start(ANNAS)).transaction_id
    world.taps.clear()
    world.wait(hours=1)
    answer = await world.stop(transaction_id, 1_100, token=ANNAS, reason=reason)
    assert answer is not None
    assert answer.accepted
    assert len(world.taps) == taps


async def test_a_tap_from_offline_times_is_booked_and_no_event(world: World) -> None:
    world.add()
    await world.start(ANNAS, at=world.now - timedelta(hours=3), replayed=True)
    assert world.taps == []
    assert await world.rows("taps") == 1


@pytest.mark.parametrize(
    ("token", "status", "reason"),
    [
        (UNKNOWN, AuthorizationStatus.INVALID, AuthorizationReason.UNKNOWN_TOKEN),
        (BARRED, AuthorizationStatus.BLOCKED, AuthorizationReason.BLOCKED_TOKEN),
    ],
)
async def test_who_is_not_known_is_refused_whoever_may_charge(
    anyone: World, token: Token, status: AuthorizationStatus, reason: AuthorizationReason
) -> None:
    anyone.add()
    answer = await anyone.tap(token)
    assert (answer.status, answer.reason) == (status, reason)
    assert [tap.authorization for tap in anyone.taps] == [answer]
    assert [seen.reason for seen in await anyone.ledger.refusals()] == [reason]


async def test_another_users_tap_does_not_stop(world: World) -> None:
    world.add()
    await world.start(ANNAS)
    answer = await world.tap(CARLS)
    assert (answer.status, answer.reason, answer.user_id) == (
        AuthorizationStatus.INVALID,
        AuthorizationReason.OTHER_USERS_SESSION,
        "carl",
    )


async def test_one_of_the_same_group_may_stop(world: World) -> None:
    world.add()
    started = await world.start(ANNAS)
    answer = await world.tap(BENS)
    assert answer.accepted
    assert answer.group == started.authorization.group == "group:family"


async def test_where_nobody_charges_any_more_another_user_may(world: World) -> None:
    world.add()
    await world.plug()
    await world.stop((await world.start(ANNAS)).transaction_id, 1_100)
    assert (await world.tap(CARLS)).accepted


async def test_the_tag_of_the_site_is_not_another_user(world: World) -> None:
    world.add()
    await world.start(ANNAS)
    assert (await world.tap(world.site.members.site_tag("carl"))).accepted


async def test_another_user_may_charge_at_the_outlet_that_is_free(world: World) -> None:
    world.add(evses=2)
    await world.start(ANNAS)
    assert (await world.tap(CARLS)).accepted
    await world.start(CARLS, evse=EvseId("garage", 2))
    assert (await world.tap(CARLS)).accepted
    assert (await world.tap(ANNAS)).accepted


async def test_a_station_that_is_not_known_gets_an_answer(world: World) -> None:
    assert (await world.tap(ANNAS, "somewhere")).accepted


# --- where anyone may charge ----------------------------------------------------------------------


async def started_by_the_site(world: World) -> int:
    tag = world.site.members.site_tag(None)
    return (await world.start(tag)).transaction_id


async def test_a_charge_of_nobody_is_the_default_users(anyone: World) -> None:
    anyone.site.settings = replace(anyone.settings, default_user_id="ben")
    anyone.add()
    await started_by_the_site(anyone)
    session = anyone.state().session
    assert session is not None
    assert session.user_id == "ben"


async def test_who_shows_a_card_takes_over_a_charge_of_nobody(anyone: World) -> None:
    anyone.add()
    await started_by_the_site(anyone)
    assert (await anyone.tap(ANNAS)).accepted
    session = anyone.state().session
    assert session is not None
    assert (session.user_id, session.token_last4) == ("anna", "0001")
    assert await anyone.sessions() == [session]
    # It is hers now.
    assert (await anyone.tap(CARLS)).reason is AuthorizationReason.OTHER_USERS_SESSION


async def test_who_shows_a_card_takes_over_a_charge_of_the_default_user(anyone: World) -> None:
    anyone.site.settings = replace(anyone.settings, default_user_id="ben")
    anyone.add()
    await started_by_the_site(anyone)
    assert (await anyone.tap(BENS)).accepted
    session = anyone.state().session
    assert session is not None
    assert (session.user_id, session.token_last4) == ("ben", None)
    assert (await anyone.tap(CARLS)).accepted
    session = anyone.state().session
    assert session is not None
    assert session.user_id == "carl"


async def test_a_barred_card_takes_over_nothing(anyone: World) -> None:
    anyone.add()
    await started_by_the_site(anyone)
    assert not (await anyone.tap(BARRED)).accepted
    assert [session.user_id for session in await anyone.sessions()] == [None]


async def test_the_tag_of_the_site_takes_over_nothing(anyone: World) -> None:
    """A station may ask about the tag with which the site starts a charge at the other outlet."""
    anyone.add(evses=2)
    await started_by_the_site(anyone)
    assert (await anyone.tap(anyone.site.members.site_tag("anna"))).accepted
    assert [session.user_id for session in await anyone.sessions()] == [None]


async def test_of_two_charges_of_nobody_none_is_taken_over(anyone: World) -> None:
    anyone.add(evses=2)
    for number in (1, 2):
        await anyone.start(anyone.site.members.site_tag(None), evse=EvseId("garage", number))
    assert (await anyone.tap(ANNAS)).accepted
    assert [session.user_id for session in await anyone.sessions()] == [None, None]


async def test_the_charge_of_a_stranger_is_not_taken_over(anyone: World) -> None:
    anyone.add()
    await anyone.start(UNKNOWN)
    await anyone.tap(ANNAS)
    session = anyone.state().session
    assert session is not None
    assert session.user_id is None
    assert SessionFlag.UNAUTHORIZED in session.flags


async def test_where_only_members_may_charge_nothing_is_taken_over(world: World) -> None:
    world.add()
    await started_by_the_site(world)
    assert (await world.tap(ANNAS)).accepted
    session = world.state().session
    assert session is not None
    assert session.user_id is None


async def test_a_charge_that_ended_is_not_taken_over(anyone: World) -> None:
    anyone.add()
    await anyone.stop(await started_by_the_site(anyone), 1_100)
    await anyone.tap(ANNAS)
    assert [session.user_id for session in await anyone.sessions()] == [None]


# --- the tags of the site -------------------------------------------------------------------------


async def test_the_tag_of_the_site_is_no_tap(world: World) -> None:
    world.add()
    tag = world.site.members.site_tag("anna")
    answer = await world.tap(tag)
    assert (answer.accepted, answer.reason, answer.user_id) == (
        True,
        AuthorizationReason.SITE_TAG,
        "anna",
    )
    transaction_id = (await world.start(tag)).transaction_id
    session = world.state().session
    assert session is not None
    # Its digits say nothing to anybody.
    assert (session.user_id, session.token_last4) == ("anna", None)
    await world.stop(transaction_id, 1_100, token=tag)
    assert world.taps == []
    assert await world.rows("taps") == 0


async def test_the_card_of_a_user_may_stop_what_their_tag_started(world: World) -> None:
    world.add()
    started = await world.start(world.site.members.site_tag("carl"))
    assert (await world.tap(CARLS)).group == started.authorization.group == "user:carl"


async def test_tags_are_stable_secret_and_fit_every_station(world: World) -> None:
    members = world.site.members
    tags = {members.site_tag(user_id) for user_id in (None, "anna", "ben")}
    assert len(tags) == 3
    assert all(len(tag.uid) == 20 and members.is_site_tag(tag) for tag in tags)
    await world.restart()
    assert tags == {world.site.members.site_tag(user_id) for user_id in (None, "anna", "ben")}
    assert not world.site.members.is_site_tag(ANNAS)


async def test_the_tag_of_a_user_who_left_is_refused(world: World) -> None:
    world.add()
    tag = world.site.members.site_tag("anna")
    world.site.set_members([], [])
    assert (dict(world.site.members.users), dict(world.site.members.tokens)) == ({}, {})
    assert not (await world.tap(tag)).accepted
    assert (await world.tap(world.site.members.site_tag(None))).accepted
    assert reasons(world.taps) == [AuthorizationReason.UNKNOWN_TOKEN]


async def test_status_before_the_station_is_known_is_dropped(world: World) -> None:
    await world.status(EvseStatus.AVAILABLE, EVSE)
    assert EVSE not in world.site.board
