"""The best schedule of one car, what others do being given.

Lagrangian relaxation of the energy that is needed, then repair. A worth is put on each Wh in the
battery; `Paths` finds the best modes for it. The worth at which they just give enough is found by
intersecting the two cuts around it (Kelley 1960; Handler & Zang, Networks 10, 1980), and the
value there is a proven bound. Each pattern that was met on the way is filled up to what is needed
at the least cost, and so are those that differ in one slot and could still be better.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from .paths import Paths, Pattern
from .task import INFINITE, Offer

_NEAR = 1e-9
_TINY_WH = 1e-6
_CUTS = 60


@dataclass(frozen=True, slots=True)
class Schedule:
    """What one car does in the slots of its task.

    `total` is money, wear and what is missing; `bound` is at most what any schedule costs.
    `worth` is what the last Wh is worth.
    """

    power_w: list[float]
    pattern: Pattern
    total: float
    bound: float
    worth: float
    shortfall_wh: float


@dataclass(slots=True)
class _Cut:
    worth: float
    money: float
    energy: float
    pattern: Pattern


def schedule(offer: Offer, hint: float | None = None, tries: int = 0) -> Schedule:
    """Return the cheapest schedule that was found.

    `hint` is the worth that another search ended with, `tries` how many patterns more to look at.
    """
    return _Search(offer).run(hint, tries)


class _Search:
    def __init__(self, offer: Offer) -> None:
        self._offer = offer
        self._task = offer.task
        self._paths = Paths(offer)
        self._best: tuple[float, Pattern] = (INFINITE, [])
        self._seen: set[bytes] = set()

    def run(self, hint: float | None, tries: int) -> Schedule:
        count = len(self._task.hours)
        self._try([-1] * count)
        worth, bound, cuts = self._worth(hint)
        for cut in cuts:
            self._try(cut.pattern)
        if len(cuts) > 1 and not self._task.separable:
            for pattern in _crossings(cuts[-2].pattern, cuts[-1].pattern):
                self._try(pattern)
        if tries:
            self._improve(worth, bound, tries)
        pattern = self._best[1]
        power_w, total, shortfall_wh = self._fill(pattern)
        return Schedule(power_w, pattern, total, min(bound, total), worth, shortfall_wh)

    def _worth(self, hint: float | None) -> tuple[float, float, list[_Cut]]:
        """Return the worth of a Wh, the bound, and what was met; the last two are around it."""
        task = self._task
        free = self._cut(0.0)
        if task.need_wh <= free.energy <= task.most_wh:
            return 0.0, free.money, [free]
        cuts = [free]
        if free.energy > task.most_wh:
            # Energy that costs less than nothing: the battery's room is what is scarce.
            goal, above = task.most_wh, free
            low = -max(1e-3, 2 * max(abs(segment[0]) for segment in self._offer.segments or _NONE))
            below = self._cut(low)
            while below.energy > goal:
                low *= 4
                below = self._cut(low)
        else:
            goal, below = task.need_wh, free
            above = self._cut(task.missing)
            cuts.append(above)
            if above.energy < goal - _TINY_WH:
                bound = above.money + task.missing * (goal - above.energy)
                return task.missing, bound, cuts
            goal = min(goal, above.energy)
            if hint is not None and 0 < hint < task.missing:
                for worth in (hint * 0.97, hint * 1.03):
                    cut = self._cut(worth)
                    cuts.append(cut)
                    if cut.energy < goal:
                        below = cut
                    else:
                        above = cut
                        break
        return self._between(below, above, goal, cuts)

    def _between(
        self, below: _Cut, above: _Cut, goal: float, cuts: list[_Cut]
    ) -> tuple[float, float, list[_Cut]]:
        worth, bound = above.worth, -INFINITE
        for _ in range(_CUTS):
            worth = (above.money - below.money) / (above.energy - below.energy)
            line = below.money - worth * below.energy
            cut = self._cut(worth)
            bound = cut.money + worth * (goal - cut.energy)
            if cut.money - worth * cut.energy >= line - _NEAR:
                break
            cuts.append(cut)
            if cut.energy < goal:
                below = cut
            else:
                above = cut
        return worth, bound, [*cuts, below, above]

    def _cut(self, worth: float) -> _Cut:
        reduced, energy, pattern = self._paths.best(worth)
        return _Cut(worth, reduced + worth * energy, energy, pattern)

    def _improve(self, worth: float, bound: float, tries: int) -> None:
        """Try what could still be better: a slot whose change alone costs too much cannot be."""
        near: list[tuple[float, int, int]] = []
        for worse, slot, mode, pattern in self._paths.others(worth):
            if bound + worse >= self._best[0] - _NEAR or len(near) >= tries:
                break
            near.append((worse, slot, mode))
            self._try(pattern)
        left = tries
        while left > 0:
            before = self._best
            for change in _changes(near, self._best[0] - bound, left):
                left -= 1
                pattern = list(before[1])
                for slot, mode in change:
                    pattern[slot] = -1 if pattern[slot] == mode else mode
                self._try(pattern)
                if self._best is not before:
                    break
            else:
                return

    def _try(self, pattern: Pattern) -> bool:
        """Keep a pattern if it is better; return whether it was new."""
        key = bytes(mode + 1 for mode in pattern)
        if key in self._seen:
            return False
        self._seen.add(key)
        total = self._total(pattern)
        if total < self._best[0]:
            self._best = (total, pattern)
        return True

    def _total(self, pattern: Pattern) -> float:
        """Return what a pattern costs with the cheapest powers."""
        energy, money = self._least(pattern)
        task = self._task
        need, most, missing = task.need_wh, task.most_wh, task.missing
        if energy > most + _TINY_WH:
            return INFINITE
        for rate, slot, mode, more, bent in self._offer.segments:
            if rate >= 0 and energy >= need:
                break
            if pattern[slot] == mode and rate < missing:
                left = (most if rate < 0 else need) - energy
                if more <= left:
                    energy += more
                    money += rate * more
                elif left > 0:
                    money += self._part(slot, mode, left) if bent else rate * left
                    energy += left
        return money + missing * max(need - energy, 0.0)

    def _fill(self, pattern: Pattern) -> tuple[list[float], float, float]:
        """Return the powers of a pattern, what they cost, and what is missing."""
        offer, task = self._offer, self._task
        energy, money = self._least(pattern)
        power_w = [
            0.0 if mode < 0 else offer.modes[mode].low_w[slot] for slot, mode in enumerate(pattern)
        ]
        eta = task.job.efficiency
        for rate, slot, mode, more, bent in offer.segments:
            if rate >= 0 and energy >= task.need_wh:
                break
            if pattern[slot] == mode and rate < task.missing:
                left = (task.most_wh if rate < 0 else task.need_wh) - energy
                took = min(more, left)
                if took > 0:
                    money += self._part(slot, mode, took) if bent and took < more else rate * took
                    energy += took
                    power_w[slot] += took / (eta * task.hours[slot])
                    power_w[slot] = min(power_w[slot], offer.modes[mode].high_w[slot])
        short_wh = max(task.need_wh - energy, 0.0)
        return power_w, money + task.missing * short_wh, short_wh if short_wh > _TINY_WH else 0.0

    def _least(self, pattern: Pattern) -> tuple[float, float]:
        energy, money = 0.0, self._paths.wear(pattern)
        modes = self._offer.modes
        for slot, mode in enumerate(pattern):
            if mode >= 0:
                corners = modes[mode]
                energy += corners.energy_0[slot]
                money += corners.money_0[slot]
        return energy, money

    def _part(self, slot: int, mode: int, energy_wh: float) -> float:
        """Return what the first part costs of what a mode can give beyond its least."""
        low_w = self._offer.modes[mode].low_w[slot]
        more_w = energy_wh / (self._task.job.efficiency * self._task.hours[slot])
        return self._offer.money(slot, low_w + more_w) - self._offer.money(slot, low_w)


_NONE = ((0.0,),)


def _changes(
    near: list[tuple[float, int, int]], room: float, most: int
) -> Iterator[tuple[tuple[int, int], ...]]:
    """Yield one change or two at once, (slot, mode) each, at most so many."""
    close = [(worse, slot, mode) for worse, slot, mode in near if worse < room]
    yield from [((slot, mode),) for _, slot, mode in close[:most]]
    most -= len(close)
    for number, (worse, slot, mode) in enumerate(close):
        for other, (more, second, its) in enumerate(close):
            if other >= number or worse + more >= room:
                break
            if most <= 0:
                return
            if second != slot:
                most -= 1
                yield ((slot, mode), (second, its))


def _crossings(one: Pattern, two: Pattern) -> Iterator[Pattern]:
    """Yield what begins as one and ends as the other, for each slot where they differ."""
    for slot, (first, second) in enumerate(zip(one, two, strict=True)):
        if first != second and slot:
            yield [*one[:slot], *two[slot:]]
            yield [*two[:slot], *one[slot:]]
