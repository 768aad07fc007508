"""Setting the site up, moving it, and confirming the stations that it discovers."""

import asyncio
from collections.abc import AsyncIterator, Iterator
import contextlib
import errno
from pathlib import Path
import socket
from typing import Any
from unittest.mock import patch

from homeassistant.config_entries import (
    SOURCE_IGNORE,
    SOURCE_INTEGRATION_DISCOVERY,
    ConfigEntry,
    ConfigEntryState,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.forecourt import discovery
from custom_components.forecourt.const import DOMAIN
from custom_components.forecourt.flows import adding, connect, ports
from custom_components.forecourt.ledger import Ledger, LedgerUnreadableError
from custom_components.forecourt.stations.ocpp import door
from simulator import Ocpp16Station, RawClient, StationConfig

from .conftest import SetUp, a_station, until
from .dialogs import Desk, Dialog, stations

ANSWERS = {"name": "Home", "main_fuse_a": 35, "access": "anyone"}
NEWCOMER = "CARPORT-2"


@pytest.fixture
async def usual_port(
    hass: HomeAssistant, port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[int]:
    """Return the port that a new site takes, in a Home Assistant that has none."""
    hass.config.config_dir = str(tmp_path)
    monkeypatch.setattr("custom_components.forecourt.flows.site.DEFAULT_PORT", port)
    yield port
    for entry in hass.config_entries.async_loaded_entries(DOMAIN):
        await hass.config_entries.async_unload(entry.entry_id)


@contextlib.contextmanager
def taken(port: int) -> Iterator[None]:
    """Be another program that listens on a port."""
    with socket.create_server(("127.0.0.1", port)):
        yield


def site(hass: HomeAssistant) -> ConfigEntry[Any]:
    (entry,) = hass.config_entries.async_entries(DOMAIN, include_ignore=False)
    return entry


# A new site


async def test_three_questions_make_a_site(
    hass: HomeAssistant, usual_port: int, desk: Desk
) -> None:
    dialog = await desk.config()
    assert dialog.step == "user"
    assert dialog.filled == {"name": hass.config.location_name}

    await dialog.answer("user", **ANSWERS)

    entry = site(hass)
    assert entry.state is ConfigEntryState.LOADED
    assert entry.title == "Home"
    assert entry.unique_id == DOMAIN
    assert entry.data == {"port": usual_port}
    (user,) = entry.subentries.values()
    user_id = user.data["user_id"]
    assert user.title == "Everyone"
    assert user.unique_id == f"user_{user_id}"
    assert entry.options == {
        "main_fuse_a": 35,
        "access": "anyone",
        "personal_data": "shared",
        "default_user": user_id,
    }
    desk.follow(dialog, "station")


async def test_connecting_a_wallbox_follows(
    hass: HomeAssistant, usual_port: int, desk: Desk
) -> None:
    dialog = await desk.config()
    await dialog.answer("user", **ANSWERS)

    assert dialog.shown["next_flow"][0] == "config_subentries_flow"
    following = desk.follow(dialog, "station")
    # The screen waits for the browser, which comes when it is done with the first dialog.
    await hass.async_block_till_done()
    await following.look()
    assert following.step == "open"
    await following.progress("connect")
    assert following.placeholders["url"] == f"ws://10.10.10.10:{usual_port}/"


async def test_a_browser_that_never_comes_is_not_waited_for(
    hass: HomeAssistant, usual_port: int, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "FIRST_LOOK_S", 0)
    dialog = await desk.config()
    await dialog.answer("user", **ANSWERS)
    await desk.follow(dialog, "station").progress("connect")


async def test_where_known_cards_charge_there_is_no_user_yet(
    hass: HomeAssistant, usual_port: int, desk: Desk
) -> None:
    dialog = await desk.config()
    await dialog.answer("user", **{**ANSWERS, "access": "known"})

    entry = site(hass)
    assert not entry.subentries
    assert "default_user" not in entry.options
    desk.follow(dialog, "station")


async def test_nothing_follows_a_site_that_does_not_run(
    hass: HomeAssistant, usual_port: int, desk: Desk
) -> None:
    dialog = await desk.config()
    with patch.object(Ledger, "open", side_effect=LedgerUnreadableError(Path("x"), "broken")):
        await dialog.answer("user", **ANSWERS)

    assert site(hass).state is ConfigEntryState.SETUP_ERROR
    assert "next_flow" not in dialog.shown


async def test_nothing_follows_where_the_dialog_cannot_begin(
    hass: HomeAssistant, usual_port: int, desk: Desk
) -> None:
    dialog = await desk.config()
    with patch.object(
        hass.config_entries.subentries, "async_init", return_value={"type": FlowResultType.ABORT}
    ):
        await dialog.answer("user", **ANSWERS)

    assert "next_flow" not in dialog.shown


async def test_a_site_has_a_name(hass: HomeAssistant, usual_port: int, desk: Desk) -> None:
    dialog = await desk.config()
    await dialog.answer("user", **{**ANSWERS, "name": "  "})

    assert dialog.errors == {"name": "name_empty"}
    assert dialog.filled["main_fuse_a"] == 35
    await dialog.answer("user", **ANSWERS)
    assert dialog.step == "create_entry"
    desk.follow(dialog, "station")


async def test_a_port_that_is_taken_is_noticed_at_once(
    hass: HomeAssistant, usual_port: int, desk: Desk
) -> None:
    dialog = await desk.config()
    with taken(usual_port):
        await dialog.answer("user", **ANSWERS)
        assert dialog.step == "port"
        assert dialog.errors == {"port": "port_in_use"}
        free = dialog.filled["port"]
        assert free > usual_port

        await dialog.answer("port", port=usual_port)
        assert dialog.errors == {"port": "port_in_use"}

        await dialog.answer("port", port=free)

    assert dialog.step == "create_entry"
    assert site(hass).data == {"port": free}
    desk.follow(dialog, "station")


async def test_the_port_may_be_free_when_one_looks_again(
    hass: HomeAssistant, usual_port: int, desk: Desk
) -> None:
    dialog = await desk.config()
    with taken(usual_port):
        await dialog.answer("user", **ANSWERS)

    await dialog.look()
    assert dialog.errors == {}
    assert dialog.filled == {"port": usual_port}


@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (errno.EADDRINUSE, "port_in_use"),
        (errno.EACCES, "port_forbidden"),
        (errno.EAFNOSUPPORT, None),
    ],
)
def test_what_is_wrong_with_a_port(error: int, problem: str | None) -> None:
    with patch("socket.create_server", side_effect=OSError(error, "no")):
        assert ports.port_problem(9000) == problem


