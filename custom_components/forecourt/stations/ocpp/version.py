"""What a version of OCPP is to the rest of the central system.

A version is one folder beside this file with a `Version` in its `__init__.py`: which
messages there are, how to read an introduction, and what to make of a station that is
accepted (`Talk`). Nothing else knows which version a station speaks.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
import logging
from typing import Protocol

from ...core.model.station import StationInfo
from ..base import SiteEvents
from .asker import Asker
from .certificates import HashData
from .clock import Clock
from .credentials import SecurityProfile
from .link import Timing
from .schema import Payload, Schemas
from .station import Line, OcppStation
from .turns import Turns


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What every connection shares.

    `on_introduced` is told what a stranger is, `turns` shares the event loop out.
    """

    events: SiteEvents
    now: Callable[[], datetime]
    timing: Timing
    sample_interval_s: int
    on_introduced: Callable[[StationInfo], None]
    logger: logging.Logger
    turns: Turns


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A station that is let in, on one connection. `notes` counts what is odd about it.

    `clock` is what its messages on this connection tell of its clock.
    """

    station: OcppStation
    asker: Asker
    around: Surroundings
    clock: Clock
    notes: Counter[str]


class Talk(Protocol):
    """What a version makes of an accepted station: its messages, its orders, its set-up."""

    @property
    def line(self) -> Line:
        """The way for the site's orders."""

    async def handle(self, action: str, payload: Payload) -> Payload:
        """Answer a call of the station; it fits the schema. May raise `AnswerError`."""

    async def set_up(self) -> None:
        """Ask and tell the station what is needed, once per connection.

        Raises `StationError` where it is gone or deaf.
        """


class SecurityMessages(Protocol):
    """How a station is given what a higher security profile takes. Each raises `StationError`."""

    async def set_password(self, password: str) -> None:
        """Set the password."""

    async def has_root(self, root: HashData) -> bool | None:
        """Return whether it trusts an authority, `None` where it cannot tell."""

    async def install_root(self, pem: str) -> None:
        """Have it trust an authority."""

    async def ask_for_request(self) -> None:
        """Have it ask for a certificate of its own."""

    async def send_certificate(self, chain_pem: str) -> None:
        """Send the certificate that it asked for."""

    async def set_profile(self, profile: SecurityProfile, url: str) -> None:
        """Have it connect with a profile from now on, at this address if it takes one."""

    async def confirm_profile(self, profile: SecurityProfile, url: str) -> None:
        """Tell it the number of a profile that it can have without another address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of OCPP.

    `actions` are the calls that a station may make, `once` those that must not be handled
    twice when it repeats itself. `capabilities` names for each action of ours the
    capability that a station lacks which does not know it.
    """

    subprotocol: str
    schemas: Schemas
    actions: frozenset[str]
    once: frozenset[str]
    capabilities: Mapping[str, type | None]
    trigger_payload: Callable[[str, int | None], Payload]
    lenient: Callable[[int, str, Payload], list[str]]
    introduction: Callable[[StationInfo, Payload], StationInfo]
    count_evses: Callable[[Asker], Awaitable[int | None]]
    talk: Callable[[Accepted], Talk]
    security: Callable[[OcppStation], SecurityMessages]
    preload: Callable[[], None]
