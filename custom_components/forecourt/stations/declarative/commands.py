"""What a box is told, and how seldom: limits, pauses, and signs of life.

An order is written when its value changes, when the box forgets it unless it is renewed, and when
reading back shows something else. Lowering and pausing go before raising. What wears the box's
memory is written on change only, and each such order at most twice a day.

What a box wants written before it heeds orders (`Order.PREPARE`) goes before the first of them, and
again once the box may have forgotten it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
import math

from ...core.model.reading import VOLTS
from ..base import Failure, StationError
from .link import Link, LinkError, LinkFault
from .profile import Confidence, Memory, Order, OrderSpec, Profile, Role, Scalar
from .sampling import Told

SETTLES = timedelta(seconds=10)
"""How long a box has to show what it was told."""

LONGEST_BACK_OFF_S = 60.0
MISSES = 3
"""How often a box may show something else before that counts as a refusal."""

RAISES_APART_S = 30.0
"""The least time between two raises of a limit where nobody knows what a write wears."""

FLASH_WRITES = 2
FLASH_PERIOD = timedelta(days=1)

RIVAL_WITHIN = timedelta(minutes=10)
RIVAL_CHANGES = 2
"""So many changes by somebody else within that time are another controller."""

RIVAL_AGAIN = timedelta(hours=1)
"""How long one that goes on is no news."""

WATCHDOG_S = 60.0
"""What a watchdog is taken for, or set to, where nothing tells its time."""

LIMITS = (Order.LIMIT_A, Order.LIMIT_W)
_OPPOSITE = {Order.PAUSE: Order.RESUME, Order.RESUME: Order.PAUSE}
_UNTOUCHED = (LinkFault.REFUSED, LinkFault.WRITE_ACCESS, LinkFault.NOT_SUPPORTED)
"""A box that says so has written nothing; of others nobody knows."""
_FAILURES = {
    LinkFault.REFUSED: Failure.OFFLINE,
    LinkFault.TIMEOUT: Failure.TIMEOUT,
    LinkFault.NOT_SUPPORTED: Failure.NOT_SUPPORTED,
}


@dataclass(slots=True)
class _Written:
    """An order that the box took."""

    value: Scalar | None
    at: datetime
    since: datetime
    """When it was written first; mere renewals do not hold up what comes next."""
    shown: bool = False
    """Whether reading it back showed it."""


@dataclass(slots=True)
class _Line:
    """What one outlet was told."""

    written: dict[Order, _Written] = field(default_factory=dict)
    told_a: int | None = None
    misses: Counter[Order] = field(default_factory=Counter)
    again_at: dict[Order, datetime] = field(default_factory=dict)
    failures: int = 0
    retry_at: datetime | None = None
    error: StationError | None = None
    seen: dict[Order, Scalar] = field(default_factory=dict)
    changes: list[datetime] = field(default_factory=list)
    rival_at: datetime | None = None
    phases: int | None = None
    max_current_a: float | None = None
    is_prepared: bool = False


class Commands:
    """The orders of one station.

    `may_write` says whether it may be told anything, `proven` which orders it was seen to obey:
    without that, an order whose confidence is experimental is as good as none. `None` stands for
    all of them, while they are put to the test. `watchdog_s` is what the box told of its watchdog.
    """

    def __init__(
        self,
        station_id: str,
        profile: Profile,
        link: Link,
        *,
        now: Callable[[], datetime],
        may_write: Callable[[], bool],
        proven: Iterable[Order] | None = None,
        flash_writes: Mapping[Order, tuple[datetime, ...]] | None = None,
    ) -> None:
        """Know nothing of what the box was told before."""
        self.flash_writes = dict(flash_writes or {})
        self.proven = None if proven is None else frozenset(proven)
        self.watchdog_s: float | None = None
        self.station_id = station_id
        self.profile = profile
        self._link = link
        self.now = now
        self._may_write = may_write
        self._lines: dict[int, _Line] = {}
        self._renewed_at: datetime | None = None

    @property
    def limit_order(self) -> Order | None:
        """The order that limits the current, `None` where there is none."""
        return next((order for order in LIMITS if self.has(order)), None)

    @property
    def can_pause(self) -> bool:
        """Whether it can be kept from charging."""
        return self.has(Order.PAUSE) or self._pauses_by_zero

    @property
    def can_hold(self) -> bool:
        """Whether it can be kept from charging between charges, which writes twice a charge."""
        if not self.can_pause:
            return False
        orders = [Order.PAUSE, Order.RESUME] if self.has(Order.PAUSE) else [self.limit_order]
        return not any(o and self.has(o) and self._memory(o) is Memory.FLASH for o in orders)

    @property
    def _pauses_by_zero(self) -> bool:
        order = self.limit_order
        return order is not None and self.profile.orders[order].zero_pauses

    def has(self, order: Order) -> bool:
        """Whether it may be given the order."""
        spec = self.profile.orders.get(order)
        if spec is None or not self._may_write() or not self._link.has(order):
            return False
        experimental = spec.confidence is Confidence.EXPERIMENTAL
        return not experimental or self.proven is None or order in self.proven

    def told_a(self, outlet: int) -> int | None:
        """Return the current that the outlet was told, 0 for a pause, `None` if unknown."""
        return self._line(outlet).told_a

    def doubt(self, outlet: int) -> None:
        """Take note that an outlet does not do what it was told: it is told again."""
        line = self._line(outlet)
        line.written.clear()
        line.told_a = None
        line.is_prepared = False

    def succeed(self, others: Commands) -> None:
        """Take over from those who were in command for a while what the box took from them."""
        self.flash_writes = others.flash_writes
        for outlet, line in others._lines.items():
            self.doubt(outlet)
            self._line(outlet).is_prepared = line.is_prepared

    def on_trial(self) -> Commands:
        """Return commands that may give each order of the box, to see whether it obeys."""
        return Commands(
            self.station_id,
            self.profile,
            self._link,
            now=self.now,
            may_write=lambda: True,
            flash_writes=self.flash_writes,
        )

    def forget(self) -> None:
        """Take note that the box may have forgotten everything: it was away."""
        for line in self._lines.values():
            line.written.clear()
            line.told_a = None
            line.seen.clear()
            line.misses.clear()
            line.again_at.clear()
            line.error = line.retry_at = line.phases = None
            line.failures = 0
            line.is_prepared = False
        self._renewed_at = None

    async def bring(self, outlet: int, current_a: int) -> None:
        """Limit an outlet to a current per phase, 0 to pause. Raises `StationError`.

        Writes only what is not in force. What was refused is raised again until it is time to
        try once more.
        """
        line, now = self._line(outlet), self.now()
        if line.error is not None and line.retry_at is not None and now < line.retry_at:
            raise line.error.told
        steps = self._steps(line, current_a)
        try:
            for order, value in steps:
                if self._due(line, order, value, now):
                    await self._tell(line, outlet, order, value)
        except LinkError as err:
            error = self.failed(err)
            self._failed(line, error)
            raise error from err
        line.error, line.failures = None, 0
        if any(line.misses[order] >= MISSES for order, _ in steps):
            raise StationError(
                self.station_id, Failure.REFUSED, f"told {current_a} A, tells {self._shows(line)}"
            )
        if all(self._is_written(line, order, value) for order, value in steps):
            line.told_a = current_a if not self._is_pause(steps) else 0

    async def renew(self) -> None:
        """Keep the watchdog from falling back, where an order does that. Raises `StationError`."""
        watchdog, now = self.profile.watchdog, self.now()
        if watchdog is None or watchdog.renewed_by != "order" or not self.has(Order.RENEW):
            return
        if self._renewed_at is not None and now - self._renewed_at < self._renewal:
            return
        value: Scalar | None = None
        if any(write.value is None for write in self.profile.orders[Order.RENEW].writes):
            # It is told its own time again; a watchdog that is off has none, and stays off.
            value = self.watchdog_s
            if not value:
                return
        await self.order(Order.RENEW, value)
        self._renewed_at = now

    async def order(self, order: Order, value: Scalar | None = None, *, outlet: int = 1) -> None:
        """Give any order. Raises `StationError`."""
        if not self.has(order):
            raise StationError(self.station_id, Failure.NOT_SUPPORTED, str(order))
        try:
            await self._tell(self._line(outlet), outlet, order, value)
        except LinkError as err:
            raise self.failed(err) from err

    def noticed(self, outlet: int, told: Told) -> bool:
        """Compare what the box shows with what it was told; true for news of a rival.

        A rival is another controller: twice within some minutes it shows a value that it
        was not told, after it had shown what it was told.
        """
        line, now = self._line(outlet), self.now()
        line.phases = told.phases or line.phases
        line.max_current_a = told.max_current_a
        changed = False
        for order, written in tuple(line.written.items()):
            spec = self.profile.orders[order]
            shows = _shown(spec, told)
            if shows is None or order not in (*LIMITS, *_OPPOSITE):
                continue
            fits = _fits(shows, _expected(written.value, order), spec.step)
            if fits:
                written.shown = True
                line.seen[order] = shows
                line.misses.pop(order, None)
                line.again_at.pop(order, None)
            elif now - written.at >= SETTLES or written.shown:
                if written.shown and line.seen.get(order) != shows:
                    changed = True
                line.seen[order] = shows
                self._missed(line, order, now)
        if not changed:
            return False
        line.changes = [at for at in line.changes if now - at < RIVAL_WITHIN] + [now]
        if len(line.changes) < RIVAL_CHANGES:
            return False
        if line.rival_at is not None and now - line.rival_at < RIVAL_AGAIN:
            return False
        line.rival_at = now
        return True

    def failed(self, error: LinkError) -> StationError:
        """Return what the site gets to hear of a box that did not take an order."""
        failure = _FAILURES.get(error.fault, Failure.REFUSED)
        detail = error.detail or str(error.fault)
        if error.fault is LinkFault.WRITE_ACCESS and self.profile.write_access_hint:
            detail = f"{detail}: {self.profile.write_access_hint}"
        return StationError(self.station_id, failure, detail)

    @property
    def _renewal(self) -> timedelta:
        watchdog = self.profile.watchdog
        fixed = watchdog.timeout_s if watchdog else None
        return timedelta(seconds=(fixed or self.watchdog_s or WATCHDOG_S) / 2)

    def _line(self, outlet: int) -> _Line:
        return self._lines.setdefault(outlet, _Line())

    def _steps(self, line: _Line, current_a: int) -> list[tuple[Order, Scalar | None]]:
        """Return the orders that bring a current into force. Raises `StationError`."""
        order = self.limit_order
        if order is None:
            # It can be switched only: it draws what it can, or nothing.
            most_a = line.max_current_a or self.profile.max_current_a
            if current_a and current_a >= most_a and self.has(Order.RESUME):
                return [(Order.RESUME, None)]
            if current_a:
                raise StationError(
                    self.station_id, Failure.NOT_SUPPORTED, "its current cannot be limited"
                )
            return self._pause_steps()
        value = self._limit(line, order, current_a)
        if value is None:
            return self._pause_steps()
        resume = [(Order.RESUME, None)] if self.has(Order.RESUME) else []
        return [(order, value), *resume]

    def _pause_steps(self) -> list[tuple[Order, Scalar | None]]:
        if self.has(Order.PAUSE):
            return [(Order.PAUSE, None)]
        if (order := self.limit_order) is not None and self._pauses_by_zero:
            return [(order, 0)]
        raise StationError(self.station_id, Failure.NOT_SUPPORTED, "it cannot be paused")

    def _limit(self, line: _Line, order: Order, current_a: int) -> float | None:
        """Return the order's value for a current, rounded down; `None` where that is a pause."""
        spec = self.profile.orders[order]
        value = float(current_a)
        if order is Order.LIMIT_W:
            value *= VOLTS * (line.phases or self.profile.phases)
        if spec.maximum is not None:
            value = min(value, spec.maximum)
        value = math.floor(value / spec.step + 1e-9) * spec.step
        least = self.profile.min_current_a if spec.minimum is None else spec.minimum
        if current_a < self.profile.min_current_a or value < least:
            return None
        return round(value, 6)

    def _due(self, line: _Line, order: Order, value: Scalar | None, now: datetime) -> bool:
        spec, last = self.profile.orders[order], line.written.get(order)
        if last is None:
            return order not in line.again_at or now >= line.again_at[order]
        age = now - last.at
        if last.value != value:
            is_raise = _number(value) > _number(last.value)
            worn = self._memory(order) is not Memory.VOLATILE
            apart_s = max(spec.interval_s, RAISES_APART_S if is_raise and worn else 0.0)
            return now - last.since >= timedelta(seconds=apart_s)
        watchdog = self.profile.watchdog
        renewable = watchdog is not None and watchdog.renewed_by == "write"
        if order is Order.RESUME and self.limit_order is not None:
            # The limit is sign of life enough; to resume what runs may have effects of its own.
            renewable = False
        return renewable and self._memory(order) is not Memory.FLASH and age >= self._renewal

    async def _prepare(self, line: _Line, outlet: int) -> None:
        """Write what the box wants written before it heeds an order, where that is not done."""
        if line.is_prepared or not self.has(Order.PREPARE):
            return
        # One that is worn has been written today: where that was lost, reading back tells.
        if not self._worn(Order.PREPARE):
            await self._send(Order.PREPARE, None, outlet)
        line.is_prepared = True

    def _worn(self, order: Order) -> bool:
        """Whether another write of the order today would wear out the box's memory."""
        if self._memory(order) is not Memory.FLASH:
            return False
        now = self.now()
        latest = (at for at in self.flash_writes.get(order, ()) if now - at < FLASH_PERIOD)
        return len(tuple(latest)) >= FLASH_WRITES

    async def _send(self, order: Order, value: Scalar | None, outlet: int) -> None:
        """Have it written, and take note of what that wears."""
        before = self.flash_writes
        if self._memory(order) is Memory.FLASH:
            latest = before.get(order, ())[-FLASH_WRITES:]
            self.flash_writes = {**before, order: (*latest, self.now())}
        try:
            await self._link.tell(order, value, outlet=outlet)
        except LinkError as err:
            if err.fault in _UNTOUCHED:
                self.flash_writes = before
            raise

    async def _tell(self, line: _Line, outlet: int, order: Order, value: Scalar | None) -> None:
        now = self.now()
        if self._worn(order):
            raise StationError(
                self.station_id,
                Failure.NOT_SUPPORTED,
                "another write today would wear out its memory",
            )
        await self._prepare(line, outlet)
        # Until it is taken, nobody knows what is in force.
        if order in (*LIMITS, *_OPPOSITE):
            line.told_a = None
        last = line.written.pop(order, None)
        for undone in self._undoes(order):
            line.written.pop(undone, None)
        await self._send(order, value, outlet)
        since = last.since if last is not None and last.value == value else now
        line.written[order] = _Written(value, now, since)
        if order is Order.PHASES and isinstance(value, int):
            line.phases = value

    def _undoes(self, order: Order) -> tuple[Order, ...]:
        """Return what is not in force any more once an order is."""
        if self.has(Order.RESUME):
            return (_OPPOSITE[order],) if order in _OPPOSITE else ()
        # What is paused goes on with the next limit.
        return LIMITS if order is Order.PAUSE else (Order.PAUSE,) if order in LIMITS else ()

    def _missed(self, line: _Line, order: Order, now: datetime) -> None:
        """Have the order written again: at once, then ever more seldom."""
        line.misses[order] += 1
        again = line.misses[order] - 1
        back_off_s = min(LONGEST_BACK_OFF_S, 2.0**again) if again else 0.0
        line.again_at[order] = now + timedelta(seconds=back_off_s)
        del line.written[order]
        line.told_a = None
        line.is_prepared = False

    def _failed(self, line: _Line, error: StationError) -> None:
        """Raise what went wrong again until it is time for another try."""
        line.failures += 1
        back_off_s = min(LONGEST_BACK_OFF_S, 2.0**line.failures)
        line.retry_at = self.now() + timedelta(seconds=back_off_s)
        line.error = error.told

    def _is_written(self, line: _Line, order: Order, value: Scalar | None) -> bool:
        written = line.written.get(order)
        return written is not None and written.value == value

    @staticmethod
    def _is_pause(steps: list[tuple[Order, Scalar | None]]) -> bool:
        order, value = steps[0]
        return order is Order.PAUSE or (order in LIMITS and value == 0)

    @staticmethod
    def _shows(line: _Line) -> str:
        return ", ".join(f"{order} {value}" for order, value in line.seen.items())

    def _memory(self, order: Order) -> Memory:
        """Return the worst that its writes cost."""
        kinds = {write.memory for write in self.profile.orders[order].writes}
        return next((m for m in (Memory.FLASH, Memory.UNKNOWN) if m in kinds), Memory.VOLATILE)


def _shown(spec: OrderSpec, told: Told) -> float | bool | None:
    if spec.read_back is Role.LIMIT_A:
        return told.limit_a
    if spec.read_back is Role.LIMIT_W:
        return told.limit_w
    return told.enabled if spec.read_back is Role.ENABLED else None


def _expected(value: Scalar | None, order: Order) -> Scalar | None:
    if order is Order.PAUSE:
        return 0
    return True if order is Order.RESUME else value


def _fits(shows: float | bool, expected: Scalar | None, step: float) -> bool:
    if isinstance(shows, bool) or expected is True:
        return bool(shows) == bool(expected)
    return abs(shows - _number(expected)) < max(0.5, step)


def _number(value: Scalar | None) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
