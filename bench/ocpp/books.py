"""Looks in the ledger's file for what was acknowledged to the stations."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
import sqlite3
from typing import Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def lost(ledger: Path, books: dict[str, Any]) -> int:
    """Return how many readings, starts and ends are not in the ledger as they were told."""
    connection = sqlite3.connect(f"{ledger.resolve().as_uri()}?mode=ro", uri=True)
    try:
        readings = set(connection.execute("SELECT transaction_id, at, register_wh FROM readings"))
        stopped = dict(connection.execute("SELECT id, meter_stop_wh FROM transactions"))
    finally:
        connection.close()
    told = ((number, _microseconds(at), wh) for number, at, wh in books["readings"])
    return (
        _missing(told, readings)
        + _missing(books["started"], stopped.keys())
        + len([1 for number, wh in books["stopped"] if stopped.get(number) != wh])
    )


def _missing(told: Iterable[Any], booked: Any) -> int:
    return sum(one not in booked for one in told)


def _microseconds(text: str) -> int:
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(microseconds=1)
