"""What actions do, who may use them, and what they say when they cannot."""

import asyncio
from collections.abc import Callable
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import device_registry as dr, issue_registry as ir
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockUser
import voluptuous as vol

from custom_components.forecourt.const import DOMAIN
from custom_components.forecourt.core.model.token import Token
from simulator import Ocpp16Station

from .asking import FAMILY, call, device, login_of, refused
from .conftest import (
    ANNA,
    BEN,
    CARD_OF_ANNA,
    CARD_OF_BEN,
    STRANGE_CARD,
    Commanded,
    SetUp,
    Time,
    a_station,
    a_user,
)


@pytest.fixture
async def wallbox(
    set_up_site: SetUp, dial_in: Callable[..., Ocpp16Station], passing_time: Time
) -> Any:
    """Return a station that is connected to a site with a family."""
    await set_up_site(subentries=FAMILY)
    async with dial_in() as station:
        await passing_time.until(lambda: station.ready)
        yield station


async def plug_in(wallbox: Ocpp16Station, passing_time: Time) -> None:
    await wallbox.plug(1, "family", soc=0.2)
    await passing_time.passes(1)


async def test_an_automation_starts_and_stops(
    hass: HomeAssistant, wallbox: Ocpp16Station, passing_time: Time, commands: Commanded
) -> None:
    await plug_in(wallbox, passing_time)
    outlet = device(hass)
    await refused(hass, "not_charging", "stop_session", device_id=outlet)
    await call(hass, "start_session", device_id=outlet, user="anna")
    await passing_time.until(lambda: wallbox.connector(1).transaction)
    await passing_time.passes(1.5)
    state = hass.states.get("sensor.garage_outlet_1_current_user")
    assert state is not None
    assert state.state == "Anna"
    await refused(hass, "already_charging", "start_session", device_id=outlet, user=ANNA)
    # The station stands for its only outlet.
    await call(hass, "stop_session", device_id=device(hass, "Garage"))
    await passing_time.until(lambda: wallbox.connector(1).transaction is None)
    assert [action for action, _ in commands].count("RemoteStartTransaction") == 1


async def test_a_start_without_a_user_is_for_who_asks_or_for_nobody(
    hass: HomeAssistant, wallbox: Ocpp16Station, passing_time: Time
) -> None:
    await plug_in(wallbox, passing_time)
    outlet = device(hass)
    for login, name in (
        (None, "anonymous"),
        (login_of(hass, "person.anna", admin=True), "Anna"),
        (login_of(hass, "person.ben"), "Ben"),
    ):
        await call(hass, "start_session", device_id=outlet, login=login)
        await passing_time.until(lambda: wallbox.connector(1).transaction)
        await passing_time.passes(1.5)
        state = hass.states.get("sensor.garage_outlet_1_current_user")
        assert state is not None
        assert state.state == name
        await call(hass, "stop_session", device_id=outlet, login=login)
        await passing_time.until(lambda: wallbox.connector(1).transaction is None)
        await passing_time.passes(1)


async def test_a_login_acts_for_itself_only(
    hass: HomeAssistant, wallbox: Ocpp16Station, passing_time: Time
) -> None:
    anna, ben = login_of(hass, "person.anna"), login_of(hass, "person.ben")
    stranger, outlet = login_of(hass), device(hass)
    await plug_in(wallbox, passing_time)
    await refused(hass, "admin_only", "start_session", login=stranger, device_id=outlet)
    # It is not told either whether somebody has that name.
    for name in ("Anna", "Nobody"):
        await refused(hass, "admin_only", "start_session", login=ben, device_id=outlet, user=name)
    await call(hass, "start_session", login=ben, device_id=outlet, user="ben")
    await passing_time.until(lambda: wallbox.connector(1).transaction)
    await passing_time.passes(1)

    await refused(hass, "admin_only", "stop_session", login=stranger, device_id=outlet)
    await refused(hass, "not_your_session", "stop_session", login=anna, device_id=outlet)
    await refused(hass, "admin_only", "set_current_limit", login=ben, device_id=outlet, current=10)
    await refused(hass, "admin_only", "enrol_token", login=ben, device_id=outlet, user="Ben")
    await call(hass, "stop_session", login=ben, device_id=outlet)
    await passing_time.until(lambda: wallbox.connector(1).transaction is None)


