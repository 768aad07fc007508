"""One outlet of a box: what it was told, who keeps it alive, and its power side."""

from __future__ import annotations

from dataclasses import dataclass

from ..books import PlugIn
from ..clock import Clock
from ..plant import Evse


@dataclass(slots=True)
class Outlet:
    """An outlet. Currents are amperes per phase.

    With `watchdog_s` the box falls back to `fallback_a` when it was not told anything for so long.
    """

    number: int
    evse: Evse
    clock: Clock
    enabled: bool = True
    limit_a: float = 16.0
    fallback_a: float = 0.0
    watchdog_s: float = 0.0
    token: str = ""
    told_at: float = 0.0
    fallen_back: bool = False
    plug_in: PlugIn | None = None

    @property
    def left_s(self) -> float:
        """How long it still heeds what it was told."""
        return max(0.0, self.told_at + self.watchdog_s - self.clock.now())

    def heard(self) -> None:
        """Somebody has spoken to it."""
        self.told_at = self.clock.now()
        self.fallen_back = False

    def settle(self) -> None:
        """Let the power side follow what holds now."""
        if self.watchdog_s and not self.left_s:
            self.fallen_back = True
        self.evse.energised = self.enabled
        self.evse.limit_a = self.fallback_a if self.fallen_back else self.limit_a
