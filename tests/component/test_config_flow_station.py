"""Connecting wallboxes, by the screen that shows who knocks or by hand, and changing them."""

import asyncio
from collections.abc import Callable, Iterator
import contextlib
from typing import Any

from aiohttp import ClientError, ClientSession
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import Event, HomeAssistant
from homeassistant.core_config import async_process_ha_core_config
from homeassistant.data_entry_flow import EVENT_DATA_ENTRY_FLOW_PROGRESSED
from homeassistant.exceptions import HomeAssistantError
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.forecourt.core.model.station import StationInfo
from custom_components.forecourt.flows import adding, connect, station as station_flow
from custom_components.forecourt.flows.knocks import model_name
from custom_components.forecourt.flows.texts import plain, quoted
from custom_components.forecourt.stations.ocpp import Cause
from simulator import Ocpp16Station, RawClient

from .conftest import STATION, SetUp, a_station, until
from .dialogs import PASSWORD, STRINGS, Desk, Dialog, stations


@pytest.fixture
async def site(set_up_site: SetUp) -> MockConfigEntry:
    """Return a site without stations."""
    return await set_up_site(subentries=[])


async def connect_screen(desk: Desk, site: ConfigEntry[Any]) -> Dialog:
    dialog = await desk.add(site, "station")
    assert dialog.step == "open"
    await dialog.progress("connect")
    return dialog


@contextlib.contextmanager
def refreshes(hass: HomeAssistant, dialog: Dialog) -> Iterator[list[str]]:
    """Count how often the browser is told to look again."""
    told: list[str] = []

    def listen(event: Event) -> None:
        if event.data["flow_id"] == dialog.shown["flow_id"]:
            told.append(event.data["flow_id"])

    unsubscribe = hass.bus.async_listen(EVENT_DATA_ENTRY_FLOW_PROGRESSED, listen)
    yield told
    unsubscribe()


# Who knocks


async def test_where_to_dial(site: MockConfigEntry, port: int, desk: Desk) -> None:
    dialog = await connect_screen(desk, site)

    assert dialog.shown["menu_options"] == ["manual", "other"]
    assert dialog.placeholders["url"] == f"ws://10.10.10.10:{port}/"
    assert dialog.placeholders["encrypted"] == ""
    assert "Nobody has knocked" in dialog.placeholders["knocks"]


async def test_where_to_dial_with_a_certificate(
    hass: HomeAssistant, site: MockConfigEntry, desk: Desk
) -> None:
    await async_process_ha_core_config(hass, {"external_url": "https://home.example:8443"})

    dialog = await connect_screen(desk, site)

    assert "\nwss://home.example:8443/api/forecourt/ocpp/\n" in dialog.placeholders["encrypted"]


async def test_a_name_that_wallboxes_cannot_resolve_is_not_offered(
    hass: HomeAssistant, site: MockConfigEntry, desk: Desk
) -> None:
    await async_process_ha_core_config(hass, {"internal_url": "https://homeassistant.local:8123"})

    dialog = await connect_screen(desk, site)

    assert dialog.placeholders["encrypted"] == ""


