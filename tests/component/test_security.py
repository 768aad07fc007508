"""Keys, encryption and security profiles, from the dialogs to the station's handshake."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
import json
from pathlib import Path
import socket
import ssl
from typing import Any

from aiohttp import ClientSession, WSServerHandshakeError
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr, issue_registry as ir
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    MockUser,
    async_fire_time_changed,
)
import voluptuous as vol

from custom_components.forecourt.const import DOMAIN
from custom_components.forecourt.diagnostics import async_get_config_entry_diagnostics
from custom_components.forecourt.keys import Keys
from custom_components.forecourt.stations.ocpp import CentralSystem, SecurityProfile, Timing
from custom_components.forecourt.stations.ocpp.authority import issue_server, make_authority
from custom_components.forecourt.stations.ocpp.certificates import CertifiedKey, facts_of
from custom_components.forecourt.stations.ocpp.keyring import StationKeys
from custom_components.forecourt.stations.ocpp.upgrade import Step, Trouble, UpgradeError
from custom_components.forecourt.tls_options import best_host, secure_url
from custom_components.forecourt.vault import Vault
from simulator import Clock, Config201, Ocpp16Station, Ocpp201Station, StationConfig
from simulator.connect import Tls
from tests.wire.ocpp.certified import certified

from .conftest import PATIENCE_S, STATION, SetUp, a_station, devices_of_site, kept_port, until
from .dialogs import Desk, Dialog, stations

NOW = datetime.now(UTC)
OTHERS = make_authority("Company", NOW - timedelta(days=800))
GIVEN = issue_server(OTHERS, ["depot.example"], NOW)
EXPIRED = issue_server(OTHERS, ["depot.example"], NOW - timedelta(days=500))
QUICK = Timing(nudge_s=1, quiet_boot_s=0.1, sign_s=0.02, upgrade_s=8)


@pytest.fixture
def tls_port(socket_enabled: None) -> Iterator[int]:
    with kept_port() as port:
        yield port


@pytest.fixture
def elsewhere(socket_enabled: None) -> Iterator[int]:
    with kept_port() as port:
        yield port


@pytest.fixture
def tls_options(tls_port: int) -> dict[str, Any]:
    return {"tls_certificate": "own", "tls_port": tls_port, "tls_hosts": ["127.0.0.1"]}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have nobody wait for long."""
    quick = partial(CentralSystem, timing=QUICK)
    monkeypatch.setattr("custom_components.forecourt.hub.CentralSystem", quick)


@pytest.fixture
async def site(set_up_site: SetUp, tls_options: dict[str, Any]) -> MockConfigEntry:
    site = await set_up_site(options=tls_options)
    site.runtime_data.security.keyring.timing = QUICK
    return site


def issues(hass: HomeAssistant) -> set[str]:
    return {issue_id for domain, issue_id in ir.async_get(hass).issues if domain == DOMAIN}


async def call(hass: HomeAssistant, action: str, login: MockUser | None = None, **data: Any) -> Any:
    return await hass.services.async_call(
        DOMAIN,
        action,
        data,
        blocking=True,
        return_response=True,
        context=Context(user_id=login.id if login else None),
    )


async def upgrade(hass: HomeAssistant, profile: int, **more: Any) -> Any:
    [garage] = [one for one in devices_of_site(dr.async_get(hass)) if one.name == "Garage"]
    return await call(hass, "upgrade_security", device_id=garage.id, profile=profile, **more)


async def not_upgraded(hass: HomeAssistant, profile: int) -> HomeAssistantError:
    with pytest.raises(HomeAssistantError) as raised:
        await upgrade(hass, profile)
    return raised.value


def root(site: MockConfigEntry) -> str:
    authority = site.runtime_data.security.keys.authority
    assert authority is not None
    return str(authority.chain_pem)


