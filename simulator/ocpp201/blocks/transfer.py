"""DataTransfer: what vendors agree on beside the standard (OCPP 2.0.1 block P)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...frames import Payload
from .base import Answer, Handlers

if TYPE_CHECKING:
    from ..station import Ocpp201Station


class DataTransfer:
    """Echoes what is meant for this vendor."""

    def __init__(self, station: Ocpp201Station) -> None:
        """Serve this station."""
        self._vendor = station.config.vendor

    def handlers(self) -> Handlers:
        """Return who answers what."""
        return {"DataTransfer": self._data_transfer}

    def _data_transfer(self, payload: Payload) -> Answer:
        if payload["vendorId"] != self._vendor:
            return {"status": "UnknownVendorId"}, None
        if payload.get("messageId") != "Echo":
            return {"status": "UnknownMessageId"}, None
        data = {"data": payload["data"]} if "data" in payload else {}
        return {"status": "Accepted", **data}, None
