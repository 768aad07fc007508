"""Issues that an administrator can put right with a click."""

from http import HTTPStatus
import json

from homeassistant.components.repairs import repairs_flow_manager
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import (
    ClientSessionGenerator,
    WebSocketGenerator,
)

from custom_components.forecourt.const import DOMAIN
from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.token import Token
from custom_components.forecourt.offers import Offer

from .conftest import ANNA, BEN, CARD_OF_ANNA, STATION, STRANGE_CARD, SetUp
from .dialogs import STRINGS, Dialog

OFFER = "token_offer_1"


@pytest.fixture
async def site(hass: HomeAssistant, set_up_site: SetUp) -> MockConfigEntry:
    """Return a site where a card is offered to Anna."""
    assert await async_setup_component(hass, "repairs", {})
    entry = await set_up_site()
    entry.runtime_data.offers.add(
        Offer(token=Token(STRANGE_CARD), user_id=ANNA, evse=EvseId(STATION, 1))
    )
    return entry


@pytest.fixture
async def fix(hass: HomeAssistant, site: MockConfigEntry) -> Dialog:
    """Return the dialog that fixes the offer."""
    manager = repairs_flow_manager(hass)
    assert manager is not None
    dialog = Dialog(manager, STRINGS["issues"]["token_offer"]["fix_flow"])
    return await dialog.begin(DOMAIN, context={"issue_id": OFFER})


def offered(hass: HomeAssistant) -> bool:
    return ir.async_get(hass).async_get_issue(DOMAIN, OFFER) is not None


def cards(site: MockConfigEntry) -> list[str]:
    return [record.token.uid for record in site.runtime_data.vault.tokens_of(ANNA)]


async def test_accept(hass: HomeAssistant, site: MockConfigEntry, fix: Dialog) -> None:
    assert fix.shown["menu_options"] == ["accept", "refuse"]
    assert fix.placeholders == {"last4": "E5F6", "evse": "Garage", "user": "Anna"}

    await fix.choose("init", "accept")

    assert fix.step == "create_entry"
    assert cards(site) == [CARD_OF_ANNA, STRANGE_CARD]
    assert not offered(hass)


async def test_who_may_not_fix_it_learns_no_name_and_no_digit(
    hass: HomeAssistant,
    site: MockConfigEntry,
    hass_ws_client: WebSocketGenerator,
    hass_client: ClientSessionGenerator,
    hass_read_only_access_token: str,
) -> None:
    websocket = await hass_ws_client(hass, hass_read_only_access_token)
    await websocket.send_json_auto_id({"type": "repairs/list_issues"})
    told = await websocket.receive_json()
    assert [issue["issue_id"] for issue in told["result"]["issues"]] == [OFFER]
    for secret in ("Anna", "E5F6"):
        assert secret not in json.dumps(told)

    browser = await hass_client(hass_read_only_access_token)
    answer = await browser.post(
        "/api/repairs/issues/fix", json={"handler": DOMAIN, "issue_id": OFFER}
    )
    assert answer.status == HTTPStatus.UNAUTHORIZED


async def test_refuse(hass: HomeAssistant, site: MockConfigEntry, fix: Dialog) -> None:
    await fix.choose("init", "refuse")

    assert fix.step == "create_entry"
    assert cards(site) == [CARD_OF_ANNA]
    assert not offered(hass)


async def test_too_late(hass: HomeAssistant, site: MockConfigEntry, fix: Dialog) -> None:
    await site.runtime_data.enrol(Token(STRANGE_CARD), BEN)

    await fix.choose("init", "accept")

    assert fix.step == "offer_over"
    assert not offered(hass)


async def test_the_site_stopped(hass: HomeAssistant, site: MockConfigEntry, fix: Dialog) -> None:
    await hass.config_entries.async_unload(site.entry_id)
    assert not offered(hass)

    await fix.choose("init", "accept")

    assert fix.step == "not_running"


async def test_the_offer_ended_while_the_dialog_was_open(
    site: MockConfigEntry, fix: Dialog
) -> None:
    site.runtime_data.offers.take(1)

    await fix.look()

    assert fix.step == "offer_over"


async def test_the_site_is_no_more(hass: HomeAssistant, site: MockConfigEntry, fix: Dialog) -> None:
    await hass.config_entries.async_remove(site.entry_id)

    await fix.choose("init", "refuse")

    assert fix.step == "not_running"
