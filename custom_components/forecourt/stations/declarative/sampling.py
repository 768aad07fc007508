"""Makes one picture of an outlet of the many values that its box tells.

What cannot be true (a negative register, three times the current of the box, not a number) is
not known, rather than believed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
import math

from ...core.model.evse import EvseStatus
from ...core.model.reading import PHASES, VOLTS, Reading
from ...core.model.token import Token
from .link import Link, Sample
from .profile import Confidence, Profile, Role, Scalar
from .registers import Source

DRAWS_W = 100.0
DRAWS_A = 1.0
"""Less than this is no charge: electronics of box and car."""

IMPLAUSIBLE = 3.0
"""How many times the maximum cannot be true."""

MAX_VOLTS = 1_000.0
MAX_REGISTER_WH = 1e12
NOISE = 0.05
"""Up to this part of the maximum below zero is the noise of a meter, and zero."""

_POWERS = (Role.POWER_W_1, Role.POWER_W_2, Role.POWER_W_3)
_CURRENTS = (Role.CURRENT_A_1, Role.CURRENT_A_2, Role.CURRENT_A_3)
_VOLTAGES = (Role.VOLTAGE_V_1, Role.VOLTAGE_V_2, Role.VOLTAGE_V_3)
ENERGIES = (Role.ENERGY_WH_1, Role.ENERGY_WH_2, Role.ENERGY_WH_3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an outlet told at one moment; `None` for what it did not."""

    at: datetime
    status: EvseStatus | None = None
    plugged: bool | None = None
    charging: bool | None = None
    enabled: bool | None = None
    error: str | None = None
    power_w: float | None = None
    current_a: tuple[float | None, float | None, float | None] | None = None
    voltage_v: float | None = None
    soc_percent: float | None = None
    energy_wh: float | None = None
    session_wh: float | None = None
    limit_a: float | None = None
    limit_w: float | None = None
    max_current_a: float | None = None
    phases: int | None = None
    token: Token | None = None

    @property
    def drawn_w(self) -> float | None:
        """What flows: as measured, or reckoned from current and voltage."""
        if self.power_w is not None:
            return self.power_w
        known = [amps for amps in self.current_a or () if amps is not None]
        return sum(known) * (self.voltage_v or VOLTS) if known else None

    @property
    def drawing(self) -> bool | None:
        """Whether the car charges: by its meter, else by the word of the box."""
        if self.current_a is not None:
            return max((amps or 0.0 for amps in self.current_a), default=0.0) > DRAWS_A
        if self.power_w is not None:
            return self.power_w > DRAWS_W
        if self.charging is not None:
            return self.charging
        return None if self.status is None else self.status is EvseStatus.CHARGING

    def reading(self, register_wh: int | None) -> Reading:
        """Return what the site gets to see."""
        return Reading(
            at=self.at,
            register_wh=register_wh,
            power_w=self.power_w,
            current_a=self.current_a,
            voltage_v=self.voltage_v,
            soc_percent=self.soc_percent,
        )


class _Values:
    """The values of one outlet, checked."""

    def __init__(self, sample: Sample, number: int) -> None:
        self._outlet = sample.outlets.get(number, {})
        self._station = sample.station

    def get(self, role: Role) -> Scalar | None:
        if role in self._outlet:
            return self._outlet[role]
        return self._station.get(role)

    def has(self, role: Role) -> bool:
        return role in self._outlet or role in self._station

    def truth(self, role: Role) -> bool | None:
        value = self.get(role)
        return bool(value) if isinstance(value, bool | int) else None

    def number(self, role: Role, most: float) -> float | None:
        """Return a value from 0 to `most`; a little less than 0 is 0."""
        value = self.get(role)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        if not math.isfinite(value) or not -NOISE * most <= value <= most:
            return None
        return max(0.0, float(value))

    def register(self, role: Role) -> float | None:
        value = self.get(role)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        return float(value) if math.isfinite(value) and 0 <= value <= MAX_REGISTER_WH else None

    def total(self, numbers: Sequence[float | None]) -> float | None:
        """Return the sum of what is told; `None` where one of them is not known."""
        known = [number for number in numbers if number is not None]
        return sum(known) if known and len(known) == len(numbers) else None


