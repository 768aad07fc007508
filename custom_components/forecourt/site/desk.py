"""The desk where tokens are shown: judges them, books every tap, enrols new cards."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..core.access.authorize import guard, judge, keep_free, limit_sessions, refuse_again
from ..core.access.enrolment import WINDOW, Enrolment, open_window
from ..core.model.events import Tap
from ..core.model.ids import EvseId
from ..core.model.session import SessionFlag
from ..core.model.token import (
    Access,
    Authorization,
    AuthorizationReason,
    AuthorizationStatus,
    Token,
)
from ..ledger import Ledger
from ..stations.base import TransactionStart
from .board import Board
from .books import Books
from .members import Members
from .reservations import Reservations
from .settings import SiteSettings
from .signal import Signal

SAME_TAP = timedelta(minutes=3)
"""How long a start or stop with the same token still belongs to a tap that was judged."""

MAX_JUDGED = 1024
"""How many taps are remembered for that, of all stations together."""

UNHEARD = timedelta(hours=1)
"""How long a charge at a station that is away still keeps its token from charging elsewhere."""


class EnrolmentBusyError(Exception):
    """Another card is being enrolled at this station."""


class EnrolmentTimeoutError(Exception):
    """Nobody showed a card in time."""


@dataclass(frozen=True, slots=True)
class EnrolledTap:
    """The card that was shown; `owner_id` is set where it already belongs to someone."""

    token: Token
    owner_id: str | None


class Desk:
    """Every token that is shown at a station comes by here."""

    def __init__(
        self,
        ledger: Ledger,
        members: Members,
        books: Books,
        board: Board,
        reservations: Reservations,
        *,
        settings: Callable[[], SiteSettings],
        clock: Callable[[], datetime],
    ) -> None:
        """Judge by the members, the running sessions, reservations and the site's settings."""
        self._ledger = ledger
        self._members = members
        self._books = books
        self._board = board
        self._reservations = reservations
        self._settings = settings
        self._clock = clock
        self._enrolments: dict[str, tuple[Enrolment, asyncio.Future[EnrolledTap]]] = {}
        self._judged: dict[tuple[str, Token], datetime] = {}
        self.accepted_at: dict[str, datetime] = {}
        self.tapped = Signal[Tap]()

    async def enrol(self, evse: EvseId, now: datetime) -> EnrolledTap:
        """Wait for one tap at the EVSE's station and return its card instead of charging.

        Raises `EnrolmentBusyError` and, after the window, `EnrolmentTimeoutError`.
        """
        station_id = evse.station_id
        if station_id in self._enrolments:
            raise EnrolmentBusyError
        shown: asyncio.Future[EnrolledTap] = asyncio.get_running_loop().create_future()
        self._enrolments[station_id] = (open_window(evse, now), shown)
        try:
            async with asyncio.timeout(WINDOW.total_seconds()):
                return await shown
        except TimeoutError:
            raise EnrolmentTimeoutError from None
        finally:
            del self._enrolments[station_id]

    async def present(self, station_id: str, token: Token, at: datetime) -> Authorization:
        """Judge a token that somebody shows now, and book the tap."""
        authorization = self._enrolling(station_id, token, at)
        if authorization is None:
            authorization = await self._judge_tap(station_id, token, at)
        if token not in self._members.register.virtual:
            self._remember(station_id, token, at)
            await self._book(station_id, token, at, authorization)
            if authorization.accepted:
                self.accepted_at[station_id] = at
        return authorization

    async def accompany(
        self,
        station_id: str,
        token: Token,
        at: datetime,
        authorization: Authorization,
        *,
        replayed: bool,
    ) -> None:
        """Book the tap that started or stopped a charge, unless it was booked before.

        A station that knows a card does not ask before it starts: such a tap
        is booked here, others were when they were judged.
        """
        if token in self._members.register.virtual:
            return
        judged_at = self._judged.pop((station_id, token), None)
        if judged_at is None or abs(at - judged_at) > SAME_TAP:
            await self._book(station_id, token, at, authorization, silent=replayed)

    def judge(self, token: Token, at: datetime | None = None) -> Authorization:
        """Judge a token, wherever it is shown, by what is valid at a time, or now."""
        return judge(token, self._members.register, at or self._clock())

    def judge_start(self, start: TransactionStart) -> Authorization:
        """Judge whoever starts a charge at an outlet; without a token anyone must be allowed.

        A start that was told late is judged by its own time.
        """
        if start.token is None:
            anyone = self._settings().access is Access.ANYONE
            authorization = Authorization(
                status=AuthorizationStatus.ACCEPTED if anyone else AuthorizationStatus.INVALID,
                reason=AuthorizationReason.NO_TOKEN,
            )
        else:
            by = start.at if start.replayed else None
            authorization = limit_sessions(
                self.judge(start.token, start.at),
                self._members.tokens.get(start.token),
                elsewhere=self._charging_with(start.token, but=start.evse, by=by),
            )
        return keep_free(authorization, self._reservations.holding(start.evse, start.at))

    def judge_again(self, start: TransactionStart, *, let_in: bool | None) -> Authorization:
        """Judge a start that is told again, as it was judged when it was booked.

        Nobody is turned away, nor let in, by what else began or ended since; but a card that
        was blocked is refused. `let_in` is `None` for a token that it was not booked for.
        """
        if let_in and start.token is not None:
            return self.judge(start.token, start.at)
        authorization = self.judge_start(start)
        return authorization if let_in is None else refuse_again(authorization)

    def is_held(self, evse: EvseId) -> bool:
        """Return whether an outlet is held for somebody, who has to identify to charge."""
        return self._reservations.holding(evse) is not None

    def owner_of(self, user_id: str | None) -> str | None:
        """Return who pays: the user, or the default user where nobody was named."""
        return user_id or self._settings().default_user_id

    def _enrolling(self, station_id: str, token: Token, at: datetime) -> Authorization | None:
        window, shown = self._enrolments.get(station_id, (None, None))
        if window is None or shown is None or shown.done() or not window.covers(station_id, at):
            return None
        record = self._members.tokens.get(token)
        shown.set_result(EnrolledTap(token, record.user_id if record else None))
        return Authorization(
            status=AuthorizationStatus.INVALID, reason=AuthorizationReason.ENROLLING
        )

    async def _judge_tap(self, station_id: str, token: Token, at: datetime) -> Authorization:
        authorization = self.judge(token, at)
        if not authorization.accepted or token in self._members.register.virtual:
            return authorization
        record, elsewhere = self._members.tokens.get(token), self._charging_with(token)
        may_begin = limit_sessions(authorization, record, elsewhere=elsewhere).accepted
        if may_begin and await self._claim(station_id, authorization, token):
            return authorization
        states = self._board.of(station_id)
        running = [s.session for s in states if s.session is not None and s.session.charging]
        return guard(
            authorization,
            user=self._members.user(authorization.user_id),
            owners=[self._members.user(session.user_id) for session in running],
            free=[
                self._reservations.holding(state.evse)
                for state in states
                if state.session is None or not state.session.charging
            ],
            record=record,
            elsewhere=elsewhere,
        )

    def _charging_with(
        self, token: Token, *, but: EvseId | None = None, by: datetime | None = None
    ) -> int:
        """Return how many outlets charge with the token, without one, and as of a time.

        A charge at a station that was not heard of for long may be over: it must not
        keep its card from everything else for good.
        """
        now = self._clock()
        return sum(
            1
            for one in self._books.charging_with(token)
            if one.evse != but
            and (by is None or one.started_at <= by)
            and (self._is_online(one.evse) or now - one.last_at < UNHEARD)
        )

    def _remember(self, station_id: str, token: Token, at: datetime) -> None:
        """Take note that a tap was booked, so that what follows from it is not booked again."""
        self._judged.pop((station_id, token), None)
        self._judged[station_id, token] = at
        while (oldest := next(iter(self._judged))) != (station_id, token) and (
            len(self._judged) > MAX_JUDGED or at - self._judged[oldest] > SAME_TAP
        ):
            del self._judged[oldest]

    def _is_online(self, evse: EvseId) -> bool:
        return evse in self._board and self._board[evse].online

    async def _claim(self, station_id: str, authorization: Authorization, token: Token) -> bool:
        """Give a charge that the site began by itself to the user who shows a card for it."""
        settings = self._settings()
        if settings.access is not Access.ANYONE or authorization.user_id is None:
            return False
        unclaimed = [
            state.evse
            for state in self._board.of(station_id)
            if state.session is not None
            and state.session.charging
            and SessionFlag.UNAUTHORIZED not in state.session.flags
            and state.session.user_id == settings.default_user_id
            and state.session.user_id != authorization.user_id
        ]
        if len(unclaimed) != 1:
            return False
        await self._books.assign(unclaimed[0], authorization.user_id, token.last4)
        return True

    async def _book(
        self,
        station_id: str,
        token: Token,
        at: datetime,
        authorization: Authorization,
        *,
        silent: bool = False,
    ) -> None:
        await self._ledger.tap(station_id, token, at, authorization)
        if not silent:
            self.tapped.send(
                Tap(station_id=station_id, at=at, last4=token.last4, authorization=authorization)
            )
