"""What stations have to show, when some of it is lost or has ended."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from homeassistant.config_entries import ConfigSubentry
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_time_changed,
)

from custom_components.forecourt.const import DOMAIN
from custom_components.forecourt.stations.ocpp import SecurityProfile
from custom_components.forecourt.stations.ocpp.authority import make_authority
from custom_components.forecourt.stations.ocpp.keyring import Issued
from simulator import Ocpp16Station, StationConfig
from simulator.connect import Tls
from tests.wire.ocpp.certified import certified

from .conftest import STATION, until
from .dialogs import PASSWORD, Desk, stations
from .test_security import (
    QUICK,
    _quick,
    box16,
    edited,
    encryption,
    issues,
    not_upgraded,
    opened,
    root,
    site,
    tls_options,
    tls_port,
    upgrade,
)

__all__ = ["_quick", "site", "tls_options", "tls_port"]

NOW = datetime.now(UTC)
COMPANY = make_authority("Company", NOW - timedelta(days=800))


def issue(hass: HomeAssistant, issue_id: str) -> ir.IssueEntry:
    found = ir.async_get(hass).async_get_issue(DOMAIN, issue_id)
    assert found is not None
    return found


def placeholders(hass: HomeAssistant, issue_id: str) -> dict[str, str]:
    return issue(hass, issue_id).translation_placeholders or {}


def garage(entry: MockConfigEntry) -> ConfigSubentry:
    return stations(entry)[0]


async def restarted_without(
    hass: HomeAssistant, entry: MockConfigEntry, storage: dict[str, Any], *names: str
) -> None:
    assert await hass.config_entries.async_unload(entry.entry_id)
    for name in names:
        del storage[f"{DOMAIN}.{name}"]
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()


# --- lost keys ------------------------------------------------------------------------------------


async def test_a_station_is_not_let_in_with_less_because_its_keys_were_lost(  # noqa: PLR0917
    hass: HomeAssistant,
    site: MockConfigEntry,
    hass_storage: dict[str, Any],
    port: int,
    tls_port: int,
    desk: Desk,
) -> None:
    async with opened(box16(port, tls_port)) as station:
        await upgrade(hass, 2)
        assert garage(site).data["security_profile"] == 2
        await restarted_without(hass, site, hass_storage, "keys")
        security = site.runtime_data.security
        assert security.keys.keys(STATION).security_profile is SecurityProfile.TLS_PASSWORD
        assert placeholders(hass, f"keys_lost_{STATION}") == {"station": "Garage", "profile": "2"}
        # It does not trust the new authority.
        await asyncio.sleep(0.3)
        assert not station.online
    async with box16(port, tls_port) as stranger:
        await until(lambda: stranger.books.notes)
        await asyncio.sleep(0.3)
        assert not stranger.online
        # The owner may, knowingly.
        await edited(desk, site, security_profile="1")
        dialog = await edited(desk, site, password_choice="remove", security_profile="1")
        assert dialog.step == "reconfigure_successful"
        await until(lambda: stranger.ready)
    assert garage(site).data["security_profile"] == 0
    assert not issues(hass)


async def test_what_is_shown_all_the_same_was_not_lost(
    hass: HomeAssistant,
    site: MockConfigEntry,
    hass_storage: dict[str, Any],
    port: int,
    tls_port: int,
) -> None:
    async with opened(box16(port, tls_port)) as station:
        await upgrade(hass, 2)
        password = station.security._password
        before = root(site)
        await restarted_without(hass, site, hass_storage, "keys")
        assert root(site) != before
    tls = Tls(root(site))
    config = StationConfig(STATION, reconnect_s=0.05, tls=tls, password=password)
    async with Ocpp16Station(config, f"wss://127.0.0.1:{tls_port}") as station:
        await until(lambda: station.ready)
        await until(lambda: not issues(hass))
    keys = site.runtime_data.security.keys
    assert not keys.is_lost(STATION)
    assert keys._stored_keys(STATION).security_profile is SecurityProfile.TLS_PASSWORD


async def test_a_password_that_was_lost_is_asked_for(
    hass: HomeAssistant, site: MockConfigEntry, port: int, tls_port: int, desk: Desk
) -> None:
    await edited(desk, site, password_choice="own", security_profile="0")
    security = site.runtime_data.security
    assert garage(site).data.get("security_profile", 0) == 0
    dialog = desk._opened[-1]
    await dialog.answer("password", password=PASSWORD)
    assert garage(site).data["security_profile"] == 1
    await site.runtime_data.vault.set_password_hash(STATION, None)
    assert await hass.config_entries.async_reload(site.entry_id)
    assert placeholders(hass, f"keys_lost_{STATION}")["profile"] == "1"
    security = site.runtime_data.security
    assert security.keyring.credentials(STATION).least is SecurityProfile.CERTIFICATE
    await edited(desk, site, password_choice="own", security_profile="3")
    await desk._opened[-1].answer("password", password=PASSWORD)
    assert not issues(hass)


async def test_a_site_of_before_keeps_it_once_more(
    hass: HomeAssistant, site: MockConfigEntry, port: int, tls_port: int
) -> None:
    async with opened(box16(port, tls_port)):
        await upgrade(hass, 2)
    data = {key: value for key, value in garage(site).data.items() if key != "security_profile"}
    hass.config_entries.async_update_subentry(site, garage(site), data=data)
    assert await hass.config_entries.async_reload(site.entry_id)
    assert garage(site).data["security_profile"] == 2
    assert not issues(hass)


# --- a station that came back later ---------------------------------------------------------------


async def test_one_that_comes_later_is_asked_for_it_from_then_on(
    hass: HomeAssistant, site: MockConfigEntry, port: int, tls_port: int
) -> None:
    security = site.runtime_data.security
    async with opened(box16(port, tls_port)) as station:
        await upgrade(hass, 1)
        await site.runtime_data.central.stations[STATION].ready()
        security.keyring.timing = replace(QUICK, nudge_s=0.1, upgrade_s=0.3)
        station.security._secure_url = "wss://127.0.0.1:1"
        error = await not_upgraded(hass, 2)
        assert error.translation_key == "upgrade_not_back"
        assert issues(hass) == {f"upgrade_not_back_{STATION}"}
        await until(lambda: station.ready)
        # As before is not enough.
        assert issues(hass) == {f"upgrade_not_back_{STATION}"}
        assert security.keys.keys(STATION).security_profile is SecurityProfile.PASSWORD
        password = station.security._password
    tls = Tls(root(site))
    config = StationConfig(STATION, reconnect_s=0.05, tls=tls, password=password)
    async with Ocpp16Station(config, f"wss://127.0.0.1:{tls_port}") as station:
        await until(lambda: station.ready)
        await until(lambda: not issues(hass))
        assert security.keys.keys(STATION).security_profile is SecurityProfile.TLS_PASSWORD
        assert garage(site).data["security_profile"] == 2


# --- certificates that end ------------------------------------------------------------------------


async def test_a_certificate_that_ends(hass: HomeAssistant, site: MockConfigEntry) -> None:
    security = site.runtime_data.security

    async def told(days: float) -> set[str]:
        end = dt_util.utcnow() + timedelta(days=days)
        await security.keyring.change(STATION, certificate=Issued("ab" * 32, end))
        return issues(hass)

    assert await told(29) == set(), "there is time yet to renew it"
    assert await told(20) == {f"station_certificate_due_{STATION}"}
    end = dt_util.as_local(dt_util.utcnow() + timedelta(days=20)).date()
    assert placeholders(hass, f"station_certificate_due_{STATION}") == {
        "station": "Garage",
        "date": end.isoformat(),
    }
    assert await told(-1) == {f"station_certificate_over_{STATION}"}
    assert await told(365) == set()
    # It is looked at once a day, too.
    await told(-1)
    ir.async_delete_issue(hass, DOMAIN, f"station_certificate_over_{STATION}")
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(days=1, minutes=1))
    await until(lambda: issues(hass))
    assert issues(hass) == {f"station_certificate_over_{STATION}"}
    hass.config_entries.async_remove_subentry(site, garage(site).subentry_id)
    await hass.async_block_till_done()
    assert not issues(hass)


async def test_one_of_the_owners_authority_that_ends(
    hass: HomeAssistant, site: MockConfigEntry, desk: Desk, tls_port: int
) -> None:
    dialog = await encryption(desk, site)
    await dialog.answer(
        "security",
        tls_certificate="own",
        tls_port=tls_port,
        tls_authorities=COMPANY.chain_pem,
    )
    await dialog.answer("certificate_own", tls_hosts=["127.0.0.1"])
    await hass.async_block_till_done()
    # They are good for thirty days.
    for age, shown in ((20, {f"station_certificate_due_{STATION}"}), (0, set[str]())):
        own = certified(STATION, COMPANY, NOW - timedelta(days=age))
        tls = Tls(root(site), own.chain_pem, own.key_pem)
        config = StationConfig(STATION, reconnect_s=0.05, tls=tls)
        async with Ocpp16Station(config, f"wss://127.0.0.1:{tls_port}") as station:
            await until(lambda: station.ready)
            await until(lambda: issues(hass) == shown)  # noqa: B023 - it is used at once
