"""When a station's current is written, whatever the version of OCPP.

Two things are written. The *fallback* is what the station falls back to by itself when
it hears no more: it is persistent, so it is written only when it changes and at most
twice a day (stations keep it in flash memory). The *limit* is what the site wants now:
it belongs to a transaction, expires by itself, and is renewed at half its time.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ...core.model.setpoint import Setpoint
from ..base import Failure, StationError
from .learned import Learned, RateUnit

RAISE_EVERY = timedelta(seconds=5)
REFUSED_SAME = timedelta(minutes=5)
REFUSED_OTHER = timedelta(seconds=30)
FALLBACK_REFUSED = timedelta(hours=1)
VOLTS = 230
PHASES = 3
MIN_CURRENT_A = 6
REFUSALS = (Failure.REFUSED, Failure.NOT_SUPPORTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A limit in the unit that the station takes.

    With a transaction it holds for `duration` from `at`; without one it is the
    fallback. `evse` 0 is the whole station. `began_at` is when the transaction began,
    for stations that count from there only, `None` for all others. `phases` is how many the
    station shall use, `None` where that is left to it.
    """

    evse: int
    amount: int
    unit: RateUnit
    at: datetime
    duration: timedelta = timedelta()
    transaction_id: int | None = None
    began_at: datetime | None = None
    phases: int | None = None

    def in_force(self, now: datetime, transaction_id: int) -> bool:
        """Whether the station still goes by it."""
        return self.transaction_id == transaction_id and self.at <= now < self.at + self.duration


@dataclass(frozen=True, slots=True)
class Form:
    """How a limit is put: its unit, and whether its times count from the transaction's start."""

    unit: RateUnit
    relative: bool = False


type Send = Callable[[Limit], Awaitable[None]]


