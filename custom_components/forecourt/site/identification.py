"""Who has plugged in, where no reader asks: somebody says it, or types a code somewhere."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from ..core.access.authorize import may_use
from ..core.model.ids import EvseId
from ..core.model.session import Session
from ..core.model.token import Authorization, Token
from ..stations.base import Failure, StationError, TransactionStart
from .books import Books
from .desk import Desk
from .orders import AlreadyChargingError, Orders
from .reservations import Reservations

SAID_HOLDS = timedelta(minutes=10)
"""How long after a word a start still follows from it: somebody may have to plug in first."""


class TokenRefusedError(Exception):
    """The code that was typed lets nobody in."""


class Identification:
    """Lets in who is named, and gives them the charge that runs for nobody."""

    def __init__(
        self,
        books: Books,
        desk: Desk,
        reservations: Reservations,
        orders: Orders,
        *,
        locks: Mapping[str, asyncio.Lock],
        clock: Callable[[], datetime],
    ) -> None:
        """Nobody was named yet; `locks` has one of each station, under which it is booked."""
        self._books = books
        self._desk = desk
        self._reservations = reservations
        self._orders = orders
        self._locks = locks
        self._clock = clock
        self._said: dict[EvseId, tuple[Token, datetime]] = {}

    async def name(self, evse: EvseId, user_id: str) -> None:
        """Take a user for the one who has plugged in, or is about to.

        Raises `AlreadyChargingError` where somebody else charges, and `StationError`.
        """
        token = self._reservations.start_tag(evse, user_id)
        if await self._give(evse, self._desk.judge(token), user_id, None):
            return
        self._said[evse] = (token, self._clock())
        await self._orders.start(evse, user_id)

    async def show(self, evse: EvseId, token: Token) -> None:
        """Take the code of a card that was typed for the card itself; it is booked as a tap.

        Raises `TokenRefusedError`, `AlreadyChargingError` where somebody else charges, and
        `StationError`.
        """
        station_id = evse.station_id
        async with self._locks[station_id]:
            authorization = await self._desk.present(station_id, token, self._clock())
        user_id = authorization.user_id
        if not authorization.accepted or user_id is None:
            raise TokenRefusedError
        if not await self._give(evse, authorization, user_id, token.last4):
            await self._orders.start(evse, user_id, token)

    def was_said(self, start: TransactionStart) -> bool:
        """Return whether a charge begins because somebody was named; it is so once."""
        token, at = self._said.get(start.evse, (None, start.at))
        if token is None or start.token != token or start.at - at > SAID_HOLDS:
            return False
        del self._said[start.evse]
        return True

    async def _give(
        self, evse: EvseId, authorization: Authorization, user_id: str, last4: str | None
    ) -> bool:
        """Give the running charge to a user; return whether there is one, and it is theirs."""
        async with self._locks[evse.station_id]:
            session = self._books.session(evse)
            if session is None or not session.charging:
                return False
            if not self._is_anybodys(session):
                if session.user_id == user_id:
                    return True
                raise AlreadyChargingError
            held = self._reservations.holding(evse)
            if held is not None and not may_use(authorization, held):
                raise StationError(evse.station_id, Failure.REFUSED, "Reserved")
            await self._books.assign(evse, user_id, last4)
        self._orders.wake()
        return True

    def _is_anybodys(self, session: Session) -> bool:
        return session.user_id in (None, self._desk.owner_of(None))
