"""Meter readings of one EVSE, in the shape of a MeterValueType, and in the books."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from ..books import Reading
from ..clock import wire_time
from ..frames import Payload
from ..ocpp16.metering import MeterFaults
from ..plant import Evse
from .internals import Internals, Transaction
from .metering import Style, read


class Readings:
    """Reads the meter of one EVSE."""

    def __init__(self, internals: Internals, number: int, evse: Evse) -> None:
        """`number` is that of the EVSE."""
        self._in = internals
        self._number = number
        self._evse = evse
        self._style = Style(internals.config.energy_multiplier, internals.config.spell_defaults)
        self.faults = MeterFaults()

    def take(
        self,
        names: Iterable[str],
        context: str,
        running: Transaction | None,
        *,
        at: datetime | None = None,
    ) -> tuple[list[Payload], list[Reading]]:
        """Read the meter; return meterValue, empty if nothing is measured, and its book entries.

        `at` replaces the time stamp.
        """
        self._in.advance()
        start = None if running is None else running.meter_start_wh
        samples, reported = read(self._evse, names, context, self.faults, start, style=self._style)
        if not samples:
            return [], []
        timestamp = wire_time(at or self._in.time.now())
        entry = self._in.books.reading(
            self._number,
            None if running is None else running.record,
            timestamp=timestamp,
            register_wh=self._evse.register_wh,
            reported_wh=reported,
            context=context,
        )
        return [{"timestamp": timestamp, "sampledValue": samples}], [entry]

    def lost(self, entries: list[Reading]) -> bool:
        """Whether the fault `lose_reading` swallows a message with these readings."""
        if not entries or self._in.lose_readings <= 0:
            return False
        self._in.lose_readings -= 1
        for entry in entries:
            self._in.books.mark(entry, "lost")
        return True
