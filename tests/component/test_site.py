"""The site as a whole: how it starts, changes, stops, and is removed."""

from collections.abc import Callable
import logging
from pathlib import Path
from types import MappingProxyType
from unittest.mock import patch

from homeassistant.config_entries import ConfigEntryState, ConfigSubentry
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.helpers import device_registry as dr, issue_registry as ir
import pytest

from custom_components.forecourt.const import DOMAIN
from custom_components.forecourt.core.model.token import Token
from custom_components.forecourt.flows import adding
from custom_components.forecourt.hub import Hub
from custom_components.forecourt.ledger import Ledger, LedgerError, LedgerTooNewError
from simulator import Ocpp16Station

from .conftest import ANNA, CARD_OF_ANNA, SetUp, Time, a_station, devices_of_site


@pytest.fixture
def books(tmp_path: Path) -> Path:
    """Return where the books lie."""
    return tmp_path / "forecourt" / "ledger.db"


async def test_books_of_a_newer_version_are_left_alone(
    hass: HomeAssistant, set_up_site: SetUp
) -> None:
    entry = await set_up_site()
    assert await hass.config_entries.async_unload(entry.entry_id)
    with patch.object(Ledger, "open", side_effect=LedgerTooNewError("0099", "0001")):
        assert not await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_ERROR
    assert entry.error_reason_translation_key == "ledger_too_new"


async def test_books_that_are_none(hass: HomeAssistant, set_up_site: SetUp, books: Path) -> None:
    entry = await set_up_site()
    assert await hass.config_entries.async_unload(entry.entry_id)
    books.write_bytes(b"no database" * 1000)  # noqa: ASYNC240
    assert not await hass.config_entries.async_setup(entry.entry_id)
    assert entry.error_reason_translation_key == "ledger_unreadable"
    assert books.read_bytes().startswith(b"no database")  # noqa: ASYNC240


async def test_a_start_that_fails_leaves_nothing_behind(
    hass: HomeAssistant, set_up_site: SetUp
) -> None:
    entry = await set_up_site()
    assert await hass.config_entries.async_unload(entry.entry_id)
    forward = "homeassistant.config_entries.ConfigEntries.async_forward_entry_setups"
    with patch(forward, side_effect=ValueError):
        assert not await hass.config_entries.async_setup(entry.entry_id)
    # The books and the port are free again.
    assert entry.runtime_data.central.port is None
    assert await hass.config_entries.async_reload(entry.entry_id)


async def test_books_that_do_not_answer_are_tried_again(
    hass: HomeAssistant, set_up_site: SetUp
) -> None:
    entry = await set_up_site()
    assert await hass.config_entries.async_unload(entry.entry_id)
    with patch.object(Ledger, "users", side_effect=LedgerError("disk I/O error")):
        assert not await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert entry.error_reason_translation_key == "ledger_unavailable"
    assert await hass.config_entries.async_reload(entry.entry_id)


async def test_a_port_that_is_not_allowed_is_an_issue(
    hass: HomeAssistant, set_up_site: SetUp
) -> None:
    forbidden = patch("aiohttp.web.TCPSite.start", side_effect=PermissionError(13, "no"))
    with forbidden:
        entry = await set_up_site()
    assert entry.state is ConfigEntryState.LOADED
    issues = ir.async_get(hass)
    assert issues.async_get_issue(DOMAIN, "port_forbidden") is not None
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert not issues.issues, "a site that does not run complains"
    assert await hass.config_entries.async_setup(entry.entry_id)
    assert not issues.issues


async def test_the_site_is_renamed(hass: HomeAssistant, set_up_site: SetUp) -> None:
    entry = await set_up_site(subentries=[])
    hass.config_entries.async_update_entry(entry, title="Depot")
    await hass.async_block_till_done()
    assert [device.name for device in devices_of_site(dr.async_get(hass))] == ["Depot"]


async def test_what_is_changed_while_the_site_starts_is_not_missed(
    hass: HomeAssistant, set_up_site: SetUp
) -> None:
    entry = await set_up_site(subentries=[])
    assert await hass.config_entries.async_unload(entry.entry_id)
    opened = Hub.open

    async def open_late(hub: Hub) -> None:
        adding.add_station(hass, entry, "Garage", adding.station_data("GARAGE", 1, 16))
        await opened(hub)

    with patch.object(Hub, "open", open_late):
        assert await hass.config_entries.async_setup(entry.entry_id)
    assert list(entry.runtime_data.coordinators) == ["GARAGE"]


