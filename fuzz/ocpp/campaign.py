"""A site with a station that keeps to the rules, and many that do not."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import count
import logging
from pathlib import Path
from random import Random
import tempfile
from time import monotonic

from custom_components.forecourt.core.model.session import SessionStatus
from simulator import Ocpp16Station
from tests.wire.site.depot import Depot

from .attack import Attack, BrokenPromiseError
from .bounds import lowered
from .memory import WARM_UP, WARM_UP_SAMPLES, Sample, growth, kinds, more_of, sample

HONEST = "HONEST"
CARD = "04CC0003"
IDENTITIES = 40
ADDRESSES = 250
"""So many that none of them comes so often that it has to wait."""
STRANGERS = 10**6
AT_ONCE = 8
STRANGER = 0.1
PATIENCE_S = 20.0
CHARGE_S = 8.0
ROUND = 500
"""How many attacks there are before memory is measured."""
REST_S = 0.5
"""How long the central system may take to let go of who is gone."""
MAX_FAILURES = 20

_LOGGER = logging.getLogger(__name__)


@dataclass(slots=True)
class Report:
    """What came of it. `memory` has a sample after each round."""

    attacks: int = 0
    frames: int = 0
    charges: int = 0
    failures: list[str] = field(default_factory=list)
    memory: list[Sample] = field(default_factory=list)

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


async def campaign(
    seed: int, seconds: float, *, rounds: int | None = None, only: int | None = None
) -> Report:
    """Attack for so long or so many rounds, or once by the attack of that number."""
    report = Report()
    listener = Listener(report)
    logging.getLogger().addHandler(listener)
    try:
        with tempfile.TemporaryDirectory(prefix="forecourt-fuzz-") as folder, lowered():
            depot = Depot(Path(folder) / "ledger.db")
            await depot.open()
            try:
                await _attacked(depot, report, seed, seconds, rounds=rounds, only=only)
            except TimeoutError:
                report.fail(f"{HONEST} was not let in")
            finally:
                await depot.close()
    finally:
        logging.getLogger().removeHandler(listener)
    return report


async def _attacked(
    depot: Depot,
    report: Report,
    seed: int,
    seconds: float,
    *,
    rounds: int | None,
    only: int | None,
) -> None:
    for number in range(IDENTITIES):
        depot.add(f"FUZZ-{number:03}", evses=2)
    async with depot.box(
        HONEST, speed=60, call_timeout_s=PATIENCE_S, settings={"MeterValueSampleInterval": "1"}
    ) as box:
        over = asyncio.Event()
        honest = asyncio.create_task(_charge(box, report, over))
        try:
            if only is None:
                await _attack(depot, report, seed, seconds, rounds)
            else:
                await _round(depot, report, seed, iter((only,)), monotonic() + seconds)
            over.set()
            await honest
        except TimeoutError:
            report.fail(f"{HONEST} was not served as it should be: {box.state()}")
        finally:
            honest.cancel()
            await asyncio.gather(honest, return_exceptions=True)
        await _compare(depot, box, report)


async def _attack(
    depot: Depot, report: Report, seed: int, seconds: float, rounds: int | None
) -> None:
    """Attack in rounds, and see after each of them what is left of it."""
    begin = monotonic()
    end = begin + seconds
    warm: Counter[str] | None = None
    for number in count():
        if monotonic() >= end or number == rounds or len(report.failures) >= MAX_FAILURES:
            break
        await _round(depot, report, seed, iter(range(number * ROUND, (number + 1) * ROUND)), end)
        await asyncio.sleep(REST_S)
        report.memory.append(sample())
        passed = (monotonic() - begin) / seconds if rounds is None else number / rounds
        if warm is None and passed >= WARM_UP and number >= WARM_UP_SAMPLES:
            warm = kinds()
    for grown in growth(report.memory):
        report.fail(f"{grown}: {more_of(warm or Counter(), kinds())}")


async def _round(
    depot: Depot, report: Report, seed: int, numbers: Iterator[int], end: float
) -> None:
    port = int(depot.url.rpartition(":")[2])

    async def attacker() -> None:
        while monotonic() < end and len(report.failures) < MAX_FAILURES:
            if (number := next(numbers, None)) is None:
                return
            chance = Random(f"{seed}/{number}")
            identity = f"FUZZ-{number % IDENTITIES:03}"
            if chance.random() < STRANGER:
                identity = f"STRANGER-{chance.randrange(STRANGERS)}"
            attack = Attack(port, identity, f"127.0.1.{1 + number % ADDRESSES}", chance)
            try:
                await attack.run()
            except BrokenPromiseError as broken:
                report.fail(f"--seed {seed} --only {number}: {broken}")
            report.attacks += 1
            report.frames += attack.frames

    await asyncio.gather(*(attacker() for _ in range(AT_ONCE)))


async def _charge(box: Ocpp16Station, report: Report, over: asyncio.Event) -> None:
    """Charge one car after the other; every step has to succeed in time."""
    while not over.is_set() or not report.charges:
        await box.plug(1, "family", soc=0.2)
        async with asyncio.timeout(PATIENCE_S):
            if (led_to := await box.tap(CARD)) != "started":
                report.fail(f"the card at {HONEST} led to {led_to}")
        await box.wait_for(lambda s: s.connector(1).transaction is not None, PATIENCE_S)
        until = monotonic() + CHARGE_S
        while monotonic() < until and not over.is_set():
            # Its readings are acknowledged all the time.
            before = _confirmed(box)
            await box.wait_for(partial(_has_more, before), PATIENCE_S)
        await box.unplug(1)
        await box.wait_for(lambda s: not len(s.outbox), PATIENCE_S)
        # All of it was confirmed, and would be all that grows.
        box.books.readings.clear()
        box.books.notes.clear()
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
