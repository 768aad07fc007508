"""A station that is described by a profile, as the site sees it.

It polls its box, makes site events of what that tells, and brings the site's setpoints into
force. `run` it in a task until cancelled, then `close` it.

What it may not tell or cannot tell is never feigned: as long as a profile is not proven at this
very box (`may_write`, or the control test, which is remembered), and where the current cannot be
limited, `apply` raises `StationError` (not supported) instead of returning, because the site takes
a return for a limit in force. So the box counts for the fuse at its maximum, and its charges are
booked without being held.

Between charges a box with volatile orders is held at pause. The watchdog is renewed by `apply`
while a charge runs, so that a control loop that hangs lets the box fall back; while all outlets
are held at pause, the poll renews it, for a box that falls back then would begin to charge.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
import logging
from uuid import uuid4

from ...core.model.finding import Finding, Outcome
from ...core.model.ids import EvseId
from ...core.model.setpoint import LimitReason, Setpoint
from ...core.model.station import StationInfo
from ...core.model.token import Token
from ..base import (
    CanRefresh,
    CanStart,
    CanStop,
    CanSwitchPhases,
    CanTest,
    CanUnlock,
    Failure,
    SiteEvents,
    StationError,
)
from .charging import Outlet, hand_out_token
from .commands import Commands
from .control_test import ControlTest, proves
from .fallback import Fallback
from .introduction import introduce, safety_of
from .link import Link, LinkError, Sample
from .memory import Memory, OutletMemory, Saving
from .news import News
from .pacing import Pace
from .phases import Phases
from .profile import Confidence, Order, Profile, Role
from .sampling import Told, look, source_of

_LOGGER = logging.getLogger(__name__)

SLOW_EVERY = timedelta(minutes=10)
"""How often its name plate is looked at, and whether it falls back as it should."""

LOST_AFTER = 2
"""How many polls in a row have to fail until the station counts as offline."""

type Keep = Callable[[str, Memory], None]
"""Is told the id of the station and what it has to remember from now on."""


class DeclarativeStation:
    """Implements the ports over a link and a profile."""

    def __init__(
        self,
        station_id: str,
        profile: Profile,
        link: Link,
        events: SiteEvents,
        *,
        now: Callable[[], datetime],
        evses: int | None = None,
        fallback_current_a: int | None = None,
        memory: Memory | None = None,
        on_memory: Keep | None = None,
        may_write: bool | None = None,
        open_to_all: Callable[[], bool] = lambda: False,
        address: str | None = None,
        pace: Pace | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        new_id: Callable[[], str] = lambda: uuid4().hex,
    ) -> None:
        """Go on from `memory`; nothing happens before `run` or `poll`.

        `fallback_current_a` is what the owner wants it to fall back to, `may_write` whether it
        may be told anything (by default what the profile's confidence says), `open_to_all`
        whether anyone may charge, so that it need not stay at pause when this program ends.
        """
        memory = memory or Memory()
        count = profile.connectors if evses is None else evses
        self.profile = profile
        self.link = link
        self.sample: Sample | None = None
        """What it told last."""
        self.fault: LinkError | None = None
        """Why it could not be reached last, `None` while it answers."""
        self._may_write = (
            profile.confidence is Confidence.HARDWARE if may_write is None else may_write
        )
        self._proven = memory.proven
        self._info = StationInfo(
            id=station_id,
            protocol=profile.protocol,
            vendor=profile.vendor,
            model=profile.models[0] if len(profile.models) == 1 else None,
            address=address,
            evses=count,
            told_evses=count,
        )
        self._events = events
        self._now = now
        self._on_memory = on_memory
        self._open_to_all = open_to_all
        self._pace = pace or Pace()
        self._sleep = sleep
        self._commands = Commands(
            station_id,
            profile,
            link,
            now=now,
            may_write=lambda: self.may_write,
            proven=memory.obeyed,
            flash_writes=memory.flash_writes,
        )
        self._phases = Phases(self._commands)
        self._fallback = Fallback(profile, self._commands, fallback_current_a)
        self._outlets = {
            number: Outlet(
                EvseId(station_id, number),
                profile,
                self._commands,
                events,
                memory.outlets.get(number, OutletMemory()),
                new_id=new_id,
            )
            for number in range(1, count + 1)
        }
        self._setpoints: dict[int, Setpoint] = {}
        self._saving = Saving(memory)
        self._lock = asyncio.Lock()
        self._wake = asyncio.Event()
        self._online = False
        self._opened = False
        self._failures = 0
        self._slow_at: datetime | None = None
        self._news = News(station_id, events)
        self._test: ControlTest | None = None
        self._stop_news: Callable[[], None] | None = None

    # The station

    @property
    def info(self) -> StationInfo:
        """What is known about the station."""
        return self._info

    @property
    def online(self) -> bool:
        """Whether the box answers."""
        return self._online

    @property
    def may_write(self) -> bool:
        """Whether the box may be told anything."""
        return self._may_write or self._proven

    @property
    def rival_at(self) -> datetime | None:
        """When another controller was noticed last."""
        return self._news.rival_at

    @property
    def memory(self) -> Memory:
        """What it has to remember over a restart."""
        return Memory(
            outlets={number: outlet.memory for number, outlet in self._outlets.items()},
            flash_writes=self._commands.flash_writes,
            proven=self._proven,
            obeyed=self._commands.proven or frozenset(),
        )

    @property
    def fallback_current_a(self) -> int | None:
        """What its watchdog lets flow; without one, what it was told, as long as it answers."""
        if self.may_write and (current_a := self._fallback.current_a) is not None:
            return current_a
        told = [self._commands.told_a(number) for number in self._outlets]
        known = [current_a for current_a in told if current_a is not None]
        if not self._online or len(known) < len(told):
            return None
        return max(known, default=None)

    def supports(self, capability: type) -> bool:
        """Whether this box can do it, as probed."""
        if capability is CanStart:
            return self._commands.can_hold
        if capability is CanStop:
            return self._commands.can_pause
        if capability is CanUnlock:
            return self._commands.has(Order.UNLOCK)
        if capability is CanSwitchPhases:
            return bool(self._phases.counts)
        if capability is CanTest:
            return bool(self.profile.orders)
        return capability is CanRefresh

    def phase_counts(self, evse: EvseId) -> frozenset[int]:
        """Return how many phases an outlet can be told to use."""
        return self._phases.counts

    async def apply(self, setpoint: Setpoint) -> None:
        """Bring the setpoint into force, and renew the watchdog.

        While phases are switched nothing flows; other phases wait as long as the box wants.
        """
        self._require()
        self._setpoints[setpoint.evse.number] = setpoint
        if self._test is not None:
            if self.may_write:
                self._test.wanted(setpoint)
            return
        async with self._lock:
            outlet = self._outlet(setpoint.evse)
            if setpoint.transaction_id is not None:
                await outlet.adopt(setpoint.transaction_id)
            if outlet.transaction_id is None:
                return
            if not self.may_write:
                raise StationError(
                    self._info.id, Failure.NOT_SUPPORTED, "nobody has shown yet that it obeys"
                )
            # While this call waited its turn, a newer setpoint may have come.
            newest = self._setpoints[setpoint.evse.number]
            await self._phases.bring(outlet.evse.number, newest.current_a, newest.phases)
            await self._commands.renew()
            await outlet.tell_status()
            self._phases.check(outlet.evse.number)

    async def start(self, evse: EvseId, token: Token) -> None:
        """Let somebody charge, now or with the car that is plugged in soon."""
        self._require()
        async with self._lock:
            try:
                await self._outlet(evse).start(token)
            finally:
                self._keep_memory()
        self._wake.set()

    async def stop(self, transaction_id: int) -> None:
        """End the transaction and pause the box."""
        self._require()
        async with self._lock:
            running = [o for o in self._outlets.values() if o.transaction_id == transaction_id]
            if not running:
                raise StationError(self._info.id, Failure.REFUSED, "it runs no such transaction")
            try:
                await running[0].stop()
            finally:
                self._keep_memory()
        self._wake.set()

    async def unlock(self, evse: EvseId) -> None:
        """Release the cable."""
        self._require()
        async with self._lock:
            await self._commands.order(Order.UNLOCK, outlet=evse.number)

    async def refresh(self, evse: EvseId) -> None:
        """Read the box now."""
        self._outlet(evse)
        await self.poll()
        self._require()

    async def test(self) -> list[Finding]:
        """Show that the box obeys, with the car that charges; what it proves is remembered."""
        self._require()
        charging = [
            outlet
            for outlet in self._outlets.values()
            if outlet.told is not None and outlet.told.drawing
        ]
        if not charging:
            return [Finding(probe="charging", outcome=Outcome.SKIPPED, detail="no car charges")]
        if self._test is not None:
            raise StationError(self._info.id, Failure.REFUSED, "it is being tested already")
        outlet = charging[0]
        number = outlet.evse.number
        if self.may_write and outlet.transaction_id is None:
            return [Finding(probe="charging", outcome=Outcome.SKIPPED, detail="nobody was let in")]
        async with self._lock:
            commands = self._commands.on_trial()
            self._commands.doubt(number)
            self._test = test = ControlTest(
                commands,
                number,
                read=lambda: self._look(outlet),
                restore_a=self._restore_a(outlet),
                sleep=self._sleep,
            )
            try:
                findings = [finding async for finding in test.run()]
            finally:
                self._test = None
                self._commands.succeed(commands)
            if proves(findings):
                self._proven = True
                self._commands.proven = test.obeyed | (self._commands.proven or frozenset())
                # Now its watchdog may be set.
                self._slow_at = None
            self._keep_memory()
        self._wake.set()
        return findings

    # The life

    async def run(self) -> None:
        """Poll the box until cancelled."""
        if self._stop_news is None:
            self._stop_news = self.link.on_news(self._wake.set)
        while True:
            self._wake.clear()
            try:
                await self.poll()
            except Exception:
                # A fault of the site, such as a full disk, must not end the polling in silence:
                # what was not booked is told again.
                _LOGGER.exception("%s could not be served; trying again", self._info.id)
            busy = any(outlet.busy for outlet in self._outlets.values())
            pause_s = self._pace.next_s(busy=busy, failures=self._failures)
            try:
                async with asyncio.timeout(pause_s):
                    await self._wake.wait()
                await asyncio.sleep(self._pace.least_s)
            except TimeoutError:
                pass

    async def settled(self) -> None:
        """Return when nothing is being asked or told, so that `run` can be cancelled in peace."""
        async with self._lock:
            pass

    async def close(self) -> None:
        """Leave the box in its safe state, and let go of it; `run` is over by then.

        A charge that is allowed goes on at the fallback current. A box that is held at pause
        stays so, unless anyone may charge.
        """
        if self._stop_news is not None:
            self._stop_news()
            self._stop_news = None
        async with self._lock:
            if self._online and self.may_write:
                for number, outlet in self._outlets.items():
                    await self._leave(number, outlet)
            self._online = False
            await self.link.close()
            self._opened = False

    async def poll(self) -> None:
        """Read the box once, and tell the site. A box that does not answer is offline."""
        async with self._lock:
            try:
                sample = await self._read()
            except LinkError as err:
                self._missed(err)
                return
            self._answered()
            try:
                await self._digest(sample)
            finally:
                self._keep_memory()

    async def _read(self) -> Sample:
        if not self._opened:
            await self.link.open()
            self._opened = True
            self._slow_at = None
        now = self._now()
        slow = self._slow_at is None or now - self._slow_at >= SLOW_EVERY
        sample = self.sample = await self.link.read(slow=slow)
        if slow:
            self._slow_at = now
            await self._introduce(sample)
        return sample

    async def _digest(self, sample: Sample) -> None:
        now = self._now()
        self._news.unknown(sample, now)
        source = source_of(self.profile, self.link)
        told = {number: look(sample, number, self.profile, now) for number in self._outlets}
        spec = self.profile.readings.get(Role.TOKEN)
        if spec is not None and spec.station and len(told) > 1:
            told = hand_out_token(told, self._outlets)
        for number, outlet in self._outlets.items():
            outlet.source = source
            self._phases.noticed(number, told[number])
            if self._commands.noticed(number, told[number]):
                self._news.rival(outlet.evse, now)
            await outlet.digest(told[number])
        if all(outlet.transaction_id is None for outlet in self._outlets.values()):
            await self._renew_idle()

    async def _renew_idle(self) -> None:
        """Keep a box that is held at pause from falling back to charging."""
        try:
            await self._commands.renew()
        except StationError as err:
            _LOGGER.debug("%s is not kept from falling back: %s", self._info.id, err)

    def _missed(self, error: LinkError) -> None:
        self._failures += 1
        self.fault = error
        if not self.link.connected:
            self._opened = False
        if self._failures == LOST_AFTER:
            _LOGGER.warning("%s does not answer: %s", self._info.id, error)
        if self._online and self._failures >= LOST_AFTER:
            self._online = False
            self._events.station_changed(self)

    def _answered(self) -> None:
        self.fault = None
        if self._failures >= LOST_AFTER:
            _LOGGER.info("%s answers again", self._info.id)
            # Nobody knows what it forgot meanwhile.
            self._commands.forget()
        self._failures = 0
        if not self._online:
            self._online = True
            self._events.station_changed(self)

    async def _introduce(self, sample: Sample) -> None:
        """Take note of what hardly changes, and see to it that the box falls back safely."""
        info = introduce(self._info, sample)
        if info != self._info:
            self._info = info
            self._events.station_changed(self)
        await self._fallback.learn(safety_of(sample, self.profile))

    async def _leave(self, number: int, outlet: Outlet) -> None:
        setpoint = self._setpoints.get(number)
        allowed = outlet.transaction_id is not None and (
            setpoint is None
            or setpoint.reason not in (LimitReason.NOT_ALLOWED, LimitReason.NOT_AUTHORIZED)
        )
        try:
            if allowed or (outlet.transaction_id is None and self._open_to_all()):
                if (current_a := self._fallback.wanted_a) is not None:
                    await self._commands.bring(number, current_a)
            else:
                await outlet.hold()
        except StationError as err:
            _LOGGER.warning("Could not leave in its safe state: %s", err)

    # What it knows

    def _keep_memory(self) -> None:
        """Have it saved when something happened; mere counting once in a while."""
        if self._on_memory is not None and self._saving.due(self.memory, self._now()):
            self._on_memory(self._info.id, self.memory)

    async def _look(self, outlet: Outlet) -> Told:
        """Read the box for the control test; the site goes on seeing what it tells."""
        await self._digest(await self._read())
        assert outlet.told is not None  # noqa: S101 - it was just read
        return outlet.told

    def _restore_a(self, outlet: Outlet) -> Callable[[], int]:
        """Return what gives the current that is to be in force after a test."""
        number = outlet.evse.number
        before = outlet.told.limit_a if outlet.told is not None else None

        def restore_a() -> int:
            setpoint = self._setpoints.get(number)
            if self.may_write and setpoint is not None and self._now() < setpoint.valid_until:
                return setpoint.current_a
            return self.profile.max_current_a if before is None else int(before)

        return restore_a

    def _outlet(self, evse: EvseId) -> Outlet:
        outlet = self._outlets.get(evse.number)
        if outlet is None:
            raise StationError(self._info.id, Failure.NOT_SUPPORTED, "it has no such outlet")
        return outlet

    def _require(self) -> None:
        if not self._online:
            raise StationError(self._info.id, Failure.OFFLINE)
