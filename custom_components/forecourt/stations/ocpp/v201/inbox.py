"""What a station of OCPP 2.x tells, brought to the site, and the site's answers."""

from collections.abc import Awaitable, Callable

from ....core.model.ids import EvseId
from ..measured import charging_phases, is_live, time_text
from ..rpc import AnswerError
from ..schema import ErrorCode, Payload
from ..version import Accepted
from .device_model import MAX_CONNECTORS
from .messages import id_token_info, readings_of, token_of
from .notices import NOTICES, Notices
from .told import Memory
from .transactions import Transactions


class Inbox:
    """Answers the calls of an accepted station, each in the method of its name.

    The payloads fit the schema. An answer is returned only when what must not be lost
    is on disk. `on_report` is given every NotifyReport.
    """

    def __init__(self, accepted: Accepted, on_report: Callable[[Payload], None]) -> None:
        self._station = accepted.station
        self._events = accepted.around.events
        self._now = accepted.around.now
        self._clock = accepted.clock
        self._notes = accepted.notes
        self._memory = accepted.station.kept(Memory)
        self._transactions = Transactions(accepted)
        self._notices = Notices(accepted, self._transactions, on_report)

    async def handle(self, action: str, payload: Payload) -> Payload:
        """Answer a call. May raise `AnswerError`."""
        if action in NOTICES:
            return await NOTICES[action](self._notices, payload)
        return await HANDLERS[action](self, payload)

    async def acknowledge(self, payload: Payload) -> Payload:
        return {}

    async def heartbeat(self, payload: Payload) -> Payload:
        return {"currentTime": time_text(self._now())}

    async def data_transfer(self, payload: Payload) -> Payload:
        return {"status": "UnknownVendorId"}

    async def authorize(self, payload: Payload) -> Payload:
        """Judge a token; a car's contract is known by its id, not by its certificate."""
        now, token = self._now(), token_of(payload["idToken"])
        if token is None:
            # Nobody identified, so there is nobody to judge.
            return {"idTokenInfo": {"status": "Invalid"}}
        authorization = await self._events.authorize(self._station.info.id, token, now)
        self._memory.judge(token, authorization, now)
        answer: Payload = {"idTokenInfo": id_token_info(authorization)}
        if "certificate" in payload or "iso15118CertificateHashData" in payload:
            answer["certificateStatus"] = "NoCertificateAvailable"
        return answer

    async def status(self, payload: Payload) -> Payload:
        number, connector = self._number(payload["evseId"]), payload["connectorId"]
        if not 0 <= connector <= MAX_CONNECTORS:
            raise AnswerError(ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, "connectorId")
        when = self._clock.judge(payload["timestamp"], now=self._now()).when
        await self._transactions.plug(number, connector, payload["connectorStatus"], when)
        return {}

    async def meter_values(self, payload: Payload) -> Payload:
        if payload["evseId"] == 0:
            # What the station itself draws from the grid is no outlet's.
            return {}
        number = self._number(payload["evseId"])
        readings, notes = readings_of(payload["meterValue"], self._clock, now=self._now())
        self._notes.update(notes)
        if not readings:
            return {}
        self._memory.outlet(number).measure(readings)
        evse = EvseId(self._station.info.id, number)
        running = await self._events.report(evse, readings, None)
        if is_live(readings, self._clock.connected_at):
            if running is not None:
                self._station.transactions[number] = running
            if (phases := charging_phases(readings)) is not None:
                self._station.limiter.phases[number] = phases
        return {}

    async def transaction(self, payload: Payload) -> Payload:
        return await self._transactions.event(payload)

    async def charging_needs(self, payload: Payload) -> Payload:
        """Let the car charge by the limits of the site, whatever it asks for (part 2, K15)."""
        return {"status": "Processing"}

    async def charging_schedule(self, payload: Payload) -> Payload:
        return {"status": "Accepted"}

    async def ev_certificate(self, payload: Payload) -> Payload:
        return {"status": "Failed", "exiResponse": ""}

    async def certificate_status(self, payload: Payload) -> Payload:
        return {"status": "Failed"}

    def _number(self, number: int) -> int:
        """Return the number of an EVSE. Raises `AnswerError` where there is none."""
        if number == 0 and self._station.info.evses == 1:
            number = 1
        if not self._station.meet_evse(number):
            raise AnswerError(ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, "evseId")
        return number


type Handler = Callable[[Inbox, Payload], Awaitable[Payload]]

HANDLERS: dict[str, Handler] = {
    "Authorize": Inbox.authorize,
    "DataTransfer": Inbox.data_transfer,
    "Get15118EVCertificate": Inbox.ev_certificate,
    "GetCertificateStatus": Inbox.certificate_status,
    "Heartbeat": Inbox.heartbeat,
    "MeterValues": Inbox.meter_values,
    # These go to whoever asked for them (`reports`), not into our memory.
    "NotifyCustomerInformation": Inbox.acknowledge,
    "NotifyMonitoringReport": Inbox.acknowledge,
    "ReportChargingProfiles": Inbox.acknowledge,
    "NotifyEVChargingNeeds": Inbox.charging_needs,
    "NotifyEVChargingSchedule": Inbox.charging_schedule,
    "StatusNotification": Inbox.status,
    "TransactionEvent": Inbox.transaction,
}
ACTIONS = frozenset(HANDLERS) | frozenset(NOTICES) | {"BootNotification"}
ONCE = frozenset({"MeterValues", "TransactionEvent"})
