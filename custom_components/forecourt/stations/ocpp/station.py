"""A station reached by OCPP, as the site sees it: one object through all reconnections."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
import logging
from typing import Any, NamedTuple, Protocol

from ...core.model.finding import Finding
from ...core.model.ids import EvseId
from ...core.model.reading import Reading
from ...core.model.reservation import Reservation
from ...core.model.setpoint import Setpoint
from ...core.model.station import StationInfo
from ...core.model.token import Token
from ..base import (
    CanForgetTokens,
    CanHoldTokens,
    CanRefresh,
    CanReserve,
    CanReset,
    CanSetAvailability,
    CanShowCost,
    CanShowPrice,
    CanStart,
    CanStop,
    CanSwitchPhases,
    CanTest,
    CanUnlock,
    Failure,
    HeldToken,
    SiteEvents,
    StationError,
)
from .composite import Composite, InForce
from .forward import Forwarder, ForwardTarget, Pace
from .frames import Counters, FrameLog
from .limits import Limit, Limiter
from .local_list import ListLimits, TokenList
from .quirks import quirks_of
from .schema import Payload

MAX_EVSES = 64

# More than these are nobody's guess: a station has to say so, or its owner.
MAX_GUESSED_EVSES = 8

CAPABILITIES: frozenset[type] = frozenset(
    {
        CanForgetTokens,
        CanHoldTokens,
        CanRefresh,
        CanReserve,
        CanReset,
        CanSetAvailability,
        CanStart,
        CanStop,
        CanTest,
        CanUnlock,
    }
)

# Those that only some versions of OCPP have.
OF_VERSIONS: frozenset[type] = frozenset({CanShowCost, CanShowPrice})


@dataclass(frozen=True, slots=True)
class Moment:
    """When something happened, after a look at how far the station's clock can be trusted."""

    at: datetime
    estimated: bool = False
    replayed: bool = False


class KnownStart(NamedTuple):
    """A start of a transaction as it was first understood, and the id it was given."""

    when: Moment
    meter_start_wh: int
    transaction_id: int | None = None


type Observer = Callable[[str, Payload, Payload], None]
"""Is told the action, the payload and the answer of a call."""


class Line(Protocol):
    """A live connection to the station in one version of OCPP; see `OcppStation`."""

    async def send_limit(self, limit: Limit) -> None: ...
    async def in_force(self, limit: Limit) -> float | None: ...
    async def start(self, evse: EvseId, token: Token) -> None: ...
    async def stop(self, transaction_id: int) -> None: ...
    async def unlock(self, evse: EvseId) -> None: ...
    async def reset(self) -> None: ...
    async def set_available(self, evse: EvseId, *, available: bool) -> None: ...
    async def refresh(self, evse: EvseId) -> None: ...
    async def reserve(self, reservation: Reservation) -> None: ...
    async def cancel_reservation(self, reservation_id: int) -> None: ...
    async def hold_tokens(self, tokens: Sequence[HeldToken]) -> None: ...
    async def forget_cached_tokens(self) -> None: ...
    async def call(self, action: str, payload: Payload) -> Payload: ...
    async def test(self) -> list[Finding]: ...
    async def release(self) -> None: ...


