"""What a plan is made from, and what it is.

Powers are W, energies Wh, and money is float per kWh: what a plan weighs are forecasts, and
nobody is billed by it. Slots are counted from 0; slot `i` begins at `PlanInputs.slot_start(i)`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from itertools import accumulate

DEFAULT_UNMET_COST = 10.0
"""What a missing kWh costs if nobody said otherwise: more than any price of energy."""

PRIORITY_FACTOR = 4.0
"""How much more a missing kWh counts with each step of priority."""


class Reason(StrEnum):
    """Why a car charges in a slot, or does not."""

    SUN = "sun"
    """All of it is surplus of the sun."""
    SUN_AND_GRID = "sun_and_grid"
    MINIMUM = "minimum"
    """The least that the car takes, more than the sun gives: to pause would cost more."""
    CHEAP = "cheap"
    """Energy is cheaper than in the slots that are left out."""
    DEADLINE = "deadline"
    """There is no slot to spare before the deadline."""
    AWAY = "away"
    DONE = "done"
    """It has what it needs by then."""
    NOT_ALLOWED = "not_allowed"
    """A price or CO2 cap excludes the slot."""
    WAIT_FOR_SUN = "wait_for_sun"
    WAIT_FOR_PRICE = "wait_for_price"
    NO_CAPACITY = "no_capacity"
    """A circuit leaves less than the car's minimum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """One way to charge: on `phases` phases with 0 W or `min_w` to `max_w`."""

    phases: int
    min_w: float
    max_w: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One car and what it needs: `energy_wh` in its battery before slot `deadline` begins.

    What reaches the battery is `efficiency` times the power less `standby_w`, which the car's own
    electronics take while it charges. `start_cost` and `phase_cost` are what one start and one
    change of phases without a pause wear. `room_wh` is what the battery takes at most, where
    energy that costs less than nothing may fill it further; `None` for `energy_wh`.
    What cannot be charged by the deadline costs `unmet_cost` per kWh, four times as much with each
    step of `priority`: who has the higher one is served first where there is not enough for all.
    Slots whose `allowed` is false (a cap on price or CO2) are not used, or, with `over_cap_cost`,
    at so much more per kWh: less than `unmet_cost` lets the deadline win over the cap.
    `phases_now` tells how it charges now, `None` if it does not.
    """

    id: str
    energy_wh: float
    modes: tuple[Mode, ...]
    deadline: int
    arrival: int = 0
    efficiency: float = 1.0
    standby_w: float = 0.0
    start_cost: float = 0.0
    phase_cost: float = 0.0
    unmet_cost: float = DEFAULT_UNMET_COST
    circuit: str | None = None
    allowed: Sequence[bool] | None = None
    priority: int = 0
    phases_now: int | None = None
    room_wh: float | None = None
    over_cap_cost: float | None = None

    @property
    def missing_cost(self) -> float:
        """What a kWh that is missing counts."""
        return self.unmet_cost * PRIORITY_FACTOR**self.priority


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitLimit:
    """What the jobs on a circuit and below it may draw together, for each slot."""

    id: str
    cap_w: Sequence[float]
    parent: str | None = None


@dataclass(frozen=True, kw_only=True)
class PlanInputs:
    """What is known ahead.

    All sequences have one item for each slot. `surplus_w` is what the sun gives beyond the
    house's own use; less than nothing counts as nothing. `site_cap_w` is what all jobs may draw
    together, `None` for no limit. Caps must hold without the sun: then no forecast that is too
    sunny can cost a deadline, since the grid gives what the sun does not. `first_slot_s` is what is left of the slot that runs now, since
    prices change on the quarter of an hour and plans are made at any time.
    """

    start: datetime
    import_price: Sequence[float]
    feed_in_price: Sequence[float]
    surplus_w: Sequence[float]
    jobs: Sequence[Job]
    circuits: Sequence[CircuitLimit] = ()
    site_cap_w: Sequence[float] | None = None
    slot_s: int = 900
    first_slot_s: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be planned with.

        Raises:
            ValueError: saying what does not fit.
        """
        if self.start.utcoffset() != timedelta(0):
            raise ValueError("start must be aware and UTC")
        slots = len(self.import_price)
        lengths = {len(self.feed_in_price), len(self.surplus_w)}
        lengths |= {len(circuit.cap_w) for circuit in self.circuits}
        lengths |= {len(job.allowed) for job in self.jobs if job.allowed is not None}
        if self.site_cap_w is not None:
            lengths.add(len(self.site_cap_w))
        if lengths != {slots}:
            raise ValueError(f"every sequence needs {slots} slots, as the import price has")
        if self.first_slot_s is not None and not 0 < self.first_slot_s <= self.slot_s:
            raise ValueError("the first slot is as long as the others, or shorter")
        if len({job.id for job in self.jobs}) < len(self.jobs):
            raise ValueError("two jobs have the same id")
        for job in self.jobs:
            self.circuit_path(job.circuit)
            if not 0 < job.efficiency <= 1:
                raise ValueError(f"{job.id}: efficiency is above 0 and at most 1")
            if len({mode.phases for mode in job.modes}) < len(job.modes):
                raise ValueError(f"{job.id}: two modes have the same phases")
            if any(not 0 <= mode.min_w <= mode.max_w for mode in job.modes):
                raise ValueError(f"{job.id}: a mode needs 0 <= min_w <= max_w")

    @property
    def slots(self) -> int:
        return len(self.import_price)

    @cached_property
    def hours(self) -> tuple[float, ...]:
        """How long each slot is."""
        first = self.slot_s if self.first_slot_s is None else self.first_slot_s
        return (first / 3600,) * min(self.slots, 1) + (self.slot_s / 3600,) * (self.slots - 1)

    @cached_property
    def _starts_h(self) -> tuple[float, ...]:
        return tuple(accumulate(self.hours, initial=0.0))

    def slot_start(self, slot: int) -> datetime:
        """Return when a slot begins; the one after the last begins where the plan ends."""
        return self.start + timedelta(seconds=round(self._starts_h[slot] * 3600))

    def circuit_path(self, circuit: str | None) -> tuple[str, ...]:
        """Return a circuit and all above it.

        Raises:
            ValueError: a circuit is unknown, or feeds itself.
        """
        parents = {limit.id: limit.parent for limit in self.circuits}
        path: list[str] = []
        while circuit is not None:
            if circuit not in parents or circuit in path:
                what = "feeds itself" if circuit in path else "is unknown"
                raise ValueError(f"circuit {circuit} {what}")
            path.append(circuit)
            circuit = parents[circuit]
        return tuple(path)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPlan:
    """What one car shall do: power, phases (0 while it pauses) and reason for each slot.

    `cost` is its energy, starts and phase changes, without what is missing. Where cars share the
    sun of a slot, each has it in proportion to its power. `shortfall_wh` is what its battery will
    miss. `floor_w` is what each slot must give, whatever the sun does, for the deadline to stay
    in reach if all slots before are kept. `value` is what the last kWh in the battery is worth:
    to take more than planned pays while a kWh costs less than `value` times the efficiency.
    """

    id: str
    power_w: tuple[float, ...]
    phases: tuple[int, ...]
    reasons: tuple[Reason, ...]
    cost: float
    energy_wh: float
    shortfall_wh: float
    floor_w: tuple[float, ...]
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The cheapest schedule that was found.

    `cost` is the money for energy at forecast prices and for wear; `penalty` prices what is
    missing. `bound` is proven: no schedule has a smaller sum of both.
    """

    start: datetime
    slot_s: int
    jobs: tuple[JobPlan, ...]
    cost: float
    penalty: float
    bound: float
    starts: tuple[datetime, ...] = field(repr=False)
    """When each slot begins, and when the last one ends."""

    @property
    def gap_percent(self) -> float:
        """How far at most the plan is from the optimum."""
        total = self.cost + self.penalty
        return 100 * (total - self.bound) / abs(total) if total else 0.0

    def job(self, job_id: str) -> JobPlan:
        return next(job for job in self.jobs if job.id == job_id)