async def test_a_card_that_is_taken_away_opens_nothing_though_the_disk_is_full(
    hass: HomeAssistant, set_up_site: SetUp
) -> None:
    entry = await set_up_site()
    hub = entry.runtime_data
    with (
        patch.object(hub.ledger._worker, "do", side_effect=LedgerError("disk is full")),
        pytest.raises(LedgerError),
    ):
        await hub.withdraw(Token(CARD_OF_ANNA))
    assert not hub.site.desk.judge(Token(CARD_OF_ANNA)).accepted


async def test_a_change_that_the_books_do_not_take_is_told(
    hass: HomeAssistant, set_up_site: SetUp, caplog: pytest.LogCaptureFixture
) -> None:
    entry = await set_up_site()
    ledger = entry.runtime_data.ledger
    [anna] = [subentry for subentry in entry.subentries.values() if subentry.title == "Anna"]
    with patch.object(ledger._worker, "do", side_effect=LedgerError("disk is full")):
        hass.config_entries.async_remove_subentry(entry, anna.subentry_id)
        await hass.async_block_till_done()
    assert not entry.runtime_data.site.desk.judge(Token(CARD_OF_ANNA)).accepted
    assert "did not take a change of the site" in caplog.text
    assert hass.states.get("binary_sensor.anna_charging") is None

    assert await hass.config_entries.async_reload(entry.entry_id)
    assert (await entry.runtime_data.ledger.users())[ANNA].deactivated_at is not None


async def test_home_assistant_stops(
    hass: HomeAssistant,
    wallbox: Ocpp16Station,
    passing_time: Time,
    caplog: pytest.LogCaptureFixture,
) -> None:
    [entry] = hass.config_entries.async_entries(DOMAIN)
    hass.set_state(CoreState.stopping)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_STOP)
    await passing_time.until(lambda: not wallbox.online)
    await passing_time.settle()
    assert entry.runtime_data.central.port is None
    hass.set_state(CoreState.running)
    # Stopped already, it can still be unloaded.
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


async def test_what_is_removed_takes_its_secrets_and_leaves_the_books(
    hass: HomeAssistant, set_up_site: SetUp, hass_storage: dict[str, object], books: Path
) -> None:
    entry = await set_up_site()
    entry.runtime_data.site.orders.allow(
        entry.runtime_data.coordinators["GARAGE"].evses[0], allowed=False
    )
    assert {"forecourt.vault"} <= set(hass_storage)
    await hass.config_entries.async_remove(entry.entry_id)
    assert not {"forecourt.vault", "forecourt.memory"} & set(hass_storage)
    assert books.exists()  # noqa: ASYNC240


async def test_a_station_that_is_removed_and_added_again_at_once(
    hass: HomeAssistant,
    set_up_site: SetUp,
    dial_in: Callable[..., Ocpp16Station],
    passing_time: Time,
) -> None:
    entry = await set_up_site(subentries=[a_station()])
    hub = entry.runtime_data
    async with dial_in() as station:
        await passing_time.until(lambda: station.ready)
        [subentry] = entry.subentries.values()
        hass.config_entries.async_remove_subentry(entry, subentry.subentry_id)
        again = ConfigSubentry(
            data=MappingProxyType(a_station()["data"]),
            subentry_type="station",
            title="Garage",
            unique_id=subentry.unique_id,
        )
        hass.config_entries.async_add_subentry(entry, again)
        await passing_time.passes(2)
        connection = "binary_sensor.garage_connection"
        await passing_time.until(lambda: hass.states.is_state(connection, "on"))
    assert list(hub.coordinators) == ["GARAGE"]
    assert hub.coordinators["GARAGE"].subentry_id == again.subentry_id


async def test_a_disk_that_takes_nothing_is_an_issue_until_it_does(
    hass: HomeAssistant, set_up_site: SetUp
) -> None:
    entry = await set_up_site()
    hub, issues = entry.runtime_data, ir.async_get(hass)
    full = patch.object(hub.ledger._worker, "do", side_effect=LedgerError("disk is full"))
    with full, pytest.raises(LedgerError):
        await hub.ledger.remember_user(ANNA, "Anna")
    issue = issues.async_get_issue(DOMAIN, "ledger_not_writable")
    assert issue is not None
    assert issue.translation_placeholders is not None
    assert issue.translation_placeholders["reason"] == "disk is full"
    await hub.ledger.remember_user(ANNA, "Anna")
    assert issues.async_get_issue(DOMAIN, "ledger_not_writable") is None