class OcppStation:
    """Implements the ports by whatever line there is, and keeps what was learned.

    `learned` is what survives a restart of this program, `quirks` what is known of its model,
    `settings` its configuration as far as it was asked for, `composite` reads limits back.
    `sign_certificate` takes a request for a certificate and returns whether there will be one.
    `transactions` is the id of the running transaction of each EVSE, `starts` the latest
    transactions as they were told, `references` what the station itself calls those that run,
    `registers` where the meter of each EVSE stood last, `readings` its newest with a current or
    power,
    `token_list` is its own list of tokens and `list_limits` how much of one it takes,
    `fault` what it says about itself as a whole, and `notes` what was odd about its messages,
    and how often. `frames` has the latest frames and `counters` counts them all.
    """

    def __init__(
        self,
        info: StationInfo,
        events: SiteEvents,
        limiter: Limiter,
        logger: logging.Logger,
        *,
        list_key: bytes,
    ) -> None:
        self.limiter = limiter
        self.learned = limiter.learned
        self.quirks = quirks_of(info)
        self.composite = Composite(limiter.now, limiter.learned)
        self.settings: dict[str, str] = {}
        self.transactions: dict[int, int] = {}
        self.starts: dict[tuple[int, str, int], KnownStart] = {}
        self.references: dict[int, str] = {}
        self.registers: dict[int, int] = {}
        self.readings: dict[int, Reading] = {}
        self.fault: str | None = None
        self.notes: Counter[str] = Counter()
        self.frames = FrameLog()
        self.counters = Counters()
        self.token_list = TokenList(limiter.now, limiter.learned, self.notes, list_key)
        self.list_limits = ListLimits()
        self.sign_certificate: Callable[[str], Awaitable[bool]] | None = None
        self._met_evses: set[int] = set()
        self._info = info
        if (evses := self.learned.evses) is not None:
            self._info = replace(info, evses=max(evses, info.evses), told_evses=evses)
        self._events = events
        self.logger = logger
        self._line: Line | None = None
        self._attached = asyncio.Event()
        self._settled = asyncio.Event()
        self._reading_back: asyncio.Task[None] | None = None
        self.forwarder = Forwarder(info.id, logger)
        self._observers: list[Observer] = [self.forwarder.observed]
        self._memories: dict[type, Any] = {}

    @property
    def lacks(self) -> set[type]:
        """The capabilities that the station turned out not to have."""
        return self.learned.lacks

    @property
    def tries(self) -> Counter[tuple[str, str]]:
        """How often it was told a setting."""
        return self.learned.tries

    @property
    def info(self) -> StationInfo:
        """What the station told about itself."""
        return self._info

    @property
    def online(self) -> bool:
        """Whether it is connected and accepted."""
        return self._line is not None

    def kept[T](self, memory: type[T]) -> T:
        """Return what a version of OCPP remembers of the station, empty at first."""
        if memory not in self._memories:
            self._memories[memory] = memory()
        kept: T = self._memories[memory]
        return kept

    @property
    def fallback_current_a(self) -> int | None:
        """What was written to it; one that nobody has ever seen is taken at its owner's word."""
        if self.learned.fallback_written is None and not self.online and not self.learned.firmware:
            return self.limiter.fallback_current_a
        return self.learned.fallback_written

    def supports(self, capability: type) -> bool:
        """Whether it can do this, as far as is known."""
        if capability is CanSwitchPhases:
            # No station says so.
            return self.limiter.switches_phases
        if capability in OF_VERSIONS and not isinstance(self._line, capability):
            return False
        return capability in (CAPABILITIES | OF_VERSIONS) - self.lacks

    def phase_counts(self, evse: EvseId) -> frozenset[int]:
        """Return how many phases a charging profile may name, if its owner says that it may."""
        return frozenset({1, 3} if self.limiter.switches_phases else ())

    async def apply(self, setpoint: Setpoint) -> None:
        """Bring the setpoint into force. Without a transaction nothing is sent.

        After a restart of this program the site knows the transaction before the station
        names it again.
        """
        line, evse = self._connected(), setpoint.evse.number
        transaction_id = self.transactions.get(evse) or setpoint.transaction_id
        if transaction_id is not None:
            await self.limiter.apply(setpoint, transaction_id, line.send_limit)
            self._read_back(line, evse, transaction_id)
        await self.keep_fallback()
        if self.composite.found.get(evse) is InForce.HIGHER and evse not in self.readings:
            # No meter tells whether it follows, and it says that it does not.
            raise StationError(self._info.id, Failure.REFUSED, "more is in force than ordered")

    async def keep_fallback(self) -> None:
        """Write the fallback; where that fails the setpoint is in force all the same."""
        try:
            await self.limiter.keep_fallback(self._outlets(), self._connected().send_limit)
        except StationError as err:
            self.logger.warning("Could not set the fallback current of %s", err)

    def _outlets(self) -> list[int]:
        """Return the outlets that there are: those beyond its own word have to show themselves."""
        told = self._info.told_evses or self._info.evses
        return [
            number
            for number in range(1, self._info.evses + 1)
            if number <= told or number in self._met_evses
        ]

    def _read_back(self, line: Line, evse: int, transaction_id: int) -> None:
        """Have the station say which limit is in force, if it is time to; nobody waits for it."""
        limit = self.limiter.in_force(evse, transaction_id)
        is_busy = self._reading_back is not None and not self._reading_back.done()
        if limit is not None and not is_busy and self.composite.is_due(limit):
            self._reading_back = asyncio.create_task(
                self._check(limit, line), name=f"{self._info.id} reads back"
            )
            self._reading_back.add_done_callback(self._has_read_back)

    def _has_read_back(self, task: asyncio.Task[None]) -> None:
        # One that was cancelled would keep the connection that it was cancelled with.
        if self._reading_back is task:
            self._reading_back = None

    async def _check(self, limit: Limit, line: Line) -> None:
        if await self.composite.check(limit, line.in_force) is InForce.HIGHER:
            self.notes["composite schedule higher than ordered"] += 1

    async def start(self, evse: EvseId, token: Token) -> None:
        """Ask the EVSE to charge for this token."""
        await self._connected().start(evse, token)

    async def stop(self, transaction_id: int) -> None:
        """Ask the station to end the transaction."""
        await self._connected().stop(transaction_id)

    async def unlock(self, evse: EvseId) -> None:
        """Unlock the socket."""
        await self._connected().unlock(evse)

    async def reset(self) -> None:
        """Restart the station."""
        await self._connected().reset()

    async def set_available(self, evse: EvseId, *, available: bool) -> None:
        """Open or close the EVSE for charging."""
        await self._connected().set_available(evse, available=available)

    async def refresh(self, evse: EvseId) -> None:
        """Ask for a fresh status and reading."""
        await self._connected().refresh(evse)

    async def reserve(self, reservation: Reservation) -> None:
        """Hold the EVSE for a token."""
        await self._connected().reserve(reservation)

    async def cancel_reservation(self, reservation_id: int) -> None:
        """Hold it no more."""
        await self._connected().cancel_reservation(reservation_id)

    async def hold_tokens(self, tokens: Sequence[HeldToken]) -> None:
        """Bring the station's list in line, once the station is set up to use it."""
        self._connected()
        await self._settled.wait()
        await self._connected().hold_tokens(tokens)

    async def forget_cached_tokens(self) -> None:
        """Have it forget whom it let in before."""
        await self._connected().forget_cached_tokens()

    async def ready(self) -> None:
        """Wait until it is connected, and was asked and told all that is needed."""
        while self._line is None or not self._settled.is_set():
            await self._attached.wait()
            await self._settled.wait()

    async def call(self, action: str, payload: Payload) -> Payload:
        """Make any call of a central system, and return the station's answer.

        Raises `StationError`, also for what is no call of the station's version or does not
        fit its schema.
        """
        return await self._connected().call(action, payload)

    async def test(self) -> list[Finding]:
        """Try what it should be able to do, without doing harm."""
        return await self._connected().test()

    async def show_cost(self, transaction_id: int, cost: Decimal) -> None:
        """Show what a charge costs so far."""
        line = self._connected()
        if not isinstance(line, CanShowCost):
            raise StationError(self._info.id, Failure.NOT_SUPPORTED)
        await line.show_cost(transaction_id, cost)

    async def show_price(self, price_per_kwh: Decimal, currency: str) -> None:
        """Show what a kilowatt-hour costs."""
        line = self._connected()
        if not isinstance(line, CanShowPrice):
            raise StationError(self._info.id, Failure.NOT_SUPPORTED)
        await line.show_price(price_per_kwh, currency)

    def forward_to(self, target: ForwardTarget | None, pace: Pace | None = None) -> None:
        """Relay what it reports to a second central system from now on, or to none."""
        self.forwarder.forward_to(target, pace)

    async def release(self) -> None:
        """Take back what was written for good, if possible, because the station goes elsewhere."""
        if self._line is not None:
            await self._line.release()

    def _connected(self) -> Line:
        if self._line is None:
            raise StationError(self._info.id, Failure.OFFLINE)
        return self._line

    # For the line

    def attach(self, line: Line, address: str, protocol: str) -> None:
        """Go online."""
        self._line = line
        self._attached.set()
        self._settled.clear()
        self.token_list.reconnected()
        self._info = replace(self._info, address=address, protocol=protocol)
        self.forwarder.online(protocol)
        self.logger.info("Station %s connected from %s", self._info.id, address)
        self._changed()

    def detach(self, line: Line, why: str) -> None:
        """Go offline, unless another line serves the station by now."""
        if self._line is line:
            self._line = None
            self._attached.clear()
            self._settled.set()
            if self._reading_back is not None:
                self._reading_back.cancel()
            self.forwarder.offline()
            self.logger.info("Station %s went away: %s", self._info.id, why)
            self._changed()

    def observe(self, observer: Observer) -> Callable[[], None]:
        """Tell an observer every call of the station that was answered; returns what ends that."""
        self._observers.append(observer)
        return lambda: self._observers.remove(observer)

    def observed(self, action: str, payload: Payload, answer: Payload) -> None:
        """Tell the observers of a call and its answer."""
        for observer in tuple(self._observers):
            observer(action, payload, answer)

    def settled(self, line: Line) -> None:
        """Take note that the station was asked and told all that is needed."""
        if self._line is line:
            self._settled.set()

    def introduce(self, info: StationInfo) -> None:
        """Take note of what the station told about itself."""
        if self.learned.meet(info.firmware):
            self.limiter.replaced()
            self.token_list.replaced()
        self.quirks = quirks_of(info)
        for quirk in self.quirks:
            self.learned.unit = quirk.unit or self.learned.unit
        self.limiter.given_unit = next((one.unit for one in self.quirks if one.unit), None)
        self._know(info)

    def expect_evses(self, evses: int) -> None:
        """Take note that the station has this many outlets, or more."""
        self._know(replace(self._info, evses=max(evses, self._info.evses)))

    def learn_evses(self, evses: int) -> None:
        """Take note of how many outlets the station says it has."""
        self.learned.evses = evses
        self._know(replace(self._info, evses=max(evses, self._info.evses), told_evses=evses))

    def meet_evse(self, number: int) -> bool:
        """Return whether there is the outlet that a message names.

        It may be one more than was known, where the station never said how many it has:
        each counts for the fuse, so a wrong number must not make many.
        """
        next_one = self._info.evses + 1
        if self._info.told_evses is None and number == next_one <= MAX_GUESSED_EVSES:
            self.expect_evses(number)
        is_there = 0 < number <= self._info.evses
        if is_there:
            self._met_evses.add(number)
        return is_there

    def remember(self, evse: int, readings: Sequence[Reading]) -> None:
        """Take note of the newest register and current of an EVSE; oldest reading first."""
        for reading in readings:
            if reading.register_wh is not None:
                self.registers[evse] = reading.register_wh
            if reading.least_current_a is not None:
                self.readings[evse] = reading

    def over_limit_a(self, evse: int) -> float | None:
        """Return by how much an EVSE draws more than it was ordered, 0 if it does not.

        `None` where no current was measured since it had time to follow.
        """
        order = self.limiter.ordered(evse)
        return None if order is None else order.over_a(self.readings.get(evse))

    def report_fault(self, fault: str | None) -> None:
        """Take note of what the station says about itself as a whole."""
        if fault != self.fault:
            self.fault = fault
            self._changed()

    def _know(self, info: StationInfo) -> None:
        if info != self._info:
            self._info = info
            self._changed()

    def _changed(self) -> None:
        try:
            self._events.station_changed(self)
        except Exception:
            # What the site makes of it must not cost the station its connection.
            self.logger.exception("The site could not take note of %s", self._info.id)
