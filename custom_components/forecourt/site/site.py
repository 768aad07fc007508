"""The running site: takes the events of its stations and hands them to the parts.

Free of Home Assistant: whoever runs it gives it a ledger, a clock and a task
for `run`, listens to its signals, and calls `close` at the end.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
import logging
from weakref import WeakValueDictionary

from ..core.access.authorize import TokenRecord
from ..core.control.goals import Tariff
from ..core.control.limits import VALIDITY, Limits
from ..core.model.events import StationEvent
from ..core.model.evse import EvseState, EvseStatus
from ..core.model.ids import EvseId
from ..core.model.reading import Reading
from ..core.model.reservation import ReservationStatus
from ..core.model.session import SessionFlag, Transaction
from ..core.model.setpoint import LimitReason, Setpoint
from ..core.model.token import Authorization, Token, User
from ..ledger import Ledger, LedgerError
from ..stations.base import (
    Station,
    TransactionAnswer,
    TransactionEnd,
    TransactionStart,
)
from .board import Board
from .books import Books
from .controller import Controller
from .demand import Demand
from .desk import Desk
from .displays import Displays
from .goals import Goals
from .identification import Identification
from .lists import Lists
from .members import Members
from .orders import Orders
from .reservations import Reservations
from .settings import SiteSettings
from .signal import Signal

_LOGGER = logging.getLogger(__name__)

GRACE = timedelta(minutes=2)
"""How long a free outlet may have a transaction: its end may still be on the way."""

TAPPED = (None, "Local")
"""Reasons of an end that a shown token brought about; some stations send the token with any."""


class Site:
    """Every station, EVSE, user and session of one place behind one grid connection.

    The parts are public for reading and listening: `board` (states), `books` (sessions),
    `desk` (taps), `orders` (commands), `goals` (what charges are for), `demand` (limits from
    outside), `members` (users), `reservations`.
    `station_signal` names a station that came, went or changed, `happened_signal` has
    what stations tell about themselves.
    """

    def __init__(
        self, ledger: Ledger, key: bytes, settings: SiteSettings, clock: Callable[[], datetime]
    ) -> None:
        """Put the parts together; `key` is the secret of this installation."""
        self.settings = settings
        self.ledger = ledger
        self.stations: dict[str, Station] = {}
        self.board = Board()
        self.books = Books(ledger, settings.currency)
        self.members = Members(key)
        self.reservations = Reservations(
            self.board, self.members, self.stations, ledger.token_key, clock
        )
        self.lists = Lists(self.members, self.stations, clock)
        self.desk = Desk(
            ledger,
            self.members,
            self.books,
            self.board,
            self.reservations,
            settings=lambda: self.settings,
            clock=clock,
        )
        self.controller = Controller(
            self.board,
            self.desk,
            self.members,
            self.stations,
            lambda: self.settings,
            cap_w=self._cap_w,
            tariff=lambda: Tariff(price=self.books.price, zone=self.settings.zone),
        )
        self.demand = Demand(self.board, ledger, self.controller.wake)
        self.goals = Goals(self.board, self.controller.wake)
        self.orders = Orders(self.board, self.reservations, self.stations, self.controller.wake)
        self.displays = Displays(
            self.board, self.stations, lambda: self.settings, lambda: self.books.price
        )
        self.station_signal = Signal[str]()
        self.happened_signal = Signal[StationEvent]()
        self._clock = clock
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.identification = Identification(
            self.books, self.desk, self.reservations, self.orders, locks=self._locks, clock=clock
        )
        self._wanted: dict[EvseId, EvseState] = {}
        self._limits: dict[str, Limits] = {}
        self._free_since: dict[EvseId, datetime] = {}
        self._starting = WeakValueDictionary[Token | None, asyncio.Lock]()
        self.books.changed.connect(self._session_changed)

    async def load(self) -> None:
        """Take up the sessions that were open when the site last stopped."""
        await self.books.load()
        await self.demand.load()

    async def run(self) -> None:
        """Control the site until cancelled."""
        while True:
            try:
                await self.turn()
            except Exception:
                # A fault in one turn must not end control in silence. What it did not renew
                # expires in the stations, which then fall back.
                _LOGGER.exception("The control loop failed; trying again")
            await self.controller.wait()

    async def turn(self) -> None:
        """Look at the whole site once; stations carry out what follows in their own time."""
        now = self._clock()
        try:
            await self._give_up_lost(now)
        except LedgerError:
            # The transactions stay open and are given up when the disk takes it.
            _LOGGER.exception("The ledger does not take the end of lost transactions")
        self.reservations.look(now)
        self.lists.look(now)
        self.displays.look(now)
        await self.demand.look(now)
        await self.controller.step(now)

    async def close(self) -> None:
        """Cancel what is under way; stations, ledger and `run` belong to the caller."""
        await self.orders.close()
        await self.reservations.close()
        await self.lists.close()
        await self.displays.close()
        await self.controller.close()

    def set_members(self, users: Iterable[User], tokens: Iterable[TokenRecord]) -> None:
        """Take over everybody who is known; stations hear of it soon."""
        self.members.replace(users, tokens)
        self.lists.members_changed()

    def add_station(
        self, station: Station, limits: Limits, remembered: Mapping[EvseId, EvseState]
    ) -> None:
        """Take a station into the site, or new limits for one that is there.

        `remembered` holds what users had asked of its EVSEs before a restart.
        """
        station_id = station.info.id
        self._limits[station_id] = limits
        self._wanted.update(remembered)
        self.stations[station_id] = station
        self.station_changed(station)

    async def remove_station(self, station_id: str) -> None:
        """Let a station go; its sessions end and stay in the ledger."""
        self.stations.pop(station_id, None)
        self._limits.pop(station_id, None)
        self.reservations.station_removed(station_id)
        await self.lists.station_removed(station_id)
        async with self._locks[station_id]:
            for state in self.board.of(station_id):
                try:
                    await self._end(state.evse, self._clock())
                except LedgerError:
                    _LOGGER.exception("The ledger does not take the end of the charge")
                self.books.forget(state.evse)
                self.controller.forget(state.evse)
                self._free_since.pop(state.evse, None)
            self.board.remove(station_id)
        self.station_signal.send(station_id)
        self.controller.wake()

    async def replace_station(self, station_id: str) -> None:
        """End what runs at a station, since another box takes its place under the same name.

        Its outlets, and what users asked of them, stay. The new box comes by `add_station`.
        """
        await self.lists.station_removed(station_id)
        async with self._locks[station_id]:
            for evse in self.books.evses(station_id):
                await self._end(evse, self._clock())
            for state in self.board.of(station_id):
                self.controller.forget(state.evse)
                self._free_since.pop(state.evse, None)
                self.board.update(
                    state.evse, status=EvseStatus.UNAVAILABLE, plugged_at=None, error=None
                )
        self.controller.wake()

    # What stations report (`stations.base.SiteEvents`).

    def station_changed(self, station: Station) -> None:
        """Note that a station came, went, or told something new about itself."""
        station_id = station.info.id
        if self.stations.get(station_id) is not station:
            return
        for number in range(1, station.info.evses + 1):
            evse = EvseId(station_id, number)
            if evse in self.board:
                self.board.add(self.board[evse], self._limits[station_id])
            else:
                self.board.add(self._first_state(evse), self._limits[station_id])
            if station.online and not self.board[evse].online and evse in self._free_since:
                # What it has to tell of the time without a connection comes now.
                self._free_since[evse] = self._clock()
            self.board.update(evse, online=station.online)
        self.reservations.station_changed(station)
        self.lists.station_changed(station)
        self.station_signal.send(station_id)
        self.controller.wake()

    async def status_changed(
        self, evse: EvseId, status: EvseStatus, at: datetime, error: str | None = None
    ) -> None:
        """Take note of what an EVSE is doing; pulling the plug closes its session."""
        if evse not in self.board:
            return
        async with self._locks[evse.station_id]:
            before = self.board[evse].status
            self.board.set_status(evse, status, at, error)
            self.reservations.status_changed(evse, before, status)
            if status.plugged is False:
                self._free_since.setdefault(evse, self._clock())
                await self.books.unplug(evse, at)
            else:
                self._free_since.pop(evse, None)
        self.controller.wake()

    async def report(
        self, evse: EvseId, readings: tuple[Reading, ...], transaction_id: int | None
    ) -> int | None:
        """Book readings, and show the newest."""
        async with self._locks[evse.station_id]:
            booked_on = await self.books.report(evse, readings, transaction_id)
            if evse in self.board:
                now, before = self._clock(), self.board[evse]
                for reading in readings:
                    self.board.set_reading(evse, reading, now)
                self.controller.reading_came(before, now)
        return booked_on

    async def authorize(self, station_id: str, token: Token, at: datetime) -> Authorization:
        """Judge a token that is shown now."""
        async with self._locks[station_id]:
            return await self.desk.present(station_id, token, at)

    async def transaction_id(self, station_id: str, reference: str) -> int | None:
        """Return the id of a transaction that its station names itself."""
        return await self.books.transaction_id(station_id, reference)

    async def reference(self, transaction_id: int) -> str | None:
        """Return how the station names a transaction."""
        return await self.books.reference(transaction_id)

    def reservation_changed(
        self, station_id: str, reservation_id: int, status: ReservationStatus
    ) -> None:
        """Take note of what a station says became of a reservation."""
        self.reservations.told(station_id, reservation_id, status)

    def happened(self, event: StationEvent) -> None:
        """Pass on what a station tells about itself."""
        if event.station_id in self.stations:
            self.happened_signal.send(event)

    async def transaction_started(self, start: TransactionStart) -> TransactionAnswer:
        """Book a start, whoever it is for: energy that flows is never left out of the books."""
        evse = start.evse
        # One start of a card at a time, so that it cannot begin two charges in one moment.
        starting = self._starting.setdefault(start.token, asyncio.Lock())
        async with self._locks[evse.station_id], starting:
            transaction = await self.books.find(start)
            if transaction is None:
                authorization = self.desk.judge_start(start)
                transaction = await self._begin(start, authorization)
            else:
                let_in = await self.books.let_in(transaction, start.token)
                authorization = self.desk.judge_again(start, let_in=let_in)
            self.reservations.started(start, authorization)
        self.controller.wake()
        return TransactionAnswer(transaction_id=transaction.id, authorization=authorization)

    async def _begin(self, start: TransactionStart, authorization: Authorization) -> Transaction:
        """Book a start that was not told before."""
        evse = start.evse
        if start.token is not None:
            await self.desk.accompany(
                evse.station_id,
                start.token,
                start.at,
                authorization,
                replayed=start.replayed,
            )
        if evse in self._free_since:
            # The word that the outlet is taken comes after the start, if at all.
            self._free_since[evse] = self._clock()
        flags = set()
        if start.replayed:
            flags.add(SessionFlag.OFFLINE)
        if start.clock_estimated:
            flags.add(SessionFlag.CLOCK_ESTIMATED)
        if start.estimated:
            flags.add(SessionFlag.ESTIMATED)
        if self.identification.was_said(start):
            flags.add(SessionFlag.NO_CARD)
        user_id = None
        if authorization.accepted:
            user_id = self.desk.owner_of(authorization.user_id)
        else:
            flags.add(SessionFlag.UNAUTHORIZED)
        return await self.books.start(
            start,
            user_id=user_id,
            token_last4=self._digits(start.token),
            plugged_at=self.board[evse].plugged_at if evse in self.board else None,
            flags=flags,
        )

    async def transaction_ended(self, end: TransactionEnd) -> Authorization | None:
        """Book an end."""
        async with self._locks[end.station_id]:
            flags = {SessionFlag.CLOCK_ESTIMATED} if end.clock_estimated else set()
            ran = [state for state in self.board.of(end.station_id) if _runs(state, end)]
            is_news = await self.books.finish(end, flags)
            for state in ran if is_news else ():
                if self.controller.resumption.ended(state, end):
                    _LOGGER.info("%s ended a charge that was paused; it goes on later", state.evse)
            for state in self.board.of(end.station_id):
                # The end of a charge may come after the word that the outlet is free.
                if state.plugged is False:
                    await self.books.unplug(state.evse, state.status_at or end.at)
            authorization = None
            if end.token is not None:
                authorization = self.desk.judge(end.token, end.at)
                if is_news and end.reason in TAPPED:
                    await self.desk.accompany(
                        end.station_id, end.token, end.at, authorization, replayed=end.replayed
                    )
        self.controller.wake()
        return authorization

    def _cap_w(self, now: datetime) -> int | None:
        limit = self.demand.limit(now)
        return None if limit is None else limit.limit_w

    def _digits(self, token: Token | None) -> str | None:
        """Return what people may see of a token that somebody showed."""
        return None if token is None or self.members.is_site_tag(token) else token.last4

    def _first_state(self, evse: EvseId) -> EvseState:
        """Return what is known of an EVSE before its station says anything."""
        state = self._wanted.pop(evse, EvseState(evse=evse))
        session = self.books.session(evse)
        setpoint = None
        if session is not None and session.charging:
            # What it was told before a restart is not known: it may draw all it can.
            setpoint = Setpoint(
                evse=evse,
                current_a=self._limits[evse.station_id].max_current_a,
                valid_until=self._clock() + VALIDITY,
                reason=LimitReason.STATION_MAXIMUM,
            )
        return replace(
            state,
            session=session,
            register_wh=self.books.register_wh(evse),
            plugged_at=session.plugged_at if session is not None else None,
            setpoint=setpoint,
        )

    def _session_changed(self, evse: EvseId) -> None:
        if evse in self.board:
            before = self.board[evse].session
            session, register_wh = self.books.session(evse), self.books.register_wh(evse)
            self.board.set_session(evse, session, register_wh, self._clock())
            self.goals.session_changed(evse, before, session)

    async def _give_up_lost(self, now: datetime) -> None:
        """End transactions of outlets that have been free for longer than the grace."""
        for state in self.board.all():
            session = state.session
            if session is None or not session.charging or not self._is_lost(state.evse, now):
                continue
            async with self._locks[state.evse.station_id]:
                # While this waited for its turn, the station may have told more.
                if self._is_lost(state.evse, now):
                    await self._end(state.evse, state.status_at or now)

    def _is_lost(self, evse: EvseId, now: datetime) -> bool:
        free_since = self._free_since.get(evse)
        return free_since is not None and now - free_since > GRACE and self.board[evse].online

    async def _end(self, evse: EvseId, at: datetime) -> None:
        """Close the session of an EVSE, also if its station never told the end."""
        await self.books.abandon(evse, at)
        await self.books.unplug(evse, at)


def _runs(state: EvseState, end: TransactionEnd) -> bool:
    """Whether it is the charge of this outlet that ends."""
    session = state.session
    return session is not None and session.charging and session.transaction_id == end.transaction_id
