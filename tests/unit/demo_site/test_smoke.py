from copy import deepcopy
from decimal import Decimal
import json
from pathlib import Path
from typing import Any

import pytest

from script.demo_site.compare import Ledger
from script.demo_site.place import Place
from script.demo_site.smoke import MEASURED, Plan, Result, SmokeRun, main


def test_the_seed_fixes_what_happens() -> None:
    assert Plan.of(7) == Plan.of(7)
    plans = [Plan.of(seed) for seed in range(20)]
    assert len({plan.kill_after_s for plan in plans}) == 20
    assert len({plan.car for plan in plans}) > 1
    for plan in plans:
        assert plan.refuse_after_s < plan.kill_after_s
        assert plan.card != plan.stranger


@pytest.fixture
def run(tmp_path: Path) -> SmokeRun:
    """Return a run that measured what is right."""
    result = Result(
        1,
        price=Decimal("0.31"),
        stations=[{"protocol": "ocpp1.6", "evses": 1}],
        sessions=[
            {
                "protocol": "ocpp1.6",
                "user": "Anna",
                "energy_wh": 1000,
                "cost": 0.31,
                "currency": "EUR",
                "status": "closed",
            }
        ],
    )
    run = SmokeRun(Plan.of(1), result, tmp_path, "1.6")
    # Boxes are judged by `judge_boxes`.
    run.boxes.clear()
    return run


@pytest.fixture
def books() -> dict[str, Any]:
    charge = {
        "number": 1,
        "transaction_id": 1,
        "meter_start_wh": 5,
        "meter_stop_wh": 1005,
    }
    return {
        "transactions": [charge],
        "readings": [],
        "refused": [{"card": Plan.of(1).stranger}],
        "violations": [],
    }


@pytest.fixture
def ledger() -> Ledger:
    station = Plan.of(1).station
    return Ledger(
        sessions=[{"id": "s", "station_id": station, "energy_wh": 1000}],
        transactions=[{"id": 1, "station_id": station, "session_id": "s", "reference": None}],
        readings=[],
        taps=[{"reason": "enrolling"}, {"reason": "known_user"}, {"reason": "unknown_token"}],
        integrity="ok",
    )


def test_a_run_in_which_all_is_right(run: SmokeRun, books: dict[str, Any], ledger: Ledger) -> None:
    run.judge(books, ledger)
    assert run.result.failures == []
    assert run.result.refused_tokens == 1
    assert run.result.energy_error_wh == 0


def _no_refusal(run: SmokeRun, books: dict[str, Any], ledger: Ledger) -> None:
    ledger.taps.pop()


def _station_let_in(run: SmokeRun, books: dict[str, Any], ledger: Ledger) -> None:
    books["refused"].clear()


def _violation(run: SmokeRun, books: dict[str, Any], ledger: Ledger) -> None:
    books["violations"].append({"kind": "unknown_field", "detail": "x"})


def _damaged(run: SmokeRun, books: dict[str, Any], ledger: Ledger) -> None:
    ledger.integrity = "row 3 missing from index"


def _second_session(run: SmokeRun, books: dict[str, Any], ledger: Ledger) -> None:
    ledger.sessions.append({**deepcopy(ledger.sessions[0]), "id": "t", "energy_wh": 0})


def _wrong_user(run: SmokeRun, books: dict[str, Any], ledger: Ledger) -> None:
    run.result.sessions[0]["user"] = None


def _wrong_cost(run: SmokeRun, books: dict[str, Any], ledger: Ledger) -> None:
    run.result.sessions[0]["cost"] = 0.3


def _no_station(run: SmokeRun, books: dict[str, Any], ledger: Ledger) -> None:
    run.result.stations.clear()


def _nothing_told(run: SmokeRun, books: dict[str, Any], ledger: Ledger) -> None:
    run.result.sessions.clear()


@pytest.mark.parametrize(
    ("spoil", "text"),
    [
        (_no_refusal, "the ledger has 0 refused cards"),
        (_station_let_in, "the station refused the stranger 0 times"),
        (_violation, "against the protocol: unknown_field, x"),
        (_damaged, "damaged: row 3 missing"),
        (_second_session, "1 charges became 2 sessions"),
        (_wrong_user, "told is {'protocol': 'ocpp1.6', 'user': None"),
        (
            _wrong_cost,
            "but right is {'protocol': 'ocpp1.6', 'user': 'Anna', 'energy_wh': 1000, 'cost': 0.31",
        ),
        (_no_station, "wrong stations"),
        (_nothing_told, "told are 0 sessions"),
    ],
)
def test_what_is_wrong_is_said(
    run: SmokeRun, books: dict[str, Any], ledger: Ledger, spoil: Any, text: str
) -> None:
    spoil(run, books, ledger)
    run.judge(books, ledger)
    assert any(text in failure for failure in run.result.failures)


async def test_a_run_that_breaks_off_tells_what_it_knows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    claim = Place.claim
    monkeypatch.setattr(Place, "claim", lambda name: claim(name, tmp_path))

    async def run(self: SmokeRun, begun: float) -> None:
        self.result.setup_s = 1.5
        raise OSError("no power")

    monkeypatch.setattr(SmokeRun, "run", run)
    assert await main(7, "1.6", 0.0) == 1
    out, err = capsys.readouterr()
    assert "FAILED: OSError: no power" in err
    measured = json.loads(out.splitlines()[-1])
    assert list(measured) == list(MEASURED)
    assert (measured["seed"], measured["setup_s"], measured["energy_error_wh"]) == (7, 1.5, None)
