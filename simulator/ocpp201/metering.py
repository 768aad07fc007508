"""Sampled values: what a station's meter says, in the shape of OCPP 2.0.1's SampledValueType."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ..ocpp16.metering import MeterFaults
from ..plant import Evse

REGISTER = "Energy.Active.Import.Register"

type Sample = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Style:
    """How a station words its values."""

    energy_multiplier: int = 0
    spell_defaults: bool = True


@dataclass(frozen=True, slots=True)
class _Measurand:
    unit: str
    read: Callable[[Evse], Iterable[tuple[str | None, float]]]
    """Yields phase (None: all together) and value."""
    location: str = "Outlet"


def _per_phase(
    evse: Evse, values: tuple[float, float, float], suffix: str
) -> Iterable[tuple[str, float]]:
    for number, value in enumerate(values[: evse.phases], 1):
        yield f"L{number}{suffix}", round(value, 2)


_ALL: dict[str, _Measurand] = {
    REGISTER: _Measurand("Wh", lambda evse: [(None, evse.register_wh)]),
    "Power.Active.Import": _Measurand("W", lambda evse: [(None, round(evse.power_w, 1))]),
    "Power.Offered": _Measurand(
        "W",
        lambda evse: [(None, round(evse.offer_a * evse.phases_offered * evse.voltage_v, 1))],
    ),
    "Current.Import": _Measurand("A", lambda evse: _per_phase(evse, evse.currents_a, "")),
    "Current.Offered": _Measurand("A", lambda evse: [(None, round(evse.offer_a, 1))]),
    "Voltage": _Measurand("V", lambda evse: _per_phase(evse, evse.voltages_v, "-N")),
    "SoC": _Measurand(
        "Percent", lambda evse: [] if evse.car is None else [(None, int(evse.car.soc * 100))], "EV"
    ),
}
MEASURANDS = frozenset(_ALL)
"""What this station can measure."""


def read(
    evse: Evse,
    measurands: Iterable[str],
    context: str,
    faults: MeterFaults,
    meter_start_wh: int | None,
    *,
    style: Style,
) -> tuple[list[Sample], int | None]:
    """Return the sampledValue list and the register in it (Wh), None without that measurand."""
    samples: list[Sample] = []
    reported: int | None = None
    for name in measurands:
        measurand = _ALL[name]
        for phase, true in measurand.read(evse):
            value, unit = true, {"unit": measurand.unit, "multiplier": 0}
            if name == REGISTER:
                reported = _register(evse, faults, meter_start_wh)
                value = reported
                if style.energy_multiplier:
                    value = round(reported / 10**style.energy_multiplier, 6)
                    unit["multiplier"] = style.energy_multiplier
            sample: Sample = {"value": value}
            usual = {
                "measurand": (name, REGISTER),
                "context": (context, "Sample.Periodic"),
                "location": (measurand.location, "Outlet"),
                "unitOfMeasure": (unit, {"unit": "Wh", "multiplier": 0}),
            }
            sample |= {
                field: said
                for field, (said, default) in usual.items()
                if style.spell_defaults or said != default
            }
            if phase is not None:
                sample["phase"] = phase
            samples.append(sample)
    return samples, reported


def _register(evse: Evse, faults: MeterFaults, meter_start_wh: int | None) -> int:
    if faults.zero_samples > 0:
        faults.zero_samples -= 1
        return 0
    if faults.session_relative and meter_start_wh is not None:
        return evse.register_wh - meter_start_wh
    return evse.register_wh
