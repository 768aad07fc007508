"""Outlets that are held for somebody, with and without the help of their station."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
import json

import pytest

from custom_components.forecourt.core.access.autostart import SETTLE
from custom_components.forecourt.core.model.evse import EvseStatus
from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.reservation import Reservation, ReservationStatus
from custom_components.forecourt.core.model.session import SessionFlag
from custom_components.forecourt.core.model.token import AuthorizationReason, Token
from custom_components.forecourt.site.reservations import (
    MAX_PAST,
    MAX_SENDS,
    ReservationOverError,
    ReservationTimeError,
    ReservedError,
    UnknownHolderError,
)
from custom_components.forecourt.stations.base import CanReserve, Failure, StationError

from .world import (
    ANNAS,
    BARRED,
    BENS,
    CARLS,
    EVSE,
    LIMITS,
    TOKENS,
    UNKNOWN,
    USERS,
    Box,
    World,
    until,
)

HOUR = timedelta(hours=1)
SECOND_EVSE = EvseId("garage", 2)


class Reserver(Box):
    """A station that can hold its outlets; `word` is what it refuses with."""

    word = ""

    async def reserve(self, reservation: Reservation) -> None:
        self.told.append(("reserve", reservation))
        await self._answer()

    async def cancel_reservation(self, reservation_id: int) -> None:
        self.told.append(("cancel", reservation_id))
        await self._answer()

    async def _answer(self) -> None:
        if self.hold is not None:
            await self.hold.wait()
        if self.failure is not None:
            raise StationError(self.info.id, self.failure, self.word)


def take_in(world: World, evses: int = 1) -> Reserver:
    box = Reserver("garage", evses)
    world.boxes["garage"] = box
    world.site.add_station(box, LIMITS, {})
    world.site.reservations.settle_s = 0.001
    return box


def come(world: World, box: Box, *, online: bool) -> None:
    box.online = online
    world.site.station_changed(box)


async def hold(world: World, user_id: str = "anna", evse: EvseId = EVSE) -> Reservation:
    return await world.site.reservations.reserve(evse, world.now + HOUR, user_id=user_id)


def statuses(world: World) -> list[str]:
    return [one.status.value for one in world.site.reservations.all()]


async def settled(world: World) -> None:
    await until(lambda: not world.site.reservations._tasks)


# --- holding --------------------------------------------------------------------------------------


async def test_an_outlet_is_held_for_a_user_by_their_first_card(world: World) -> None:
    box = take_in(world)
    news: list[Reservation] = []
    world.site.reservations.changed.connect(news.append)
    reservation = await hold(world)
    assert reservation == Reservation(
        id=1,
        evse=EVSE,
        token=ANNAS,
        until=world.now + HOUR,
        user_id="anna",
        group="group:family",
    )
    assert box.all("reserve") == world.site.reservations.all() == news == [reservation]
    assert world.site.reservations.holding(EVSE) == reservation
    assert world.site.reservations.holding(SECOND_EVSE) is None


async def test_a_user_without_a_group_has_one_of_their_own(world: World) -> None:
    take_in(world)
    assert (await hold(world, "carl")).group == "user:carl"


async def test_it_may_be_held_for_one_card(world: World) -> None:
    take_in(world)
    reservation = await world.site.reservations.reserve(EVSE, world.now + HOUR, token=BENS)
    assert (reservation.token, reservation.user_id) == (BENS, "ben")


@pytest.mark.parametrize(
    "changes",
    [{"blocked": True}, {"expires_at": "now"}, {"token": Token("0" * 21)}, None],
    ids=["blocked", "expired", "too long", "none"],
)
async def test_without_a_card_of_use_it_is_held_by_the_tag_of_the_site(
    world: World, changes: dict[str, object] | None
) -> None:
    take_in(world)
    if changes == {"expires_at": "now"}:
        changes = {"expires_at": world.now}
    cards = [] if changes is None else [replace(TOKENS[0], **changes)]
    world.site.set_members(USERS, [*cards, *TOKENS[1:]])
    assert (await hold(world)).token == world.site.members.site_tag("anna")


@pytest.mark.parametrize(
    "holder",
    [
        {"user_id": "nobody"},
        {"user_id": None},
        {"token": UNKNOWN},
        {"token": BARRED},
    ],
)
async def test_it_is_held_for_those_only_who_may_charge(
    world: World, holder: dict[str, object]
) -> None:
    box = take_in(world)
    with pytest.raises(UnknownHolderError):
        await world.site.reservations.reserve(EVSE, world.now + HOUR, **holder)
    assert box.told == []


async def test_it_has_to_end_in_the_future(world: World) -> None:
    take_in(world)
    with pytest.raises(ReservationTimeError):
        await world.site.reservations.reserve(EVSE, world.now, user_id="anna")


async def test_it_is_held_for_one_only(world: World) -> None:
    take_in(world, evses=2)
    await hold(world)
    with pytest.raises(ReservedError):
        await hold(world, "carl")
    assert (await hold(world, "carl", SECOND_EVSE)).id == 2


async def test_two_who_want_it_at_once_do_not_both_get_it(world: World) -> None:
    box = take_in(world)
    box.hold = asyncio.Event()
    asyncio.get_running_loop().call_soon(box.hold.set)
    results = await asyncio.gather(hold(world), hold(world, "carl"), return_exceptions=True)
    assert isinstance(results[0], Reservation)
    assert isinstance(results[1], ReservedError)
    assert len(box.told) == 1


@pytest.mark.parametrize("word", ["Occupied", "Faulted", "Rejected", "Unavailable"])
async def test_nothing_is_kept_of_what_the_station_refuses(world: World, word: str) -> None:
    box = take_in(world)
    box.failure, box.word = Failure.REFUSED, word
    with pytest.raises(StationError) as caught:
        await hold(world)
    assert (caught.value.failure, caught.value.detail) == (Failure.REFUSED, word)
    assert world.site.reservations.all() == []
    box.failure = None
    assert (await hold(world)).id == 2


async def test_a_station_that_is_away_holds_nothing(world: World) -> None:
    box = take_in(world)
    come(world, box, online=False)
    with pytest.raises(StationError) as caught:
        await hold(world)
    assert caught.value.failure is Failure.OFFLINE
    assert box.told == []


async def test_what_may_have_arrived_is_taken_back(world: World) -> None:
    box = take_in(world)
    box.failure = Failure.TIMEOUT
    with pytest.raises(StationError):
        await hold(world)
    assert statuses(world) == ["cancelled"]
    await settled(world)
    assert box.all("cancel") == [1]
    box.failure = None
    come(world, box, online=False)
    come(world, box, online=True)
    await settled(world)
    assert box.all("cancel") == [1, 1]
    come(world, box, online=False)
    come(world, box, online=True)
    await settled(world)
    assert box.all("cancel") == [1, 1]


# --- who may charge -------------------------------------------------------------------------------


async def test_another_user_is_refused_where_all_that_is_free_is_held(world: World) -> None:
    take_in(world, evses=2)
    await hold(world)
    # There is another outlet.
    assert (await world.tap(CARLS)).accepted
    await world.start(BENS, evse=SECOND_EVSE)
    assert (await world.tap(CARLS)).reason is AuthorizationReason.RESERVED
    assert (await world.tap(ANNAS)).accepted
    # Ben may end what he began.
    assert (await world.tap(BENS)).accepted


async def test_who_starts_all_the_same_is_booked_and_ended(world: World) -> None:
    box = take_in(world)
    await hold(world)
    answer = await world.start(CARLS)
    assert answer.authorization.reason is AuthorizationReason.RESERVED
    session = world.state().session
    assert session is not None
    assert session.flags == {SessionFlag.UNAUTHORIZED}
    assert statuses(world) == ["active"]
    world.wait(minutes=1)
    await world.turn()
    assert box.all("stop") == [answer.transaction_id]


@pytest.mark.parametrize("token", [ANNAS, BENS], ids=["the user", "of the same group"])
async def test_it_is_used_by_those_whom_it_is_held_for(world: World, token: Token) -> None:
    take_in(world)
    await hold(world)
    assert (await world.tap(token)).accepted
    assert (await world.start(token)).authorization.accepted
    assert statuses(world) == ["used"]
    assert world.site.reservations.holding(EVSE) is None


async def test_it_is_used_where_the_station_says_so(world: World) -> None:
    """A station may have let in a card that was taken away meanwhile."""
    take_in(world)
    await hold(world)
    await world.start(UNKNOWN, reservation_id=1)
    assert statuses(world) == ["used"]


async def test_the_same_number_at_another_station_is_another_matter(world: World) -> None:
    take_in(world)
    world.add("yard")
    await hold(world)
    await world.start(CARLS, evse=EvseId("yard", 1), reservation_id=1)
    assert statuses(world) == ["active"]


async def test_a_start_from_before_is_not_what_it_was_held_for(world: World) -> None:
    take_in(world)
    before = world.now - HOUR
    await hold(world)
    answer = await world.start(CARLS, at=before, replayed=True)
    assert answer.authorization.accepted
    await world.start(ANNAS, at=before + timedelta(minutes=5), replayed=True)
    assert statuses(world) == ["active"]


async def test_a_car_at_a_held_outlet_is_not_started_by_itself(anyone: World) -> None:
    box = take_in(anyone)
    reservation = await hold(anyone)
    await anyone.plug()
    anyone.now += SETTLE
    await anyone.turn()
    assert box.all("start") == []
    answer = await anyone.start(None)
    assert answer.authorization.reason is AuthorizationReason.RESERVED
    await anyone.stop(answer.transaction_id, 1_000)
    await anyone.site.reservations.cancel(reservation.id)
    await anyone.free()
    await anyone.plug()
    anyone.now += SETTLE
    await anyone.turn()
    assert len(box.all("start")) == 1


async def test_the_site_starts_with_what_the_station_waits_for(world: World) -> None:
    box = take_in(world)
    await hold(world)
    await world.site.orders.start(EVSE, "anna")
    assert box.all("start") == [(EVSE, ANNAS)]
    await world.site.orders.start(EVSE, "ben")
    assert box.all("start")[1] == (EVSE, world.site.members.site_tag("ben"))
    for user_id in ("carl", None):
        with pytest.raises(StationError) as caught:
            await world.site.orders.start(EVSE, user_id)
        assert (caught.value.failure, caught.value.detail) == (Failure.REFUSED, "Reserved")
    assert len(box.all("start")) == 2


# --- the end --------------------------------------------------------------------------------------


async def test_it_can_be_cancelled_once(world: World) -> None:
    box = take_in(world)
    await hold(world)
    await world.site.reservations.cancel(1)
    assert box.all("cancel") == [1]
    assert statuses(world) == ["cancelled"]
    assert (await world.start(CARLS)).authorization.accepted
    for number in (1, 2):
        with pytest.raises(ReservationOverError):
            await world.site.reservations.cancel(number)
    assert box.all("cancel") == [1]


async def test_a_station_that_is_away_is_told_when_it_comes_back(world: World) -> None:
    box = take_in(world)
    await hold(world)
    come(world, box, online=False)
    await world.site.reservations.cancel(1)
    assert statuses(world) == ["cancelled"]
    assert box.all("cancel") == []
    come(world, box, online=True)
    await settled(world)
    assert box.all("cancel") == [1]
    assert len(box.all("reserve")) == 1


async def test_one_that_the_station_does_not_know_is_cancelled(world: World) -> None:
    box = take_in(world)
    await hold(world)
    box.failure = Failure.REFUSED
    await world.site.reservations.cancel(1)
    assert statuses(world) == ["cancelled"]
    come(world, box, online=False)
    come(world, box, online=True)
    await settled(world)
    assert box.all("cancel") == [1]


async def test_it_ends_by_time(world: World) -> None:
    box = take_in(world)
    await hold(world)
    world.wait(minutes=60)
    # Also before anybody looks.
    assert (await world.tap(CARLS)).accepted
    await world.turn()
    assert statuses(world) == ["expired"]
    # The station knows by itself.
    assert box.all("cancel") == []


async def test_it_ends_with_its_user(world: World) -> None:
    box = take_in(world)
    await hold(world)
    world.site.set_members(USERS[1:], TOKENS[1:])
    await world.turn()
    await settled(world)
    assert statuses(world) == ["cancelled"]
    assert box.all("cancel") == [1]


@pytest.mark.parametrize("status", [ReservationStatus.EXPIRED, ReservationStatus.REMOVED])
async def test_the_station_may_give_it_up(world: World, status: ReservationStatus) -> None:
    take_in(world)
    await hold(world)
    world.site.reservation_changed("yard", 1, status)
    world.site.reservation_changed("garage", 2, status)
    world.site.reservation_changed("garage", 1, ReservationStatus.ACTIVE)
    assert statuses(world) == ["active"]
    world.site.reservation_changed("garage", 1, status)
    assert statuses(world) == [status.value]
    # What is over stays as it was.
    world.site.reservation_changed("garage", 1, ReservationStatus.CANCELLED)
    assert statuses(world) == [status.value]


async def test_it_ends_with_its_station(world: World) -> None:
    take_in(world)
    await hold(world)
    await world.site.remove_station("yard")
    assert statuses(world) == ["active"]
    await world.site.remove_station("garage")
    assert statuses(world) == ["removed"]


async def test_the_last_ones_are_kept(world: World) -> None:
    take_in(world, evses=2)
    first = await hold(world, evse=SECOND_EVSE)
    for _ in range(MAX_PAST + 5):
        await world.site.reservations.cancel((await hold(world)).id)
    numbers = [one.id for one in world.site.reservations.all()]
    assert numbers == [first.id, *range(7, MAX_PAST + 7)]


# --- stations that lose it ------------------------------------------------------------------------


async def test_a_station_that_restarted_is_told_again(world: World) -> None:
    box = take_in(world)
    reservation = await hold(world)
    await world.status(EvseStatus.RESERVED)
    come(world, box, online=False)
    come(world, box, online=True)
    await settled(world)
    # It still holds it.
    assert box.all("reserve") == [reservation]
    come(world, box, online=False)
    await world.free()
    come(world, box, online=True)
    await settled(world)
    assert box.all("reserve") == [reservation] * 2


@pytest.mark.parametrize(
    "lost_by", [EvseStatus.FAULTED, EvseStatus.UNAVAILABLE, EvseStatus.RESERVED]
)
async def test_so_is_one_whose_outlet_was_out_of_order(world: World, lost_by: EvseStatus) -> None:
    box = take_in(world)
    await hold(world)
    await world.status(lost_by)
    assert len(box.all("reserve")) == 1
    await world.free()
    await settled(world)
    assert len(box.all("reserve")) == 2
    assert statuses(world) == ["active"]


async def test_one_that_never_keeps_it_is_not_told_for_ever(world: World) -> None:
    box = take_in(world)
    await hold(world)
    for _ in range(MAX_SENDS * 2):
        await world.status(EvseStatus.RESERVED)
        await world.free()
        await settled(world)
    assert len(box.all("reserve")) == MAX_SENDS


async def test_one_that_does_not_take_it_again_leaves_it_to_the_site(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    box = take_in(world)
    await hold(world)
    box.failure, box.word = Failure.REFUSED, "Occupied"
    come(world, box, online=False)
    come(world, box, online=True)
    await settled(world)
    assert "garage/1 is held by the site alone: garage: refused (Occupied)" in caplog.text
    assert statuses(world) == ["active"]
    assert (await world.tap(CARLS)).reason is AuthorizationReason.RESERVED


async def test_one_that_went_again_meanwhile_is_told_when_it_is_back(world: World) -> None:
    box = take_in(world)
    await hold(world)
    come(world, box, online=False)
    come(world, box, online=True)
    come(world, box, online=False)
    await settled(world)
    assert len(box.all("reserve")) == 1
    come(world, box, online=True)
    await settled(world)
    assert len(box.all("reserve")) == 2


async def test_where_nothing_is_held_nothing_is_told(world: World) -> None:
    box = take_in(world)
    come(world, box, online=False)
    come(world, box, online=True)
    await world.status(EvseStatus.FAULTED)
    await world.free()
    assert world.site.reservations._tasks == set()
    assert box.told == []


# --- stations that cannot -------------------------------------------------------------------------


async def forget_how(box: Reserver) -> None:
    box.lacks.add(CanReserve)


async def find_out(box: Reserver) -> None:
    box.failure = Failure.NOT_SUPPORTED


@pytest.mark.parametrize("cannot", [forget_how, find_out])
async def test_the_site_holds_an_outlet_alone(
    world: World, cannot: Callable[[Reserver], Awaitable[None]]
) -> None:
    box = take_in(world)
    await cannot(box)
    await hold(world)
    assert (await world.tap(CARLS)).reason is AuthorizationReason.RESERVED
    assert (await world.tap(ANNAS)).accepted
    box.lacks.add(CanReserve)
    box.told.clear()
    await world.site.reservations.cancel(1)
    assert (await world.tap(CARLS)).accepted
    come(world, box, online=False)
    come(world, box, online=True)
    await settled(world)
    assert box.told == []


async def test_such_a_station_is_not_told_either_when_it_comes_back(world: World) -> None:
    box = take_in(world)
    box.lacks.add(CanReserve)
    await hold(world)
    come(world, box, online=False)
    come(world, box, online=True)
    await settled(world)
    assert box.told == []
    assert statuses(world) == ["active"]


@pytest.mark.parametrize(
    ("status", "word"),
    [
        (EvseStatus.FAULTED, "Faulted"),
        (EvseStatus.UNAVAILABLE, "Unavailable"),
        (EvseStatus.PREPARING, "Occupied"),
        (EvseStatus.FINISHING, "Occupied"),
    ],
)
async def test_it_holds_none_that_is_taken(world: World, status: EvseStatus, word: str) -> None:
    take_in(world).lacks.add(CanReserve)
    await world.status(status)
    with pytest.raises(StationError) as caught:
        await hold(world)
    assert (caught.value.failure, caught.value.detail) == (Failure.REFUSED, word)
    assert world.site.reservations.all() == []


async def test_it_holds_none_that_charges(world: World) -> None:
    take_in(world).lacks.add(CanReserve)
    await world.start(CARLS)
    with pytest.raises(StationError) as caught:
        await hold(world)
    assert caught.value.detail == "Occupied"


# --- restarts -------------------------------------------------------------------------------------


async def restarted(world: World) -> None:
    """Restart the site as it is done in Home Assistant."""
    kept = json.dumps(world.site.reservations.snapshot())
    assert not any(card.uid in kept for card in (ANNAS, BENS, CARLS))
    boxes, world.boxes = world.boxes, {}
    await world.restart()
    world.site.reservations.restore(json.loads(kept))
    world.site.reservations.settle_s = 0.001
    world.boxes = boxes
    for box in boxes.values():
        box.told.clear()
        world.site.add_station(box, LIMITS, {})


async def test_what_is_held_survives_a_restart(world: World) -> None:
    box = take_in(world, evses=2)
    await world.site.reservations.cancel((await hold(world)).id)
    reservation = await hold(world)
    await hold(world, "carl", SECOND_EVSE)
    before = world.site.reservations.all()
    await restarted(world)
    assert world.site.reservations.all() == before
    assert world.site.reservations.holding(EVSE) == reservation
    assert reservation.token == ANNAS
    await settled(world)
    assert [one.id for one in box.all("reserve")] == [2, 3]
    assert (await world.tap(BENS)).accepted
    await world.site.reservations.cancel(2)
    # No number is given twice.
    assert (await hold(world)).id == 4


async def test_a_card_that_was_taken_away_meanwhile_is_replaced(world: World) -> None:
    take_in(world)
    await hold(world)
    kept = world.site.reservations.snapshot()
    world.site.set_members(USERS, TOKENS[1:])
    world.site.reservations.restore(kept)
    assert [one.token for one in world.site.reservations.all()] == [
        world.site.members.site_tag("anna")
    ]


async def test_what_the_station_was_not_told_yet_is_told_after_a_restart(world: World) -> None:
    box = take_in(world)
    await hold(world)
    come(world, box, online=False)
    await world.site.reservations.cancel(1)
    await restarted(world)
    come(world, box, online=True)
    await settled(world)
    assert box.all("cancel") == [1]
    assert box.all("reserve") == []