async def served(tls_port: int, *, path: str = "/") -> str:
    """Return the fingerprint of the certificate that a client sees, whomever it trusts."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", tls_port, ssl=context)
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return facts_of(der).fingerprint


@asynccontextmanager
async def opened(box: Any) -> Any:
    async with box as station:
        await until(lambda: station.ready)
        yield station


def box16(port: int, tls_port: int, **options: Any) -> Ocpp16Station:
    config = StationConfig(
        STATION, secure_url=f"wss://127.0.0.1:{tls_port}", reconnect_s=0.05, **options
    )
    return Ocpp16Station(config, f"ws://127.0.0.1:{port}")


def box201(port: int, tls_port: int, **options: Any) -> Ocpp201Station:
    config = Config201(STATION, reconnect_s=0.05, reboot_s=0.05, **options)
    return Ocpp201Station(config, f"ws://127.0.0.1:{port}", clock=Clock(60))


# --- the way up -----------------------------------------------------------------------------------


@pytest.mark.parametrize("box", [box16, box201])
async def test_from_nothing_to_a_certificate(  # noqa: PLR0917 - fixtures
    hass: HomeAssistant,
    site: MockConfigEntry,
    box: Callable[..., Any],
    port: int,
    tls_port: int,
    caplog: pytest.LogCaptureFixture,
) -> None:
    security = site.runtime_data.security
    async with opened(box(port, tls_port)) as station:
        answers = [await upgrade(hass, profile) for profile in (1, 2, 3)]
        assert answers == [
            {"station": "Garage", "security_profile": profile, "done": done}
            for profile, done in (
                (1, ["password"]),
                (2, ["root", "profile"]),
                (3, ["certificate", "profile"]),
            )
        ]
        await until(lambda: security.keys.keys(STATION).certificate)
        assert not issues(hass)
        for lower in (1, 2, 3):
            error = await not_upgraded(hass, lower)
            assert error.translation_key == "upgrade_not_higher"
        # It is remembered.
        kept = security.keys.keys(STATION)
        assert kept.security_profile is SecurityProfile.CERTIFICATE
        again = Keys(hass, site.runtime_data.vault)
        await again.load()
        assert again.keys(STATION) == kept
        assert again.authority == security.keys.authority
        assert station.books.violations == []

        # Nothing of it is told to anybody.
        told = json.dumps(
            [
                await async_get_config_entry_diagnostics(hass, site),
                dict(site.data),
                dict(site.options),
                [dict(one.data) for one in site.subentries.values()],
            ],
            default=str,
        )
        # The stand-in for the disk logs what it is given.
        told += "\n".join(one.getMessage() for one in caplog.records if "pytest" not in one.name)
        assert "PRIVATE KEY" not in told
        assert kept.password_hash is not None
        assert kept.password_hash not in told

        assert await hass.config_entries.async_reload(site.entry_id)
        await until(lambda: station.ready)
        assert site.runtime_data.central.security_profile(STATION) == 3
    async with ClientSession() as session:
        with pytest.raises(WSServerHandshakeError, match="403"):
            await session.ws_connect(f"http://127.0.0.1:{port}/{STATION}")


async def test_removed_with_its_keys(
    hass: HomeAssistant, site: MockConfigEntry, port: int, tls_port: int
) -> None:
    keys = site.runtime_data.security.keys
    async with opened(box16(port, tls_port)):
        await upgrade(hass, 2)
        assert keys.keys(STATION).password_hash is not None
        hass.config_entries.async_remove_subentry(site, stations(site)[0].subentry_id)
        await hass.async_block_till_done()
        await until(lambda: keys.keys(STATION).password_hash is None)
        assert keys.keys(STATION).security_profile is SecurityProfile.NONE
    again = Keys(hass, site.runtime_data.vault)
    await again.load()
    assert again._data["stations"] == {}


async def test_a_station_that_does_not_come_back(
    hass: HomeAssistant, site: MockConfigEntry, port: int, tls_port: int
) -> None:
    security = site.runtime_data.security
    security.keyring.timing = replace(QUICK, nudge_s=0.1, upgrade_s=0.3)
    # It trusts another authority, too, and so never gets to the encrypted port.
    async with opened(box16(port, tls_port, tls=Tls(OTHERS.chain_pem))) as station:
        station.security._secure_url = "wss://127.0.0.1:1"
        await site.runtime_data.central.stations[STATION].ready()
        error = await not_upgraded(hass, 2)
        assert error.translation_key == "upgrade_not_back"
        assert issues(hass) == {f"upgrade_not_back_{STATION}"}
        issue = ir.async_get(hass).async_get_issue(DOMAIN, f"upgrade_not_back_{STATION}")
        assert issue is not None
        assert issue.translation_placeholders is not None
        assert issue.translation_placeholders["url"] == f"wss://127.0.0.1:{tls_port}/"
        # It comes as before.
        await until(lambda: station.ready, 15)
        assert site.runtime_data.central.security_profile(STATION) == 1
        security.keyring.timing = QUICK
        station.security._secure_url = f"wss://127.0.0.1:{tls_port}"
        assert (await upgrade(hass, 2))["done"] == ["profile"]
        assert not issues(hass)


@pytest.mark.parametrize(
    ("trouble", "step", "key"),
    [
        (Trouble.BUSY, None, "upgrade_busy"),
        (Trouble.CHARGING, Step.PROFILE, "upgrade_while_charging"),
        (Trouble.OFFLINE, None, "station_offline"),
        (Trouble.OTHER_PORT, None, "upgrade_other_port"),
        (Trouble.UNFIT_REQUEST, Step.CERTIFICATE, "upgrade_unfit_request"),
        *((Trouble.REFUSED, step, f"upgrade_refused_{step}") for step in Step),
    ],
)
async def test_what_goes_wrong_is_told_in_words(  # noqa: PLR0917 - fixtures
    hass: HomeAssistant,
    site: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
    trouble: Trouble,
    step: Step | None,
    key: str,
) -> None:
    async def run(*_: Any) -> None:
        raise UpgradeError(STATION, trouble, step, "Rejected (NoSpace)")

    monkeypatch.setattr(site.runtime_data.security.upgrades, "run", run)
    error = await not_upgraded(hass, 2)
    assert (error.translation_domain, error.translation_key) == (DOMAIN, key)
    assert error.translation_placeholders is not None
    assert error.translation_placeholders["station"] == "Garage"
    assert not issues(hass)


async def test_an_upgrade_ends_with_the_site(
    hass: HomeAssistant, site: MockConfigEntry, port: int, tls_port: int
) -> None:
    security = site.runtime_data.security
    garage = site.runtime_data.central.stations[STATION]
    async with opened(box16(port, tls_port)) as station:
        # It goes where nobody is.
        station.security._secure_url = "wss://127.0.0.1:1"
        pending = asyncio.create_task(not_upgraded(hass, 2))
        await until(lambda: security.keys.keys(STATION).password_hash and not station.online)
        before = security.keys.keys(STATION)
        assert await hass.config_entries.async_unload(site.entry_id)
        error = await pending
        assert (error.translation_domain, error.translation_key) == (DOMAIN, "upgrade_stopped")
        assert security.keys.keys(STATION) == before
        assert not issues(hass)
        with pytest.raises(UpgradeError, match="stopped"):
            await security.upgrades.run(garage, SecurityProfile.TLS_PASSWORD, None)


async def test_without_encryption_a_password_is_all(
    hass: HomeAssistant, set_up_site: SetUp, port: int
) -> None:
    site = await set_up_site()
    async with opened(box16(port, 1)):
        assert (await not_upgraded(hass, 2)).translation_key == "upgrade_without_tls"
        with pytest.raises(vol.Invalid):
            await upgrade(hass, 4)
        assert (await upgrade(hass, 1))["done"] == ["password"]
    assert site.runtime_data.security.keys.authority is None


async def test_who_may(hass: HomeAssistant, site: MockConfigEntry) -> None:
    login = MockUser().add_to_hass(hass)
    for action in (
        upgrade(hass, 2, login=login),
        call(hass, "get_ca_certificate", login=login),
    ):
        with pytest.raises(HomeAssistantError) as raised:
            await action
        assert raised.value.translation_key == "admin_only"
    answer = await call(hass, "get_ca_certificate")
    facts = facts_of(answer["certificate"])
    assert answer == {
        "certificate": root(site),
        "fingerprint_sha256": facts.fingerprint,
        "valid_until": facts.not_after.isoformat(),
    }
    assert "Home" in (facts.common_name or "")


# --- the certificate of the server ----------------------------------------------------------------


async def test_one_that_is_over_is_renewed_at_the_start(
    hass: HomeAssistant, set_up_site: SetUp, tls_options: dict[str, Any], tls_port: int
) -> None:
    vault = Vault(hass)
    await vault.load()
    keys = Keys(hass, vault)
    await keys.load()
    await keys.set_authority(OTHERS)
    await keys.set_server([EXPIRED], ["127.0.0.1"])
    site = await set_up_site(options=tls_options)
    keys = site.runtime_data.security.keys
    assert keys.authority == OTHERS
    assert all(not facts_of(one.chain_pem).is_due(NOW) for one in keys.server)
    assert {facts_of(one.chain_pem).hosts for one in keys.server} == {("127.0.0.1",)}
    assert await served(tls_port) in {facts_of(one.chain_pem).fingerprint for one in keys.server}


async def test_one_that_ends_soon_is_renewed_without_a_restart(
    hass: HomeAssistant, site: MockConfigEntry, port: int, tls_port: int
) -> None:
    security = site.runtime_data.security
    before = await served(tls_port)
    await security.refresh()
    assert await served(tls_port) == before, "there is no reason for another"
    due = issue_server(OTHERS, ["127.0.0.1"], NOW - timedelta(days=380))
    await security.keys.set_server([due], ["127.0.0.1"])
    async with opened(box16(port, tls_port, tls=Tls(root(site)), password="p" * 16)) as station:
        links = station.books.notes
        async_fire_time_changed(hass, dt_util.utcnow() + timedelta(days=1, minutes=1))
        await until(lambda: due not in security.keys.server)
        async with asyncio.timeout(PATIENCE_S):
            while await served(tls_port) == before:  # noqa: ASYNC110 - a task of its own
                await asyncio.sleep(0.01)
        assert [note["event"] for note in links].count("connected") == 1


async def test_for_whom_it_is(
    hass: HomeAssistant, site: MockConfigEntry, tls_port: int, desk: Desk, port: int
) -> None:
    security = site.runtime_data.security
    async with opened(box16(port, tls_port)) as plain:
        dialog = await encryption(desk, site)
        await dialog.answer("security", tls_certificate="own", tls_port=tls_port)
        await dialog.answer("certificate_own", tls_hosts=["depot.example", " 10.0.0.5 ", " "])
        await hass.async_block_till_done()
        assert site.options["tls_hosts"] == ["depot.example", "10.0.0.5"]
        [hosts] = {facts_of(one.chain_pem).hosts for one in security.keys.server}
        assert hosts == ("depot.example", "10.0.0.5")
        way = await security.way()
        assert way is not None
        assert way.url == f"wss://depot.example:{tls_port}"
        # Nobody had to connect again.
        assert [note["event"] for note in plain.books.notes].count("connected") == 1

        screen = await desk.add(site, "station")
        await screen.progress("connect")
        assert f"wss://depot.example:{tls_port}/" in screen.placeholders["encrypted"]

    # Fewer are no reason for another one.
    hass.config_entries.async_update_entry(
        site, options={**site.options, "tls_hosts": ["10.0.0.5"]}
    )
    await hass.async_block_till_done()
    assert {facts_of(one.chain_pem).hosts for one in security.keys.server} == {hosts}


def test_addresses_with_tls() -> None:
    assert best_host(["depot.example", "10.0.0.5"], "10.0.0.5") == "10.0.0.5"
    assert best_host(["*.example", "depot.example"], "10.0.0.5") == "depot.example"
    assert best_host(["*.example"], "10.0.0.5") == "10.0.0.5"
    assert best_host([], "10.0.0.5") == "10.0.0.5"
    assert secure_url("fd00::1", 9443) == "wss://[fd00::1]:9443"


# --- the dialog -----------------------------------------------------------------------------------


async def encryption(desk: Desk, site: MockConfigEntry) -> Dialog:
    dialog = await desk.options(site)
    await dialog.choose("init", "security")
    return dialog


async def test_turned_on_moved_and_off(  # noqa: PLR0917 - fixtures
    hass: HomeAssistant,
    set_up_site: SetUp,
    desk: Desk,
    port: int,
    tls_port: int,
    elsewhere: int,
) -> None:
    site = await set_up_site()
    before = dict(site.options)
    hub = site.runtime_data
    async with opened(box16(port, tls_port)) as plain:
        dialog = await encryption(desk, site)
        assert dialog.filled == {
            "tls_certificate": "off",
            "tls_port": 9443,
            "tls_authorities": "",
        }
        await dialog.answer("security", tls_certificate="own", tls_port=tls_port)
        assert "127.0.0.1" in dialog.placeholders["hosts"] or dialog.placeholders["hosts"]
        await dialog.answer("certificate_own")
        await hass.async_block_till_done()
        assert site.options == {**before, "tls_certificate": "own", "tls_port": tls_port}
        assert hub.central.tls_port == tls_port

        options: dict[str, Any] = {
            "password": "p" * 16,
            "tls": Tls(root(site), check_server_name=False),
        }
        secure = StationConfig("OTHER", reconnect_s=0.05, **options)
        async with Ocpp16Station(secure, f"wss://127.0.0.1:{tls_port}") as other:
            await until(lambda: "OTHER" in hub.central.pending)
            dialog = await encryption(desk, site)
            assert dialog.filled["tls_port"] == tls_port
            await dialog.answer("security", tls_certificate="own", tls_port=elsewhere)
            await dialog.answer("certificate_own")
            await hass.async_block_till_done()
            assert hub.central.tls_port == elsewhere
            await until(lambda: not other.online)

        dialog = await encryption(desk, site)
        await dialog.answer("security", tls_certificate="off", tls_port=elsewhere)
        await hass.async_block_till_done()
        assert site.options == before
        assert hub.central.tls_port is None
        # Who came without encryption noticed nothing of all that.
        assert [note["event"] for note in plain.books.notes].count("connected") == 1
        assert site.runtime_data is hub


async def test_what_may_be_wrong(
    site: MockConfigEntry, desk: Desk, port: int, tls_port: int
) -> None:
    dialog = await encryption(desk, site)
    good: dict[str, Any] = {"tls_certificate": "own", "tls_port": tls_port}
    await dialog.answer("security", **{**good, "tls_port": port})
    assert dialog.errors == {"tls_port": "tls_port_same"}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        await dialog.answer("security", **{**good, "tls_port": taken.getsockname()[1]})
        assert dialog.errors == {"tls_port": "port_in_use"}
    for pem, problem in (("paper", "not_pem"), (GIVEN.chain_pem, "not_an_authority")):
        await dialog.answer("security", **good, tls_authorities=pem)
        assert dialog.errors == {"tls_authorities": f"certificate_{problem}"}
    await dialog.answer("security", **good, tls_authorities=f"\n{OTHERS.chain_pem}")
    await dialog.answer("certificate_own", tls_hosts=["not a host"])
    assert dialog.errors == {"tls_hosts": "certificate_bad_host"}
    await dialog.answer("certificate_own", tls_hosts=["127.0.0.1"])
    assert site.options["tls_authorities"] == OTHERS.chain_pem


async def test_encryption_that_is_needed_stays(
    hass: HomeAssistant, site: MockConfigEntry, desk: Desk, port: int, tls_port: int
) -> None:
    async with opened(box16(port, tls_port)):
        await upgrade(hass, 2)
        dialog = await encryption(desk, site)
        await dialog.answer("security", tls_certificate="off", tls_port=tls_port)
        assert dialog.errors == {"tls_certificate": "tls_needed"}
        assert dialog.placeholders["stations"] == "Garage"


async def test_certificates_in_files(
    hass: HomeAssistant, site: MockConfigEntry, desk: Desk, tls_port: int, tmp_path: Path
) -> None:
    folder = Path(hass.config.config_dir)
    chain, key, other = (folder / name for name in ("chain.pem", "key.pem", "other.pem"))
    chain.write_text(GIVEN.chain_pem)
    other.write_text(OTHERS.key_pem)
    files = {"tls_certificate_file": "chain.pem", "tls_key_file": str(key)}
    dialog = await encryption(desk, site)
    await dialog.answer("security", tls_certificate="files", tls_port=tls_port)
    await dialog.answer("certificate_files", **{**files, "tls_certificate_file": "none.pem"})
    assert dialog.errors == {"tls_certificate_file": "file_unreadable"}
    assert dialog.placeholders["reason"] == "No such file or directory"
    for field in files:
        chosen = {"tls_certificate_file": "chain.pem", "tls_key_file": "chain.pem"}
        await dialog.answer("certificate_files", **{**chosen, field: "a\0.pem"})
        assert dialog.errors == {field: "file_unreadable"}
    await dialog.answer("certificate_files", **files)
    assert dialog.errors == {"tls_key_file": "file_unreadable"}
    key.write_text(GIVEN.key_pem)
    await dialog.answer("certificate_files", **{**files, "tls_key_file": "other.pem"})
    assert dialog.errors == {"tls_key_file": "certificate_key_mismatch"}
    await dialog.answer("certificate_files", **{**files, "tls_certificate_file": "key.pem"})
    assert dialog.errors == {"tls_certificate_file": "certificate_not_pem"}
    await dialog.answer("certificate_files", **files)
    await hass.async_block_till_done()
    assert await served(tls_port) == facts_of(GIVEN.chain_pem).fingerprint
    assert "PRIVATE" not in str(site.options)
    security = site.runtime_data.security
    way = await security.way()
    assert way.url == f"wss://depot.example:{tls_port}"
    assert way.root_pem is None

    # It is read again: renewed, or spoilt.
    renewed = issue_server(OTHERS, ["depot.example"], NOW)
    chain.write_text(renewed.chain_pem + OTHERS.chain_pem)
    key.write_text(renewed.key_pem)
    await security.refresh()
    assert await served(tls_port) == facts_of(renewed.chain_pem).fingerprint
    assert (await security.way()).root_pem == OTHERS.chain_pem
    assert not issues(hass)
    for spoil in (key.unlink, lambda: key.write_text(GIVEN.key_pem)):
        spoil()
        await security.refresh()
        assert issues(hass) == {"tls_certificate_unusable"}
        own = {facts_of(one.chain_pem).fingerprint for one in security.keys.server}
        assert await served(tls_port) in own


async def test_certificates_that_are_pasted(
    hass: HomeAssistant, site: MockConfigEntry, desk: Desk, tls_port: int
) -> None:
    good = {"certificate_pem": GIVEN.chain_pem, "key_pem": GIVEN.key_pem}
    dialog = await encryption(desk, site)
    await dialog.answer("security", tls_certificate="pasted", tls_port=tls_port)
    for answers, errors in (
        ({}, {"certificate_pem": "certificate_not_pem"}),
        ({**good, "key_pem": "?"}, {"key_pem": "certificate_not_pem"}),
        ({**good, "key_pem": OTHERS.key_pem}, {"key_pem": "certificate_key_mismatch"}),
        (
            {"certificate_pem": EXPIRED.chain_pem, "key_pem": EXPIRED.key_pem},
            {"certificate_pem": "certificate_expired"},
        ),
    ):
        await dialog.answer("certificate_pasted", **answers)
        assert dialog.errors == errors
    await dialog.answer("certificate_pasted", **good)
    await hass.async_block_till_done()
    assert await served(tls_port) == facts_of(GIVEN.chain_pem).fingerprint
    assert "PEM" not in str(site.options)
    assert "BEGIN" not in str(site.options)

    # What is pasted anew is served at once, what is not stays.
    renewed = issue_server(OTHERS, ["depot.example"], NOW)
    for answers in (
        {"certificate_pem": renewed.chain_pem, "key_pem": renewed.key_pem},
        {},
    ):
        dialog = await encryption(desk, site)
        await dialog.answer("security", tls_certificate="pasted", tls_port=tls_port)
        await dialog.answer("certificate_pasted", **answers)
        await hass.async_block_till_done()
        assert await served(tls_port) == facts_of(renewed.chain_pem).fingerprint
    dialog = await encryption(desk, site)
    await dialog.answer("security", tls_certificate="own", tls_port=tls_port)
    await dialog.answer("certificate_own")
    assert site.runtime_data.security.keys.given is None


async def test_other_dialogs_leave_it_alone(
    site: MockConfigEntry, desk: Desk, tls_options: dict[str, Any]
) -> None:
    dialog = await desk.options(site)
    await dialog.choose("init", "site")
    await dialog.answer(
        "site", main_fuse_a=20, access="known", price_source="none", personal_data="shared"
    )
    assert site.options == {
        **tls_options,
        "main_fuse_a": 20,
        "access": "known",
        "personal_data": "shared",
    }


async def test_it_takes_a_running_site(hass: HomeAssistant, set_up_site: SetUp, desk: Desk) -> None:
    site = await set_up_site()
    await hass.config_entries.async_unload(site.entry_id)
    dialog = await encryption(desk, site)
    assert dialog.step == "not_running"


@pytest.mark.parametrize("error", ["in_use", "forbidden"])
async def test_a_port_that_cannot_be_had(  # noqa: PLR0917 - fixtures
    hass: HomeAssistant,
    set_up_site: SetUp,
    tls_options: dict[str, Any],
    tls_port: int,
    monkeypatch: pytest.MonkeyPatch,
    error: str,
) -> None:
    if error == "forbidden":
        create = asyncio.get_running_loop().create_server

        async def refuse(*args: Any, **more: Any) -> Any:
            if tls_port in args:
                raise PermissionError
            return await create(*args, **more)

        monkeypatch.setattr(asyncio.get_running_loop(), "create_server", refuse)
        site = await set_up_site(options=tls_options)
        assert issues(hass) == {"tls_port_forbidden"}
        monkeypatch.undo()
    else:
        with socket.create_server(("", tls_port)):
            site = await set_up_site(options=tls_options)
            assert issues(hass) == {"tls_port_in_use"}
            assert site.runtime_data.central.port is not None
    await site.runtime_data.security.sync()
    assert site.runtime_data.central.tls_port == tls_port
    assert not issues(hass)


async def test_names_that_no_certificate_can_have(
    hass: HomeAssistant, set_up_site: SetUp, tls_options: dict[str, Any]
) -> None:
    site = await set_up_site(options={**tls_options, "tls_hosts": ["not a host"]})
    assert site.runtime_data.central.tls_port is None
    assert issues(hass) == {"tls_certificate_unusable"}
    hass.config_entries.async_update_entry(site, options={**site.options, **tls_options})
    await hass.async_block_till_done()
    assert site.runtime_data.central.tls_port == tls_options["tls_port"]
    assert not issues(hass)


# --- the dialog of a station ----------------------------------------------------------------------


async def edited(desk: Desk, site: MockConfigEntry, **changes: str) -> Dialog:
    dialog = await desk.edit(site, stations(site)[0])
    await dialog.choose("reconfigure", "edit")
    answers = {
        "name": "Garage",
        "max_current_a": 16,
        "fallback_current_a": 6,
        "password_choice": "keep",
        **changes,
    }
    await dialog.answer("edit", **answers)
    return dialog


async def choices(desk: Desk, site: MockConfigEntry) -> list[str]:
    dialog = await desk.edit(site, stations(site)[0])
    await dialog.choose("reconfigure", "edit")
    return dialog.options("security_profile")


async def test_the_lowest_profile_of_a_station(
    hass: HomeAssistant, site: MockConfigEntry, desk: Desk, port: int, tls_port: int
) -> None:
    keys = site.runtime_data.security.keys
    central = site.runtime_data.central
    assert await choices(desk, site) == ["0"]
    async with opened(box16(port, tls_port)) as station:
        await upgrade(hass, 2)
        assert await choices(desk, site) == ["1", "2"]
        dialog = await edited(desk, site, password_choice="remove", security_profile="2")
        assert dialog.errors == {"security_profile": "profile_needs_password"}
        dialog = await edited(desk, site, security_profile="1")
        assert dialog.step == "reconfigure_successful"
        assert keys.keys(STATION).security_profile is SecurityProfile.PASSWORD
        # What it proves can be asked for again.
        await until(lambda: central.security_profile(STATION) == 2)
        await edited(desk, site, security_profile="2")
        assert keys.keys(STATION).security_profile is SecurityProfile.TLS_PASSWORD
        await edited(desk, site)
        assert keys.keys(STATION).security_profile is SecurityProfile.TLS_PASSWORD
        await until(lambda: station.online)
        # Once with its password, once with encryption: nothing that was asked here threw it out.
        assert [note["event"] for note in station.books.notes].count("connected") == 3
    # A new password takes the place of all that there were.
    await site.runtime_data.security.keyring.offer_password(STATION)
    dialog = await edited(desk, site, password_choice="generate", security_profile="2")
    await dialog.answer("generated")
    assert keys.keys(STATION).next_password_hash is None
    assert await choices(desk, site) == ["1", "2"]
    # Without one, nothing is asked for again.
    await edited(desk, site, security_profile="1")
    dialog = await edited(desk, site, password_choice="remove", security_profile="1")
    assert dialog.step == "reconfigure_successful"
    assert keys.keys(STATION) == StationKeys()
    assert await choices(desk, site) == ["0"]


@pytest.mark.parametrize(
    ("before", "shown", "choice", "offered"), [(0, "0", "none", ["0"]), (1, "1", "keep", ["1"])]
)
async def test_what_was_left_alone_is_not_put_back(  # noqa: PLR0917 - fixtures
    hass: HomeAssistant,
    site: MockConfigEntry,
    desk: Desk,
    port: int,
    tls_port: int,
    before: int,
    shown: str,
    choice: str,
    offered: list[str],
) -> None:
    keys = site.runtime_data.security.keys
    async with opened(box16(port, tls_port)):
        if before:
            await upgrade(hass, before)
            # So it is after a password was entered: it is asked for all the same.
            await site.runtime_data.security.keyring.change(
                STATION, security_profile=SecurityProfile.NONE
            )
        dialog = await desk.edit(site, stations(site)[0])
        await dialog.choose("reconfigure", "edit")
        assert dialog.options("security_profile") == offered
        await upgrade(hass, 2)
        raised = keys.keys(STATION)
        await dialog.answer(
            "edit",
            name="Garage",
            max_current_a=16,
            fallback_current_a=6,
            password_choice=choice,
            security_profile=shown,
        )
        assert dialog.step == "reconfigure_successful"
        assert keys.keys(STATION) == raised
        assert raised.security_profile is SecurityProfile.TLS_PASSWORD


async def test_a_certificate_of_the_owners_authority(
    hass: HomeAssistant, site: MockConfigEntry, desk: Desk, tls_port: int
) -> None:
    own = certified(STATION, OTHERS)
    tls = Tls(root(site), own.chain_pem, own.key_pem)
    config = StationConfig(STATION, reconnect_s=0.05, tls=tls)
    async with Ocpp16Station(config, f"wss://127.0.0.1:{tls_port}") as station:
        await until(lambda: station.books.notes)
        assert not station.online, "nobody here knows its authority"
        dialog = await encryption(desk, site)
        await dialog.answer(
            "security",
            tls_certificate="own",
            tls_port=tls_port,
            tls_authorities=OTHERS.chain_pem,
        )
        await dialog.answer("certificate_own", tls_hosts=["127.0.0.1"])
        await until(lambda: station.ready)
        await edited(desk, site, password_choice="none", security_profile="3")
        keys = site.runtime_data.security.keys.keys(STATION)
        assert keys.security_profile is SecurityProfile.CERTIFICATE
        assert keys.certificate is None
        assert station.ready


# --- before and after -----------------------------------------------------------------------------


async def test_nothing_is_left(hass: HomeAssistant, site: MockConfigEntry) -> None:
    vault = site.runtime_data.vault
    await hass.config_entries.async_remove(site.entry_id)
    keys = Keys(hass, vault)
    await keys.load()
    assert keys.authority is None
    assert keys.server == ()


async def test_a_site_of_before_has_no_keys(hass: HomeAssistant, set_up_site: SetUp) -> None:
    site = await set_up_site(subentries=[a_station()])
    security = site.runtime_data.security
    assert security.keys.authority is None
    assert site.runtime_data.central.tls_port is None
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(days=1, minutes=1))
    await hass.async_block_till_done()
    assert security.keys.authority is None
    assert isinstance(await security.authority(), CertifiedKey)
