"""A car, as far as its owner told."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Vehicle:
    """A car. `capacity_wh` is what its battery holds; `phases` how many it charges with.

    `min_current_a` is the least that it charges with, 6 by IEC 61851-1, more for some.
    """

    id: str
    name: str
    capacity_wh: int | None = None
    phases: int = 3
    min_current_a: int = 6
