"""What a station of OCPP 2.x tells about itself beyond charging, brought to the site."""

from collections.abc import Awaitable, Callable
from datetime import datetime

from ....core.model.events import StationEvent, StationEventKind
from ..schema import Payload
from ..station import Moment
from ..version import Accepted
from .device_model import MAX_CONNECTORS
from .messages import RESERVATION, component_text, event_text
from .told import Memory
from .transactions import Transactions

_STATES = frozenset({"Available", "Occupied", "Reserved", "Unavailable", "Faulted"})


class Notices:
    """Answers the notifications, each in the method of its name."""

    def __init__(
        self, accepted: Accepted, transactions: Transactions, on_report: Callable[[Payload], None]
    ) -> None:
        self._station = accepted.station
        self._events = accepted.around.events
        self._now = accepted.around.now
        self._clock = accepted.clock
        self._memory = accepted.station.kept(Memory)
        self._transactions = transactions
        self._on_report = on_report

    async def firmware(self, payload: Payload) -> Payload:
        self._tell(StationEventKind.FIRMWARE, payload["status"])
        return {}

    async def log(self, payload: Payload) -> Payload:
        self._tell(StationEventKind.DIAGNOSTICS, payload["status"])
        return {}

    async def security(self, payload: Payload) -> Payload:
        """Pass on the type only: what vendors write beside it may hold anything."""
        at = self._moment(payload["timestamp"]).at
        self._tell(StationEventKind.SECURITY, payload["type"], at=at)
        return {}

    async def charging_limit(self, payload: Payload) -> Payload:
        limit = payload["chargingLimit"]
        critical = "grid critical" if limit.get("isGridCritical") else ""
        detail = ", ".join(filter(None, (_evse_text(payload), critical)))
        self._tell(StationEventKind.EXTERNAL_LIMIT, limit["chargingLimitSource"], detail)
        return {}

    async def cleared_charging_limit(self, payload: Payload) -> Payload:
        detail = ", ".join(filter(None, (_evse_text(payload), "cleared")))
        self._tell(StationEventKind.EXTERNAL_LIMIT, payload["chargingLimitSource"], detail)
        return {}

    async def display_messages(self, payload: Payload) -> Payload:
        shown = payload.get("messageInfo", ())
        self._tell(StationEventKind.DISPLAY, "messages", str(len(shown)))
        return {}

    async def reservation(self, payload: Payload) -> Payload:
        self._events.reservation_changed(
            self._station.info.id,
            payload["reservationId"],
            RESERVATION[payload["reservationUpdateStatus"]],
        )
        return {}

    async def report(self, payload: Payload) -> Payload:
        self._on_report(payload)
        return {}

    async def event(self, payload: Payload) -> Payload:
        for one in payload["eventData"]:
            if not await self._is_status(one):
                await self._note_problem(one)
                what, detail = event_text(one)
                at = self._moment(one["timestamp"]).at
                self._tell(StationEventKind.MONITORING, what, detail, at=at)
        return {}

    async def sign_certificate(self, payload: Payload) -> Payload:
        """Have the certificate of the station signed; those for cars are not ours to give."""
        sign = self._station.sign_certificate
        kind = payload.get("certificateType", "ChargingStationCertificate")
        is_own = kind == "ChargingStationCertificate"
        accepted = is_own and sign is not None and await sign(payload["csr"])
        answer = "Accepted" if accepted else "Rejected"
        self._tell(StationEventKind.CERTIFICATE, answer, "" if is_own else kind)
        return {"status": answer}

    async def _is_status(self, event: Payload) -> bool:
        """Take the state of a connector, which may come this way (OCPP 2.0.1 part 2 G01)."""
        component, word = event["component"], event["actualValue"]
        evse = component.get("evse", {})
        if component["name"] != "Connector" or event["variable"]["name"] != "AvailabilityState":
            return False
        connector = evse.get("connectorId", 1)
        if word not in _STATES or not 0 <= connector <= MAX_CONNECTORS:
            return False
        if not self._station.meet_evse(evse.get("id", 0)):
            return False
        when = self._moment(event["timestamp"])
        await self._transactions.plug(evse["id"], connector, word, when)
        return True

    async def _note_problem(self, event: Payload) -> None:
        """Take note that something is out of order, or is well again."""
        if event["variable"]["name"] != "Problem":
            return
        component = component_text(event["component"])
        there = event["actualValue"].lower() == "true" and not event.get("cleared")
        code = event.get("techCode")
        problem = (f"{component} ({code})" if code else component) if there else None
        number = event["component"].get("evse", {}).get("id", 0)
        if not 0 < number <= self._station.info.evses:
            self._station.report_fault(problem)
            return
        self._memory.outlet(number).report_problem(component, problem)
        await self._transactions.show(number, self._moment(event["timestamp"]), again=True)

    def _tell(
        self, kind: StationEventKind, what: str, detail: str = "", *, at: datetime | None = None
    ) -> None:
        self._events.happened(
            StationEvent(
                station_id=self._station.info.id,
                kind=kind,
                at=at or self._now(),
                what=what,
                detail=detail,
            )
        )

    def _moment(self, stamp: str) -> Moment:
        return self._clock.judge(stamp, now=self._now()).when


def _evse_text(payload: Payload) -> str:
    return f"EVSE {payload['evseId']}" if payload.get("evseId") else ""


type Notice = Callable[[Notices, Payload], Awaitable[Payload]]

NOTICES: dict[str, Notice] = {
    "ClearedChargingLimit": Notices.cleared_charging_limit,
    "FirmwareStatusNotification": Notices.firmware,
    "LogStatusNotification": Notices.log,
    "NotifyChargingLimit": Notices.charging_limit,
    "NotifyDisplayMessages": Notices.display_messages,
    "NotifyEvent": Notices.event,
    "NotifyReport": Notices.report,
    "PublishFirmwareStatusNotification": Notices.firmware,
    "ReservationStatusUpdate": Notices.reservation,
    "SecurityEventNotification": Notices.security,
    "SignCertificate": Notices.sign_certificate,
}
