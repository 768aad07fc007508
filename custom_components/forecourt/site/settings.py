"""What the owner decided about the site."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo

from ..core.model.circuit import Circuit
from ..core.model.token import Access


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteSettings:
    """The owner's decisions; `main_fuse_a` is per phase.

    `default_user_id` is who pays for charges that nobody identified for where
    anyone may charge. `currency` is an ISO 4217 code. `feeders` has the circuit that
    feeds a station, by the ids of both; a station on none hangs on the main fuse.
    `zone` is the site's clock.
    """

    main_fuse_a: int
    access: Access
    currency: str
    default_user_id: str | None = None
    circuits: tuple[Circuit, ...] = ()
    feeders: Mapping[str, str] = field(default_factory=dict)
    zone: tzinfo = UTC

    @property
    def circuit_limits(self) -> dict[str, int]:
        """Return the limit of each circuit, by its id."""
        return {circuit.id: circuit.limit_a for circuit in self.circuits}

    def feeding(self, station_id: str) -> tuple[str, ...]:
        """Return the ids of the circuits that feed a station, from its own to the outermost."""
        parents = {circuit.id: circuit.parent for circuit in self.circuits}
        found: list[str] = []
        circuit_id = self.feeders.get(station_id)
        while circuit_id in parents and circuit_id not in found:
            found.append(circuit_id)
            circuit_id = parents[circuit_id]
        return tuple(found)
