"""Users and their cards."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.forecourt.core.model.token import Token
from custom_components.forecourt.site import desk as site_desk
from simulator import Ocpp16Station, StationConfig

from .conftest import (
    ANNA,
    BEN,
    CARD_OF_ANNA,
    CARD_OF_BEN,
    STATION,
    STRANGE_CARD,
    SetUp,
    a_station,
    a_user,
    until,
)
from .dialogs import Desk, Dialog

EVA = {"name": " Eva "}


@pytest.fixture
async def site(set_up_site: SetUp) -> MockConfigEntry:
    return await set_up_site()


@pytest.fixture
async def wallbox(site: MockConfigEntry, port: int) -> AsyncIterator[Ocpp16Station]:
    """Return a station that is connected."""
    async with Ocpp16Station(StationConfig(STATION), f"ws://127.0.0.1:{port}") as station:
        await until(lambda: station.ready)
        yield station


def user(site: ConfigEntry[Any], name: str) -> ConfigSubentry:
    return next(one for one in site.get_subentries_of_type("user") if one.title == name)


def cards_of(site: ConfigEntry[Any], user_id: str) -> list[str]:
    return [record.token.uid for record in site.runtime_data.vault.tokens_of(user_id)]


def enrolling(site: ConfigEntry[Any]) -> bool:
    """Return whether a tap would enrol a card now."""
    return bool(site.runtime_data.site.desk._enrolments)


# Who it is


async def test_a_user(site: MockConfigEntry, desk: Desk) -> None:
    dialog = await desk.add(site, "user")
    assert dialog.step == "user"

    await dialog.answer("user", name=" Eva ", group=" Family ", person="person.eva")

    # Nobody can show a card where no station is connected.
    assert dialog.step == "create_entry"
    assert dialog.shown["description"] == "without_card"
    eva = user(site, "Eva")
    user_id = eva.data["user_id"]
    assert eva.data == {"user_id": user_id, "group": "Family", "person": "person.eva"}
    assert eva.unique_id == f"user_{user_id}"
    await until(lambda: user_id in site.runtime_data.site.members.users)


async def test_a_user_while_the_site_does_not_run(
    hass: HomeAssistant, site: MockConfigEntry, desk: Desk
) -> None:
    await hass.config_entries.async_unload(site.entry_id)
    dialog = await desk.add(site, "user")
    await dialog.answer("user", **EVA)
    assert dialog.step == "create_entry"
    assert user(site, "Eva")


async def test_users_can_be_told_apart(set_up_site: SetUp, desk: Desk) -> None:
    site = await set_up_site(
        subentries=[a_user(ANNA, "Anna", person="person.anna", group="Family")]
    )
    dialog = await desk.add(site, "user")
    assert dialog.options("group") == ["Family"]

    await dialog.answer("user", name=" ")
    assert dialog.errors == {"name": "name_empty"}
    await dialog.answer("user", name="aNNa ")
    assert dialog.errors == {"name": "name_taken"}
    await dialog.answer("user", name="Eva", person="person.anna", group=" ")
    assert dialog.errors == {"person": "person_taken"}
    assert dialog.filled["name"] == "Eva"

    await dialog.answer("user", name="Eva", group=" ")
    assert user(site, "Eva").data["group"] is None


async def test_edit(site: MockConfigEntry, desk: Desk) -> None:
    dialog = await desk.edit(site, user(site, "Anna"))
    assert dialog.shown["menu_options"] == ["edit", "enrol", "choose_card", "remove"]
    assert dialog.placeholders == {"name": "Anna", "cards": "…A1B2"}
    await dialog.choose("reconfigure", "edit")
    assert dialog.filled == {"name": "Anna"}

    await dialog.answer("edit", name="ben")
    assert dialog.errors == {"name": "name_taken"}
    await dialog.answer("edit", name="ANNA", group="Family")

    assert dialog.step == "reconfigure_successful"
    anna = user(site, "ANNA")
    assert anna.data == {"user_id": ANNA, "group": "Family", "person": None}
    await until(lambda: site.runtime_data.site.members.users[ANNA].name == "ANNA")


# Cards


async def test_a_new_user_gets_a_card(
    site: MockConfigEntry, wallbox: Ocpp16Station, desk: Desk
) -> None:
    dialog = await desk.add(site, "user")
    await dialog.answer("user", **EVA)
    assert dialog.shown["menu_options"] == ["enrol", "without_card"]
    await dialog.choose("card", "enrol")
    assert dialog.step == "tap"
    assert dialog.placeholders["station"] == "Garage"
    assert dialog.placeholders["seconds"] == "60"

    assert await wallbox.tap(STRANGE_CARD) == "refused"
    await dialog.progress("give")
    assert dialog.placeholders["card"] == "…E5F6"
    assert STRANGE_CARD not in str(dialog.shown)

    await dialog.answer("give")

    assert dialog.shown["description"] == "with_card"
    user_id = user(site, "Eva").data["user_id"]
    await until(lambda: Token(STRANGE_CARD) in site.runtime_data.site.members.tokens)
    assert cards_of(site, user_id) == [STRANGE_CARD]
    await wallbox.plug(1, "family")
    assert await wallbox.tap(STRANGE_CARD) == "started"


async def test_a_new_user_may_go_without(
    site: MockConfigEntry, wallbox: Ocpp16Station, desk: Desk
) -> None:
    dialog = await desk.add(site, "user")
    await dialog.answer("user", **EVA)
    await dialog.choose("card", "without_card")
    assert dialog.shown["description"] == "without_card"
    assert user(site, "Eva")


async def enrol(desk: Desk, site: ConfigEntry[Any], name: str = "Anna") -> Dialog:
    dialog = await desk.edit(site, user(site, name))
    await dialog.choose("reconfigure", "enrol")
    return dialog


async def test_another_card(site: MockConfigEntry, wallbox: Ocpp16Station, desk: Desk) -> None:
    dialog = await enrol(desk, site)
    await dialog.look()
    assert dialog.step == "tap"
    await wallbox.tap(STRANGE_CARD)
    await dialog.progress("give")
    await dialog.answer("give")

    assert dialog.step == "card_enrolled"
    assert dialog.placeholders["card"] == "…E5F6"
    assert cards_of(site, ANNA) == [CARD_OF_ANNA, STRANGE_CARD]
    assert Token(STRANGE_CARD) in site.runtime_data.site.members.tokens


async def test_a_card_has_one_owner(
    site: MockConfigEntry, wallbox: Ocpp16Station, desk: Desk
) -> None:
    dialog = await enrol(desk, site)
    await wallbox.tap(CARD_OF_BEN)
    await dialog.progress("give")
    assert dialog.step == "taken"
    assert dialog.placeholders["owner"] == "Ben"
    assert dialog.shown["menu_options"] == ["enrol"]
    await dialog.look()
    assert dialog.step == "taken"

    await dialog.choose("taken", "enrol")
    await wallbox.tap(STRANGE_CARD)
    await dialog.progress("give")
    # Somebody else is quicker.
    await site.runtime_data.enrol(Token(STRANGE_CARD), BEN)
    await dialog.answer("give")
    assert dialog.step == "taken"
    assert dialog.placeholders["owner"] == "Ben"


async def test_nobody_comes(
    site: MockConfigEntry, wallbox: Ocpp16Station, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as impatient:
        impatient.setattr(site_desk, "WINDOW", timedelta(seconds=0.01))
        dialog = await enrol(desk, site)
        await dialog.progress("timeout")
    assert dialog.shown["menu_options"] == ["enrol"]
    assert not enrolling(site)

    await dialog.choose("timeout", "enrol")
    await wallbox.tap(STRANGE_CARD)
    await dialog.progress("give")
    assert dialog.step == "give"


async def test_one_card_at_a_time(
    site: MockConfigEntry, wallbox: Ocpp16Station, desk: Desk
) -> None:
    first = await enrol(desk, site, "Ben")

    second = await desk.add(site, "user")
    await second.answer("user", **EVA)
    await second.choose("card", "enrol")
    assert second.step == "busy"
    assert second.shown["menu_options"] == ["enrol", "without_card"]

    first.close()
    await until(lambda: not enrolling(site))
    await second.choose("busy", "enrol")
    assert second.step == "tap"


async def test_closing_the_dialog_closes_the_window(
    site: MockConfigEntry, wallbox: Ocpp16Station, desk: Desk
) -> None:
    dialog = await enrol(desk, site)
    assert enrolling(site)
    dialog.close()
    await until(lambda: not enrolling(site))
    await wallbox.plug(1, "family")
    assert await wallbox.tap(CARD_OF_ANNA) == "started"


async def test_no_station_is_there(site: MockConfigEntry, desk: Desk, port: int) -> None:
    dialog = await enrol(desk, site)
    assert dialog.step == "nobody"
    await dialog.look()
    assert dialog.step == "nobody"

    async with Ocpp16Station(StationConfig(STATION), f"ws://127.0.0.1:{port}") as station:
        await until(lambda: station.ready)
        await dialog.choose("nobody", "enrol")
        assert dialog.step == "tap"


async def test_where_to_show_the_card(set_up_site: SetUp, desk: Desk, port: int) -> None:
    site = await set_up_site(
        subentries=[
            a_station("ONE", "Left"),
            a_station("TWO", "Right"),
            a_station("OFF", "Far"),
            a_user(ANNA, "Anna"),
        ],
        cards={CARD_OF_ANNA: ANNA},
    )
    url = f"ws://127.0.0.1:{port}"
    async with (
        Ocpp16Station(StationConfig("ONE"), url) as one,
        Ocpp16Station(StationConfig("TWO"), url) as two,
    ):
        await until(lambda: one.ready and two.ready)
        dialog = await enrol(desk, site)
        assert dialog.options("station") == ["ONE", "TWO"]
        await dialog.answer("enrol", station="TWO")
        assert dialog.placeholders["station"] == "Right"

        await one.tap("04000000000001")
        await two.tap("04000000000002")
        await dialog.progress("give")
        assert dialog.placeholders["card"] == "…0002"


async def test_a_site_that_stops_ends_the_waiting(
    hass: HomeAssistant, site: MockConfigEntry, wallbox: Ocpp16Station, desk: Desk
) -> None:
    dialog = await enrol(desk, site)
    await hass.config_entries.async_unload(site.entry_id)
    await dialog.progress("stopped")
    assert dialog.step == "not_running"
    again = await desk.edit(site, user(site, "Anna"))
    assert again.step == "not_running"


async def test_remove_a_card(site: MockConfigEntry, desk: Desk) -> None:
    await site.runtime_data.enrol(Token(STRANGE_CARD), ANNA)
    dialog = await desk.edit(site, user(site, "Anna"))
    assert dialog.placeholders["cards"] == "…A1B2, …E5F6"
    await dialog.choose("reconfigure", "remove")
    assert dialog.options("card") == ["0", "1"]
    assert CARD_OF_ANNA not in str(dialog.shown["data_schema"].schema)

    await dialog.answer("remove", card="0")

    assert dialog.step == "card_removed"
    assert dialog.placeholders["card"] == "…A1B2"
    assert cards_of(site, ANNA) == [STRANGE_CARD]


async def test_nothing_to_remove(set_up_site: SetUp, desk: Desk) -> None:
    site = await set_up_site(cards={CARD_OF_BEN: BEN})
    dialog = await desk.edit(site, user(site, "Anna"))
    assert dialog.shown["menu_options"] == ["edit", "enrol"]
    assert dialog.placeholders["cards"] == "-"
