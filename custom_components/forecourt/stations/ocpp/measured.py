"""What was measured, whatever the version of OCPP. Pure functions."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
import math
import re
from typing import NamedTuple

from ...core.model.reading import PHASES, VOLTS, Reading, ReadingContext
from .station import Moment

MAX_REGISTER_WH = 10**12
MAX_MULTIPLIER = 12
REGISTER = "Energy.Active.Import.Register"

CONTEXT = {
    "Transaction.Begin": ReadingContext.BEGIN,
    "Transaction.End": ReadingContext.END,
    "Sample.Clock": ReadingContext.CLOCK,
    "Sample.Periodic": ReadingContext.SAMPLE,
    "Trigger": ReadingContext.TRIGGER,
}

# A transaction's first and last values outrank samples of the same moment.
_RANK = {ReadingContext.BEGIN: 0, ReadingContext.END: 2}

_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{0,18})?(?:[eE][+-]?[0-9]{1,2})?", re.ASCII)
_SCALE = {"Wh": 1, "kWh": 1000, "W": 1, "kW": 1000, "A": 1, "V": 1, "Percent": 1}
_UNITS = {
    REGISTER: ("Wh", "kWh"),
    "Power.Active.Import": ("W", "kW"),
    "Current.Import": ("A",),
    "Voltage": ("V",),
    "SoC": ("Percent",),
}
_LINES = ("L1", "L2", "L3")
_PAIRS = ("L1-L2", "L2-L3", "L3-L1")


class Sample(NamedTuple):
    """One sampled value as a station tells it; `unit` is `None` where the default applies.

    `text` is a number, times ten to the power of `multiplier`.
    """

    text: str
    measurand: str = REGISTER
    context: str = "Sample.Periodic"
    phase: str = ""
    unit: str | None = None
    multiplier: int = 0


def time_text(at: datetime) -> str:
    """Return a time in the form that every station can read."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def is_live(readings: Iterable[Reading], connected_at: datetime) -> bool:
    """Whether any reading was taken on this connection."""
    return any(reading.at >= connected_at for reading in readings)


def charging_phases(readings: Iterable[Reading]) -> int | None:
    """Return on how many phases the car draws, by the newest reading that tells."""
    for reading in sorted(readings, key=lambda one: one.at, reverse=True):
        amps, most_a = reading.current_a, reading.max_current_a or 0
        if amps is None or most_a <= 1:
            continue
        if None not in amps:
            return sum(1 for one in amps if one is not None and one > 1)
        # Where not all phases are told, the power says how many there are: one, if it says nothing.
        watts = reading.power_w or 0
        return min(max(1, round(watts / most_a / VOLTS)), PHASES)
    return None


def readings_of(
    meter_values: Iterable[tuple[Moment, Iterable[Sample]]],
) -> tuple[tuple[Reading, ...], Counter[str]]:
    """Return the readings of meter values, oldest first, and what was odd."""
    notes: Counter[str] = Counter()
    readings: list[Reading] = []
    for when, samples in meter_values:
        by_context: dict[ReadingContext, _Samples] = {}
        for sample in samples:
            context = CONTEXT.get(sample.context, ReadingContext.OTHER)
            note = by_context.setdefault(context, _Samples()).take(sample)
            if note:
                notes[note] += 1
        begin = by_context.get(ReadingContext.BEGIN)
        if (
            begin
            and begin.has_register
            and any(other.has_register for other in by_context.values() if other is not begin)
        ):
            # Some stations repeat the first register with every sample.
            notes["repeated Transaction.Begin"] += 1
            del by_context[ReadingContext.BEGIN]
        for context, found in by_context.items():
            if reading := found.reading(when, context):
                readings.append(reading)
    readings.sort(key=lambda one: (one.at, _RANK.get(one.context, 1)))
    return tuple(readings), notes


class _Samples:
    """The sampled values of one moment and context, by measurand and phase."""

    def __init__(self) -> None:
        self._values: dict[str, dict[str, Decimal]] = {}

    @property
    def has_register(self) -> bool:
        return REGISTER in self._values

    def take(self, sample: Sample) -> str | None:
        """Take one sampled value; returns what was odd about it."""
        measurand = sample.measurand
        units = _UNITS.get(measurand)
        if units is None:
            return None
        unit = sample.unit or units[0]
        if unit not in units:
            # Not which: a station may write anything there, even the number of a card.
            return f"unknown unit of {measurand}"
        text = sample.text.strip()
        if not _NUMBER.fullmatch(text):
            return "value is not a number"
        if abs(sample.multiplier) > MAX_MULTIPLIER:
            return "value out of range"
        value = (Decimal(text) * _SCALE[unit]).scaleb(sample.multiplier)
        if abs(value) > MAX_REGISTER_WH or (measurand == REGISTER and value < 0):
            return "value out of range"
        self._values.setdefault(measurand, {})[sample.phase.removesuffix("-N")] = value
        return None

    def reading(self, when: Moment, context: ReadingContext) -> Reading | None:
        """Return what was measured, `None` if nothing that counts."""
        register = _total(self._values.get(REGISTER, {}))
        power = _total(self._values.get("Power.Active.Import", {}))
        soc = _total(self._values.get("SoC", {}))
        current = _currents(self._values.get("Current.Import", {}))
        voltage = _voltage(self._values.get("Voltage", {}))
        if all(one is None for one in (register, power, current, voltage, soc)):
            return None
        return Reading(
            at=when.at,
            context=context,
            register_wh=None if register is None else round(register),
            power_w=None if power is None else float(power),
            current_a=current,
            voltage_v=voltage,
            soc_percent=None if soc is None else float(soc),
            clock_estimated=when.estimated,
        )


def _total(by_phase: dict[str, Decimal]) -> Decimal | None:
    """Return the value for all phases, their sum where only those are told."""
    if "" in by_phase:
        return by_phase[""]
    lines = [by_phase[line] for line in _LINES if line in by_phase]
    return sum(lines, Decimal()) if lines else None


def _currents(
    by_phase: dict[str, Decimal],
) -> tuple[float | None, float | None, float | None] | None:
    """Return the currents of L1 to L3; one without a phase is taken for L1.

    So is one that is told for the neutral conductor only, as some stations do.
    """
    l1, l2, l3 = (float(by_phase[line]) if line in by_phase else None for line in _LINES)
    if l1 is None and l2 is None and l3 is None:
        alone = by_phase.get("", by_phase.get("N"))
        return None if alone is None else (float(alone), None, None)
    return l1, l2, l3


def _voltage(by_phase: dict[str, Decimal]) -> float | None:
    """Return the mean voltage between a phase and neutral."""
    for phases, factor in ((("", *_LINES), 1.0), (_PAIRS, math.sqrt(3))):
        found = [float(by_phase[phase]) for phase in phases if phase in by_phase]
        if found:
            # A single-phase station may report the absent phases as 0.
            live = [volts for volts in found if volts] or found
            return sum(live) / len(live) / factor
    return None