class Limiter:
    """Brings setpoints of one station into force; survives reconnections."""

    def __init__(
        self,
        now: Callable[[], datetime],
        learned: Learned | None = None,
        *,
        fallback_current_a: int | None = None,
    ) -> None:
        self.learned = learned or Learned()
        self.phases: dict[int, int] = {}
        self.began_at: dict[int, datetime] = {}
        self.fallback_current_a = fallback_current_a
        # Its owner says so: a station that only ignores the number of phases takes it as well.
        self.switches_phases = False
        # The only unit that is right, where trying would not tell.
        self.given_unit: RateUnit | None = None
        self._fallback_retry_at: datetime | None = None
        self.now = now
        self._turn = asyncio.Lock()
        self._wanted: dict[int, Setpoint] = {}
        self._sent: dict[int, Limit] = {}
        self._refused: dict[tuple[int, int], dict[int, tuple[datetime, StationError]]] = {}

    def in_force(self, evse: int, transaction_id: int) -> Limit | None:
        """Return the limit that an EVSE took and still goes by, `None` where there is none."""
        sent = self._sent.get(evse)
        return sent if sent is not None and sent.in_force(self.now(), transaction_id) else None

    def ordered(self, evse: int) -> Setpoint | None:
        """Return the newest setpoint of an EVSE."""
        return self._wanted.get(evse)

    def restarted(self) -> None:
        """Take note that the station restarted: what was not persistent is gone."""
        self._sent.clear()
        self._refused.clear()
        self.learned.restarted = True

    async def doubt(self) -> None:
        """Take note that somebody else changed limits or the fallback: nobody knows them."""
        async with self._turn:
            self._sent.clear()
            self._refused.clear()
            self.learned.fallback_written = None

    def replaced(self) -> None:
        """Take note that the station has another firmware: nothing learned holds."""
        self.restarted()
        self._fallback_retry_at = None

    async def apply(self, setpoint: Setpoint, transaction_id: int, send: Send) -> None:
        """Send what is needed to bring the setpoint into force, and nothing else.

        Lowers at once and raises at intervals. Raises `StationError`, also in place of
        sending what the station refused a short while ago.
        """
        evse = setpoint.evse.number
        self._wanted[evse] = setpoint
        async with self._turn:
            # While this call waited its turn, a newer setpoint may have come.
            setpoint = self._wanted[evse]
            now = self.now()
            duration = setpoint.valid_until - now
            phases = self._phases(setpoint)
            if duration < timedelta(seconds=1) or self._satisfied(setpoint, transaction_id, now):
                return
            self._check_refusals(setpoint, transaction_id, now)

            def limit(form: Form) -> Limit:
                return Limit(
                    evse=evse,
                    amount=self._amount(evse, setpoint.current_a, form.unit, phases),
                    unit=form.unit,
                    at=now,
                    duration=duration,
                    transaction_id=transaction_id,
                    began_at=self.began_at.get(evse) if form.relative else None,
                    phases=phases,
                )

            try:
                self._sent[evse] = await self._send(self._forms(evse), limit, send)
            except StationError as err:
                if err.failure in REFUSALS:
                    self._forget_refusals(evse, but=transaction_id)
                    refused = self._refused.setdefault((evse, transaction_id), {})
                    refused[setpoint.current_a] = (now, err.told)
                else:
                    # Nobody knows whether it arrived.
                    self._sent.pop(evse, None)
                raise
            self._forget_refusals(evse)

    async def keep_fallback(self, evses: Sequence[int], send: Send) -> None:
        """Write the fallback if it is not what the station has. Raises `StationError`.

        `evses` are the numbers of the outlets that there are.
        """
        async with self._turn:
            wanted, now = self.fallback_current_a, self.now()
            if wanted is None or wanted == self.learned.fallback_written:
                return
            if self._fallback_retry_at is not None and now < self._fallback_retry_at:
                return
            if not self.learned.may_write_fallback(now):
                return
            self._fallback_retry_at = now + FALLBACK_REFUSED
            worn = False

            async def write(limit: Limit) -> None:
                nonlocal worn
                try:
                    await send(limit)
                except StationError as err:
                    worn = worn or err.failure not in REFUSALS
                    raise
                worn = True

            try:
                await self._send_fallback(wanted, evses, write)
                self._fallback_retry_at = None
                self.learned.fallback_written = wanted
                self.learned.restarted = False
            finally:
                # Also if one outlet took it and the next did not, or nobody knows.
                if worn:
                    self.learned.fallback_writes.append(now)
                self.learned.keep()

    async def _send_fallback(self, current_a: int, evses: Sequence[int], send: Send) -> None:
        """Write it for the station as a whole or, where that is refused, for each EVSE."""

        def on(evse: int) -> Callable[[Form], Limit]:
            # In watts it is for one phase: nobody watches what the next car does with it.
            return lambda form: Limit(
                evse=evse,
                amount=current_a if form.unit is RateUnit.AMPERE else current_a * VOLTS,
                unit=form.unit,
                at=self.now(),
            )

        try:
            await self._send(self._forms(), on(0), send)
        except StationError as err:
            if err.failure is not Failure.REFUSED:
                raise
            for evse in evses:
                await self._send(self._forms(), on(evse), send)

    def _phases(self, setpoint: Setpoint) -> int | None:
        """Return how many phases the station is told to use, `None` where it is not told."""
        return setpoint.phases if self.switches_phases else None

    def _amount(self, evse: int, current_a: int, unit: RateUnit, phases: int | None) -> int:
        if unit is RateUnit.AMPERE:
            return current_a
        # The station divides by what it is told, whatever the car takes.
        if (phases := phases or self.phases.get(evse)) is not None:
            return current_a * VOLTS * phases
        # A car may draw all of it on one phase. But with less than the minimum of three
        # phases a three-phase car would not begin, and the meter never tell.
        return max(current_a, MIN_CURRENT_A * PHASES) * VOLTS if current_a else 0

    def _satisfied(self, setpoint: Setpoint, transaction_id: int, now: datetime) -> bool:
        """Whether nothing needs to be sent now."""
        sent = self._sent.get(setpoint.evse.number)
        if sent is None or not sent.in_force(now, transaction_id):
            return False
        phases = self._phases(setpoint)
        amount = self._amount(sent.evse, setpoint.current_a, sent.unit, phases)
        age = now - sent.at
        if phases != sent.phases:
            return age < RAISE_EVERY and amount >= sent.amount
        return (
            age < RAISE_EVERY
            if amount > sent.amount
            else (amount == sent.amount and age < sent.duration / 2)
        )

    def _check_refusals(self, setpoint: Setpoint, transaction_id: int, now: datetime) -> None:
        """Raise again what the station refused, rather than ask again and again."""
        refused = self._refused.get((setpoint.evse.number, transaction_id), {})
        for current_a, (at, err) in refused.items():
            pause = REFUSED_SAME if current_a == setpoint.current_a else REFUSED_OTHER
            if current_a > setpoint.current_a:
                pause = RAISE_EVERY
            if now - at < pause:
                raise StationError(err.station_id, err.failure, err.detail)

    def _forget_refusals(self, evse: int, *, but: int | None = None) -> None:
        """Forget what an EVSE refused, for all transactions or all but one."""
        self._refused = {
            key: value for key, value in self._refused.items() if key[0] != evse or key[1] == but
        }

    def _forms(self, evse: int | None = None) -> list[Form]:
        """Return the forms to try, the usual ones first; without an EVSE those of the fallback."""
        units = [self.learned.unit] if self.learned.unit else list(RateUnit)
        ways = [False]
        if evse in self.began_at:
            ways = [True] if self.learned.relative else [False, True]
        return [Form(unit, relative) for relative in ways for unit in units]

    async def _send(self, forms: list[Form], limit: Callable[[Form], Limit], send: Send) -> Limit:
        """Send in the station's form, which is learned by trying. Raises `StationError`."""
        attempts = list(forms)
        while True:
            form = attempts.pop(0)
            attempt = limit(form)
            try:
                await send(attempt)
            except StationError as err:
                if not attempts and attempt.evse and err.failure is Failure.REFUSED:
                    # What it took once it need not take for ever: all is tried the next time.
                    # For the station as a whole it may refuse any unit.
                    self.learned.unit = self.given_unit
                if not attempts or err.failure not in REFUSALS:
                    raise
                if attempts[0].relative and err.failure is not Failure.REFUSED:
                    raise
            else:
                self.learned.unit = attempt.unit
                if attempt.transaction_id is not None:
                    self.learned.relative = form.relative
                return attempt
