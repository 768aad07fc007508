"""The state of every EVSE: one frozen record each, replaced when it changes."""

from bisect import insort
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from ..core.control.limits import Limits
from ..core.model.evse import EvseState, EvseStatus
from ..core.model.ids import EvseId
from ..core.model.reading import Reading
from ..core.model.session import Session
from ..core.model.setpoint import Setpoint
from .signal import Signal

STALE = timedelta(seconds=120)
"""How old a power reading may be before it is unknown; stations report every few seconds."""


class Board:
    """What is known about the EVSEs now; `changed` names the one that changed."""

    def __init__(self) -> None:
        """Start without EVSEs."""
        self._states: dict[EvseId, EvseState] = {}
        self._limits: dict[EvseId, Limits] = {}
        self._of: dict[str, list[EvseId]] = {}
        self.changed = Signal[EvseId]()

    def __contains__(self, evse: EvseId) -> bool:
        """Return whether the EVSE exists."""
        return evse in self._states

    def __getitem__(self, evse: EvseId) -> EvseState:
        """Return the state of an EVSE; `KeyError` for one that does not exist."""
        return self._states[evse]

    def of(self, station_id: str) -> list[EvseState]:
        """Return the states of a station's EVSEs, by number."""
        return [self._states[evse] for evse in self._of.get(station_id, ())]

    def all(self) -> Iterable[EvseState]:
        """Return every state."""
        return tuple(self._states.values())

    def limits(self, evse: EvseId) -> Limits:
        """Return what an EVSE can take."""
        return self._limits[evse]

    def add(self, state: EvseState, limits: Limits) -> None:
        """Add an EVSE, or take over new limits for one that is there."""
        if state.evse not in self._states:
            self._states[state.evse] = state
            insort(self._of.setdefault(state.evse.station_id, []), state.evse)
        self._limits[state.evse] = limits
        self.changed.send(state.evse)

    def remove(self, station_id: str) -> None:
        """Remove a station's EVSEs."""
        for evse in self._of.pop(station_id, ()):
            del self._states[evse], self._limits[evse]

    def update(self, evse: EvseId, **changes: Any) -> None:
        """Replace fields of a state."""
        old = self._states[evse]
        new = replace(old, **changes)
        if new != old:
            self._states[evse] = new
            self.changed.send(evse)

    def set_status(self, evse: EvseId, status: EvseStatus, at: datetime, error: str | None) -> None:
        """Take over a status, and note when a car was plugged in."""
        old = self._states[evse]
        plugged_at = old.plugged_at
        if status.plugged is False:
            plugged_at = None
        elif status.plugged and plugged_at is None:
            plugged_at = at
        self.update(evse, status=status, status_at=at, error=error, plugged_at=plugged_at)

    def set_reading(self, evse: EvseId, reading: Reading, now: datetime) -> None:
        """Take over a reading unless it is an old one, told late."""
        old = self._states[evse].reading
        if now - reading.at <= STALE and (old is None or reading.at >= old.at):
            self.update(evse, reading=reading.over(old))

    def set_session(
        self, evse: EvseId, session: Session | None, register_wh: int | None, now: datetime
    ) -> None:
        """Take over the session; with a transaction end its setpoint and all that flowed."""
        old = self._states[evse]
        changes: dict[str, Any] = {"session": session, "register_wh": register_wh}
        before = None if old.session is None else old.session.transaction_id
        running = None if session is None else session.transaction_id
        if running != before:
            changes["setpoint"] = None
            if running is None:
                changes["reading"] = (old.reading or Reading(at=now)).at_rest(now)
        self.update(evse, **changes)

    def set_setpoint(self, setpoint: Setpoint) -> None:
        """Note what a station accepted; a mere renewal is nobody's news."""
        old = self._states[setpoint.evse]
        last = old.setpoint
        new = replace(old, setpoint=setpoint)
        if last and (last.current_a, last.reason) == (setpoint.current_a, setpoint.reason):
            self._states[setpoint.evse] = new
        else:
            self.update(setpoint.evse, setpoint=setpoint)

    def drop_stale(self, now: datetime) -> None:
        """Forget live values that are too old while a charge runs; the register stays."""
        for evse, state in tuple(self._states.items()):
            reading, session = state.reading, state.session
            if reading is None or session is None or not session.charging:
                continue
            if now - reading.at > STALE:
                stale = replace(reading, power_w=None, current_a=None, voltage_v=None)
                self.update(evse, reading=stale)
