"""Outlets, sessions and orders to share a fuse between."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from custom_components.forecourt.core.control.limits import (
    VALIDITY,
    Limits,
    Outlet,
    decide,
)
from custom_components.forecourt.core.model.evse import EvseState, EvseStatus
from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.session import Session
from custom_components.forecourt.core.model.setpoint import LimitReason, Setpoint

MAX_A, FALLBACK_A = 32, 6
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def evse(number: int) -> EvseId:
    return EvseId(f"box {number}", 1)


def session(number: int, plugged_at: datetime = NOON, *, charging: bool = True) -> Session:
    return Session(
        id=f"of {number}",
        evse=evse(number),
        user_id="anna",
        started_at=plugged_at,
        plugged_at=plugged_at,
        currency="EUR",
        transaction_id=number if charging else None,
    )


def idle(number: int, **changes: object) -> Outlet:
    """Return an outlet without a car."""
    state = EvseState(evse=evse(number), online=True, status=EvseStatus.AVAILABLE)
    return Outlet(
        state=replace(state, **changes),  # type: ignore[arg-type]
        limits=Limits(max_current_a=MAX_A, fallback_current_a=FALLBACK_A),
    )


def charging(number: int, age: int = 0, **changes: object) -> Outlet:
    """Return an outlet that charges since `age` minutes."""
    own = session(number, NOON - timedelta(minutes=age))
    given = {"status": EvseStatus.CHARGING, "session": own} | changes
    return idle(number, **given)


def order(number: int, current_a: int, now: datetime = NOON, **changes: object) -> Setpoint:
    point = Setpoint(
        evse=evse(number),
        current_a=current_a,
        valid_until=now + VALIDITY,
        reason=LimitReason.STATION_MAXIMUM,
    )
    return replace(point, **changes)  # type: ignore[arg-type]


def currents(
    outlets: Iterable[Outlet], main_fuse_a: int, now: datetime = NOON
) -> dict[int, tuple[int, LimitReason]]:
    """Return current and reason by the number of the outlet."""
    outlets = list(outlets)
    numbers = {outlet.state.evse: int(outlet.state.evse.station_id[4:]) for outlet in outlets}
    decided = decide(outlets, main_fuse_a, now)
    assert all(point.valid_until == now + VALIDITY for point in decided.values())
    return {numbers[evse]: (point.current_a, point.reason) for evse, point in decided.items()}
