"""The power side of one outlet: control pilot, contactor, cable, meter. No I/O, no clock.

`Evse.step(dt_s)` moves it through time. Currents are amperes per phase, power is watts, the
register is whole watt-hours over the meter's lifetime. States are those of IEC 61851-1: A no car,
B car that does not charge, C charging, D charging with ventilation, E fault, F out of service.
"""

from __future__ import annotations

from enum import StrEnum

from .cars import Car

MIN_OFFER_A = 6.0
"""The lowest current that the control pilot can express (IEC 61851-1, table A.8)."""
_LONGEST_SLICE_S = 10.0
_RAMP_SLICE_S = 1.0


class PlugState(StrEnum):
    """Control pilot states of IEC 61851-1."""

    A = "A"
    B = "B"
    C = "C"
    D = "D"
    E = "E"
    F = "F"


class Evse:
    """One outlet with its meter and the car that may be plugged into it."""

    def __init__(
        self,
        *,
        phases: int = 3,
        max_current_a: float = 16.0,
        voltage_v: float = 230.0,
        resistance_ohm: float = 0.15,
        register_wh: int = 0,
    ) -> None:
        """Make an outlet of 1 or 3 phases; `resistance_ohm` is that of the feed, per phase."""
        self.phases = phases
        self.max_current_a = max_current_a
        self.voltage_v = voltage_v
        self.resistance_ohm = resistance_ohm
        self.register_wh = register_wh
        self.car: Car | None = None
        self.energised = False
        """Whether somebody has been allowed to charge; else the pilot shows no offer."""
        self.powered = True
        self.faulted = False
        self._available = True
        self._limit_a = max_current_a
        self._phases_offered = phases
        self._current_a = 0.0
        self._delay_s = 0.0
        self._pilot_off_s = 0.0
        self._rest_ws = 0.0
        self._delivered_ws = 0.0

    @property
    def limit_a(self) -> float:
        """What the station allows, amperes per phase; below 6 A is no offer."""
        return self._limit_a

    @limit_a.setter
    def limit_a(self, limit_a: float) -> None:
        self._limit_a = max(0.0, min(limit_a, self.max_current_a))

    @property
    def phases_offered(self) -> int:
        """How many phases the contactors connect."""
        return self._phases_offered

    @phases_offered.setter
    def phases_offered(self, count: int) -> None:
        count = max(1, min(count, self.phases))
        if count != self._phases_offered:
            # Phases may only be switched without current: the car starts anew.
            self._phases_offered = count
            self._open()

    @property
    def available(self) -> bool:
        """Whether the outlet is in service; else the pilot is in state F, which wakes a car."""
        return self._available

    @available.setter
    def available(self, available: bool) -> None:
        if available and not self._available and self.car is not None:
            self.car.wake()
        self._available = available

    @property
    def offer_a(self) -> float:
        """What the control pilot tells the car, amperes per phase; 0 without an offer."""
        live = self.powered and self.energised and self.available and not self.faulted
        if not live or self._pilot_off_s > 0 or self._limit_a < MIN_OFFER_A:
            return 0.0
        return self._limit_a

    @property
    def state(self) -> PlugState:
        """The control pilot's state."""
        if self.faulted or not self.powered:
            return PlugState.E
        if not self.available or self._pilot_off_s > 0:
            return PlugState.F
        if self.car is None:
            return PlugState.A
        if self._current_a > 0:
            return PlugState.D if self.car.model.ventilation else PlugState.C
        return PlugState.B

    @property
    def active_phases(self) -> int:
        """How many phases carry current when the car charges."""
        return 0 if self.car is None else min(self.car.model.phases, self._phases_offered)

    @property
    def currents_a(self) -> tuple[float, float, float]:
        """Current of L1, L2, L3."""
        current, count = self._current_a, self.active_phases
        return (
            current if count > 0 else 0.0,
            current if count > 1 else 0.0,
            current if count > 2 else 0.0,
        )

    @property
    def voltages_v(self) -> tuple[float, float, float]:
        """Voltage of L1, L2, L3; sags with the current. 0 on phases that are not wired."""
        first, second, third = (
            self.voltage_v - self.resistance_ohm * current
            if self.powered and index < self.phases
            else 0.0
            for index, current in enumerate(self.currents_a)
        )
        return first, second, third

    @property
    def power_w(self) -> float:
        """Active power of all phases."""
        return sum(u * i for u, i in zip(self.voltages_v, self.currents_a, strict=True))

    @property
    def delivered_wh(self) -> float:
        """True energy since the car was plugged in, whatever happened to the meter."""
        return self._delivered_ws / 3600

    @property
    def register_ws(self) -> float:
        """The register with the part of a watt-hour that it does not show, watt-seconds."""
        return self.register_wh * 3600 + self._rest_ws

    def plug(self, car: Car) -> None:
        """Connect a car; ValueError if there is one."""
        if self.car is not None:
            raise ValueError("there is a car plugged in already")
        self.car = car
        self._delivered_ws = 0.0
        car.wake()
        self._open()

    def unplug(self) -> Car:
        """Disconnect the car and return it; ValueError if there is none."""
        if self.car is None:
            raise ValueError("there is no car plugged in")
        car, self.car = self.car, None
        self._open()
        return car

    def toggle_pilot(self, seconds: float = 3.0) -> None:
        """Take the pilot away for a moment (state F), which wakes a sleeping car."""
        self._pilot_off_s = seconds
        self._open()
        if self.car is not None:
            self.car.wake()

    def replace_meter(self, register_wh: int = 0) -> None:
        """Put in another meter, with its own lifetime register."""
        self.register_wh = register_wh
        self._rest_ws = 0.0

    def step(self, dt_s: float) -> None:
        """Let `dt_s` plant seconds pass, in slices short enough for ramps and taper."""
        while dt_s > 1e-9:
            settled = self._current_a == self._target_a() and self._pilot_off_s <= 0
            used = self._slice(min(dt_s, _LONGEST_SLICE_S if settled else _RAMP_SLICE_S))
            dt_s -= used

    def _target_a(self) -> float:
        return 0.0 if self.car is None else self.car.wanted_a(self.offer_a)

    def _open(self) -> None:
        self._current_a = 0.0
        self._delay_s = 0.0

    def _slice(self, dt_s: float) -> float:
        """Pass one short slice and return its length."""
        if self._pilot_off_s > 0:
            dt_s = min(dt_s, self._pilot_off_s)
            self._pilot_off_s = max(0.0, self._pilot_off_s - dt_s)
        car = self.car
        if car is None:
            return dt_s
        car.pass_time(dt_s, offered=self.offer_a > 0)
        target = self._target_a()
        if self.offer_a == 0.0 or target == 0.0:
            # Without an offer the contactor opens; a car that has enough switches off itself.
            self._open()
            return dt_s
        if self._current_a == 0.0 and self._delay_s < car.model.start_delay_s - 1e-6:
            dt_s = min(dt_s, car.model.start_delay_s - self._delay_s)
            self._delay_s += dt_s
            return dt_s
        if target >= self._current_a:
            self._current_a = min(target, self._current_a + car.model.ramp_a_per_s * dt_s)
        else:
            self._current_a = max(target, self._current_a - car.model.fall_a_per_s * dt_s)
        power = self.power_w
        dt_s = min(dt_s, car.missing_ws / power)
        self._meter(power * dt_s)
        return dt_s

    def _meter(self, energy_ws: float) -> None:
        self._rest_ws += energy_ws
        whole = int(self._rest_ws // 3600)
        self.register_wh += whole
        self._rest_ws -= whole * 3600
        self._delivered_ws += energy_ws
        if self.car is not None:
            self.car.charge(energy_ws)
