"""The port between a declarative station and what carries its values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from .profile import Order, Role, Scalar

type Values = Mapping[Role, Scalar | None]
"""Transformed values in the units of their roles; `None`: the box says that there is none."""


class LinkFault(StrEnum):
    """Why a box could not be read or told."""

    REFUSED = "refused"
    """Nobody listens at the address."""
    TIMEOUT = "timeout"
    WRONG_UNIT = "wrong_unit"
    WRONG_MODEL = "wrong_model"
    WRITE_ACCESS = "write_access"
    BUSY = "busy"
    GARBLED = "garbled"
    NOT_SUPPORTED = "not_supported"
    NOT_AUTHENTICATED = "not_authenticated"


class LinkError(Exception):
    """A box that could not be read or told; `detail` in the words of the protocol, no secret."""

    def __init__(self, fault: LinkFault, detail: str = "") -> None:
        """Remember why."""
        super().__init__(f"{fault}{f': {detail}' if detail else ''}")
        self.fault = fault
        self.detail = detail


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What a box told: of the station, and of each outlet (from 1).

    `unknown` names the roles whose raw value the profile does not map, with that value.
    `faults` are the roles that could not be read this time, and why.
    """

    station: Values = field(default_factory=dict)
    outlets: Mapping[int, Values] = field(default_factory=dict)
    unknown: Mapping[Role, Scalar] = field(default_factory=dict)
    faults: Mapping[Role, LinkFault] = field(default_factory=dict)


class Link(Protocol):
    """One box over one transport. All calls of a link are serialised by it."""

    @property
    def connected(self) -> bool:
        """Whether it could be read lately."""

    async def open(self) -> None:
        """Connect and probe which optional readings and orders exist. Raises `LinkError`."""

    async def close(self) -> None:
        """Let go of the connection; may be called twice."""

    def has(self, what: Role | Order) -> bool:
        """Whether this very box has it, as probed."""

    async def read(self, *, slow: bool = False) -> Sample:
        """Return what the box tells; `slow`: all of it as it is now. Raises `LinkError`.

        A link that is told by itself (MQTT) returns the newest of each role.
        """

    async def tell(self, order: Order, value: Scalar | None = None, *, outlet: int = 1) -> None:
        """Give an order and return when it was taken (acknowledged). Raises `LinkError`."""

    def on_news(self, news: Callable[[], None]) -> Callable[[], None]:
        """Call `news` when the box told something by itself; returns how to stop that."""
