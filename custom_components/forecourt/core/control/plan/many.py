"""Schedules of several cars that share sun, circuits and the site's limit.

Block coordinate descent: one car after the other gets the best schedule for what all others leave,
until none changes. Money never grows, so it ends. Then a few cars are taken out together and put
back in another order, first those that miss something (Joslin & Clements, "Squeaky wheel"
optimization, JAIR 10, 1999; Shaw, large neighbourhood search, CP 1998).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from .single import Schedule, schedule
from .task import INFINITE, Task, offer
from .types import PlanInputs

_BETTER = 1e-7
Saved = tuple[float, dict[int, Schedule]]


@dataclass(slots=True)
class Effort:
    """How long to search: passes over all cars, groups of cars taken out, patterns for each."""

    passes: int = 6
    groups: int = 0
    tries: int = 0


class Shared:
    """The loads of all cars, and what they leave to one of them."""

    def __init__(self, inputs: PlanInputs) -> None:
        self.inputs = inputs
        self.tasks = [Task.of(job, inputs) for job in inputs.jobs]
        self.sun_w = [max(value, 0.0) for value in inputs.surplus_w]
        self.load_w = [0.0] * inputs.slots
        self.plans: dict[int, Schedule] = {}
        self._worths: dict[int, float] = {}
        self._caps: list[Sequence[float]] = []
        self._loads: list[list[float]] = []
        numbers: dict[str, int] = {}
        for circuit in inputs.circuits:
            numbers[circuit.id] = len(self._caps)
            self._caps.append(circuit.cap_w)
            self._loads.append([0.0] * inputs.slots)
        self.paths = [
            [numbers[circuit] for circuit in inputs.circuit_path(job.circuit)]
            for job in inputs.jobs
        ]
        if inputs.site_cap_w is not None:
            for path in self.paths:
                path.append(len(self._caps))
            self._caps.append(inputs.site_cap_w)
            self._loads.append([0.0] * inputs.slots)

    def left(self, number: int) -> tuple[list[float], list[float]]:
        """Return what the others leave of sun and of capacity in the slots of a car."""
        first, last = self.tasks[number].first, self.tasks[number].last
        sun_w = [
            sun - load if sun > load else 0.0
            for sun, load in zip(self.sun_w[first:last], self.load_w[first:last], strict=True)
        ]
        room_w = [INFINITE] * (last - first)
        for circuit in self.paths[number]:
            caps = self._caps[circuit][first:last]
            loads = self._loads[circuit][first:last]
            room_w = [
                room if room < (free := cap - load + 1e-6) else free
                for room, cap, load in zip(room_w, caps, loads, strict=True)
            ]
        return sun_w, room_w

    def respond(self, number: int, tries: int = 0) -> Schedule:
        """Return the best schedule of a car that is taken out."""
        task = self.tasks[number]
        inputs = self.inputs
        sun_w, room_w = self.left(number)
        feed = inputs.feed_in_price[task.first : task.last]
        price = inputs.import_price[task.first : task.last]
        offered = offer(task, feed, price, sun_w, room_w)
        found = schedule(offered, self._worths.get(number), tries)
        self._worths[number] = found.worth
        return found

    def put(self, number: int, plan: Schedule) -> None:
        self._add(number, plan, 1.0)
        self.plans[number] = plan

    def take(self, number: int) -> Schedule:
        plan = self.plans.pop(number)
        self._add(number, plan, -1.0)
        return plan

    def _add(self, number: int, plan: Schedule, sign: float) -> None:
        first = self.tasks[number].first
        lines = [self.load_w, *(self._loads[circuit] for circuit in self.paths[number])]
        for slot, power in enumerate(plan.power_w, first):
            if power:
                for line in lines:
                    value = line[slot] + sign * power
                    # What is left of a subtraction must not add up.
                    line[slot] = value if value > 1e-6 else 0.0

    def cost(self, number: int, plan: Schedule) -> float:
        """Return what a schedule of a car that is taken out costs, with what is missing."""
        task, inputs = self.tasks[number], self.inputs
        first, hours = task.first, inputs.hours
        total = task.missing * plan.shortfall_wh + wear(task, plan.pattern)
        for slot, power in enumerate(plan.power_w, first):
            if power:
                left = self.sun_w[slot] - self.load_w[slot]
                own = power if power < left else left if left > 0 else 0.0
                money = inputs.feed_in_price[slot] * own
                money += inputs.import_price[slot] * (power - own)
                if task.extra is not None:
                    money += task.extra[slot - first] * power
                total += hours[slot] / 1000 * money
        return total

    def total(self) -> float:
        """Return what all schedules cost together, with what is missing."""
        inputs = self.inputs
        total = 0.0
        for load, sun, feed, price, hours in zip(
            self.load_w,
            self.sun_w,
            inputs.feed_in_price,
            inputs.import_price,
            inputs.hours,
            strict=True,
        ):
            if load:
                own = min(load, sun)
                total += hours / 1000 * (feed * own + price * (load - own))
        for number, plan in self.plans.items():
            task = self.tasks[number]
            total += task.missing * plan.shortfall_wh + wear(task, plan.pattern)
            if task.extra is not None:
                total += sum(
                    power * above * hours / 1000
                    for power, above, hours in zip(plan.power_w, task.extra, task.hours, strict=True)
                    if power
                )
        return total


def wear(task: Task, pattern: Sequence[int]) -> float:
    """Return what starts and changes of phases cost."""
    money, before = 0.0, task.now
    for mode in pattern:
        if mode != before:
            if mode >= 0:
                money += task.job.start_cost if before < 0 else task.job.phase_cost
            before = mode
    return money


class Descent:
    """The search; `breathe` is called between two cars."""

    def __init__(self, shared: Shared, breathe: Callable[[], None] | None) -> None:
        self._shared = shared
        self._breathe = breathe
        self._calls = 0

    def run(self, effort: Effort) -> None:
        """Leave the best schedules that were found in what is shared."""
        shared = self._shared
        orders = self._orders()
        best: Saved | None = None
        for order in orders[: 2 if len(orders[0]) <= 20 else 1]:
            for number in list(shared.plans):
                shared.take(number)
            for number in order:
                shared.put(number, self._respond(number, 0))
            self._settle(order, effort.passes, effort.tries)
            total = shared.total()
            if best is None or total < best[0]:
                best = (total, dict(shared.plans))
        if best is not None:
            self._restore(best)
            self._squeak(effort)
            self._groups(effort)

    def _orders(self) -> list[list[int]]:
        """Return the cars, first those that have the least time to spare; then by deadline."""
        tasks = self._shared.tasks
        spare, ends = {}, {}
        for number, task in enumerate(tasks):
            top_w = max((mode.max_w for mode in task.job.modes), default=0.0)
            rate_w = max(task.job.efficiency * top_w - task.job.standby_w, 1.0)
            needed_h = task.need_wh / rate_w
            spare[number] = sum(task.hours) - needed_h, task.first, number
            ends[number] = task.last, sum(task.hours) - needed_h, number
        numbers = sorted(spare, key=lambda number: -tasks[number].job.priority)
        return [
            sorted(numbers, key=lambda number: (-tasks[number].job.priority, keys[number]))
            for keys in (spare, ends)
        ]

    def _respond(self, number: int, tries: int) -> Schedule:
        if self._breathe is not None:
            self._breathe()
        self._calls += 1
        return self._shared.respond(number, tries)

    def _better(self, number: int, tries: int) -> bool:
        """Give a car a better schedule if there is one."""
        shared = self._shared
        old = shared.take(number)
        new = self._respond(number, tries)
        if new.total < shared.cost(number, old) - _BETTER:
            shared.put(number, new)
            return True
        shared.put(number, old)
        return False

    def _settle(self, order: Sequence[int], passes: int, tries: int) -> None:
        """Let one after the other improve until a whole round changes nothing."""
        quiet = 0
        for turn in range(passes * len(order)):
            quiet = 0 if self._better(order[turn % len(order)], tries) else quiet + 1
            if quiet >= len(order):
                return

    def _restore(self, saved: Saved) -> None:
        shared = self._shared
        for number, plan in saved[1].items():
            if shared.plans.get(number) is not plan:
                if number in shared.plans:
                    shared.take(number)
        for number, plan in saved[1].items():
            if number not in shared.plans:
                shared.put(number, plan)

    def _again(self, group: Sequence[int], effort: Effort, best: float) -> float:
        """Put a group back in this order; keep it if it is better. Return the least money."""
        shared = self._shared
        saved = best, dict(shared.plans)
        for number in group:
            shared.take(number)
        for number in group:
            shared.put(number, self._respond(number, effort.tries))
        for number in group:
            self._better(number, effort.tries)
        total = shared.total()
        if total < best - _BETTER:
            return total
        self._restore(saved)
        return best

    def _squeak(self, effort: Effort) -> None:
        """Let who misses something choose first."""
        shared = self._shared
        best = shared.total()
        for _ in range(4):
            missing = [number for number, plan in shared.plans.items() if plan.shortfall_wh]
            if not missing:
                return
            before = best
            for number in missing:
                if shared.plans[number].shortfall_wh:
                    best = self._again([number, *self._rivals(number)], effort, best)
            if best >= before - _BETTER:
                return

    def _rivals(self, number: int) -> list[int]:
        """Return who shares slots with a car, first who has least time to spare."""
        tasks = self._shared.tasks
        first, last = tasks[number].first, tasks[number].last
        return [
            other
            for other in self._orders()[0]
            if other != number and tasks[other].first < last and first < tasks[other].last
        ]

    def _groups(self, effort: Effort) -> None:
        best = self._shared.total()
        calls = self._calls
        for group in self._pairs():
            if self._calls - calls >= effort.groups:
                return
            best = self._again(group, effort, best)

    def _pairs(self) -> Iterator[Sequence[int]]:
        numbers = sorted(self._shared.plans)
        for _ in range(4):
            before = dict(self._shared.plans)
            for one, two in combinations(numbers, 2):
                yield one, two
                yield two, one
            for trio in combinations(numbers, 3):
                yield trio
                yield trio[::-1]
            if before == self._shared.plans:
                return
