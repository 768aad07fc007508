"""Opening, closing, migrating, and what the disk may do to a file."""

# ruff: noqa: ASYNC240 - nobody else waits for the loop of a test

import asyncio
import os
from pathlib import Path
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
import pytest
from sqlalchemy import Connection, create_engine, text

from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.reading import Reading
from custom_components.forecourt.core.model.session import Transaction
from custom_components.forecourt.ledger import (
    Ledger,
    LedgerClosedError,
    LedgerError,
    LedgerTooNewError,
    LedgerUnreadableError,
    Orphan,
    database,
)
from custom_components.forecourt.ledger.migrate import _config, migrate
from custom_components.forecourt.ledger.schema import REVISION, metadata
from tests.unit.conftest import ROOT

from .samples import CARD, EVSE, KEY, NOON, open_files, reading, session, started


def threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("forecourt-ledger")]


async def closed_ledger(path: Path) -> None:
    """Leave a ledger with a transaction in it."""
    ledger = await Ledger.open(path, KEY)
    current, transaction = await started(ledger)
    await ledger.save(current, transaction, [reading(minute) for minute in range(500)])
    await ledger.close()


async def refusal(path: Path) -> str:
    """Try to open the file; return the reason, after a look at what is left."""
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(LedgerUnreadableError) as caught:
        await Ledger.open(path, KEY)
    assert caught.value.path == path
    assert caught.value.reason in str(caught.value)
    assert (path.read_bytes() if path.is_file() else None) == before
    assert open_files(path.parent) == set()
    return caught.value.reason


async def test_the_connection_is_as_durable_as_sqlite_can(ledger: Ledger) -> None:
    def pragmas(connection: Connection) -> dict[str, object]:
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return {name: connection.scalar(text(f"PRAGMA {name}")) for name in names}

    assert await ledger._run(pragmas) == {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 5000,
    }


async def test_all_work_is_done_on_one_other_thread(ledger: Ledger) -> None:
    names = await asyncio.gather(
        *(ledger._run(lambda _: threading.current_thread().name) for _ in range(20))
    )
    assert len(set(names)) == 1
    assert names[0].startswith("forecourt-ledger")


async def test_nothing_is_left_of_a_closed_ledger(path: Path) -> None:
    ledger = await Ledger.open(path, KEY)
    under_way = asyncio.create_task(ledger.start_transaction(session(), CARD, NOON, 1000))
    await asyncio.sleep(0)
    await ledger.close()
    await ledger.close()
    assert (await under_way).id == 1
    assert threads() == []
    assert [file.name for file in path.parent.iterdir()] == ["ledger.db"]
    assert open_files(path.parent) == set()
    with pytest.raises(LedgerClosedError):
        await ledger.open_sessions()


async def test_an_opening_that_is_cancelled_leaves_nothing(path: Path) -> None:
    opening = asyncio.create_task(Ledger.open(path, KEY))
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    for thread in threading.enumerate():
        if thread.name.startswith("forecourt-ledger"):
            await asyncio.to_thread(thread.join)
    assert open_files(path.parent) == set()


async def test_a_migrated_file_has_the_tables_of_the_schema(ledger: Ledger) -> None:
    def differences(connection: Connection) -> list[object]:
        return compare_metadata(MigrationContext.configure(connection), metadata)

    assert await ledger._run(differences) == []
    # What Alembic does not compare: which rows an index is for.
    indexes = text("SELECT sql FROM sqlite_schema WHERE type = 'index' ORDER BY name")
    engine = create_engine("sqlite://")
    with engine.connect() as connection:
        metadata.create_all(connection)
        wanted = connection.scalars(indexes).all()
    engine.dispose()
    got = await ledger._run(lambda connection: connection.scalars(indexes).all())
    assert [sql for sql in got if sql] == [sql for sql in wanted if sql]


def test_the_newest_migration_is_the_one_that_the_schema_names() -> None:
    assert ScriptDirectory.from_config(_config()).get_current_head() == REVISION


