"""Another central system that looks on."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
import json
from typing import Any

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.forecourt.diagnostics import async_get_config_entry_diagnostics
from custom_components.forecourt.stations.ocpp import Cause, CentralSystem, hash_password
from simulator import Ocpp16Station
from tests.wire.ocpp.peer import Site

from .conftest import STATION, SetUp, until
from .dialogs import Desk, Dialog, stations

PASSWORD = "a-login-elsewhere"


@pytest.fixture
async def employer(socket_enabled: None) -> AsyncIterator[CentralSystem]:
    """Return another central system, where the station has another name and a password."""
    central = CentralSystem(Site(), now=lambda: datetime.now(UTC))
    central.add_station("EMP-7", hash_password(PASSWORD, generated=True))
    await central.start("127.0.0.1", 0)
    yield central
    await central.stop()


@pytest.fixture
def url(employer: CentralSystem) -> str:
    """Return the address of the other central system."""
    return f"ws://127.0.0.1:{employer.port}/"


@pytest.fixture
async def site(set_up_site: SetUp) -> MockConfigEntry:
    return await set_up_site()


async def forward(desk: Desk, site: ConfigEntry[Any]) -> Dialog:
    dialog = await desk.edit(site, stations(site)[0])
    await dialog.choose("reconfigure", "forward")
    return dialog


async def test_an_employer_looks_on_until_that_ends(
    site: MockConfigEntry,
    desk: Desk,
    dial: Callable[..., Ocpp16Station],
    employer: CentralSystem,
    url: str,
) -> None:
    there = employer.stations["EMP-7"]
    async with dial() as wallbox:
        await until(lambda: wallbox.ready)
        dialog = await forward(desk, site)
        assert dialog.filled == {}
        assert "Nothing is forwarded" in dialog.placeholders["state"]
        await dialog.answer(
            "forward",
            forward_url=f" {url} ",
            forward_identity="EMP-7",
            forward_password=PASSWORD,
            send_tokens=False,
        )
        assert dialog.step == "forwarded"
        await until(lambda: there.online)

        dialog = await forward(desk, site)
        # The password is not shown again, and stays where it is not given again.
        assert dialog.filled == {
            "forward_url": url,
            "forward_identity": "EMP-7",
            "send_tokens": False,
        }
        assert "it is connected" in dialog.placeholders["state"]
        await dialog.answer("forward", **dialog.filled | {"send_tokens": True})
        assert site.runtime_data.vault.forward(STATION).password == PASSWORD
        await until(lambda: there.online)

        dialog = await forward(desk, site)
        await dialog.answer("forward", send_tokens=True)
        assert dialog.step == "not_forwarded"
        await until(lambda: not there.online)
    assert site.runtime_data.vault.forward(STATION) is None


async def test_a_password_is_for_the_address_that_it_was_given_for(
    site: MockConfigEntry, desk: Desk, dial: Callable[..., Ocpp16Station], url: str
) -> None:
    vault = site.runtime_data.vault
    dialog = await forward(desk, site)
    await dialog.answer("forward", forward_url=url, forward_password=PASSWORD, send_tokens=False)
    assert vault.forward(STATION).password == PASSWORD
    dialog = await forward(desk, site)
    assert "not connected" in dialog.placeholders["state"]
    await dialog.answer("forward", forward_url=f"{url}other/", send_tokens=False)
    assert vault.forward(STATION).password is None


async def test_why_it_does_not_work_is_told(
    site: MockConfigEntry,
    desk: Desk,
    dial: Callable[..., Ocpp16Station],
    employer: CentralSystem,
    url: str,
) -> None:
    async with dial() as wallbox:
        await until(lambda: wallbox.ready)
        dialog = await forward(desk, site)
        await dialog.answer("forward", forward_url=url, forward_identity="EMP-7", send_tokens=False)
        await until(lambda: any(k.cause is Cause.PASSWORD_MISSING for k in employer.knocks))
        state = site.runtime_data.central.stations[STATION].forwarder.state
        await until(lambda: state()["error"])
        dialog = await forward(desk, site)
        assert state()["error"] in dialog.placeholders["state"]


@pytest.mark.parametrize(
    ("answers", "errors"),
    [
        ({"forward_url": "http://example.com/"}, {"forward_url": "forward_url_invalid"}),
        ({"forward_url": "wss://me:secret@example.com/"}, {"forward_url": "forward_url_invalid"}),
        ({"forward_url": "wss://"}, {"forward_url": "forward_url_invalid"}),
        (
            {"forward_url": "wss://example.com", "forward_identity": "a b"},
            {"forward_identity": "identity_invalid"},
        ),
        (
            {
                "forward_url": "wss://example.com",
                "forward_identity": "a:b",
                "forward_password": "p",
            },
            {"forward_identity": "identity_colon"},
        ),
    ],
)
async def test_what_cannot_be_dialled(
    site: MockConfigEntry, desk: Desk, answers: dict[str, str], errors: dict[str, str]
) -> None:
    dialog = await forward(desk, site)
    await dialog.answer("forward", **answers, send_tokens=False)
    assert dialog.errors == errors
    assert site.runtime_data.vault.forward(STATION) is None
    await dialog.answer("forward", forward_url="wss://example.com/", send_tokens=False)
    assert dialog.step == "forwarded"


@pytest.mark.parametrize(
    ("address", "password", "warned"),
    [
        ("ws://example.com/", PASSWORD, "example.com"),
        ("ws://8.8.8.8:9000/", PASSWORD, "8.8.8.8"),
        ("ws://example.com/", "", None),
        ("wss://example.com/", PASSWORD, None),
        ("ws://192.168.1.5/", PASSWORD, None),
        ("ws://[fd00::1]/", PASSWORD, None),
        ("ws://backend/", PASSWORD, None),
        ("ws://backend.local/", PASSWORD, None),
    ],
)
async def test_a_password_that_could_be_read_takes_a_yes(
    site: MockConfigEntry, desk: Desk, address: str, password: str, warned: str | None
) -> None:
    vault = site.runtime_data.vault
    dialog = await forward(desk, site)
    answers = {"forward_url": address, "forward_password": password, "send_tokens": False}
    await dialog.answer("forward", **answers)
    if warned is not None:
        assert dialog.step == "forward_readable"
        assert warned in dialog.placeholders["host"]
        assert vault.forward(STATION) is None
        await dialog.choose("forward_readable", "forward")
        await dialog.answer("forward", **answers)
        await dialog.choose("forward_readable", "forward_anyway")
    assert dialog.step == "forwarded"
    assert vault.forward(STATION).url == address


async def test_it_is_a_secret_that_survives_a_restart_and_goes_with_the_station(
    hass: HomeAssistant, site: MockConfigEntry, desk: Desk, hass_storage: dict[str, Any], url: str
) -> None:
    dialog = await forward(desk, site)
    await dialog.answer("forward", forward_url=url, forward_password=PASSWORD, send_tokens=False)
    assert await hass.config_entries.async_unload(site.entry_id)
    assert await hass.config_entries.async_setup(site.entry_id)
    await hass.async_block_till_done()
    hub = site.runtime_data
    assert hub.central.stations[STATION].forwarder.state() is not None
    told = str(await async_get_config_entry_diagnostics(hass, site))
    for text in (told, str(site.as_dict())):
        assert PASSWORD not in text

    hass.config_entries.async_remove_subentry(site, stations(site)[0].subentry_id)
    await hass.async_block_till_done()
    assert hub.vault.forward(STATION) is None
    assert PASSWORD not in json.dumps(hass_storage["forecourt.vault"])
