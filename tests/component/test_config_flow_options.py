"""What the owner of the site decides."""

from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.forecourt.const import DOMAIN
from custom_components.forecourt.price import per_kwh

from .conftest import ANNA, BEN, SetUp
from .dialogs import Desk, Dialog

PRICE = "sensor.price"
ANSWERS = {
    "main_fuse_a": 32,
    "access": "known",
    "price_source": "none",
    "personal_data": "private",
}


@pytest.fixture
async def site(set_up_site: SetUp) -> MockConfigEntry:
    return await set_up_site()


async def open_options(desk: Desk, site: MockConfigEntry) -> Dialog:
    """Open the dialog at what most people want to change."""
    dialog = await desk.options(site)
    await dialog.choose("init", "site")
    return dialog


def issues(hass: HomeAssistant) -> set[str]:
    return {issue_id for domain, issue_id in ir.async_get(hass).issues if domain == DOMAIN}


async def test_options(hass: HomeAssistant, site: MockConfigEntry, desk: Desk) -> None:
    hub = site.runtime_data
    dialog = await open_options(desk, site)
    assert dialog.filled == {
        "main_fuse_a": 25,
        "access": "known",
        "price_source": "fixed",
        "personal_data": "shared",
    }
    assert dialog.options("default_user") == [ANNA, BEN]

    await dialog.answer("site", **ANSWERS)

    assert dialog.step == "create_entry"
    assert site.options == {"main_fuse_a": 32, "access": "known", "personal_data": "private"}
    await hass.async_block_till_done()
    # What is set takes effect without closing a single connection.
    assert site.runtime_data is hub
    assert hub.site.settings.main_fuse_a == 32


async def test_where_anyone_may_charge_somebody_pays(
    hass: HomeAssistant, site: MockConfigEntry, desk: Desk
) -> None:
    dialog = await open_options(desk, site)
    await dialog.answer("site", **{**ANSWERS, "access": "anyone"})
    assert dialog.errors == {"default_user": "default_user_required"}
    assert dialog.filled["access"] == "anyone"

    await dialog.answer("site", **{**ANSWERS, "access": "anyone", "default_user": BEN})

    assert site.options["default_user"] == BEN
    await hass.async_block_till_done()
    assert site.runtime_data.site.settings.default_user_id == BEN
    assert (await open_options(desk, site)).filled["default_user"] == BEN


async def test_a_default_user_who_is_deleted_is_missed(
    hass: HomeAssistant, set_up_site: SetUp, desk: Desk
) -> None:
    site = await set_up_site(options={"access": "anyone", "default_user": BEN})
    assert not issues(hass)
    ben = next(one for one in site.subentries.values() if one.title == "Ben")

    hass.config_entries.async_remove_subentry(site, ben.subentry_id)
    await hass.async_block_till_done()

    assert issues(hass) == {"default_user_missing"}
    assert site.runtime_data.site.settings.default_user_id is None
    dialog = await open_options(desk, site)
    assert "default_user" not in dialog.filled

    await dialog.answer("site", **{**ANSWERS, "access": "anyone", "default_user": ANNA})
    await hass.async_block_till_done()
    assert not issues(hass)


async def test_a_fixed_price(hass: HomeAssistant, site: MockConfigEntry, desk: Desk) -> None:
    dialog = await open_options(desk, site)
    await dialog.answer("site", **{**ANSWERS, "price_source": "fixed"})
    assert dialog.step == "price_fixed"
    assert dialog.filled == {"price_per_kwh": 0.30}

    await dialog.answer("price_fixed", price_per_kwh=0.25)

    assert site.options["price_per_kwh"] == 0.25
    assert "price_entity" not in site.options


async def test_a_price_from_an_entity(
    hass: HomeAssistant, site: MockConfigEntry, desk: Desk
) -> None:
    currency = hass.config.currency
    dialog = await open_options(desk, site)
    await dialog.answer("site", **{**ANSWERS, "price_source": "entity"})
    assert dialog.step == "price_entity"

    await dialog.answer("price_entity", price_entity=PRICE)
    assert dialog.errors == {"price_entity": "price_missing"}

    hass.states.async_set(PRICE, "cheap")
    await dialog.answer("price_entity", price_entity=PRICE)
    assert dialog.errors == {"price_entity": "price_not_numeric"}
    assert dialog.placeholders["state"] == "cheap"
    assert dialog.filled == {"price_entity": PRICE}

    hass.states.async_set(PRICE, "31", {"unit_of_measurement": "ct/kWh"})
    await dialog.answer("price_entity", price_entity=PRICE)
    assert dialog.errors == {"price_entity": "price_unit"}
    assert dialog.placeholders["unit"] == "ct/kWh"

    hass.states.async_set(PRICE, "0.31", {"unit_of_measurement": f"{currency}/kWh"})
    await dialog.answer("price_entity", price_entity=PRICE)

    assert dialog.step == "create_entry"
    assert site.options["price_entity"] == PRICE
    assert "price_per_kwh" not in site.options
    await hass.async_block_till_done()
    assert not issues(hass)
    again = await open_options(desk, site)
    assert again.filled["price_source"] == "entity"


@pytest.mark.parametrize(
    ("unit", "fits"),
    [
        (None, True),
        ("EUR/kWh", True),
        ("€/kWh", True),
        ("kr / kWh", True),
        ("EUR/MWh", False),
        ("Ct/kWh", False),
        ("EUR", False),
    ],
)
def test_units_of_prices(unit: str | None, fits: Any) -> None:
    assert per_kwh(unit) is fits