FIRST_VERSION = """
INSERT INTO users VALUES ('anna', 'Anna', NULL);
INSERT INTO sessions (id, station_id, evse, user_id, started_at, currency, status, energy_wh,
    unpriced_wh, transaction_id, flags)
    VALUES ('s', 'garage', 1, 'anna', 1780315200000000, 'EUR', 'open', 0, 0, 7, '');
INSERT INTO transactions (id, station_id, evse, session_id, started_at, meter_start_wh, last_wh,
    last_at, energy_wh, token_key, token_last4)
    VALUES (7, 'garage', 1, 's', 1780315200000000, 1000, 1000, 1780315200000000, 0,
        'hash', 'E5F6');
INSERT INTO readings (station_id, evse, transaction_id, at, context, clock_estimated)
    VALUES ('garage', 1, 7, 1780315200000000, 'sample_periodic', 0);
INSERT INTO orphans (station_id, transaction_id, at, meter_stop_wh)
    VALUES ('garage', -1, 1780315200000000, 1500);
UPDATE sqlite_sequence SET seq = 100007 WHERE name = 'transactions';
"""


def first_version(path: Path) -> None:
    """Make a file as version 0001 left it, with something of everything that refers to others."""
    path.parent.mkdir()
    engine = database._engine(path)
    with engine.begin() as connection:
        migrate(connection, "0001")
        for statement in FIRST_VERSION.split(";"):
            connection.execute(text(statement))
    engine.dispose()


async def test_a_file_of_the_first_version_is_brought_up_to_date(path: Path) -> None:
    first_version(path)
    ledger = await Ledger.open(path, KEY)
    try:
        assert list(await ledger.users()) == ["anna"]
        [(charging, transaction)] = await ledger.open_sessions()
        assert transaction == Transaction(
            id=7,
            evse=EVSE,
            session_id="s",
            started_at=NOON,
            meter_start_wh=1000,
            last_wh=1000,
            last_at=NOON,
            token_key="hash",
            token_last4="E5F6",
        )
        assert await ledger.readings(charging) == [(Reading(at=NOON), None)]
        orphan = {"station_id": "garage", "transaction_id": -1, "at": NOON, "meter_stop_wh": 1500}
        assert await ledger.orphans() == [Orphan(**orphan)]
        assert not await ledger.keep_orphan(**orphan, token=None, reason=None)
        # Ids that were skipped after a backup are not given after the migration either.
        _, new = await started(ledger, evse=EvseId("yard", 1))
        assert new.id == 100_008
    finally:
        await ledger.close()


async def test_a_migrated_file_still_guards_what_refers_to_others(path: Path) -> None:
    first_version(path)
    ledger = await Ledger.open(path, KEY)
    for delete in ("DELETE FROM sessions", "DELETE FROM transactions"):
        with pytest.raises(LedgerError, match="FOREIGN KEY"):
            await ledger._run(lambda connection, delete=delete: connection.exec_driver_sql(delete))
    await ledger.close()


async def test_a_file_without_transactions_is_brought_up_to_date(path: Path) -> None:
    path.parent.mkdir()
    engine = database._engine(path)
    with engine.begin() as connection:
        migrate(connection, "0001")
    engine.dispose()
    ledger = await Ledger.open(path, KEY)
    assert (await started(ledger))[1].id == 1
    await ledger.close()


