"""A fused feeder; circuits nest, and the main fuse is the outermost."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Circuit:
    """A feeder whose fuse lets `limit_a` pass on each phase.

    `parent` is the id of the circuit that feeds it, `None` for what hangs on the main fuse
    directly.
    """

    id: str
    name: str
    limit_a: int
    parent: str | None = None
