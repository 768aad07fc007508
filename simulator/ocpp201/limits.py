"""What each EVSE may draw now: profiles, the station's own feed, and refused tokens."""

from __future__ import annotations

from collections.abc import Mapping

from ..ocpp16.profiles import Limit
from ..sharing import share
from .internals import Internals
from .outlet import Outlet


def apply_limits(internals: Internals, outlets: Mapping[int, Outlet]) -> None:
    """Set limit and phases of every EVSE."""
    config = internals.config
    now = internals.time.now()
    switched_on = internals.variables.flag("SmartChargingCtrlr.Enabled")
    enabled = switched_on and not config.ignores_limits
    limits: dict[int, float] = {}
    for number, one in outlets.items():
        said = internals.profiles.limit(number, now, one.charge) if enabled else None
        limit = said or Limit(config.max_current_a)
        limits[number] = 0.0 if one.refused else min(limit.amps, config.max_current_a)
        if config.phase_switching:
            one.evse.phases_offered = limit.phases or config.phases
    cap = internals.profiles.cap(now) if enabled else None
    budgets = [amps for amps in (cap, config.feed_current_a) if amps is not None]
    if budgets:
        charging = [one for one in outlets.values() if one.transaction is not None]
        charging.sort(key=lambda one: one.seniority)
        shares = share([limits[one.number] for one in charging], min(budgets))
        limits |= {one.number: amps for one, amps in zip(charging, shares, strict=True)}
    for number, one in outlets.items():
        one.evse.limit_a = limits[number]
