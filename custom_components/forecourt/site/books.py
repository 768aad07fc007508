"""Keeps the sessions of the site: what stations report goes through the tracker to the ledger."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
import logging
from uuid import uuid4

from ..core.model.events import SessionEvent, SessionPhase
from ..core.model.ids import EvseId
from ..core.model.reading import Reading
from ..core.model.session import Session, SessionFlag, SessionStatus, Transaction
from ..core.model.token import Token
from ..core.sessions import tracker
from ..core.sessions.tracker import Charge
from ..ledger import Ledger
from ..stations.base import TransactionEnd, TransactionStart
from .signal import Signal

_LOGGER = logging.getLogger(__name__)

UNPLUGGED = "EVDisconnected"
"""The reason of a transaction that ended because the cable was pulled (OCPP 1.6 §7.36)."""


class Books:
    """The open sessions, and the way of every event into the ledger.

    Callers serialise the events of one station. Every method returns when what
    it books is stored, starts and ends safe from a loss of power; memory changes
    only after that.
    """

    def __init__(self, ledger: Ledger, currency: str) -> None:
        """Keep books in `ledger`; `load` must be called first."""
        self._ledger = ledger
        self._currency = currency
        self._sessions: dict[EvseId, Session] = {}
        self._transactions: dict[int, Transaction] = {}
        self._ids: dict[tuple[str, str], int] = {}
        self._registers: dict[EvseId, int] = {}
        self._price: tuple[datetime, Decimal | None] | None = None
        self.changed = Signal[EvseId]()
        self.session_event = Signal[SessionEvent]()

    async def load(self) -> None:
        """Take up what was open when the site last stopped."""
        # The newest comes last; an older one is open until its station tells its end.
        stored = await self._ledger.open_sessions()
        self._sessions = {session.evse: session for session, _ in stored}
        for session, transaction in stored:
            if transaction is not None:
                self._hold(transaction, session)
        self._registers = await self._ledger.energy_registers()

    def session(self, evse: EvseId) -> Session | None:
        """Return the open session of an EVSE."""
        return self._sessions.get(evse)

    def evses(self, station_id: str) -> list[EvseId]:
        """Return the EVSEs of a station that have an open session."""
        return [evse for evse in self._sessions if evse.station_id == station_id]

    def register_wh(self, evse: EvseId) -> int | None:
        """Return the energy register of an EVSE, `None` before its first transaction."""
        return self._registers.get(evse)

    def charging_with(self, token: Token) -> list[Transaction]:
        """Return the running transactions that a token began by right."""
        key = self._ledger.token_key(token)
        return [
            running
            for session in self._sessions.values()
            if SessionFlag.UNAUTHORIZED not in session.flags
            and (running := self._running(session)) is not None
            and running.token_key == key
        ]

    def forget(self, evse: EvseId) -> None:
        """Drop the session of an EVSE that was removed; what is booked stays in the ledger."""
        self._sessions.pop(evse, None)

    async def set_price(self, at: datetime, price_per_kwh: Decimal | None) -> None:
        """Take note of the price of a kilowatt-hour that is valid from `at` on."""
        # What is charged from now on has this price, whether or not the disk takes the note.
        self._price = (at, price_per_kwh)
        await self._ledger.price_changed(at, price_per_kwh)

    @property
    def price(self) -> Decimal | None:
        """The price of a kilowatt-hour now, `None` while it is not known."""
        return None if self._price is None else self._price[1]

    async def find(self, start: TransactionStart) -> Transaction | None:
        """Return the transaction of a start that was told before."""
        known = await self._ledger.find_transaction(
            start.evse, start.token, start.at, start.meter_start_wh, reference=start.reference
        )
        if known is None:
            return self._same_start(start)
        await self._take_up(known, is_news=not start.replayed)
        return known

    async def let_in(self, transaction: Transaction, token: Token | None) -> bool | None:
        """Return whether a token was allowed the charge that was booked for it.

        `None` for a token that it was not booked for.
        """
        if token is None or self._ledger.token_key(token) != transaction.token_key:
            return None
        charge = await self._find(transaction.id)
        return charge is None or SessionFlag.UNAUTHORIZED not in charge.session.flags

    async def transaction_id(self, station_id: str, reference: str) -> int | None:
        """Return the id of a transaction, running or ended, by its station's own name for it."""
        known = self._ids.get((station_id, reference))
        if known is not None:
            return known
        stored = await self._ledger.transaction_by_reference(station_id, reference)
        if stored is None:
            return None
        await self._take_up(stored[0], is_news=True)
        return stored[0].id

    async def reference(self, transaction_id: int) -> str | None:
        """Return the station's own name for a transaction, `None` if it has none."""
        charge = await self._find(transaction_id)
        return charge.transaction.reference if charge else None

    async def start(
        self,
        start: TransactionStart,
        *,
        user_id: str | None,
        token_last4: str | None,
        plugged_at: datetime | None,
        flags: Iterable[SessionFlag],
    ) -> Transaction:
        """Book a transaction that `find` did not find."""
        evse = start.evse
        previous = self._sessions.get(evse)
        if previous is not None and start.replayed and start.at < previous.started_at:
            # An older charge told late does not end the one that runs now.
            previous = None
        if previous is not None and previous.transaction_id is not None:
            await self.abandon(evse, start.at)
            previous = self._sessions[evse]
        closed, session = tracker.begin(
            previous,
            evse=evse,
            at=start.at,
            user_id=user_id,
            token_last4=token_last4,
            currency=self._currency,
            plugged_at=plugged_at,
            new_id=str(uuid4()),
            flags=flags,
        )
        transaction = await self._ledger.start_transaction(
            session,
            token=start.token,
            at=start.at,
            meter_start_wh=start.meter_start_wh,
            reference=start.reference,
            closing=closed,
        )
        session = replace(session, transaction_id=transaction.id)
        self._registers.setdefault(evse, start.meter_start_wh)
        if closed is not None:
            self._keep(closed)
        self._hold(transaction, session)
        self._keep(session)
        is_new = previous is None or previous.id != session.id
        if is_new and not start.replayed:
            self.session_event.send(SessionEvent(phase=SessionPhase.STARTED, session=session))
        return transaction

    async def report(
        self, evse: EvseId, readings: Sequence[Reading], transaction_id: int | None
    ) -> int | None:
        """Book readings of a transaction, oldest first; others are not the ledger's business.

        Returns the id of the transaction if it is running.
        """
        charge = await self._charge(evse, transaction_id)
        if charge is None:
            return None
        prices = [await self._price_at(charge.session, reading.at) for reading in readings]
        counted = _counted(charge, readings, prices)
        await self._ledger.save(
            counted.session, counted.transaction, readings, prices, durable=False
        )
        self._settle(charge, counted)
        return charge.transaction.id if charge.transaction.open else None

    async def finish(self, end: TransactionEnd, flags: Iterable[SessionFlag]) -> bool:
        """Book the end of a transaction; return whether it is news.

        An end that is told again changes nothing; one that no transaction of
        the station waits for is kept as an orphan.
        """
        charge = await self._find_ended(end)
        if charge is None or charge.transaction.evse.station_id != end.station_id:
            _LOGGER.warning(
                "%s ended transaction %s, which is not one of its own; kept as an orphan",
                end.station_id,
                end.reference or end.transaction_id,
            )
            return await self._ledger.keep_orphan(
                station_id=end.station_id,
                transaction_id=end.transaction_id,
                reference=end.reference,
                at=end.at,
                meter_stop_wh=end.meter_stop_wh,
                token=end.token,
                reason=end.reason,
            )
        if charge.transaction.meter_stop_wh is not None:
            return False
        prices = [await self._price_at(charge.session, one.at) for one in end.readings]
        counted = _counted_at_end(charge, end.readings, prices)
        meter_stop_wh = _stop_wh(end)
        if meter_stop_wh is None:
            # What was counted stands, and who reads the books shall know that it is all there is.
            meter_stop_wh = _newest_wh(counted.transaction)
            flags = {*flags, SessionFlag.METER_MISMATCH}
        finished = tracker.finish(
            counted,
            at=end.at,
            meter_stop_wh=meter_stop_wh,
            reason=end.reason,
            price_per_kwh=await self._price_at(charge.session, end.at),
            flags=flags,
        )
        session, current = finished.session, self._sessions.get(charge.session.evse)
        is_past = session.status is SessionStatus.OPEN and (
            current is None or current.id != session.id
        )
        if end.reason == UNPLUGGED or is_past:
            finished = replace(finished, session=tracker.close(session, end.at))
        await self._ledger.save(finished.session, finished.transaction, end.readings, prices)
        self._settle(charge, finished)
        return True

    async def abandon(self, evse: EvseId, by: datetime) -> None:
        """End the running transaction of an EVSE at its last reading, by `by` at the latest."""
        session = self._sessions.get(evse)
        transaction = self._running(session)
        if session is None or transaction is None:
            return
        charge = Charge(session, transaction)
        ended = tracker.abandon(charge, by)
        await self._ledger.save(ended.session, ended.transaction)
        self._settle(charge, ended)

    async def unplug(self, evse: EvseId, at: datetime) -> None:
        """Close the session of an EVSE that has no transaction any more."""
        session = self._sessions.get(evse)
        if session is None or session.charging:
            return
        closed = tracker.close(session, max(at, session.ended_at or at))
        await self._ledger.save(closed)
        self._keep(closed)

    async def assign(self, evse: EvseId, user_id: str, token_last4: str | None) -> None:
        """Give a session that nobody in particular has to a user.

        Without a token it was said whose it is.
        """
        session = self._sessions[evse]
        flags = session.flags - {SessionFlag.UNAUTHORIZED}
        if token_last4 is None:
            flags |= {SessionFlag.NO_CARD}
        assigned = replace(session, user_id=user_id, token_last4=token_last4, flags=flags)
        await self._ledger.save(assigned)
        self._keep(assigned)

    async def _take_up(self, transaction: Transaction, *, is_news: bool) -> None:
        """Hold a running transaction that only the ledger knows.

        Who booked it was cancelled while the disk was slow, as its station hung up.
        """
        if not transaction.open or transaction.id in self._transactions:
            return
        stored = await self._ledger.transaction(transaction.id)
        if stored is None:
            return
        (transaction, session), evse = stored, transaction.evse
        previous = self._sessions.get(evse)
        is_new = previous is None or previous.id != session.id
        if not self._is_newest(session):
            return
        if previous is not None and is_new:
            # The start has closed it on disk.
            self._keep(tracker.close(previous, previous.ended_at or session.started_at))
        self._hold(transaction, session)
        self._registers.setdefault(evse, transaction.meter_start_wh)
        self._keep(session)
        if is_new and is_news:
            self.session_event.send(SessionEvent(phase=SessionPhase.STARTED, session=session))

    def _running(self, session: Session | None) -> Transaction | None:
        if session is None or session.transaction_id is None:
            return None
        return self._transactions[session.transaction_id]

    def _same_start(self, start: TransactionStart) -> Transaction | None:
        """Return the running transaction where a station whose clock is wrong repeats its start.

        The time that it is taken for differs each time (that of reception, or after a restart
        the one that was told), so token and register tell.
        """
        session = self._sessions.get(start.evse)
        running = self._running(session)
        if session is None or running is None or start.reference is not None:
            return None
        if not start.clock_estimated and SessionFlag.CLOCK_ESTIMATED not in session.flags:
            return None
        token_key = None if start.token is None else self._ledger.token_key(start.token)
        same = (
            running.reference is None
            and running.token_key == token_key
            and running.meter_start_wh == start.meter_start_wh
        )
        return running if same else None

    async def _find_ended(self, end: TransactionEnd) -> Charge | None:
        transaction_id = end.transaction_id
        if transaction_id is None and end.reference is not None:
            transaction_id = await self.transaction_id(end.station_id, end.reference)
        return None if transaction_id is None else await self._find(transaction_id)

    async def _find(self, transaction_id: int) -> Charge | None:
        transaction = self._transactions.get(transaction_id)
        if transaction is not None:
            session = self._sessions.get(transaction.evse)
            if session is not None and session.id == transaction.session_id:
                return Charge(session, transaction)
        stored = await self._ledger.transaction(transaction_id)
        return Charge(stored[1], stored[0]) if stored else None

    async def _charge(self, evse: EvseId, transaction_id: int | None) -> Charge | None:
        """Return the charge that readings belong to: the named one, or the one that runs."""
        if transaction_id is not None:
            charge = await self._find(transaction_id)
            if charge is not None and charge.transaction.evse == evse:
                return charge
        session = self._sessions.get(evse)
        running = self._running(session)
        return Charge(session, running) if session is not None and running is not None else None

    async def _price_at(self, session: Session, at: datetime) -> Decimal | None:
        """Return the price of energy; what was estimated and not metered has none."""
        if SessionFlag.ESTIMATED in session.flags:
            return None
        if self._price is not None and at >= self._price[0]:
            return self._price[1]
        return await self._ledger.price_at(at)

    def _settle(self, before: Charge, after: Charge) -> None:
        """Bring memory to what was just written."""
        evse, transaction = after.session.evse, after.transaction
        added_wh = max(0, transaction.energy_wh - before.transaction.energy_wh)
        self._registers[evse] = self._registers.get(evse, transaction.meter_start_wh) + added_wh
        self._hold(transaction, after.session)
        self._keep(after.session)

    def _is_newest(self, session: Session) -> bool:
        """Whether no newer session has the EVSE."""
        current = self._sessions.get(session.evse)
        return (
            current is None or current.id == session.id or current.started_at <= session.started_at
        )

    def _hold(self, transaction: Transaction, session: Session) -> None:
        """Hold the transaction while it runs, unless a newer session has the EVSE.

        A station may tell of any number of older charges and never of their ends. Those are
        left to the ledger.
        """
        reference = transaction.reference
        if transaction.open and self._is_newest(session):
            self._transactions[transaction.id] = transaction
            if reference is not None:
                self._ids[transaction.evse.station_id, reference] = transaction.id
        else:
            self._transactions.pop(transaction.id, None)
            if reference is not None:
                self._ids.pop((transaction.evse.station_id, reference), None)

    def _keep(self, session: Session) -> None:
        """Hold the session while it is open, unless a newer one has the EVSE."""
        evse = session.evse
        current = self._sessions.get(evse)
        if session.status is SessionStatus.OPEN:
            running = session.transaction_id
            if self._is_newest(session) and (running is None or running in self._transactions):
                self._sessions[evse] = session
        elif current is not None and current.id == session.id:
            del self._sessions[evse]
            self.session_event.send(SessionEvent(phase=SessionPhase.ENDED, session=session))
        self.changed.send(evse)


