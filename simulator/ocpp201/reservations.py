"""Reservations: an EVSE, or any, is kept for a token (OCPP 2.0.1 block H)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from .tokens import Token

if TYPE_CHECKING:
    from .outlet import Outlet


@dataclass(frozen=True, slots=True)
class Reservation:
    """One reservation."""

    reservation_id: int
    evse: int | None
    """None: any EVSE of the station."""
    token: Token
    group: Token | None
    until: datetime

    def serves(self, token: Token, group: Token | None) -> bool:
        """Whether it was made for this token, or for its group."""
        return self.token.same(token) or (self.group is not None and self.group.same(group))


class Reservations:
    """The reservations of one station. They survive a reboot."""

    def __init__(self, ended: Callable[[int, str], None]) -> None:
        """`ended` tells the server that a reservation is Expired or Removed."""
        self._ended = ended
        self.outlets: Mapping[int, Outlet] = {}
        self.all: list[Reservation] = []

    def make(self, new: Reservation) -> None:
        """Add a reservation, in place of one with the same id."""
        self.all = [one for one in self.all if one.reservation_id != new.reservation_id]
        self.all.append(new)

    def cancel(self, reservation_id: int) -> bool:
        """Forget a reservation; return whether there was one."""
        left = [one for one in self.all if one.reservation_id != reservation_id]
        found, self.all = len(left) < len(self.all), left
        return found

    def keeps(self, outlet: Outlet) -> bool:
        """Whether nobody but a certain token may use an EVSE."""
        if any(one.evse == outlet.number for one in self.all):
            return True
        anywhere = sum(1 for one in self.all if one.evse is None)
        left = [one for one in self.outlets.values() if self._open(one)]
        return outlet in left and 0 < anywhere >= len(left)

    def admits(self, outlet: Outlet, token: Token, group: Token | None) -> bool:
        """Whether a token may use an EVSE, as far as reservations go."""
        return not self.keeps(outlet) or self._fitting(outlet, token, group) is not None

    def use(self, outlet: Outlet, token: Token, group: Token | None) -> int | None:
        """Consume the reservation that a token comes with; return its id."""
        found = self._fitting(outlet, token, group)
        if found is None:
            return None
        self.all.remove(found)
        return found.reservation_id

    def remove(self, outlet: Outlet) -> None:
        """Give up the reservation of an EVSE that can no longer be used (H01)."""
        for one in [one for one in self.all if one.evse == outlet.number]:
            self.all.remove(one)
            self._ended(one.reservation_id, "Removed")

    def expire(self, now: datetime) -> bool:
        """Forget what is over; return whether something was."""
        over = [one for one in self.all if now >= one.until]
        for one in over:
            self.all.remove(one)
            self._ended(one.reservation_id, "Expired")
        return bool(over)

    def _fitting(self, outlet: Outlet, token: Token, group: Token | None) -> Reservation | None:
        mine = [one for one in self.all if one.serves(token, group)]
        own = [one for one in mine if one.evse == outlet.number]
        return next(iter(own or [one for one in mine if one.evse is None]), None)

    def _open(self, outlet: Outlet) -> bool:
        """Whether a reservation for any EVSE could be used here."""
        return outlet.usable and all(one.evse != outlet.number for one in self.all)
