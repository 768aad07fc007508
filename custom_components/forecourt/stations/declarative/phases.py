"""How many phases an outlet charges on, and how that is changed.

Neither contactors nor cars are made for phases that come and go under load. So the box is paused,
its meter has to show that nothing flows, then it is told, and the car rests: with less than a
minute without current some take it for a fault. The box shows that it did it, if it tells.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from ..base import Failure, StationError
from .commands import Commands
from .profile import Order, Role
from .sampling import Told

RESTS = timedelta(seconds=60)
"""How long nothing may flow before a car is offered current on other phases."""

PAUSES_IN = timedelta(seconds=60)
SHOWS_IN = timedelta(seconds=30)
"""How long a box has to pause, and to show what it was told."""

AGAIN_IN = timedelta(minutes=10)
"""How long one that did not do it is left alone."""

_COUNTS = frozenset({1, 3})


@dataclass(slots=True)
class _Line:
    """What is known of one outlet."""

    told: int | None = None
    shows: int | None = None
    still_since: datetime | None = None
    seen_at: datetime | None = None
    paused_at: datetime | None = None
    resting_since: datetime | None = None
    switched_at: datetime | None = None
    error: StationError | None = None
    again_at: datetime | None = None

    @property
    def count(self) -> int | None:
        """How many it uses, by its own word or else by what it was told."""
        return self.shows or self.told


class Phases:
    """Brings currents into force, and phases with them."""

    def __init__(self, commands: Commands) -> None:
        """Know nothing of what the box uses."""
        self._spec = commands.profile.orders.get(Order.PHASES)
        self._commands = commands
        self._lines: dict[int, _Line] = {}

    @property
    def counts(self) -> frozenset[int]:
        """What the box can be told now."""
        if self._spec is None or not self._commands.has(Order.PHASES):
            return frozenset()
        maps = [write.transform.map for write in self._spec.writes if write.value is None]
        return _COUNTS.intersection(*(one.values() for one in maps if one))

    def noticed(self, outlet: int, told: Told) -> None:
        """Take note of what an outlet tells."""
        line = self._line(outlet)
        line.seen_at = told.at
        if told.drawing is not False:
            line.still_since = None
        elif line.still_since is None:
            line.still_since = told.at
        if self._spec is not None and self._spec.read_back is Role.PHASES:
            line.shows = told.phases

    async def bring(self, outlet: int, current_a: int, count: int | None) -> None:
        """Limit an outlet to a current per phase on so many phases. Raises `StationError`.

        To be called again and again: until the phases are switched, nothing flows. Where they
        are not, it goes on with those that there are, and `check` tells.
        """
        line = self._line(outlet)
        if count not in self.counts or count == line.count:
            line.error = None
        if line.resting_since is not None:
            await self._commands.bring(outlet, 0)
            if not self._has_rested(line):
                return
        if self._is_due(line, count) and not await self._switched(outlet, line, count):
            return
        line.paused_at = None
        await self._commands.bring(outlet, current_a)

    def check(self, outlet: int) -> None:
        """Raise `StationError` for phases that the box did not take when it was told last."""
        if (error := self._line(outlet).error) is not None:
            raise error.told

    def count(self, outlet: int) -> int | None:
        """Return how many phases an outlet uses, `None` if unknown."""
        return self._line(outlet).count

    def _is_due(self, line: _Line, count: int | None) -> bool:
        """Whether it is to be switched, and may be."""
        if self._spec is None or count not in self.counts or count == line.count:
            return False
        now = self._commands.now()
        if line.again_at is not None and now < line.again_at:
            return False
        apart = max(RESTS, timedelta(seconds=self._spec.interval_s))
        return line.switched_at is None or now - line.switched_at >= apart

    async def _switched(self, outlet: int, line: _Line, count: int | None) -> bool:
        """Go one step further; return whether current may flow again."""
        assert self._spec is not None  # noqa: S101 - it is due
        now = self._commands.now()
        if self._spec.paused_first:
            await self._commands.bring(outlet, 0)
            line.paused_at = line.paused_at or now
            shown = line.seen_at is not None and line.seen_at > line.paused_at
            if not shown or line.still_since is None:
                if now - line.paused_at < PAUSES_IN:
                    return False
                self._give_up(line, self._refusal("it does not pause"))
                return True
        try:
            await self._commands.order(Order.PHASES, count, outlet=outlet)
        except StationError as err:
            line.told = line.shows = None
            self._give_up(line, err.told)
            return True
        line.told, line.shows = count, None
        line.switched_at = now
        line.resting_since = now if self._spec.paused_first else None
        return line.resting_since is None

    def _has_rested(self, line: _Line) -> bool:
        """Whether current may flow again after it was switched."""
        assert self._spec is not None  # noqa: S101 - it was switched
        now = self._commands.now()
        if line.still_since is not None and now - line.still_since < RESTS:
            return False
        if self._spec.read_back is Role.PHASES and line.shows != line.told:
            if line.resting_since is not None and now - line.resting_since < SHOWS_IN:
                return False
            self._give_up(line, self._refusal(f"told {line.told} phases, tells {line.shows}"))
        line.resting_since = None
        return True

    def _give_up(self, line: _Line, error: StationError) -> None:
        line.error = error
        line.again_at = self._commands.now() + AGAIN_IN

    def _refusal(self, detail: str) -> StationError:
        return StationError(self._commands.station_id, Failure.REFUSED, detail)

    def _line(self, outlet: int) -> _Line:
        return self._lines.setdefault(outlet, _Line())
