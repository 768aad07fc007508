"""Teaching the site a new card."""

import asyncio
from datetime import timedelta

import pytest

from custom_components.forecourt.core.access.enrolment import WINDOW
from custom_components.forecourt.core.model.token import (
    AuthorizationReason,
    AuthorizationStatus,
    Token,
)
from custom_components.forecourt.site import desk
from custom_components.forecourt.site.desk import (
    EnrolledTap,
    EnrolmentBusyError,
    EnrolmentTimeoutError,
)

from .world import ANNAS, BARRED, EVSE, UNKNOWN, World, reasons


async def waiting(world: World) -> asyncio.Task[EnrolledTap]:
    """Begin to wait for a card."""
    task = asyncio.create_task(world.site.desk.enrol(EVSE, world.now))
    await asyncio.sleep(0)
    return task


@pytest.mark.parametrize(
    ("token", "owner_id"), [(UNKNOWN, None), (ANNAS, "anna"), (BARRED, "carl")]
)
async def test_the_first_card_is_the_one_and_starts_no_charge(
    world: World, token: Token, owner_id: str | None
) -> None:
    world.add()
    enrolment = await waiting(world)
    answer = await world.tap(token)
    assert (answer.status, answer.reason) == (
        AuthorizationStatus.INVALID,
        AuthorizationReason.ENROLLING,
    )
    assert await enrolment == EnrolledTap(token, owner_id)
    # It was shown, so it is an event; and now cards are for charging again.
    await world.tap(token)
    assert reasons(world.taps)[0] == AuthorizationReason.ENROLLING
    assert reasons(world.taps)[1] != AuthorizationReason.ENROLLING


async def test_the_second_card_is_judged_before_the_first_was_taken(world: World) -> None:
    world.add()
    enrolment = await waiting(world)
    first = world.tap(UNKNOWN)
    second = world.tap(ANNAS)
    answers = await asyncio.gather(first, second)
    assert [answer.reason for answer in answers] == [
        AuthorizationReason.ENROLLING,
        AuthorizationReason.KNOWN_USER,
    ]
    assert (await enrolment).token == UNKNOWN


async def test_cards_at_other_stations_are_for_charging(world: World) -> None:
    world.add()
    world.add("yard")
    enrolment = await waiting(world)
    assert (await world.tap(ANNAS, "yard")).accepted
    assert not enrolment.done()
    await world.tap(UNKNOWN)
    assert (await enrolment).token == UNKNOWN


async def test_a_card_that_was_shown_too_late_is_for_charging(world: World) -> None:
    world.add()
    enrolment = await waiting(world)
    world.now += WINDOW + timedelta(seconds=1)
    assert (await world.tap(ANNAS)).accepted
    enrolment.cancel()
    await asyncio.gather(enrolment, return_exceptions=True)


async def test_one_card_at_a_time(world: World) -> None:
    world.add()
    enrolment = await waiting(world)
    with pytest.raises(EnrolmentBusyError):
        await world.site.desk.enrol(EVSE, world.now)
    await world.tap(UNKNOWN)
    assert (await enrolment).token == UNKNOWN


async def test_nobody_comes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add()
    monkeypatch.setattr(desk, "WINDOW", timedelta(milliseconds=1))
    with pytest.raises(EnrolmentTimeoutError):
        await world.site.desk.enrol(EVSE, world.now)
    assert (await world.tap(ANNAS)).accepted


async def test_who_gives_up_leaves_the_reader_to_others(world: World) -> None:
    world.add()
    enrolment = await waiting(world)
    enrolment.cancel()
    with pytest.raises(asyncio.CancelledError):
        await enrolment
    assert (await world.tap(ANNAS)).accepted
    again = await waiting(world)
    await world.tap(UNKNOWN)
    assert (await again).token == UNKNOWN
