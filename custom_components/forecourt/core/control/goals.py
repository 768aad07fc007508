"""Says when a charge is held, by what it is for."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal

from ..model.evse import EvseState
from ..model.goal import ChargeMode
from ..model.reading import PHASES, VOLTS
from ..model.session import Session
from ..model.setpoint import LimitReason

UNKNOWN_WH = 50_000
"""What a car may take of which nobody said how much it shall."""

RESERVE = timedelta(minutes=15)
"""How much earlier than at the last moment a charge begins that shall be ready in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """What energy costs now, per kWh; `None` where nobody knows. `zone` is the site's clock."""

    price: Decimal | None = None
    zone: tzinfo = UTC


def held(state: EvseState, max_current_a: int, tariff: Tariff, now: datetime) -> LimitReason | None:
    """Return why nothing shall flow now, `None` if it may.

    Above the price cap a charge waits, unless what comes first has not flown yet, or it would
    not be ready in time: see `latest_start`. A price that nobody knows holds nothing.
    """
    goal, session = state.wanted, state.session
    if goal.mode is ChargeMode.OFF:
        return LimitReason.MODE_OFF
    if session is None:
        return None
    if _reached(state, session):
        return LimitReason.GOAL_REACHED
    if goal.budget is not None and session.cost is not None and session.cost >= goal.budget:
        return LimitReason.BUDGET_SPENT
    waits = _waits(state, session, max_current_a, tariff, now)
    return LimitReason.WAITING_FOR_PRICE if waits else None


def _waits(
    state: EvseState, session: Session, max_current_a: int, tariff: Tariff, now: datetime
) -> bool:
    goal = state.wanted
    if goal.price_cap is None or tariff.price is None or tariff.price <= goal.price_cap:
        return False
    if session.energy_wh < goal.minimum_wh:
        return False
    ready_at = goal.deadline(now, tariff.zone)
    return ready_at is None or now < latest_start(state, session, max_current_a, ready_at)


def latest_start(
    state: EvseState, session: Session, max_current_a: int, ready_at: datetime
) -> datetime:
    """Return when a charge must begin at last to be ready in time.

    It gets all that the station can give, on as many phases as the car is seen to use, else on
    three.
    """
    power_w = max_current_a * VOLTS * PHASES
    reading = state.reading
    if reading is not None and reading.current_a is not None:
        used = sum(current is not None and current > 1 for current in reading.current_a)
        power_w = max_current_a * VOLTS * (used or PHASES)
    needed_wh = (state.wanted.energy_wh or UNKNOWN_WH) - session.energy_wh
    return ready_at - RESERVE - timedelta(hours=max(0, needed_wh) / power_w)


def _reached(state: EvseState, session: Session) -> bool:
    goal, reading = state.wanted, state.reading
    percent = None if reading is None else reading.soc_percent
    if goal.target_soc_percent is not None and percent is not None:
        return percent >= goal.target_soc_percent
    return goal.energy_wh is not None and session.energy_wh >= goal.energy_wh