async def test_a_member_of_the_group_may_stop(
    hass: HomeAssistant, wallbox: Ocpp16Station, passing_time: Time
) -> None:
    anna = login_of(hass, "person.anna")
    await plug_in(wallbox, passing_time)
    await call(hass, "start_session", device_id=device(hass), user="Carla")
    await passing_time.until(lambda: wallbox.connector(1).transaction)
    await passing_time.passes(1)
    await call(hass, "stop_session", login=anna, device_id=device(hass))
    await passing_time.until(lambda: wallbox.connector(1).transaction is None)


async def test_names_are_told_to_administrators_only(
    hass: HomeAssistant, wallbox: Ocpp16Station
) -> None:
    admin, outlet = login_of(hass, admin=True), device(hass)
    error = await refused(
        hass, "unknown_user_of", "start_session", login=admin, device_id=outlet, user="Dora"
    )
    assert error.translation_placeholders == {"user": "Dora", "known": "Anna, Ben, Carla"}
    error = await refused(hass, "unknown_user", "start_session", device_id=outlet, user="Dora")
    assert error.translation_placeholders == {"user": "Dora"}


async def test_two_users_of_one_name(hass: HomeAssistant, set_up_site: SetUp) -> None:
    await set_up_site(subentries=[a_station(), a_user(ANNA, "Anna"), a_user(BEN, "ANNA")])
    outlet = device(hass)
    await refused(hass, "ambiguous_user", "start_session", device_id=outlet, user="Anna")
    await refused(hass, "station_offline", "start_session", device_id=outlet, user=BEN)


async def test_a_limit(hass: HomeAssistant, set_up_site: SetUp, passing_time: Time) -> None:
    await set_up_site()
    limit, outlet = "number.garage_outlet_1_current_limit", device(hass)
    for current, shown in ((10, "10"), (None, "16"), (80, "16")):
        data = {} if current is None else {"current": current}
        await call(hass, "set_current_limit", device_id=outlet, **data)
        await passing_time.passes(1.25)
        state = hass.states.get(limit)
        assert state is not None
        assert state.state == shown
    for current in (5, 81):
        with pytest.raises(vol.Invalid):
            await call(hass, "set_current_limit", device_id=outlet, current=current)


async def test_only_outlets_can_be_meant(hass: HomeAssistant, set_up_site: SetUp) -> None:
    entry = await set_up_site(subentries=[a_station(evses=2), a_user(ANNA, "Anna")], cards={})
    for name in ("Home", "Anna"):
        await refused(hass, "unknown_device", "stop_session", device_id=device(hass, name))
    await refused(hass, "unknown_device", "stop_session", device_id="none")
    await refused(hass, "which_evse", "stop_session", device_id=device(hass, "Garage"))
    outlet = device(hass)
    [subentry] = [s for s in entry.subentries.values() if s.subentry_type == "station"]
    registry = dr.async_get(hass)
    station = registry.async_get(device(hass, "Garage"))
    assert station is not None
    stale = registry.async_get_or_create_child(
        config_entry_id=entry.entry_id,
        config_subentry_id=subentry.subentry_id,
        identifiers={(DOMAIN, "evse_GARAGE/9")},
        name="Outlet 9",
        parent_device_id=station.id,
    )
    await refused(hass, "unknown_device", "stop_session", device_id=stale.id)
    assert await hass.config_entries.async_unload(entry.entry_id)
    with pytest.raises(ServiceValidationError):
        await call(hass, "stop_session", device_id=outlet)
    with pytest.raises(ServiceValidationError):
        await call(hass, "get_sessions")


async def enrol(
    hass: HomeAssistant,
    wallbox: Ocpp16Station,
    passing_time: Time,
    card: str,
    *,
    login: MockUser | None = None,
    user: str = "Ben",
) -> Any:
    task = asyncio.create_task(
        call(hass, "enrol_token", login=login, device_id=device(hass), user=user)
    )
    await passing_time.passes(1)
    assert await wallbox.tap(card) == "refused"
    await passing_time.until(task.done)
    return await task


async def test_a_card_is_offered_and_given(
    hass: HomeAssistant, wallbox: Ocpp16Station, passing_time: Time
) -> None:
    issues = ir.async_get(hass)
    assert await enrol(hass, wallbox, passing_time, STRANGE_CARD) == {"last4": "E5F6"}
    # The one window was one tap: the next is a tap like any other.
    assert await wallbox.tap(STRANGE_CARD) == "refused"
    await passing_time.settle()
    event = hass.states.get("event.garage_card_presented")
    assert event is not None
    assert event.attributes["reason"] == "unknown_token"

    await enrol(hass, wallbox, passing_time, STRANGE_CARD, user="Anna")
    assert issues.async_get_issue(DOMAIN, "token_offer_1") is None, "asked twice for one card"
    issue = issues.async_get_issue(DOMAIN, "token_offer_2")
    assert issue is not None
    assert issue.is_fixable
    assert issue.data == {"offer": 2}
    assert issue.translation_placeholders is None

    hub = hass.config_entries.async_entries(DOMAIN)[0].runtime_data
    assert await hub.accept_offer(2)
    assert issues.async_get_issue(DOMAIN, "token_offer_2") is None
    assert not await hub.accept_offer(2)
    await plug_in(wallbox, passing_time)
    assert await wallbox.tap(STRANGE_CARD) == "started"


