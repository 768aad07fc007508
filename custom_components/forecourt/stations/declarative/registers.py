"""A register that only rises, made of what boxes have: of a lifetime, of a charge, or none.

What falls or leaps is not believed before it is told three times in a row: boxes dip to zero for
a sample while they restart. What a lifetime register leaps is never counted unless that much
may have flowed; a register of a charge that begins anew counts from zero. Where there is no
register, power is integrated.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

ROUNDING_WH = 10.0
"""How far a register may fall by rounding."""

SLACK_WH = 2_000.0
"""How much a coarse or slow register may rise at once."""

MAX_STEP_WH = 500_000.0
"""More than the battery of any vehicle takes."""

CONFIRMED = 3
"""How often a value has to be told that does not follow from the last."""

LONGEST_GAP = timedelta(minutes=2)
"""Over longer gaps nobody knows what flowed."""

_SECONDS_PER_HOUR = 3600.0


class Source(StrEnum):
    """What the energy of an outlet is counted by."""

    LIFETIME = "lifetime"
    SESSION = "session"
    POWER = "power"


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """Where the counted register stands (`total_wh`), and what the box told last (`raw_wh`).

    `at` is the time of that, `moved_at` when it last rose, `power_w` what flowed then. The odd
    values are those that wait to be believed.
    """

    total_wh: float = 0.0
    raw_wh: float | None = None
    at: datetime | None = None
    moved_at: datetime | None = None
    power_w: float | None = None
    odd_wh: float | None = None
    first_odd_wh: float | None = None
    odds: int = 0

    @property
    def whole_wh(self) -> int:
        """The register as the books have it."""
        return int(self.total_wh)


def take(
    register: Register, raw_wh: float, at: datetime, *, source: Source, most_w: float
) -> Register:
    """Return the register after the box told a value; `most_w` is what can flow at most."""
    of_session = source is Source.SESSION
    if register.raw_wh is None:
        total = register.total_wh + raw_wh if of_session else max(register.total_wh, raw_wh)
        return _accept(register, raw_wh, at, total - register.total_wh)
    step = raw_wh - register.raw_wh
    if -ROUNDING_WH <= step <= 0:
        return replace(register, at=at, odd_wh=None, first_odd_wh=None, odds=0)
    if 0 < step <= _possible_wh(register.at, at, most_w):
        return _accept(register, raw_wh, at, step)
    first, odds = raw_wh, 1
    if register.odd_wh is not None and register.first_odd_wh is not None:
        rise = raw_wh - register.odd_wh
        if -ROUNDING_WH <= rise <= _possible_wh(register.at, at, most_w):
            first, odds = register.first_odd_wh, register.odds + 1
    if odds < CONFIRMED:
        return replace(register, odd_wh=raw_wh, first_odd_wh=first, odds=odds)
    possible = _possible_wh(register.moved_at, at, most_w)
    if 0 < step <= possible:
        added = step
    elif step < 0 and of_session and raw_wh <= possible:
        added = raw_wh
    else:
        added = max(0.0, raw_wh - first)
    return _accept(register, raw_wh, at, added)


def integrate(register: Register, power_w: float | None, at: datetime) -> Register:
    """Return the register after a sample of the power, by trapezoids; long gaps count nothing."""
    added = 0.0
    if register.at is not None and register.power_w is not None and power_w is not None:
        gap = at - register.at
        if timedelta() < gap <= LONGEST_GAP:
            mean_w = (register.power_w + power_w) / 2
            added = max(0.0, mean_w) * gap.total_seconds() / _SECONDS_PER_HOUR
    return replace(register, total_wh=register.total_wh + added, at=at, power_w=power_w)


def _accept(register: Register, raw_wh: float, at: datetime, added_wh: float) -> Register:
    return replace(
        register,
        total_wh=register.total_wh + added_wh,
        raw_wh=raw_wh,
        at=at,
        moved_at=at,
        odd_wh=None,
        first_odd_wh=None,
        odds=0,
    )


def _possible_wh(since: datetime | None, at: datetime, most_w: float) -> float:
    seconds = 0.0 if since is None else max(0.0, (at - since).total_seconds())
    return min(MAX_STEP_WH, SLACK_WH + most_w * seconds / _SECONDS_PER_HOUR)
