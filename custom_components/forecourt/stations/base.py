"""The two ports between the site and its stations.

`Station` goes from the site to a station, `SiteEvents` from a station to the
site. A driver (a folder beside this file) implements the first and calls the
second; neither side knows the other's protocol or brand. What only some
stations can do stands behind one small capability protocol each: a caller asks
`supports(station, CanUnlock)`, never for the brand.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol, TypeIs, runtime_checkable

from ..core.model.events import StationEvent
from ..core.model.evse import EvseStatus
from ..core.model.finding import Finding
from ..core.model.ids import EvseId
from ..core.model.reading import Reading
from ..core.model.reservation import Reservation, ReservationStatus
from ..core.model.setpoint import Setpoint
from ..core.model.station import StationInfo
from ..core.model.token import Authorization, Token


class Failure(StrEnum):
    """Why a station did not do what it was told."""

    OFFLINE = "offline"
    TIMEOUT = "timeout"
    REFUSED = "refused"
    NOT_SUPPORTED = "not_supported"


class StationError(Exception):
    """A command that a station did not carry out.

    `failure` says why in general, `detail` holds the station's own word for it
    (a status such as `Occupied`), never a token.
    """

    def __init__(self, station_id: str, failure: Failure, detail: str = "") -> None:
        """Remember who failed, and why."""
        super().__init__(f"{station_id}: {failure}{f' ({detail})' if detail else ''}")
        self.station_id = station_id
        self.failure = failure
        self.detail = detail

    @property
    def told(self) -> StationError:
        """The same to be kept: with its traceback it would keep all that was at hand then."""
        return StationError(self.station_id, self.failure, self.detail)


@runtime_checkable
class Station(Protocol):
    """A station as the site sees it; it stays the same object across reconnections."""

    @property
    def info(self) -> StationInfo:
        """What the station told about itself; `info.id` is its identity."""

    @property
    def online(self) -> bool:
        """Whether a command could reach it now."""

    @property
    def fallback_current_a(self) -> int | None:
        """What it falls back to by itself, per phase; `None` where it may draw all it can."""

    def supports(self, capability: type) -> bool:
        """Whether the probed station can do what this capability protocol asks."""

    async def apply(self, setpoint: Setpoint) -> None:
        """Bring the setpoint into force; sends nothing when it already is.

        Called by the control loop every few seconds, so a driver renews what
        expires and spaces its writes here. Raises `StationError`.
        """


@runtime_checkable
class CanStart(Protocol):
    """Starts a transaction from afar."""

    async def start(self, evse: EvseId, token: Token) -> None:
        """Ask the EVSE to charge for this token. Raises `StationError`."""


@runtime_checkable
class CanStop(Protocol):
    """Ends a transaction from afar."""

    async def stop(self, transaction_id: int) -> None:
        """Ask the station to end the transaction. Raises `StationError`."""


@runtime_checkable
class CanUnlock(Protocol):
    """Releases the cable."""

    async def unlock(self, evse: EvseId) -> None:
        """Unlock the socket. Raises `StationError`."""


@runtime_checkable
class CanSwitchPhases(Protocol):
    """Charges on so many phases as `Setpoint.phases` says."""

    def phase_counts(self, evse: EvseId) -> frozenset[int]:
        """Return which it can be told for this EVSE: 1, 3, or both."""


@runtime_checkable
class CanReset(Protocol):
    """Restarts itself."""

    async def reset(self) -> None:
        """Restart the station, ending transactions in an orderly way. Raises `StationError`."""


@runtime_checkable
class CanReserve(Protocol):
    """Holds an EVSE for somebody."""

    async def reserve(self, reservation: Reservation) -> None:
        """Hold the EVSE for the token; the same id again changes it. Raises `StationError`."""

    async def cancel_reservation(self, reservation_id: int) -> None:
        """Hold it no more. Raises `StationError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldToken:
    """A token that a station shall know by itself, and what it shall answer for it."""

    token: Token
    authorization: Authorization


@runtime_checkable
class CanHoldTokens(Protocol):
    """Lets known people charge while the site is away, by a list of its own."""

    async def hold_tokens(self, tokens: Sequence[HeldToken]) -> None:
        """Bring the station's list in line; sends nothing when it is. Raises `StationError`."""


@runtime_checkable
class CanForgetTokens(Protocol):
    """Remembers whom it was told to let in, beside any list, until it is told to forget."""

    async def forget_cached_tokens(self) -> None:
        """Have it forget whom it let in before, because a token was withdrawn.

        Raises `StationError`.
        """


@runtime_checkable
class CanTest(Protocol):
    """Is put to a harmless test of everything that it should be able to do."""

    async def test(self) -> list[Finding]:
        """Try each capability and return what was found. Raises `StationError`."""


@runtime_checkable
class CanShowCost(Protocol):
    """Shows at the outlet what a charge costs so far."""

    async def show_cost(self, transaction_id: int, cost: Decimal) -> None:
        """Show the running cost, in the site's currency. Raises `StationError`."""


@runtime_checkable
class CanShowPrice(Protocol):
    """Shows at the outlet what energy costs, and reckons with it."""

    async def show_price(self, price_per_kwh: Decimal, currency: str) -> None:
        """Show the price, taxes included; `currency` as in ISO 4217. Raises `StationError`."""


@runtime_checkable
class CanSetAvailability(Protocol):
    """Takes an EVSE out of service and back."""

    async def set_available(self, evse: EvseId, *, available: bool) -> None:
        """Open or close the EVSE for charging. Raises `StationError`."""


@runtime_checkable
class CanRefresh(Protocol):
    """Tells its present state when asked."""

    async def refresh(self, evse: EvseId) -> None:
        """Ask for a fresh status and reading. Raises `StationError`."""


def supports[C](station: object, capability: type[C]) -> TypeIs[C]:
    """Return whether this very station has the capability, as probed."""
    probed = isinstance(station, Station) and station.supports(capability)
    return probed and isinstance(station, capability)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionStart:
    """A station began to charge. `replayed`: it happened while the station was offline.

    `token` is `None` where nobody identified. `reference` is the station's own id of the
    transaction, `None` for stations that go by the one they are given. `estimated`: there is
    no register; the energy is reckoned from power.
    """

    evse: EvseId
    token: Token | None
    at: datetime
    meter_start_wh: int
    reference: str | None = None
    reservation_id: int | None = None
    replayed: bool = False
    clock_estimated: bool = False
    estimated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionEnd:
    """A station ended a transaction; `token` is `None` where nobody tapped.

    The transaction is named by its id or, where that is not known, by the station's own
    `reference`. `meter_stop_wh` is `None` where the station does not tell its register.
    `readings` are those that came with the end, oldest first.
    """

    station_id: str
    transaction_id: int | None
    at: datetime
    meter_stop_wh: int | None
    reference: str | None = None
    token: Token | None = None
    reason: str | None = None
    readings: tuple[Reading, ...] = ()
    replayed: bool = False
    clock_estimated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TransactionAnswer:
    """What the site answers to a started transaction."""

    transaction_id: int
    authorization: Authorization


class SiteEvents(Protocol):
    """What a station reports to the site.

    Events of one station are delivered in the order in which they happened.
    The awaited ones return only when what must not be lost is on disk, so a
    driver may answer its station then.
    """

    def station_changed(self, station: Station) -> None:
        """The station came online, went offline or told something new about itself."""

    async def status_changed(
        self, evse: EvseId, status: EvseStatus, at: datetime, error: str | None = None
    ) -> None:
        """Take note of what an EVSE is doing; `error` is the station's fault code."""

    async def report(
        self, evse: EvseId, readings: tuple[Reading, ...], transaction_id: int | None
    ) -> int | None:
        """Take note of meter readings, oldest first; `transaction_id` as the station told it.

        Returns the running transaction that they were booked on, `None` where none runs.
        """

    async def authorize(self, station_id: str, token: Token, at: datetime) -> Authorization:
        """Judge a token that was shown at the station."""

    async def transaction_id(self, station_id: str, reference: str) -> int | None:
        """Return the id of a transaction by the station's own name for it, `None` if unknown."""

    async def reference(self, transaction_id: int) -> str | None:
        """Return the station's own name for a transaction, `None` if it has none."""

    async def transaction_started(self, start: TransactionStart) -> TransactionAnswer:
        """Book the start and return the transaction's id; the same start gets the same id.

        Raises where the disk does not take it; see `transaction_ended`.
        """

    async def transaction_ended(self, end: TransactionEnd) -> Authorization | None:
        """Book the end; return the judgement of `end.token`, `None` where there was none.

        An end of an unknown transaction is kept as an orphan. Raises where the disk takes
        neither; the station is told that it failed then, and tells the end again.
        """

    def reservation_changed(
        self, station_id: str, reservation_id: int, status: ReservationStatus
    ) -> None:
        """Take note of what became of a reservation."""

    def happened(self, event: StationEvent) -> None:
        """Take note of what a station tells about itself."""
