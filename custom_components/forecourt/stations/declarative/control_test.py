"""Shows with a car that charges that the box does what it is told.

Limit to 6 A, pause, resume: each is proven by what is measured, not by the box's word. Where
nothing is measured its status has to show pause and resume, and the limit is not tried. Phases are
switched, too, where the profile is not sure that the box does that. Whatever happens, what was in
force before is restored.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
import logging

from ...core.model.finding import Finding, Outcome
from ...core.model.reading import PHASES, VOLTS
from ...core.model.setpoint import TOLERANCE_A, Setpoint
from ..base import StationError
from .commands import Commands
from .link import LinkError
from .phases import Phases
from .profile import Confidence, Order
from .sampling import DRAWS_A, Told

_LOGGER = logging.getLogger(__name__)

LOW_A = 6
EVERY_S = 2.0
TRIES = 20
"""Slow boxes and cars need up to half a minute to follow."""

PHASE_TRIES = 90
"""To switch phases takes a pause of a minute, and half a minute on both sides of it."""


class ControlTest:
    """One test of one outlet.

    `commands` are its own, for the station may not be told anything yet. `read` returns what the
    outlet tells now, `restore_a` the current that is to be in force at the end. `obeyed` are the
    orders that were seen to do what they should.
    """

    def __init__(
        self,
        commands: Commands,
        outlet: int,
        *,
        read: Callable[[], Awaitable[Told]],
        restore_a: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        """Do nothing before `run`."""
        self.obeyed: frozenset[Order] = frozenset()
        self._commands = commands
        self._phases = Phases(commands)
        self._outlet = outlet
        self._read = read
        self._restore_a = restore_a
        self._sleep = sleep
        self._needed = False
        self._phases_before: int | None = None

    def wanted(self, setpoint: Setpoint) -> None:
        """Take note of what the site wants meanwhile: where it needs the current, the test ends."""
        if setpoint.evse.number == self._outlet and setpoint.current_a < LOW_A:
            self._needed = True

    async def run(self) -> AsyncIterator[Finding]:
        """Yield what was found, step by step; restores at the end, also where it is left early."""
        told = await self._look()
        if not told.drawing:
            yield Finding(probe="charging", outcome=Outcome.SKIPPED, detail="no car charges")
            return
        limit = self._commands.limit_order
        try:
            if limit is None:
                yield Finding(probe="limit", outcome=Outcome.NOT_SUPPORTED)
            elif _amps(told) <= LOW_A + TOLERANCE_A:
                drawn = (
                    "no meter shows it" if told.drawn_w is None else f"the car draws {_shown(told)}"
                )
                yield Finding(probe="limit", outcome=Outcome.SKIPPED, detail=drawn)
            else:
                yield await self._step("limit", limit, LOW_A, _is_low)
            if not self._commands.can_pause:
                yield Finding(probe="pause", outcome=Outcome.NOT_SUPPORTED)
                return
            yield await self._step("pause", Order.PAUSE, 0, lambda now: now.drawing is False)
            again_a = max(LOW_A, self._restore_a())
            yield await self._step("resume", Order.RESUME, again_a, lambda now: now.drawing is True)
            if self._wants_phases(told):
                self._phases_before = 3
                for count in (1, 3):
                    yield await self._step(
                        "phases", Order.PHASES, again_a, partial(_is_on, count), count
                    )
        finally:
            await self._restore()

    def _wants_phases(self, told: Told) -> bool:
        """Whether phases are to be switched: it takes minutes, so only to see whether it can."""
        spec = self._commands.profile.orders.get(Order.PHASES)
        unsure = spec is not None and spec.confidence is Confidence.EXPERIMENTAL
        return unsure and self._phases.counts == {1, 3} and _is_on(3, told)

    async def _step(
        self,
        probe: str,
        order: Order,
        current_a: int,
        done: Callable[[Told], bool],
        phases: int | None = None,
    ) -> Finding:
        """Give an order and wait until the meter shows it."""
        try:
            before = told = await self._look()
            for _ in range(TRIES if phases is None else PHASE_TRIES):
                if self._needed:
                    return Finding(
                        probe=probe, outcome=Outcome.SKIPPED, detail="the site needs the current"
                    )
                await self._phases.bring(self._outlet, current_a, phases)
                self._phases.check(self._outlet)
                await self._sleep(EVERY_S)
                told = await self._look()
                if done(told):
                    break
        except (LinkError, StationError) as err:
            self.obeyed -= {order}
            return Finding(probe=probe, outcome=Outcome.FAILED, detail=str(err))
        is_done = done(told)
        self.obeyed = self.obeyed | {order} if is_done else self.obeyed - {order}
        outcome = Outcome.OK if is_done else Outcome.FAILED
        return Finding(probe=probe, outcome=outcome, detail=f"{_shown(before)} → {_shown(told)}")

    async def _look(self) -> Told:
        told = await self._read()
        self._phases.noticed(self._outlet, told)
        return told

    async def _restore(self) -> None:
        count = self._phases_before
        for _ in range(TRIES if count is None else PHASE_TRIES):
            current_a = self._restore_a()
            try:
                if count is not None:
                    await self._look()
                await self._phases.bring(self._outlet, current_a, count)
            except (LinkError, StationError) as err:
                _LOGGER.warning("Could not restore after the control test: %s", err)
            is_back = count is None or self._phases.count(self._outlet) == count
            if is_back and self._commands.told_a(self._outlet) == current_a:
                return
            await self._sleep(EVERY_S)


def proves(findings: Sequence[Finding]) -> bool:
    """Whether a test showed that the box obeys."""
    outcomes = [finding.outcome for finding in findings]
    return Outcome.OK in outcomes and Outcome.FAILED not in outcomes


def _amps(told: Told) -> float:
    """Return what the most loaded phase carries at least."""
    if told.current_a is not None:
        return max((amps or 0.0 for amps in told.current_a), default=0.0)
    return (told.power_w or 0.0) / VOLTS / PHASES


def _is_low(told: Told) -> bool:
    return told.drawing is True and _amps(told) <= LOW_A + TOLERANCE_A


def _is_on(count: int, told: Told) -> bool:
    """Whether the car draws current on so many phases."""
    return sum((amps or 0.0) > DRAWS_A for amps in told.current_a or ()) == count


def _shown(told: Told) -> str:
    if told.current_a is not None:
        return f"{_amps(told):.1f} A"
    return "unknown" if told.power_w is None else f"{told.power_w:.0f} W"
