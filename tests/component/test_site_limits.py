"""Limits from outside: asked for, kept, and proven."""

from datetime import timedelta
from typing import Any

from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import ServiceValidationError
import pytest
from pytest_homeassistant_custom_component.common import MockUser

from simulator import Ocpp16Station

from .conftest import CARD_OF_ANNA, NOON, SetUp, Time


async def act(hass: HomeAssistant, name: str, **data: Any) -> Any:
    answered = name.startswith("get_")
    return await hass.services.async_call(
        "forecourt", name, data, blocking=True, return_response=answered
    )


async def test_what_was_asked_is_kept_as_proof(
    hass: HomeAssistant, wallbox: Ocpp16Station, passing_time: Time
) -> None:
    await wallbox.plug(1, "family", soc=0.2)
    await passing_time.passes(1)
    assert await wallbox.tap(CARD_OF_ANNA) == "started"
    await passing_time.until(lambda: wallbox.connector(1).evse.power_w > 10000)
    await act(hass, "set_site_limit", power=5, source="grid operator", duration={"minutes": 5})
    await passing_time.until(lambda: wallbox.connector(1).evse.power_w <= 5000)
    await passing_time.passes(60)
    [limit] = (await act(hass, "get_site_limits"))["limits"]
    assert (limit["source"], limit["power_kw"], limit["released"]) == ("grid operator", 5.0, None)
    assert limit["applied"] >= limit["received"]
    assert 4 < limit["highest_measured_kw"] <= 5
    await passing_time.passes(260)
    await passing_time.until(lambda: wallbox.connector(1).evse.power_w > 10000)
    [limit] = (await act(hass, "get_site_limits"))["limits"]
    assert limit["released"] == limit["end"]
    assert limit["highest_measured_kw"] <= 5


async def test_a_limit_outlives_a_restart_and_is_taken_back(
    hass: HomeAssistant, set_up_site: SetUp, passing_time: Time
) -> None:
    entry = await set_up_site()
    await act(hass, "set_site_limit", power=11, end=NOON + timedelta(hours=3))
    await act(hass, "set_site_limit", power=7.5)
    await hass.config_entries.async_reload(entry.entry_id)
    demand = entry.runtime_data.site.demand
    [limit] = demand.limits
    assert limit.limit_w == 7500
    assert demand.limit(NOON + timedelta(days=9)) is not None
    await act(hass, "clear_site_limit")
    assert not demand.limits
    limits = (await act(hass, "get_site_limits"))["limits"]
    assert [it["power_kw"] for it in limits] == [7.5, 11.0]
    assert all(it["released"] for it in limits)
    with pytest.raises(ServiceValidationError) as none:
        await act(hass, "clear_site_limit", source="grid operator")
    assert none.value.translation_key == "no_site_limit"
    with pytest.raises(ServiceValidationError) as over:
        await act(hass, "set_site_limit", power=5, end=NOON - timedelta(hours=1))
    assert over.value.translation_key == "site_limit_over"


async def test_a_limit_begins_later(
    hass: HomeAssistant, set_up_site: SetUp, passing_time: Time
) -> None:
    entry = await set_up_site()
    start = NOON + timedelta(seconds=30)
    await act(hass, "set_site_limit", power=3, start=start)
    demand = entry.runtime_data.site.demand
    assert demand.limit(NOON) is None
    found = demand.limit(start)
    assert found is not None
    assert found.limit_w == 3000
    await passing_time.passes(40)
    [limit] = demand.limits
    assert limit.applied_at >= start


async def test_only_those_in_charge_limit_the_site(
    hass: HomeAssistant, set_up_site: SetUp, hass_read_only_user: MockUser
) -> None:
    await set_up_site()
    with pytest.raises(ServiceValidationError) as refused:
        await hass.services.async_call(
            "forecourt",
            "set_site_limit",
            {"power": 1},
            blocking=True,
            context=Context(user_id=hass_read_only_user.id),
        )
    assert refused.value.translation_key == "admin_only"
