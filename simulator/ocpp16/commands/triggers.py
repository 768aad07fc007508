"""TriggerMessage (OCPP 1.6 §5.17) and ExtendedTriggerMessage (security whitepaper)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...frames import Payload
from ...rpc import FollowUp
from .base import ACCEPTED, REJECTED, Answer, Handlers

if TYPE_CHECKING:
    from ..station import Ocpp16Station


class Triggers:
    """Sends what the server wants to see now."""

    def __init__(self, station: Ocpp16Station) -> None:
        """Serve this station."""
        self._station = station
        self._in = station.internals

    def handlers(self) -> Handlers:
        """Return who answers what."""
        return {
            "ExtendedTriggerMessage": lambda payload: self._trigger(payload, extended=True),
            "TriggerMessage": lambda payload: self._trigger(payload, extended=False),
        }

    def _trigger(self, payload: Payload, *, extended: bool) -> Answer:
        message, number = payload["requestedMessage"], payload.get("connectorId")
        if number is not None and number != 0 and number not in self._station.connectors:
            return REJECTED, None
        if message not in self._in.config.triggers:
            return {"status": "NotImplemented"}, None
        return ACCEPTED, self._triggered(message, number, extended=extended)

    def _triggered(self, message: str, number: int | None, *, extended: bool) -> FollowUp:
        """Return what a trigger sets off."""
        station = self._station
        connection, connectors = station.connection, station.connectors

        async def readings() -> None:
            for one in [connectors[number]] if number else connectors.values():
                if (message := one.readings.message("Trigger")) is not None:
                    await self._in.outbox.send_now(connection.own_link(), message)

        async def statuses() -> None:
            for one in [number] if number is not None else [0, *connectors]:
                payload = station.statuses.payload(one)
                await connection.own_link().call("StatusNotification", payload)

        async def progress(notification: str) -> None:
            payload = station.jobs[notification].payload
            await connection.own_link().call(notification, payload)

        firmware = "SignedFirmwareStatusNotification" if extended else "FirmwareStatusNotification"
        return {
            "BootNotification": connection.boot_again,
            "DiagnosticsStatusNotification": lambda: progress("DiagnosticsStatusNotification"),
            "FirmwareStatusNotification": lambda: progress(firmware),
            "Heartbeat": connection.heartbeat,
            "LogStatusNotification": lambda: progress("LogStatusNotification"),
            "MeterValues": readings,
            "SignChargePointCertificate": station.security.ask_for_certificate,
            "StatusNotification": statuses,
        }[message]
