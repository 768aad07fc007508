"""Who may charge: the site's word reaches stations that are alone, and outlets that are held."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.reservation import ReservationStatus
from custom_components.forecourt.core.model.session import SessionFlag
from custom_components.forecourt.core.model.token import Token
from simulator import Ocpp16Station
from tests.unit.site.world import TOKENS, USERS

from .depot import Depot, until

ANNA, CARL, BARRED, STRANGER = "04AA0001", "04CC0003", "04CC0004", "04EE0005"
EVSE = EvseId("BOX", 1)


@pytest.fixture
def quick(depot: Depot) -> Depot:
    """Return a depot that tells its stations at once."""
    depot.site.lists.settle_s = depot.site.lists.spacing_s = 0.01
    depot.site.reservations.settle_s = 0.2
    return depot


def held(box: Ocpp16Station) -> dict[str, str]:
    """Return the list in the station."""
    return {tag.upper(): info["status"] for tag, info in box.internals.local_auth._list.items()}


EVERYBODY = {
    "04AA0001": "Accepted",
    "04BB0002": "Accepted",
    "04CC0003": "Accepted",
    "04CC0004": "Blocked",
}


async def test_a_station_that_is_alone_knows_whom_to_let_in(quick: Depot) -> None:
    async with quick.box(strict_local_list=True) as box:
        await until(lambda: held(box) == EVERYBODY)
        quick.site.set_members(USERS, [one for one in TOKENS if one.user_id != "ben"])
        await until(lambda: "04BB0002" not in held(box))
        await box.fault("offline")
        await box.plug(1, "family", soc=0.2)
        for card in (STRANGER, BARRED, "04BB0002"):
            assert await box.tap(card) == "refused"
        assert await box.tap(ANNA) == "started"
        await until(lambda: box.connector(1).evse.currents_a[0] > 5)
        assert await box.tap(ANNA) == "stopped"
        await box.fault("online")
        [session] = await quick.agrees(box)
        assert session.user_id == "anna"
        assert SessionFlag.UNAUTHORIZED not in session.flags


async def test_the_list_is_written_when_it_changes_and_not_else(quick: Depot) -> None:
    async with quick.box() as box:
        await until(lambda: held(box) == EVERYBODY)
        version = box.internals.local_auth.version
        for _ in range(2):
            await box.fault("drop")
            await box.wait_for(lambda s: not s.ready)
            await box.wait_for(lambda s: s.ready)
            await asyncio.sleep(0.1)
        assert box.internals.local_auth.version == version
        quick.site.set_members(USERS, TOKENS[1:])
        await until(lambda: ANNA not in held(box))
        assert box.internals.local_auth.version == version + 1
        assert box.books.violations == []


async def test_a_card_cannot_charge_at_two_stations(quick: Depot) -> None:
    async with quick.box() as box, quick.box("YARD") as yard:
        await box.plug(1, "family", soc=0.1)
        assert await box.tap(ANNA) == "started"
        await until(lambda: quick.site.books.session(EVSE) is not None)
        await yard.plug(1, "family", soc=0.1)
        assert await yard.tap(ANNA) == "refused"
        assert await box.tap(ANNA) == "stopped"
        await box.wait_for(lambda s: not len(s.outbox))
        assert await yard.tap(ANNA) == "started"
        await yard.unplug()
        for one in (box, yard):
            [session] = await quick.agrees(one)
            assert (session.user_id, session.flags) == ("anna", frozenset())


async def test_an_outlet_is_held_until_its_user_comes(quick: Depot) -> None:
    async with quick.box(speed=60) as box:
        over_at = datetime.now(UTC) + timedelta(days=2)
        reservation = await quick.site.reservations.reserve(EVSE, over_at, user_id="anna")
        await box.wait_for(lambda s: s.connector(1).status == "Reserved")
        # A restart of the station and one of the site change nothing.
        await box.fault("reboot")
        await box.wait_for(lambda s: s.ready and s.connector(1).status == "Reserved")
        await box.plug(1, "family", soc=0.2)
        assert await box.tap(CARL) == "refused"
        assert await box.tap(ANNA) == "started"
        await until(lambda: quick.site.reservations.all()[0].status is ReservationStatus.USED)
        assert await box.tap(ANNA) == "stopped"
        [session] = await quick.agrees(box)
        assert (session.user_id, session.flags) == ("anna", frozenset())
    assert reservation.token == Token(ANNA)


async def test_a_station_that_cannot_hold_an_outlet_asks_the_site(quick: Depot) -> None:
    async with quick.box(
        feature_profiles=("Core", "SmartCharging", "RemoteTrigger", "LocalAuthListManagement")
    ) as box:
        over_at = datetime.now(UTC) + timedelta(hours=1)
        reservation = await quick.site.reservations.reserve(EVSE, over_at, user_id="anna")
        assert box.connector(1).status == "Available"
        await box.plug(1, "family", soc=0.2)
        assert await box.tap(CARL) == "refused"
        await quick.site.reservations.cancel(reservation.id)
        assert await box.tap(CARL) == "started"
        [session] = await quick.agrees(box)
        assert (session.user_id, session.flags) == ("carl", frozenset())
