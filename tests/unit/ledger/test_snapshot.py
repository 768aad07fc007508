"""The copy for a backup, and the way back from it."""

import asyncio
from dataclasses import replace
from pathlib import Path
import shutil
import sqlite3

import pytest

from custom_components.forecourt.core.model.session import Session
from custom_components.forecourt.ledger import (
    Ledger,
    LedgerError,
    LedgerUnreadableError,
    snapshot,
)

from .samples import CARD, KEY, NOON, minutes, open_files, reading, session, started


def as_backup(path: Path, folder: Path) -> Path:
    """Copy what Home Assistant's backup would contain, and unpack it elsewhere."""
    shutil.copytree(path.parent, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder / path.name


def names(path: Path) -> set[str]:
    """Return the names of the files beside the ledger, each moved one without its time."""
    return {file.name.partition("-2")[0] for file in path.parent.iterdir()}


def another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshot, "_THIS_PROCESS", "somebody else")


def tear(path: Path) -> None:
    """Do to the file what packing it during writes may do."""
    content = path.read_bytes()
    path.write_bytes(content[:4096] + bytes(4096) + content[8192 : len(content) * 2 // 3])


async def busy_ledger(ledger: Ledger) -> Session:
    charging, transaction = await started(ledger)
    await ledger.save(charging, transaction, [reading(minute) for minute in range(300)])
    return charging


async def test_a_snapshot_is_a_whole_ledger_in_one_file(ledger: Ledger, tmp_path: Path) -> None:
    await busy_ledger(ledger)
    before = await ledger.open_sessions()
    copy = await ledger.snapshot()
    assert copy == ledger.path.with_name("ledger.snapshot.db")
    alone = tmp_path / "alone" / "ledger.db"
    alone.parent.mkdir()
    shutil.copy(copy, alone)
    other = await Ledger.open(alone, KEY)
    assert await other.open_sessions() == before
    await other.close()
    await ledger.drop_snapshot()
    assert names(ledger.path) == {"ledger.db", "ledger.db-wal", "ledger.db-shm", "__pycache__"}
    assert list((ledger.path.parent / "__pycache__").iterdir()) == []
    await ledger.drop_snapshot()


async def test_charging_goes_on_while_a_snapshot_is_made(ledger: Ledger) -> None:
    """Each save adds a reading and a watt-hour, so the copy tells whether it is of one moment."""
    charging, transaction = await started(ledger)
    await ledger.save(charging, transaction, [reading(-count) for count in range(1, 20_000)])
    making = asyncio.create_task(ledger.snapshot())
    saved = 0
    while not making.done() or saved < 50:
        saved += 1
        charging = replace(charging, energy_wh=saved)
        await ledger.save(charging, transaction, [reading(saved)])
    with sqlite3.connect(await making) as copy:
        assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        [(energy_wh,)] = copy.execute("SELECT energy_wh FROM sessions").fetchall()
        [(readings,)] = copy.execute("SELECT count(*) FROM readings").fetchall()
    copy.close()
    assert readings == 19_999 + energy_wh
    assert energy_wh <= saved


async def test_a_reader_as_slow_as_can_be_keeps_nobody_waiting(ledger: Ledger) -> None:
    """A snapshot of a large ledger is such a reader."""
    charging, transaction = await started(ledger)
    with sqlite3.connect(ledger.path, isolation_level=None) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM readings").fetchone()
        for minute in range(20):
            await ledger.save(charging, transaction, [reading(minute)])
        assert reader.execute("SELECT count(*) FROM readings").fetchone() == (0,)
    reader.close()


async def test_a_backup_restored_in_the_middle_of_a_charge(ledger: Ledger, tmp_path: Path) -> None:
    charging = await busy_ledger(ledger)
    [(_, transaction)] = before = await ledger.open_sessions()
    assert transaction is not None
    await ledger.snapshot()
    await ledger.save(replace(charging, energy_wh=999), replace(transaction, energy_wh=999))
    after = await ledger.start_transaction(session(), CARD, NOON + minutes(1), 2000)
    path = as_backup(ledger.path, tmp_path / "restored")
    tear(path)
    await ledger.drop_snapshot()

    restored = await Ledger.open(path, KEY)
    assert await restored.open_sessions() == before
    assert len(await restored.readings(charging)) == 300
    # A station still charges under the id that was given after the snapshot.
    assert await restored.transaction(after.id) is None
    fresh = await restored.start_transaction(session(), CARD, NOON + minutes(2), 2000)
    assert fresh.id > after.id
    assert names(path) == {
        "ledger.db",
        "ledger.db-wal",
        "ledger.db-shm",
        "ledger.db.replaced",
    }
    assert len(list(path.parent.glob("ledger.db.replaced-*"))) == 3
    await restored.close()
    again = await Ledger.open(path, KEY)
    assert before[0] in await again.open_sessions()
    assert (await again.start_transaction(session(), CARD, NOON, 1)).id == fresh.id + 1
    await again.close()


async def test_a_backup_of_a_ledger_without_transactions(ledger: Ledger, tmp_path: Path) -> None:
    await ledger.snapshot()
    await started(ledger)
    restored = await Ledger.open(as_backup(ledger.path, tmp_path / "restored"), KEY)
    _, transaction = await started(restored)
    assert transaction.id > snapshot.SKIPPED_IDS
    await restored.close()


async def test_a_process_that_died_during_a_backup_loses_nothing(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ledger.snapshot()
    _, transaction = await started(ledger)
    await ledger.close()
    another_process(monkeypatch)
    again = await Ledger.open(ledger.path, KEY)
    assert await again.transaction(transaction.id) is not None
    await again.close()
    assert names(ledger.path) == {"ledger.db", "__pycache__"}
    assert list((ledger.path.parent / "__pycache__").iterdir()) == []


async def test_a_site_that_is_reloaded_during_a_backup_keeps_the_snapshot(ledger: Ledger) -> None:
    copy = await ledger.snapshot()
    await ledger.close()
    again = await Ledger.open(ledger.path, KEY)
    assert copy.exists()
    await ledger.drop_snapshot()
    assert not copy.exists()
    await again.close()


@pytest.mark.parametrize("damage", [tear, Path.unlink, lambda path: path.write_bytes(b"")])
async def test_a_snapshot_is_better_than_a_broken_ledger(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, damage: object
) -> None:
    await busy_ledger(ledger)
    before = await ledger.open_sessions()
    await ledger.snapshot()
    await ledger.close()
    another_process(monkeypatch)
    assert callable(damage)
    damage(ledger.path)
    again = await Ledger.open(ledger.path, KEY)
    assert await again.open_sessions() == before
    await again.close()
    assert list((ledger.path.parent / "__pycache__").iterdir()) == []


async def test_a_damaged_snapshot_is_for_people_to_judge(ledger: Ledger, tmp_path: Path) -> None:
    await busy_ledger(ledger)
    await ledger.snapshot()
    path = as_backup(ledger.path, tmp_path / "restored")
    tear(path.with_name("ledger.snapshot.db"))
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    with pytest.raises(LedgerUnreadableError, match=r"ledger\.snapshot\.db: .* damaged"):
        await Ledger.open(path, KEY)
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before


async def test_a_snapshot_that_is_no_file(ledger: Ledger, tmp_path: Path) -> None:
    path = tmp_path / "restored" / "ledger.db"
    path.with_name("ledger.snapshot.db").mkdir(parents=True)
    with pytest.raises(LedgerUnreadableError, match="unable to open"):
        await Ledger.open(path, KEY)


async def test_a_snapshot_that_fails_leaves_nothing(ledger: Ledger) -> None:
    await ledger.snapshot()
    # In the way of the new copy, as another full disk would be.
    part = ledger.path.with_name("ledger.snapshot.db.part")
    part.mkdir()
    with pytest.raises(LedgerError):
        await ledger.snapshot()
    part.rmdir()
    assert names(ledger.path) == {"ledger.db", "ledger.db-wal", "ledger.db-shm", "__pycache__"}
    assert await ledger.snapshot()
    assert not any("snapshot" in name for name in open_files(ledger.path.parent))
