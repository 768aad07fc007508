"""How much a charge still has to get."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from ..model.evse import EvseState
from ..model.goal import Goal
from ..model.session import Session
from ..model.supply import Measured
from ..model.vehicle import Vehicle

EFFICIENCY = 0.9
"""How much of what the meter counts reaches the battery of a car (HTW Berlin 2025: 76 to 90 %)."""

CREDIBLE = timedelta(hours=6)
"""How old a state of charge may be that is advanced by what was measured since."""

LARGEST_WH = 100_000
"""What a car may take of which nothing is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Soc:
    """The state of charge of a car, when it was told, and what had flown by then."""

    percent: float
    at: datetime
    energy_wh: int


def soc_of(soc: Measured | None, session: Session | None, known: Soc | None) -> Soc | None:
    """Return what is known of the state of charge, with where the session stood when it was told.

    A value that was told before keeps its place; a new one gets the present one.
    """
    if soc is None or session is None:
        return known if session is not None else None
    if known is not None and known.at >= soc.at:
        return known
    return Soc(percent=soc.value, at=soc.at, energy_wh=session.energy_wh)


def soc_now(
    soc: Soc | None, vehicle: Vehicle | None, session: Session | None, now: datetime
) -> float | None:
    """Return the state of charge in percent, advanced by the energy measured since it was told.

    `None` where nobody told it or the car is another one.
    """
    if soc is None or session is None or now - soc.at > CREDIBLE:
        return None
    if vehicle is None or not vehicle.capacity_wh:
        return soc.percent
    since_wh = max(0, session.energy_wh - soc.energy_wh)
    return min(100.0, soc.percent + 100 * since_wh * EFFICIENCY / vehicle.capacity_wh)


def need_wh(goal: Goal, session: Session | None, percent: float | None, car: Vehicle | None) -> int:
    """Return what shall still flow, at the meter; 0 once the goal is reached.

    By the state of charge where a target for it is set and both it and the battery are known,
    else by the energy that was asked for, else as much as the car may take.
    """
    charged_wh = 0 if session is None else session.energy_wh
    if goal.target_soc_percent is not None and percent is not None:
        missing = goal.target_soc_percent - percent
        if missing <= 0:
            return 0
        if car is not None and car.capacity_wh:
            return round(missing / 100 * car.capacity_wh / EFFICIENCY)
    if goal.energy_wh is not None:
        return max(0, goal.energy_wh - charged_wh)
    if car is not None and car.capacity_wh:
        left = 1.0 if percent is None else 1 - percent / 100
        if percent is None:
            return max(0, round(car.capacity_wh / EFFICIENCY) - charged_wh)
        return round(left * car.capacity_wh / EFFICIENCY)
    return max(0, LARGEST_WH - charged_wh)


def minimum_wh(goal: Goal, session: Session | None) -> int:
    """Return what shall still flow before anything is saved."""
    return max(0, goal.minimum_wh - (0 if session is None else session.energy_wh))


def goal_reached(state: EvseState, percent: float | None) -> bool:
    """Return whether a charge has all that was asked for; one that nobody bounded never has."""
    goal, session = state.wanted, state.session
    if session is None:
        return False
    if goal.target_soc_percent is not None and percent is not None:
        return percent >= goal.target_soc_percent
    return goal.energy_wh is not None and session.energy_wh >= goal.energy_wh
