"""Puts a station to a test of what it should be able to do, one probe after the other.

A probe does no harm: it writes nothing that lasts, ends no charge, and puts back what it
changed. What a version of OCPP asks in its own words it brings as `Questions`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
import secrets
from typing import NamedTuple, Protocol

from ...core.model.finding import Finding, Outcome
from ...core.model.ids import EvseId
from ...core.model.reservation import Reservation
from ...core.model.token import Token, TokenKind
from ..base import CanHoldTokens, CanRefresh, CanReserve, Failure, StationError
from .composite import InForce, compared
from .limits import Limit
from .schema import Payload
from .station import Line, OcppStation

MAX_SKEW_S = 60
RESERVED_FOR = timedelta(minutes=1)


class Status(NamedTuple):
    """What a station told of an outlet: whether no cable is in, and when by its own clock."""

    free: bool
    stamp: str | None


class Questions(Protocol):
    """What a station is asked in the words of one version. All raise `StationError`."""

    async def wrong_settings(self) -> list[str]:
        """Return in words which settings are not as they are wanted."""

    async def measurands(self) -> tuple[str, bool] | None:
        """Return what it measures, and whether that is enough; `None` where it does not say."""

    async def status(self, evse: int) -> Status | None:
        """Have it tell the state of an outlet; `None` if nothing came."""

    async def meter(self, evse: int) -> int | None:
        """Have it tell its meter; return how many values came, `None` for nothing."""

    async def list_version(self) -> int:
        """Return the version of its list of tokens, negative where it has none."""

    async def in_force(self, limit: Limit) -> float | None:
        """Return what it says is in force, in the unit of the limit."""

    async def wrong_fallback(self, current_a: int) -> str:
        """Return in words what is wrong with its fallback, "" if it is as it was written.

        Raises `SkippedError` where it does not say.
        """


class SkippedError(Exception):
    """It cannot be tried now; the text says why."""


class FailedError(Exception):
    """It does not work; the text says what was seen."""


class SelfTest:
    """One test of a station over one connection."""

    def __init__(self, station: OcppStation, line: Line, questions: Questions) -> None:
        self._station = station
        self._line = line
        self._ask = questions
        self._statuses: dict[int, Status] = {}

    async def run(self) -> list[Finding]:
        """Try everything. Raises `StationError` where the station went away."""
        probes: tuple[Callable[[], Awaitable[str]], ...] = (
            self.settings,
            self.measurands,
            self.status,
            self.clock,
            self.meter,
            self.fallback,
            self.limit_read_back,
            self.limit_followed,
            self.local_list,
            self.reservation,
            self.unlock,
        )
        return [await _finding(probe.__name__, probe) for probe in probes]

    async def settings(self) -> str:
        """Are the settings still as they were set?"""
        if wrong := await self._ask.wrong_settings():
            raise FailedError("; ".join(wrong))
        return ""

    async def measurands(self) -> str:
        """Does it measure what is needed?"""
        told = await self._ask.measurands()
        if told is None:
            raise SkippedError("it does not say")
        value, enough = told
        if not enough:
            raise FailedError(value)
        return value

    async def status(self) -> str:
        """Does it tell the state of each outlet when asked?"""
        self._needs(CanRefresh)
        outlets = range(1, self._station.info.evses + 1)
        for number in outlets:
            status = await self._ask.status(number)
            if status is None:
                raise FailedError(f"outlet {number}: nothing came")
            self._statuses[number] = status
        return f"{len(outlets)} outlets"

    async def clock(self) -> str:
        """Is its clock right?"""
        stamp = next((one.stamp for one in self._statuses.values() if one.stamp), None)
        if stamp is None:
            raise SkippedError("no time told")
        try:
            told = datetime.fromisoformat(stamp.strip())
        except ValueError:
            raise FailedError("the time cannot be read") from None
        if told.tzinfo is None:
            raise FailedError("the time has no zone")
        skew_s = abs((told - self._station.limiter.now()).total_seconds())
        if skew_s > MAX_SKEW_S:
            raise FailedError(f"{skew_s:.0f} s off")
        return f"{skew_s:.0f} s off"

    async def meter(self) -> str:
        """Does it tell its meter when asked?"""
        self._needs(CanRefresh)
        count = await self._ask.meter(1)
        if count is None:
            raise FailedError("nothing came")
        return f"{count} values"

    async def fallback(self) -> str:
        """Does it have the current that it falls back to by itself?"""
        wanted = self._station.limiter.fallback_current_a
        written = self._station.learned.fallback_written
        if wanted is None:
            raise SkippedError("none is wanted")
        if written != wanted:
            raise FailedError(f"{written or 'nothing'} instead of {wanted} A")
        if wrong := await self._ask.wrong_fallback(wanted):
            raise FailedError(wrong)
        return f"{wanted} A"

    async def limit_read_back(self) -> str:
        """Does it say that the limit is in force which it was given?"""
        limits = self._limits()
        for limit in limits:
            amount = await self._ask.in_force(limit)
            if amount is None:
                raise FailedError(f"outlet {limit.evse}: it does not say")
            if compared(limit, amount) is InForce.HIGHER:
                told = f"{amount:g} instead of {limit.amount} {limit.unit}"
                raise FailedError(f"outlet {limit.evse}: {told}")
        return f"{len(limits)} limits"

    async def limit_followed(self) -> str:
        """Does the current that it measures stay within the limit?"""
        limits = self._limits()
        for limit in limits:
            over_a = self._station.over_limit_a(limit.evse)
            if over_a is None:
                raise SkippedError(f"outlet {limit.evse}: not measured since")
            if over_a:
                raise FailedError(f"outlet {limit.evse}: {over_a:.1f} A too much")
        return f"{len(limits)} limits"

    async def local_list(self) -> str:
        """Does it have a list of tokens?"""
        self._needs(CanHoldTokens)
        version = await self._ask.list_version()
        if version < 0:
            raise SkippedError("it has none")
        return f"version {version}"

    async def reservation(self) -> str:
        """Can a free outlet be held for a minute, and let go?"""
        self._needs(CanReserve)
        reservation = Reservation(
            id=1 + secrets.randbelow(2**31 - 1),
            evse=self._free_outlet(),
            token=Token(secrets.token_hex(10), TokenKind.CENTRAL),
            until=self._station.limiter.now() + RESERVED_FOR,
        )
        await self._line.reserve(reservation)
        await self._line.cancel_reservation(reservation.id)
        return ""

    async def unlock(self) -> str:
        """Does the lock of a free outlet open?"""
        await self._line.unlock(self._free_outlet())
        return ""

    def _limits(self) -> list[Limit]:
        """Return the limits in force at outlets that charge."""
        limiter, running = self._station.limiter, self._station.transactions.items()
        found = [limiter.in_force(number, transaction_id) for number, transaction_id in running]
        limits = [limit for limit in found if limit is not None]
        if not limits:
            raise SkippedError("no car charges under a limit")
        return limits

    def _needs(self, capability: type) -> None:
        if not self._station.supports(capability):
            raise SkippedError("it said that it cannot")

    def _free_outlet(self) -> EvseId:
        number = next((number for number, one in self._statuses.items() if one.free), None)
        if number is None:
            raise SkippedError("no outlet is known to be free")
        return EvseId(self._station.info.id, number)


async def _finding(name: str, probe: Callable[[], Awaitable[str]]) -> Finding:
    outcome = Outcome.OK
    try:
        detail = await probe()
    except SkippedError as why:
        outcome, detail = Outcome.SKIPPED, str(why)
    except FailedError as what:
        outcome, detail = Outcome.FAILED, str(what)
    except StationError as err:
        if err.failure is Failure.OFFLINE:
            raise
        lacks = err.failure is Failure.NOT_SUPPORTED
        outcome = Outcome.NOT_SUPPORTED if lacks else Outcome.FAILED
        detail = err.detail if lacks else f"{err.failure}: {err.detail}"
    return Finding(probe=name, outcome=outcome, detail=detail)


async def heard(
    station: OcppStation,
    ask: Callable[[], Awaitable[None]],
    wanted: Callable[[str, Payload], bool],
    timeout_s: float,
) -> Payload | None:
    """Ask for a message and return it when it comes, `None` if it does not."""
    found: asyncio.Future[Payload] = asyncio.get_running_loop().create_future()

    def observer(action: str, payload: Payload, answer: Payload) -> None:
        if not found.done() and wanted(action, payload):
            found.set_result(payload)

    release = station.observe(observer)
    try:
        await ask()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                return await found
        return None
    finally:
        release()


def words(items: Sequence[tuple[str, str, str]]) -> list[str]:
    """Return settings in words: name, what it is, what it should be."""
    return [f"{name} is {value}, not {wanted}" for name, value, wanted in items]
