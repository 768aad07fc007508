"""The plan if every power from nothing to the most were possible: a bound, and a good beginning.

Without integers the job is a flow of energy from slots through circuits to cars. What slots can
give together is a polymatroid, and money depends on the slot alone, so to fill the cheapest slots
first is exact (Edmonds 1970; Megiddo, Mathematical Programming 7, 1974). Where a car already has
what it needs, it hands another slot to somebody else: an augmenting path.
"""

from collections.abc import Callable
from dataclasses import dataclass

from .task import INFINITE, Task
from .types import PlanInputs

_TINY_WH = 1e-3


@dataclass(frozen=True, slots=True)
class Flow:
    """Power of each car in the slots of its task, and the least money that is possible at all."""

    power_w: list[list[float]]
    bound: float


class _Net:
    """Energy in Wh at the meter; circuit 0 is the site's grid connection."""

    def __init__(self, inputs: PlanInputs, tasks: list[Task]) -> None:
        self._tasks = tasks
        self._slots = inputs.slots
        hours = inputs.hours
        numbers = {circuit.id: number for number, circuit in enumerate(inputs.circuits, 1)}
        site = inputs.site_cap_w or [INFINITE] * inputs.slots
        self._above = [-1] + [
            0 if circuit.parent is None else numbers[circuit.parent] for circuit in inputs.circuits
        ]
        self._room = [
            [max(cap, 0.0) * h for cap, h in zip(caps, hours, strict=True)]
            for caps in [site, *(circuit.cap_w for circuit in inputs.circuits)]
        ]
        self._flow = [[0.0] * inputs.slots for _ in self._room]
        self.circuit = [
            0 if task.job.circuit is None else numbers[task.job.circuit] for task in tasks
        ]
        self._below: list[list[int]] = [[] for _ in self._room]
        used = set(self.circuit)
        for number in list(used):
            at = number
            while at >= 0:
                used.add(at)
                at = self._above[at]
        for number in sorted(used - {0}):
            self._below[self._above[number]].append(number)
        self.rates = [_rate(task) for task in tasks]
        self.need = [
            task.need_wh / rate if rate > 0 else 0.0
            for task, rate in zip(tasks, self.rates, strict=True)
        ]
        self.most: list[list[float]] = []
        for task in tasks:
            top_w = max((mode.max_w for mode in task.job.modes), default=0.0)
            most = [top_w * h for h in task.hours]
            if task.extra is not None:
                most = [0.0 if x == INFINITE else m for m, x in zip(most, task.extra, strict=True)]
            self.most.append(most)
        self.took = [[0.0] * len(task.hours) for task in tasks]
        self._cars: list[list[list[int]]] = [[[] for _ in hours] for _ in self._room]
        by_priority = sorted(range(len(tasks)), key=lambda number: -tasks[number].missing)
        for number in by_priority:
            for slot in range(tasks[number].first, tasks[number].last):
                if self.most[number][slot - tasks[number].first] > 0:
                    self._cars[self.circuit[number]][slot].append(number)

    def push(self, slot: int, limit: float) -> float:
        """Give cars as much more from a slot as can be; return how much."""
        given = 0.0
        while limit - given > _TINY_WH:
            found = self._search(slot)
            if found is None:
                break
            more = min(found[1], limit - given)
            self._apply(found[0], more)
            given += more
        return given

    def _search(self, slot: int) -> tuple[list[tuple[int, int, float]], float] | None:
        """Return a path from a slot to a car that needs something, and what it can carry."""
        slots, cars_at = self._slots, len(self._room) * self._slots
        if self._room[0][slot] - self._flow[0][slot] <= _TINY_WH:
            return None
        came: dict[int, int] = {slot: -1}
        queue = [slot]
        for node in queue:
            if node >= cars_at:
                number = node - cars_at
                if self.need[number] > _TINY_WH:
                    return self._path(came, node)
                base = self.circuit[number] * slots + self._tasks[number].first
                for at, took in enumerate(self.took[number], base):
                    if took > _TINY_WH and at not in came:
                        came[at] = node
                        queue.append(at)
                continue
            circuit, at = divmod(node, slots)
            for number in self._cars[circuit][at]:
                car = cars_at + number
                if car not in came:
                    place = at - self._tasks[number].first
                    if self.most[number][place] - self.took[number][place] > _TINY_WH:
                        came[car] = node
                        queue.append(car)
            for below in self._below[circuit]:
                to = below * slots + at
                if to not in came and self._room[below][at] - self._flow[below][at] > _TINY_WH:
                    came[to] = node
                    queue.append(to)
            if circuit and self._flow[circuit][at] > _TINY_WH:
                to = self._above[circuit] * slots + at
                if to not in came:
                    came[to] = node
                    queue.append(to)
        return None

    def _path(
        self, came: dict[int, int], node: int
    ) -> tuple[list[tuple[int, int, float]], float]:
        """Return the steps to a car, each (from, to, room), and the least room."""
        slots, cars_at = self._slots, len(self._room) * self._slots
        steps: list[tuple[int, int, float]] = []
        least = self.need[node - cars_at]
        while (before := came[node]) >= 0:
            if node >= cars_at:
                number, place = node - cars_at, before % slots
                place -= self._tasks[number].first
                room = self.most[number][place] - self.took[number][place]
            elif before >= cars_at:
                number = before - cars_at
                room = self.took[number][node % slots - self._tasks[number].first]
            else:
                one, at = divmod(before, slots)
                two = node // slots
                down = self._above[two] == one
                room = self._room[two][at] - self._flow[two][at] if down else self._flow[one][at]
            steps.append((before, node, room))
            least = min(least, room)
            node = before
        return steps, min(least, self._room[0][node] - self._flow[0][node])

    def _apply(self, steps: list[tuple[int, int, float]], more: float) -> None:
        slots, cars_at = self._slots, len(self._room) * self._slots
        self.need[steps[0][1] - cars_at] -= more
        self._flow[0][steps[-1][0] % slots] += more
        for before, node, _ in steps:
            if node >= cars_at:
                number = node - cars_at
                self.took[number][before % slots - self._tasks[number].first] += more
            elif before >= cars_at:
                number = before - cars_at
                self.took[number][node % slots - self._tasks[number].first] -= more
            else:
                one, at = divmod(before, slots)
                two = node // slots
                if self._above[two] == one:
                    self._flow[two][at] += more
                else:
                    self._flow[one][at] -= more


