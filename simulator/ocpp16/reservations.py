"""Who an outlet is kept for (OCPP 1.6 §3.11, §5.2, §5.13)."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Reservation:
    """A connector, or with connector 0 any one of the station, is kept for a card."""

    reservation_id: int
    connector: int
    id_tag: str
    parent_id_tag: str | None
    until: datetime

    def fits(self, id_tag: str, parent_id_tag: str | None) -> bool:
        """Whether it is for this card, or for its family."""
        same_parent = self.parent_id_tag is not None and self.parent_id_tag == parent_id_tag
        return self.id_tag.casefold() == id_tag.casefold() or same_parent


class Reservations:
    """The reservations of one station. They survive a reboot."""

    def __init__(self, free: Callable[[], Collection[int]]) -> None:
        """`free` returns the connectors on which a transaction may begin."""
        self._free = free
        self.held: list[Reservation] = []

    def on(self, connector: int) -> Reservation | None:
        """Return the reservation of a connector, or with 0 one of the whole station."""
        return next((one for one in self.held if one.connector == connector), None)

    def spare(self, *, without: int | None = None) -> int:
        """Return how many free connectors nobody has reserved, not counting one reservation."""
        held = [one for one in self.held if one.reservation_id != without]
        taken = {one.connector for one in held}
        anywhere = sum(1 for one in held if one.connector == 0)
        return sum(1 for number in self._free() if number not in taken) - anywhere

    def put(self, new: Reservation) -> None:
        """Add a reservation; one with the same id is replaced (§5.13)."""
        self.cancel(new.reservation_id)
        self.held.append(new)

    def cancel(self, reservation_id: int) -> bool:
        """Remove a reservation; False if there is none with this id."""
        before = len(self.held)
        self.held = [one for one in self.held if one.reservation_id != reservation_id]
        return len(self.held) < before

    def drop(self, connector: int) -> None:
        """Remove what is reserved on a connector that is out of order (§3.11)."""
        self.held = [one for one in self.held if one.connector != connector]

    def expire(self, now: datetime) -> None:
        """Remove what is over."""
        self.held = [one for one in self.held if now < one.until]

    def blocks(self, connector: int, id_tag: str, parent_id_tag: str | None) -> bool:
        """Whether a free connector is kept for somebody else."""
        own = self.on(connector)
        if own is not None:
            return not own.fits(id_tag, parent_id_tag)
        if any(one.connector == 0 and one.fits(id_tag, parent_id_tag) for one in self.held):
            return False
        return self.on(0) is not None and self.spare() < 1

    def use(self, connector: int, id_tag: str, parent_id_tag: str | None) -> int | None:
        """Remove the reservation that a transaction fulfils and return its id (§4.8)."""
        for place in (connector, 0):
            for one in self.held:
                if one.connector == place and one.fits(id_tag, parent_id_tag):
                    self.cancel(one.reservation_id)
                    return one.reservation_id
        return None
