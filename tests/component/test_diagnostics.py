"""What a bug report contains, and what it must not."""

from collections.abc import Callable
import json
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.json import JSONEncoder
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import get_system_health_info

from custom_components.forecourt.const import DOMAIN
from custom_components.forecourt.diagnostics import (
    _address,
    async_get_config_entry_diagnostics,
    async_get_device_diagnostics,
)
from custom_components.forecourt.stations.ocpp import hash_password
from simulator import Ocpp16Station, RawClient

from .conftest import (
    ANNA,
    BEN,
    CARD_OF_ANNA,
    CARD_OF_BEN,
    STRANGE_CARD,
    SetUp,
    Time,
    a_station,
    a_user,
    devices_of_site,
)

PASSWORD = "correct-horse-battery"


@pytest.fixture
async def wallbox(
    hass: HomeAssistant,
    set_up_site: SetUp,
    dial_in: Callable[..., Ocpp16Station],
    passing_time: Time,
    port: int,
) -> Any:
    """Return a station after a charge, a refused card, and a stranger at the door."""
    entry = await set_up_site(
        subentries=[
            a_station(),
            a_user(ANNA, "Anna Karenina", person="person.anna", group="family"),
            a_user(BEN, "Ben"),
        ],
        options={"default_user": BEN},
    )
    hub = entry.runtime_data
    await hub.vault.set_password_hash("GARAGE", hash_password(PASSWORD))
    hub.sync_station(next(s for s in entry.subentries.values() if s.subentry_type == "station"))
    with pytest.raises(Exception, match="401"):
        await RawClient(f"ws://127.0.0.1:{port}", "GARAGE", password="wrong").connect()
    async with dial_in(password=PASSWORD) as station:
        await passing_time.until(lambda: station.ready)
        assert await station.tap(STRANGE_CARD) == "refused"
        await station.plug(1, "family", soc=0.2)
        await passing_time.passes(1)
        assert await station.tap(CARD_OF_ANNA) == "started"
        await passing_time.passes(12)
        yield station


def assert_no_secret(text: str) -> None:
    for card in (CARD_OF_ANNA, CARD_OF_BEN, STRANGE_CARD):
        assert card.casefold() not in text.casefold()
        assert card[-4:].casefold() not in text.casefold()
    for secret in ("Anna", "Ben", ANNA, BEN, "person.", "family", "SN-1", PASSWORD, "scrypt"):
        assert secret not in text, secret


async def test_of_the_site(hass: HomeAssistant, wallbox: Ocpp16Station) -> None:
    [entry] = hass.config_entries.async_entries(DOMAIN)
    told = await async_get_config_entry_diagnostics(hass, entry)
    text = json.dumps(told, cls=JSONEncoder)
    assert_no_secret(text)
    assert entry.runtime_data.vault.key.hex() not in text
    assert told["counts"]["users"] == 2
    assert told["counts"]["tokens"] == 2
    [station] = told["stations"]
    assert station["id"] == "GARAGE"
    assert station["model"] == "Simulated Wallbox"
    assert station["online"]
    [evse] = station["evses"]
    assert evse["status"] == "charging"
    assert evse["setpoint"]["reason"] == "station_maximum"
    assert evse["session"]["has_user"]
    assert evse["session"]["energy_wh"] > 0
    causes = [knock["cause"] for knock in told["central"]["knocks"]]
    assert "wrong_password" in causes
    assert told["central"]["knocks"][0]["address"] == "127.0.0.1"
    assert told["version"]


async def test_of_a_device(hass: HomeAssistant, wallbox: Ocpp16Station) -> None:
    [entry] = hass.config_entries.async_entries(DOMAIN)
    devices = {device.name: device for device in devices_of_site(dr.async_get(hass))}
    for name in ("Garage", "Outlet 1"):
        told = await async_get_device_diagnostics(hass, entry, devices[name])
        assert_no_secret(json.dumps(told, cls=JSONEncoder))
        assert told["station"]["id"] == "GARAGE"
        assert len(told["ledger"]["recent_sessions"]) == 1
    for name in ("Home", "Ben"):
        assert await async_get_device_diagnostics(hass, entry, devices[name]) == {}


async def test_of_a_site_that_has_not_been_heard(hass: HomeAssistant, set_up_site: SetUp) -> None:
    entry = await set_up_site()
    told = await async_get_config_entry_diagnostics(hass, entry)
    [station] = told["stations"]
    assert station["serial"] is None
    assert station["evses"][0]["session"] is None
    assert told["ledger"]["recent_sessions"] == []


async def test_of_a_site_whose_ledger_does_not_tell(
    hass: HomeAssistant, set_up_site: SetUp
) -> None:
    entry = await set_up_site()
    await entry.runtime_data.ledger.close()
    told = await async_get_config_entry_diagnostics(hass, entry)
    assert told["ledger"] == {"error": "the ledger is closed"}
    assert told["stations"]


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("192.168.1.20", "192.168.1.20"),
        ("fe80::1", "fe80::1"),
        ("198.51.100.7", "198.51.100.7"),
        ("8.8.8.8", "**REDACTED**"),
        ("garage.example.com", "**REDACTED**"),
    ],
)
def test_addresses_of_the_local_network_are_shown(address: str, shown: str) -> None:
    assert _address(address) == shown


async def test_system_health(hass: HomeAssistant, wallbox: Ocpp16Station) -> None:
    assert await async_setup_component(hass, "system_health", {})
    await hass.async_block_till_done()
    [entry] = hass.config_entries.async_entries(DOMAIN)
    assert await get_system_health_info(hass, DOMAIN) == {
        "stations": 1,
        "stations_online": 1,
        "port": entry.data["port"],
    }
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert await get_system_health_info(hass, DOMAIN) == {}
