"""A site with a station that keeps to the rules, and many that do not."""

import asyncio
from dataclasses import dataclass, field
from functools import partial
import gc
import logging
from pathlib import Path
from random import Random
import tempfile
from time import monotonic

from custom_components.forecourt.core.model.session import SessionStatus
from simulator import Ocpp16Station
from tests.wire.site.depot import Depot

from .attack import Attack, BrokenPromiseError

HONEST = "HONEST"
CARD = "04CC0003"
IDENTITIES = 200
"""So many that none of them comes so often that it has to wait."""
AT_ONCE = 8
STRANGER = 0.1
PATIENCE_S = 20.0
CHARGE_S = 8.0
CHECK_EVERY_S = 5.0
WARM_UP = 0.25
"""The part of the time after which memory should grow no more."""
MAX_GROWTH = 1.2
MAX_FAILURES = 20

_LOGGER = logging.getLogger(__name__)


@dataclass(slots=True)
class Report:
    """What came of it. `memory` is time in seconds, MB in RAM, and objects in use."""

    attacks: int = 0
    frames: int = 0
    charges: int = 0
    failures: list[str] = field(default_factory=list)
    memory: list[tuple[float, float, int]] = field(default_factory=list)

    def fail(self, what: str) -> None:
        """Note that a promise was broken."""
        self.failures.append(what)


class Listener(logging.Handler):
    """Takes every error that anything logs, and every traceback."""

    def __init__(self, report: Report) -> None:
        """Note them in the report."""
        super().__init__(logging.DEBUG)
        self._report = report

    def emit(self, record: logging.LogRecord) -> None:
        """Take one."""
        if record.levelno >= logging.ERROR or record.exc_info:
            text = logging.Formatter().format(record)
            self._report.fail(f"logged by {record.name}: {text}")


async def campaign(seed: int, seconds: float, *, only: int | None = None) -> Report:
    """Attack for so long, or once by the attack of that number."""
    report = Report()
    listener = Listener(report)
    logging.getLogger().addHandler(listener)
    try:
        with tempfile.TemporaryDirectory(prefix="forecourt-fuzz-") as folder:
            depot = Depot(Path(folder) / "ledger.db")
            await depot.open()
            try:
                await _attacked(depot, report, seed, seconds, only)
            except TimeoutError:
                report.fail(f"{HONEST} was not let in")
            finally:
                await depot.close()
    finally:
        logging.getLogger().removeHandler(listener)
    judge_memory(report, seconds)
    return report


async def _attacked(
    depot: Depot, report: Report, seed: int, seconds: float, only: int | None
) -> None:
    for number in range(IDENTITIES):
        depot.add(f"FUZZ-{number:03}", evses=2)
    async with depot.box(
        HONEST, speed=60, call_timeout_s=PATIENCE_S, settings={"MeterValueSampleInterval": "1"}
    ) as box:
        end = monotonic() + seconds
        honest = asyncio.create_task(_charge(box, report, end))
        memory = asyncio.create_task(_watch_memory(report))
        try:
            await _attack(depot, report, seed, end, only)
            await honest
        except TimeoutError:
            report.fail(f"{HONEST} was not served as it should be: {box.state()}")
        finally:
            for task in (honest, memory):
                task.cancel()
            await asyncio.gather(honest, memory, return_exceptions=True)
        await _compare(depot, box, report)


async def _attack(depot: Depot, report: Report, seed: int, end: float, only: int | None) -> None:
    numbers = iter(range(10**9) if only is None else (only,))

    async def attacker() -> None:
        for number in numbers:
            if (monotonic() >= end and only is None) or len(report.failures) >= MAX_FAILURES:
                return
            chance = Random(f"{seed}/{number}")
            identity = f"FUZZ-{number % IDENTITIES:03}"
            if chance.random() < STRANGER:
                identity = f"STRANGER-{chance.randrange(20)}"
            address = f"127.0.1.{1 + number % 250}"
            port = int(depot.url.rpartition(":")[2])
            attack = Attack(port, identity, address, chance)
            try:
                await attack.run()
            except BrokenPromiseError as broken:
                report.fail(f"--seed {seed} --only {number}: {broken}")
            report.attacks += 1
            report.frames += attack.frames

    await asyncio.gather(*(attacker() for _ in range(AT_ONCE)))


async def _charge(box: Ocpp16Station, report: Report, end: float) -> None:
    """Charge one car after the other; every step has to succeed in time."""
    while monotonic() < end or not report.charges:
        await box.plug(1, "family", soc=0.2)
        async with asyncio.timeout(PATIENCE_S):
            if (led_to := await box.tap(CARD)) != "started":
                report.fail(f"the card at {HONEST} led to {led_to}")
        await box.wait_for(lambda s: s.connector(1).transaction is not None, PATIENCE_S)
        until = min(end, monotonic() + CHARGE_S)
        while monotonic() < until:
            # Its readings are acknowledged all the time.
            before = _confirmed(box)
            await box.wait_for(partial(_has_more, before), PATIENCE_S)
        await box.unplug(1)
        await box.wait_for(lambda s: not len(s.outbox), PATIENCE_S)
        report.charges += 1


def _has_more(before: int, box: Ocpp16Station) -> bool:
    return _confirmed(box) > before


def _confirmed(box: Ocpp16Station) -> int:
    return sum(reading.state == "confirmed" for reading in box.books.readings)


async def _compare(depot: Depot, box: Ocpp16Station, report: Report) -> None:
    """Compare the ledger with the books of the station that kept to the rules."""
    sessions = await depot.ledger.sessions(station_id=HONEST)
    booked = sum(session.energy_wh for session in sessions)
    truth = sum((t.meter_stop_wh or 0) - t.meter_start_wh for t in box.books.transactions)
    if booked != truth:
        report.fail(f"the ledger has {booked} Wh of {HONEST}, its meter {truth} Wh")
    if {session.status for session in sessions} - {SessionStatus.CLOSED}:
        report.fail(f"a session of {HONEST} is still open")
    for violation in box.books.violations:
        report.fail(f"told {HONEST}: {violation}")


async def _watch_memory(report: Report) -> None:
    begin = monotonic()
    while True:
        gc.collect()
        report.memory.append((monotonic() - begin, memory_mb(), len(gc.get_objects())))
        await asyncio.sleep(CHECK_EVERY_S)


def memory_mb() -> float:
    """Return what of this process is in RAM."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * 4096 / 1e6


def judge_memory(report: Report, seconds: float) -> None:
    """After a while, a site that is attacked should need no more memory than before."""
    warm = [entry for entry in report.memory if entry[0] >= WARM_UP * seconds]
    if len(warm) < 12:
        return
    third = len(warm) // 3
    for name, index in (("MB", 1), ("objects", 2)):
        before = sum(entry[index] for entry in warm[:third]) / third
        after = sum(entry[index] for entry in warm[-third:]) / third
        if after > before * MAX_GROWTH:
            report.fail(f"memory grew from {before:.0f} to {after:.0f} {name}")