def _counted(
    charge: Charge, readings: Sequence[Reading], prices: Sequence[Decimal | None]
) -> Charge:
    """Return the charge after the readings; one that has ended is settled by its end only."""
    if not charge.transaction.open:
        return charge
    for reading, price in zip(readings, prices, strict=True):
        if reading.register_wh is not None:
            charge = tracker.count(charge, reading.register_wh, reading.at, price)
        if reading.clock_estimated:
            charge = _flagged(charge, SessionFlag.CLOCK_ESTIMATED)
    return charge


def _counted_at_end(
    charge: Charge, readings: Sequence[Reading], prices: Sequence[Decimal | None]
) -> Charge:
    """Return the charge after the readings that came with its end.

    Many stations tell all that they measured once more then. What is no news must not pass
    for a meter that begins anew.
    """
    running = charge.transaction
    news = [
        (reading, price)
        for reading, price in zip(readings, prices, strict=True)
        if not _is_old(reading, running)
    ]
    return _counted(charge, [reading for reading, _ in news], [price for _, price in news])


def _is_old(reading: Reading, running: Transaction) -> bool:
    """Return whether a reading was taken before the newest that is counted.

    An estimated time is not exact, so the register has a say.
    """
    wh = reading.register_wh
    if reading.clock_estimated and wh is not None and wh < _newest_wh(running):
        return True
    return reading.at < running.last_at


def _stop_wh(end: TransactionEnd) -> int | None:
    """Return the register that came with an end, in its last reading where not by itself."""
    told = [reading.register_wh for reading in end.readings] + [end.meter_stop_wh]
    return next((wh for wh in reversed(told) if wh is not None), None)


def _newest_wh(transaction: Transaction) -> int:
    """Return where the register stood at last."""
    odd = transaction.suspect_last_wh
    return transaction.last_wh if odd is None else odd


def _flagged(charge: Charge, flag: SessionFlag) -> Charge:
    return Charge(replace(charge.session, flags=charge.session.flags | {flag}), charge.transaction)