def source_of(profile: Profile, link: Link) -> Source:
    """Return what energy is counted by: money goes by no register that is a guess."""

    def counts(role: Role) -> bool:
        spec = profile.readings.get(role)
        sure = spec is not None and spec.confidence is not Confidence.EXPERIMENTAL
        return sure and link.has(role)

    if any(counts(role) for role in (Role.ENERGY_WH, *ENERGIES)):
        return Source.LIFETIME
    return Source.SESSION if counts(Role.SESSION_ENERGY_WH) else Source.POWER


def look(sample: Sample, number: int, profile: Profile, at: datetime) -> Told:
    """Return what the sample says of an outlet (from 1)."""
    values = _Values(sample, number)
    most_a = profile.max_current_a * IMPLAUSIBLE
    most_w = most_a * VOLTS * PHASES
    power_w = values.number(Role.POWER_W, most_w)
    if not values.has(Role.POWER_W):
        power_w = values.total([values.number(r, most_w) for r in _POWERS if values.has(r)])
    energy_wh = values.register(Role.ENERGY_WH)
    if not values.has(Role.ENERGY_WH):
        energy_wh = values.total([values.register(r) for r in ENERGIES if values.has(r)])
    phases = _phases(values)
    volts = [v for r in _VOLTAGES if (v := values.number(r, MAX_VOLTS)) is not None and v > 0]
    status, plugged = _status(values), values.truth(Role.PLUGGED)
    charging = values.truth(Role.CHARGING)
    if plugged is None:
        plugged = _plugged(charging, status, sample)
    return Told(
        at=at,
        status=status,
        plugged=plugged,
        charging=charging,
        enabled=values.truth(Role.ENABLED),
        error=_error(values.get(Role.ERROR), sample),
        power_w=power_w,
        current_a=_current(values, most_a, phases or profile.phases),
        voltage_v=sum(volts) / len(volts) if volts else None,
        soc_percent=values.number(Role.SOC_PERCENT, 100.0),
        energy_wh=energy_wh,
        session_wh=values.register(Role.SESSION_ENERGY_WH),
        limit_a=values.number(Role.LIMIT_A, most_a),
        limit_w=values.number(Role.LIMIT_W, most_w),
        max_current_a=values.number(Role.MAX_CURRENT_A, most_a) or None,
        phases=phases,
        token=_token(values.get(Role.TOKEN)),
    )


def _status(values: _Values) -> EvseStatus | None:
    told = values.get(Role.STATUS)
    return EvseStatus(told) if isinstance(told, str) and told in EvseStatus else None


def _plugged(charging: bool | None, status: EvseStatus | None, sample: Sample) -> bool | None:
    """Return whether a car is there where nothing says so itself."""
    if charging or status is EvseStatus.CHARGING:
        return True
    if Role.PLUGGED in sample.faults or Role.PLUGGED in sample.unknown:
        # The box has a word for it, which is better than its status, and cannot be read now.
        return None
    return None if status is None else status.plugged


def _phases(values: _Values) -> int | None:
    told = values.get(Role.PHASES)
    return int(told) if told in (1, 2, 3) and not isinstance(told, bool | str) else None


def _current(
    values: _Values, most_a: float, phases: int
) -> tuple[float | None, float | None, float | None] | None:
    if any(values.has(role) for role in _CURRENTS):
        first, second, third = (values.number(role, most_a) for role in _CURRENTS)
        none_known = first is None and second is None and third is None
        return None if none_known else (first, second, third)
    single = values.number(Role.CURRENT_A, most_a)
    if single is None:
        return None
    return single, single if phases > 1 else 0.0, single if phases > 2 else 0.0


def _error(code: Scalar | None, sample: Sample) -> str | None:
    unknown = [f"unknown {role} {raw}" for role, raw in sample.unknown.items() if role != "token"]
    told = [] if code in (None, False, 0, "", "0") else [str(code)]
    return "; ".join(told + unknown) or None


def _token(value: Scalar | None) -> Token | None:
    if value is None or isinstance(value, bool):
        return None
    uid = str(value).strip("\0 ")
    return Token(uid) if uid.strip("0") else None
