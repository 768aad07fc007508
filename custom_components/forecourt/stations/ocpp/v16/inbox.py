"""What a station of OCPP 1.6J tells, brought to the site, and the site's answers."""

from collections import deque
from collections.abc import Awaitable, Callable
from datetime import datetime

from ....core.model.events import StationEvent, StationEventKind
from ....core.model.evse import EvseStatus
from ....core.model.ids import EvseId
from ....core.model.token import Token
from ...base import TransactionEnd, TransactionStart
from ..clock import Judged
from ..measured import charging_phases, is_live, time_text
from ..rpc import AnswerError
from ..schema import ErrorCode, Payload
from ..station import KnownStart, Moment
from ..version import Accepted
from .lenient import UNREADABLE
from .messages import STATUS, error_text, id_tag_info, readings_of

STARTS_KEPT = 16
ENDS_KEPT = 16


class Ended:
    """The transactions of a station that ended last, through all its connections."""

    def __init__(self) -> None:
        self.ids: deque[int] = deque(maxlen=ENDS_KEPT)


class Inbox:
    """Answers the calls of an accepted station, each in the method of its name.

    The payloads fit the schema. An answer is returned only when what must not be lost
    is on disk.
    """

    def __init__(self, accepted: Accepted) -> None:
        self._station = accepted.station
        self._events = accepted.around.events
        self._now = accepted.around.now
        self._clock = accepted.clock
        self._notes = accepted.notes
        self._ended = accepted.station.kept(Ended)
        self._ends: dict[tuple[int, str, int], Judged] = {}

    async def heartbeat(self, payload: Payload) -> Payload:
        return {"currentTime": time_text(self._now())}

    async def data_transfer(self, payload: Payload) -> Payload:
        return {"status": "UnknownVendorId"}

    async def diagnostics_status(self, payload: Payload) -> Payload:
        return self._happened(StationEventKind.DIAGNOSTICS, payload["status"])

    async def firmware_status(self, payload: Payload) -> Payload:
        return self._happened(StationEventKind.FIRMWARE, payload["status"])

    async def security_event(self, payload: Payload) -> Payload:
        # What it says beside the type is not repeated: it may hold anything.
        when = self._moment(payload["timestamp"])
        return self._happened(StationEventKind.SECURITY, payload["type"], when.at)

    async def sign_certificate(self, payload: Payload) -> Payload:
        sign = self._station.sign_certificate
        accepted = sign is not None and await sign(payload["csr"])
        self._happened(StationEventKind.CERTIFICATE, "Accepted" if accepted else "Rejected")
        return {"status": "Accepted" if accepted else "Rejected"}

    async def authorize(self, payload: Payload) -> Payload:
        authorization = await self._events.authorize(
            self._station.info.id, Token(payload["idTag"]), self._now()
        )
        return {"idTagInfo": id_tag_info(authorization)}

    async def status(self, payload: Payload) -> Payload:
        connector, error = payload["connectorId"], error_text(payload)
        if connector == 0:
            self._station.report_fault(error)
            return {}
        evse = self._evse(connector)
        when = self._moment(payload.get("timestamp"))
        status = STATUS[payload["status"]]
        if status is EvseStatus.AVAILABLE and not when.replayed:
            self._station.transactions.pop(connector, None)
        await self._events.status_changed(evse, status, when.at, error)
        return {}

    async def meter_values(self, payload: Payload) -> Payload:
        connector, told = payload["connectorId"], payload.get("transactionId", 0)
        transaction_id = told if told > 0 else None
        if connector == 0 and self._station.info.evses == 1 and transaction_id is not None:
            connector = 1
        readings, notes = readings_of(payload["meterValue"], self._clock, now=self._now())
        self._notes.update(notes)
        if connector == 0 or not readings:
            # Connector 0 is the station's own supply, which is no outlet.
            return {}
        evse = self._evse(connector)
        booked_on = await self._events.report(evse, readings, transaction_id)
        if is_live(readings, self._clock.connected_at):
            # Some stations never name the transaction; after a restart only the site knows it.
            # The last reading of one may come after its end.
            named = None if transaction_id in self._ended.ids else transaction_id
            if (running := named or booked_on) is not None:
                self._station.transactions[connector] = running
            if (phases := charging_phases(readings)) is not None:
                self._station.limiter.phases[connector] = phases
            self._station.remember(connector, readings)
        return {}

    async def start_transaction(self, payload: Payload) -> Payload:
        evse = self._evse(payload["connectorId"])
        told = payload["connectorId"], payload["timestamp"], payload["meterStart"]
        start = self._start(told, evse)
        when = start.when
        answer = await self._events.transaction_started(
            TransactionStart(
                evse=evse,
                token=Token(payload["idTag"]),
                at=when.at,
                meter_start_wh=start.meter_start_wh,
                replayed=when.replayed,
                clock_estimated=when.estimated,
                reservation_id=payload.get("reservationId"),
            )
        )
        self._station.starts[told] = start._replace(transaction_id=answer.transaction_id)
        self._station.transactions[evse.number] = answer.transaction_id
        self._station.limiter.phases.pop(evse.number, None)
        self._station.limiter.began_at[evse.number] = when.at
        return {
            "transactionId": answer.transaction_id,
            "idTagInfo": id_tag_info(answer.authorization),
        }

    async def stop_transaction(self, payload: Payload) -> Payload:
        told = payload["transactionId"], payload["timestamp"], payload["meterStop"]
        judged = self._end(told)
        when = judged.when
        readings, notes = readings_of(
            payload.get("transactionData", []), self._clock, now=self._now(), message=judged
        )
        self._notes.update(notes)
        authorization = await self._events.transaction_ended(
            TransactionEnd(
                station_id=self._station.info.id,
                transaction_id=payload["transactionId"],
                at=when.at,
                meter_stop_wh=None if payload["meterStop"] == UNREADABLE else payload["meterStop"],
                token=Token(payload["idTag"]) if "idTag" in payload else None,
                reason=payload.get("reason"),
                readings=readings,
                replayed=when.replayed,
                clock_estimated=when.estimated,
            )
        )
        self._ends.pop(told, None)
        self._ended.ids.append(payload["transactionId"])
        for number, transaction_id in tuple(self._station.transactions.items()):
            if transaction_id == payload["transactionId"]:
                del self._station.transactions[number]
        for beginning, start in tuple(self._station.starts.items()):
            # What looks like it from now on is another: some stations tell no time.
            if start.transaction_id == payload["transactionId"]:
                del self._station.starts[beginning]
        return {} if authorization is None else {"idTagInfo": id_tag_info(authorization)}

    def _happened(self, kind: StationEventKind, what: str, at: datetime | None = None) -> Payload:
        """Pass on what the station tells about itself, and acknowledge it."""
        station_id = self._station.info.id
        event = StationEvent(station_id=station_id, kind=kind, at=at or self._now(), what=what)
        self._events.happened(event)
        return {}

    def _start(self, told: tuple[int, str, int], evse: EvseId) -> KnownStart:
        """Return what is known of a start: for one that is told again, what was found at first.

        The site knows a repeated start by its time and register, which must not depend on
        when it is told.
        """
        starts = self._station.starts
        if told not in starts:
            register_wh = told[2]
            if register_wh == UNREADABLE:
                register_wh = self._station.registers.get(evse.number, 0)
            starts[told] = KnownStart(self._moment(told[1]), register_wh)
        if len(starts) > STARTS_KEPT:
            del starts[next(iter(starts))]
        return starts[told]

    def _end(self, told: tuple[int, str, int]) -> Judged:
        """Return when a transaction ended: for an end that is told again, what was found at first.

        It is told again because it could not be booked.
        """
        if told not in self._ends:
            self._ends[told] = self._clock.judge(told[1], now=self._now())
        if len(self._ends) > ENDS_KEPT:
            del self._ends[next(iter(self._ends))]
        return self._ends[told]

    def _moment(self, stamp: str | None) -> Moment:
        now = self._now()
        return Moment(now) if stamp is None else self._clock.judge(stamp, now=now).when

    def _evse(self, connector: int) -> EvseId:
        """Return the EVSE of a connector. Raises `AnswerError` where there is none."""
        if connector == 0 and self._station.info.evses == 1:
            connector = 1
        if not self._station.meet_evse(connector):
            raise AnswerError(ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, "connectorId")
        return EvseId(self._station.info.id, connector)


type Handler = Callable[[Inbox, Payload], Awaitable[Payload]]

HANDLERS: dict[str, Handler] = {
    "Authorize": Inbox.authorize,
    "DataTransfer": Inbox.data_transfer,
    "DiagnosticsStatusNotification": Inbox.diagnostics_status,
    "FirmwareStatusNotification": Inbox.firmware_status,
    "Heartbeat": Inbox.heartbeat,
    "LogStatusNotification": Inbox.diagnostics_status,
    "MeterValues": Inbox.meter_values,
    "SecurityEventNotification": Inbox.security_event,
    "SignCertificate": Inbox.sign_certificate,
    "SignedFirmwareStatusNotification": Inbox.firmware_status,
    "StartTransaction": Inbox.start_transaction,
    "StatusNotification": Inbox.status,
    "StopTransaction": Inbox.stop_transaction,
}
ACTIONS = frozenset(HANDLERS) | {"BootNotification"}
ONCE = frozenset({"MeterValues", "StartTransaction", "StopTransaction"})