async def test_a_migration_that_breaks_references_is_undone(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await closed_ledger(path)
    monkeypatch.setattr(database, "REVISION", "9999")
    monkeypatch.setattr(
        database, "_migrate", lambda connection, _: connection.execute(text("DELETE FROM sessions"))
    )
    assert await refusal(path) == "rows are missing that others refer to"


async def test_a_file_of_a_newer_version_is_left_alone(path: Path) -> None:
    await closed_ledger(path)
    with sqlite3.connect(path) as file:
        file.execute("UPDATE alembic_version SET version_num = '9999'")
    file.close()
    before = path.read_bytes()
    with pytest.raises(LedgerTooNewError) as caught:
        await Ledger.open(path, KEY)
    assert (caught.value.found, caught.value.known) == ("9999", REVISION)
    assert path.read_bytes() == before
    assert open_files(path.parent) == set()


async def test_a_file_that_is_no_database(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"Dear diary, " * 1000)
    assert await refusal(path) == "file is not a database"


async def test_a_database_of_another_program(path: Path) -> None:
    path.parent.mkdir()
    with sqlite3.connect(path) as file:
        file.execute("CREATE TABLE recipes (name)")
        # Then opening it does not even change its header.
        file.execute("PRAGMA journal_mode = WAL")
    file.close()
    assert await refusal(path) == "it is the database of another program"


async def test_a_file_that_rotted_in_the_middle(path: Path) -> None:
    await closed_ledger(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    path.write_bytes(content)
    assert await refusal(path)


async def test_a_large_file_is_only_checked_after_a_crash(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await closed_ledger(path)
    monkeypatch.setattr(database, "ALWAYS_CHECKED_BYTES", 0)
    content = bytearray(path.read_bytes())
    content[-4096:] = bytes(4096)
    path.write_bytes(content)
    await (await Ledger.open(path, KEY)).close()
    path.with_name("ledger.db-wal").touch()
    assert await refusal(path)


async def test_a_folder_instead_of_the_file(path: Path) -> None:
    path.mkdir(parents=True)
    assert await refusal(path) == "it is a folder"


async def test_a_file_instead_of_the_folder(path: Path) -> None:
    path.parent.write_text("occupied")
    with pytest.raises(LedgerUnreadableError, match="File exists"):
        await Ledger.open(path, KEY)


LAST_WORDS = """
import asyncio, os, sys
from pathlib import Path
import tests.unit.conftest
from tests.unit.ledger.samples import *

async def main():
    ledger = await Ledger.open(Path(sys.argv[1]), KEY)
    charging, transaction = await started(ledger)
    await ledger.save(charging, transaction, [reading(1)], durable=False)
    print(transaction.id, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_what_returned_survives_a_kill_durable_or_not(path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LAST_WORDS, path, cwd=ROOT, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    transaction_id = int(await process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    await process.communicate()
    assert path.with_name("ledger.db-wal").stat().st_size > 0
    ledger = await Ledger.open(path, KEY)
    [(charging, transaction)] = await ledger.open_sessions()
    assert transaction is not None
    assert transaction.id == transaction_id
    assert await ledger.find_transaction(EVSE, CARD, NOON, 1000) == transaction
    assert await ledger.readings(charging) == [(reading(1), None)]
    await ledger.close()


LEFT_OPEN = """
import asyncio, sys, threading
from pathlib import Path
import tests.unit.conftest
from custom_components.forecourt.ledger.database import Job
from tests.unit.ledger.samples import *

async def main():
    ledger = await Ledger.open(Path(sys.argv[1]), KEY)
    go_on = threading.Event()
    late = asyncio.create_task(ledger._run(lambda connection: go_on.wait()))
    await asyncio.sleep(0)
    later = asyncio.create_task(started(ledger))
    await asyncio.sleep(0)
    return go_on, ledger

go_on, ledger = asyncio.run(main())
# The loop is closed now, and the thread has still something to tell it.
go_on.set()
# Once the second of these is begun, what came with the first is committed.
for _ in range(2):
    done = threading.Event()
    ledger._worker._jobs.put(Job(lambda connection, done=done: done.set(), False, None))
    print(done.wait(30))
"""


async def test_who_ends_without_closing_does_not_hang(path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LEFT_OPEN, path, cwd=ROOT, stdout=subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert (out, process.returncode) == (b"True\nTrue\n", 0)
    ledger = await Ledger.open(path, KEY)
    assert len(await ledger.open_sessions()) == 1
    await ledger.close()


# Root may write everywhere, and a limit on files would also hit the tests' own.
HARD_TIMES = """
import asyncio, os, resource, sys
from pathlib import Path
import tests.unit.conftest
from tests.unit.ledger.samples import *
from custom_components.forecourt.ledger import LedgerUnreadableError, migrate

async def reason(path):
    try:
        await Ledger.open(path, KEY)
    except LedgerUnreadableError as error:
        print(error.reason)

folder = Path(sys.argv[1])
if os.getuid() == 0:
    os.setuid(65534)
asyncio.run(reason(folder / "ledger.db"))
asyncio.run(reason(folder / "sub" / "ledger.db"))
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
asyncio.run(reason(folder / "writable" / "ledger.db"))
"""


async def test_a_disk_that_does_not_take_it(path: Path) -> None:
    await closed_ledger(path)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copy(path, folder / "ledger.db")
        (folder / "ledger.db").chmod(0o444)
        (folder / "writable").mkdir()
        (folder / "writable").chmod(0o777)
        folder.chmod(0o555)
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", HARD_TIMES, name],
            cwd=ROOT,
            env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
            check=True,
            capture_output=True,
            text=True,
        )
        folder.chmod(0o755)
    assert done.stdout.splitlines() == [
        "attempt to write a readonly database",
        "Permission denied",
        "disk I/O error",
    ]
