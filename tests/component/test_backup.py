"""A backup made by Home Assistant while a car charges, and what comes back from it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path, PurePath
import tarfile
from types import SimpleNamespace
from unittest.mock import patch

from homeassistant.components.backup import DOMAIN as BACKUP
from homeassistant.components.backup.const import DATA_MANAGER, EXCLUDE_FROM_BACKUP
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from securetar import SecureTarFile

from custom_components.forecourt.backup import async_post_backup, async_pre_backup
from custom_components.forecourt.const import DOMAIN
from custom_components.forecourt.ledger import Ledger, snapshot
from tests.unit.ledger.samples import CARD, KEY, NOON, minutes, reading, session, started


@pytest.fixture
async def ledger(hass: HomeAssistant, tmp_path: Path) -> AsyncIterator[Ledger]:
    """Give a ledger of a loaded site."""
    hass.config.config_dir = str(tmp_path / "config")
    ledger = await Ledger.open(Path(hass.config.path(DOMAIN, "ledger.db")), KEY)
    entry = MockConfigEntry(domain=DOMAIN, state=ConfigEntryState.LOADED)
    entry.runtime_data = SimpleNamespace(ledger=ledger)
    entry.add_to_hass(hass)
    yield ledger
    await ledger.close()
    # The site is none; there is nothing to unload.
    entry.mock_state(hass, ConfigEntryState.NOT_LOADED)


async def test_a_backup_has_the_copy_and_afterwards_it_is_gone(
    hass: HomeAssistant, ledger: Ledger
) -> None:
    copy = snapshot.snapshot_of(ledger.path)
    await async_pre_backup(hass)
    assert copy.exists()
    await async_post_backup(hass)
    assert not copy.exists()
    # An end without a beginning, as when another integration stopped the backup.
    await async_post_backup(hass)


async def test_without_a_loaded_site_there_is_nothing_to_copy(hass: HomeAssistant) -> None:
    await async_pre_backup(hass)
    await async_post_backup(hass)


async def test_a_site_that_is_reloaded_during_the_backup(
    hass: HomeAssistant, ledger: Ledger
) -> None:
    await async_pre_backup(hass)
    await ledger.close()
    [entry] = hass.config_entries.async_entries(DOMAIN)
    entry.mock_state(hass, ConfigEntryState.NOT_LOADED)
    await async_post_backup(hass)
    assert not snapshot.snapshot_of(ledger.path).exists()


async def test_a_copy_that_fails_fails_the_backup(hass: HomeAssistant, ledger: Ledger) -> None:
    copy = snapshot.snapshot_of(ledger.path)
    copy.mkdir()
    with pytest.raises(HomeAssistantError) as raised:
        await async_pre_backup(hass)
    assert raised.value.translation_key == "ledger_not_copied"
    copy.rmdir()
    await async_pre_backup(hass)
    copy.unlink()
    copy.mkdir()
    with pytest.raises(HomeAssistantError) as raised:
        await async_post_backup(hass)
    assert raised.value.translation_key == "ledger_not_copied"


def test_the_marker_is_in_no_backup() -> None:
    marker = snapshot.marker_of(PurePath("data", DOMAIN, "ledger.db"))
    assert any(marker.full_match(f"data/{pattern}") for pattern in EXCLUDE_FROM_BACKUP)
    copy = snapshot.snapshot_of(PurePath("data", DOMAIN, "ledger.db"))
    assert not any(copy.full_match(f"data/{pattern}") for pattern in EXCLUDE_FROM_BACKUP)


async def test_a_real_backup_of_a_charge_and_the_way_back(
    hass: HomeAssistant, ledger: Ledger, tmp_path: Path
) -> None:
    charging, transaction = await started(ledger)
    await ledger.save(charging, transaction, [reading(minute) for minute in range(100)])
    # As if it were set up: Home Assistant then looks for its backup platform.
    hass.config.components.add(DOMAIN)
    assert await async_setup_component(hass, BACKUP, {})
    await hass.async_block_till_done()

    async def charge_on(hass: HomeAssistant) -> None:
        await ledger.save(replace(charging, energy_wh=500), replace(transaction, energy_wh=500))
        await ledger.start_transaction(session(), CARD, NOON + minutes(200), 5000)
        await async_post_backup(hass)

    # The end of packing is the last moment at which the backup may still see the files.
    with patch("custom_components.forecourt.backup.async_post_backup", charge_on):
        await hass.data[DATA_MANAGER].async_create_backup(
            agent_ids=["backup.local"],
            include_addons=None,
            include_all_addons=False,
            include_database=False,
            include_folders=None,
            include_homeassistant=True,
            name="Mid-charge",
            password=None,
        )
        await hass.async_block_till_done(wait_background_tasks=True)
    [backup] = (tmp_path / "config" / "backups").glob("*.tar")
    with tarfile.open(backup) as outer:
        outer.extractall(tmp_path / "outer", filter="tar")
    with SecureTarFile(tmp_path / "outer" / "homeassistant.tar.gz", gzip=True) as inner:
        inner.extractall(tmp_path / "restored", filter="tar")
    folder = tmp_path / "restored" / "data" / DOMAIN
    assert {file.name for file in folder.iterdir()} >= {"ledger.db", "ledger.snapshot.db"}
    (folder / "ledger.db-wal").write_bytes(b"torn")

    restored = await Ledger.open(folder / "ledger.db", KEY)
    assert await restored.open_sessions() == [(charging, transaction)]
    assert len(await restored.readings(charging)) == 100
    await restored.close()
    assert not snapshot.snapshot_of(ledger.path).exists()
