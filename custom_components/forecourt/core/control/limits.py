"""Shares the main fuse and the circuits between the EVSEs so that no sum exceeds its fuse.

The sum over all EVSEs of what each may draw, in the worst case, stays within the
limit per phase of all that feeds them: a charging EVSE counts with its setpoint, one
that was told to draw less counts with the old value until its meter shows the drop,
one that could start or run by itself (plugged in, or offline) with its fallback
current, and none with less than its meter shows.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
import math

from ..model.evse import EvseState
from ..model.ids import EvseId
from ..model.setpoint import LimitReason, Setpoint

MAIN = ""
"""The main fuse, among the circuits."""

CAP = "*"
"""A limit from outside on all that charge, as a circuit that feeds all."""

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
    shows that it does not follow its orders. `held` is why its goal lets nothing flow now.
    `feeders` are the ids of the circuits that feed it, without the main fuse.
    """

    state: EvseState
    limits: Limits
    authorized: bool = True
    obeys: bool = True
    held: LimitReason | None = None
    feeders: tuple[str, ...] = ()

    @property
    def charging(self) -> bool:
        """Whether a transaction runs that a setpoint can reach."""
        session = self.state.session
        return self.state.online and session is not None and session.charging


def decide(
    outlets: Sequence[Outlet],
    main_fuse_a: int,
    now: datetime,
    circuits: Mapping[str, int] | None = None,
) -> dict[EvseId, Setpoint]:
    """Return the setpoint of every EVSE that is charging and reachable.

    Shares are whole amperes, equal up to what each wants. Where there is less
    than the minimum for all, those that plugged in first are served. Whoever
    draws more than the share is lowered to it at once; whoever draws less gets
    what the others, as they draw now, leave over. The others share what is left
    over by those who do not obey. `circuits` has the limit of each feeder by its
    id; the same holds for each of them as for the main fuse.
    """
    charging = sorted(
        (outlet for outlet in outlets if outlet.charging),
        key=lambda item: (not item.obeys, *_age(item.state)),
    )
    possible = [possible_a(outlet, now) for outlet in charging]
    rest = _Rest({MAIN: main_fuse_a, **(circuits or {})})
    for outlet in outlets:
        if not outlet.charging:
            rest.take(outlet, possible_a(outlet, now))
    wanted = [_wanted(outlet) for outlet in charging]
    shares = _shares(charging, [current for current, _ in wanted], possible, rest)
    for outlet, current in zip(charging, possible, strict=True):
        rest.take(outlet, current)
    setpoints = {}
    for index, outlet in enumerate(charging):
        current = shares[index]
        if possible[index] <= current:
            # It rises by what the others leave over as they draw now.
            current = min(current, possible[index] + rest.room(outlet))
        if current < MIN_CURRENT_A:
            current = 0
        want, reason = wanted[index]
        if current < want:
            reason = _scarce(current, outlet, main_fuse_a, circuits)
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
        rest.take(outlet, max(0, current - possible[index]))
        possible[index] = max(possible[index], current)
    return setpoints


def _shares(
    charging: Sequence[Outlet], wishes: Sequence[int], possible: Sequence[int], rest: _Rest
) -> list[int]:
    """Return what each that charges should have; those that do not obey come last."""
    obeying = sum(outlet.obeys for outlet in charging)
    left = rest.copy()
    for outlet, current in zip(charging[obeying:], possible[obeying:], strict=True):
        left.take(outlet, current)
    shares = _share(charging[:obeying], wishes[:obeying], left)
    # Who does as it pleases is told what it would have if it obeyed, and what is left at most:
    # only so it can show that it does again.
    fair = _share(charging, wishes, rest.copy())
    left = rest.copy()
    for outlet, current in zip(charging, shares, strict=False):
        left.take(outlet, current)
    return shares + [
        max(0, min(share, left.room(outlet)))
        for outlet, share in zip(charging[obeying:], fair[obeying:], strict=True)
    ]


