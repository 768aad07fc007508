"""What must hold at the end of a day, whatever happened: the ledger has what the stations have."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.session import (
    Session,
    SessionFlag,
    SessionStatus,
    Transaction,
)
from custom_components.forecourt.core.model.token import Token
from simulator import Ocpp16Station, Ocpp201Station
from simulator.books import BooksFile, Line, Reading, Transaction as Told
from tests.unit.site.world import TOKENS

from .depot import Depot

type Box = Ocpp16Station | Ocpp201Station

PRICE = Decimal("0.30")
CARDS = {record.token.uid: record.user_id for record in TOKENS}
OUT_OF_ORDER = {SessionFlag.CLOSED_WITHOUT_STOP, SessionFlag.AMENDED}
READ = "SELECT transaction_id, register_wh FROM readings WHERE register_wh IS NOT NULL"


class Notes(BooksFile):
    """Takes what the stations write down, and keeps the site's first word on who charges.

    The last one may be about the end: a card that was refused for its charge may end it.
    """

    def __init__(self) -> None:
        self._verdicts: dict[tuple[str, int], str] = {}

    def append(self, line: Line) -> None:
        if line["book"] == "transaction" and line["start_status"] is not None:
            self._verdicts.setdefault((line["station"], line["number"]), line["start_status"])

    def accepted(self, box: Box, told: Told) -> bool:
        """Return whether the station was told that this one may charge."""
        return self._verdicts.get((box.config.identity, told.number)) == "Accepted"


class Booked(NamedTuple):
    """A transaction of the ledger with its session."""

    transaction: Transaction
    session: Session


class Reckoning:
    """Compares the ledger with the stations' own books, when all is told and every car gone."""

    def __init__(self, place: Depot, notes: Notes, *, disordered: bool) -> None:
        self._place = place
        self._notes = notes
        self._disordered = disordered

    async def check(self, boxes: Sequence[Box]) -> None:
        ledger = self._place.ledger
        open_sessions, orphans = await ledger.open_sessions(), await ledger.orphans()
        assert not open_sessions, open_sessions
        assert not orphans, orphans
        booked = await self._booked()
        readings = await self._rows(READ)
        for box in boxes:
            ours = booked.pop(box.config.identity, [])
            self._check_station(box, ours)
            self._check_plant(box, ours)
            self._check_readings(box, ours, readings)
            await self._check_sessions(box, ours)
        assert not booked
        self._check_memory(await ledger.energy_registers())

    async def _booked(self) -> dict[str, list[Booked]]:
        booked = defaultdict(list)
        for (number,) in await self._rows("SELECT id FROM transactions ORDER BY id"):
            found = await self._place.ledger.transaction(number)
            assert found is not None
            booked[found[0].evse.station_id].append(Booked(*found))
        return booked

    async def _rows(self, query: str) -> Sequence[Any]:
        found: Sequence[Any] = await self._place.ledger._run(
            lambda connection: connection.exec_driver_sql(query).all()
        )
        return found

    def _check_station(self, box: Box, booked: list[Booked]) -> None:
        """Every transaction of the station is in the ledger, once, with the same energy and user.

        The books of a 2.x station drop fractions of a watt-hour, ours round them.
        """
        faults = [one for one in box.books.violations if not _was_on_its_way(box, one)]
        faults += [note for note in box.books.notes if note["event"] == "gave_up"]
        assert not faults, faults
        begun_wh = _begun_wh(box)
        ours = {_name(one.transaction): one for one in booked}
        theirs = {str(told.transaction_id): told for told in box.books.transactions}
        assert len(ours) == len(booked)
        assert len(theirs) == len(box.books.transactions)
        assert ours.keys() == theirs.keys()
        for name, told in theirs.items():
            transaction, session = ours[name]
            assert told.meter_stop_wh is not None
            assert transaction.meter_stop_wh is not None
            assert transaction.evse.number == told.connector
            start_wh = begun_wh.get(told.number, told.meter_start_wh)
            assert abs(transaction.meter_start_wh - start_wh) <= 1
            assert abs(transaction.meter_stop_wh - told.meter_stop_wh) <= 1
            assert transaction.energy_wh == transaction.meter_stop_wh - transaction.meter_start_wh
            assert transaction.stop_reason == told.reason
            assert transaction.token_last4 == told.id_tag[-4:]
            self._check_user(session, told.id_tag, accepted=self._notes.accepted(box, told))

    def _check_user(self, session: Session, card: str, *, accepted: bool) -> None:
        """Whoever was let in pays; whoever was refused is on record as such."""
        if not accepted:
            assert SessionFlag.UNAUTHORIZED in session.flags
            assert session.user_id is None
            return
        assert SessionFlag.UNAUTHORIZED not in session.flags
        if card in CARDS:
            assert session.user_id == CARDS[card]
        else:
            # The site's own tag, by which it starts for somebody.
            assert session.user_id == self._place.site.members.register.virtual[Token(card)]

    def _check_plant(self, box: Box, booked: list[Booked]) -> None:
        """What flowed into the cars is what was booked, but for what a register rounds."""
        if isinstance(box, Ocpp201Station) and box.config.tx_start_point == "EnergyTransfer":
            # Such a transaction begins when the station notices that energy flows.
            return
        for number in box.outlets if isinstance(box, Ocpp201Station) else box.connectors:
            some = [one.energy_wh for one in box.books.plug_ins if one.connector == number]
            flowed_wh = sum(wh for wh in some if wh is not None)
            ours = [one.transaction for one in booked if one.transaction.evse.number == number]
            booked_wh = sum(one.energy_wh for one in ours)
            assert abs(flowed_wh - booked_wh) <= 1 + len(ours)

    def _check_readings(
        self, box: Box, booked: list[Booked], readings: Sequence[tuple[int, int]]
    ) -> None:
        """Every reading of a charge that the site acknowledged is in the ledger."""
        if self._disordered:
            # Before a charge is known to have begun, there is nothing to book a reading on.
            return
        known: defaultdict[int, list[int]] = defaultdict(list)
        for transaction_id, register_wh in readings:
            known[transaction_id].append(register_wh)
        ids = {_name(one.transaction): one.transaction.id for one in booked}
        names = {told.number: str(told.transaction_id) for told in box.books.transactions}
        # Of two in one millisecond, one is kept.
        moments = Counter(_moment(told) for told in box.books.readings)
        missing = [
            told
            for told in box.books.readings
            if told.state == "confirmed"
            and told.transaction is not None
            and moments[_moment(told)] == 1
            and not any(
                abs(wh - told.register_wh) <= 1 for wh in known[ids[names[told.transaction]]]
            )
        ]
        assert not missing, missing

    async def _check_sessions(self, box: Box, booked: list[Booked]) -> None:
        """No session without a transaction, none missing, and each costs what it took."""
        energy_wh: defaultdict[str, int] = defaultdict(int)
        for transaction, session in booked:
            energy_wh[session.id] += transaction.energy_wh
            assert session.evse == transaction.evse
        allowed = {SessionFlag.OFFLINE, SessionFlag.UNAUTHORIZED}
        if self._disordered:
            allowed |= OUT_OF_ORDER
        if not box.config.battery_backed_clock:
            allowed |= {SessionFlag.CLOCK_ESTIMATED}
        sessions = await self._place.ledger.sessions(station_id=box.config.identity)
        assert len(sessions) == len(energy_wh)
        for session in sessions:
            assert session.status is SessionStatus.CLOSED
            assert session.flags <= allowed
            assert session.energy_wh == energy_wh[session.id]
            assert session.unpriced_wh == 0
            assert (session.cost or 0) == Decimal(session.energy_wh) / 1000 * PRICE

    def _check_memory(self, registers: dict[EvseId, int]) -> None:
        """What the site remembers is what it would read after a restart."""
        site = self._place.site
        for evse, register_wh in registers.items():
            assert site.books.register_wh(evse) == site.board[evse].register_wh == register_wh
            assert site.board[evse].session is None
        assert not site.books._transactions
        assert not site.books._ids
        if not self._disordered:
            # A reading that overtook an end and comes after a restart names what ended.
            stations = self._place.central.stations.values()
            assert all(not station.transactions for station in stations)


def _name(transaction: Transaction) -> str:
    """Return what the station calls a transaction: by its own name, or by our number."""
    return transaction.reference or str(transaction.id)


def _moment(told: Reading) -> tuple[int | None, str, str]:
    """Return what tells the readings of an outlet apart."""
    return told.transaction, told.timestamp, told.context


def _was_on_its_way(box: Box, violation: Line) -> bool:
    """Whether it is an order that met a station in the moment in which it went down."""
    if violation["kind"] != "remote_transaction_while_pending":
        return False
    before: list[str] = [
        note["event"]
        for note in box.books.notes
        if note["event"] in ("connected", "fault") and note["at"] <= violation["at"]
    ]
    return before[-1] == "fault"


def _begun_wh(box: Box) -> dict[int, int]:
    """Return with which register the events of a 2.x station said that each transaction began.

    Energy may flow already, so that it is a little more than when the station noticed.
    """
    if isinstance(box, Ocpp16Station):
        return {}
    return {
        told.transaction: told.register_wh
        for told in box.books.readings
        if told.transaction is not None and told.context == "Transaction.Begin"
    }
