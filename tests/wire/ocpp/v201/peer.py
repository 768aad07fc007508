"""A station of OCPP 2.x that does what a test tells it, and a site that keeps simple books."""

from datetime import datetime
from typing import Any, Self

from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.reading import Reading
from custom_components.forecourt.stations.base import (
    TransactionAnswer,
    TransactionEnd,
    TransactionStart,
)
from custom_components.forecourt.stations.ocpp import CentralSystem
from custom_components.forecourt.stations.ocpp.schema import CALL_RESULT
from custom_components.forecourt.stations.ocpp.versions import VERSIONS
from tests.wire.ocpp.peer import Payload, Peer, Site, stamp

CARD = {"idToken": "04AABB", "type": "ISO14443"}


class Books(Site):
    """Keeps each transaction once, as the ledger does, and knows which one runs."""

    def __init__(self) -> None:
        super().__init__()
        self.running: dict[int, EvseId] = {}
        self.judged: list[TransactionStart] = []

    async def transaction_started(self, start: TransactionStart) -> TransactionAnswer:
        known = self.references.get(start.reference or "")
        if known is not None:
            self.judged.append(start)
            return TransactionAnswer(transaction_id=known, authorization=self.authorization)
        answer = await super().transaction_started(start)
        self.running[answer.transaction_id] = start.evse
        return answer

    async def transaction_ended(self, end: TransactionEnd) -> Any:
        answer = await super().transaction_ended(end)
        self.running.pop(end.transaction_id or 0, None)
        return answer

    async def report(
        self, evse: EvseId, readings: tuple[Reading, ...], transaction_id: int | None
    ) -> int | None:
        if readings:
            await super().report(evse, readings, transaction_id)
        if self.running.get(transaction_id or 0) == evse:
            return transaction_id
        return next((number for number, place in self.running.items() if place == evse), None)


def sample(value: Any, measurand: str | None = None, **more: Any) -> Payload:
    return {"value": value, **({"measurand": measurand} if measurand else {}), **more}


def meter(*samples: Any, at: datetime | None = None) -> list[Payload]:
    """Return a meterValue; a bare number is the register in Wh."""
    told = [one if isinstance(one, dict) else sample(one) for one in samples]
    return [{"timestamp": stamp(at), "sampledValue": told}]


class Peer201(Peer):
    """Speaks OCPP 2.0.1 or 2.1, and holds every answer against the schema."""

    def __init__(
        self,
        central: CentralSystem,
        identity: str = "CP1",
        *,
        protocol: str = "ocpp2.0.1",
        **options: Any,
    ) -> None:
        super().__init__(central, identity, protocols=(protocol,), **options)
        self._schemas = VERSIONS[protocol].schemas
        self._seq = 0
        self.answers = {
            "GetBaseReport": "NotSupported",
            "GetVariables": self._no_variables,
        }

    async def boot(self, **changes: Any) -> Payload:
        told = {"vendorName": "Acme", "model": "Box", **changes}
        return await self.told("BootNotification", reason="PowerUp", chargingStation=told)

    async def told(self, action: str, /, **payload: Any) -> Payload:
        """Call and return the payload of the answer, which fits the schema."""
        return self.fits(action, await self.call(action, payload))

    def fits(self, action: str, frame: list[Any]) -> Payload:
        assert frame[0] == 3, frame
        self._schemas.preload((), (action,))
        self._schemas.check(CALL_RESULT, action, frame[2])
        answer: Payload = frame[2]
        return answer

    async def event(
        self,
        kind: str,
        reference: str = "T1",
        *,
        at: datetime | str | None = None,
        info: Payload | None = None,
        **changes: Any,
    ) -> Payload:
        """Tell a TransactionEvent."""
        return await self.told(
            "TransactionEvent", **self.payload(kind, reference, at=at, info=info, **changes)
        )

    def payload(
        self,
        kind: str,
        reference: str = "T1",
        *,
        at: datetime | str | None = None,
        info: Payload | None = None,
        **changes: Any,
    ) -> Payload:
        """Return a TransactionEvent; fields that are `None` are left out."""
        triggers = {"Started": "CablePluggedIn", "Ended": "EVCommunicationLost"}
        self._seq += 1
        payload: Payload = {
            "eventType": kind,
            "timestamp": at if isinstance(at, str) else stamp(at),
            "triggerReason": triggers.get(kind, "MeterValuePeriodic"),
            "seqNo": self._seq,
            "transactionInfo": {"transactionId": reference, **(info or {})},
        }
        if kind == "Started":
            payload["evse"] = {"id": 1, "connectorId": 1}
        payload |= changes
        return {name: value for name, value in payload.items() if value is not None}

    async def plug(
        self, word: str, evse: int = 1, connector: int = 1, at: datetime | None = None
    ) -> None:
        """Tell the state of a connector."""
        await self.told(
            "StatusNotification",
            timestamp=stamp(at),
            connectorStatus=word,
            evseId=evse,
            connectorId=connector,
        )

    @staticmethod
    def _no_variables(payload: Payload) -> Payload:
        return {
            "getVariableResult": [
                one | {"attributeStatus": "UnknownVariable"} for one in payload["getVariableData"]
            ]
        }

    async def ready(self) -> Self:
        """Boot and wait for the end of the set-up."""
        assert (await self.boot())["status"] == "Accepted"
        await self.set_up()
        self.asked.clear()
        return self
