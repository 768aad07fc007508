"""Issues about stations: when they come, what they say, and when they go."""

from collections.abc import Callable
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.forecourt.const import DOMAIN
from custom_components.forecourt.stations.ocpp import Cause, hash_password
from simulator import Ocpp16Station

from .conftest import CARD_OF_ANNA, STATION, SetUp, Time, until
from .dialogs import stations

PASSWORD = "correct-horse-battery"
BOOT = [2, "1", "BootNotification", {"chargePointVendor": "Acme", "chargePointModel": "Box"}]


def issue(hass: HomeAssistant, issue_id: str) -> ir.IssueEntry | None:
    return ir.async_get(hass).async_get_issue(DOMAIN, issue_id)


async def charge(station: Ocpp16Station, passing_time: Time) -> None:
    await passing_time.until(lambda: station.ready)
    await passing_time.passes(10)
    await station.plug(1, "family", soc=0.1)
    await passing_time.passes(1)
    assert await station.tap(CARD_OF_ANNA) == "started"
    await passing_time.passes(10)


async def limit(hass: HomeAssistant, current_a: int) -> None:
    await hass.services.async_call(
        "number",
        "set_value",
        {"entity_id": "number.garage_outlet_1_current_limit", "value": current_a},
        blocking=True,
    )


async def remove(hass: HomeAssistant, site: MockConfigEntry) -> None:
    hass.config_entries.async_remove_subentry(site, stations(site)[0].subentry_id)


async def test_who_ignores_its_limit_is_told_of_until_it_follows(
    hass: HomeAssistant,
    set_up_site: SetUp,
    dial_in: Callable[..., Ocpp16Station],
    passing_time: Time,
) -> None:
    await set_up_site()
    async with dial_in(ignores_limits=True) as station:
        await charge(station, passing_time)
        await limit(hass, 8)
        await passing_time.until(lambda: issue(hass, "limit_ignored_GARAGE/1"), limit_s=120)
        found = issue(hass, "limit_ignored_GARAGE/1")
        assert found is not None
        assert found.translation_placeholders == {"outlet": "Garage"}

        # Its firmware was updated.
        object.__setattr__(station.config, "ignores_limits", False)
        await limit(hass, 7)
        await passing_time.until(lambda: issue(hass, "limit_ignored_GARAGE/1") is None, limit_s=120)


async def test_an_issue_goes_with_its_station(
    hass: HomeAssistant,
    set_up_site: SetUp,
    dial_in: Callable[..., Ocpp16Station],
    passing_time: Time,
) -> None:
    site = await set_up_site()
    async with dial_in(ignores_limits=True) as station:
        await charge(station, passing_time)
        await limit(hass, 8)
        await passing_time.until(lambda: issue(hass, "limit_ignored_GARAGE/1"), limit_s=120)
        await remove(hass, site)
        await passing_time.passes(5)
    assert not ir.async_get(hass).issues


async def test_who_refuses_its_limit_is_told_of_in_its_words(
    hass: HomeAssistant,
    set_up_site: SetUp,
    dial_in: Callable[..., Ocpp16Station],
    passing_time: Time,
) -> None:
    site = await set_up_site()
    async with dial_in(feature_profiles=("Core",)) as station:
        await charge(station, passing_time)
        await passing_time.until(lambda: issue(hass, "limit_refused_GARAGE/1"), limit_s=120)
        found = issue(hass, "limit_refused_GARAGE/1")
        assert found is not None
        assert found.translation_placeholders == {"outlet": "Garage", "answer": "NotSupported"}
        await remove(hass, site)
        await passing_time.passes(5)
    assert not ir.async_get(hass).issues


async def test_silence_that_is_over_is_no_issue(
    hass: HomeAssistant, wallbox: Ocpp16Station, passing_time: Time
) -> None:
    await charge(wallbox, passing_time)
    await wallbox.fault("no_answer", count=1)
    await limit(hass, 8)
    await passing_time.until(lambda: issue(hass, "limit_unanswered_GARAGE/1"), limit_s=120)
    assert len(ir.async_get(hass).issues) == 1, "it did not refuse"
    await passing_time.until(lambda: issue(hass, "limit_unanswered_GARAGE/1") is None, limit_s=120)
    assert not ir.async_get(hass).issues


async def test_who_comes_over_the_internet_needs_protection(
    hass: HomeAssistant,
    set_up_site: SetUp,
    hass_client_no_auth: Any,
    dial: Callable[..., Ocpp16Station],
) -> None:
    proxied = {"use_x_forwarded_for": True, "trusted_proxies": ["127.0.0.1"]}
    assert await async_setup_component(hass, "http", {"http": proxied})
    site = await set_up_site()
    client = await hass_client_no_auth()
    path, name = f"/api/forecourt/ocpp/{STATION}", f"station_exposed_{STATION}"

    async def come(address: str, scheme: str = "http") -> None:
        headers = {"X-Forwarded-For": address, "X-Forwarded-Proto": scheme}
        async with client.ws_connect(path, protocols=("ocpp1.6",), headers=headers) as ws:
            await ws.send_json(BOOT)
            assert (await ws.receive_json())[2]["status"] == "Accepted"
        hub = site.runtime_data
        await until(lambda: not hub.central.stations[STATION].online)

    await come("192.168.1.7")
    assert issue(hass, name) is None
    await come("8.8.8.8")
    found = issue(hass, name)
    assert found is not None
    assert found.translation_placeholders == {"station": "Garage"}
    await come("8.8.8.8", "https")
    assert issue(hass, name) is not None, "encrypted, but anybody may say that it is this station"
    await come("192.168.1.7")
    assert issue(hass, name) is None

    await come("8.8.8.8")
    hub = site.runtime_data
    await hub.vault.set_password_hash(STATION, hash_password(PASSWORD, generated=True))
    await hub.sync_station(stations(site)[0])
    async with dial(password=PASSWORD) as wallbox:
        await until(lambda: wallbox.ready)
        assert issue(hass, name) is None


async def test_strangers_over_the_internet_are_no_issue(
    hass: HomeAssistant, set_up_site: SetUp, hass_client_no_auth: Any
) -> None:
    proxied = {"use_x_forwarded_for": True, "trusted_proxies": ["127.0.0.1"]}
    assert await async_setup_component(hass, "http", {"http": proxied})
    site = await set_up_site()
    client = await hass_client_no_auth()
    async with client.ws_connect(
        "/api/forecourt/ocpp/NOBODY",
        protocols=("ocpp1.6",),
        headers={"X-Forwarded-For": "8.8.8.8"},
    ):
        causes = [knock.cause for knock in site.runtime_data.central.knocks]
        assert Cause.EXPOSED in causes
        assert issue(hass, "station_exposed_NOBODY") is None
