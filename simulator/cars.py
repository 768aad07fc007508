"""Cars: what hangs on the cable.

A model is the type plate, a `Car` one car with its battery. The behaviours that charging stations
meet are all in the type plate: one to three phases, a minimum current above the 6 A of IEC 61851-1,
a taper near full, and cars that fall asleep when they are offered nothing for a while.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CarModel:
    """The type plate of a car. Currents are amperes per phase, state of charge is 0 to 1."""

    name: str
    battery_wh: int
    phases: int = 3
    max_current_a: float = 16.0
    min_current_a: float = 6.0
    """Below this the car does not charge, whatever the pilot says."""
    taper_from: float = 0.85
    """State of charge from which the on-board charger reduces."""
    taper_to_a: float = 2.0
    """What is left of the current when the battery is full."""
    start_delay_s: float = 3.0
    """From the pilot's offer to closing the switch (state B to C)."""
    ramp_a_per_s: float = 2.0
    fall_a_per_s: float = 10.0
    """IEC 61851-1 gives a car 5 s to follow a lower offer."""
    efficiency: float = 0.9
    """How much of the energy at the plug arrives in the battery."""
    sleeps_after_s: float | None = None
    """Falls asleep after so long without an offer; then a new offer alone does not wake it."""
    ventilation: bool = False
    """Asks for ventilation (state D instead of C)."""


CARS: dict[str, CarModel] = {
    model.name: model
    for model in (
        CarModel("family", battery_wh=77_000),
        CarModel("compact", battery_wh=40_000, phases=1, max_current_a=32.0),
        CarModel("city", battery_wh=24_000, phases=1),
        CarModel("two-phase", battery_wh=36_000, phases=2),
        CarModel("fast", battery_wh=52_000, max_current_a=32.0),
        CarModel("picky", battery_wh=41_000, max_current_a=32.0, min_current_a=8.0),
        CarModel("sleeper", battery_wh=60_000, sleeps_after_s=600.0),
        CarModel("hybrid", battery_wh=10_000, phases=1, taper_from=0.95, sleeps_after_s=600.0),
        CarModel("veteran", battery_wh=16_000, phases=1, max_current_a=10.0, ventilation=True),
    )
}
"""The catalogue, by name."""


class Car:
    """One car. The EVSE moves current and energy; the car says what it wants."""

    def __init__(self, model: CarModel, soc: float = 0.3, target_soc: float = 1.0) -> None:
        """Make a car; ValueError if a state of charge is outside 0 to 1."""
        if not (0 <= soc <= 1 and 0 <= target_soc <= 1):
            raise ValueError(f"soc and target_soc must be from 0 to 1, not {soc} and {target_soc}")
        self.model = model
        self.target_soc = target_soc
        self.asleep = False
        self._idle_s = 0.0
        self._stored_ws = soc * model.battery_wh * 3600

    @classmethod
    def named(cls, name: str, soc: float = 0.3, target_soc: float = 1.0) -> Car:
        """Take one from the catalogue; ValueError names what there is."""
        if name not in CARS:
            raise ValueError(f"no car {name!r}; there is {', '.join(sorted(CARS))}")
        return cls(CARS[name], soc, target_soc)

    @property
    def soc(self) -> float:
        """State of charge, 0 to 1."""
        return self._stored_ws / (self.model.battery_wh * 3600)

    @property
    def missing_ws(self) -> float:
        """Energy at the plug until the car stops by itself, watt-seconds."""
        wanted = self.target_soc * self.model.battery_wh * 3600 - self._stored_ws
        return max(0.0, wanted / self.model.efficiency)

    @property
    def full(self) -> bool:
        """Whether the car has reached its own limit (to within a watt-second)."""
        return self.missing_ws < 1.0

    def wanted_a(self, offer_a: float) -> float:
        """Return the current per phase that the car would draw at this offer."""
        model = self.model
        if self.asleep or self.full or offer_a < model.min_current_a:
            return 0.0
        acceptance = model.max_current_a
        if self.soc > model.taper_from:
            progress = (self.soc - model.taper_from) / (1 - model.taper_from)
            acceptance += (model.taper_to_a - acceptance) * min(1.0, progress)
        return min(offer_a, acceptance)

    def charge(self, energy_ws: float) -> None:
        """Put energy from the plug into the battery."""
        self._stored_ws += energy_ws * self.model.efficiency

    def pass_time(self, dt_s: float, *, offered: bool) -> None:
        """Grow sleepy while nothing is offered."""
        if offered:
            self._idle_s = 0.0
            return
        self._idle_s += dt_s
        if self.model.sleeps_after_s is not None and self._idle_s >= self.model.sleeps_after_s:
            self.asleep = True

    def wake(self) -> None:
        """React to the plug or to a toggled control pilot."""
        self.asleep = False
        self._idle_s = 0.0
