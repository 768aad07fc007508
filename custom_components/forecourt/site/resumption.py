"""Takes up again what a station ended because it was told to let nothing flow.

A limit of 0 A pauses a charge. Some stations end it instead, by a reason of their own;
the car is still there and its user has not stopped it, so it goes on when there is room.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ..core.model.evse import EvseState
from ..core.model.ids import EvseId
from ..core.model.setpoint import Setpoint
from ..stations.base import TransactionEnd

OWN_REASONS = frozenset({"EnergyLimitReached", "Other", "PowerQuality", "TimeLimitReached"})
"""Why a charge ends that nobody stopped (OCPP 1.6 §7.36, 2.0.1 ReasonEnumType)."""

RETRY = timedelta(minutes=1)
MAX_TRIES = 5


@dataclass(frozen=True, slots=True)
class _Waiting:
    session_id: str
    user_id: str | None
    count: int = 0
    last_at: datetime | None = None


class Resumption:
    """The charges that wait to go on."""

    def __init__(self) -> None:
        """Start with none."""
        self._waiting: dict[EvseId, _Waiting] = {}

    def __contains__(self, evse: EvseId) -> bool:
        """Return whether the charge of an EVSE waits."""
        return evse in self._waiting

    def ended(self, before: EvseState, end: TransactionEnd) -> bool:
        """Take note of an end; `before` is the outlet's state then. Return whether it waits now."""
        session, order = before.session, before.setpoint
        self._waiting.pop(before.evse, None)
        if session is None or not _was_paused(order, end.at):
            return False
        if end.reason not in OWN_REASONS or end.token is not None or end.replayed:
            return False
        self._waiting[before.evse] = _Waiting(session.id, session.user_id)
        return True

    def due(self, state: EvseState, room_a: int, least_a: int, now: datetime) -> bool:
        """Return whether the charge of an outlet should be started again now."""
        waiting = self._waiting.get(state.evse)
        if waiting is None:
            return False
        session = state.session
        if session is None or session.id != waiting.session_id or session.charging:
            del self._waiting[state.evse]
            return False
        if not state.online or not state.allowed or not state.plugged or room_a < least_a:
            return False
        if waiting.last_at is None:
            return True
        return waiting.count < MAX_TRIES and now - waiting.last_at >= RETRY

    def tried(self, evse: EvseId, now: datetime) -> str | None:
        """Take note that it is being started again; return for whom."""
        waiting = self._waiting[evse]
        self._waiting[evse] = replace(waiting, count=waiting.count + 1, last_at=now)
        return waiting.user_id

    def forget(self, evse: EvseId) -> None:
        """Drop an EVSE that was removed."""
        self._waiting.pop(evse, None)


def _was_paused(order: Setpoint | None, at: datetime) -> bool:
    return order is not None and order.current_a == 0 and at < order.valid_until
