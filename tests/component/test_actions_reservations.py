"""Outlets that are held: for whom, by whose word, and after a restart."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
import pytest
import voluptuous as vol

from simulator import Ocpp16Station

from .asking import FAMILY, call, device, login_of, refused
from .conftest import ANNA, CARD_OF_ANNA, CARD_OF_BEN, NOON, SetUp, Time

HOUR = {"hours": 1}


@pytest.fixture
async def wallbox(
    set_up_site: SetUp, dial_in: Callable[..., Ocpp16Station], passing_time: Time
) -> Any:
    """Return a station that is connected to a site with a family, and is set up."""
    await set_up_site(subentries=FAMILY)
    async with dial_in() as station:
        await passing_time.until(lambda: station.ready)
        await passing_time.passes(10)
        yield station


async def held(hass: HomeAssistant, **asked: Any) -> list[tuple[str | None, str]]:
    answer = await call(hass, "get_reservations", **asked)
    return [(one["user"], one["status"]) for one in answer["reservations"]]


async def test_an_outlet_is_held_and_used(
    hass: HomeAssistant, wallbox: Ocpp16Station, passing_time: Time
) -> None:
    before = dt_util.utcnow()
    told = await call(hass, "reserve", device_id=device(hass), user="anna", duration=HOUR)
    until = dt_util.parse_datetime(told.pop("until"))
    assert until is not None
    assert (until - before).total_seconds() == 3600
    assert told == {
        "id": 1,
        "status": "active",
        "station": "Garage",
        "station_id": "GARAGE",
        "evse": 1,
        "user": "Anna",
        "user_id": ANNA,
    }
    await passing_time.until(lambda: wallbox.connector(1).status == "Reserved")
    await refused(
        hass, "already_reserved", "reserve", device_id=device(hass), user="Ben", duration=HOUR
    )
    await wallbox.plug(1, "family", soc=0.2)
    await passing_time.passes(1)
    assert await wallbox.tap(CARD_OF_BEN) == "refused"
    assert await wallbox.tap(CARD_OF_ANNA) == "started"
    await passing_time.passes(1)
    assert await held(hass) == [("Anna", "used")]


async def test_a_tap_that_meets_a_reservation_says_so(
    hass: HomeAssistant,
    set_up_site: SetUp,
    dial_in: Callable[..., Ocpp16Station],
    passing_time: Time,
) -> None:
    await set_up_site(subentries=FAMILY)
    async with dial_in(feature_profiles=("Core", "SmartCharging")) as station:
        await passing_time.until(lambda: station.ready)
        await passing_time.passes(10)
        # The station cannot hold it, so the site does it alone.
        await call(hass, "reserve", device_id=device(hass), user="Anna", duration=HOUR)
        await station.plug(1, "family", soc=0.2)
        await passing_time.passes(1)
        assert await station.tap(CARD_OF_BEN) == "refused"
        await passing_time.settle()
    event = hass.states.get("event.garage_card_presented")
    assert event is not None
    assert event.attributes["reason"] == "reserved"


async def test_who_may_reserve_and_see_what(hass: HomeAssistant, wallbox: Ocpp16Station) -> None:
    anna, ben = login_of(hass, "person.anna"), login_of(hass, "person.ben")
    outlet, until = device(hass), dt_util.as_local(NOON).replace(tzinfo=None, hour=23)
    ask = {"device_id": outlet, "until": until.isoformat()}
    await refused(hass, "admin_only", "reserve", login=login_of(hass), **ask)
    await refused(hass, "admin_only", "reserve", login=ben, user="Anna", **ask)
    await refused(hass, "user_required", "reserve", **ask)
    told = await call(hass, "reserve", login=anna, **ask)
    assert told["user"] == "Anna"
    assert dt_util.parse_datetime(told["until"]) == dt_util.as_utc(until)

    assert await held(hass) == await held(hass, login=anna) == [("Anna", "active")]
    assert await held(hass, login=ben) == []
    await refused(hass, "admin_only", "get_reservations", login=login_of(hass))
    number = told["id"]
    await refused(hass, "reservation_over", "cancel_reservation", login=ben, reservation_id=number)
    await call(hass, "cancel_reservation", login=anna, reservation_id=number)
    assert await held(hass) == [("Anna", "cancelled")]
    await refused(hass, "reservation_over", "cancel_reservation", reservation_id=number)
    await refused(hass, "reservation_over", "cancel_reservation", reservation_id=99)


async def test_nobody_holds_an_outlet_for_ever(hass: HomeAssistant, wallbox: Ocpp16Station) -> None:
    ask = {"device_id": device(hass)}
    anna = login_of(hass, "person.anna")
    later = (dt_util.utcnow() + timedelta(days=2)).isoformat()
    await refused(hass, "reservation_too_long", "reserve", login=anna, until=later, **ask)
    await refused(
        hass, "reservation_too_long", "reserve", user="Anna", until="2999-12-31 00:00:00", **ask
    )
    assert await held(hass) == []
    assert (await call(hass, "reserve", user="Anna", until=later, **ask))["status"] == "active"


async def test_a_login_holds_two_outlets_at_most(
    hass: HomeAssistant,
    set_up_site: SetUp,
    dial_in: Callable[..., Ocpp16Station],
    passing_time: Time,
) -> None:
    await set_up_site(subentries=FAMILY)
    anna = login_of(hass, "person.anna")
    async with dial_in(connectors=3) as station:
        await passing_time.until(lambda: station.ready)
        await passing_time.passes(10)
        for number in (1, 2):
            outlet = device(hass, f"Outlet {number}")
            await call(hass, "reserve", device_id=outlet, duration=HOUR, login=anna)
        third = device(hass, "Outlet 3")
        await refused(
            hass, "too_many_reservations", "reserve", device_id=third, duration=HOUR, login=anna
        )
        await call(hass, "reserve", device_id=third, duration=HOUR, user="Anna")


async def test_what_cannot_be_reserved(
    hass: HomeAssistant, wallbox: Ocpp16Station, passing_time: Time
) -> None:
    ask = {"device_id": device(hass), "user": "Anna"}
    past = dt_util.utcnow().isoformat()
    await refused(hass, "reservation_in_past", "reserve", until=past, **ask)
    for wrong in ({}, {"until": past, "duration": HOUR}, {"duration": {"days": 367}}):
        with pytest.raises(vol.Invalid):
            await call(hass, "reserve", **wrong, **ask)
    await wallbox.plug(1, "family", soc=0.2)
    await passing_time.passes(1)
    assert await wallbox.tap(CARD_OF_BEN) == "started"
    await passing_time.passes(1)
    error = await refused(hass, "command_refused", "reserve", duration=HOUR, **ask)
    assert error.translation_placeholders == {"station": "Garage", "answer": "Occupied"}


async def test_a_reservation_survives_a_restart(
    hass: HomeAssistant, set_up_site: SetUp, passing_time: Time, wallbox: Ocpp16Station
) -> None:
    await call(hass, "reserve", device_id=device(hass), user="Anna", duration=HOUR)
    [entry] = hass.config_entries.async_entries("forecourt")
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert await held(hass) == [("Anna", "active")]
    await passing_time.until(lambda: wallbox.ready)
    await call(hass, "cancel_reservation", reservation_id=1)
    await passing_time.until(lambda: wallbox.connector(1).status == "Available")
