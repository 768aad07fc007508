"""Brings the transactions of a station of OCPP 2.x to the site, event by event."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from ....core.model.evse import EvseStatus
from ....core.model.ids import EvseId
from ....core.model.reading import Reading, ReadingContext
from ....core.model.token import Authorization
from ...base import TransactionEnd, TransactionStart
from ..clock import Judged
from ..measured import charging_phases
from ..rpc import AnswerError
from ..schema import ErrorCode, Payload
from ..station import Moment
from ..version import Accepted
from .messages import id_token_info, judge_event, readings_of, stop_reason, token_of
from .told import Memory, Told, event_key

REFERENCES_KEPT = 64
EVENTS_KEPT = 16

# Somebody shows a token now; others send it along with whatever happens.
_TAPS = ("Authorized", "StopAuthorized")

_EMPTY = (EvseStatus.AVAILABLE, EvseStatus.RESERVED)


class Transactions:
    """Takes TransactionEvents (OCPP 2.0.1 part 2 E).

    Any event may be the first that is heard of a transaction, and any may come twice, late
    or not at all: what it tells is taken as it comes, and booked once.
    """

    def __init__(self, accepted: Accepted) -> None:
        self._station = accepted.station
        self._events = accepted.around.events
        self._now = accepted.around.now
        self._clock = accepted.clock
        self._notes = accepted.notes
        self._memory = accepted.station.kept(Memory)
        self._judged: dict[tuple[str, str, int, str, str], Judged] = {}

    async def event(self, payload: Payload) -> Payload:
        """Take an event and return the answer, when what it says is on disk."""
        told = await self._told(payload["transactionInfo"]["transactionId"])
        key = event_key(payload)
        if key is not None and key in told.answers:
            self._notes["repeated event"] += 1
            return told.answers[key]
        answer = await self._take(told, payload)
        self._judged.pop(_mark(told.reference, payload), None)
        told.keep_answer(key, answer)
        return answer

    async def plug(self, number: int, connector: int, word: str, when: Moment) -> None:
        """Take the state of a connector."""
        outlet = self._memory.outlet(number)
        outlet.plug(connector, word, when.at, live=not when.replayed)
        if outlet.status is EvseStatus.AVAILABLE and not when.replayed:
            self._station.transactions.pop(number, None)
        await self.show(number, when, again=True)

    async def show(self, number: int, when: Moment, *, again: bool = False) -> None:
        """Report the status of an EVSE if it changed, or `again`."""
        outlet = self._memory.outlet(number)
        status = outlet.status
        if status is None or (status is outlet.reported and not again):
            return
        evse = EvseId(self._station.info.id, number)
        await self._events.status_changed(evse, status, when.at, outlet.error)
        outlet.reported = status

    async def _told(self, reference: str) -> Told:
        """Return what is known of a transaction, be it by the ledger."""
        told = self._memory.transactions.get(reference)
        if told is None:
            known = await self._events.transaction_id(self._station.info.id, reference)
            told = Told(reference, known)
            self._memory.add(told)
        return told

    async def _take(self, told: Told, payload: Payload) -> Payload:
        now = self._now()
        judged = self._when(told.reference, payload, now)
        when = judged.when
        readings, notes = readings_of(
            payload.get("meterValue", []), self._clock, now=now, message=judged
        )
        self._notes.update(notes)
        is_end = payload["eventType"] == "Ended"
        await self._find_evse(told, payload, when)
        told.take(payload, when, readings)
        if is_end:
            told.end = self._ending(told, payload, when, readings)
        authorization = await self._start(told, ending=is_end)
        if told.end is not None and (is_end or authorization is not None):
            authorization = await self._end(told, told.end, payload) or authorization
        else:
            await self._report(told, payload, when, readings)
        authorization = authorization or await self._judge(told, payload, when)
        await self._show(told, payload, when, readings)
        if "idToken" not in payload or authorization is None:
            return {}
        if (token := token_of(payload["idToken"])) is not None:
            self._memory.judge(token, authorization, now)
        return {"idTokenInfo": id_token_info(authorization)}

    def _when(self, reference: str, payload: Payload, now: datetime) -> Judged:
        """Return when an event happened: for one that is told again, what was found at first.

        It is told again because it could not be booked.
        """
        mark = _mark(reference, payload)
        judged = self._judged.get(mark) or judge_event(payload, self._clock, now=now)
        if judged.told is not None:
            self._judged[mark] = judged
        if len(self._judged) > EVENTS_KEPT:
            del self._judged[next(iter(self._judged))]
        return judged

    # Where

    async def _find_evse(self, told: Told, payload: Payload, when: Moment) -> None:
        """Learn the EVSE of a transaction, which only some events name.

        Raises `AnswerError` for one that there is not: the station tells it again, and may
        have told by then how many it has. An end is kept wherever it was.
        """
        if told.evse is not None and told.id is not None:
            return
        number = payload.get("evse", {}).get("id", 0)
        if not self._station.meet_evse(number):
            if number and payload["eventType"] != "Ended":
                raise AnswerError(ErrorCode.PROPERTY_CONSTRAINT_VIOLATION, "evse/id")
            number = 1 if self._station.info.evses == 1 else told.evse
        if number is None and told.id is not None:
            number = await self._evse_that_runs(told.id)
        if number is None and not when.replayed:
            number = self._evse_that_is_left()
        if number is not None:
            told.evse = number

    async def _evse_that_runs(self, transaction_id: int) -> int | None:
        """Ask the site where a transaction runs; it tells by what it would book on it."""
        for number in range(1, self._station.info.evses + 1):
            evse = EvseId(self._station.info.id, number)
            if await self._events.report(evse, (), transaction_id) == transaction_id:
                return number
        return None

    def _evse_that_is_left(self) -> int | None:
        """Return the only EVSE that may have a car of which no transaction tells.

        So a charge has its place whose beginning was told before a restart of this program,
        when there was nothing to book yet.
        """
        known = {one.evse for one in self._memory.transactions.values() if one.end is None}
        left = [
            number
            for number in range(1, self._station.info.evses + 1)
            if number not in known and self._memory.outlet(number).status not in _EMPTY
        ]
        return left[0] if len(left) == 1 else None

    # What is booked

    async def _start(self, told: Told, *, ending: bool) -> Authorization | None:
        """Book the start as soon as it can be; return the judgement of its token."""
        if told.id is not None or told.evse is None:
            return None
        outlet = self._memory.outlet(told.evse)
        start = told.start(self._station.info.id, outlet.register_wh, ending=ending)
        if start is None:
            return None
        if told.first is None:
            self._notes["no register at the start"] += 1
        answer = await self._events.transaction_started(start)
        told.id = answer.transaction_id
        if told.end is None and not start.replayed:
            self._station.limiter.phases.pop(told.evse, None)
            self._station.limiter.began_at[told.evse] = start.at
        return answer.authorization

    def _ending(
        self, told: Told, payload: Payload, when: Moment, readings: tuple[Reading, ...]
    ) -> TransactionEnd:
        shown = payload["triggerReason"] == "StopAuthorized" and "idToken" in payload
        return TransactionEnd(
            station_id=self._station.info.id,
            transaction_id=told.id,
            reference=told.reference,
            at=when.at,
            meter_stop_wh=_last_register(readings),
            token=token_of(payload["idToken"]) if shown else None,
            reason=stop_reason(payload),
            readings=readings,
            replayed=when.replayed,
            clock_estimated=when.estimated,
        )

    async def _end(self, told: Told, end: TransactionEnd, payload: Payload) -> Authorization | None:
        """Book the end; return the judgement of the token that was shown for it."""
        never = payload["transactionInfo"].get("timeSpentCharging") == 0
        if told.id is None and told.begun is None and (told.whole or never):
            # Somebody plugged in and out again.
            return None
        # What could not be booked is kept as the end of an unknown transaction.
        booked = replace(end, transaction_id=told.id)
        authorization = await self._events.transaction_ended(booked)
        if told.id is not None:
            self._forget_running(told.id)
        return authorization

    def _forget_running(self, transaction_id: int) -> None:
        station = self._station
        station.references.pop(transaction_id, None)
        for number, running in tuple(station.transactions.items()):
            if running == transaction_id:
                del station.transactions[number]

    async def _report(
        self, told: Told, payload: Payload, when: Moment, readings: tuple[Reading, ...]
    ) -> None:
        """Report what was measured, and note what runs."""
        if told.evse is None or (told.id is None and when.replayed):
            # Without a transaction it would count for the one that runs now.
            return
        if readings:
            evse = EvseId(self._station.info.id, told.evse)
            await self._events.report(evse, readings, told.id)
        if told.end is not None or when.replayed:
            return
        station = self._station
        if told.id is not None:
            station.transactions[told.evse] = told.id
            station.references[told.id] = told.reference
            if len(station.references) > REFERENCES_KEPT:
                del station.references[next(iter(station.references))]
        phases = payload.get("numberOfPhasesUsed")
        if phases not in (1, 2, 3):
            phases = charging_phases(readings)
        if phases is not None:
            station.limiter.phases[told.evse] = phases

    # What is answered and shown

    async def _judge(self, told: Told, payload: Payload, when: Moment) -> Authorization | None:
        """Return the judgement of a token that the start or end did not bring with it."""
        if "idToken" not in payload:
            return None
        token = token_of(payload["idToken"])
        known = None if token is None else self._memory.judgement(token, self._now())
        if known is not None:
            return known
        trigger = payload["triggerReason"]
        tapped = trigger in _TAPS and payload["eventType"] == "Updated"
        if token is not None and not when.replayed and (tapped or told.id is None):
            shown = await self._events.authorize(self._station.info.id, token, when.at)
            if told.id is None or not shown.accepted or trigger == "StopAuthorized":
                return shown
        if told.id is None:
            return None
        # The start of a transaction that is known is judged, and nothing is booked. Who was
        # refused for it stays so, whatever else they may by now.
        again = TransactionStart(
            evse=EvseId(self._station.info.id, told.evse or 1),
            token=token,
            at=when.at,
            meter_start_wh=0,
            reference=told.reference,
        )
        return (await self._events.transaction_started(again)).authorization

    async def _show(
        self, told: Told, payload: Payload, when: Moment, readings: tuple[Reading, ...]
    ) -> None:
        """Bring what the car does to the site, unless it was over before."""
        if told.evse is None:
            return
        outlet = self._memory.outlet(told.evse)
        outlet.measure(readings)
        if payload["eventType"] == "Ended":
            outlet.end(told.reference, when.at)
        elif told.end is None:
            outlet.charge(told.reference, payload["transactionInfo"].get("chargingState"), when.at)
            if told.drew and outlet.reference == told.reference:
                outlet.draw()
        await self.show(told.evse, when)


def _mark(reference: str, payload: Payload) -> tuple[str, str, int, str, str]:
    """Return what an event has in common with itself when it is told again."""
    kind, trigger = payload["eventType"], payload["triggerReason"]
    return reference, kind, payload["seqNo"], payload["timestamp"], trigger


def _last_register(readings: Iterable[Reading]) -> int | None:
    """Return the register at the end, `None` where it is not told."""
    told = [one for one in readings if one.register_wh is not None]
    ends = [one for one in told if one.context is ReadingContext.END]
    return (ends or told)[-1].register_wh if told else None
