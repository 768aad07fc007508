"""Profiles of the user's own: read again while they are written, and what is wrong is told."""

from collections.abc import AsyncIterator
from datetime import timedelta
import os
from pathlib import Path

from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.util import dt as dt_util
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from custom_components.forecourt.const import DOMAIN
from custom_components.forecourt.own_profiles import LOOK_EVERY
from simulator.modbus.server import RegisterServer

from .conftest import SetUp
from .peblar import Peblar, a_box, a_peblar, hurry, shown, until

MINE = "format: 1\nid: mine\nextends: peblar\nvendor: {vendor}\n"


@pytest.fixture
async def box(socket_enabled: None) -> AsyncIterator[tuple[Peblar, RegisterServer]]:
    async with a_box() as (peblar, server):
        yield peblar, server


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    folder = tmp_path / DOMAIN / "profiles"
    folder.mkdir(parents=True)
    return folder / "mine.yaml"


def write(path: Path, text: str, *, turn: list[int] = [0]) -> None:  # noqa: B006 - it counts
    """Write a file that is newer than before, however coarse the clock of the disk is."""
    path.write_text(text)
    turn[0] += 1
    os.utime(path, (turn[0], turn[0]))


async def look(hass: HomeAssistant, *, by_time: bool = False) -> None:
    """Have files looked at once more.

    Time that passes for Home Assistant does so for requests to boxes, too: they time out.
    """
    (site,) = hass.config_entries.async_entries(DOMAIN)
    own = site.runtime_data.declared._own_profiles
    await until(own._looking.done)
    before = own._looking
    if by_time:
        async_fire_time_changed(hass, dt_util.utcnow() + LOOK_EVERY + timedelta(seconds=1))
    else:
        own._look_soon()
    await until(lambda: own._looking is not before and own._looking.done())


def told(hass: HomeAssistant, issue_id: str) -> str:
    issue = ir.async_get(hass).async_get_issue(DOMAIN, issue_id)
    return str((issue.translation_placeholders or {})["reason"]) if issue else ""


async def test_a_station_follows_its_profile(
    hass: HomeAssistant, set_up_site: SetUp, box: tuple[Peblar, RegisterServer], mine: Path
) -> None:
    write(mine, MINE.format(vendor="Mine"))
    site = await set_up_site(subentries=[a_peblar(box[1].port, profile="mine")])
    declared = site.runtime_data.declared
    await until(lambda: shown(hass, "sensor.status") == "available")
    first = declared.station("peblar_1")
    assert first.profile.vendor == "Mine"

    write(mine, MINE.format(vendor="Ours"))
    await look(hass)
    await until(lambda: (now := declared.station("peblar_1")) and now.profile.vendor == "Ours")
    await until(lambda: shown(hass, "sensor.status") == "available")
    assert declared.station("peblar_1") is not first

    # While it is wrong, the station goes on, also where it is edited.
    write(mine, MINE.format(vendor="3"))
    await look(hass)
    await until(lambda: "mine.yaml, line 4" in told(hass, "own_profile_wrong_mine"))
    running = declared.station("peblar_1")
    assert running.profile.vendor == "Ours"
    (subentry,) = site.subentries.values()
    hass.config_entries.async_update_subentry(site, subentry, title="Carport")
    await hass.async_block_till_done()
    assert declared.station("peblar_1") is running
    assert not told(hass, "profile_unusable_peblar_1")

    # So it does when the file is gone; mended, nothing is left of it all.
    mine.unlink()  # noqa: ASYNC240 - a test may wait for the disk
    await look(hass)
    await until(lambda: "gone" in told(hass, "own_profile_wrong_mine"))
    assert declared.station("peblar_1") is running
    write(mine, MINE.format(vendor="Theirs"))
    await look(hass)
    await until(lambda: not told(hass, "own_profile_wrong_mine"))
    await until(lambda: (now := declared.station("peblar_1")) and now.profile.vendor == "Theirs")
    await until(lambda: declared.station("peblar_1").online)


async def test_one_that_was_wrong_from_the_start(
    hass: HomeAssistant, set_up_site: SetUp, box: tuple[Peblar, RegisterServer], mine: Path
) -> None:
    write(mine, MINE.format(vendor="3"))
    site = await set_up_site(subentries=[a_peblar(box[1].port, profile="mine")])
    assert "line 4" in told(hass, "profile_unusable_peblar_1")
    await until(lambda: told(hass, "own_profile_wrong_mine"))
    write(mine, MINE.format(vendor="Mine"))
    await look(hass)
    await until(lambda: shown(hass, "sensor.status") == "available")
    assert not told(hass, "profile_unusable_peblar_1")
    assert not told(hass, "own_profile_wrong_mine")
    assert site.runtime_data.declared.station("peblar_1").profile.vendor == "Mine"


async def test_other_orders_have_to_be_proven(
    hass: HomeAssistant, set_up_site: SetUp, box: tuple[Peblar, RegisterServer], mine: Path
) -> None:
    write(mine, MINE.format(vendor="Mine"))
    site = await set_up_site(subentries=[a_peblar(box[1].port, profile="mine")])
    declared = site.runtime_data.declared
    await until(lambda: shown(hass, "sensor.status") == "available")
    declared.station("peblar_1")._proven = True

    write(mine, MINE.format(vendor="Ours"))
    await look(hass)
    await until(lambda: (now := declared.station("peblar_1")) and now.profile.vendor == "Ours")
    assert declared.station("peblar_1").may_write
    write(
        mine,
        MINE.format(vendor="Theirs") + "orders:\n  limit_a:\n    {minimum: 7, maximum: 32, step: 1,"
        " zero_pauses: true, write: [{register: holding, function: 16, address: 40000,"
        " type: u32, scale: 0.001, memory: volatile}]}\n",
    )
    await look(hass)
    await until(lambda: (now := declared.station("peblar_1")) and now.profile.vendor == "Theirs")
    assert not declared.station("peblar_1").may_write
    await until(lambda: declared.station("peblar_1").online)


async def test_no_folder_no_look(
    hass: HomeAssistant, set_up_site: SetUp, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    site = await set_up_site(subentries=[])
    reloads: list[int] = []
    library = site.runtime_data.library
    monkeypatch.setattr(library, "reload", lambda: reloads.append(1) or frozenset())
    await look(hass, by_time=True)
    assert reloads == []
    (tmp_path / DOMAIN / "profiles").mkdir(parents=True)
    await look(hass, by_time=True)
    assert reloads == [1]
