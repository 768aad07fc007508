"""Shows with a car that charges that the box does what it is told.

Limit to 6 A, pause, resume: each is proven by what is measured, not by the box's word. Whatever
happens, what was in force before is restored.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
import logging

from ...core.model.finding import Finding, Outcome
from ...core.model.reading import PHASES, VOLTS
from ...core.model.setpoint import TOLERANCE_A, Setpoint
from ..base import StationError
from .commands import Commands
from .link import LinkError
from .sampling import Told

_LOGGER = logging.getLogger(__name__)

LOW_A = 6
EVERY_S = 2.0
TRIES = 20
"""Slow boxes and cars need up to half a minute to follow."""


class ControlTest:
    """One test of one outlet.

    `commands` are its own, for the station may not be told anything yet. `read` returns what the
    outlet tells now, `restore_a` the current that is to be in force at the end.
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
        self._commands = commands
        self._outlet = outlet
        self._read = read
        self._restore_a = restore_a
        self._sleep = sleep
        self._needed = False

    def wanted(self, setpoint: Setpoint) -> None:
        """Take note of what the site wants meanwhile: where it needs the current, the test ends."""
        if setpoint.evse.number == self._outlet and setpoint.current_a < LOW_A:
            self._needed = True

    async def run(self) -> AsyncIterator[Finding]:
        """Yield what was found, step by step; restores at the end, also where it is left early."""
        told = await self._read()
        if not told.drawing:
            yield Finding(probe="charging", outcome=Outcome.SKIPPED, detail="no car charges")
            return
        try:
            if self._commands.limit_order is None:
                yield Finding(probe="limit", outcome=Outcome.NOT_SUPPORTED)
            elif _amps(told) <= LOW_A + TOLERANCE_A:
                yield Finding(
                    probe="limit", outcome=Outcome.SKIPPED, detail=f"the car draws {_shown(told)}"
                )
            else:
                yield await self._step("limit", LOW_A, _is_low)
            if not self._commands.can_pause:
                yield Finding(probe="pause", outcome=Outcome.NOT_SUPPORTED)
                return
            yield await self._step("pause", 0, lambda now: now.drawing is False)
            yield await self._step(
                "resume", max(LOW_A, self._restore_a()), lambda now: now.drawing is True
            )
        finally:
            await self._restore()

    async def _step(self, probe: str, current_a: int, done: Callable[[Told], bool]) -> Finding:
        """Give an order and wait until the meter shows it."""
        try:
            before = told = await self._read()
            for _ in range(TRIES):
                if self._needed:
                    return Finding(
                        probe=probe, outcome=Outcome.SKIPPED, detail="the site needs the current"
                    )
                await self._commands.bring(self._outlet, current_a)
                await self._sleep(EVERY_S)
                told = await self._read()
                if done(told):
                    break
        except (LinkError, StationError) as err:
            return Finding(probe=probe, outcome=Outcome.FAILED, detail=str(err))
        outcome = Outcome.OK if done(told) else Outcome.FAILED
        return Finding(probe=probe, outcome=outcome, detail=f"{_shown(before)} → {_shown(told)}")

    async def _restore(self) -> None:
        for _ in range(TRIES):
            current_a = self._restore_a()
            try:
                await self._commands.bring(self._outlet, current_a)
            except StationError as err:
                _LOGGER.warning("Could not restore after the control test: %s", err)
            if self._commands.told_a(self._outlet) == current_a:
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


def _shown(told: Told) -> str:
    if told.current_a is not None:
        return f"{_amps(told):.1f} A"
    return "unknown" if told.power_w is None else f"{told.power_w:.0f} W"
