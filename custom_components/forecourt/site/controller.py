"""The control loop: shares the fuse, renews setpoints, starts and ends what must be."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
import logging

from ..core.access import autostart
from ..core.access.autostart import Tries
from ..core.control.follow import follows
from ..core.control.goals import Tariff, held
from ..core.control.limits import CAP, MIN_CURRENT_A, Outlet, decide, possible_a, room_a
from ..core.model.evse import EvseState
from ..core.model.ids import EvseId
from ..core.model.reading import PHASES, VOLTS
from ..core.model.session import SessionFlag
from ..core.model.setpoint import Setpoint
from ..core.model.token import Access
from ..stations.base import CanStart, CanStop, Failure, Station, StationError, supports
from .board import Board
from .desk import Desk
from .members import Members
from .resumption import Resumption
from .settings import SiteSettings
from .signal import Signal

_LOGGER = logging.getLogger(__name__)

PERIOD_S = 2.0
"""How often the loop runs when nothing wakes it."""

PAUSE_S = 0.25
"""How long the loop rests at least: a hundred stations wake it many times a second."""

SLICE_S = 0.005
"""How long the loop serves stations before others have a turn."""

EVICT_AFTER = timedelta(seconds=20)
"""How long a station has to end a charge whose token was refused, and between reminders."""


class Controller:
    """Looks at the whole site every `PERIOD_S` and after every change that matters."""

    def __init__(
        self,
        board: Board,
        desk: Desk,
        members: Members,
        stations: dict[str, Station],
        settings: Callable[[], SiteSettings],
        *,
        cap_w: Callable[[datetime], int | None] = lambda _: None,
        tariff: Callable[[], Tariff] = Tariff,
    ) -> None:
        """Control the given stations; nothing happens before `step`.

        `cap_w` is what all together may draw by a limit from outside, `None` without one;
        `tariff` what energy costs now.
        """
        self._board = board
        self._desk = desk
        self._members = members
        self._stations = stations
        self._settings = settings
        self._cap_w = cap_w
        self._tariff = tariff
        self._wake = asyncio.Event()
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._tries: dict[EvseId, Tries] = {}
        self._evicted: dict[EvseId, datetime] = {}
        self._closed = False
        self.refusals: dict[EvseId, StationError] = {}
        self.refused = Signal[EvseId]()
        self.ignoring: set[EvseId] = set()
        self.ignored = Signal[EvseId]()
        self.resumption = Resumption()

    def wake(self) -> None:
        """Let the loop look at once."""
        self._wake.set()

    async def wait(self) -> None:
        """Wait for the next turn of the loop; what wakes it together is one turn."""
        clock = asyncio.get_running_loop().time
        rested_at = clock() + PAUSE_S
        try:
            async with asyncio.timeout(PERIOD_S):
                await self._wake.wait()
        except TimeoutError:
            pass
        await asyncio.sleep(max(0.0, rested_at - clock()))
        self._wake.clear()

    def reading_came(self, before: EvseState, now: datetime) -> None:
        """Let the loop look if a reading changes what its EVSE may draw in the worst case.

        `before` is the EVSE's state without it. Most readings say what was known: that the
        car draws no more than it may. Those wait for the next turn.
        """
        after = self._board[before.evse]
        if possible_a(self._outlet(before, now), now) != possible_a(self._outlet(after, now), now):
            self.wake()

    async def step(self, now: datetime) -> None:
        """Decide, and let every station that is not still busy carry it out."""
        if self._closed:
            return
        self._board.drop_stale(now)
        self._watch(now)
        orders = defaultdict(list)
        fuse_a = self._settings().main_fuse_a
        decided = decide(self._outlets(now), fuse_a, now, self._circuits(now))
        for evse, point in decided.items():
            orders[evse.station_id].append(point)
        clock = asyncio.get_running_loop().time
        rest_at = clock() + SLICE_S
        for station_id, station in tuple(self._stations.items()):
            if clock() >= rest_at:
                await asyncio.sleep(0)
                rest_at = clock() + SLICE_S
            if self._closed:
                return
            is_ours = self._stations.get(station_id) is station
            if is_ours and station.online and station_id not in self._busy:
                self._begin_to_serve(station, orders[station_id], now)

    async def close(self) -> None:
        """Cancel what is under way, and begin nothing any more."""
        self._closed = True
        tasks = list(self._busy.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def forget(self, evse: EvseId) -> None:
        """Drop an EVSE that was removed."""
        self._tries.pop(evse, None)
        self._evicted.pop(evse, None)
        self.refusals.pop(evse, None)
        self.ignoring.discard(evse)
        self.resumption.forget(evse)

    def _circuits(self, now: datetime) -> dict[str, int]:
        """Return the limit per phase of each circuit; one of power counts as evenly spread."""
        limits, cap_w = self._settings().circuit_limits, self._cap_w(now)
        return limits if cap_w is None else limits | {CAP: int(cap_w / VOLTS / PHASES)}

    def _feeders(self, station_id: str, now: datetime) -> tuple[str, ...]:
        feeders = self._settings().feeding(station_id)
        return feeders if self._cap_w(now) is None else (*feeders, CAP)

    def _watch(self, now: datetime) -> None:
        """Take note of who does not follow its limit, and who does so again."""
        for state in self._board.all():
            obeys = follows(state, now)
            if obeys is None or obeys == (state.evse not in self.ignoring):
                continue
            if obeys:
                self.ignoring.discard(state.evse)
                _LOGGER.info("%s follows its current limit again", state.evse)
            else:
                self.ignoring.add(state.evse)
                _LOGGER.warning("%s takes its current limit and ignores it", state.evse)
            self.ignored.send(state.evse)

    def _outlets(self, now: datetime) -> list[Outlet]:
        return [self._outlet(state, now) for state in self._board.all() if self._is_there(state)]

    def _is_there(self, state: EvseState) -> bool:
        """Whether there is such an outlet: one too many by its station's word has to show it."""
        station = self._stations.get(state.evse.station_id)
        told = None if station is None else station.info.told_evses
        if told is None or state.evse.number <= told:
            return True
        return any(one is not None for one in (state.status, state.session, state.reading))

    def _outlet(self, state: EvseState, now: datetime) -> Outlet:
        limits = self._board.limits(state.evse)
        if (station := self._stations.get(state.evse.station_id)) is not None:
            # What the station has counts, not what the owner wants it to have.
            has_a = station.fallback_current_a
            fallback_a = limits.max_current_a if has_a is None else has_a
            if fallback_a > limits.fallback_current_a:
                limits = replace(limits, fallback_current_a=fallback_a)
        return Outlet(
            state=state,
            limits=limits,
            authorized=not _unauthorized(state),
            obeys=state.evse not in self.ignoring,
            feeders=self._feeders(state.evse.station_id, now),
            held=held(state, limits.max_current_a, self._tariff(), now),
        )

    def _begin_to_serve(self, station: Station, orders: list[Setpoint], now: datetime) -> None:
        """Serve a station in a task of its own; mostly there is nothing to wait for."""
        station_id = station.info.id
        task = asyncio.create_task(self._serve(station, orders, now), eager_start=True)
        if task.done():
            self._served(station_id, task)
        else:
            self._busy[station_id] = task
            task.add_done_callback(partial(self._served, station_id))

    def _served(self, station_id: str, task: asyncio.Task[None]) -> None:
        self._busy.pop(station_id, None)
        if not task.cancelled() and (fault := task.exception()) is not None:
            _LOGGER.error("%s was not served; trying again", station_id, exc_info=fault)

    async def _serve(self, station: Station, setpoints: list[Setpoint], now: datetime) -> None:
        for setpoint in setpoints:
            await self._apply(station, setpoint)
        for state in self._board.of(station.info.id):
            await self._autostart(station, state, now)
            await self._resume(station, state, now)
            await self._evict(station, state, now)

    async def _apply(self, station: Station, setpoint: Setpoint) -> None:
        evse, transaction_id = setpoint.evse, setpoint.transaction_id
        if transaction_id != self._transaction(evse):
            # It ended while others were served.
            return
        try:
            await station.apply(setpoint)
        except StationError as error:
            self._note_refusal(evse, error)
            # Nobody knows whether it arrived: a raise may be in force, a drop is not proven.
            arrived = error.failure in (Failure.OFFLINE, Failure.TIMEOUT) and self._raises(setpoint)
        else:
            self._note_refusal(evse, None)
            arrived = True
        # An order ends with its transaction, and the next one knows nothing of it.
        if arrived and transaction_id is not None and transaction_id == self._transaction(evse):
            self._board.set_setpoint(setpoint)

    def _note_refusal(self, evse: EvseId, error: StationError | None) -> None:
        """Tell when an EVSE begins or ceases to refuse; one that is away does neither.

        One that does not answer may follow all the same, and is told apart.
        """
        if error is None:
            if self.refusals.pop(evse, None) is not None:
                _LOGGER.info("%s follows its current limit again", evse)
                self.refused.send(evse)
        elif error.failure is not Failure.OFFLINE:
            before = self.refusals.get(evse)
            is_silent = error.failure is Failure.TIMEOUT
            is_news = before is None or is_silent != (before.failure is Failure.TIMEOUT)
            self.refusals[evse] = error.told
            if is_news:
                what = "does not answer to" if is_silent else "does not follow"
                _LOGGER.warning("%s %s its current limit: %s", evse, what, error)
                self.refused.send(evse)

    def _raises(self, setpoint: Setpoint) -> bool:
        order = self._board[setpoint.evse].setpoint if setpoint.evse in self._board else None
        return setpoint.current_a > (order.current_a if order else setpoint.before_a)

    def _transaction(self, evse: EvseId) -> int | None:
        session = self._board[evse].session if evse in self._board else None
        return None if session is None else session.transaction_id

    async def _autostart(self, station: Station, state: EvseState, now: datetime) -> None:
        """Start the charge of a car that was just plugged in, where anyone may."""
        if self._settings().access is not Access.ANYONE or not supports(station, CanStart):
            return
        tries = self._tries.get(state.evse)
        tapped_at = self._desk.accepted_at.get(state.evse.station_id)
        if not autostart.due(state, tries, tapped_at, now) or self._desk.is_held(state.evse):
            return
        self._tries[state.evse] = autostart.tried(state, tries, now)
        try:
            await station.start(state.evse, self._members.site_tag(None))
        except StationError as error:
            _LOGGER.warning("%s did not start by itself: %s", state.evse, error)

    async def _resume(self, station: Station, state: EvseState, now: datetime) -> None:
        """Start again what the station ended when it was told to let nothing flow."""
        evse = state.evse
        if evse not in self.resumption or not supports(station, CanStart):
            return
        if self._outlet(state, now).held is not None:
            return
        fuse_a = self._settings().main_fuse_a
        room = room_a(self._outlets(now), evse, fuse_a, now, self._circuits(now))
        if not self.resumption.due(state, room, MIN_CURRENT_A, now):
            return
        user_id = self.resumption.tried(evse, now)
        try:
            await station.start(evse, self._members.site_tag(user_id))
        except StationError as error:
            _LOGGER.warning("%s did not go on: %s", evse, error)

    async def _evict(self, station: Station, state: EvseState, now: datetime) -> None:
        """End a charge that nobody may have; its station was told so and goes on."""
        session = state.session
        if session is None or session.transaction_id is None or not _unauthorized(state):
            return
        since = max(session.started_at, self._evicted.get(state.evse, session.started_at))
        if now - since < EVICT_AFTER or not supports(station, CanStop):
            return
        self._evicted[state.evse] = now
        try:
            await station.stop(session.transaction_id)
        except StationError as error:
            _LOGGER.warning("%s does not end an unauthorised charge: %s", state.evse, error)


def _unauthorized(state: EvseState) -> bool:
    return state.session is not None and SessionFlag.UNAUTHORIZED in state.session.flags
