"""What a job may use and what that costs, and the best powers for a given choice of modes.

Everything here is in Wh per slot and € per Wh, so a slot that is shorter than the others is
nothing special. A job sees what is left for it: the others' energy is taken off the sun and off
the circuits before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from .types import Job

OFF = -1
EPSILON = 1e-6
"""Wh that are nothing."""

type Pattern = list[int]
"""The index of the mode for each slot of the window, or `OFF`."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """What a job draws in each slot of its window, in Wh, and the cost of it.

    `cost` has energy, wear and what is missing.
    """

    pattern: Pattern
    drawn: list[float]
    cost: float
    short_wh: float


@dataclass(frozen=True)
class Window:
    """A job, and what is left for it from slot `first` on: sun, capacity, prices, hours."""

    job: Job
    first: int
    sun: Sequence[float]
    cap: Sequence[float]
    imported: Sequence[float]
    fed: Sequence[float]
    hours: Sequence[float]

    @cached_property
    def bounds(self) -> list[list[tuple[float, float] | None]]:
        """For each mode and slot, the least and the most that may be drawn."""
        result: list[list[tuple[float, float] | None]] = []
        for mode in self.job.modes:
            least, most = mode.min_w, mode.max_w
            row: list[tuple[float, float] | None] = []
            for hours, cap in zip(self.hours, self.cap, strict=True):
                low, high = least * hours, most * hours
                if cap < high:
                    high = cap if cap >= low else (low if cap > low - EPSILON else 0.0)
                row.append((low, high) if high > 0 else None)
            result.append(row)
        return result

    @cached_property
    def lost(self) -> list[float]:
        """What the car's electronics take of each slot in which it charges."""
        standby = self.job.standby_w
        return [standby * hours for hours in self.hours]

    @cached_property
    def before(self) -> int:
        """The mode that it charges in when the window begins."""
        job = self.job
        if self.first or job.phases_now is None:
            return OFF
        for index, mode in enumerate(job.modes):
            if mode.phases == job.phases_now:
                return index
        return OFF

    @cached_property
    def overshoot(self) -> float:
        """What a schedule may give beyond the need, since a slot has a minimum."""
        efficiency = self.job.efficiency
        return max(
            (
                efficiency * pair[0] - lost
                for row in self.bounds
                for pair, lost in zip(row, self.lost, strict=True)
                if pair
            ),
            default=0.0,
        )

    @cached_property
    def steps(self) -> list[tuple[float, int, int]]:
        """Price, slot and kind of what can be added to a slot's minimum, the cheapest first.

        Kind 0 is sun, 1 is grid, 2 is both where energy from the grid is cheaper than what is
        earned with the sun: there the first Wh cost most, and only all or nothing can be best.
        """
        result: list[tuple[float, int, int]] = []
        for slot, (price, fed, sun) in enumerate(
            zip(self.imported, self.fed, self.sun, strict=True)
        ):
            if sun <= EPSILON:
                result.append((price, slot, 1))
            elif price >= fed:
                result.append((fed, slot, 0))
                result.append((price, slot, 1))
            else:
                most = max((row[slot] or (0.0, 0.0))[1] for row in self.bounds)
                covered = min(sun, most)
                mean = (covered * fed + (most - covered) * price) / most if most else price
                result.append((mean, slot, 2))
        result.sort()
        return result

    def wear(self, pattern: Pattern) -> float:
        """Return what starts and phase changes cost."""
        job = self.job
        if not job.start_cost and not job.phase_cost:
            return 0.0
        cost = 0.0
        last = self.before
        for mode in pattern:
            if mode != last and mode != OFF:
                cost += job.start_cost if last == OFF else job.phase_cost
            last = mode
        return cost

    def energy_cost(self, drawn: Sequence[float]) -> float:
        """Return what the energy costs: sun at what it would have earned, the rest bought."""
        cost = 0.0
        for slot, energy in enumerate(drawn):
            if energy:
                sun = self.sun[slot]
                if energy <= sun:
                    cost += energy * self.fed[slot]
                else:
                    cost += sun * self.fed[slot] + (energy - sun) * self.imported[slot]
        return cost

    def fill(self, pattern: Pattern) -> Schedule | None:
        """Return the cheapest schedule with these modes, `None` if they give far too much.

        Every slot has its minimum; the rest of the need goes where the next Wh is cheapest.
        """
        job = self.job
        need = job.energy_wh
        drawn = [0.0] * len(pattern)
        lows = highs = 0.0
        bounds = self.bounds
        limits: list[tuple[float, float] | None] = [None] * len(pattern)
        for slot, mode in enumerate(pattern):
            if mode != OFF:
                pair = bounds[mode][slot]
                if pair is None:
                    return None
                limits[slot] = pair
                drawn[slot] = pair[0]
                lows += pair[0]
                highs += pair[1]
                need += self.lost[slot]
        need /= job.efficiency
        rest = need - lows
        if rest < 0:
            if -rest * job.efficiency > self.overshoot + EPSILON:
                return None
        elif highs <= need:
            drawn = [pair[1] if pair else 0.0 for pair in limits]
            rest = need - highs
        else:
            rest = self._add(rest, drawn, limits)
        short = rest * job.efficiency if rest > EPSILON else 0.0
        cost = self.energy_cost(drawn) + self.wear(pattern) + short * job.unmet_cost / 1000
        return Schedule(pattern, drawn, cost, short)

    def _add(
        self, rest: float, drawn: list[float], limits: list[tuple[float, float] | None]
    ) -> float:
        for _, slot, kind in self.steps:
            pair = limits[slot]
            if pair is None:
                continue
            room = pair[1] - drawn[slot]
            if kind == 0:
                room = min(room, self.sun[slot] - drawn[slot])
            if room <= 0:
                continue
            if room >= rest:
                drawn[slot] += rest
                return 0.0
            drawn[slot] += room
            rest -= room
        return rest
