"""Compares the ledger with the books of the stations. The ledger's own code has no part in it.

The books are the truth: the simulator wrote them, in another process, from its own meter. The
ledger is read as what it is on the disk, a SQLite file.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
import sqlite3
from typing import Any

type Row = dict[str, Any]
type Charge = tuple[str, int | str]
"""A transaction: its station and the id that both know it by; since OCPP 2.0.1 its station's."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Ledger:
    """What stands in the ledger's file."""

    sessions: list[Row]
    transactions: list[Row]
    readings: list[Row]
    taps: list[Row]
    integrity: str

    def of(self, station: str) -> Ledger:
        """Return what it has of one station; cards are the site's."""
        sessions, transactions, readings = (
            [row for row in rows if row["station_id"] == station]
            for rows in (self.sessions, self.transactions, self.readings)
        )
        return replace(self, sessions=sessions, transactions=transactions, readings=readings)


@dataclass(slots=True)
class Comparison:
    """How far the ledger is from the truth, in watt-hours, and what is wrong, in words."""

    energy_error_wh: int = 0
    differences: list[str] = field(default_factory=list)

    def add(self, wh: int, text: str) -> None:
        """Note a difference, if it is one."""
        if wh:
            self.energy_error_wh += wh
            self.differences.append(f"{wh} Wh: {text}")


def read_ledger(path: Path) -> Ledger:
    """Read the file, also while Home Assistant has it open."""
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
    try:
        connection.row_factory = sqlite3.Row
        tables = {
            name: [dict(row) for row in connection.execute(f"SELECT * FROM {name}")]  # noqa: S608
            for name in ("sessions", "transactions", "readings", "taps")
        }
        integrity = connection.execute("PRAGMA integrity_check").fetchone()[0]
    finally:
        connection.close()
    return Ledger(**tables, integrity=integrity)


def compare(books: Mapping[str, Row], ledger: Ledger) -> Comparison:
    """Compare the books of the stations, by identity, with the ledger.

    The error is the sum of the differences of all sessions, and for each reading that is in the
    books and not as such in the ledger, the watt-hours since the one before: one at least, as a
    reading that is lost is never right. Readings outside a transaction do not count.
    """
    result = Comparison()
    _compare_sessions(books, ledger, result)
    for station, pages in books.items():
        _compare_readings(station, pages, ledger, result)
    return result


def compare_plug_ins(station: str, books: Row, ledger: Ledger) -> Comparison:
    """Compare the charges of a box without transactions with its sessions, one by one.

    The truth is what flowed while a car was plugged in; what the box cannot show, since its
    register counts in whole watt-hours, is no error.
    """
    result = Comparison()
    sessions = [row for row in ledger.sessions if row["station_id"] == station]
    sessions.sort(key=lambda row: row["started_at"])
    plug_ins = books["plug_ins"]
    if len(sessions) != len(plug_ins):
        result.differences.append(f"{len(plug_ins)} charges of {station}, {len(sessions)} sessions")
    for number in range(max(len(sessions), len(plug_ins))):
        truth = plug_ins[number]["energy_wh"] or 0.0 if number < len(plug_ins) else 0.0
        booked = sessions[number]["energy_wh"] if number < len(sessions) else 0
        wrong = int(abs(truth - booked))
        result.add(wrong, f"charge {number + 1} at {station} has {booked} Wh, not {truth} Wh")
    return result


def _compare_sessions(books: Mapping[str, Row], ledger: Ledger, result: Comparison) -> None:
    truth: dict[Charge, int] = {}
    for station, pages in books.items():
        for entry in pages["transactions"]:
            energy = _energy(pages, entry)
            if entry["transaction_id"] is None:
                result.add(energy, f"transaction {entry['number']} of {station} never got an id")
            else:
                truth[station, entry["transaction_id"]] = energy
    charges: dict[str, list[Charge]] = defaultdict(list)
    for row in ledger.transactions:
        charges[row["session_id"]].append((row["station_id"], row["reference"] or row["id"]))
    for session in ledger.sessions:
        booked = session["energy_wh"]
        energy = sum(truth.pop(charge, 0) for charge in charges[session["id"]])
        result.add(
            abs(energy - booked),
            f"session {session['id']} at {session['station_id']} has {booked} Wh, not {energy} Wh",
        )
    for (station, number), energy in truth.items():
        result.add(energy, f"transaction {number} of {station} is in no session")


def _compare_readings(station: str, pages: Row, ledger: Ledger, result: Comparison) -> None:
    ids = {entry["number"]: entry["transaction_id"] for entry in pages["transactions"]}
    before = {entry["number"]: entry["meter_start_wh"] for entry in pages["transactions"]}
    names = {row["id"]: row["reference"] or row["id"] for row in ledger.transactions}
    booked = {
        (names.get(row["transaction_id"]), row["at"] // 1000, row["context"]): row["register_wh"]
        for row in ledger.readings
        if row["station_id"] == station
    }
    for reading in pages["readings"]:
        number, register = reading["transaction"], reading["register_wh"]
        if number is None:
            continue
        interval, before[number] = abs(register - before[number]), register
        when = f"{reading['context']} at {reading['timestamp']}"
        what = f"reading {reading['number']} of {station}, {when}"
        context = reading["context"].replace(".", "_").lower()
        key = (ids[number], _milliseconds(reading["timestamp"]), context)
        if key not in booked:
            result.add(max(1, interval), f"{what} ({reading['state']}), is not in the ledger")
        elif booked[key] != reading["reported_wh"]:
            wrong = abs((booked[key] or 0) - (reading["reported_wh"] or 0))
            result.add(max(1, wrong), f"{what} is {booked[key]} in the ledger")


def _energy(pages: Row, entry: Row) -> int:
    """Return what the station's meter counted in a transaction, up to now if it still runs."""
    end: int | None = entry["meter_stop_wh"]
    if end is None:
        registers = (
            r["register_wh"] for r in pages["readings"] if r["transaction"] == entry["number"]
        )
        end = max(registers, default=entry["meter_start_wh"])
    start: int = entry["meter_start_wh"]
    return end - start


def _milliseconds(text: str) -> int:
    return (datetime.fromisoformat(text) - _EPOCH) // timedelta(milliseconds=1)
