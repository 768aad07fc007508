"""Shares the main fuse between the EVSEs so that their sum never exceeds it.

The sum over all EVSEs of what each may draw, in the worst case, stays within
the limit per phase: a charging EVSE counts with its setpoint, one that was told
to draw less counts with the old value until its meter shows the drop, one that
could start or run by itself (plugged in, or offline) with its fallback current.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..model.evse import EvseState
from ..model.ids import EvseId
from ..model.setpoint import LimitReason, Setpoint

MIN_CURRENT_A = 6
"""The least current that IEC 61851-1 lets a station offer; below it charging pauses."""

VALIDITY = timedelta(seconds=300)
"""How long a station keeps a setpoint that nobody renews."""

FRESH = timedelta(seconds=60)
"""How old a reading may be to prove that a lower setpoint has taken effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What an EVSE can take: its maximum and the current it falls back to by itself."""

    max_current_a: int
    fallback_current_a: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlet:
    """An EVSE as the sharing sees it; `authorized` is false for a charge nobody may have."""

    state: EvseState
    limits: Limits
    authorized: bool = True

    @property
    def charging(self) -> bool:
        """Whether a transaction runs that a setpoint can reach."""
        session = self.state.session
        return self.state.online and session is not None and session.charging


def decide(outlets: Sequence[Outlet], main_fuse_a: int, now: datetime) -> dict[EvseId, Setpoint]:
    """Return the setpoint of every EVSE that is charging and reachable.

    Shares are whole amperes, equal up to what each wants. Where there is less
    than the minimum for all, those that plugged in first are served. A raise
    waits until the others' drop has been measured.
    """
    charging = sorted(
        (outlet for outlet in outlets if outlet.charging), key=lambda item: _age(item.state)
    )
    reserved = sum(_uncontrolled_a(o, now) for o in outlets if not o.charging)
    wanted = [_wanted(outlet) for outlet in charging]
    shares = _share([current for current, _ in wanted], max(0, main_fuse_a - reserved))
    held = [_held_a(o, share, now) for o, share in zip(charging, shares, strict=True)]
    setpoints = {}
    for index, outlet in enumerate(charging):
        others = sum(held) - held[index]
        room = max(0, main_fuse_a - reserved - others)
        current = min(shares[index], room)
        if current < MIN_CURRENT_A:
            current = 0
        want, reason = wanted[index]
        if current < want:
            reason = LimitReason.MAIN_FUSE if current else LimitReason.NO_ROOM
        evse = outlet.state.evse
        setpoints[evse] = Setpoint(
            evse=evse, current_a=current, valid_until=now + VALIDITY, reason=reason
        )
    return setpoints


def _age(state: EvseState) -> tuple[datetime, EvseId]:
    assert state.session is not None  # noqa: S101 - only charging EVSEs are sorted
    return state.session.started_at, state.evse


def _wanted(outlet: Outlet) -> tuple[int, LimitReason]:
    state, maximum = outlet.state, outlet.limits.max_current_a
    if not state.allowed:
        return 0, LimitReason.NOT_ALLOWED
    if not outlet.authorized:
        return 0, LimitReason.NOT_AUTHORIZED
    if state.requested_current_a is not None and state.requested_current_a < maximum:
        return state.requested_current_a, LimitReason.USER_LIMIT
    return maximum, LimitReason.STATION_MAXIMUM


def _uncontrolled_a(outlet: Outlet, now: datetime) -> int:
    """Return what an EVSE may draw that no setpoint reaches."""
    state, fallback = outlet.state, outlet.limits.fallback_current_a
    if state.online:
        return 0 if state.plugged is False else fallback
    last = state.setpoint
    return max(fallback, last.current_a) if last and last.valid_until > now else fallback


def _held_a(outlet: Outlet, share: int, now: datetime) -> int:
    """Return what a charging EVSE may still draw while it is on its way to its share."""
    order, reading = outlet.state.setpoint, outlet.state.reading
    ordered = (
        order.current_a if order and order.valid_until > now else outlet.limits.fallback_current_a
    )
    measured = None
    if reading is not None and now - reading.at <= FRESH:
        measured = reading.max_current_a
    return max(share, ordered, round(measured or 0))


def _share(wanted: Sequence[int], limit_a: int) -> list[int]:
    """Split the limit: water-filling in whole amperes, oldest first where it runs short."""
    served = [index for index, current in enumerate(wanted) if current]
    while len(served) * MIN_CURRENT_A > limit_a and served:
        served.pop()
    shares = [0] * len(wanted)
    rest = limit_a
    for position, index in enumerate(sorted(served, key=lambda i: wanted[i])):
        shares[index] = min(wanted[index], rest // (len(served) - position))
        rest -= shares[index]
    return shares
