"""Outlets that are held for somebody: by their stations where these can, by the site anyway."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
import logging
from typing import Any

from ..core.access.authorize import group_of, judge, may_use
from ..core.model.evse import EvseState, EvseStatus
from ..core.model.ids import EvseId
from ..core.model.reservation import Reservation, ReservationStatus
from ..core.model.token import Authorization, Token, User
from ..stations.base import (
    CanReserve,
    Failure,
    Station,
    StationError,
    TransactionStart,
    supports,
)
from .board import Board
from .members import TAG_LENGTH, Members
from .signal import Signal

_LOGGER = logging.getLogger(__name__)

MAX_PAST = 100
"""How many reservations that are over are kept for people to look at."""

MAX_SENDS = 5
"""How often a station is told of one reservation: some accept it and do not keep it."""

UNKNOWN_OUTCOMES = (Failure.OFFLINE, Failure.TIMEOUT)
LOST_BY = (EvseStatus.FAULTED, EvseStatus.UNAVAILABLE, EvseStatus.RESERVED)
"""Out of these a station comes back without its reservation (OCPP 1.6 §5.13)."""


class ReservedError(Exception):
    """The outlet is held for somebody already."""


class ReservationOverError(Exception):
    """There is no such reservation, or it is over."""


class ReservationTimeError(Exception):
    """A reservation has to end in the future."""


class UnknownHolderError(Exception):
    """The user is not known, or the token may not charge."""


@dataclass(slots=True)
class _Record:
    """A reservation; `at_station` says that the station may hold it, too."""

    reservation: Reservation
    made_at: datetime
    at_station: bool = False
    sends: int = 0

    @property
    def active(self) -> bool:
        return self.reservation.status is ReservationStatus.ACTIVE


class Reservations:
    """Who holds which outlet until when. `changed` has each reservation as it became.

    What must survive a restart is `snapshot`, to be given to `restore` when the users are
    known and before there are stations.

    The station is given the user's first card and, as parent id, the user's group: stations
    that know nothing of parents compare the card, others let in every card of the user and
    of the group. A user without a card is held for by the tag of the site.
    """

    def __init__(
        self,
        board: Board,
        members: Members,
        stations: Mapping[str, Station],
        token_key: Callable[[Token], str],
        clock: Callable[[], datetime],
    ) -> None:
        """Hold outlets of these stations; `token_key` is the keyed hash of a token."""
        self._board = board
        self._members = members
        self._stations = stations
        self._token_key = token_key
        self._clock = clock
        self._last_id = 0
        self._records: dict[int, _Record] = {}
        self._online: set[str] = set()
        self._settling: set[str] = set()
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._tasks: set[asyncio.Task[None]] = set()
        self.settle_s = 5.0
        """How long a station that came back may take to tell what its outlets do."""
        self.changed = Signal[Reservation]()

    # What people ask for

    def all(self) -> list[Reservation]:
        """Return those that hold and the last ones that are over, oldest first."""
        return [record.reservation for record in self._records.values()]

    def holding(self, evse: EvseId, at: datetime | None = None) -> Reservation | None:
        """Return the reservation that holds an outlet now, if it did at that time, too."""
        now = self._clock()
        for record in self._records.values():
            held = record.reservation
            if record.active and held.evse == evse and now < held.until:
                return held if record.made_at <= (at or now) < held.until else None
        return None

    async def reserve(
        self,
        evse: EvseId,
        until: datetime,
        *,
        user_id: str | None = None,
        token: Token | None = None,
    ) -> Reservation:
        """Hold an outlet for a user, or for one of their tokens.

        Raises `ReservationTimeError`, `UnknownHolderError`, `ReservedError`, and
        `StationError` with the station's word (Occupied, Faulted, Rejected, Unavailable).
        """
        now = self._clock()
        if until <= now:
            raise ReservationTimeError
        user, token = self._holder(user_id, token)
        async with self._turns[evse.station_id]:
            if self.holding(evse) is not None:
                raise ReservedError
            station = self._stations[evse.station_id]
            if not station.online:
                raise StationError(evse.station_id, Failure.OFFLINE)
            self._last_id += 1
            record = _Record(
                Reservation(
                    id=self._last_id,
                    evse=evse,
                    token=token,
                    until=until,
                    user_id=user.id,
                    group=group_of(user),
                ),
                made_at=now,
            )
            await self._begin(station, record)
        self._keep(record)
        return record.reservation

    async def cancel(self, reservation_id: int) -> None:
        """Hold an outlet no more; a station that is away is told later.

        Raises `ReservationOverError`.
        """
        record = self._records.get(reservation_id)
        if record is None or not record.active:
            raise ReservationOverError
        self._end(record, ReservationStatus.CANCELLED)
        station_id = record.reservation.evse.station_id
        async with self._turns[station_id]:
            await self._withdraw(station_id, record)

    def start_tag(self, evse: EvseId, user_id: str | None) -> Token:
        """Return the token with which the site may start a charge there for a user.

        It is the one that the outlet is held for, since that is what the station waits for.
        Raises `StationError` where it is held for somebody else.
        """
        held, user = self.holding(evse), self._members.user(user_id)
        if held is None:
            return self._members.site_tag(user_id)
        if user is None or not (user.id == held.user_id or group_of(user) == held.group):
            raise StationError(evse.station_id, Failure.REFUSED, "Reserved")
        return held.token if user.id == held.user_id else self._members.site_tag(user.id)

    # What must survive a restart

    def snapshot(self) -> dict[str, Any]:
        """Return everything as plain data without card numbers."""
        return {
            "last_id": self._last_id,
            "reservations": [self._stored(record) for record in self._records.values()],
        }

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Take up what was there before a restart."""
        tokens = {self._token_key(token): token for token in self._members.tokens}
        self._last_id = snapshot["last_id"]
        for stored in snapshot["reservations"]:
            known = tokens.get(stored["token_key"])
            reservation = Reservation(
                id=stored["id"],
                evse=EvseId(stored["station_id"], stored["number"]),
                token=known or self._members.site_tag(stored["user_id"]),
                until=datetime.fromisoformat(stored["until"]),
                user_id=stored["user_id"],
                group=stored["group"],
                status=ReservationStatus(stored["status"]),
            )
            self._records[reservation.id] = _Record(
                reservation,
                made_at=datetime.fromisoformat(stored["made_at"]),
                at_station=stored["at_station"],
            )

    def _stored(self, record: _Record) -> dict[str, Any]:
        held = record.reservation
        return {
            "id": held.id,
            "station_id": held.evse.station_id,
            "number": held.evse.number,
            "token_key": self._token_key(held.token),
            "user_id": held.user_id,
            "group": held.group,
            "made_at": record.made_at.isoformat(),
            "until": held.until.isoformat(),
            "status": held.status.value,
            "at_station": record.at_station,
        }

    # What happens

    def look(self, now: datetime) -> None:
        """End what is over by time, or whose user is no more."""
        for record in self._active():
            held = record.reservation
            if held.until <= now:
                record.at_station = False
                self._end(record, ReservationStatus.EXPIRED)
            elif self._members.user(held.user_id) is None:
                self._end(record, ReservationStatus.CANCELLED)
                self._settle(held.evse.station_id, 0)

    def started(self, start: TransactionStart, authorization: Authorization) -> None:
        """Take note of a charge: it may be what its outlet was held for."""
        for record in self._active():
            held = record.reservation
            is_named = (held.id, held.evse.station_id) == (
                start.reservation_id,
                start.evse.station_id,
            )
            is_theirs = (
                held.evse == start.evse
                and record.made_at <= start.at
                and authorization.accepted
                and may_use(authorization, held)
            )
            if is_named or is_theirs:
                record.at_station = False
                self._end(record, ReservationStatus.USED)

    def told(self, station_id: str, reservation_id: int, status: ReservationStatus) -> None:
        """Take note of what a station says became of a reservation."""
        record = self._records.get(reservation_id)
        if record is None or record.reservation.evse.station_id != station_id:
            return
        record.at_station = status is ReservationStatus.ACTIVE
        if record.active and not record.at_station:
            self._end(record, status)

    def station_changed(self, station: Station) -> None:
        """Tell a station that came back what holds, and what does no more."""
        station_id = station.info.id
        if not station.online:
            self._online.discard(station_id)
        elif station_id not in self._online:
            self._online.add(station_id)
            self._settle(station_id, self.settle_s)

    def status_changed(self, evse: EvseId, before: EvseStatus | None, now: EvseStatus) -> None:
        """Tell a station again that lost a reservation, because it broke or restarted."""
        if before in LOST_BY and now is EvseStatus.AVAILABLE and self.holding(evse) is not None:
            self._settle(evse.station_id, self.settle_s)

    def station_removed(self, station_id: str) -> None:
        """Give up what a station held that is no more."""
        self._online.discard(station_id)
        for record in self._active():
            if record.reservation.evse.station_id == station_id:
                record.at_station = False
                self._end(record, ReservationStatus.REMOVED)

    async def close(self) -> None:
        """Cancel what is under way."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _active(self) -> list[_Record]:
        return [record for record in self._records.values() if record.active]

    def _holder(self, user_id: str | None, token: Token | None) -> tuple[User, Token]:
        """Return who an outlet is held for, and the token that the station will wait for."""
        register, now = self._members.register, self._clock()
        if token is not None:
            authorization = judge(token, register, now)
            user_id = authorization.user_id if authorization.accepted else None
        user = self._members.user(user_id)
        if user is None:
            raise UnknownHolderError
        cards = (
            card
            for card, record in self._members.tokens.items()
            if record.user_id == user.id
            and len(card.uid) <= TAG_LENGTH
            and judge(card, register, now).accepted
        )
        return user, token or next(cards, self._members.site_tag(user.id))

    def _keep(self, record: _Record) -> None:
        self._records[record.reservation.id] = record
        past = [key for key, one in self._records.items() if not one.active]
        for key in past[: max(0, len(past) - MAX_PAST)]:
            del self._records[key]
        self.changed.send(record.reservation)

    def _end(self, record: _Record, status: ReservationStatus) -> None:
        record.reservation = replace(record.reservation, status=status)
        self._keep(record)

    # What stations are told

    async def _begin(self, station: Station, record: _Record) -> None:
        """Have a station hold its outlet; the site does it alone where the station cannot."""
        evse = record.reservation.evse
        if supports(station, CanReserve):
            try:
                await self._send(station, record)
            except StationError as error:
                if error.failure in UNKNOWN_OUTCOMES:
                    # It may hold the outlet, so it has to be told that nobody wants that.
                    self._end(record, ReservationStatus.CANCELLED)
                    self._settle(evse.station_id, self.settle_s)
                if error.failure is not Failure.NOT_SUPPORTED:
                    raise
            else:
                return
        if (why := _taken(self._board[evse])) is not None:
            raise StationError(evse.station_id, Failure.REFUSED, why)

    async def _send(self, station: CanReserve, record: _Record) -> None:
        record.sends += 1
        try:
            await station.reserve(record.reservation)
        except StationError as error:
            record.at_station = error.failure in UNKNOWN_OUTCOMES
            raise
        record.at_station = True

    async def _withdraw(self, station_id: str, record: _Record) -> None:
        """Have a station hold its outlet no more; one that does not answer is told again."""
        station = self._stations.get(station_id)
        if not record.at_station or station is None or not station.online:
            return
        if supports(station, CanReserve):
            try:
                await station.cancel_reservation(record.reservation.id)
            except StationError as error:
                if error.failure in UNKNOWN_OUTCOMES:
                    return
                # It does not know the reservation, which is as good.
                _LOGGER.debug("Reservation %s: %s", record.reservation.id, error)
        record.at_station = False

    def _settle(self, station_id: str, pause_s: float) -> None:
        """Bring a station in line in the background, if there is anything to tell it."""
        if station_id not in self._settling and self._of(station_id):
            self._settling.add(station_id)
            task = asyncio.create_task(self._bring_in_line(station_id, pause_s))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _of(self, station_id: str) -> list[_Record]:
        """Return what a station must be told: what holds, and what it may hold for nobody."""
        now = self._clock()
        return [
            record
            for record in self._records.values()
            if record.reservation.evse.station_id == station_id
            and (record.active or record.at_station)
            and now < record.reservation.until
        ]

    async def _bring_in_line(self, station_id: str, pause_s: float) -> None:
        try:
            await asyncio.sleep(pause_s)
        finally:
            self._settling.discard(station_id)
        async with self._turns[station_id]:
            for record in self._of(station_id):
                if not record.active:
                    await self._withdraw(station_id, record)
                else:
                    await self._renew(station_id, record)

    async def _renew(self, station_id: str, record: _Record) -> None:
        """Have a station that lost it hold its outlet again."""
        station, evse = self._stations.get(station_id), record.reservation.evse
        if station is None or not station.online or not supports(station, CanReserve):
            return
        if self._board[evse].status is EvseStatus.RESERVED or record.sends >= MAX_SENDS:
            return
        try:
            await self._send(station, record)
        except StationError as error:
            _LOGGER.info("%s is held by the site alone: %s", evse, error)


def _taken(state: EvseState) -> str | None:
    """Return why an outlet cannot be held, in the words of OCPP 1.6 §7.41; `None` if it can."""
    if state.status is EvseStatus.FAULTED:
        return "Faulted"
    if state.status is EvseStatus.UNAVAILABLE:
        return "Unavailable"
    is_charging = state.session is not None and state.session.charging
    return "Occupied" if state.plugged or is_charging else None
