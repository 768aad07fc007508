"""What each outlet may draw now: profiles, the station's own feed, and refused cards."""

from __future__ import annotations

from collections.abc import Mapping

from ..sharing import share
from .connector import Connector
from .internals import Internals
from .profiles import Limit


def apply_limits(internals: Internals, connectors: Mapping[int, Connector]) -> None:
    """Set limit and phases of every outlet."""
    config = internals.config
    now = internals.time.now()
    limits: dict[int, float] = {}
    for number, one in connectors.items():
        said = None
        if not config.ignores_limits:
            said = internals.profiles.limit(number, now, one.charge)
        limit = said or Limit(config.max_current_a)
        limits[number] = 0.0 if one.suspended else min(limit.amps, config.max_current_a)
        if config.phase_switching:
            one.evse.phases_offered = limit.phases or config.phases
        if limit.amps == 0 and config.stops_at_zero:
            one.stop("Other")
    cap = None if config.ignores_limits else internals.profiles.cap(now)
    budgets = [amps for amps in (cap, config.feed_current_a) if amps is not None]
    if budgets:
        charging = [one for one in connectors.values() if one.transaction is not None]
        charging.sort(key=lambda one: one.seniority)
        shares = share([limits[one.number] for one in charging], min(budgets))
        limits |= {one.number: amps for one, amps in zip(charging, shares, strict=True)}
    for number, one in connectors.items():
        one.evse.limit_a = limits[number]
