"""A consistent copy of the ledger for Home Assistant's backup, and the way back from it.

A backup packs the configuration folder while the ledger is being written, so
the `ledger.db` and `ledger.db-wal` in it may be torn. Beside them the backup
has `ledger.snapshot.db`, which is whole: it is made before the packing begins
and removed when it has ended.

Who opens a ledger and finds a snapshot must know whether a backup was restored
(the snapshot is right, the live file may be torn) or the process died during a
backup (the live file is right, the snapshot is old). A marker tells: it lies in
`__pycache__`, which no backup contains (`**/__pycache__/*` is excluded both by
Home Assistant and by its Supervisor), so it exists only where the snapshot was
made. The rule of `settle`:

- no snapshot: the live file is used;
- a snapshot with a marker, live file sound: the live file is used, and the
  snapshot is dropped, unless this very process made it and is still packing;
- any other snapshot takes the place of the live file, which is kept as
  `ledger.db.replaced-<time>` with its `-wal` and `-shm`.

Stations may still be busy with transactions that began after the snapshot was
made. A restored ledger therefore skips `SKIPPED_IDS` ids, so that none of
theirs is given to another transaction; their ends are kept as orphans.

Everything here blocks. Renames and removals are made durable one by one, as
their order is what the rule builds on.
"""

from contextlib import closing
from datetime import UTC, datetime
import logging
import os
from pathlib import Path
import sqlite3
from uuid import uuid4

from .errors import LedgerUnreadableError

_LOGGER = logging.getLogger(__name__)

SKIPPED_IDS = 100_000

# Tells the snapshot of a running backup from that of a process that died. Not the process id:
# in a container that is always the same.
_THIS_PROCESS = uuid4().hex


def snapshot_of(path: Path) -> Path:
    return path.with_name(f"{path.stem}.snapshot{path.suffix}")


def marker_of(path: Path) -> Path:
    return path.parent / "__pycache__" / f"{snapshot_of(path).name}.made-here"


def take(path: Path) -> Path:
    """Copy the ledger while it is written, and return the copy.

    The copy is read in one step over a connection of its own: in WAL mode that
    sees one moment and keeps no writer waiting.
    """
    target, marker = snapshot_of(path), marker_of(path)
    part = target.with_name(f"{target.name}.part")
    drop(path)
    marker.parent.mkdir(exist_ok=True)
    marker.write_text(_THIS_PROCESS, encoding="ascii")
    _sync(marker, marker.parent, path.parent)
    part.unlink(missing_ok=True)
    try:
        with closing(_connect(path)) as live, closing(sqlite3.connect(part)) as copy:
            live.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
        _sync(part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    _sync(path.parent)
    return target


def drop(path: Path) -> None:
    """Remove the snapshot, if there is one; the marker outlives it."""
    snapshot_of(path).unlink(missing_ok=True)
    _sync(path.parent)
    marker_of(path).unlink(missing_ok=True)


def settle(path: Path) -> None:
    """Put the right file in place before the ledger is opened."""
    snapshot, marker = snapshot_of(path), marker_of(path)
    if not snapshot.exists():
        return
    if marker.exists() and path.exists() and _is_sound(path):
        if marker.read_text(encoding="ascii") != _THIS_PROCESS:
            drop(path)
        return
    if not _is_sound(snapshot):
        raise LedgerUnreadableError(snapshot, "the snapshot in the backup is damaged")
    _skip_ids(snapshot)
    kept = f"{path.name}.replaced-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
    for suffix in ("", "-wal", "-shm"):
        live = path.with_name(path.name + suffix)
        if live.exists():
            live.rename(path.with_name(kept + suffix))
    _sync(path.parent)
    snapshot.rename(path)
    _sync(path.parent)
    marker.unlink(missing_ok=True)
    _LOGGER.warning(
        "The ledger was restored from a backup; the file it replaces is kept as %s", kept
    )


def _connect(path: Path) -> sqlite3.Connection:
    """Open a file that exists; SQLite would make one that does not."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True)


def _is_sound(path: Path) -> bool:
    """Whether this is a whole ledger; raises what is no matter of its content."""
    try:
        with closing(_connect(path)) as connection:
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            has_tables = connection.execute("SELECT 1 FROM sqlite_schema").fetchone()
    except sqlite3.DatabaseError as err:
        if err.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return False
        raise
    return verdict == "ok" and has_tables is not None


def _skip_ids(path: Path) -> None:
    with closing(_connect(path)) as connection, connection:
        skip = {"name": "transactions", "skip": SKIPPED_IDS}
        statement = "UPDATE sqlite_sequence SET seq = seq + :skip WHERE name = :name"
        if connection.execute(statement, skip).rowcount == 0:
            connection.execute("INSERT INTO sqlite_sequence VALUES (:name, :skip)", skip)


def _sync(*paths: Path) -> None:
    """Bring files, or the names in folders, to the disk."""
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
