"""Which mode to run in each slot, where energy in the battery is worth a given price.

With a price on energy the slots of a job fall apart, except for what starts and changes of phases
wear: the best modes are a shortest path through (slot, mode), as in unit commitment (Muckstadt &
Koenig, Operations Research 25/3, 1977). A pattern has one mode for each slot, -1 for a pause.
"""

from collections.abc import Iterator

from .task import INFINITE, Offer

Pattern = list[int]


class Paths:
    """The best ways through the slots of one offer."""

    def __init__(self, offer: Offer) -> None:
        self._offer = offer
        self._slots = len(offer.task.hours)
        job = offer.task.job
        self._start, self._phase = job.start_cost, job.phase_cost
        self._corners = [
            list(
                zip(c.energy_0, c.money_0, c.energy_1, c.money_1, c.energy_2, c.money_2, strict=True)
            )
            for c in offer.modes
        ]

    def best(self, worth: float) -> tuple[float, float, Pattern]:
        """Return money less `worth` for each Wh at its least, the Wh, and the pattern."""
        values = self._values(worth)
        if not self._offer.task.separable:
            pattern, total = self._path(values)
        elif len(values) == 1:
            only = values[0]
            pattern = [0 if value < 0 else -1 for value in only]
            total = sum([value for value in only if value < 0])
        else:
            pattern, total = [], 0.0
            for column in zip(*values, strict=True):
                least = min(column)
                pattern.append(column.index(least) if least < 0 else -1)
                total += min(least, 0.0)
        return total, self._energy(pattern, worth), pattern

    def wear(self, pattern: Pattern) -> float:
        """Return what starts and changes of phases cost."""
        if self._offer.task.separable:
            return 0.0
        money, before = 0.0, self._offer.task.now
        for mode in pattern:
            if mode != before:
                if mode >= 0:
                    money += self._start if before < 0 else self._phase
                before = mode
        return money

    def others(self, worth: float) -> Iterator[tuple[float, int, int, Pattern]]:
        """Yield, nearest first, how much worse the best pattern is with another mode in a slot.

        One is made for each slot and mode: what is worse, slot, mode, pattern.
        """
        values = self._values(worth)
        if self._offer.task.separable:
            yield from self._swaps(values)
        else:
            yield from self._detours(values)

    def _values(self, worth: float) -> list[list[float]]:
        return [
            [
                x if (x := k - worth * e) < (y := m - worth * f) and x < (z := n - worth * g)
                else y if y < (z := n - worth * g) else z
                for e, k, f, m, g, n in corners
            ]
            for corners in self._corners
        ]  # fmt: skip

    def _energy(self, pattern: Pattern, worth: float) -> float:
        total = 0.0
        corners = self._corners
        for slot, mode in enumerate(pattern):
            if mode >= 0:
                e, k, f, m, g, n = corners[mode][slot]
                x, y, z = k - worth * e, m - worth * f, n - worth * g
                total += g if z <= x and z <= y else f if y <= x else e
        return total

    def _swaps(self, values: list[list[float]]) -> Iterator[tuple[float, int, int, Pattern]]:
        pattern: Pattern = []
        found: list[tuple[float, int, int]] = []
        for slot, column in enumerate(zip(*values, strict=True)):
            least = min(column)
            best = column.index(least) if least < 0 else -1
            least = min(least, 0.0)
            pattern.append(best)
            if best >= 0:
                found.append((-least, slot, -1))
            found += [
                (value - least, slot, mode)
                for mode, value in enumerate(column)
                if mode != best and value < INFINITE
            ]
        found.sort()
        for worse, slot, mode in found:
            yield worse, slot, mode, [*pattern[:slot], mode, *pattern[slot + 1 :]]

    def _path(self, values: list[list[float]]) -> tuple[Pattern, float]:
        ways, ends = self._forward(values)[1:]
        state = min(range(len(ends)), key=ends.__getitem__)
        pattern = self._back(ways, self._slots, state)
        return pattern, ends[state]

    @staticmethod
    def _back(ways: list[tuple[int, ...]], slot: int, state: int) -> Pattern:
        """Return the modes up to a slot that ends in a state: 0 is a pause, 1 the first mode."""
        pattern = [0] * slot
        while slot:
            slot -= 1
            pattern[slot] = state - 1
            state = ways[slot][state]
        return pattern

    def _forward(
        self, values: list[list[float]]
    ) -> tuple[list[tuple[float, ...]], list[tuple[int, ...]], tuple[float, ...]]:
        """Return the least money to each state after each slot, where from, and at the end."""
        start, phase, now = self._start, self._phase, self._offer.task.now
        reach: list[tuple[float, ...]] = []
        ways: list[tuple[int, ...]] = []
        if len(values) == 1:
            off, on = (0.0, INFINITE) if now < 0 else (INFINITE, 0.0)
            for value in values[0]:
                fresh = off + start
                way_on = 1 if on <= fresh else 0
                if off <= on:
                    ways.append((0, way_on))
                    on = (on if way_on else fresh) + value
                else:
                    ways.append((1, way_on))
                    off, on = on, (on if way_on else fresh) + value
                reach.append((off, on))
            return reach, ways, (off, on)
        states = range(1, len(values) + 1)
        at = [0.0 if now + 1 == state else INFINITE for state in range(len(values) + 1)]
        for column in zip(*values, strict=True):
            off = at[0]
            ons = at[1:]
            running = min(ons)
            runner = ons.index(running) + 1
            fresh = off + start
            changed = running + phase
            entry, way = (fresh, 0) if fresh <= changed else (changed, runner)
            if off <= running:
                after, way_to = [off], [0]
            else:
                after, way_to = [running], [runner]
            for state in states:
                stay = at[state]
                if stay <= entry:
                    after.append(stay + column[state - 1])
                    way_to.append(state)
                else:
                    after.append(entry + column[state - 1])
                    way_to.append(way)
            at = after
            reach.append(tuple(after))
            ways.append(tuple(way_to))
        return reach, ways, tuple(at)

    def _backward(
        self, values: list[list[float]]
    ) -> tuple[list[tuple[float, ...]], list[tuple[int, ...]]]:
        """Return the least money from each state after each slot to the end, and where to."""
        start, phase = self._start, self._phase
        count = len(values) + 1
        rest: list[tuple[float, ...]] = [(0.0,) * count] * self._slots
        ways: list[tuple[int, ...]] = [(0,) * count] * self._slots
        for slot in range(self._slots - 2, -1, -1):
            following = rest[slot + 1]
            ons = [0.0] + [values[m][slot + 1] + following[m + 1] for m in range(count - 1)]
            ons[0] = INFINITE
            running = min(ons)
            runner = ons.index(running)
            pause = following[0]
            begin = running + start
            change = running + phase
            leave, way = (pause, 0) if pause <= change else (change, runner)
            here = [pause if pause <= begin else begin]
            to = [0 if pause <= begin else runner]
            for state in range(1, count):
                if ons[state] <= leave:
                    here.append(ons[state])
                    to.append(state)
                else:
                    here.append(leave)
                    to.append(way)
            rest[slot] = tuple(here)
            ways[slot] = tuple(to)
        return rest, ways

    def _detours(self, values: list[list[float]]) -> Iterator[tuple[float, int, int, Pattern]]:
        reach, come, ends = self._forward(values)
        rest, go = self._backward(values)
        least = min(ends)
        best = self._back(come, self._slots, ends.index(least))
        found = sorted(
            (a + b - least, slot, state)
            for slot, (before, after) in enumerate(zip(reach, rest, strict=True))
            for state, (a, b) in enumerate(zip(before, after, strict=True))
            if state - 1 != best[slot] and a + b < INFINITE
        )
        for worse, slot, state in found:
            pattern = self._back(come, slot + 1, state)
            at, now = slot, state
            while at < self._slots - 1:
                now = go[at][now]
                at += 1
                pattern.append(now - 1)
            yield worse, slot, state - 1, pattern