async def test_where_to_dial_without_a_network(
    site: MockConfigEntry, port: int, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def lost(*_: object) -> str:
        raise HomeAssistantError

    monkeypatch.setattr("custom_components.forecourt.tls_options.async_get_source_ip", lost)

    dialog = await connect_screen(desk, site)

    assert dialog.placeholders["url"] == f"ws://127.0.0.1:{port}/"


async def knock_at(url: str, **headers: str) -> None:
    """Try to get in, in vain."""
    async with ClientSession() as session:
        with pytest.raises(ClientError):
            await session.ws_connect(url, headers=headers)


async def test_every_knock_says_what_to_do(
    set_up_site: SetUp, dial: Callable[..., Ocpp16Station], port: int, desk: Desk
) -> None:
    site = await set_up_site(subentries=[a_station("OLD"), a_station("SAFE")])
    hub = site.runtime_data
    await hub.vault.set_password_hash(
        "SAFE", await asyncio.to_thread(station_flow.hash_password, PASSWORD)
    )
    await hub.sync_station(next(one for one in stations(site) if one.unique_id == "station_SAFE"))
    dialog = await connect_screen(desk, site)

    async with dial("OLD"):
        await until(lambda: hub.central.knocks)
        await knock_at(f"ws://127.0.0.1:{port}/OLD")
        for _ in range(2):
            await knock_at(f"ws://127.0.0.1:{port}/ocpp/v16/NEW")
        async with RawClient(f"ws://127.0.0.1:{port}", "NEW", subprotocols=("ocpp2.0",)):
            pass
        await knock_at(f"ws://127.0.0.1:{port}/SAFE")
        await knock_at(f"wss://127.0.0.1:{port}/NEW")
        await knock_at(f"ws://127.0.0.1:{port}/no%20`spaces`")
        await knock_at(f"ws://127.0.0.1:{port}/SAFE", Authorization="Basic U0FGRTp3cm9uZw==")
        await until(lambda: len(hub.central.knocks) == 8)
        await dialog.look()

    knocks = dialog.placeholders["knocks"]
    for words in (
        f"`127.0.0.1`: dialled `/ocpp/v16/NEW`. The address in the wallbox must end in `:{port}/`",
        "(2 times)",
        "`NEW` (127.0.0.1): offers only `ocpp2.0`",
        "`SAFE` (127.0.0.1): sent no password",
        "`SAFE` (127.0.0.1): sent a wrong password",
        "`127.0.0.1`: speaks encrypted",
        "`no 'spaces'` (127.0.0.1): has an identity that is too long or has characters",
        "`OLD` (127.0.0.1): is connected",
        "`OLD` (127.0.0.1): came a second time",
    ):
        assert words in knocks


def test_every_cause_has_words() -> None:
    assert {f"knock_{cause}" for cause in Cause} <= set(STRINGS["common"])


async def test_the_browser_looks_again_when_somebody_knocks(
    hass: HomeAssistant, site: MockConfigEntry, port: int, desk: Desk
) -> None:
    dialog = await connect_screen(desk, site)
    with refreshes(hass, dialog) as told:
        await knock_at(f"ws://127.0.0.1:{port}/wrong/path")
        await until(lambda: told)

        await dialog.look()
        assert "dialled" in dialog.placeholders["knocks"]
        await hass.async_block_till_done()
        assert len(told) == 1


async def test_a_browser_that_missed_the_beginning_is_told_again(
    hass: HomeAssistant, site: MockConfigEntry, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "OPEN_S", 0.01)
    dialog = await desk.add(site, "station")
    with refreshes(hass, dialog) as told:
        # Once that the dialog went on, and once more since nobody looked.
        await until(lambda: len(told) == 2)


async def test_a_screen_that_nobody_looks_at_falls_asleep(
    hass: HomeAssistant, site: MockConfigEntry, port: int, desk: Desk
) -> None:
    dialog = await connect_screen(desk, site)
    with refreshes(hass, dialog) as told:
        for number in range(1, connect.UNSEEN + 1):
            await knock_at(f"ws://127.0.0.1:{port}/wrong/path")
            await until(lambda number=number: len(told) == number)
        await knock_at(f"ws://127.0.0.1:{port}/wrong/path")
        await asyncio.sleep(0.05)
        assert len(told) == connect.UNSEEN

        await dialog.look()
        await knock_at(f"ws://127.0.0.1:{port}/wrong/path")
        await until(lambda: len(told) == connect.UNSEEN + 1)


async def test_a_form_is_left_alone_when_somebody_knocks(
    hass: HomeAssistant, site: MockConfigEntry, port: int, desk: Desk
) -> None:
    dialog = await connect_screen(desk, site)
    await dialog.choose("connect", "manual")
    with refreshes(hass, dialog) as told:
        await knock_at(f"ws://127.0.0.1:{port}/wrong/path")
        await until(lambda: site.runtime_data.central.knocks)
        await asyncio.sleep(0.05)
        assert not told


async def test_the_screen_goes_on_by_itself_when_a_stranger_comes(
    hass: HomeAssistant, site: MockConfigEntry, dial: Callable[..., Ocpp16Station], desk: Desk
) -> None:
    dialog = await connect_screen(desk, site)
    with refreshes(hass, dialog) as told:
        async with dial(vendor="Acme", model="One", connectors=2) as wallbox:
            await until(lambda: told)
            await until(lambda: site.runtime_data.central.pending[STATION].evses == 2)
            await dialog.look()
            assert dialog.step == "add"
            assert dialog.filled == {"name": "Acme One"}
            assert dialog.placeholders["identity"] == f"`{STATION}`"

            await dialog.answer("add", name="Garage", max_current_a=20)

            assert dialog.shown["description"] == "dialled_in"
            (station,) = stations(site)
            assert station.title == "Garage"
            assert station.unique_id == f"station_{STATION}"
            assert station.data == {
                "station_id": STATION,
                "evses": 2,
                "max_current_a": 20,
                "fallback_current_a": 6,
            }
            await until(lambda: wallbox.ready)


async def test_the_second_of_a_kind_gets_another_name(
    set_up_site: SetUp, dial: Callable[..., Ocpp16Station], desk: Desk
) -> None:
    site = await set_up_site(subentries=[a_station("A", "Acme One"), a_station("B", "Acme One 2")])
    async with dial(vendor="Acme", model="One"):
        await until(lambda: site.runtime_data.central.pending)
        await until(lambda: site.runtime_data.central.pending[STATION].model)
        dialog = await connect_screen(desk, site)
        await dialog.choose("connect", "waiting")
        assert dialog.filled == {"name": "Acme One 3"}


async def test_those_who_wait_already_are_offered(
    site: MockConfigEntry, port: int, desk: Desk
) -> None:
    async with (
        RawClient(f"ws://127.0.0.1:{port}", "ONE"),
        RawClient(f"ws://127.0.0.1:{port}", "TWO"),
    ):
        await until(lambda: len(site.runtime_data.central.pending) == 2)
        dialog = await connect_screen(desk, site)
        assert dialog.shown["menu_options"] == ["waiting", "manual", "other"]
        assert dialog.placeholders["waiting"] == "ONE, TWO"

        await dialog.choose("connect", "waiting")
        assert dialog.options("station_id") == ["ONE", "TWO"]
        await dialog.answer("choose", station_id="TWO")
        assert dialog.filled == {"name": "TWO"}
        await dialog.answer("add", name=" ", max_current_a=16)

    (station,) = stations(site)
    assert station.title == "TWO"


async def test_a_chosen_station_may_be_added_by_then(
    hass: HomeAssistant, site: MockConfigEntry, port: int, desk: Desk
) -> None:
    async with RawClient(f"ws://127.0.0.1:{port}", "ONE"):
        await until(lambda: site.runtime_data.central.pending)
        first, second, third = [await connect_screen(desk, site) for _ in range(3)]
        await first.choose("connect", "waiting")
        await second.choose("connect", "waiting")
        await first.answer("add", name="One", max_current_a=16)

        await second.answer("add", name="One", max_current_a=16)
        assert second.step == "already_added"
        await third.choose("connect", "waiting")
        assert third.step == "gone"


async def test_one_of_several_may_be_gone_when_chosen(
    hass: HomeAssistant, site: MockConfigEntry, port: int, desk: Desk
) -> None:
    async with (
        RawClient(f"ws://127.0.0.1:{port}", "ONE"),
        RawClient(f"ws://127.0.0.1:{port}", "TWO"),
    ):
        await until(lambda: len(site.runtime_data.central.pending) == 2)
        dialog = await connect_screen(desk, site)
        await dialog.choose("connect", "waiting")
        adding.add_station(hass, site, "One", adding.station_data("ONE", 1, 16))

        await dialog.answer("choose", station_id="ONE")

        assert dialog.step == "choose"
        assert dialog.options("station_id") == ["TWO"]


async def test_a_site_that_stops_ends_the_screen(
    hass: HomeAssistant, site: MockConfigEntry, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialog = await connect_screen(desk, site)
    monkeypatch.setattr(connect, "OPEN_S", 60)
    other = await desk.add(site, "station")
    await hass.config_entries.async_unload(site.entry_id)

    await dialog.look()
    assert dialog.step == "not_running"
    await other.progress("connect")
    assert other.step == "not_running"


async def test_nothing_is_connected_to_a_site_that_does_not_run(
    hass: HomeAssistant, site: MockConfigEntry, desk: Desk
) -> None:
    await hass.config_entries.async_unload(site.entry_id)
    assert (await desk.add(site, "station")).step == "not_running"


async def test_after_a_restart_of_the_site_the_screen_watches_the_new_one(
    hass: HomeAssistant, site: MockConfigEntry, port: int, desk: Desk
) -> None:
    dialog = await connect_screen(desk, site)
    await hass.config_entries.async_reload(site.entry_id)
    await dialog.look()
    with refreshes(hass, dialog) as told:
        await knock_at(f"ws://127.0.0.1:{port}/wrong/path")
        await until(lambda: told)


@pytest.mark.parametrize(
    ("vendor", "model", "name"),
    [
        ("Acme", "One", "Acme One"),
        ("Acme", "ACME One", "ACME One"),
        ("Acme", None, "Acme"),
        (None, "One", "One"),
        (None, None, ""),
    ],
)
def test_how_a_model_is_called(vendor: str | None, model: str | None, name: str) -> None:
    assert model_name(StationInfo(id="X", protocol="", vendor=vendor, model=model)) == name


def test_a_stranger_cannot_write_in_our_texts() -> None:
    assert plain("![x](y) *Garage-1*") == r"\!\[x\]\(y\) \*Garage\-1\*"
    assert quoted("a `b` c") == "`a 'b' c`"


# By hand

BY_HAND = {
    "station_id": STATION,
    "name": "Garage",
    "evses": 2,
    "max_current_a": 32,
    "password_choice": "none",
}


async def by_hand(desk: Desk, site: ConfigEntry[Any], **answers: Any) -> Dialog:
    dialog = await connect_screen(desk, site)
    await dialog.choose("connect", "manual")
    await dialog.answer("manual", **{**BY_HAND, **answers})
    return dialog


async def test_a_station_by_hand(
    site: MockConfigEntry, dial: Callable[..., Ocpp16Station], desk: Desk
) -> None:
    dialog = await by_hand(desk, site, station_id=f" {STATION} ")

    assert dialog.shown["description"] == "by_hand"
    (station,) = stations(site)
    assert station.title == "Garage"
    assert station.data == {
        "station_id": STATION,
        "evses": 2,
        "max_current_a": 32,
        "fallback_current_a": 6,
    }
    async with dial(connectors=2) as wallbox:
        await until(lambda: wallbox.ready)


async def test_an_identity_has_to_be_one(site: MockConfigEntry, desk: Desk) -> None:
    dialog = await by_hand(desk, site, station_id="two words")
    assert dialog.errors == {"station_id": "identity_invalid"}

    await dialog.answer("manual", **{**BY_HAND, "station_id": "X" * 49})
    assert dialog.errors == {"station_id": "identity_invalid"}

    await dialog.answer("manual", **BY_HAND)
    again = await by_hand(desk, site)
    assert again.errors == {"station_id": "identity_taken"}
    assert again.filled["name"] == "Garage"
    await again.answer("manual", **{**BY_HAND, "station_id": "OTHER"})
    assert again.step == "create_entry"


async def test_a_station_may_be_added_meanwhile(
    hass: HomeAssistant, site: MockConfigEntry, desk: Desk
) -> None:
    dialog = await by_hand(desk, site, password_choice="generate")
    adding.add_station(hass, site, "Garage", adding.station_data(STATION, 1, 16))
    await dialog.answer("generated")
    assert dialog.step == "already_added"


async def test_a_password_of_its_own(
    site: MockConfigEntry, dial: Callable[..., Ocpp16Station], desk: Desk
) -> None:
    dialog = await by_hand(desk, site, password_choice="own")
    await dialog.answer("password", password="short")
    assert dialog.errors == {"password": "password_length"}
    await dialog.answer("password", password="x" * 41)
    assert dialog.errors == {"password": "password_length"}
    await dialog.answer("password", password="sixteen letters ä")
    assert dialog.errors == {"password": "password_characters"}
    await dialog.answer("password", password=PASSWORD)
    assert dialog.step == "create_entry"

    assert PASSWORD not in str(site.as_dict())
    async with dial(password=PASSWORD) as wallbox:
        await until(lambda: wallbox.ready)


async def test_a_password_that_is_made_up(
    site: MockConfigEntry, dial: Callable[..., Ocpp16Station], desk: Desk
) -> None:
    dialog = await by_hand(desk, site, password_choice="generate")
    password = dialog.placeholders["password"].strip("`")
    assert len(password) == 20
    await dialog.look()
    assert dialog.placeholders["password"] == f"`{password}`"
    await dialog.answer("generated")

    async with dial(password=password) as wallbox:
        await until(lambda: wallbox.ready)


async def test_a_password_of_a_station_that_was_there_before_is_forgotten(
    site: MockConfigEntry, desk: Desk
) -> None:
    vault = site.runtime_data.vault
    await vault.set_password_hash(STATION, "old")
    await by_hand(desk, site)
    assert vault.password_hash(STATION) is None
