"""Instances as optimisation measurements describe them: 15 minutes, German-like prices, 8 ct feed-in.

Seeded. Prices and sun come from real traces where a folder is given.
"""

import csv
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
import math
from pathlib import Path
from random import Random

from custom_components.forecourt.core.control.plan.types import CircuitLimit, Job, Mode, PlanInputs

START = datetime(2026, 5, 4, 10, tzinfo=UTC)
FEED_IN = 0.08
FEES = 0.18
ONE = Mode(phases=1, min_w=1380, max_w=3680)
THREE = Mode(phases=3, min_w=4140, max_w=11040)
WALLBOXES = ((ONE,), (THREE,), (ONE, THREE))
CAR = {"efficiency": 0.93, "standby_w": 150.0}
START_COST = 0.02
PHASE_COST = 0.01
UNMET_COST = 1.5
PARAMETERS = {
    "slot_s": 900,
    "feed_in": FEED_IN,
    "import": "0.18 + day-ahead",
    "one_phase_w": [ONE.min_w, ONE.max_w],
    "three_phase_w": [THREE.min_w, THREE.max_w],
    "car": CAR,
    "start_cost": START_COST,
    "phase_cost": PHASE_COST,
    "unmet_cost": UNMET_COST,
}


class Traces:
    """Day-ahead prices (per kWh) and sun (of a plant of 1 kWp), of real days or made up."""

    def __init__(self, folder: Path | None = None) -> None:
        self.prices: list[float] = []
        self.suns: list[list[float]] = []
        if folder is not None:
            self._read(folder)

    def _read(self, folder: Path) -> None:
        for path in sorted(folder.glob("prices_*.csv")):
            with path.open(encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    self.prices += [float(row["eur_per_mwh"]) / 1000] * 4
        for path in sorted(folder.glob("*ac_power*.csv")):
            days: dict[str, list[list[float]]] = {}
            with path.open(encoding="utf-8") as file:
                for row in csv.DictReader(file):
                    at = datetime.fromisoformat(row["measured_on"])
                    day = days.setdefault(at.date().isoformat(), [[] for _ in range(96)])
                    value = float(next(v for k, v in row.items() if k.startswith("ac_power")))
                    day[at.hour * 4 + at.minute // 15].append(max(value, 0.0))
            for day in days.values():
                if sum(map(bool, day)) >= 48:
                    self.suns.append([sum(slot) / len(slot) if slot else 0.0 for slot in day])
        top = max((max(day) for day in self.suns), default=1.0)
        self.suns = [[value / top * 0.85 for value in day] for day in self.suns]

    def price(self, random: Random, slots: int, first: int) -> list[float]:
        """Return prices of slots that begin `first` slots after midnight."""
        if self.prices:
            days = len(self.prices) // 96 - slots // 96 - 2
            begin = random.randrange(days) * 96 + first
            return self.prices[begin : begin + slots]
        values: list[float] = []
        level = random.uniform(0.06, 0.13)
        dip = random.uniform(0.0, 0.10)
        morning, evening = random.uniform(0.01, 0.06), random.uniform(0.02, 0.10)
        noise = 0.0
        for number in range(first, first + slots):
            hour = number % 96 / 4
            if number % 4 == 0 or number == first:
                noise = random.gauss(0, 0.012)
            value = level + morning * _bell(hour, 8, 1.6) + evening * _bell(hour, 19.5, 2.0)
            value -= dip * _bell(hour, 13.3, 2.4) + 0.02 * _bell(hour, 3.2, 2.2)
            values.append(value + noise + random.gauss(0, 0.003))
        return values

    def sun(self, random: Random, slots: int, first: int) -> list[float]:
        """Return W of a plant of 1 kWp for slots that begin `first` slots after midnight."""
        values: list[float] = []
        for number in range(first, first + slots):
            slot = number % 96
            if slot == 0 or not values:
                real = random.choice(self.suns) if self.suns else None
                cover, depth = random.betavariate(1.2, 1.4), random.uniform(0.3, 0.85)
                scale, cloud = random.uniform(0.5, 1.0), 0.0
            if real is not None:
                values.append(1000 * real[slot] * scale)
                continue
            if random.random() < 0.3 or slot == 0:
                cloud = 1.0 if random.random() < cover else 0.0
            light = max(0.0, math.sin(math.pi * (slot / 4 - 5.5) / 14.5)) ** 1.3
            values.append(850 * light * (1 - cloud * depth) * random.uniform(0.93, 1.0))
        return values


def _bell(hour: float, middle: float, width: float) -> float:
    return math.exp(-(((hour - middle) / width) ** 2) / 2)


def single(random: Random, traces: Traces) -> PlanInputs:
    """Return one car at home: 48 to 128 slots, with or without sun, with losses and wear."""
    slots = random.randrange(48, 129)
    first = random.randrange(96)
    modes = random.choice(WALLBOXES)
    price = [FEES + value for value in traces.price(random, slots, first)]
    surplus = [0.0] * slots
    if random.random() < 0.585:
        surplus = home(random, traces, slots, first)
    arrival = random.randrange(slots // 4)
    deadline = random.randrange(max(arrival + 12, slots // 2), slots + 1)
    power_w = max(mode.max_w for mode in modes) * CAR["efficiency"] - CAR["standby_w"]
    most_wh = 0.9 * power_w * (deadline - arrival) / 4
    job = Job(
        id="car",
        energy_wh=min(random.uniform(4000, 40000), most_wh),
        modes=modes,
        arrival=arrival,
        deadline=deadline,
        start_cost=random.choice((0.0, START_COST)),
        phase_cost=random.choice((0.0, PHASE_COST)),
        unmet_cost=UNMET_COST,
        **CAR,
    )
    return _inputs(price, surplus, [job])


def home(random: Random, traces: Traces, slots: int, first: int) -> list[float]:
    """Return what a plant of 4 to 12 kWp leaves beyond a house."""
    peak, base = random.uniform(4, 12), random.uniform(200, 500)
    sun = traces.sun(random, slots, first)
    house = [base + (random.uniform(500, 2500) if random.random() < 0.1 else 0) for _ in sun]
    return [peak * value - used for value, used in zip(sun, house, strict=True)]


def many(random: Random, traces: Traces, cars: int, slots: int) -> PlanInputs:
    """Return a garage: cars in two levels of circuits, sharing sun; at times there is little room.

    No losses and no wear, as in the facts that the baselines are compared with.
    """
    first = random.randrange(96)
    price = [FEES + value for value in traces.price(random, slots, first)]
    scale = cars * random.uniform(0.5, 2.0)
    surplus = [
        scale * value - 100 * cars * random.uniform(0.5, 1.5)
        for value in traces.sun(random, slots, first)
    ]
    jobs = []
    groups = max(1, round(cars / 6))
    need_w = [0.0] * groups
    for number in range(cars):
        modes = random.choice(((ONE,), (THREE,), (THREE,)))
        arrival = random.randrange(slots // 2)
        deadline = min(slots, arrival + random.randrange(16, slots // 2 + 16))
        most_wh = modes[0].max_w * (deadline - arrival) / 4
        energy_wh = min(random.uniform(5000, 40000), random.uniform(0.3, 0.8) * most_wh)
        need_w[number % groups] += 4 * energy_wh / (deadline - arrival)
        jobs.append(
            Job(
                id=str(number),
                energy_wh=energy_wh,
                modes=modes,
                arrival=arrival,
                deadline=deadline,
                unmet_cost=UNMET_COST,
                circuit=f"group {number % groups}",
            )
        )
    tight = random.uniform(1.0, 2.5)
    caps = [max(11100.0, tight * need) for need in need_w]
    circuits = [
        CircuitLimit(id=f"group {number}", cap_w=[cap] * slots, parent="all")
        for number, cap in enumerate(caps)
    ]
    root = max(11100.0, 0.85 * sum(caps))
    circuits.append(CircuitLimit(id="all", cap_w=[root] * slots))
    return _inputs(price, surplus, jobs, circuits)


def _inputs(
    price: Sequence[float],
    surplus: Sequence[float],
    jobs: Sequence[Job],
    circuits: Sequence[CircuitLimit] = (),
) -> PlanInputs:
    return PlanInputs(
        start=START,
        import_price=price,
        feed_in_price=[FEED_IN] * len(price),
        surplus_w=surplus,
        jobs=jobs,
        circuits=circuits,
    )


def shifted(inputs: PlanInputs, slots: int) -> datetime:
    """Return when a slot of some instance begins."""
    return inputs.start + timedelta(seconds=slots * inputs.slot_s)
