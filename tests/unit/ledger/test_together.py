"""Jobs that wait together share one commit, and nothing else."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
import logging
from pathlib import Path
import sqlite3
import subprocess
import sys
import threading
from typing import cast

import pytest
from sqlalchemy import Connection

from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.session import SessionStatus
from custom_components.forecourt.ledger import Ledger, LedgerError, database, worker
from tests.unit.conftest import ROOT

from .samples import ACCEPTED, CARD, EVSE, KEY, NOON, minutes, reading, session, started


def driver(connection: Connection) -> sqlite3.Connection:
    return cast("sqlite3.Connection", connection.connection.dbapi_connection)


@asynccontextmanager
async def busy(ledger: Ledger) -> AsyncIterator[list[str]]:
    """Keep the ledger's thread busy meanwhile; give what SQLite is told from then on."""
    begun, go_on = threading.Event(), threading.Event()
    told: list[str] = []

    def wait(connection: Connection) -> None:
        begun.set()
        go_on.wait(10)
        driver(connection).set_trace_callback(told.append)

    waiting = asyncio.create_task(ledger._read(wait))
    assert await asyncio.to_thread(begun.wait, 10)
    try:
        yield told
        # What was asked for meanwhile stands in the queue after this.
        await asyncio.sleep(0)
    finally:
        go_on.set()
        await waiting


async def together(ledger: Ledger, *calls: Awaitable[object]) -> list[object]:
    async with busy(ledger):
        waiting = asyncio.gather(*calls, return_exceptions=True)
    return await waiting


async def told_by(ledger: Ledger, *calls: Awaitable[object]) -> list[str]:
    """Return what SQLite is told about transactions for calls that wait together."""
    async with busy(ledger) as told:
        waiting = asyncio.gather(*calls)
    await waiting
    # First comes the commit of what kept it busy.
    told = told[told.index("COMMIT") + 1 :]
    return [sql for sql in told if sql.startswith(("PRAGMA", "BEGIN", "COMMIT", "SAVEPOINT"))]


async def energies(ledger: Ledger) -> list[int]:
    return sorted(entry.energy_wh for entry in await ledger.sessions())


async def test_those_that_wait_together_share_one_commit(ledger: Ledger) -> None:
    told = await told_by(ledger, *(ledger.save(session()) for _ in range(7)))
    assert [told.count(sql) for sql in ("BEGIN IMMEDIATE", "SAVEPOINT job", "COMMIT")] == [1, 7, 1]
    assert len(await ledger.sessions()) == 7


async def test_a_flood_does_not_keep_the_first_waiting_for_the_last(ledger: Ledger) -> None:
    told = await told_by(
        ledger, *(ledger.save(session()) for _ in range(2 * worker.MOST_TOGETHER + 1))
    )
    assert told.count("COMMIT") == 3
    assert len(await ledger.sessions()) == 2 * worker.MOST_TOGETHER + 1


async def test_progress_leaves_the_disk_to_the_kernel(ledger: Ledger) -> None:
    current, transaction = await started(ledger)
    progress = (
        lambda: ledger.save(current, transaction, [reading(1)], durable=False),
        lambda: ledger.tap("garage", CARD, NOON, ACCEPTED),
    )
    for call in progress:
        told = await told_by(ledger, call())
        assert told == ["BEGIN IMMEDIATE", "SAVEPOINT job", "COMMIT"]
        assert await level(ledger._read) == 1


async def level(run: Callable[[Callable[[Connection], object]], Awaitable[object]]) -> object:
    """Return the level of `PRAGMA synchronous` in a job: 2 is FULL, 1 is NORMAL."""
    return await run(lambda connection: connection.exec_driver_sql("PRAGMA synchronous").scalar())