async def test_an_offer_can_be_turned_down_or_come_too_late(
    hass: HomeAssistant, wallbox: Ocpp16Station, passing_time: Time
) -> None:
    [entry] = hass.config_entries.async_entries(DOMAIN)
    hub = entry.runtime_data
    await enrol(hass, wallbox, passing_time, STRANGE_CARD)
    hub.offers.take(1)
    assert not ir.async_get(hass).issues
    await enrol(hass, wallbox, passing_time, STRANGE_CARD)
    [ben] = [s for s in entry.subentries.values() if s.title == "Ben"]
    hass.config_entries.async_remove_subentry(entry, ben.subentry_id)
    await passing_time.settle()
    assert not await hub.accept_offer(2)
    await enrol(hass, wallbox, passing_time, STRANGE_CARD, user="Anna")
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert not ir.async_get(hass).issues


async def test_a_card_of_somebody_is_never_taken(
    hass: HomeAssistant, wallbox: Ocpp16Station, passing_time: Time
) -> None:
    with pytest.raises(ServiceValidationError) as raised:
        await enrol(hass, wallbox, passing_time, CARD_OF_ANNA)
    assert raised.value.translation_key == "token_taken"
    assert not raised.value.translation_placeholders
    admin = login_of(hass, admin=True)
    with pytest.raises(ServiceValidationError) as raised:
        await enrol(hass, wallbox, passing_time, CARD_OF_ANNA, login=admin)
    assert raised.value.translation_key == "token_taken_by"
    assert raised.value.translation_placeholders == {"user": "Anna"}
    assert not ir.async_get(hass).issues


async def test_one_enrolment_at_a_time_and_not_for_ever(
    hass: HomeAssistant, wallbox: Ocpp16Station, passing_time: Time
) -> None:
    outlet = device(hass)
    task = asyncio.create_task(call(hass, "enrol_token", device_id=outlet, user="Ben"))
    await passing_time.passes(1)
    await refused(hass, "enrolment_busy", "enrol_token", device_id=outlet, user="Ben")
    await passing_time.until(task.done, limit_s=70)
    error = task.exception()
    assert isinstance(error, HomeAssistantError)
    assert error.translation_key == "enrolment_timeout"


async def charge(wallbox: Ocpp16Station, passing_time: Time, card: str) -> None:
    await plug_in(wallbox, passing_time)
    assert await wallbox.tap(card) == "started"
    await passing_time.passes(12)
    await wallbox.unplug()
    await passing_time.passes(2)


async def test_sessions(hass: HomeAssistant, wallbox: Ocpp16Station, passing_time: Time) -> None:
    await charge(wallbox, passing_time, CARD_OF_ANNA)
    between = passing_time.clock.utc()
    await charge(wallbox, passing_time, CARD_OF_BEN)

    async def users(login: MockUser | None = None, **data: Any) -> list[str]:
        answer = await call(hass, "get_sessions", login=login, **data)
        return [session["user"] for session in answer["sessions"]]

    assert await users() == ["Ben", "Anna"]
    assert await users(limit=1) == ["Ben"]
    assert await users(user="anna") == await users(user=ANNA) == ["Anna"]
    assert await users(start=between.isoformat()) == ["Ben"]
    # Without a time zone, it is that of Home Assistant.
    local = dt_util.as_local(between).replace(tzinfo=None)
    assert await users(end=local.isoformat()) == ["Anna"]
    assert await users(device_id=device(hass), limit=1) == ["Ben"]
    for time in ("9999-12-31 23:59:59", "yesterday"):
        with pytest.raises(vol.Invalid):
            await users(start=time)
    await refused(hass, "unknown_user", "get_sessions", user="Dora")

    anna = login_of(hass, "person.anna")
    assert await users(anna) == await users(anna, user="Anna") == ["Anna"]
    await refused(hass, "admin_only", "get_sessions", login=anna, user="Ben")
    await refused(hass, "admin_only", "get_sessions", login=login_of(hass))

    # Who may charge no more still has a past.
    [entry] = hass.config_entries.async_entries(DOMAIN)
    [ben] = [s for s in entry.subentries.values() if s.title == "Ben"]
    hass.config_entries.async_remove_subentry(entry, ben.subentry_id)
    await passing_time.settle()
    assert await users(user="Ben") == ["Ben"]
    await refused(hass, "unknown_user", "start_session", device_id=device(hass), user="Ben")


