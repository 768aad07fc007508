"""What a meter said at one moment."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

COMPLETES_FOR = timedelta(seconds=90)

_VALUES = ("register_wh", "power_w", "current_a", "voltage_v", "soc_percent")

VOLTS = 230
PHASES = 3


class ReadingContext(StrEnum):
    """Why a reading was taken (OCPP 1.6 §7.31 ReadingContext)."""

    BEGIN = "transaction_begin"
    END = "transaction_end"
    CLOCK = "sample_clock"
    SAMPLE = "sample_periodic"
    TRIGGER = "trigger"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One meter reading of an EVSE; every value that was not told is `None`.

    `register_wh` is the import register in whole watt-hours as the station
    counts it, `current_a` the current of L1, L2 and L3 (`None` for a phase
    that was not measured). `clock_estimated` says that the station's own
    time was implausible and `at` is the time of reception.
    """

    at: datetime
    context: ReadingContext = ReadingContext.SAMPLE
    register_wh: int | None = None
    power_w: float | None = None
    current_a: tuple[float | None, float | None, float | None] | None = None
    voltage_v: float | None = None
    soc_percent: float | None = None
    clock_estimated: bool = False

    @property
    def max_current_a(self) -> float | None:
        """The current of the most loaded phase."""
        known = [amps for amps in self.current_a or () if amps is not None]
        return max(known, default=None)

    @property
    def least_current_a(self) -> float | None:
        """What the most loaded phase carries at least, where only the power is told."""
        if (measured_a := self.max_current_a) is not None or self.power_w is None:
            return measured_a
        return self.power_w / VOLTS / PHASES

    @property
    def most_current_a(self) -> float | None:
        """What the most loaded phase carries at most, where only the power is told."""
        if (measured_a := self.max_current_a) is not None or self.power_w is None:
            return measured_a
        return self.power_w / VOLTS

    def over(self, earlier: Reading | None) -> Reading:
        """Return this reading, completed by an earlier one of the same moment.

        Some stations send energy and power in messages of their own; what an
        earlier reading told is kept for `COMPLETES_FOR` and then unknown.
        """
        if earlier is None or self.at - earlier.at > COMPLETES_FOR:
            return self
        completed = {
            name: value
            for name in _VALUES
            if getattr(self, name) is None and (value := getattr(earlier, name)) is not None
        }
        return replace(self, **completed) if completed else self

    def at_rest(self, at: datetime) -> Reading:
        """Return what is certain when a transaction ended: the contactor is open."""
        return replace(self, at=at, power_w=0.0, current_a=(0.0, 0.0, 0.0))
