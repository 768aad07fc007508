"""What the server may ask of a station, and the station's answers (OCPP 1.6 §5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...frames import Payload, RpcError
from .base import Answer, Handlers
from .charging import Charging
from .core import Core
from .firmware import FirmwareUpdates
from .local_list import LocalList
from .reservation import Reserving
from .security import Certificates
from .triggers import Triggers
from .uploads import Uploads

if TYPE_CHECKING:
    from ..station import Ocpp16Station

_PROFILES = {
    "CancelReservation": "Reservation",
    "ClearChargingProfile": "SmartCharging",
    "GetCompositeSchedule": "SmartCharging",
    "GetDiagnostics": "FirmwareManagement",
    "GetLocalListVersion": "LocalAuthListManagement",
    "ReserveNow": "Reservation",
    "SendLocalList": "LocalAuthListManagement",
    "SetChargingProfile": "SmartCharging",
    "TriggerMessage": "RemoteTrigger",
    "UpdateFirmware": "FirmwareManagement",
}
"""The feature profile of every call that is not Core."""
_SECURITY = frozenset(
    {
        "CertificateSigned",
        "DeleteCertificate",
        "ExtendedTriggerMessage",
        "GetInstalledCertificateIds",
        "GetLog",
        "InstallCertificate",
        "SignedUpdateFirmware",
    }
)
"""The calls of the security whitepaper."""
_POLITE: dict[str, Payload] = {
    "GetLocalListVersion": {"listVersion": -1},
    "SendLocalList": {"status": "NotSupported"},
    "SetChargingProfile": {"status": "NotSupported"},
}
"""Answers that say by themselves that the station lacks the profile."""


class Commands:
    """Answers the calls of the server for one station."""

    def __init__(self, station: Ocpp16Station) -> None:
        """Serve this station."""
        self._station = station
        self.silent_calls = 0
        """So many calls of the server to come stay unanswered."""
        self._handlers: Handlers = {
            **Core(station).handlers(),
            **Charging(station).handlers(),
            **LocalList(station).handlers(),
            **Reserving(station).handlers(),
            **Triggers(station).handlers(),
            **FirmwareUpdates(station).handlers(),
            **Uploads(station).handlers(),
            **Certificates(station).handlers(),
        }

    async def handle(self, action: str, payload: Payload) -> Answer | None:
        """Answer one call; None stays silent. RpcError becomes a CALLERROR."""
        station = self._station
        if self.silent_calls > 0:
            self.silent_calls -= 1
            return None
        if station.registration == "Rejected":
            station.books.violation("call_while_rejected", action)
            return None
        if action not in self._handlers:
            raise RpcError("NotImplemented", f"{action} is not for a station")
        if self._lacks(action):
            if action in _POLITE:
                return _POLITE[action], None
            raise RpcError("NotSupported", f"{action} is not for this station")
        if station.registration != "Accepted" and action in (
            "RemoteStartTransaction",
            "RemoteStopTransaction",
        ):
            station.books.violation("remote_transaction_while_pending", action)
            return {"status": "Rejected"}, None
        return self._handlers[action](payload)

    def _lacks(self, action: str) -> bool:
        """Whether the firmware of this station does not know a call."""
        config = self._station.config
        if action in _SECURITY:
            return not config.security_extensions
        return not config.supports(_PROFILES.get(action, "Core"))
