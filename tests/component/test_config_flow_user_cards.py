"""Changing what a card is good for."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.forecourt.core.access.authorize import TokenRecord
from custom_components.forecourt.core.model.token import Token
from simulator import Ocpp16Station

from .conftest import (
    ANNA,
    CARD_OF_ANNA,
    NOON,
    STRANGE_CARD,
    SetUp,
    Time,
    a_station,
    a_user,
)
from .dialogs import Desk, Dialog

OPEN_END = {"blocked": False, "several_cars": False}


@pytest.fixture
async def site(
    hass: HomeAssistant, set_up_site: SetUp, freezer: FrozenDateTimeFactory
) -> MockConfigEntry:
    await hass.config.async_set_time_zone("Europe/Berlin")
    freezer.move_to(NOON)
    return await set_up_site()


async def reconfigure(desk: Desk, site: ConfigEntry[Any]) -> Dialog:
    anna = next(one for one in site.get_subentries_of_type("user") if one.title == "Anna")
    return await desk.edit(site, anna)


async def change(desk: Desk, site: ConfigEntry[Any]) -> Dialog:
    dialog = await reconfigure(desk, site)
    await dialog.choose("reconfigure", "choose_card")
    return dialog


def card(site: ConfigEntry[Any], uid: str = CARD_OF_ANNA) -> TokenRecord:
    record: TokenRecord = site.runtime_data.site.members.tokens[Token(uid)]
    return record


async def test_the_only_card_is_blocked_and_unblocked(site: MockConfigEntry, desk: Desk) -> None:
    dialog = await change(desk, site)
    assert dialog.step == "change_card"
    assert dialog.filled == {"blocked": False, "several_cars": False}
    await dialog.answer("change_card", blocked=True, several_cars=False)
    assert dialog.step == "card_changed"
    assert dialog.placeholders["card"] == "…A1B2"
    assert card(site).blocked

    dialog = await reconfigure(desk, site)
    assert dialog.placeholders["cards"] == "…A1B2 (blocked)"
    dialog = await change(desk, site)
    assert dialog.filled["blocked"] is True
    await dialog.answer("change_card", **OPEN_END)
    assert not card(site).blocked


async def test_one_of_two_cards(site: MockConfigEntry, desk: Desk) -> None:
    await site.runtime_data.enrol(Token(STRANGE_CARD), ANNA)
    dialog = await change(desk, site)
    assert dialog.options("card") == ["0", "1"]
    assert STRANGE_CARD not in str(dialog.shown["data_schema"].schema)
    await dialog.answer("choose_card", card="1")
    await dialog.answer("change_card", blocked=True, several_cars=False)
    assert card(site, STRANGE_CARD).blocked
    assert not card(site).blocked


async def test_the_last_day_counts_where_home_assistant_is(
    site: MockConfigEntry, desk: Desk, freezer: FrozenDateTimeFactory
) -> None:
    dialog = await change(desk, site)
    await dialog.answer("change_card", **OPEN_END, last_day="2026-11-22")
    assert dialog.errors == {"last_day": "last_day_over"}
    await dialog.answer("change_card", **OPEN_END, last_day="2026-11-23")
    assert card(site).expires_at == datetime(2026, 11, 23, 23, tzinfo=UTC)
    dialog = await change(desk, site)
    assert dialog.filled == {**OPEN_END, "last_day": "2026-11-23"}
    freezer.move_to(datetime(2026, 11, 23, 23, tzinfo=UTC))
    dialog = await reconfigure(desk, site)
    assert dialog.placeholders["cards"] == "…A1B2 (its time is over)"
    # It gets no end any more.
    dialog = await change(desk, site)
    await dialog.answer("change_card", **OPEN_END)
    assert card(site).expires_at is None


async def test_a_card_that_is_gone_meanwhile(site: MockConfigEntry, desk: Desk) -> None:
    dialog = await change(desk, site)
    await site.runtime_data.withdraw(Token(CARD_OF_ANNA))
    await dialog.answer("change_card", **OPEN_END)
    assert dialog.step == "card_gone"


async def test_a_shared_card_charges_two_cars(
    set_up_site: SetUp,
    dial_in: Callable[..., Ocpp16Station],
    passing_time: Time,
    desk: Desk,
) -> None:
    site = await set_up_site(subentries=[a_station(evses=2), a_user(ANNA, "Anna")])
    async with dial_in(connectors=2) as station:
        await passing_time.until(lambda: station.ready)
        await passing_time.passes(15)
        for connector in (1, 2):
            await station.plug(connector, "family", soc=0.2)
            await passing_time.passes(1)
        assert await station.tap(CARD_OF_ANNA, 1) == "started"
        await passing_time.passes(15)
        # The station knows the card by itself, and hears only then that it charges elsewhere.
        await station.tap(CARD_OF_ANNA, 2)
        await passing_time.passes(30)
        assert station.connector(1).transaction is not None
        assert station.connector(2).transaction is None
        await station.unplug(2)
        dialog = await change(desk, site)
        await dialog.answer("change_card", blocked=False, several_cars=True)
        await passing_time.passes(1)
        assert card(site).max_sessions is None
        await station.plug(2, "family", soc=0.2)
        await passing_time.passes(15)
        assert await station.tap(CARD_OF_ANNA, 2) == "started"
        await passing_time.passes(30)
        assert station.connector(1).transaction is not None
        assert station.connector(2).transaction is not None
        dialog = await change(desk, site)
        assert dialog.filled["several_cars"] is True
