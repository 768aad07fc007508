"""The exact optimum by HiGHS: the same problem as a mixed-integer programme."""

from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np

from custom_components.forecourt.core.control.plan.task import INFINITE, Task
from custom_components.forecourt.core.control.plan.types import PlanInputs


@dataclass(frozen=True, slots=True)
class Optimum:
    """What HiGHS proved: the best schedule costs `cost`, none less than `bound`; money with what
    is missing, `missing_wh` for each job. Both are infinite where it found nothing in time.
    """

    cost: float
    bound: float
    missing_wh: tuple[float, ...]


class _Model:
    def __init__(self) -> None:
        self.cost: list[float] = []
        self.upper: list[float] = []
        self.integer: list[bool] = []
        self.rows: list[tuple[float, float, list[tuple[int, float]]]] = []

    def variable(self, cost: float, upper: float, *, integer: bool = False) -> int:
        self.cost.append(cost)
        self.upper.append(upper)
        self.integer.append(integer)
        return len(self.cost) - 1

    def row(self, low: float, terms: list[tuple[int, float]], high: float) -> None:
        self.rows.append((low, high, terms))

    def solve(self, gap: float, seconds: float) -> tuple[float, float, Any]:
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = len(self.cost), len(self.rows)
        lp.col_cost_ = np.array(self.cost)
        lp.col_lower_ = np.zeros(len(self.cost))
        lp.col_upper_ = np.array(self.upper)
        lp.row_lower_ = np.array([row[0] for row in self.rows])
        lp.row_upper_ = np.array([row[1] for row in self.rows])
        lp.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        ends = np.cumsum([0] + [len(row[2]) for row in self.rows])
        lp.a_matrix_.start_ = ends
        lp.a_matrix_.index_ = np.array([term[0] for row in self.rows for term in row[2]])
        lp.a_matrix_.value_ = np.array([term[1] for row in self.rows for term in row[2]])
        mixed = any(self.integer)
        if mixed:
            kinds = highspy.HighsVarType
            lp.integrality_ = [kinds.kInteger if one else kinds.kContinuous for one in self.integer]
        solver = highspy.Highs()
        solver.setOptionValue("output_flag", False)
        solver.setOptionValue("threads", 1)
        solver.setOptionValue("mip_rel_gap", gap)
        solver.setOptionValue("time_limit", seconds)
        solver.passModel(lp)
        solver.run()
        info = solver.getInfo()
        values = solver.getSolution().col_value
        if not len(values):
            return INFINITE, INFINITE, None
        bound = info.mip_dual_bound if mixed else info.objective_function_value
        return info.objective_function_value, bound, values


def optimum(
    inputs: PlanInputs, *, relaxed: bool = False, gap: float = 1e-5, seconds: float = 60.0
) -> Optimum:
    """Return the optimum; `relaxed` without integers, which is a bound.

    Power in kW and energy in kWh, which the solver's tolerances are made for.
    """
    model = _Model()
    hours = inputs.hours
    loads: list[list[int]] = [[] for _ in range(inputs.slots)]
    drawn: dict[tuple[str, int], list[int]] = {}
    missing = []
    for job in inputs.jobs:
        task = Task.of(job, inputs)
        path = inputs.circuit_path(job.circuit)
        lack = model.variable(1000 * task.missing, max(task.need_wh, 0) / 1000)
        missing.append(lack)
        battery = [(lack, 1.0)]
        before: list[int] = []
        for slot in range(task.first, task.last):
            on: list[int] = []
            above = 0.0 if task.extra is None else task.extra[slot - task.first]
            for mode in job.modes:
                runs = model.variable(0.0, 0.0 if above == INFINITE else 1.0, integer=not relaxed)
                extra = 0.0 if above == INFINITE else above
                power = model.variable(extra * hours[slot], mode.max_w / 1000)
                model.row(-INFINITE, [(power, 1.0), (runs, -mode.max_w / 1000)], 0.0)
                model.row(0.0, [(power, 1.0), (runs, -mode.min_w / 1000)], INFINITE)
                battery.append((power, job.efficiency * hours[slot]))
                battery.append((runs, -job.standby_w / 1000 * hours[slot]))
                on.append(runs)
                loads[slot].append(power)
                for circuit in path:
                    drawn.setdefault((circuit, slot), []).append(power)
            if len(on) > 1:
                model.row(-INFINITE, [(runs, 1.0) for runs in on], 1.0)
            _wear(model, task, before, on)
            before = on
        model.row(task.need_wh / 1000, battery, INFINITE)
        model.row(-INFINITE, battery[1:], task.most_wh / 1000)
    for circuit in inputs.circuits:
        for slot, cap_w in enumerate(circuit.cap_w):
            if powers := drawn.get((circuit.id, slot)):
                model.row(-INFINITE, [(power, 1.0) for power in powers], cap_w / 1000)
    for slot, powers in enumerate(loads):
        if powers:
            _grid(model, inputs, slot, powers)
    cost, bound, values = model.solve(gap, seconds)
    lacks = tuple(1000 * values[lack] for lack in missing) if values is not None else ()
    return Optimum(cost, bound, lacks)


def _wear(model: _Model, task: Task, before: list[int], on: list[int]) -> None:
    job = task.job
    if job.start_cost > 0 and on and (before or task.now < 0):
        start = model.variable(job.start_cost, 1.0)
        terms = [(start, 1.0)] + [(runs, -1.0) for runs in on] + [(runs, 1.0) for runs in before]
        model.row(0.0, terms, INFINITE)
    if job.phase_cost > 0 and len(on) > 1:
        for mode, runs in enumerate(on):
            change = model.variable(job.phase_cost, 1.0)
            others = [other for number, other in enumerate(before) if number != mode]
            if before:
                terms = [(change, 1.0), (runs, -1.0)] + [(other, -1.0) for other in others]
                model.row(-1.0, terms, INFINITE)
            elif task.now not in (-1, mode):
                model.row(0.0, [(change, 1.0), (runs, -1.0)], INFINITE)


def _grid(model: _Model, inputs: PlanInputs, slot: int, powers: list[int]) -> None:
    """Price what the jobs draw: surplus at the feed-in price, the rest at the import price."""
    hours = inputs.hours[slot]
    feed, price = inputs.feed_in_price[slot], inputs.import_price[slot]
    sun = max(inputs.surplus_w[slot], 0.0) / 1000
    most = sum(model.upper[power] for power in powers)
    for power in powers:
        model.cost[power] += feed * hours
    if inputs.site_cap_w is not None:
        terms = [(power, 1.0) for power in powers]
        model.row(-INFINITE, terms, max(inputs.site_cap_w[slot], 0.0) / 1000)
    bought = model.variable((price - feed) * hours, most)
    if price >= feed:
        model.row(-sun, [(bought, 1.0)] + [(power, -1.0) for power in powers], INFINITE)
    else:
        # Importing is cheaper: what counts as imported is held down by what is drawn.
        buys = model.variable(0.0, 1.0, integer=True)
        model.row(-INFINITE, [(bought, 1.0), (buys, -most)], 0.0)
        terms = [(bought, 1.0), (buys, sun)] + [(power, -1.0) for power in powers]
        model.row(-INFINITE, terms, 0.0)