async def test_what_a_station_is_told_is_on_the_disk(ledger: Ledger) -> None:
    current, transaction = await started(ledger)
    ended = replace(transaction, ended_at=NOON)
    closed = replace(current, status=SessionStatus.CLOSED, transaction_id=None)
    durable: list[Callable[[], Awaitable[object]]] = [
        lambda: ledger.start_transaction(session(), CARD, NOON + minutes(1), 1000),
        lambda: ledger.save(current, transaction, [reading(1)]),
        lambda: ledger.save(replace(current, transaction_id=None), ended, durable=False),
        lambda: ledger.save(closed, durable=False),
        lambda: ledger.keep_orphan(
            station_id="garage", transaction_id=9, at=NOON, meter_stop_wh=1, token=None, reason=None
        ),
    ]
    for call in durable:
        assert await level(ledger._read) == 1
        told = await told_by(ledger, call())
        assert told[:2] == ["PRAGMA synchronous = FULL", "BEGIN IMMEDIATE"]


async def test_one_durable_job_takes_the_others_to_the_disk(ledger: Ledger) -> None:
    saves = [ledger.save(session(), durable=False) for _ in range(3)]
    told = await told_by(ledger, saves[0], ledger.save(session()), *saves[1:])
    assert told[0] == "PRAGMA synchronous = FULL"
    assert told.count("COMMIT") == 1


async def test_one_that_fails_leaves_the_others_alone(ledger: Ledger) -> None:
    current, transaction = await started(ledger)
    naive = reading(1, at=NOON.replace(tzinfo=None))
    results = await together(
        ledger,
        ledger.save(session(energy_wh=1)),
        # All that these two wrote before they failed is undone.
        ledger.save(session(energy_wh=2), replace(transaction, id=99)),
        ledger.save(current, transaction, [reading(0), naive]),
        ledger.save(session(energy_wh=3)),
        ledger._run(lambda connection: connection.exec_driver_sql("SELECT nonsense")),
        ledger.save(current, transaction, [reading(0)]),
    )
    assert [type(result) for result in results] == [
        int,
        LedgerError,
        ValueError,
        int,
        LedgerError,
        int,
    ]
    # The failed reading was no longer there.
    assert results[-1] == 1
    assert await energies(ledger) == [0, 1, 3]


async def test_they_are_done_in_their_order(ledger: Ledger) -> None:
    current, transaction = await started(ledger)
    calls = [
        ledger.save(replace(current, energy_wh=wh), transaction, durable=wh % 3 == 0)
        for wh in range(250)
    ]
    seen = [ledger.transaction(transaction.id)]
    await together(ledger, *calls[:100])
    results = await together(ledger, *calls[100:200], *seen, *calls[200:])
    assert results[100] == (transaction, replace(current, energy_wh=199))
    assert await energies(ledger) == [249]


