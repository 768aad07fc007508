"""What a site costs that runs in a real Home Assistant, and how fast it answers.

Run `script/bench ocpp`. Home Assistant, the stations and the baseline are processes of their
own. One station that sends as fast as it is answered measures the way of a message; the
baseline has the same station. Then many stations charge: the load of a steady site, the wait
for a start, and how long Home Assistant's event loop is blocked, also when all of them come
back at once. In the end the ledger must have all that was acknowledged.

The longest blocks hold Python's garbage collector, which stops everything whoever made the
garbage. `block_max` is what was seen, `gc_pause` the collector's longest pause in it,
`block_without_gc` what remains, `block_work` how much of that the loop worked and did not wait
for a processor, and `full_gcs` how often the collector looked at everything.
How long that takes is told for a Home Assistant without us, too, and the ratio of the two.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
import json
from pathlib import Path
from time import monotonic
from typing import Any

from bench.ledger import bare_sync, spread
from script.demo_site.api import Api
from script.demo_site.place import Place
from script.demo_site.ports import HTTP_PORT, OCPP_PORT, claim_port
from script.demo_site.process import ROOT

from .books import lost
from .house import House
from .process import Program, cpu_s, memory_mb, program

# What the last line has, whatever more there is.
KEYS = (
    "stations",
    "cpu_pct_200_stations",
    "messages_per_s",
    "p50_ms",
    "p99_ms",
    "durable_start_p99_ms",
    "event_loop_block_max_ms",
    "cpu_us_per_message",
    "baseline_cpu_us_per_message",
    "rss_mb_per_station",
    "lost",
)
STATIONS, QUICK_STATIONS = 200, 50
RUNS = ROOT / ".cache/bench"
SETTLE_S = 10.0
WARM_UP_S = 3.0
FLOOD_S, QUICK_FLOOD_S = 10.0, 5.0
IDLE_S = 15.0
STEADY_S, QUICK_STEADY_S = 60.0, 20.0
RUSH_S = 20.0
PAUSE_S = 0.05
"""As many messages a second as 200 stations send in the steady phase."""

type Results = dict[str, Any]


async def main() -> None:
    """Measure, and print a table and all of it as JSON in the last line."""
    parser = argparse.ArgumentParser("script/bench ocpp", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="shorter, with fewer stations")
    parser.add_argument("--only", choices=("flood", "fleet"), help="one part of it")
    options = parser.parse_args()
    results: Results = dict.fromkeys(KEYS)
    results |= {"stations": QUICK_STATIONS if options.quick else STATIONS, "lost": 0}
    with Place.claim("ocpp", RUNS) as place:
        results |= spread("fdatasync", list(bare_sync(place.folder / "bare")))
        await measure_none(place.folder, results)
        if options.only != "fleet":
            await measure_one(place.folder, results, quick=options.quick)
        if options.only != "flood":
            await measure_all(place.folder, results, quick=options.quick)
    for name, value in results.items():
        print(f"{name:34}{'-' if value is None else value:>12}")
    print(json.dumps(results))


async def measure_none(folder: Path, results: Results) -> None:
    """Measure Home Assistant without us: what no integration can keep from happening."""
    async with running(folder / "none", 0) as (house, api):
        await house.lap(api, "bare_start", results)
        await house.collect(api, "bare", results)


async def measure_one(folder: Path, results: Results, *, quick: bool) -> None:
    """Measure a site at rest, one station that never pauses, and the same with the baseline."""
    seconds = QUICK_FLOOD_S if quick else FLOOD_S
    books = folder / "flood.json"
    async with running(folder / "one", 1) as (house, api):
        pid = house.process.pid
        await asyncio.sleep(SETTLE_S)
        begin, before_s = monotonic(), cpu_s(pid)
        await asyncio.sleep(IDLE_S)
        results["cpu_pct_idle"] = round(100 * (cpu_s(pid) - before_s) / (monotonic() - begin), 2)
        results["rss_idle_mb"] = round(memory_mb(pid), 1)
        await house.lap(api, "idle", results)
        results |= await flood(house.ocpp_port, seconds, books, pid)
        await house.lap(api, "flood", results)
        check(house, books, results)
        paced = await flood(house.ocpp_port, seconds, books, pid, PAUSE_S)
    check(house, books, results)
    results["paced_cpu_us_per_message"] = paced["cpu_us_per_message"]
    port = claim_port(OCPP_PORT)
    async with program("baseline", port) as baseline:
        await baseline.reaches("ready")
        told = await flood(port, seconds, books, baseline.pid)
        paced = await flood(port, seconds, books, baseline.pid, PAUSE_S)
    results |= {f"baseline_{name}": value for name, value in told.items()}
    results["baseline_paced_cpu_us_per_message"] = paced["cpu_us_per_message"]


async def flood(port: int, seconds: float, books: Path, pid: int, pause_s: float = 0.0) -> Results:
    """Have one station send as fast as it is answered by the process, or after pauses."""
    async with program("flood", port, WARM_UP_S, seconds, pause_s, books) as station:
        await station.reaches("begin")
        before_s = cpu_s(pid)
        await station.reaches("end")
        took_s = cpu_s(pid) - before_s
        told: Results = await station.results()
    return told | {"cpu_us_per_message": round(1e6 * took_s / told.pop("answers"))}


async def measure_all(folder: Path, results: Results, *, quick: bool) -> None:
    """Measure a site where every station charges."""
    stations, books = results["stations"], folder / "fleet.json"
    steady_s = QUICK_STEADY_S if quick else STEADY_S
    async with (
        running(folder / "many", stations) as (house, api),
        program("fleet", house.ocpp_port, stations, steady_s, RUSH_S, books) as fleet,
    ):
        pid = house.process.pid
        await phase(fleet, "steady")
        begin, before_s = monotonic(), cpu_s(pid)
        await house.lap(api, "start", results)
        await phase(fleet, "storm")
        percent = 100 * (cpu_s(pid) - before_s) / (monotonic() - begin)
        results["cpu_pct_200_stations"] = round(percent, 2)
        rss_mb = memory_mb(pid)
        await house.lap(api, "steady", results)
        await phase(fleet, "rush")
        await house.lap(api, "storm", results)
        await phase(fleet, "stop")
        await house.lap(api, "rush", results)
        await house.collect(api, "site", results)
        told: Results = await fleet.results()
    check(house, books, results)
    for kind in ("block_max", "block_without_gc", "block_work", "gc_pause"):
        results[f"event_loop_{kind}_ms"] = max(
            results[f"{name}_{kind}_ms"] for name in ("steady", "storm", "rush")
        )
    results["full_gc_ratio"] = round(results["site_full_gc_ms"] / results["bare_full_gc_ms"], 2)
    results["durable_start_p99_ms"] = told["rush_starts_p99_ms"]
    if (idle_mb := results.get("rss_idle_mb")) is not None:
        results["rss_mb_per_station"] = round((rss_mb - idle_mb) / stations, 3)
    results["rss_mb"] = round(rss_mb, 1)
    results |= told


async def phase(program: Program, name: str) -> None:
    """Wait for a phase, and say so: it takes minutes."""
    await program.reaches(name)
    print(name, flush=True)


def check(house: House, books: Path, results: Results) -> None:
    """Look for what was lost, and say what Home Assistant complained about."""
    results["lost"] += lost(house.ledger, json.loads(books.read_text(encoding="ascii")))
    for problem in house.problems():
        print(problem)


@asynccontextmanager
async def running(folder: Path, stations: int) -> AsyncIterator[tuple[House, Api]]:
    """Run a Home Assistant with so many stations; it is stopped properly at the end."""
    house = House(folder, claim_port(HTTP_PORT), claim_port(OCPP_PORT), stations)
    house.prepare()
    try:
        print(f"home assistant, {stations} stations: {await house.start():.1f} s", flush=True)
        async with house.api() as api:
            yield house, api
    finally:
        await house.process.stop(60)


if __name__ == "__main__":
    asyncio.run(main())
