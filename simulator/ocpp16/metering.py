"""Sampled values: what a station's meter says, in the shape of OCPP 1.6 §7.31 to 7.43."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..plant import Evse

REGISTER = "Energy.Active.Import.Register"

type Sample = dict[str, str]


@dataclass(frozen=True, slots=True)
class _Measurand:
    unit: str
    read: Callable[[Evse], Iterable[tuple[str | None, str]]]
    """Yields phase (None: all together) and value."""


def _per_phase(
    values: tuple[float, float, float], digits: int, suffix: str
) -> Iterable[tuple[str, str]]:
    for number, value in enumerate(values, 1):
        yield f"L{number}{suffix}", f"{value:.{digits}f}"


_ALL: dict[str, _Measurand] = {
    REGISTER: _Measurand("Wh", lambda evse: [(None, str(evse.register_wh))]),
    "Power.Active.Import": _Measurand("W", lambda evse: [(None, f"{evse.power_w:.1f}")]),
    "Current.Import": _Measurand("A", lambda evse: _per_phase(evse.currents_a, 2, "")),
    "Current.Offered": _Measurand("A", lambda evse: [(None, f"{evse.offer_a:.1f}")]),
    "Voltage": _Measurand("V", lambda evse: _per_phase(evse.voltages_v, 1, "-N")),
    "SoC": _Measurand(
        "Percent", lambda evse: [] if evse.car is None else [(None, str(int(evse.car.soc * 100)))]
    ),
    "Temperature": _Measurand("Celsius", lambda evse: [(None, f"{20 + evse.power_w / 1000:.1f}")]),
}
MEASURANDS = frozenset(_ALL)
"""What this station can measure."""


@dataclass(slots=True)
class MeterFaults:
    """What is wrong with the register in MeterValues; meterStart and meterStop are right."""

    zero_samples: int = 0
    """So many samples to come show 0."""
    session_relative: bool = False
    """The register counts from the start of the transaction."""


def read(
    evse: Evse,
    measurands: Iterable[str],
    context: str,
    faults: MeterFaults,
    meter_start_wh: int | None,
) -> tuple[list[Sample], int | None]:
    """Return the sampledValue list and the register in it, None without that measurand."""
    samples: list[Sample] = []
    reported: int | None = None
    for name in measurands:
        measurand = _ALL[name]
        for phase, true in measurand.read(evse):
            value = true
            if name == REGISTER:
                reported = _register(evse, faults, meter_start_wh)
                value = str(reported)
            sample = {"value": value, "context": context, "measurand": name, "unit": measurand.unit}
            if name != "SoC":
                sample["location"] = "Outlet"
            else:
                sample["location"] = "EV"
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
