"""ReserveNow and CancelReservation (OCPP 1.6 §5.2, §5.13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...clock import parse_time
from ...frames import Payload
from ..connector import Connector
from ..reservations import Reservation
from .base import ACCEPTED, REJECTED, Answer, Handlers

if TYPE_CHECKING:
    from ..station import Ocpp16Station


class Reserving:
    """Keeps outlets for cards."""

    def __init__(self, station: Ocpp16Station) -> None:
        """Serve this station."""
        self._station = station
        self._in = station.internals

    def handlers(self) -> Handlers:
        """Return who answers what."""
        return {"CancelReservation": self._cancel_reservation, "ReserveNow": self._reserve_now}

    def _reserve_now(self, payload: Payload) -> Answer:
        number, connectors = payload["connectorId"], self._station.connectors
        try:
            until = parse_time(payload["expiryDate"])
        except ValueError as err:
            self._in.books.violation("bad_time", str(err))
            return REJECTED, None
        zero = self._in.settings.flag("ReserveConnectorZeroSupported")
        known = zero if number == 0 else number in connectors
        if not known or until <= self._in.time.now():
            return REJECTED, None
        reservation = Reservation(
            payload["reservationId"], number, payload["idTag"], payload.get("parentIdTag"), until
        )
        chosen = [connectors[number]] if number else list(connectors.values())
        if (refusal := self._refusal(reservation, chosen)) is not None:
            return {"status": refusal}, None
        self._in.reservations.put(reservation)
        return ACCEPTED, self._look

    def _refusal(self, wanted: Reservation, chosen: list[Connector]) -> str | None:
        """Return why none of these connectors can be kept; None if one can."""
        statuses = {self._status(one, wanted.reservation_id) for one in chosen}
        spare = self._in.reservations.spare(without=wanted.reservation_id)
        if "Available" in statuses and spare > 0:
            return None
        if len(statuses) == 1 and (only := statuses.pop()) in ("Faulted", "Unavailable"):
            return only
        return "Occupied"

    def _status(self, one: Connector, reservation_id: int) -> str:
        """Return the status of a connector as if one reservation, to be replaced, were not."""
        held = self._in.reservations.on(one.number)
        replaced = held is not None and held.reservation_id == reservation_id
        return "Available" if one.status == "Reserved" and replaced else one.status

    def _cancel_reservation(self, payload: Payload) -> Answer:
        if not self._in.reservations.cancel(payload["reservationId"]):
            return REJECTED, None
        return ACCEPTED, self._look

    async def _look(self) -> None:
        self._in.changed()
