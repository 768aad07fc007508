"""How long a station waits for the ledger, and what a year of it weighs.

Run `python -m bench.ledger`. A start is on the disk when it is answered, so the folder
decides which disk is measured; the `fdatasync` of as many bytes beside it is what no program
can be faster than. A save of a reading leaves the disk to the kernel.
"""

import argparse
import asyncio
from collections.abc import Awaitable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
import json
import os
from pathlib import Path
from statistics import quantiles
import tempfile
from time import perf_counter, process_time
from uuid import uuid4

from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.reading import Reading
from custom_components.forecourt.core.model.session import Session, Transaction
from custom_components.forecourt.core.model.token import Token
from custom_components.forecourt.ledger import Ledger

NOW = datetime(2026, 1, 1, tzinfo=UTC)
STARTS = 500
SAVES = 10_000
STATIONS = 200
COMMIT_BYTES = 8 * 4096
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


def bare_sync(path: Path) -> Iterator[float]:
    """Yield how many milliseconds the disk takes for about what a start writes."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    os.write(descriptor, bytes(COMMIT_BYTES * STARTS))
    os.fsync(descriptor)
    for number in range(STARTS):
        os.pwrite(descriptor, os.urandom(COMMIT_BYTES), number * COMMIT_BYTES)
        begin = perf_counter()
        os.fdatasync(descriptor)
        yield (perf_counter() - begin) * 1000
    os.close(descriptor)
    path.unlink()


class Charges:
    """Charges that run at several EVSEs, each with its next reading."""

    def __init__(self, ledger: Ledger) -> None:
        """Take up what is open."""
        self._ledger = ledger
        self._running: list[tuple[Session, Transaction]] = []

    async def load(self) -> None:
        """Read them."""
        for session, transaction in await self._ledger.open_sessions():
            assert transaction is not None  # noqa: S101 - every session was started
            self._running.append((session, transaction))

    async def save(self, number: int, *, durable: bool) -> None:
        """Book the reading of that number, at one EVSE after the other."""
        turn, place = divmod(number, len(self._running))
        session, transaction = self._running[place]
        wh, at = 10 * turn, session.started_at + timedelta(seconds=10 * turn)
        reading = Reading(at=at, register_wh=wh, power_w=7360.0, current_a=(16.0, 16.0, 16.0))
        charged = replace(session, energy_wh=wh, cost=wh * PRICE / 1000)
        counted = replace(transaction, last_wh=wh, last_at=at, energy_wh=wh)
        await self._ledger.save(charged, counted, [reading], [PRICE], durable=durable)


async def measure(path: Path) -> dict[str, float]:
    """Fill a ledger and return what it took."""
    results = spread("fdatasync", list(bare_sync(path.with_name("bare"))))
    before_mb = memory_mb()
    ledger = await Ledger.open(path, b"key")
    starts, finds = [], []
    for number in range(STARTS):
        evse = EvseId(f"wallbox-{number % STATIONS:04}", number // STATIONS + 1)
        session = Session(
            id=str(uuid4()),
            evse=evse,
            user_id="user_00000000-0000-4000-8000-000000000001",
            started_at=NOW + timedelta(hours=number),
            currency="EUR",
        )
        start = (Token("04A1B2C3D4E5F6"), session.started_at, 0)
        finds.append(await timed(ledger.find_transaction(evse, *start)))
        starts.append(await timed(ledger.start_transaction(session, *start)))
    charges = Charges(ledger)
    await charges.load()
    results |= spread("find", finds) | spread("start", starts)
    numbers = iter(count())
    for name, durable in (("save", False), ("durable_save", True)):
        cpu_s = process_time()
        times = [
            await timed(charges.save(next(numbers), durable=durable)) for _ in range(SAVES // 2)
        ]
        results |= spread(name, times)
        results[f"{name}_cpu_ms"] = round((process_time() - cpu_s) / len(times) * 1000, 3)
    begin, cpu_s = perf_counter(), process_time()
    for _ in range(0, SAVES, STATIONS):
        together = (charges.save(next(numbers), durable=False) for _ in range(STATIONS))
        await asyncio.gather(*together)
    results["saves_together_per_s"] = round(SAVES / (perf_counter() - begin))
    results["save_together_cpu_ms"] = round((process_time() - cpu_s) / SAVES * 1000, 3)
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
    # The saves were as many one by one as together.
    results["kb_per_10000_readings"] = round(size / (2 * SAVES) * 10)
    for name, value in results.items():
        print(f"{name:24}{value:12,}")
    print(json.dumps(results))


if __name__ == "__main__":
    main()
