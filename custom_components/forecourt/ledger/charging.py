"""What is written and read about charging: sessions, transactions, readings.

Each function runs inside one database transaction, on the ledger's thread.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
import json
from typing import Any

from sqlalchemy import (
    BindParameter,
    Connection,
    Table,
    and_,
    bindparam,
    func,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects.sqlite import insert

from ..core.model.ids import EvseId
from ..core.model.reading import Reading
from ..core.model.session import Session, SessionStatus, Transaction
from .errors import LedgerError
from .records import Orphan, UserTotals
from .rows import evse_values, reading_values, to_reading, to_record, to_values
from .schema import orphans, readings, sessions, transactions
from .statements import Query, Statement, same


def _all_but_id(table: Table) -> dict[str, BindParameter[Any]]:
    return {column.name: bindparam(column.name) for column in table.c if column.name != "id"}


# No index holds these, so a new value is written in one place only.
_PROGRESS = (
    "currency",
    "plugged_at",
    "ended_at",
    "unplugged_at",
    "energy_wh",
    "cost",
    "unpriced_wh",
    "token_last4",
    "transaction_id",
    "flags",
)
_UPDATE_SESSION = Statement(
    update(sessions)
    .where(*(same(column) for column in sessions.c if column.name not in _PROGRESS))
    .values({name: bindparam(name) for name in _PROGRESS})
)
_session = insert(sessions)
_PUT_SESSION = Statement(
    _session.on_conflict_do_update(
        index_elements=[sessions.c.id],
        set_={column.name: column for column in _session.excluded if not column.primary_key},
    )
)
_STATE = (
    "last_wh",
    "last_at",
    "energy_wh",
    "suspect_wh",
    "suspect_last_wh",
    "ended_at",
    "meter_stop_wh",
    "stop_reason",
)
_PUT_STATE = Statement(
    update(transactions)
    .where(same(transactions.c.id))
    .values({name: bindparam(name) for name in _STATE})
)
_ADD_TRANSACTION = Statement(insert(transactions).values(_all_but_id(transactions)))
_ADD_READING = Statement(insert(readings).values(_all_but_id(readings)).on_conflict_do_nothing())
_SAME_START = Query(
    select(transactions).where(
        same(transactions.c.station_id),
        same(transactions.c.evse),
        same(transactions.c.token_key),
        same(transactions.c.started_at),
        same(transactions.c.meter_start_wh),
        transactions.c.reference.is_(None),
    )
)
_BY_REFERENCE = Query(
    select(transactions).where(
        same(transactions.c.station_id), transactions.c.reference == bindparam("reference")
    )
)
_TRANSACTION = Query(select(transactions).where(same(transactions.c.id)))
_SESSION = Query(select(sessions).where(same(sessions.c.id)))


def find_transaction(
    connection: Connection,
    evse: EvseId,
    token_key: str | None,
    at: datetime,
    meter_start_wh: int,
    *,
    reference: str | None,
) -> Transaction | None:
    """Find by the station's own id where it has one, else by what makes a start unique."""
    if reference is not None:
        return _by_reference(connection, evse.station_id, reference)
    start = evse_values(evse) | {
        "token_key": token_key,
        "started_at": at,
        "meter_start_wh": meter_start_wh,
    }
    row = _SAME_START.first(connection, start)
    return None if row is None else to_record(Transaction, row)


def _by_reference(connection: Connection, station_id: str, reference: str) -> Transaction | None:
    row = _BY_REFERENCE.first(connection, {"station_id": station_id, "reference": reference})
    return None if row is None else to_record(Transaction, row)


def start_transaction(
    connection: Connection, new: Transaction, session: Session, closing: Session | None
) -> Transaction:
    """Book a start; `new.id` is a placeholder."""
    known = find_transaction(
        connection,
        new.evse,
        new.token_key,
        new.started_at,
        new.meter_start_wh,
        reference=new.reference,
    )
    if known is not None:
        return known
    if closing is not None:
        _put_session(connection, closing)
    _put_session(connection, replace(session, transaction_id=None))
    added = replace(new, id=_ADD_TRANSACTION.run(connection, to_values(new)).lastrowid or 0)
    _put_session(connection, replace(session, transaction_id=added.id))
    return added


def save(
    connection: Connection,
    session: Session,
    transaction: Transaction | None,
    new_readings: Sequence[Reading],
    prices: Sequence[Decimal | None],
) -> int:
    _put_session(connection, session)
    transaction_id = None
    if transaction is not None:
        transaction_id = transaction.id
        if _PUT_STATE.run(connection, to_values(transaction)).rowcount == 0:
            raise LedgerError(f"transaction {transaction_id} was never started")
    rows = [
        reading_values(reading, session.evse, transaction_id, price)
        for reading, price in zip(new_readings, prices, strict=True)
    ]
    return _ADD_READING.run_each(connection, rows) if rows else 0


def _put_session(connection: Connection, session: Session) -> None:
    values = to_values(session)
    if _UPDATE_SESSION.run(connection, values).rowcount == 0:
        _PUT_SESSION.run(connection, values)


def transaction(connection: Connection, transaction_id: int) -> tuple[Transaction, Session] | None:
    row = _TRANSACTION.first(connection, {"id": transaction_id})
    return None if row is None else _with_session(connection, to_record(Transaction, row))


