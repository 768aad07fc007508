"""What a bug report contains, and what it must not."""

from collections.abc import Callable
from datetime import timedelta
import json
import re
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.json import JSONEncoder
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import get_system_health_info
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.forecourt.const import DOMAIN
from custom_components.forecourt.core.model.ids import EvseId
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
    plant,
)

PASSWORD = "correct-horse-battery"
PLANTED = {
    "AuthorizationKey": "planted-0123456789",
    "ChargerSerialNo": "SN-OTHER",
    "FreevendIdTag": STRANGE_CARD,
    "ICCID": "planted-iccid",
    "VendorToken": "planted-token",
    "WifiPassphrase": "planted-wifi",
}


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
    await hub.sync_station(
        next(s for s in entry.subentries.values() if s.subentry_type == "station")
    )
    with pytest.raises(Exception, match="401"):
        await RawClient(f"ws://127.0.0.1:{port}", "GARAGE", password="wrong").connect()
    station = dial_in(password=PASSWORD, vendor="Huawei")
    plant(station, **PLANTED)
    async with station:
        await passing_time.until(lambda: station.ready)
        await passing_time.passes(20)
        # What is kept of its messages has all of these now, too.
        garage = hub.central.stations["GARAGE"]
        garage.settings.update(PLANTED)
        garage.tries["AuthorizationKey", PLANTED["AuthorizationKey"]] += 1
        await garage.call("GetConfiguration", {})
        await garage.call("DataTransfer", {"vendorId": "Acme", "data": STRANGE_CARD})
        held = await hub.site.reservations.reserve(
            EvseId("GARAGE", 1), passing_time.clock.utc() + timedelta(hours=1), user_id=BEN
        )
        await hub.site.reservations.cancel(held.id)
        assert await station.tap(STRANGE_CARD) == "refused"
        await station.plug(1, "family", soc=0.2)
        await passing_time.passes(1)
        assert await station.tap(CARD_OF_ANNA) == "started"
        await passing_time.passes(12)
        yield station


UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def assert_no_secret(text: str) -> None:
    for card in (CARD_OF_ANNA, CARD_OF_BEN, STRANGE_CARD):
        assert card.casefold() not in text.casefold()
        # Ids of messages are random: four digits of one may be anything.
        assert card[-4:].casefold() not in UUID.sub("", text).casefold()
    for secret in ("Anna", "Ben", ANNA, BEN, "person.", "family", "SN-1", PASSWORD, "scrypt"):
        assert secret not in text, secret
    for secret in PLANTED.values():
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

    assert station["security_profile"] == 1
    assert station["quirks"][0]["name"] == "limits in watts only"
    assert station["learned"]["unit"] == "W"
    assert station["learned"]["list_version"] >= 1
    assert station["lacks"] == []
    assert station["settings"]["MeterValueSampleInterval"] == "10"
    assert set(PLANTED) <= set(station["settings"])
    assert ["AuthorizationKey", "…", 1] in station["learned"]["tries"]
    assert station["forwarding"] is None
    assert station["counters"]["messages_in"] > 10
    actions = [frame["action"] for frame in station["frames"]]
    assert {"BootNotification", "answer to GetConfiguration", "ReserveNow"} <= set(actions)
    boot = next(f for f in station["frames"] if f["action"] == "BootNotification")
    assert "Simulated Wallbox" in boot["payload"]
    assert boot["payload"].count("**REDACTED**") >= 1


async def test_frames_are_for_administrators(
    hass: HomeAssistant,
    wallbox: Ocpp16Station,
    hass_ws_client: WebSocketGenerator,
    hass_read_only_access_token: str,
) -> None:
    browser = await hass_ws_client(hass)
    await browser.send_json_auto_id({"type": "forecourt/frames", "station_id": "GARAGE"})
    frames = (await browser.receive_json())["result"]["frames"]
    assert {"at", "direction", "action", "message_id", "payload", "size"} == set(frames[0])
    text = json.dumps(frames)
    for secret in (CARD_OF_ANNA, STRANGE_CARD, PLANTED["AuthorizationKey"], PASSWORD):
        assert secret not in text

    await browser.send_json_auto_id({"type": "forecourt/frames", "station_id": "NOBODY"})
    error = (await browser.receive_json())["error"]
    assert error["code"] == "not_found"
    assert (error["translation_domain"], error["translation_key"]) == (DOMAIN, "no_such_station")
    assert error["translation_placeholders"] == {"station": "NOBODY"}

    visitor = await hass_ws_client(hass, hass_read_only_access_token)
    await visitor.send_json_auto_id({"type": "forecourt/frames", "station_id": "GARAGE"})
    assert (await visitor.receive_json())["error"]["code"] == "unauthorized"

    [entry] = hass.config_entries.async_entries(DOMAIN)
    assert await hass.config_entries.async_unload(entry.entry_id)
    await browser.send_json_auto_id({"type": "forecourt/frames", "station_id": "GARAGE"})
    assert (await browser.receive_json())["error"]["code"] == "not_found"


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
    counters = entry.runtime_data.central.stations["GARAGE"].counters
    told = await get_system_health_info(hass, DOMAIN)
    assert told.pop("answer_p99_ms") >= 0
    assert told == {
        "stations": 1,
        "stations_online": 1,
        "port": entry.data["port"],
        "tls_port": None,
        "messages_in": counters.messages_in,
        "messages_out": counters.messages_out,
        "errors": 0,
    }
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert await get_system_health_info(hass, DOMAIN) == {}
