"""A fused feeder; circuits nest, and the main fuse is the outermost."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """A feeder whose fuse lets `limit_a` pass on each phase.

    `parent` is the id of the circuit that feeds it, `None` for what hangs on the main fuse
    directly. A single-phase feeder takes one of the site's three phases: `phases` holds which of
    L1, L2 and L3 (1 to 3) it has, in the order of its own conductors, so a station that is wired
    with another rotation than its circuit is told apart.
    """

    id: str
    name: str
    limit_a: int
    parent: str | None = None
    phases: tuple[int, ...] = (1, 2, 3)
