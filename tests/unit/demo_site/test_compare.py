from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
import sqlite3
from typing import Any

import pytest

from script.demo_site.compare import Ledger, compare, read_ledger

STATION = "SIM-1"


def at(second: int) -> str:
    return f"2026-11-23T12:00:{second:02}.250Z"


def micros(second: int) -> int:
    moment = datetime(2026, 11, 23, 12, 0, second, 250_000, tzinfo=UTC)
    return int(moment.timestamp() * 1_000_000)


REGISTERS = {0: 1000, 10: 1300, 20: 1310, 30: 1310}
CONTEXTS = {
    0: "Transaction.Begin",
    10: "Sample.Periodic",
    20: "Sample.Periodic",
    30: "Transaction.End",
}


@pytest.fixture
def books() -> dict[str, Any]:
    transaction = {
        "number": 1,
        "transaction_id": 7,
        "meter_start_wh": 1000,
        "meter_stop_wh": 1310,
    }
    readings = [
        {
            "number": number,
            "transaction": 1,
            "timestamp": at(second),
            "register_wh": register,
            "reported_wh": register,
            "context": CONTEXTS[second],
            "state": "confirmed",
        }
        for number, (second, register) in enumerate(REGISTERS.items(), 1)
    ]
    return {STATION: {"transactions": [transaction], "readings": readings}}


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(
        sessions=[{"id": "s", "station_id": STATION, "energy_wh": 310}],
        transactions=[{"id": 7, "station_id": STATION, "session_id": "s", "reference": None}],
        readings=[
            {
                "station_id": STATION,
                "transaction_id": 7,
                "at": micros(second),
                "context": CONTEXTS[second].replace(".", "_").lower(),
                "register_wh": register,
            }
            for second, register in REGISTERS.items()
        ],
        taps=[],
        integrity="ok",
    )


def test_equal_books_have_no_error(books: dict[str, Any], ledger: Ledger) -> None:
    result = compare(books, ledger)
    assert (result.energy_error_wh, result.differences) == (0, [])


@pytest.mark.parametrize(
    ("missing", "wh"),
    [
        pytest.param(0, 1, id="begin: nothing had flowed, yet it counts"),
        pytest.param(1, 300, id="sample"),
        pytest.param(2, 10, id="small sample"),
        pytest.param(3, 1, id="end"),
    ],
)
def test_one_reading_that_is_not_in_the_ledger(
    books: dict[str, Any], ledger: Ledger, missing: int, wh: int
) -> None:
    del ledger.readings[missing]
    result = compare(books, ledger)
    assert result.energy_error_wh == wh
    assert f"reading {missing + 1} of {STATION}" in result.differences[0]


def test_a_reading_that_the_station_never_sent_counts_too(
    books: dict[str, Any], ledger: Ledger
) -> None:
    books[STATION]["readings"][1]["state"] = "lost"
    del ledger.readings[1]
    assert "(lost), is not in the ledger" in compare(books, ledger).differences[0]


def test_a_reading_with_another_register(books: dict[str, Any], ledger: Ledger) -> None:
    ledger.readings[1]["register_wh"] = 1296
    assert compare(books, ledger).energy_error_wh == 4


def test_a_reading_outside_a_transaction_is_not_asked_for(
    books: dict[str, Any], ledger: Ledger
) -> None:
    books[STATION]["readings"].append({**books[STATION]["readings"][0], "transaction": None})
    assert compare(books, ledger).energy_error_wh == 0


@pytest.mark.parametrize("booked", [300, 320])
def test_a_session_with_too_little_or_too_much(
    books: dict[str, Any], ledger: Ledger, booked: int
) -> None:
    ledger.sessions[0]["energy_wh"] = booked
    result = compare(books, ledger)
    assert result.energy_error_wh == 10
    assert f"has {booked} Wh, not 310 Wh" in result.differences[0]


def test_a_session_that_nobody_charged(books: dict[str, Any], ledger: Ledger) -> None:
    ledger.sessions.append({"id": "ghost", "station_id": STATION, "energy_wh": 50})
    assert compare(books, ledger).energy_error_wh == 50


def test_a_session_that_is_not_in_the_ledger(books: dict[str, Any]) -> None:
    empty = Ledger(sessions=[], transactions=[], readings=[], taps=[], integrity="ok")
    # The energy, and every reading of it.
    assert compare(books, empty).energy_error_wh == 310 + (1 + 300 + 10 + 1)


def test_errors_do_not_cancel_out(books: dict[str, Any], ledger: Ledger) -> None:
    second = deepcopy(books[STATION])
    second["transactions"][0]["transaction_id"] = 8
    second["readings"] = []
    books["SIM-2"] = second
    ledger.transactions.append(
        {"id": 8, "station_id": "SIM-2", "session_id": "t", "reference": None}
    )
    ledger.sessions.append({"id": "t", "station_id": "SIM-2", "energy_wh": 300})
    ledger.sessions[0]["energy_wh"] = 320
    assert compare(books, ledger).energy_error_wh == 20


def test_a_transaction_that_never_got_an_id(books: dict[str, Any], ledger: Ledger) -> None:
    books[STATION]["transactions"][0]["transaction_id"] = None
    books[STATION]["readings"] = []
    differences = compare(books, ledger).differences
    assert differences[0] == f"310 Wh: transaction 1 of {STATION} never got an id"


def test_a_transaction_that_still_runs_counts_up_to_its_last_reading(
    books: dict[str, Any], ledger: Ledger
) -> None:
    books[STATION]["transactions"][0]["meter_stop_wh"] = None
    assert compare(books, ledger).energy_error_wh == 0


def test_two_transactions_of_one_session_add_up(books: dict[str, Any], ledger: Ledger) -> None:
    second = {"number": 2, "transaction_id": 8, "meter_start_wh": 1310, "meter_stop_wh": 1400}
    books[STATION]["transactions"].append(second)
    ledger.transactions.append(
        {"id": 8, "station_id": STATION, "session_id": "s", "reference": None}
    )
    ledger.sessions[0]["energy_wh"] = 400
    assert compare(books, ledger).energy_error_wh == 0


def test_the_file_is_read_while_somebody_writes(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode=WAL")
    for table in ("sessions", "transactions", "readings", "taps"):
        writer.execute(f"CREATE TABLE {table} (id TEXT)")
        writer.execute(f"INSERT INTO {table} VALUES (?)", (table,))  # noqa: S608
    writer.commit()
    writer.execute("BEGIN IMMEDIATE")
    ledger = read_ledger(path)
    writer.close()
    assert ledger.sessions == [{"id": "sessions"}]
    assert ledger.taps == [{"id": "taps"}]
    assert ledger.integrity == "ok"