def room_a(
    outlets: Sequence[Outlet],
    evse: EvseId,
    main_fuse_a: int,
    now: datetime,
    circuits: Mapping[str, int] | None = None,
) -> int:
    """Return what one EVSE could have per phase besides what all others may draw."""
    rest = _Rest({MAIN: main_fuse_a, **(circuits or {})})
    mine = None
    for outlet in outlets:
        if outlet.state.evse == evse:
            mine = outlet
        else:
            rest.take(outlet, possible_a(outlet, now))
    return rest.limits[MAIN] if mine is None else rest.room(mine)


def _scarce(
    current_a: int, outlet: Outlet, main_fuse_a: int, circuits: Mapping[str, int] | None
) -> LimitReason:
    """Return what keeps an outlet from having what it wants: the narrowest of its feeders."""
    limits = {MAIN: main_fuse_a, **(circuits or {})}
    narrowest = min((MAIN, *outlet.feeders), key=lambda key: limits[key])
    if narrowest == CAP:
        return LimitReason.SITE_LIMIT
    if narrowest != MAIN:
        return LimitReason.CIRCUIT
    return LimitReason.MAIN_FUSE if current_a else LimitReason.NO_ROOM


class _Rest:
    """What is left of the main fuse and of each circuit, in amperes per phase."""

    def __init__(self, limits: dict[str, int]) -> None:
        self.limits = limits

    def copy(self) -> _Rest:
        return _Rest(dict(self.limits))

    def take(self, outlet: Outlet, current_a: int) -> None:
        """Set aside what an outlet may draw, in all that feeds it."""
        for key in (MAIN, *outlet.feeders):
            self.limits[key] -= current_a

    def room(self, outlet: Outlet) -> int:
        """Return what an outlet could have, by all that feeds it."""
        return min(self.limits[key] for key in (MAIN, *outlet.feeders))


def _age(state: EvseState) -> tuple[datetime, EvseId]:
    assert state.session is not None  # noqa: S101 - only charging EVSEs are sorted
    return state.session.plugged_at or state.session.started_at, state.evse


def _wanted(outlet: Outlet) -> tuple[int, LimitReason]:
    state, maximum = outlet.state, outlet.limits.max_current_a
    if not state.allowed:
        return 0, LimitReason.NOT_ALLOWED
    if not outlet.authorized:
        return 0, LimitReason.NOT_AUTHORIZED
    if outlet.held is not None:
        return 0, outlet.held
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


def _share(outlets: Sequence[Outlet], wanted: Sequence[int], rest: _Rest) -> list[int]:
    """Split what is left: water-filling in whole amperes, oldest first where it runs short.

    All rise together until one has what it wants or a feeder of some is used up, and those rise
    no further (Bertsekas and Gallager, Data Networks, section 6.5.2). `rest` is used up.
    """
    for key in rest.limits:
        rest.limits[key] = max(0, rest.limits[key])
    shares = [0] * len(wanted)
    served = []
    # Everybody who is served gets the minimum, or nothing at all.
    for index, current in enumerate(wanted):
        if current and rest.room(outlets[index]) >= MIN_CURRENT_A:
            rest.take(outlets[index], MIN_CURRENT_A)
            shares[index] = MIN_CURRENT_A
            served.append(index)
    # Who wants more comes last, and so has what does not divide evenly.
    rising = sorted(served, key=lambda index: wanted[index])
    while rising := [index for index in rising if shares[index] < wanted[index]]:
        users: dict[str, list[int]] = defaultdict(list)
        for index in rising:
            for key in (MAIN, *outlets[index].feeders):
                users[key].append(index)
        rise = min(
            *(rest.limits[key] // len(among) for key, among in users.items()),
            *(wanted[index] - shares[index] for index in rising),
        )
        raised, by = rising, rise
        if not rise:
            key, among = next((k, a) for k, a in users.items() if rest.limits[k] < len(a))
            raised, by = among[len(among) - rest.limits[key] :], 1
            rising = [index for index in rising if index not in among]
        for index in raised:
            by_here = min(by, rest.room(outlets[index]))
            rest.take(outlets[index], by_here)
            shares[index] += by_here
    return shares
