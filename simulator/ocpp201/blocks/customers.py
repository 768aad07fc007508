"""What the station keeps about customers: cache, local list, reservations (blocks C, D, H, N)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...clock import parse_time, wire_time
from ...frames import Payload
from ..outlet import Outlet
from ..reservations import Reservation
from ..tokens import Token
from .base import ACCEPTED, REJECTED, Answer, Handlers, refused

if TYPE_CHECKING:
    from ..station import Ocpp201Station

_PART = 512


class Customers:
    """Takes lists and reservations in, and tells and forgets what is known of somebody."""

    def __init__(self, station: Ocpp201Station) -> None:
        """Serve this station."""
        self._station = station
        self._in = station.internals

    def handlers(self) -> Handlers:
        """Return who answers what."""
        handlers: Handlers = {
            "ClearCache": self._clear_cache,
            "CustomerInformation": self._customer_information,
        }
        if self._in.config.local_list:
            handlers |= {
                "GetLocalListVersion": self._get_local_list_version,
                "SendLocalList": self._send_local_list,
            }
        if self._in.config.reservations:
            handlers |= {
                "CancelReservation": self._cancel_reservation,
                "ReserveNow": self._reserve_now,
            }
        return handlers

    # --- cache and list ---------------------------------------------------------------------------

    def _clear_cache(self, payload: Payload) -> Answer:
        if not self._in.variables.flag("AuthCacheCtrlr.Enabled"):
            return REJECTED
        self._in.local_auth.clear_cache()
        return ACCEPTED

    def _get_local_list_version(self, payload: Payload) -> Answer:
        enabled = self._in.variables.flag("LocalAuthListCtrlr.Enabled")
        return {"versionNumber": self._in.local_auth.version if enabled else 0}, None

    def _send_local_list(self, payload: Payload) -> Answer:
        if not self._in.variables.flag("LocalAuthListCtrlr.Enabled"):
            return refused("NotEnabled", "Failed")
        entries = payload.get("localAuthorizationList", [])
        status = self._in.local_auth.update(
            payload["versionNumber"], payload["updateType"], entries
        )
        return {"status": status}, None

    # --- customers --------------------------------------------------------------------------------

    def _customer_information(self, payload: Payload) -> Answer:
        if "idToken" not in payload:
            why = "this station knows customers by their token only"
            return refused("InvalidValue", "Invalid", why)
        token = Token.parse(payload["idToken"])
        local_auth = self._in.local_auth
        listed, cached = local_auth.holds(token)
        kept = [name for name, there in (("local list", listed), ("cache", cached)) if there]
        data = f"{token.kind} {token.value}: {', '.join(kept)}" if kept else ""
        if payload["clear"]:
            local_auth.forget(token)

        async def tell() -> None:
            parts = [data[start : start + _PART] for start in range(0, len(data), _PART)] or [""]
            for number, part in enumerate(parts):
                await self._station.connection.own_link().call(
                    "NotifyCustomerInformation",
                    {
                        "data": part,
                        "tbc": number + 1 < len(parts),
                        "seqNo": number,
                        "generatedAt": wire_time(self._in.time.now()),
                        "requestId": payload["requestId"],
                    },
                )

        return {"status": "Accepted"}, tell if payload["report"] or payload["clear"] else None

    # --- reservations -----------------------------------------------------------------------------

    def _reserve_now(self, payload: Payload) -> Answer:
        number = payload.get("evseId")
        outlets, reservations = self._station.outlets, self._station.reservations
        if not self._in.variables.flag("ReservationCtrlr.Enabled"):
            return refused("NotEnabled")
        if number is not None and number not in outlets:
            return refused("UnknownEvse")
        if payload.get("connectorType", self._in.config.connector_type) != (
            self._in.config.connector_type
        ):
            return refused("UnknownConnectorType")
        try:
            until = parse_time(payload["expiryDateTime"])
        except ValueError as err:
            return refused("InvalidValue", why=str(err))
        group = Token.parse(payload["groupIdToken"]) if "groupIdToken" in payload else None
        new = Reservation(payload["id"], number, Token.parse(payload["idToken"]), group, until)
        before = list(reservations.all)
        reservations.cancel(new.reservation_id)  # the new one takes its place
        among = list(outlets.values()) if number is None else [outlets[number]]
        states = [self._state(one) for one in among]
        if "Accepted" not in states:
            reservations.all = before
            return {"status": states[0]}, None
        reservations.make(new)
        self._in.changed()
        return ACCEPTED

    def _state(self, outlet: Outlet) -> str:
        """Whether an EVSE may be reserved, as a ReserveNowStatus."""
        if any(one.error_code != "NoError" for one in outlet.connectors.values()):
            return "Faulted"
        if not outlet.evse.available:
            return "Unavailable"
        busy = outlet.plugged or outlet.transaction or outlet.permit
        return "Occupied" if busy or self._station.reservations.keeps(outlet) else "Accepted"

    def _cancel_reservation(self, payload: Payload) -> Answer:
        found = self._station.reservations.cancel(payload["reservationId"])
        self._in.changed()
        return ACCEPTED if found else REJECTED