def test_where_no_port_is_free_none_is_suggested() -> None:
    with patch.object(ports, "port_problem", return_value="port_in_use"):
        assert ports.next_free_port(65000) == 65000


async def test_there_is_one_site(set_up_site: SetUp, desk: Desk) -> None:
    await set_up_site()

    dialog = await desk.config()

    assert dialog.step == "already_configured"


async def test_a_dialog_left_open_elsewhere_is_in_nobodys_way(
    hass: HomeAssistant, usual_port: int, desk: Desk
) -> None:
    await desk.config()
    dialog = await desk.config()
    assert dialog.step == "user"


# The site moves


async def test_reconfigure(hass: HomeAssistant, set_up_site: SetUp, port: int, desk: Desk) -> None:
    entry = await set_up_site()
    dialog = await desk.reconfigure(entry)
    assert dialog.filled == {"name": "Home", "port": port}

    with socket.create_server(("127.0.0.1", 0)) as other:
        await dialog.answer("reconfigure", name=" ", port=other.getsockname()[1])
        assert dialog.errors == {"name": "name_empty", "port": "port_in_use"}
        free = ports.next_free_port(port)

    await dialog.answer("reconfigure", name="Depot", port=free)

    assert dialog.step == "reconfigure_successful"
    assert entry.title == "Depot"
    await hass.async_block_till_done()
    assert entry.runtime_data.central.port == free


async def test_another_name_leaves_the_doors_open(
    hass: HomeAssistant, set_up_site: SetUp, port: int, desk: Desk
) -> None:
    entry = await set_up_site()
    hub = entry.runtime_data

    dialog = await desk.reconfigure(entry)
    await dialog.answer("reconfigure", name="Depot", port=port)

    await hass.async_block_till_done()
    assert entry.title == "Depot"
    assert entry.runtime_data is hub


# Stations that dialled in


@pytest.fixture
async def empty_site(set_up_site: SetUp) -> MockConfigEntry:
    return await set_up_site(subentries=[])