def _rate(task: Task) -> float:
    """Return what of a Wh at the meter can reach the battery at best."""
    job = task.job
    top_w = max((mode.max_w for mode in job.modes), default=0.0)
    return job.efficiency - job.standby_w / top_w if top_w > 0 else 0.0


def relaxed(
    inputs: PlanInputs, tasks: list[Task], breathe: Callable[[], None] | None = None
) -> Flow:
    """Return the plan without integers, losses at their least, each car started once.

    Starting once is priced by the Wh, which is never more than it costs: what is missing counts
    so much less.
    """
    net = _Net(inputs, tasks)
    rows: list[tuple[float, int, float]] = []
    for slot, (feed, price, surplus_w, hours) in enumerate(
        zip(
            inputs.feed_in_price, inputs.import_price, inputs.surplus_w, inputs.hours, strict=True
        )
    ):
        sun_wh = max(surplus_w, 0.0) * hours
        if feed <= price:
            rows += [(feed, slot, sun_wh), (price, slot, INFINITE)]
        else:
            # Importing is cheaper than exporting: as if all were imported is a bound.
            rows.append((price, slot, INFINITE))
    starts, worth = 0.0, INFINITE
    for task, rate in zip(tasks, net.rates, strict=True):
        if task.need_wh <= 0:
            continue
        start = task.job.start_cost if task.now < 0 else 0.0
        start = min(max(start, 0.0), task.missing * task.need_wh)
        starts += start
        if rate > 0:
            worth = min(worth, 1000 * (task.missing - start / task.need_wh) * rate)
    rows.sort()
    total = starts
    for price, slot, limit in rows:
        if price >= worth or not any(need > _TINY_WH for need in net.need):
            break
        total += price / 1000 * net.push(slot, limit)
        if breathe is not None:
            breathe()
    lost = sum(max(need, 0.0) for need in net.need)
    if lost > 0 and worth < INFINITE:
        total += worth / 1000 * lost
    powers = [
        [took / hours for took, hours in zip(net.took[number], task.hours, strict=True)]
        for number, task in enumerate(tasks)
    ]
    return Flow(powers, total)
