"""What a box does by itself when nobody speaks to it, kept as its owner wants it."""

import logging
import math

from ..base import StationError
from .commands import WATCHDOG_S, Commands
from .introduction import Safety
from .profile import Order, Profile, Scalar

_LOGGER = logging.getLogger(__name__)


class Fallback:
    """The watchdog of one box. `wanted_a` is what its owner wants it to fall back to."""

    def __init__(self, profile: Profile, commands: Commands, wanted_a: int | None) -> None:
        """Know nothing of the box yet."""
        self.wanted_a = wanted_a
        self._profile = profile
        self._commands = commands
        self._told_a: int | None = None

    @property
    def current_a(self) -> int | None:
        """What it lets flow per phase, `None` where it has no watchdog or does not tell."""
        watchdog = self._profile.watchdog
        if watchdog is None:
            return None
        return self._told_a if watchdog.fallback_a is None else math.ceil(watchdog.fallback_a)

    async def learn(self, safety: Safety) -> None:
        """Take note of what the box tells, and write what is not as wanted."""
        self._told_a = safety.fallback_a
        self._commands.watchdog_s = safety.watchdog_s or None
        differs = self.wanted_a is not None and self._told_a not in (None, self.wanted_a)
        if differs and await self._write(Order.FALLBACK_A, self.wanted_a):
            self._told_a = self.wanted_a
        if safety.watchdog_s == 0 and await self._write(Order.WATCHDOG_S, WATCHDOG_S):
            self._commands.watchdog_s = WATCHDOG_S

    async def _write(self, order: Order, value: Scalar | None) -> bool:
        if not self._commands.has(order):
            return False
        try:
            await self._commands.order(order, value)
        except StationError as err:
            _LOGGER.warning("Could not set %s: %s", order, err)
            return False
        return True
