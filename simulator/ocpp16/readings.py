"""Meter readings of one connector: when they are taken, where they go (OCPP 1.6 §3.16, §4.7)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from ..clock import wire_time
from ..frames import Payload
from ..plant import Evse
from .internals import Internals, Transaction
from .metering import MeterFaults, Sample, read
from .outbox import Message

_MAX_TRANSACTION_DATA = 1000


class Readings:
    """Reads the meter of one connector."""

    def __init__(
        self,
        internals: Internals,
        number: int,
        evse: Evse,
        running: Callable[[], Transaction | None],
    ) -> None:
        """`running` returns the transaction that readings belong to."""
        self._in = internals
        self._number = number
        self._evse = evse
        self._running = running
        self.faults = MeterFaults()

    def tick(self) -> None:
        """Send the next sample if it is time."""
        running, now = self._running(), self._in.clock.now()
        interval = self._in.settings.number("MeterValueSampleInterval")
        if running is None or interval == 0:
            return
        if running.next_sample > now + interval:  # the interval has been shortened
            running.next_sample = now
        if now >= running.next_sample:
            running.next_sample = max(running.next_sample + interval, now)
            self.take("Sample.Periodic")

    def take(self, context: str, *, at: datetime | None = None) -> None:
        """Read the meter for MeterValues and for StopTransaction; `at` replaces the time stamp."""
        whole = not context.startswith("Transaction.") or self._in.config.begin_end_readings
        if whole and (message := self.message(context, at=at)) is not None:
            if self._in.lose_readings > 0:
                self._in.lose_readings -= 1
                self._in.books.mark(message.readings[0], "lost")
            else:
                self._in.outbox.put(message)
        self._keep(context, at)

    def message(self, context: str, *, at: datetime | None = None) -> Message | None:
        """Read the meter and return the MeterValues; None if nothing is to be measured."""
        self._in.advance()
        running = self._running()
        kind = "Aligned" if context == "Sample.Clock" else "Sampled"
        timestamp = wire_time(at or self._in.time.now())
        samples, reported = read(
            self._evse,
            self._in.settings.names(f"MeterValues{kind}Data"),
            context,
            self.faults,
            None if running is None else running.meter_start_wh,
        )
        if not samples:
            return None
        entry = self._in.books.reading(
            self._number,
            None if running is None else running.record,
            timestamp=timestamp,
            register_wh=self._evse.register_wh,
            reported_wh=reported,
            context=context,
        )
        payload: Payload = {
            "connectorId": self._number,
            "meterValue": [_value(timestamp, samples)],
        }

        def fill(payload: Payload) -> None:
            # Before StartTransaction is answered there is no id. In the queue, StartTransaction
            # comes first; if it had to be given up, the reading goes without (§6.31).
            if running is not None and running.transaction_id is not None:
                payload["transactionId"] = running.transaction_id

        return Message("MeterValues", payload, fill, readings=[entry])

    def _keep(self, context: str, at: datetime | None) -> None:
        """Keep a sample for StopTransaction.transactionData, if that is configured."""
        running = self._running()
        kind = "Aligned" if context == "Sample.Clock" else "Sampled"
        names = self._in.settings.names(f"StopTxn{kind}Data")
        if running is None or not names:
            return
        if len(running.data) >= _MAX_TRANSACTION_DATA and context.startswith("Sample"):
            return
        samples, _ = read(self._evse, names, context, MeterFaults(), None)
        if samples:
            running.data.append(_value(wire_time(at or self._in.time.now()), samples))


def _value(timestamp: str, samples: list[Sample]) -> dict[str, Any]:
    return {"timestamp": timestamp, "sampledValue": samples}
