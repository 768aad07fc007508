"""How long a station waits for the ledger, and what a year of it weighs.

Run `python -m bench.ledger`. Each start and each save is one commit with an fsync, so the
folder decides which disk is measured.
"""

import argparse
import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
import json
from pathlib import Path
from statistics import quantiles
import tempfile
from time import perf_counter

from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.reading import Reading
from custom_components.forecourt.core.model.session import Session
from custom_components.forecourt.core.model.token import Token
from custom_components.forecourt.ledger import Ledger

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STARTS = 500
SAVES = 10_000
PRICE = Decimal("0.3185")


def memory_mb() -> float:
    """Return what of this process is in RAM."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096 / 1e6


async def timed(work: Awaitable[object]) -> float:
    """Return how many milliseconds it takes."""
    begin = perf_counter()
    await work
    return (perf_counter() - begin) * 1000


def spread(name: str, times_ms: list[float]) -> dict[str, float]:
    """Return the median and the slowest percent."""
    cuts = quantiles(times_ms, n=100)
    return {f"{name}_p50_ms": round(cuts[49], 3), f"{name}_p99_ms": round(cuts[98], 3)}


async def measure(path: Path) -> dict[str, float]:
    """Fill a ledger and return what it took."""
    before_mb = memory_mb()
    ledger = await Ledger.open(path, b"key")
    starts = []
    for number in range(STARTS):
        session = Session(
            id=f"00000000-0000-4000-8000-{number:012}",
            evse=EvseId("wallbox-0001", number % 4 + 1),
            user_id="user_00000000-0000-4000-8000-000000000001",
            started_at=NOW + timedelta(hours=number),
            currency="EUR",
        )
        start = ledger.start_transaction(session, Token("04A1B2C3D4E5F6"), session.started_at, 0)
        starts.append(await timed(start))
    times = []
    for session, transaction in await ledger.open_sessions():
        assert transaction is not None  # noqa: S101 - every session was started above
        for second in range(0, SAVES // STARTS * 30, 30):
            wh, at = 10 * second, session.started_at + timedelta(seconds=second)
            reading = Reading(at=at, register_wh=wh, power_w=7360.0, current_a=(16.0, 16.0, 16.0))
            charged = replace(session, energy_wh=wh, cost=wh * PRICE / 1000)
            counted = replace(transaction, last_wh=wh, energy_wh=wh)
            times.append(await timed(ledger.save(charged, counted, [reading], [PRICE])))
    results = spread("start", starts) | spread("save", times)
    results["snapshot_ms"] = round(await timed(ledger.snapshot()), 1)
    await ledger.drop_snapshot()
    results["memory_mb"] = round(memory_mb() - before_mb, 1)
    await ledger.close()
    begin = perf_counter()
    ledger = await Ledger.open(path, b"key")
    results["open_ms"] = round((perf_counter() - begin) * 1000, 1)
    await ledger.close()
    return results


def main() -> None:
    """Print a table, and all of it as JSON in the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", default=".")
    with tempfile.TemporaryDirectory(prefix=".ledger-", dir=parser.parse_args().folder) as folder:
        results = asyncio.run(measure(path := Path(folder) / "ledger.db"))
        size = path.stat().st_size
    results["kb_per_10000_readings"] = round(size / SAVES * 10)
    for name, value in results.items():
        print(f"{name:24}{value:12,}")
    print(json.dumps(results))


if __name__ == "__main__":
    main()
