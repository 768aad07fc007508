"""One outlet of a station, and what is known about it right now."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from .goal import NO_GOAL, Goal
from .ids import EvseId
from .reading import Reading
from .session import Session
from .setpoint import Setpoint


class EvseStatus(StrEnum):
    """What an EVSE is doing, in the words of OCPP 1.6 §7.7 (ChargePointStatus)."""

    AVAILABLE = "available"
    PREPARING = "preparing"
    CHARGING = "charging"
    SUSPENDED_EVSE = "suspended_evse"
    SUSPENDED_EV = "suspended_ev"
    FINISHING = "finishing"
    RESERVED = "reserved"
    UNAVAILABLE = "unavailable"
    FAULTED = "faulted"

    @property
    def plugged(self) -> bool | None:
        """Whether a cable is in; `None` where the status does not tell."""
        if self in (EvseStatus.AVAILABLE, EvseStatus.RESERVED):
            return False
        if self in (EvseStatus.UNAVAILABLE, EvseStatus.FAULTED):
            return None
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class EvseState:
    """One frozen record per EVSE, replaced as a whole when something changes.

    `reading` is the newest one and carries its own time, so a consumer can see
    how old it is; `register_wh` is the energy register: where the station's meter
    stood at first, plus every watt-hour counted since, so a glitch of the meter
    never shows. `session` is the session from plug-in to plug-out, or `None`.
    `requested_current_a` is what the user asked for per phase, `None` for as
    much as the station can give; `goal` is what charges here are for, `charge_goal`
    what this one is, where its user has a goal of their own; `setpoint` is what the
    station last accepted.
    """

    evse: EvseId
    online: bool = False
    status: EvseStatus | None = None
    status_at: datetime | None = None
    plugged_at: datetime | None = None
    error: str | None = None
    reading: Reading | None = None
    register_wh: int | None = None
    session: Session | None = None
    allowed: bool = True
    requested_current_a: int | None = None
    goal: Goal = NO_GOAL
    charge_goal: Goal | None = None
    setpoint: Setpoint | None = None

    @property
    def wanted(self) -> Goal:
        """What the charge is for that runs or comes next."""
        return self.charge_goal or self.goal

    @property
    def plugged(self) -> bool | None:
        """Whether a cable is in; `None` while unknown."""
        return None if self.status is None else self.status.plugged
