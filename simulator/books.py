"""What really happened at a station, written down by the station's side.

The books are the truth that a server's records are compared with: every plug-in with the energy
that truly flowed, every transaction, every meter reading with what became of it, every refused
card, and every time the server broke the protocol. Nothing in here comes from the server but
transaction ids.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
import json
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

type Line = dict[str, Any]
type ReadingState = Literal["queued", "sent", "confirmed", "lost"]


@dataclass(slots=True)
class PlugIn:
    """One car on one cable, from plugging in to plugging out."""

    connector: int
    car: str
    plugged: str
    unplugged: str | None = None
    energy_wh: float | None = None
    """What truly flowed; None while plugged in."""


@dataclass(slots=True)
class Transaction:
    """One transaction as the station knows it. Times are those of its messages."""

    number: int
    """Counts from 1 in these books; unlike `transaction_id` never reused or unknown."""
    connector: int
    id_tag: str
    started: str
    meter_start_wh: int
    transaction_id: int | str | None = None
    """The server's number in OCPP 1.6, the station's own string since 2.0.1."""
    start_status: str | None = None
    """The server's idTagInfo.status; None while unanswered."""
    start_delivered: bool = False
    stopped: str | None = None
    meter_stop_wh: int | None = None
    reason: str | None = None
    stop_delivered: bool = False


@dataclass(slots=True)
class Reading:
    """One MeterValues message."""

    number: int
    connector: int
    transaction: int | None
    """The number of the transaction in these books."""
    timestamp: str
    register_wh: int
    """What the meter truly showed."""
    reported_wh: int | None
    """What the message says; differs under a fault, None if the register was not in it."""
    context: str
    state: ReadingState = "queued"
    """queued → sent (on the wire) → confirmed (answered); or lost."""


class BooksFile:
    """An append-only file of JSON lines that several stations may share."""

    def __init__(self, path: Path | str) -> None:
        """Open the file for appending."""
        self._file = Path(path).open("a", encoding="utf-8")  # noqa: SIM115

    def append(self, line: Line) -> None:
        """Write one line and hand it to the operating system, so that a kill loses nothing."""
        self._file.write(json.dumps(line, separators=(",", ":")) + "\n")
        self._file.flush()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self.close()