async def test_a_session_has_all_that_a_bill_needs(
    hass: HomeAssistant, wallbox: Ocpp16Station, passing_time: Time
) -> None:
    await charge(wallbox, passing_time, CARD_OF_ANNA)
    [session] = (await call(hass, "get_sessions"))["sessions"]
    energy = session.pop("energy_wh")
    assert session.pop("energy_kwh") == round(energy / 1000, 3)
    assert float(session.pop("cost")) == pytest.approx(energy * 0.3 / 1000)
    assert session.pop("id")
    assert session == {
        "user": "Anna",
        "user_id": ANNA,
        "station": "Garage",
        "station_id": "GARAGE",
        "evse": 1,
        "status": "closed",
        "plugged": session["plugged"],
        "start": session["start"],
        "end": session["end"],
        "unplugged": session["unplugged"],
        "currency": "EUR",
        "flags": [],
        "transaction_id": 1,
        # A station of OCPP 1.6 goes by ours.
        "station_transaction_id": "1",
        "id_token": "…A1B2",
        "stop_reason": "EVDisconnected",
        "stop_time": session["end"],
    }
    assert session["plugged"] <= session["start"] < session["end"] <= session["unplugged"]


async def test_a_card_number_is_told_to_administrators_only(
    hass: HomeAssistant, wallbox: Ocpp16Station, passing_time: Time
) -> None:
    await charge(wallbox, passing_time, CARD_OF_ANNA)
    await plug_in(wallbox, passing_time)
    await call(hass, "start_session", device_id=device(hass), user="Anna")
    await passing_time.until(lambda: wallbox.connector(1).transaction)
    await passing_time.passes(1)

    async def cards(login: MockUser | None = None) -> list[str | None]:
        answer = await call(hass, "get_sessions", login=login)
        return [session["id_token"] for session in answer["sessions"]]

    # What the site started itself has none that anybody could show.
    assert await cards(login_of(hass, admin=True)) == [None, CARD_OF_ANNA]
    assert await cards() == [None, "…A1B2"]
    assert await cards(login_of(hass, "person.anna")) == [None, "…A1B2"]
    [entry] = hass.config_entries.async_entries(DOMAIN)
    await entry.runtime_data.withdraw(Token(CARD_OF_ANNA))
    assert await cards(login_of(hass, admin=True)) == [None, "…A1B2"]


async def test_sessions_of_one_outlet_of_two(
    hass: HomeAssistant,
    set_up_site: SetUp,
    dial_in: Callable[..., Ocpp16Station],
    passing_time: Time,
) -> None:
    await set_up_site(subentries=[a_station(evses=2), *FAMILY[1:]])
    async with dial_in(connectors=2) as station:
        await passing_time.until(lambda: station.ready)
        for connector, card in ((1, CARD_OF_ANNA), (2, CARD_OF_BEN)):
            await station.plug(connector, "family", soc=0.2)
            await passing_time.passes(1)
            assert await station.tap(card, connector) == "started"
            await passing_time.passes(1)
        answer = await call(hass, "get_sessions", device_id=device(hass), limit=1)
        assert [session["evse"] for session in answer["sessions"]] == [1]


async def test_books_that_cannot_be_read(hass: HomeAssistant, set_up_site: SetUp) -> None:
    entry = await set_up_site()
    await entry.runtime_data.ledger.close()
    await refused(hass, "ledger_unavailable", "get_sessions")


async def test_no_card_number_is_in_any_answer_or_log(
    hass: HomeAssistant,
    wallbox: Ocpp16Station,
    passing_time: Time,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await charge(wallbox, passing_time, CARD_OF_ANNA)
    await enrol(hass, wallbox, passing_time, STRANGE_CARD)
    answer = str(await call(hass, "get_sessions"))
    states = str([state.as_dict() for state in hass.states.async_all()])
    issues = str(list(ir.async_get(hass).issues.values()))
    ours = [record for record in caplog.records if "forecourt" in record.name]
    log = "\n".join(record.getMessage() for record in ours)
    for card in (CARD_OF_ANNA, STRANGE_CARD):
        for text in (answer, states, issues, log):
            assert card.casefold() not in text.casefold()
