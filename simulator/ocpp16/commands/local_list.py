"""The local authorisation list (OCPP 1.6 §5.10, §5.15)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...frames import Payload, RpcError
from .base import Answer, Handlers

if TYPE_CHECKING:
    from ..station import Ocpp16Station

_ORDER = ("listVersion", "localAuthorizationList", "updateType")


class LocalList:
    """Takes the list in."""

    def __init__(self, station: Ocpp16Station) -> None:
        """Serve this station."""
        self._in = station.internals

    def handlers(self) -> Handlers:
        """Return who answers what."""
        return {
            "GetLocalListVersion": self._get_local_list_version,
            "SendLocalList": self._send_local_list,
        }

    def _get_local_list_version(self, payload: Payload) -> Answer:
        return {"listVersion": self._in.local_auth.reported_version}, None

    def _send_local_list(self, payload: Payload) -> Answer:
        if self._in.config.strict_local_list and tuple(payload) != tuple(
            name for name in _ORDER if name in payload
        ):
            raise RpcError("FormationViolation", f"the keys must come as {', '.join(_ORDER)}")
        if not self._in.settings.flag("LocalAuthListEnabled"):
            return {"status": "NotSupported"}, None
        entries = payload.get("localAuthorizationList", [])
        status = self._in.local_auth.update(payload["listVersion"], payload["updateType"], entries)
        return {"status": status}, None
