"""A server of OCPP 2.0.1 and 2.1 just good enough to be on the other side of a station."""

from __future__ import annotations

from typing import Any

from .server import ID, Payload, Server

_EMPTY = frozenset(
    {
        "ClearedChargingLimit",
        "FirmwareStatusNotification",
        "LogStatusNotification",
        "MeterValues",
        "NotifyChargingLimit",
        "NotifyCustomerInformation",
        "NotifyDisplayMessages",
        "NotifyEvent",
        "NotifyMonitoringReport",
        "NotifyReport",
        "PublishFirmwareStatusNotification",
        "ReportChargingProfiles",
        "ReservationStatusUpdate",
        "SecurityEventNotification",
        "StatusNotification",
    }
)


class Csms(Server):
    """Listens on a port of this machine; notes every frame and answers as the tests tell it to."""

    def __init__(self) -> None:
        super().__init__()
        self.subprotocols = ("ocpp2.0.1",)

    def events(self, transaction_id: str | None = None) -> list[Payload]:
        """Return the TransactionEvents, of one transaction or all."""
        return [
            one
            for one in self.calls("TransactionEvent")
            if transaction_id in (None, one["transactionInfo"]["transactionId"])
        ]

    def story(self) -> list[tuple[str, str]]:
        """Return eventType and triggerReason of every TransactionEvent."""
        return [(one["eventType"], one["triggerReason"]) for one in self.events()]

    def connector_statuses(self, evse: int = 1, connector: int = 1) -> list[str]:
        return [
            one["connectorStatus"]
            for one in self.calls("StatusNotification")
            if (one["evseId"], one["connectorId"]) == (evse, connector)
        ]

    def connector_status(self, evse: int = 1, connector: int = 1) -> str | None:
        """Return the last status of a connector."""
        return next(reversed(self.connector_statuses(evse, connector)), None)

    async def get(self, component: str, variable: str, /, **more: Any) -> Payload:
        """Get one variable and return its result."""
        wanted = {"component": {"name": component}, "variable": {"name": variable}, **more}
        answer = await self.call("GetVariables", {"getVariableData": [wanted]})
        result: Payload = answer["getVariableResult"][0]
        return result

    async def set(self, component: str, variable: str, value: str, /, **more: Any) -> str:
        """Set one variable and return its status."""
        wanted = {
            "component": {"name": component},
            "variable": {"name": variable},
            "attributeValue": value,
            **more,
        }
        answer = await self.call("SetVariables", {"setVariableData": [wanted]})
        return str(answer["setVariableResult"][0]["attributeStatus"])

    def _answer(self, action: str, payload: Payload) -> Any:
        now = self.now().isoformat().replace("+00:00", "Z")
        if action == "BootNotification":
            return {"status": "Accepted", "currentTime": now, "interval": 300}
        if action == "Heartbeat":
            return {"currentTime": now}
        if action == "Authorize":
            return {"idTokenInfo": self._info(payload["idToken"]["idToken"])}
        if action == "TransactionEvent":
            token = payload.get("idToken")
            return {} if token is None else {"idTokenInfo": self._info(token["idToken"])}
        answers: dict[str, Any] = {one: {} for one in _EMPTY}
        answers["SignCertificate"] = {"status": "Accepted"}
        return answers.get(action, [4, ID, "NotImplemented", "", {}])
