"""What the server may ask of a station: who answers what, and when at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .. import schemas
from ..frames import Payload, RpcError
from .blocks.base import Answer, Handlers
from .blocks.charging import SmartCharging
from .blocks.customers import Customers
from .blocks.monitoring import Monitoring
from .blocks.prices import Prices
from .blocks.provisioning import Provisioning
from .blocks.remote import RemoteControl
from .blocks.transfer import DataTransfer
from .blocks.transfers import Transfers

if TYPE_CHECKING:
    from .station import Ocpp201Station

_WHILE_PENDING = frozenset(
    {"GetBaseReport", "GetReport", "GetVariables", "SetVariables", "TriggerMessage"}
)
"""What a station that is not yet accepted answers (B02)."""
_TRANSACTIONS = ("RequestStartTransaction", "RequestStopTransaction")


class Commands:
    """Answers the calls of the server for one station."""

    def __init__(self, station: Ocpp201Station) -> None:
        """Serve this station."""
        self._station = station
        self.silent_calls = 0
        """So many calls of the server to come stay unanswered."""
        provisioning = Provisioning(station)
        self.monitoring = Monitoring(station, provisioning)
        self.prices = Prices(station)
        self.transfers = Transfers(station)
        self._handlers: Handlers = {}
        for block in (
            Customers(station),
            DataTransfer(station),
            self.monitoring,
            self.prices,
            provisioning,
            RemoteControl(station),
            station.security,
            SmartCharging(station),
            self.transfers,
        ):
            self._handlers |= block.handlers()

    async def handle(self, action: str, payload: Payload) -> Answer | None:
        """Answer one call; None stays silent. RpcError becomes a CALLERROR."""
        station = self._station
        if self.silent_calls > 0:
            self.silent_calls -= 1
            return None
        if station.registration != "Accepted" and (refusal := self._refuse(action, payload)):
            return refusal
        if action not in self._handlers:
            known = schemas.known(station.version, action)
            code = "NotSupported" if known else "NotImplemented"
            raise RpcError(code, f"{action} is not for this station")
        return self._handlers[action](payload)

    def tick(self) -> None:
        """Do what time asks for."""
        self.monitoring.tick()

    def _refuse(self, action: str, payload: Payload) -> Answer | None:
        """Refuse what must not come before the station is accepted (B02, B03)."""
        books = self._station.books
        rejected = self._station.registration == "Rejected"
        boot = action == "TriggerMessage" and payload["requestedMessage"] == "BootNotification"
        if boot or (action in _WHILE_PENDING and not rejected):
            return None
        if action in _TRANSACTIONS and not rejected:
            books.violation("remote_transaction_while_pending", action)
            return {"status": "Rejected"}, None
        books.violation("call_while_rejected" if rejected else "call_while_pending", action)
        raise RpcError("SecurityError", "the station is not accepted")