def transaction_by_reference(
    connection: Connection, station_id: str, reference: str
) -> tuple[Transaction, Session] | None:
    found = _by_reference(connection, station_id, reference)
    return None if found is None else _with_session(connection, found)


def _with_session(connection: Connection, found: Transaction) -> tuple[Transaction, Session]:
    row = _SESSION.first(connection, {"id": found.session_id})
    assert row is not None  # noqa: S101 - a foreign key holds it
    return found, to_record(Session, row)


def transactions_of(
    connection: Connection, session_ids: Sequence[str]
) -> dict[str, list[Transaction]]:
    found: dict[str, list[Transaction]] = {session_id: [] for session_id in session_ids}
    # One value however many there are: SQLite has a limit on those.
    wanted = func.json_each(json.dumps(list(found))).table_valued("value")
    query = select(transactions).where(transactions.c.session_id.in_(select(wanted.c.value)))
    query = query.order_by(transactions.c.started_at, transactions.c.id)
    for row in connection.execute(query).mappings():
        found[row["session_id"]].append(to_record(Transaction, row))
    return found


def open_sessions(connection: Connection) -> list[tuple[Session, Transaction | None]]:
    is_open = sessions.c.status == SessionStatus.OPEN
    rows = connection.execute(
        select(transactions)
        .join(sessions, sessions.c.transaction_id == transactions.c.id)
        .where(is_open)
    ).mappings()
    running = {row["id"]: to_record(Transaction, row) for row in rows}
    query = select(sessions).where(is_open).order_by(sessions.c.started_at, sessions.c.id)
    found = [to_record(Session, row) for row in connection.execute(query).mappings()]
    return [(session, running.get(session.transaction_id or 0)) for session in found]


def energy_registers(connection: Connection) -> dict[EvseId, int]:
    # SQLite takes the other columns from the row that has the minimum: the first transaction.
    query = select(
        transactions.c.station_id,
        transactions.c.evse,
        transactions.c.meter_start_wh + func.sum(transactions.c.energy_wh),
        func.min(transactions.c.id),
    ).group_by(transactions.c.station_id, transactions.c.evse)
    return {
        EvseId(station_id, evse): energy_wh
        for station_id, evse, energy_wh, _ in connection.execute(query)
    }


def list_sessions(
    connection: Connection,
    *,
    user_id: str | None,
    station_id: str | None,
    start: datetime | None,
    end: datetime | None,
    limit: int | None,
) -> list[Session]:
    query = select(sessions)
    if user_id is not None:
        query = query.where(sessions.c.user_id == user_id)
    if station_id is not None:
        query = query.where(sessions.c.station_id == station_id)
    if start is not None:
        query = query.where(sessions.c.started_at >= start)
    if end is not None:
        query = query.where(sessions.c.started_at < end)
    query = query.order_by(sessions.c.started_at.desc(), sessions.c.id.desc()).limit(limit)
    return [to_record(Session, row) for row in connection.execute(query).mappings()]


def readings_of(connection: Connection, session: Session) -> list[tuple[Reading, Decimal | None]]:
    """Read what belongs to its transactions, and what came without one while it lasted."""
    of_transactions = readings.c.transaction_id.in_(
        select(transactions.c.id).where(transactions.c.session_id == session.id)
    )
    of_stay = and_(
        readings.c.transaction_id.is_(None),
        readings.c.station_id == session.evse.station_id,
        readings.c.evse == session.evse.number,
        readings.c.at >= (session.plugged_at or session.started_at),
    )
    if (end := session.unplugged_at or session.ended_at) is not None:
        of_stay &= readings.c.at <= end
    # A union, not an "or", so that each part uses its index.
    query = union_all(select(readings).where(of_transactions), select(readings).where(of_stay))
    rows = connection.execute(query.order_by("at", "id")).mappings()
    return [(to_reading(row), row["price_per_kwh"]) for row in rows]


def user_totals(connection: Connection, since: datetime) -> dict[str, UserTotals]:
    """Add up in Python: SQLite would add money as floating point."""
    query = select(sessions.c.user_id, sessions.c.energy_wh, sessions.c.cost).where(
        sessions.c.started_at >= since, sessions.c.user_id.is_not(None)
    )
    totals: dict[str, UserTotals] = {}
    for user_id, energy_wh, cost in connection.execute(query):
        total = totals.get(user_id, UserTotals(energy_wh=0, cost=None))
        totals[user_id] = UserTotals(
            energy_wh=total.energy_wh + energy_wh,
            cost=total.cost if cost is None else (total.cost or Decimal(0)) + cost,
        )
    return totals


def add_orphan(connection: Connection, orphan: Orphan) -> bool:
    """Keep an end that is not there yet; no constraint could tell, as NULLs differ."""
    known = select(orphans.c.id).where(
        orphans.c.station_id == orphan.station_id,
        orphans.c.transaction_id.is_not_distinct_from(orphan.transaction_id),
        orphans.c.reference.is_not_distinct_from(orphan.reference),
        orphans.c.at == orphan.at,
        orphans.c.meter_stop_wh.is_not_distinct_from(orphan.meter_stop_wh),
    )
    if connection.execute(known).first() is not None:
        return False
    connection.execute(insert(orphans), to_values(orphan))
    return True


def list_orphans(connection: Connection) -> list[Orphan]:
    columns = [column for column in orphans.c if column is not orphans.c.id]
    rows = connection.execute(select(*columns).order_by(orphans.c.id)).mappings()
    return [Orphan(**row) for row in rows]
