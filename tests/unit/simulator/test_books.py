from __future__ import annotations

from datetime import UTC, datetime
import json
from pathlib import Path

import pytest

from simulator.books import Books, BooksFile


def books(file: BooksFile | None = None) -> Books:
    return Books("SIM-1", file=file, utc=lambda: datetime(2026, 3, 1, tzinfo=UTC))


def test_every_line_is_on_disk_at_once(tmp_path: Path) -> None:
    path = tmp_path / "books.jsonl"
    path.write_text('{"book":"note"}\n')
    with BooksFile(path) as file:
        page = books(file)
        page.unplugged(page.plugged(1, "family"), 1234.5678)
        start = page.started(1, "04AA", "2026-03-01T00:00:00Z", 100)
        page.start_answered(start, 7, "Accepted")
        reading = page.reading(
            *(1, start), timestamp="t", register_wh=5, reported_wh=0, context="Sample.Periodic"
        )
        page.mark(reading, "lost")
        page.stopped(start, "2026-03-01T01:00:00Z", 200, "Local")
        page.stop_answered(start)
        page.card_refused("04BB", "Blocked")
        page.violation("no_answer", "Heartbeat")
        page.flash_write("TxDefaultProfile", "set")
        page.note("boot", status="Accepted")
        lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["book"] for line in lines] == [
        *("note", "plugged", "unplugged", "transaction", "transaction", "reading"),
        *("reading_state", "transaction", "transaction", "refused", "violation"),
        *("flash_write", "note"),
    ]
    assert lines[2]["energy_wh"] == 1234.568
    assert lines[8] == {
        "book": "transaction",
        "station": "SIM-1",
        "at": "2026-03-01T00:00:00.000+00:00",
        "number": 1,
        "connector": 1,
        "id_tag": "04AA",
        "started": "2026-03-01T00:00:00Z",
        "meter_start_wh": 100,
        "transaction_id": 7,
        "start_status": "Accepted",
        "start_delivered": True,
        "stopped": "2026-03-01T01:00:00Z",
        "meter_stop_wh": 200,
        "reason": "Local",
        "stop_delivered": True,
    }


def test_as_dict_is_all_there_is_and_fit_for_json() -> None:
    page = books()
    start = page.started(2, "04AA", "t", 0)
    page.reading(1, None, timestamp="t", register_wh=5, reported_wh=None, context="Trigger")
    page.violation("no_answer", "x" * 1000)
    everything = json.loads(json.dumps(page.as_dict()))
    assert everything["station"] == "SIM-1"
    assert everything["transactions"][0]["number"] == start.number
    assert everything["readings"][0]["transaction"] is None
    assert len(everything["violations"][0]["detail"]) == 500
    assert page.violations_of("no_answer") == 1


@pytest.mark.parametrize(("ids", "violation"), [((7, 8), "transaction_id_changed"), ((7, 7), None)])
def test_a_transaction_keeps_its_id(ids: tuple[int, int], violation: str | None) -> None:
    page = books()
    start = page.started(1, "04AA", "t", 0)
    page.start_answered(start, ids[0], "Accepted")
    page.start_repeated(1, "t", ids[1])
    page.start_repeated(2, "other", 99)
    assert [line["kind"] for line in page.violations] == ([violation] if violation else [])
    assert start.transaction_id == 7


def test_an_id_belongs_to_one_transaction() -> None:
    page = books()
    for _ in range(2):
        page.start_answered(page.started(1, "04AA", "t", 0), 7, "Accepted")
    assert page.violations_of("transaction_id_reused") == 1
