"""Starts a charge by itself where anyone who plugs in may charge."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from ..model.evse import EvseState, EvseStatus

SETTLE = timedelta(seconds=3)
"""A station that starts by itself does so within this time after the plug."""

TAP_HOLDS = timedelta(seconds=60)
"""How long an accepted tap before the plug leaves the start to the station."""

RETRY = timedelta(seconds=30)
MAX_TRIES = 3


@dataclass(frozen=True, slots=True)
class Tries:
    """How often a start was asked for since the car was plugged in."""

    plugged_at: datetime
    count: int
    last_at: datetime


def due(state: EvseState, tries: Tries | None, tapped_at: datetime | None, now: datetime) -> bool:
    """Return whether the site should ask this EVSE to start now.

    Only for a car that was just plugged in: a session that has charged and
    was stopped is not started again behind the user's back.
    """
    if state.status is not EvseStatus.PREPARING or state.session is not None:
        return False
    if not state.online or not state.allowed or state.plugged_at is None:
        return False
    if now - state.plugged_at < SETTLE:
        return False
    if tapped_at is not None and now - tapped_at < TAP_HOLDS:
        return False
    if tries is None or tries.plugged_at != state.plugged_at:
        return True
    return tries.count < MAX_TRIES and now - tries.last_at >= RETRY


def tried(state: EvseState, tries: Tries | None, now: datetime) -> Tries:
    """Return the tries after one more."""
    assert state.plugged_at is not None  # noqa: S101 - `due` asked for it
    count = tries.count if tries is not None and tries.plugged_at == state.plugged_at else 0
    return Tries(state.plugged_at, count + 1, now)