async def test_who_left_meanwhile_keeps_nobody_from_an_answer(
    ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    _, transaction = await started(ledger)
    with caplog.at_level(logging.ERROR):
        async with busy(ledger):
            calls = [
                asyncio.ensure_future(call)
                for call in (
                    ledger.save(session(energy_wh=1)),
                    ledger.save(session(energy_wh=2)),
                    ledger.save(session(), replace(transaction, id=99)),
                    ledger.save(session(energy_wh=4)),
                )
            ]
            await asyncio.sleep(0)
            calls[1].cancel()
            calls[2].cancel()
        assert await calls[0] == await calls[3] == 0
    assert [call.cancelled() for call in calls] == [False, True, True, False]
    # What was begun is done; nobody is told.
    assert await energies(ledger) == [0, 1, 2, 4]
    assert caplog.records == []


@pytest.mark.parametrize(
    ("flood", "whole"),
    [
        ("CREATE TABLE flood AS SELECT zeroblob(100000)", False),
        ("INSERT INTO users VALUES ('flood', hex(zeroblob(100000)), NULL)", True),
    ],
)
async def test_one_that_finds_the_disk_full_leaves_the_others_alone(
    ledger: Ledger, flood: str, *, whole: bool
) -> None:
    """SQLite may give up the whole transaction then; so the others are done again."""
    current, transaction = await started(ledger)
    given_up: list[bool] = []

    def fill(connection: Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        try:
            driver(connection).execute(flood)
        finally:
            given_up.append(not driver(connection).in_transaction)
            connection.exec_driver_sql("PRAGMA max_page_count = 1000000")

    results = await together(
        ledger,
        ledger.save(replace(current, energy_wh=1), transaction, [reading(1)]),
        ledger.save(session(), replace(transaction, id=99)),
        ledger._run(fill),
        ledger.save(current, transaction, [reading(2)]),
    )
    assert given_up == [whole]
    assert results[0] == results[3] == 1
    assert [str(result) for result in results[1:3]] == [
        "transaction 99 was never started",
        "database or disk is full",
    ]
    assert [entry for entry, _ in await ledger.readings(current)] == [reading(1), reading(2)]


async def test_a_commit_that_fails_fails_all_of_them(ledger: Ledger) -> None:
    def spoil(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        connection.exec_driver_sql(
            "INSERT INTO readings (station_id, evse, transaction_id, at, context, clock_estimated) "
            "VALUES ('garage', 1, 99, 0, 'other', 0)"
        )

    troubles: list[str | None] = []
    ledger.watch(troubles.append)
    results = await together(
        ledger,
        ledger.save(session(energy_wh=1)),
        ledger._run(spoil),
        ledger.save(session(cost=0.5)),
        ledger.save(session(energy_wh=2)),
    )
    assert [str(result) for result in results] == [
        "FOREIGN KEY constraint failed",
        "FOREIGN KEY constraint failed",
        "money in the ledger is a finite Decimal",
        "FOREIGN KEY constraint failed",
    ]
    assert [type(result) for result in results].count(LedgerError) == 3
    assert await energies(ledger) == []
    await ledger.save(session(energy_wh=3))
    assert await energies(ledger) == [3]
    assert troubles == ["FOREIGN KEY constraint failed", None]


# A limit on files would also hit the tests' own.
NARROW = """
import asyncio, resource, sys
from pathlib import Path
import tests.unit.conftest
from tests.unit.ledger.samples import *

async def main():
    path = Path(sys.argv[1])
    ledger = await Ledger.open(path, KEY)
    current, transaction = await started(ledger)

    async def save(first):
        calls = (
            ledger.save(current, transaction, [reading(minute)])
            for minute in range(first, first + 4)
        )
        for result in await asyncio.gather(*calls, return_exceptions=True):
            print(type(result).__name__, result)

    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = path.with_name("ledger.db-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    await save(0)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    await save(2)
    print(len(await ledger.readings(current)))
    await ledger.close()

asyncio.run(main())
"""


async def test_a_disk_that_does_not_take_a_commit_and_then_does(path: Path) -> None:
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-c", NARROW, path],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines() == ["LedgerError disk I/O error"] * 4 + ["int 1"] * 4 + ["4"]


async def test_a_file_that_somebody_else_holds(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ledger.close()
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.01)
    impatient = await Ledger.open(ledger.path, KEY)
    with sqlite3.connect(ledger.path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        results = await asyncio.gather(
            impatient.save(session()),
            impatient.save(session(evse=EvseId("yard", 1)), durable=False),
            return_exceptions=True,
        )
        assert [str(result) for result in results] == ["database is locked"] * 2
        other.execute("ROLLBACK")
    other.close()
    await impatient.start_transaction(session(), CARD, NOON, 1000)
    assert [entry.evse for entry in await impatient.sessions()] == [EVSE]
    await impatient.close()


async def test_an_error_that_nobody_expected_leaves_nobody_waiting(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    whole = database.Database._begin

    def begin(self: database.Database, driver: sqlite3.Connection, *, durable: bool) -> None:
        whole(self, driver, durable=durable)
        monkeypatch.undo()
        raise MemoryError

    monkeypatch.setattr(database.Database, "_begin", begin)
    with pytest.raises(LedgerError, match="MemoryError"):
        await ledger.save(session())
    assert "goes on" in caplog.text
    await ledger.save(session())
    assert len(await ledger.sessions()) == 1


async def test_a_file_that_was_closed_is_told_to_everybody(ledger: Ledger) -> None:
    with pytest.raises(LedgerError):
        await ledger._run(lambda connection: driver(connection).close())
    for _ in range(2):
        with pytest.raises(LedgerError):
            await ledger.sessions()
