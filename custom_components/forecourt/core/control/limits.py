"""Shares the main fuse between the EVSEs so that their sum never exceeds it.

The sum over all EVSEs of what each may draw, in the worst case, stays within
the limit per phase: a charging EVSE counts with its setpoint, one that was told
to draw less counts with the old value until its meter shows the drop, one that
could start or run by itself (plugged in, or offline) with its fallback current,
and none with less than its meter shows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
import math

from ..model.evse import EvseState
from ..model.ids import EvseId
from ..model.setpoint import LimitReason, Setpoint

MIN_CURRENT_A = 6
"""The least current that IEC 61851-1 lets a station offer; below it charging pauses."""

VALIDITY = timedelta(seconds=300)
"""How long a station keeps a setpoint that nobody renews."""

RENEWED = VALIDITY / 2
"""How old the order of a station that goes by it can be: a driver renews it at half its time."""

FRESH = timedelta(seconds=120)
"""How long a measured current counts: stations report at least once a minute."""

BELIEVED = timedelta(seconds=60)
"""How long a lower setpoint waits for its proof; IEC 61851-1 gives a car 5 s to follow."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an EVSE can take: its maximum and the current it falls back to by itself."""

    max_current_a: int
    fallback_current_a: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlet:
    """An EVSE as the sharing sees it.

    `authorized` is false for a charge nobody may have, `obeys` for an EVSE whose meter
    shows that it does not follow its orders.
    """

    state: EvseState
    limits: Limits
    authorized: bool = True
    obeys: bool = True

    @property
    def charging(self) -> bool:
        """Whether a transaction runs that a setpoint can reach."""
        session = self.state.session
        return self.state.online and session is not None and session.charging


def decide(outlets: Sequence[Outlet], main_fuse_a: int, now: datetime) -> dict[EvseId, Setpoint]:
    """Return the setpoint of every EVSE that is charging and reachable.

    Shares are whole amperes, equal up to what each wants. Where there is less
    than the minimum for all, those that plugged in first are served. Whoever
    draws more than the share is lowered to it at once; whoever draws less gets
    what the others, as they draw now, leave over. The others share what is left
    over by those who do not obey.
    """
    charging = sorted(
        (outlet for outlet in outlets if outlet.charging),
        key=lambda item: (not item.obeys, *_age(item.state)),
    )
    possible = [possible_a(outlet, now) for outlet in charging]
    rest = main_fuse_a - sum(possible_a(o, now) for o in outlets if not o.charging)
    wanted = [_wanted(outlet) for outlet in charging]
    obeying = sum(outlet.obeys for outlet in charging)
    shares = _share(
        [current for current, _ in wanted[:obeying]], max(0, rest - sum(possible[obeying:]))
    )
    # Who does as it pleases is told what it would have if it obeyed, and what is left at most:
    # only so it can show that it does again.
    fair = _share([current for current, _ in wanted], max(0, rest))
    left = max(0, rest - sum(shares))
    shares += [min(share, left) for share in fair[obeying:]]
    setpoints = {}
    for index, outlet in enumerate(charging):
        current = shares[index]
        if possible[index] <= current:
            room = rest - sum(possible) + possible[index]
            current = min(current, room)
        if current < MIN_CURRENT_A:
            current = 0
        want, reason = wanted[index]
        if current < want:
            reason = LimitReason.MAIN_FUSE if current else LimitReason.NO_ROOM
        order = outlet.state.setpoint
        if order is None or order.current_a != current or now >= order.valid_until:
            since, before_a = now, possible[index]
        else:
            since, before_a = order.since or now, order.before_a
        setpoints[outlet.state.evse] = Setpoint(
            evse=outlet.state.evse,
            current_a=current,
            valid_until=now + VALIDITY,
            reason=reason,
            since=since,
            before_a=before_a,
            transaction_id=outlet.state.session.transaction_id if outlet.state.session else None,
        )
        possible[index] = max(possible[index], current)
    return setpoints


def room_a(outlets: Sequence[Outlet], evse: EvseId, main_fuse_a: int, now: datetime) -> int:
    """Return what one EVSE could have per phase besides what all others may draw."""
    others = (outlet for outlet in outlets if outlet.state.evse != evse)
    return main_fuse_a - sum(possible_a(outlet, now) for outlet in others)


def _age(state: EvseState) -> tuple[datetime, EvseId]:
    assert state.session is not None  # noqa: S101 - only charging EVSEs are sorted
    return state.session.plugged_at or state.session.started_at, state.evse


def _wanted(outlet: Outlet) -> tuple[int, LimitReason]:
    state, maximum = outlet.state, outlet.limits.max_current_a
    if not state.allowed:
        return 0, LimitReason.NOT_ALLOWED
    if not outlet.authorized:
        return 0, LimitReason.NOT_AUTHORIZED
    if state.requested_current_a is not None and state.requested_current_a < maximum:
        asked = state.requested_current_a
        return asked if asked >= MIN_CURRENT_A else 0, LimitReason.USER_LIMIT
    return maximum, LimitReason.STATION_MAXIMUM


def possible_a(outlet: Outlet, now: datetime) -> int:
    """Return what an EVSE may draw now, in the worst case."""
    state, fallback = outlet.state, outlet.limits.fallback_current_a
    if outlet.charging and not outlet.obeys:
        return _drawn_a(outlet, now)
    order = state.setpoint
    if order is not None and now >= order.valid_until:
        order = None
    if state.online and not outlet.charging:
        # No setpoint reaches it, and the next transaction begins without one.
        possible, order = 0 if state.plugged is False else fallback, None
    elif order is None:
        possible = fallback
    elif state.online and order.valid_until - now > VALIDITY - RENEWED:
        possible = order.current_a
    else:
        # The station may have fallen back already.
        possible = max(fallback, order.current_a)
    reading = state.reading
    measured_a = None if reading is None else reading.most_current_a
    if reading is not None and measured_a is not None and now - reading.at <= FRESH:
        # Meters and cars are not more precise than whole amperes. Where only the power is told,
        # all of it may be on one phase, but no more than the station can give.
        if reading.max_current_a is None:
            measured_a = min(measured_a, outlet.limits.max_current_a)
        possible = max(possible, int(measured_a))
    else:
        reading = None
    if order is not None and order.since is not None and now - order.since < BELIEVED:
        proven = reading is not None and reading.at > order.since
        if not proven:
            possible = max(possible, order.before_a)
    return possible


def _drawn_a(outlet: Outlet, now: datetime) -> int:
    """Return what an EVSE draws that does not obey: as measured, or all that it can."""
    reading = outlet.state.reading
    measured_a = None if reading is None else reading.most_current_a
    if reading is None or measured_a is None or now - reading.at > FRESH:
        return outlet.limits.max_current_a
    return math.ceil(measured_a)


def _share(wanted: Sequence[int], limit_a: int) -> list[int]:
    """Split the limit: water-filling in whole amperes, oldest first where it runs short."""
    served = [index for index, current in enumerate(wanted) if current]
    while len(served) * MIN_CURRENT_A > limit_a:
        served.pop()
    shares = [0] * len(wanted)
    rest = limit_a
    for position, index in enumerate(sorted(served, key=lambda i: wanted[i])):
        shares[index] = min(wanted[index], rest // (len(served) - position))
        rest -= shares[index]
    return shares
