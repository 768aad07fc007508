"""One job as the search sees it: what each slot offers, in W, Wh and money per Wh."""

from collections.abc import Sequence
from dataclasses import dataclass

from .types import Job, PlanInputs

INFINITE = float("inf")
Segment = tuple[float, int, int, float, bool]


@dataclass(frozen=True, slots=True)
class Task:
    """What of a job does not depend on what the others do.

    All lists begin with slot `first`. `now` is the mode that runs when the plan begins, -1 for
    none. `need_wh` shall reach the battery, `most_wh` at most does: a car that needs less than
    the least that a slot gives still gets that.
    """

    job: Job
    first: int
    last: int
    hours: tuple[float, ...]
    extra: tuple[float, ...] | None
    need_wh: float
    most_wh: float
    missing: float
    now: int
    separable: bool

    @classmethod
    def of(cls, job: Job, inputs: PlanInputs) -> Task:
        """Return the task of a job; one that ends before it begins has no slots."""
        first = max(job.arrival, 0)
        last = max(first, min(job.deadline, inputs.slots))
        extra = None
        if job.allowed is not None and not all(job.allowed[first:last]):
            above = INFINITE if job.over_cap_cost is None else job.over_cap_cost
            extra = tuple(0.0 if ok else above for ok in job.allowed[first:last])
        need_wh = max(job.energy_wh, 0.0)
        least_w = min((mode.min_w for mode in job.modes), default=0.0)
        least_wh = max(job.efficiency * least_w - job.standby_w, 0.0) * inputs.slot_s / 3600
        room_wh = need_wh if job.room_wh is None else max(job.room_wh, need_wh)
        now = -1
        if first == 0:
            now = next((m for m, mode in enumerate(job.modes) if mode.phases == job.phases_now), -1)
        return cls(
            job=job,
            first=first,
            last=last,
            hours=inputs.hours[first:last],
            extra=extra,
            need_wh=need_wh,
            most_wh=max(room_wh, need_wh + least_wh) if need_wh else room_wh,
            missing=job.missing_cost / 1000,
            now=now,
            separable=job.start_cost <= 0 and (job.phase_cost <= 0 or len(job.modes) < 2),
        )


@dataclass(frozen=True, slots=True)
class Corners:
    """What one mode offers in each slot: the least, all of the sun, and the most that it may draw.

    Between two corners money and energy grow in proportion. Where a mode cannot run, money is
    infinite. Where importing is cheaper than exporting, the middle corner is the first again: no
    optimum lies on it.
    """

    energy_0: list[float]
    money_0: list[float]
    energy_1: list[float]
    money_1: list[float]
    energy_2: list[float]
    money_2: list[float]
    low_w: list[float]
    high_w: list[float]


@dataclass(frozen=True, slots=True)
class Offer:
    """What all slots offer to one task, given what the others leave of sun and capacity."""

    task: Task
    feed: Sequence[float]
    price: Sequence[float]
    sun_w: Sequence[float]
    modes: list[Corners]
    segments: list[Segment]
    """What can be added to the least power, cheapest first: money per Wh, slot, mode, Wh, and
    whether importing is cheaper than exporting, so that the first part costs more."""

    def money(self, slot: int, power_w: float) -> float:
        """Return what a power costs in a slot."""
        hours, sun_w = self.task.hours[slot] / 1000, self.sun_w[slot]
        extra = self.task.extra
        above = extra[slot] if extra is not None and power_w > 0 else 0.0
        price = self.feed[slot] * min(power_w, sun_w) + self.price[slot] * max(power_w - sun_w, 0.0)
        return hours * (price + above * power_w)

    def energy(self, slot: int, power_w: float) -> float:
        """Return what of a power reaches the battery."""
        job = self.task.job
        return (job.efficiency * power_w - job.standby_w) * self.task.hours[slot]


def offer(
    task: Task,
    feed: Sequence[float],
    price: Sequence[float],
    sun_w: Sequence[float],
    room_w: Sequence[float],
) -> Offer:
    """Return what the slots of a task offer; prices are per kWh, all sequences its slots."""
    segments: list[Segment] = []
    job, extra = task.job, task.extra
    eta, standby_w = job.efficiency, job.standby_w
    per_wh = 1 / (1000 * eta)
    add = segments.append
    modes: list[Corners] = []
    rows = list(enumerate(zip(task.hours, feed, price, sun_w, room_w, strict=True)))
    for number, mode in enumerate(job.modes):
        e_0: list[float] = []
        k_0: list[float] = []
        e_1: list[float] = []
        k_1: list[float] = []
        e_2: list[float] = []
        k_2: list[float] = []
        lows: list[float] = []
        highs: list[float] = []
        low, top = mode.min_w, mode.max_w
        for slot, (hours, sell, buy, sun, room) in rows:
            high = top if top <= room else room
            lows.append(low)
            highs.append(high)
            if extra is not None:
                sell += extra[slot]  # noqa: PLW2901 - it costs so much more here
                buy += extra[slot]  # noqa: PLW2901
            e_high = (eta * high - standby_w) * hours
            if high < low or e_high <= 0 or buy == INFINITE:
                e_0.append(0.0)
                k_0.append(INFINITE)
                e_1.append(0.0)
                k_1.append(INFINITE)
                e_2.append(0.0)
                k_2.append(INFINITE)
                continue
            scale = hours / 1000
            e_low = (eta * low - standby_w) * hours
            if sun <= low:
                k_low = scale * (sell * sun + buy * (low - sun))
                k_high = k_low + scale * buy * (high - low)
                if high > low:
                    add((buy * per_wh, slot, number, e_high - e_low, False))
                e_1.append(e_low)
                k_1.append(k_low)
            elif sun >= high:
                k_low = scale * sell * low
                k_high = scale * sell * high
                if high > low:
                    add((sell * per_wh, slot, number, e_high - e_low, False))
                e_1.append(e_low)
                k_1.append(k_low)
            else:
                k_low = scale * sell * low
                k_high = scale * (sell * sun + buy * (high - sun))
                if buy >= sell:
                    e_mid = (eta * sun - standby_w) * hours
                    e_1.append(e_mid)
                    k_1.append(scale * sell * sun)
                    add((sell * per_wh, slot, number, e_mid - e_low, False))
                    add((buy * per_wh, slot, number, e_high - e_mid, False))
                else:
                    e_1.append(e_low)
                    k_1.append(k_low)
                    more = e_high - e_low
                    add(((k_high - k_low) / more, slot, number, more, True))
            e_0.append(e_low)
            k_0.append(k_low)
            e_2.append(e_high)
            k_2.append(k_high)
        modes.append(Corners(e_0, k_0, e_1, k_1, e_2, k_2, lows, highs))
    segments.sort()
    return Offer(task, feed, price, sun_w, modes, segments)
