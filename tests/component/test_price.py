"""Where the price of a kilowatt-hour comes from."""

from decimal import Decimal

from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.forecourt.const import DOMAIN

from .conftest import SetUp

ENTITY = "sensor.price"


async def price(entry: MockConfigEntry) -> Decimal | None:
    found: Decimal | None = await entry.runtime_data.ledger.price_at(dt_util.utcnow())
    return found


async def test_an_entity_is_followed(hass: HomeAssistant, set_up_site: SetUp) -> None:
    hass.states.async_set(ENTITY, "0.31")
    entry = await set_up_site(options={"price_per_kwh": None, "price_entity": ENTITY})
    assert await price(entry) == Decimal("0.31")
    hass.states.async_set(ENTITY, "-0.02")
    await hass.async_block_till_done()
    assert await price(entry) == Decimal("-0.02")
    assert not ir.async_get(hass).issues


@pytest.mark.parametrize("state", ["unknown", "unavailable", "cheap", "nan", None])
async def test_an_entity_that_tells_no_price_is_an_issue_until_it_does(
    hass: HomeAssistant, set_up_site: SetUp, state: str | None
) -> None:
    if state is not None:
        hass.states.async_set(ENTITY, state)
    entry = await set_up_site(options={"price_per_kwh": None, "price_entity": ENTITY})
    issue = ir.async_get(hass).async_get_issue(DOMAIN, "price_entity")
    assert issue is not None
    assert issue.translation_placeholders == {"entity_id": ENTITY, "state": state or "missing"}
    assert await price(entry) is None
    hass.states.async_set(ENTITY, "0.25")
    await hass.async_block_till_done()
    assert await price(entry) == Decimal("0.25")
    assert not ir.async_get(hass).issues


async def test_an_entity_that_goes_away_leaves_the_price_unknown(
    hass: HomeAssistant, set_up_site: SetUp
) -> None:
    hass.states.async_set(ENTITY, "0.31")
    entry = await set_up_site(options={"price_per_kwh": None, "price_entity": ENTITY})
    hass.states.async_remove(ENTITY)
    await hass.async_block_till_done()
    assert await price(entry) is None
    assert ir.async_get(hass).async_get_issue(DOMAIN, "price_entity") is not None
    # Another decision of the owner ends it.
    hass.config_entries.async_update_entry(
        entry, options={**entry.options, "price_entity": None, "price_per_kwh": 0.4}
    )
    await hass.async_block_till_done()
    assert await price(entry) == Decimal("0.4")
    assert not ir.async_get(hass).issues