@pytest.fixture
async def newcomer(
    hass: HomeAssistant, empty_site: MockConfigEntry, port: int
) -> AsyncIterator[Ocpp16Station]:
    """Return a station that nobody knows and that has dialled in."""
    config = StationConfig(NEWCOMER, vendor="Acme", model="acme Duo", connectors=2)
    async with Ocpp16Station(config, f"ws://127.0.0.1:{port}") as station:
        await until(lambda: discovered(hass))
        yield station


def discovered(hass: HomeAssistant) -> list[Any]:
    return [
        flow
        for flow in hass.config_entries.flow.async_progress()
        if flow["context"]["source"] == SOURCE_INTEGRATION_DISCOVERY
    ]


async def card(hass: HomeAssistant, desk: Desk) -> Dialog:
    """Open the card of the discovered station."""
    (flow,) = discovered(hass)
    dialog = desk.discovered(flow)
    await dialog.look()
    return dialog


async def test_a_strangers_word_makes_no_more_outlets_than_can_be_entered(
    hass: HomeAssistant, empty_site: MockConfigEntry, port: int, desk: Desk
) -> None:
    config = StationConfig(NEWCOMER, vendor="Acme", model="acme Wall", connectors=60)
    async with Ocpp16Station(config, f"ws://127.0.0.1:{port}"):
        await until(lambda: discovered(hass))
        pending = empty_site.runtime_data.central.pending
        await until(lambda: pending[NEWCOMER].evses == 60)
        dialog = await card(hass, desk)
        await dialog.answer("discovered", name="Wall", max_current_a=16)
        [added] = stations(empty_site)
        assert added.data["evses"] == 8


async def test_a_stranger_is_discovered_and_added(
    hass: HomeAssistant, newcomer: Ocpp16Station, empty_site: MockConfigEntry, desk: Desk
) -> None:
    dialog = await card(hass, desk)
    assert dialog.shown["step_id"] == "discovered"
    (flow,) = discovered(hass)
    assert flow["context"]["title_placeholders"] == {"name": "acme Duo (CARPORT-2)"}
    assert flow["context"]["unique_id"] == "station_CARPORT-2"
    assert dialog.filled == {"name": "acme Duo"}
    assert dialog.placeholders == {
        "identity": "`CARPORT-2`",
        "vendor": "`Acme`",
        "model": "`acme Duo`",
        "outlets": "2",
        "address": "`127.0.0.1`",
    }

    await dialog.answer("discovered", name="Carport", max_current_a=20)

    assert dialog.step == "wallbox_added"
    assert dialog.placeholders["name"] == "Carport"
    assert "card" in dialog.placeholders["next_step"]
    (station,) = empty_site.subentries.values()
    assert station.title == "Carport"
    assert station.unique_id == "station_CARPORT-2"
    assert station.data == {
        "station_id": NEWCOMER,
        "evses": 2,
        "max_current_a": 20,
        "fallback_current_a": 6,
    }
    await until(lambda: newcomer.ready)
    assert not discovered(hass)


async def test_a_station_without_a_name_is_called_by_its_identity(
    hass: HomeAssistant, newcomer: Ocpp16Station, empty_site: MockConfigEntry, desk: Desk
) -> None:
    dialog = await card(hass, desk)
    await dialog.answer("discovered", name=" ", max_current_a=16)
    (station,) = empty_site.subentries.values()
    assert station.title == NEWCOMER


async def test_the_card_goes_when_the_station_is_added_another_way(
    hass: HomeAssistant, newcomer: Ocpp16Station, empty_site: MockConfigEntry, desk: Desk
) -> None:
    dialog = await desk.add(empty_site, "station")
    await dialog.progress("connect")
    await dialog.choose("connect", "waiting")
    await dialog.answer("add", name="Carport", max_current_a=16)

    assert dialog.step == "create_entry"
    assert not discovered(hass)


async def introduce(port: int, identity: str) -> None:
    """Be a stranger that tells what it is, and leaves."""
    async with RawClient(f"ws://127.0.0.1:{port}", identity) as client:
        await client.boot()
        asked = await client.receive()
        await client.send([4, asked[1], "NotSupported", "", {}])
        await client.call("Heartbeat", {})


