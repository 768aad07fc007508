"""Keeps the lists of the stations in line: who may charge while the site is away."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
import logging

from ..core.access.authorize import judge
from ..core.model.token import AuthorizationStatus
from ..stations.base import (
    CanForgetTokens,
    CanHoldTokens,
    Failure,
    HeldToken,
    Station,
    StationError,
    supports,
)
from .members import Members

_LOGGER = logging.getLogger(__name__)

MAX_DOUBLINGS = 6
REFUSALS = (Failure.REFUSED, Failure.NOT_SUPPORTED)


class Lists:
    """Tells every station about the tokens, in the background and one thing at a time.

    The list has every token with its answer: blocked ones are refused also by a station
    that lets in whom it does not know. Those whose time is over are left out, as are the
    tags of the site, which nobody can show.
    """

    def __init__(
        self,
        members: Members,
        stations: Mapping[str, Station],
        clock: Callable[[], datetime],
    ) -> None:
        """Tell these stations; nothing happens before `members_changed`."""
        self._members = members
        self._stations = stations
        self._clock = clock
        self._held: tuple[HeldToken, ...] | None = None
        self._next_expiry: datetime | None = None
        self._keepers: dict[str, _Keeper] = {}
        self._online: set[str] = set()
        self.settle_s = 2.0
        """How long changes are gathered."""
        self.spacing_s = 10.0
        """How often a station is told at most."""
        self.retry_s = 60.0
        """When a station is told again that did not take it; twice as long each time."""

    def members_changed(self) -> None:
        """Take over who is known now, and clear the stations' caches of who is no more."""
        now = self._clock()
        before = {one.token for one in self._held or () if one.authorization.accepted}
        self._next_expiry = min(
            (
                record.expires_at
                for record in self._members.tokens.values()
                if record.expires_at is not None and record.expires_at > now
            ),
            default=None,
        )
        held = tuple(self._list(now))
        if held == self._held:
            return
        self._held = held
        gone = before - {one.token for one in held if one.authorization.accepted}
        for station_id in self._stations:
            self._ask(station_id, is_withdrawn=bool(gone))

    def look(self, now: datetime) -> None:
        """Notice that a token's time is over."""
        if self._next_expiry is not None and now >= self._next_expiry:
            self.members_changed()

    def station_changed(self, station: Station) -> None:
        """Tell a station that came online what it missed."""
        station_id = station.info.id
        if not station.online:
            self._online.discard(station_id)
        elif station_id not in self._online:
            self._online.add(station_id)
            self._ask(station_id)

    async def station_removed(self, station_id: str) -> None:
        """Tell a station nothing any more."""
        self._online.discard(station_id)
        if (keeper := self._keepers.pop(station_id, None)) is not None:
            await keeper.close()

    async def close(self) -> None:
        """Cancel what is under way."""
        keepers, self._keepers = tuple(self._keepers.values()), {}
        await asyncio.gather(*(keeper.close() for keeper in keepers))

    def _list(self, now: datetime) -> list[HeldToken]:
        """Return what the stations shall hold, in the order in which it was enrolled."""
        register = self._members.register
        held = [
            HeldToken(token=token, authorization=judge(token, register, now))
            for token in register.tokens
            if token not in register.virtual
        ]
        left_out = (AuthorizationStatus.EXPIRED, AuthorizationStatus.INVALID)
        return [one for one in held if one.authorization.status not in left_out]

    def _ask(self, station_id: str, *, is_withdrawn: bool = False) -> None:
        keeper = self._keepers.get(station_id)
        if keeper is None:
            station = self._stations[station_id]
            if not supports(station, CanHoldTokens) and not supports(station, CanForgetTokens):
                return
            keeper = self._keepers[station_id] = _Keeper(self, station_id)
        keeper.ask(is_withdrawn=is_withdrawn)

    async def tell(self, station_id: str) -> None:
        """Bring the list of one station in line. Raises `StationError`."""
        station = self._stations.get(station_id)
        if self._held is None or station is None or not station.online:
            return
        if supports(station, CanHoldTokens):
            await station.hold_tokens(self._held)

    async def clear(self, station_id: str) -> bool:
        """Clear the cache of one station; return whether there is nothing left to clear.

        Raises `StationError`.
        """
        station = self._stations.get(station_id)
        if station is None or not station.online:
            return False
        if supports(station, CanForgetTokens):
            try:
                await station.forget_cached_tokens()
            except StationError as error:
                if error.failure not in REFUSALS:
                    raise
                # A station without a cache says so, and has nothing to forget.
                _LOGGER.debug("No cache was cleared: %s", error)
        return True


class _Keeper:
    """Waits until one station has to be told something, and tells it."""

    def __init__(self, lists: Lists, station_id: str) -> None:
        self._lists = lists
        self._station_id = station_id
        self._wake = asyncio.Event()
        self._is_withdrawn = False
        self._failures = 0
        self._retry: asyncio.TimerHandle | None = None
        self._task = asyncio.create_task(self._run(), name=f"list of {station_id}")

    def ask(self, *, is_withdrawn: bool) -> None:
        """Tell the station soon; `is_withdrawn` also clears its cache."""
        self._is_withdrawn |= is_withdrawn
        self._wake.set()

    async def close(self) -> None:
        """Tell nothing any more."""
        self._cancel_retry()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(self._lists.settle_s)
            self._wake.clear()
            self._cancel_retry()
            try:
                await self._tell()
            except StationError as error:
                self._failed(error)
            except Exception:
                _LOGGER.exception("The list of %s was not kept", self._station_id)
            else:
                self._failures = 0
            await asyncio.sleep(max(0.0, self._lists.spacing_s - self._lists.settle_s))

    async def _tell(self) -> None:
        # The cache goes first: it is what lets somebody in who may not be.
        if self._is_withdrawn and await self._lists.clear(self._station_id):
            self._is_withdrawn = False
        await self._lists.tell(self._station_id)

    def _failed(self, error: StationError) -> None:
        """Try again later; a station that is away is told when it comes back."""
        if error.failure is Failure.OFFLINE:
            return
        if error.failure is Failure.NOT_SUPPORTED:
            _LOGGER.info("The cards are not held in a station: %s", error)
            return
        pause_s = self._lists.retry_s * 2 ** min(self._failures, MAX_DOUBLINGS)
        self._retry = asyncio.get_running_loop().call_later(pause_s, self._wake.set)
        if self._failures == 0:
            _LOGGER.warning("The list of cards in a station is not in line: %s", error)
        self._failures += 1

    def _cancel_retry(self) -> None:
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None
