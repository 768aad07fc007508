"""The SQLite file of the ledger: opening, checking and migrating it.

Everything here blocks and runs on the ledger's own thread.
"""

from collections.abc import Callable
from pathlib import Path
import sqlite3
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, text
from sqlalchemy.exc import DBAPIError, StatementError

from .errors import LedgerClosedError, LedgerError, LedgerTooNewError, LedgerUnreadableError
from .schema import REVISION
from .snapshot import settle

BUSY_SECONDS = 5

# Up to this size the whole file is checked when it is opened, which takes less than a second even
# from a memory card; a larger one only if it was not closed properly.
ALWAYS_CHECKED_BYTES = 64 * 2**20


class Database:
    """The one connection to the file; `open`, `run` and `close` belong on one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._engine = _engine(path)
        self._connection: Connection | None = None

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
        # The transaction takes the write lock, so a file that is read-only fails here.
        with connection.begin():
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

    def run[R](self, work: Callable[[Connection], R]) -> R:
        """Do the work in one transaction, all or nothing."""
        if self._connection is None:
            raise LedgerClosedError
        try:
            with self._connection.begin():
                return work(self._connection)
        except DBAPIError as err:
            raise LedgerError(str(err.orig)) from err
        except StatementError as err:
            # A value that cannot be stored is the caller's mistake; say so in the caller's terms.
            raise err.orig or err from None

    def close(self) -> None:
        """Close the file; SQLite then moves the rest of the WAL into it and removes the WAL."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        self._engine.dispose()


def _engine(path: Path) -> Engine:
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"timeout": BUSY_SECONDS, "isolation_level": None},
        poolclass=NullPool,
        hide_parameters=True,
    )
    event.listen(engine, "connect", _prepare)
    # The driver begins transactions by itself, too late and not for all statements; here they
    # begin with SQLAlchemy's, so that a migration is all or nothing too.
    event.listen(engine, "begin", _begin)
    return engine


def _prepare(connection: sqlite3.Connection, record: Any) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


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
