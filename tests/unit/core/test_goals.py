"""When a charge is held by what it is for."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from custom_components.forecourt.core.control.goals import Tariff, held, latest_start
from custom_components.forecourt.core.model.evse import EvseState
from custom_components.forecourt.core.model.goal import NO_GOAL, ChargeMode, Goal
from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.reading import Reading
from custom_components.forecourt.core.model.session import Session
from custom_components.forecourt.core.model.setpoint import LimitReason

NOON = datetime(2026, 11, 23, 11, tzinfo=UTC)
EVSE = EvseId("A", 1)
DEAR = Tariff(price=Decimal("0.40"))
CAPPED = Goal(price_cap=Decimal("0.30"))


def state(
    goal: Goal, *, energy_wh: int = 0, cost: str | None = None, reading: Reading | None = None
) -> EvseState:
    session = Session(
        id="s",
        evse=EVSE,
        user_id=None,
        started_at=NOON,
        currency="EUR",
        energy_wh=energy_wh,
        cost=None if cost is None else Decimal(cost),
    )
    return EvseState(evse=EVSE, goal=goal, session=session, reading=reading)


@pytest.mark.parametrize(
    ("outlet", "tariff", "reason"),
    [
        (state(NO_GOAL), DEAR, None),
        (state(Goal(mode=ChargeMode.OFF)), DEAR, LimitReason.MODE_OFF),
        (EvseState(evse=EVSE, goal=Goal(mode=ChargeMode.OFF)), DEAR, LimitReason.MODE_OFF),
        (EvseState(evse=EVSE, goal=CAPPED), DEAR, None),
        (state(Goal(energy_wh=5000), energy_wh=4999), DEAR, None),
        (state(Goal(energy_wh=5000), energy_wh=5000), DEAR, LimitReason.GOAL_REACHED),
        (state(Goal(budget=Decimal(2)), cost="1.99"), DEAR, None),
        (state(Goal(budget=Decimal(2)), cost="2.00"), DEAR, LimitReason.BUDGET_SPENT),
        (state(Goal(budget=Decimal(0))), DEAR, None),
        (state(CAPPED), DEAR, LimitReason.WAITING_FOR_PRICE),
        (state(CAPPED), Tariff(price=Decimal("0.30")), None),
        (state(CAPPED), Tariff(), None),
        (
            state(
                Goal(target_soc_percent=80),
                reading=Reading(at=NOON, soc_percent=80.0),
            ),
            DEAR,
            LimitReason.GOAL_REACHED,
        ),
        (
            state(
                Goal(target_soc_percent=80, energy_wh=1),
                energy_wh=2,
                reading=Reading(at=NOON, soc_percent=79.9),
            ),
            DEAR,
            None,
        ),
        (state(Goal(target_soc_percent=80)), DEAR, None),
    ],
)
def test_what_holds_a_charge(outlet: EvseState, tariff: Tariff, reason: LimitReason | None) -> None:
    assert held(outlet, 16, tariff, NOON) == reason


def test_what_comes_first_flows_whatever_it_costs() -> None:
    goal = Goal(price_cap=Decimal("0.30"), minimum_wh=3000)
    assert held(state(goal, energy_wh=2999), 16, DEAR, NOON) is None
    assert held(state(goal, energy_wh=3000), 16, DEAR, NOON) is LimitReason.WAITING_FOR_PRICE


def test_it_is_ready_in_time_whatever_it_costs() -> None:
    goal = Goal(price_cap=Decimal("0.30"), energy_wh=11_040, ready_at=NOON + timedelta(hours=3))
    outlet = state(goal)
    assert outlet.session is not None
    at = latest_start(outlet, outlet.session, 16, NOON + timedelta(hours=3))
    assert at == NOON + timedelta(hours=1, minutes=45)
    assert held(outlet, 16, DEAR, at - timedelta(seconds=1)) is LimitReason.WAITING_FOR_PRICE
    assert held(outlet, 16, DEAR, at) is None


def test_a_car_on_one_phase_begins_earlier() -> None:
    one = Reading(at=NOON, current_a=(16.0, 0.0, 0.0))
    none = Reading(at=NOON, current_a=(0.0, 0.0, 0.0))
    goal = Goal(energy_wh=3680)
    ready = NOON + timedelta(hours=5)
    for reading, hours in ((one, 1.0), (none, 1 / 3), (None, 1 / 3)):
        outlet = state(goal, reading=reading)
        assert outlet.session is not None
        begin = latest_start(outlet, outlet.session, 16, ready)
        assert abs(ready - timedelta(minutes=15) - begin - timedelta(hours=hours)) < timedelta(
            seconds=1
        )
