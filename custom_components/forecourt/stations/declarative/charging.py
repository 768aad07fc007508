"""One outlet of a box that knows no transactions, as one that has them.

A car that is plugged in is held at pause until somebody is let in; then a transaction begins,
and the first setpoint of the site lets current flow. It ends when the car leaves or somebody
stops it. What charges by itself is paused and, where that does not help, booked without a token:
energy that flows is never left out of the books.

A token counts when the box begins to tell it. One that it still tells when the next car comes
is a left-over of the last charge, and lets nobody in.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
import logging
from typing import Any

from ...core.model.evse import EvseStatus
from ...core.model.ids import EvseId
from ...core.model.reading import PHASES, VOLTS, Reading
from ...core.model.token import Token
from ..base import Failure, SiteEvents, StationError, TransactionEnd, TransactionStart
from . import registers
from .commands import Commands
from .memory import OutletMemory
from .profile import Order, Profile, Role
from .registers import Source
from .sampling import Told

_LOGGER = logging.getLogger(__name__)

UNPLUGGED = "EVDisconnected"
STOPPED = "Remote"
REFUSED = "DeAuthorized"
OVERTAKEN = "Other"
"""Why a transaction ended, in the words of OCPP."""

LET_IN_FOR = timedelta(seconds=90)
"""How long somebody who was let in has to plug in."""

FREE_POLLS = 2
"""How often in a row the cable has to be out before a charge ends."""

PAUSED_IN = timedelta(seconds=20)
"""How long box and car have to obey before what flows counts as a charge."""

UNBOOKED_WH = 100
"""What may flow unnoticed between charges."""

REPORT_EVERY = timedelta(seconds=10)
REPORT_IDLE_EVERY = timedelta(seconds=60)
STEP_A = 0.5
STEP_W = 100.0
STEP = 0.05
"""A reading that differs by so much from the last is told at once."""


@dataclass(frozen=True, slots=True)
class LetIn:
    """Somebody who may charge, once plugged in."""

    token: Token
    until: datetime


class Outlet:
    """The charges of one outlet. `memory` is replaced when something changes."""

    def __init__(
        self,
        evse: EvseId,
        profile: Profile,
        commands: Commands,
        events: SiteEvents,
        memory: OutletMemory,
        *,
        new_id: Callable[[], str],
    ) -> None:
        """Go on from what was remembered."""
        self.evse = evse
        self.memory = memory
        self.transaction_id: int | None = None
        self.told: Told | None = None
        self.source = Source.POWER
        self._profile = profile
        self._commands = commands
        self._events = events
        self._new_id = new_id
        self._status: tuple[EvseStatus, str | None] | None = None
        self._reported: Reading | None = None
        self._let_in: LetIn | None = None
        self._accepted = True
        self._drawing_since: datetime | None = None
        self._free_polls = 0
        self._is_first = True
        self._over_id: int | None = None
        self._hold_failed = False

    @property
    def plugged(self) -> bool:
        """Whether a car is plugged in, as far as is known."""
        return self.memory.plugged_at is not None

    @property
    def busy(self) -> bool:
        """Whether something is going on that should be looked at often."""
        drawing = self.told is not None and bool(self.told.drawing)
        waiting = self.plugged and not self.memory.ended
        return drawing or waiting or self.transaction_id is not None

    @property
    def wants_token(self) -> bool:
        """Whether a car waits for somebody to be let in."""
        return self.plugged and (self.transaction_id is None or not self._accepted)

    @property
    def tells_plug(self) -> bool:
        """Whether the box says when a car comes and goes."""
        return any(role in self._profile.readings for role in (Role.STATUS, Role.PLUGGED))

    @property
    def known(self) -> bool:
        """Whether the running transaction is taken up after a restart, if there is one."""
        return self.memory.reference is None or self.transaction_id is not None

    async def digest(self, told: Told) -> None:
        """Take in what the box told."""
        self.told = told
        seen_at = self.memory.register.at
        counted = self._count(told)
        await self._take_up()
        if self._is_first and self.memory.reference is None:
            await self._find_running(told, counted=counted)
        await self._see_plug(told)
        await self._see_token(told)
        await self._see_flow(told, seen_at)
        if self.transaction_id is None and self.tells_plug:
            await self.hold()
        await self.tell_status()
        await self._report(told, counted=counted)
        self._is_first = False

    async def start(self, token: Token) -> None:
        """Let somebody in: begins at once, or with the car that comes soon."""
        told = self.told
        if told is None or not self.known:
            raise StationError(self.evse.station_id, Failure.OFFLINE)
        if self.transaction_id is not None and self._accepted:
            raise StationError(self.evse.station_id, Failure.REFUSED, "it is charging already")
        await self._welcome(token, told.at)
        await self.tell_status()

    async def stop(self, reason: str = STOPPED) -> None:
        """End the running transaction, and pause. Raises `StationError` where it goes on."""
        if self.transaction_id is None or self.told is None:
            raise StationError(self.evse.station_id, Failure.REFUSED, "it is not charging")
        await self._commands.bring(self.evse.number, 0)
        await self._end(reason, self.told.at)
        await self.tell_status()

    async def adopt(self, transaction_id: int) -> None:
        """Go on with a charge that the books have and the memory, saved too early, does not."""
        if self.told is None or not self.known:
            return
        if self.transaction_id is not None or transaction_id == self._over_id:
            return
        reference = await self._events.reference(transaction_id)
        if reference is None:
            return
        self.transaction_id = transaction_id
        self._remember(
            reference=reference,
            started_at=self.told.at,
            start_wh=self.memory.register.whole_wh,
            plugged_at=self.memory.plugged_at or self.told.at,
            ended=False,
        )
        await self.tell_status()

    async def hold(self) -> None:
        """Keep it from charging by itself, where that is possible."""
        if not self._commands.can_hold:
            return
        try:
            await self._commands.bring(self.evse.number, 0)
        except StationError as err:
            if not self._hold_failed:
                _LOGGER.warning("%s cannot be held at pause: %s", self.evse, err)
            self._hold_failed = True
        else:
            self._hold_failed = False

    async def tell_status(self) -> None:
        """Tell the site what the outlet is doing, if that is news."""
        if self.told is None:
            return
        status = self._derive(self.told)
        if self._status != (status, self.told.error):
            await self._events.status_changed(self.evse, status, self.told.at, self.told.error)
            self._status = status, self.told.error

    def _count(self, told: Told) -> bool:
        """Count what flowed; return whether the box told its register."""
        register = self.memory.register
        if self.source is Source.POWER:
            register = registers.integrate(register, told.drawn_w, told.at)
            counted = told.drawn_w is not None
        else:
            of_session = self.source is Source.SESSION
            raw_wh = told.session_wh if of_session else told.energy_wh
            counted = raw_wh is not None
            if raw_wh is not None:
                most_w = self._profile.max_current_a * VOLTS * PHASES
                register = registers.take(
                    register, raw_wh, told.at, source=self.source, most_w=most_w
                )
        self._remember(register=register)
        if self.memory.booked_wh is None and counted:
            self._remember(booked_wh=register.whole_wh)
        return counted

    async def _take_up(self) -> None:
        """Go on with the transaction that ran when this program stopped."""
        reference = self.memory.reference
        if reference is None or self.transaction_id is not None:
            return
        known = await self._events.transaction_id(self.evse.station_id, reference)
        if known is not None:
            self.transaction_id = known
        else:
            # It stopped while the start was on its way to the books.
            await self._book_start()

    async def _find_running(self, told: Told, *, counted: bool) -> None:
        """Ask the books for a charge of which the memory, saved too early, knows nothing."""
        reading = told.reading(self.memory.register.whole_wh if counted else None)
        running = await self._events.report(self.evse, (reading,), None)
        if running is not None:
            await self.adopt(running)

    async def _see_plug(self, told: Told) -> None:
        plugged = told.plugged
        if plugged is None or (not plugged and told.drawing):
            running = self.transaction_id is not None or bool(told.drawing)
            plugged = self.plugged or (running and not self.tells_plug)
        if plugged:
            self._free_polls = 0
            if not self.plugged:
                self._remember(plugged_at=told.at, ended=False)
                await self.tell_status()
                if self._let_in is not None and told.at < self._let_in.until:
                    await self._welcome(self._let_in.token, told.at)
            return
        if self.transaction_id is not None:
            self._free_polls += 1
            if self._free_polls < FREE_POLLS:
                return
            await self._end(UNPLUGGED, told.at)
        self._remember(plugged_at=None, ended=False)

    async def _see_token(self, told: Told) -> None:
        token, shown = told.token, self.memory.shown
        if token == shown:
            return
        if token is not None and not (self._is_first and not self.plugged):
            if self.transaction_id is not None and token == self.memory.token:
                # The card that the charge was begun with, seen again.
                self._remember(shown=token)
                return
            answer = await self._events.authorize(self.evse.station_id, token, told.at)
            self._remember(shown=token)
            if answer.accepted:
                await self._welcome(token, told.at)
            else:
                await self._forget_token()
        self._remember(shown=token)

    async def _see_flow(self, told: Told, seen_at: datetime | None) -> None:
        """Pause, or book, what flows without anybody having been let in."""
        if self.transaction_id is not None:
            self._drawing_since = None
            return
        booked_wh = self.memory.booked_wh
        whole_wh = self.memory.register.whole_wh
        unbooked_wh = 0 if booked_wh is None else whole_wh - booked_wh
        late = False
        if told.drawing:
            self._drawing_since = self._drawing_since or told.at
            if self._commands.can_hold:
                if self._commands.told_a(self.evse.number) == 0:
                    self._commands.doubt(self.evse.number)
                late = told.at - self._drawing_since >= PAUSED_IN
            else:
                late = True
        else:
            self._drawing_since = None
        if not late and unbooked_wh < UNBOOKED_WH:
            return
        replayed = self._is_first and not told.drawing
        at = seen_at if replayed and seen_at is not None else told.at
        await self._begin(None, at, start_wh=booked_wh, replayed=replayed)
        if not self.plugged:
            await self._end(UNPLUGGED, told.at)
            self._remember(ended=False)
        elif self._commands.can_hold and not told.drawing:
            await self._end(REFUSED, told.at)

    async def _welcome(self, token: Token, at: datetime) -> None:
        """Begin for somebody who was let in."""
        if self.transaction_id is not None:
            if self._accepted:
                return
            await self._end(OVERTAKEN, at)
        if self.plugged or not self.tells_plug:
            if not self.plugged:
                self._remember(plugged_at=at)
            await self.tell_status()
            await self._begin(token, at)
        else:
            self._let_in = LetIn(token, at + LET_IN_FOR)

    async def _begin(
        self,
        token: Token | None,
        at: datetime,
        *,
        start_wh: int | None = None,
        replayed: bool = False,
    ) -> None:
        # Remembered before it is told, so that after a crash the same start is told again.
        self._remember(
            reference=self._new_id(),
            token=token,
            started_at=at,
            start_wh=self.memory.register.whole_wh if start_wh is None else start_wh,
            ended=False,
        )
        self._let_in = None
        await self._book_start(replayed=replayed)

    async def _book_start(self, *, replayed: bool = False) -> None:
        memory = self.memory
        assert memory.started_at is not None  # noqa: S101 - set with the reference
        answer = await self._events.transaction_started(
            TransactionStart(
                evse=self.evse,
                token=memory.token,
                at=memory.started_at,
                meter_start_wh=memory.start_wh,
                reference=memory.reference,
                replayed=replayed,
                estimated=self.source is Source.POWER,
            )
        )
        self.transaction_id = answer.transaction_id
        self._accepted = answer.authorization.accepted
        self._reported = None
        if memory.token is not None and not self._accepted and self.told is not None:
            await self._end(REFUSED, self.told.at)

    async def _end(self, reason: str, at: datetime) -> None:
        stop_wh = self.memory.register.whole_wh
        await self._events.transaction_ended(
            TransactionEnd(
                station_id=self.evse.station_id,
                transaction_id=self.transaction_id,
                reference=self.memory.reference,
                at=at,
                meter_stop_wh=stop_wh,
                reason=reason,
            )
        )
        self._over(stop_wh)
        await self._forget_token()

    def _over(self, booked_wh: int) -> None:
        self._over_id, self.transaction_id = self.transaction_id, None
        self._accepted = True
        self._free_polls = 0
        self._let_in = None
        self._remember(
            reference=None, token=None, started_at=None, start_wh=0, booked_wh=booked_wh, ended=True
        )

    async def _forget_token(self) -> None:
        """Have the box forget whom it saw, so that nobody else goes by it."""
        if not self._commands.has(Order.FORGET_TOKEN):
            return
        try:
            await self._commands.order(Order.FORGET_TOKEN, outlet=self.evse.number)
        except StationError as err:
            _LOGGER.debug("%s does not forget its token: %s", self.evse, err)

    async def _report(self, told: Told, *, counted: bool) -> None:
        reading = told.reading(self.memory.register.whole_wh if counted else None)
        if not self._is_news(reading):
            return
        booked_on = await self._events.report(self.evse, (reading,), self.transaction_id)
        self._reported = reading
        if self.transaction_id is not None and booked_on != self.transaction_id:
            # The books gave it up; what flows from now on is another charge.
            _LOGGER.warning("The charge of %s was closed in the books", self.evse)
            self._over(self.memory.register.whole_wh)

    def _is_news(self, reading: Reading) -> bool:
        last = self._reported
        if last is None:
            return True
        apart = REPORT_IDLE_EVERY if self.transaction_id is None else REPORT_EVERY
        if reading.at - last.at >= apart:
            return True
        amps, before = reading.max_current_a or 0.0, last.max_current_a or 0.0
        watts, earlier = reading.power_w or 0.0, last.power_w or 0.0
        return abs(amps - before) >= STEP_A or abs(watts - earlier) > max(STEP_W, STEP * earlier)

    def _derive(self, told: Told) -> EvseStatus:
        """Return what the site gets to see: the box's word only where it knows better."""
        if told.status in (EvseStatus.FAULTED, EvseStatus.UNAVAILABLE):
            return told.status
        if not self.plugged:
            reserved = told.status is EvseStatus.RESERVED
            return EvseStatus.RESERVED if reserved else EvseStatus.AVAILABLE
        if self.memory.reference is None:
            return EvseStatus.FINISHING if self.memory.ended else EvseStatus.PREPARING
        if told.drawing:
            return EvseStatus.CHARGING
        paused = self._commands.can_pause and not self._commands.told_a(self.evse.number)
        if paused or told.status is EvseStatus.SUSPENDED_EVSE:
            return EvseStatus.SUSPENDED_EVSE
        return EvseStatus.SUSPENDED_EV

    def _remember(self, **changes: Any) -> None:
        self.memory = replace(self.memory, **changes)


def hand_out_token(told: Mapping[int, Told], outlets: Mapping[int, Outlet]) -> dict[int, Told]:
    """Give a token that was shown to the station as a whole to the outlet that waits for one."""
    token = told[1].token
    had = [n for n, outlet in outlets.items() if token and outlet.memory.shown == token]
    waits = [n for n, outlet in outlets.items() if outlet.wants_token]
    taker = next(iter(had + waits), None)
    return {n: one if n == taker else replace(one, token=None) for n, one in told.items()}
