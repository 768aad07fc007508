"""Statements that are run for every message of a station.

SQLAlchemy's way to execute a statement takes longer than SQLite needs to run it.
These are compiled once; values still go through the types of the schema.
"""

from collections.abc import Callable, Iterable, Mapping
import sqlite3
from typing import Any, cast

from sqlalchemy import BindParameter, Column, ColumnElement, Connection, Select, bindparam
from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.types import TypeEngine

from .rows import Values

type Convert = Callable[[Any], Any]

_DIALECT = pysqlite.dialect()
_SAME = "same_"


def same(column: Column[Any]) -> ColumnElement[bool]:
    """Return the condition that the column has the given value, or is NULL for `None`."""
    value: BindParameter[Any] = bindparam(f"{_SAME}{column.name}")
    return column.is_not_distinct_from(value) if column.nullable else column == value


class Statement:
    """A statement with named parameters, each of which must be given.

    As SQLAlchemy wants other names in a condition than in what an update sets, a
    parameter that `same` made takes the value of the column's name.
    """

    def __init__(self, statement: Select[Any] | UpdateBase) -> None:
        """Compile it."""
        compiled = statement.compile(dialect=_DIALECT)
        self._sql = str(compiled)
        self._parameters = [
            (
                name.removeprefix(_SAME),
                _impl(compiled.binds[name].type).bind_processor(_DIALECT),
            )
            for name in compiled.positiontup or ()
        ]

    def run(self, connection: Connection, values: Mapping[str, Any]) -> sqlite3.Cursor:
        """Run it on the driver's own cursor. Raises `sqlite3.Error`, or what a type refuses."""
        return _driver(connection).execute(self._sql, self._bind(values))

    def run_each(self, connection: Connection, rows: Iterable[Mapping[str, Any]]) -> int:
        """Run it for each of the rows; return how many were written."""
        return _driver(connection).executemany(self._sql, map(self._bind, rows)).rowcount

    def _bind(self, values: Mapping[str, Any]) -> list[Any]:
        return [
            values[name] if convert is None else convert(values[name])
            for name, convert in self._parameters
        ]


class Query(Statement):
    """A statement that returns rows, each as values by the names of its columns."""

    def __init__(self, query: Select[Any]) -> None:
        """Compile it."""
        super().__init__(query)
        self._columns: list[tuple[str, Convert | None]] = [
            (column.key, _impl(column.type).result_processor(_DIALECT, None))
            for column in cast("Any", query.selected_columns)
        ]

    def first(self, connection: Connection, values: Mapping[str, Any]) -> Values | None:
        """Return the first row, `None` where there is none."""
        row = self.run(connection, values).fetchone()
        if row is None:
            return None
        return {
            name: value if convert is None else convert(value)
            for (name, convert), value in zip(self._columns, row, strict=True)
        }


def _impl(kind: TypeEngine[Any]) -> TypeEngine[Any]:
    return kind.dialect_impl(_DIALECT)


def _driver(connection: Connection) -> sqlite3.Connection:
    return cast("sqlite3.Connection", connection.connection.dbapi_connection)
