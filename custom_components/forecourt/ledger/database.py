"""The SQLite file of the ledger: opening, checking and migrating it.

Everything here blocks and runs on the ledger's own thread.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
import sqlite3
from typing import Any, cast

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, text
from sqlalchemy.exc import DBAPIError, StatementError

from .errors import LedgerError, LedgerTooNewError, LedgerUnreadableError
from .schema import REVISION
from .snapshot import settle

BUSY_SECONDS = 5

# How far the log grows (16 MB) before it goes into the file. That takes two fsyncs, while those who
# wait for the ledger wait for them, and a page that changed often meanwhile is written once.
WAL_PAGES = 4000

# Up to this size the whole file is checked when it is opened, which takes less than a second even
# from a memory card; a larger one only if it was not closed properly.
ALWAYS_CHECKED_BYTES = 64 * 2**20


@dataclass(slots=True, eq=False)
class Job:
    """Work in the database, all or nothing, and what came of it.

    It may be done more than once until it is told, but is stored once.
    `durable` work is on the disk once it is done. Other work survives the end of
    this process, however it ends, but not the loss of power: until the next
    durable job, or until the kernel has written it by itself, which takes Linux
    half a minute at most.
    """

    work: Callable[[Connection], Any]
    durable: bool
    answer: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None


class Database:
    """The one connection to the file; `open`, `run` and `close` belong on one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._engine = _engine(path)
        self._connection: Connection | None = None
        self._synchronous = ""

    def open(self) -> None:
        """Make, check or migrate the file. Raises as `Ledger.open` says."""
        path = self._path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            settle(path)
            if path.is_dir():
                raise LedgerUnreadableError(path, "it is a folder")
            self._connect()
        except OSError as err:
            raise LedgerUnreadableError(path, err.strerror or str(err)) from err
        except sqlite3.Error as err:
            raise LedgerUnreadableError(path, str(err)) from err
        except DBAPIError as err:
            raise LedgerUnreadableError(path, str(err.orig)) from err

    def _connect(self) -> None:
        path = self._path
        wal = path.with_name(f"{path.name}-wal")
        suspect = wal.exists() or (path.exists() and path.stat().st_size <= ALWAYS_CHECKED_BYTES)
        self._connection = connection = self._engine.connect()
        with connection.begin():
            # It takes the write lock, so a file that is read-only fails here.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            found = _revision(connection, path)
            if suspect:
                verdict = connection.scalar(text("PRAGMA quick_check(1)"))
                if verdict != "ok":
                    raise LedgerUnreadableError(path, str(verdict))
            if found != REVISION:
                _migrate(connection, found)
                if connection.execute(text("PRAGMA foreign_key_check")).first() is not None:
                    raise LedgerUnreadableError(path, "rows are missing that others refer to")
        # Not before: a migration rebuilds tables, which looks like deleting what others refer to.
        connection.connection.cursor().execute("PRAGMA foreign_keys = ON")

    def run(self, jobs: Sequence[Job]) -> None:
        """Do the jobs in one transaction, and note in each its result or its error.

        One that fails leaves the others alone. If the disk does not take the
        transaction, all of them have failed.
        """
        left = list(jobs)
        while left and (spoiler := self._transact(left)) is not None:
            left.remove(spoiler)

    def _transact(self, jobs: Sequence[Job]) -> Job | None:
        """Do the jobs; return the one whose failure undid the others, which shall be repeated."""
        connection = self._connection
        assert connection is not None  # noqa: S101 - jobs come between open and close
        driver = cast("sqlite3.Connection", connection.connection.dbapi_connection)
        try:
            self._begin(driver, durable=any(job.durable for job in jobs))
            for job in jobs:
                driver.execute("SAVEPOINT job")
                try:
                    job.result, job.error = job.work(connection), None
                except Exception as error:  # noqa: BLE001 - it is for who waits for the job
                    job.error = _in_terms_of_caller(error)
                    # SQLite gives up the whole transaction when, for example, the disk is full.
                    if not driver.in_transaction:
                        return job
                    driver.execute("ROLLBACK TO job")
                driver.execute("RELEASE job")
            driver.execute("COMMIT")
        except sqlite3.Error as error:
            for job in jobs:
                job.error = job.error or _in_terms_of_caller(error)
            driver.rollback()
        return None

    def _begin(self, driver: sqlite3.Connection, *, durable: bool) -> None:
        if driver.in_transaction:
            # An error that nobody expected left it behind; its jobs have failed.
            driver.rollback()
        # In WAL mode, a commit brings the log to the disk only if this is FULL, and then all of it.
        synchronous = "FULL" if durable else "NORMAL"
        if synchronous != self._synchronous:
            driver.execute(f"PRAGMA synchronous = {synchronous}")
            self._synchronous = synchronous
        driver.execute("BEGIN IMMEDIATE")

    def close(self) -> None:
        """Close the file; SQLite then moves the rest of the WAL into it and removes the WAL."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._engine.dispose()


def _engine(path: Path) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        # The driver would begin transactions by itself, too late and not for all statements.
        connect_args={"timeout": BUSY_SECONDS, "isolation_level": None},
        poolclass=NullPool,
        hide_parameters=True,
    )
    event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: sqlite3.Connection, record: Any) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")


def _in_terms_of_caller(error: Exception) -> Exception:
    if isinstance(error, StatementError) and not isinstance(error, DBAPIError):
        # A value that cannot be stored is the caller's mistake.
        return error.orig if isinstance(error.orig, Exception) else error
    if not isinstance(error, DBAPIError | sqlite3.Error):
        return error
    told = LedgerError(str(error.orig if isinstance(error, DBAPIError) else error))
    told.__cause__ = error
    return told


def _revision(connection: Connection, path: Path) -> str | None:
    tables = set(connection.scalars(text("SELECT name FROM sqlite_schema WHERE type = 'table'")))
    if not tables:
        return None
    if "alembic_version" not in tables:
        raise LedgerUnreadableError(path, "it is the database of another program")
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def _migrate(connection: Connection, found: str | None) -> None:
    # Ten megabytes of tools that a file of today's revision does not need.
    from .migrate import is_known, migrate  # noqa: PLC0415

    if found is not None and not is_known(found):
        raise LedgerTooNewError(found, REVISION)
    migrate(connection)