class Books:
    """The books of one station."""

    def __init__(
        self,
        station: str,
        *,
        file: BooksFile | None = None,
        utc: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Start with empty pages; `utc` is the true time, which every line bears as `at`."""
        self.station = station
        self.plug_ins: list[PlugIn] = []
        self.transactions: list[Transaction] = []
        self.readings: list[Reading] = []
        self.refused: list[Line] = []
        """Cards that were not allowed: card, status."""
        self.violations: list[Line] = []
        """What the server did against the protocol: kind, detail."""
        self.flash_writes: list[Line] = []
        """Writes of persistent charging profiles, which wear a real station: purpose, change."""
        self.notes: list[Line] = []
        """Everything else worth knowing when a test fails: boots, links, faults."""
        self._file = file
        self._utc = utc

    def plugged(self, connector: int, car: str) -> PlugIn:
        """Open a plug-in."""
        entry = PlugIn(connector, car, self._at())
        self.plug_ins.append(entry)
        self._write("plugged", connector=connector, car=car)
        return entry

    def unplugged(self, entry: PlugIn, energy_wh: float) -> None:
        """Close a plug-in with the energy that truly flowed."""
        entry.unplugged, entry.energy_wh = self._at(), round(energy_wh, 3)
        self._write(
            "unplugged", connector=entry.connector, car=entry.car, energy_wh=entry.energy_wh
        )

    def started(
        self,
        connector: int,
        id_tag: str,
        started: str,
        meter_start_wh: int,
        transaction_id: str | None = None,
    ) -> Transaction:
        """Open a transaction; in OCPP 1.6 its id is not known yet."""
        entry = Transaction(
            len(self.transactions) + 1, connector, id_tag, started, meter_start_wh, transaction_id
        )
        self.transactions.append(entry)
        self._write("transaction", **asdict(entry))
        return entry

    def start_answered(self, entry: Transaction, transaction_id: int, status: str) -> None:
        """Note the server's answer; the id of another transaction is a violation."""
        others = (other for other in self.transactions if other is not entry)
        if any(other.transaction_id == transaction_id for other in others):
            self.violation("transaction_id_reused", str(transaction_id))
        entry.transaction_id, entry.start_status = transaction_id, status
        entry.start_delivered = True
        self._write("transaction", **asdict(entry))

    def start_delivered(self, entry: Transaction) -> None:
        """Note that the server knows of a transaction whose id is the station's (2.0.1)."""
        entry.start_delivered = True
        self._write("transaction", **asdict(entry))

    def identified(self, entry: Transaction, id_tag: str, status: str | None = None) -> None:
        """Note who charges, who may not be known at the start, and the server's word on it."""
        entry.id_tag, entry.start_status = id_tag, status
        self._write("transaction", **asdict(entry))

    def start_repeated(self, connector: int, started: str, transaction_id: int) -> None:
        """Check the answer to a StartTransaction that the server has had before."""
        for entry in self.transactions:
            same = (entry.connector, entry.started) == (connector, started)
            if same and entry.transaction_id not in (None, transaction_id):
                detail = f"{entry.transaction_id}, then {transaction_id}"
                self.violation("transaction_id_changed", detail)

    def stopped(self, entry: Transaction, stopped: str, meter_stop_wh: int, reason: str) -> None:
        """Close a transaction."""
        entry.stopped, entry.meter_stop_wh, entry.reason = stopped, meter_stop_wh, reason
        self._write("transaction", **asdict(entry))

    def stop_answered(self, entry: Transaction) -> None:
        """Note that the server has the end too."""
        entry.stop_delivered = True
        self._write("transaction", **asdict(entry))

    def reading(
        self,
        connector: int,
        transaction: Transaction | None,
        *,
        timestamp: str,
        register_wh: int,
        reported_wh: int | None,
        context: str,
    ) -> Reading:
        """Note a reading that is about to be queued."""
        number = None if transaction is None else transaction.number
        entry = Reading(
            len(self.readings) + 1, connector, number, timestamp, register_wh, reported_wh, context
        )
        self.readings.append(entry)
        self._write("reading", **asdict(entry))
        return entry

    def mark(self, entry: Reading, state: ReadingState) -> None:
        """Note what became of a reading."""
        entry.state = state
        self._write("reading_state", number=entry.number, state=state)

    def card_refused(self, card: str, status: str) -> None:
        """Note a card that was not allowed."""
        self.refused.append(self._write("refused", card=card, status=status))

    def violation(self, kind: str, detail: str) -> None:
        """Note that the server broke the protocol."""
        self.violations.append(self._write("violation", kind=kind, detail=detail[:500]))

    def flash_write(self, purpose: str, change: str) -> None:
        """Note that a persistent charging profile was written or cleared."""
        self.flash_writes.append(self._write("flash_write", purpose=purpose, change=change))

    def note(self, event: str, **details: Any) -> None:
        """Note anything else."""
        self.notes.append(self._write("note", event=event, **details))

    def violations_of(self, kind: str) -> int:
        """Count the violations of one kind."""
        return sum(1 for line in self.violations if line["kind"] == kind)

    def as_dict(self) -> Line:
        """Return everything, ready for JSON."""
        return {
            "station": self.station,
            "plug_ins": [asdict(entry) for entry in self.plug_ins],
            "transactions": [asdict(entry) for entry in self.transactions],
            "readings": [asdict(entry) for entry in self.readings],
            "refused": list(self.refused),
            "violations": list(self.violations),
            "flash_writes": list(self.flash_writes),
            "notes": list(self.notes),
        }

    def _at(self) -> str:
        return self._utc().isoformat(timespec="milliseconds")

    def _write(self, book: str, **fields: Any) -> Line:
        line = {"book": book, "station": self.station, "at": self._at(), **fields}
        if self._file is not None:
            self._file.append(line)
        return line
