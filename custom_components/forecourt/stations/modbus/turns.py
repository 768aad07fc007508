"""Which requests make up one cycle of reading: few, however much a box has to tell.

What changes all the time is asked each time. The rest takes turns in what room is left, its name
plate and settings hardly ever; until its turn comes again, what was answered last stands. Where
there is no room, one of the rest now and then takes the place of what a cycle can do without: a
register of energy misses nothing, nor does power where currents are told.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from ..declarative.profile import ModbusTransport, ReadingSpec, Role
from .planning import Block, plan, wanted

REQUESTS = 3
"""How many requests a cycle takes at most, per outlet, if what changes all the time allows it."""

SELDOM = frozenset(
    {
        Role.VENDOR,
        Role.MODEL,
        Role.SERIAL,
        Role.FIRMWARE,
        Role.PROBE,
        Role.MAX_CURRENT_A,
        Role.FALLBACK_A,
        Role.FALLBACK_W,
        Role.WATCHDOG_S,
    }
)
"""Slow readings of the name plate and of settings; the other slow ones change during a charge."""

_MAY_WAIT = frozenset(
    {
        Role.ENERGY_WH,
        Role.ENERGY_WH_1,
        Role.ENERGY_WH_2,
        Role.ENERGY_WH_3,
        Role.SESSION_ENERGY_WH,
        Role.VOLTAGE_V_1,
        Role.VOLTAGE_V_2,
        Role.VOLTAGE_V_3,
    }
)
_POWERS = frozenset({Role.POWER_W, Role.POWER_W_1, Role.POWER_W_2, Role.POWER_W_3})
_CURRENTS = frozenset({Role.CURRENT_A, Role.CURRENT_A_1})


class Pace(IntEnum):
    """How often something is read: every cycle, or after so many at the earliest."""

    OFTEN = 0
    SOON = 5
    SELDOM = 60


def pace_of(spec: ReadingSpec) -> Pace:
    """Return how often a reading is wanted."""
    if not spec.slow:
        return Pace.OFTEN
    return Pace.SELDOM if spec.role in SELDOM else Pace.SOON


@dataclass(slots=True, eq=False)
class Turn:
    """A request, and what was answered last, `None` where that does not stand any more."""

    block: Block
    pace: Pace
    words: list[int] | None = None
    cycle: int | None = None
    """In which cycle it was asked last."""

    @property
    def roles(self) -> frozenset[Role]:
        """Return what is in its answer."""
        return frozenset(value.spec.role for value in self.block.values)


def planned(
    specs: Sequence[ReadingSpec], outlets: Sequence[int], transport: ModbusTransport
) -> list[Turn]:
    """Return the requests that read these, if the box refuses none of them."""
    return [
        Turn(block, pace)
        for pace in Pace
        for block in plan(
            wanted((spec for spec in specs if pace_of(spec) is pace), outlets, transport),
            transport,
        )
    ]


class Turns:
    """All requests of one box."""

    def __init__(self, turns: Iterable[Turn], *, outlets: int) -> None:
        """Begin with nothing known."""
        self.all: Sequence[Turn] = tuple(turns)
        self._most = REQUESTS * outlets
        often = [turn for turn in self.all if turn.pace is Pace.OFTEN]
        has_currents = any(turn.roles & _CURRENTS for turn in often)
        self._may_wait = _MAY_WAIT | _POWERS if has_currents else _MAY_WAIT
        self._cycle = 0

    def everything(self) -> Sequence[Turn]:
        """Return all there is, where it has to be known now."""
        self._cycle += 1
        for turn in self.all:
            turn.cycle = self._cycle
        return self.all

    def next(self) -> list[Turn]:
        """Return what is asked in the next cycle, in the order in which to ask."""
        self._cycle += 1
        often = [turn for turn in self.all if turn.pace is Pace.OFTEN]
        room = self._most - len(often)
        due = sorted((t for t in self.all if self._is_due(t, room)), key=lambda t: t.cycle or 0)
        chosen = due[: max(room, 1)]
        if room <= 0 and due:
            often = self._without_one(often)
        for turn in chosen:
            turn.cycle = self._cycle
        return [turn for turn in self.all if turn in often or turn in chosen]

    def forget(self, roles: Iterable[Role]) -> None:
        """Take note that what was answered for these roles does not stand any more."""
        gone = frozenset(roles)
        for turn in self.all:
            if gone & turn.roles:
                turn.words = turn.cycle = None

    def _is_due(self, turn: Turn, room: int) -> bool:
        if turn.pace is Pace.OFTEN:
            return False
        # What may wait is asked as soon as there is room for it.
        pace = 1 if turn.pace is Pace.SOON and room > 0 else turn.pace
        return turn.cycle is None or self._cycle - turn.cycle >= pace

    def _without_one(self, often: list[Turn]) -> list[Turn]:
        """Make room for another one where that costs nothing."""
        if len(often) > self._most:
            return often
        patient = [
            turn for turn in often if turn.words is not None and turn.roles <= self._may_wait
        ]
        return [turn for turn in often if turn not in patient[-1:]]
