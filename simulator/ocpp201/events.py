"""TransactionEvents of one EVSE: what is told of a transaction (OCPP 2.0.1 block E)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ..books import Reading
from ..clock import wire_time
from ..frames import Payload
from ..ocpp16.outbox import Message
from .internals import Internals, Transaction
from .readings import Readings
from .tokens import Token


@dataclass(slots=True)
class _Sent:
    transaction_id: str
    message: Message
    answered: bool = False


class Queue:
    """Which TransactionEvents the server does not have yet (for GetTransactionStatus)."""

    def __init__(self, internals: Internals) -> None:
        """Start empty."""
        self._in = internals
        self._sent: list[_Sent] = []

    def put(
        self, transaction_id: str, message: Message, answered: Callable[[Payload], None]
    ) -> None:
        """Queue a TransactionEvent."""
        entry = _Sent(transaction_id, message)

        def done(answer: Payload) -> None:
            entry.answered = True
            answered(answer)

        message.answered = done
        self._sent.append(entry)
        self._in.outbox.put(message)

    def waiting(self, transaction_id: str | None = None) -> bool:
        """Whether there is something to come, of one transaction or at all."""
        attempts = self._in.variables.number("OCPPCommCtrlr.MessageAttempts[TransactionEvent]", 1)
        self._sent = [
            one for one in self._sent if not one.answered and one.message.failures < attempts
        ]
        return any(transaction_id in (None, one.transaction_id) for one in self._sent)


class Events:
    """Words the events of one EVSE's transactions."""

    def __init__(
        self,
        internals: Internals,
        queue: Queue,
        readings: Readings,
        answered: Callable[[Transaction, Token | None, Payload], None],
    ) -> None:
        """`answered` takes the token that an event has told of, and the server's answer to it."""
        self._in = internals
        self._queue = queue
        self._readings = readings
        self._answered = answered

    def started(self, running: Transaction, trigger: str, **told: Any) -> None:
        """Tell of the start."""
        names = self._in.variables.names("SampledDataCtrlr.TxStartedMeasurands")
        value, entries = self._sampled(names, "Transaction.Begin", running)
        self._put("Started", running, trigger, value, entries, **told)

    def updated(
        self,
        running: Transaction,
        trigger: str,
        value: tuple[list[Payload], list[Reading]] = ([], []),
        **told: Any,
    ) -> None:
        """Tell of something in between."""
        self._put("Updated", running, trigger, *value, **told)

    def ended(
        self, running: Transaction, trigger: str, reason: str, at: datetime | None, **told: Any
    ) -> None:
        """Tell of the end, with what was kept for it."""
        names = self._in.variables.names("SampledDataCtrlr.TxEndedMeasurands")
        value, entries = self._sampled(names, "Transaction.End", running, at)
        spent = {"stoppedReason": reason, "timeSpentCharging": int(running.charged_s)}
        self._put(
            "Ended", running, trigger, [*running.data, *value], entries, at=at, info=spent, **told
        )

    def _sampled(
        self,
        names: tuple[str, ...],
        context: str,
        running: Transaction,
        at: datetime | None = None,
    ) -> tuple[list[Payload], list[Reading]]:
        if not self._in.variables.flag("SampledDataCtrlr.Enabled", default=True):
            return [], []
        return self._readings.take(names, context, running, at=at)

    def _put(
        self,
        kind: str,
        running: Transaction,
        trigger: str,
        value: list[Payload],
        entries: list[Reading],
        *,
        charging_state: str,
        place: Payload,
        token: Token | None = None,
        phases: int | None = None,
        at: datetime | None = None,
        info: Payload | None = None,
    ) -> None:
        """Word an event: what is always said, and what has changed since the last one."""
        about: Payload = {"transactionId": running.transaction_id}
        if charging_state != running.charging_state or kind == "Started":
            about["chargingState"] = running.charging_state = charging_state
        if running.remote_start_id is not None:
            about["remoteStartId"] = running.remote_start_id
            running.remote_start_id = None
        payload: Payload = {
            "eventType": kind,
            "timestamp": wire_time(at or self._in.time.now()),
            "triggerReason": trigger,
            "seqNo": running.sequence,
            "transactionInfo": {**about, **(info or {})},
        }
        running.sequence += 1
        if not self._in.ready():
            payload["offline"] = True
        if place != running.place:
            payload["evse"] = running.place = place
        if token is not None:
            payload["idToken"] = token.wire()
        if running.reservation_id is not None:
            payload["reservationId"] = running.reservation_id
            running.reservation_id = None
        if phases:
            payload["numberOfPhasesUsed"] = phases
        if value:
            payload["meterValue"] = value
        if kind == "Updated" and self._readings.lost(entries):
            return
        message = Message("TransactionEvent", payload, readings=entries)
        self._queue.put(
            running.transaction_id, message, lambda answer: self._take(kind, running, token, answer)
        )

    def _take(self, kind: str, running: Transaction, token: Token | None, answer: Payload) -> None:
        if kind == "Started":
            self._in.books.start_delivered(running.record)
        elif kind == "Ended":
            self._in.books.stop_answered(running.record)
        self._answered(running, token, answer)