async def test_there_are_no_more_cards_than_stations_may_wait(
    hass: HomeAssistant, empty_site: MockConfigEntry, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A card goes with the stranger that it is for, so that nobody can fill the screen."""
    for module in (door, discovery):
        monkeypatch.setattr(module, "MAX_PENDING", 3)

    def shown() -> set[str]:
        return {flow["context"]["unique_id"] for flow in discovered(hass)}

    for number in range(8):
        await introduce(port, f"CP{number}")
        await until(lambda number=number: f"station_CP{number}" in shown())
        central = empty_site.runtime_data.central
        assert shown() == {f"station_{identity}" for identity in central.pending}
    assert shown() == {"station_CP5", "station_CP6", "station_CP7"}

    # Those from before a restart of the site wait as long as there is room.
    await hass.config_entries.async_reload(empty_site.entry_id)
    assert len(shown()) == 3
    await introduce(port, "CP6")
    await introduce(port, "CP8")
    await until(lambda: "station_CP8" in shown())
    assert shown() == {"station_CP6", "station_CP8"}


async def test_a_station_that_is_ignored_comes_no_more(
    hass: HomeAssistant,
    newcomer: Ocpp16Station,
    empty_site: MockConfigEntry,
    set_up_site: SetUp,
    desk: Desk,
) -> None:
    (flow,) = discovered(hass)
    ignored = await desk.config(
        SOURCE_IGNORE, data={"unique_id": flow["context"]["unique_id"], "title": "Carport"}
    )
    assert ignored.step == "create_entry"
    assert "next_flow" not in ignored.shown
    assert not discovered(hass)

    again = await desk.config(SOURCE_INTEGRATION_DISCOVERY, data={"station_id": NEWCOMER})
    assert again.step == "already_configured"
    # What is ignored is an entry, but no site.
    assert (await desk.config()).step == "already_configured"
    await newcomer.fault("drop")
    await until(lambda: any(one.count > 1 for one in empty_site.runtime_data.central.knocks))
    await asyncio.sleep(0.1)
    assert not discovered(hass)


async def test_a_site_can_be_set_up_where_stations_are_ignored(
    hass: HomeAssistant, usual_port: int, desk: Desk
) -> None:
    MockConfigEntry(
        domain=DOMAIN, source=SOURCE_IGNORE, unique_id=f"station_{NEWCOMER}"
    ).add_to_hass(hass)
    assert (await desk.config()).step == "user"


async def test_what_cannot_be_discovered(
    hass: HomeAssistant, set_up_site: SetUp, usual_port: int, desk: Desk
) -> None:
    async def discover(station_id: str) -> str:
        dialog = await desk.config(SOURCE_INTEGRATION_DISCOVERY, data={"station_id": station_id})
        return dialog.step

    assert await discover("GARAGE") == "no_site"
    entry = await set_up_site(subentries=[a_station("GARAGE")])
    assert await discover("GARAGE") == "already_added"
    assert await discover("NOBODY") == "gone"
    await hass.config_entries.async_unload(entry.entry_id)
    assert await discover("NOBODY") == "not_running"


async def test_a_card_can_wait_while_the_site_does_not_run(
    hass: HomeAssistant, newcomer: Ocpp16Station, empty_site: MockConfigEntry, desk: Desk
) -> None:
    dialog = await card(hass, desk)
    await hass.config_entries.async_unload(empty_site.entry_id)

    await dialog.answer("discovered", name="Carport", max_current_a=16)
    assert dialog.step == "wallbox_added"

    assert await hass.config_entries.async_setup(empty_site.entry_id)
    await until(lambda: newcomer.ready)


async def test_a_card_that_came_too_late(
    hass: HomeAssistant, newcomer: Ocpp16Station, empty_site: MockConfigEntry, desk: Desk
) -> None:
    dialog = await card(hass, desk)
    await hass.config_entries.async_unload(empty_site.entry_id)
    adding.add_station(hass, empty_site, "Carport", adding.station_data(NEWCOMER, 1, 16))

    await dialog.look()
    assert dialog.step == "already_added"


async def test_the_card_goes_with_the_site(
    hass: HomeAssistant, newcomer: Ocpp16Station, empty_site: MockConfigEntry, desk: Desk
) -> None:
    dialog = await card(hass, desk)
    await hass.config_entries.async_remove(empty_site.entry_id)
    assert not dialog.is_open
