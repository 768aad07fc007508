"""What the owner decided about the site."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..core.model.circuit import Circuit
from ..core.model.token import Access


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteSettings:
    """The owner's decisions; `main_fuse_a` is per phase.

    `default_user_id` is who pays for charges that nobody identified for where
    anyone may charge. `currency` is an ISO 4217 code. `feeders` has the circuit that
    feeds a station, by the ids of both; a station on none hangs on the main fuse.
    """

    main_fuse_a: int
    access: Access
    currency: str
    default_user_id: str | None = None
    circuits: tuple[Circuit, ...] = ()
    feeders: Mapping[str, str] = field(default_factory=dict)
