"""Turns what stations report into sessions: plug-in to plug-out, one user, one price record.

Pure functions from a session and an event to the next session; the site keeps
the result and the ledger writes it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from ..model.ids import EvseId
from ..model.session import Session, SessionFlag, SessionStatus, Transaction
from . import meter

WH_PER_KWH = 1000


@dataclass(frozen=True, slots=True)
class Charge:
    """A session and its newest transaction, which always move together."""

    session: Session
    transaction: Transaction


def begin(
    previous: Session | None,
    *,
    evse: EvseId,
    at: datetime,
    user_id: str | None,
    token_last4: str | None,
    currency: str,
    plugged_at: datetime | None,
    new_id: str,
    flags: Iterable[SessionFlag] = (),
) -> tuple[Session | None, Session]:
    """Return `(closed, current)` for a transaction that starts at `at`.

    The open session goes on when the same user charges again without having
    unplugged; another user closes it and opens a new one. So does whoever was
    not authorised: nobody may go on with such a charge, nor such a one with theirs.
    """
    given = frozenset(flags)
    if (
        previous is not None
        and previous.user_id == user_id
        and SessionFlag.UNAUTHORIZED not in previous.flags | given
    ):
        return None, replace(previous, ended_at=None, flags=previous.flags | given)
    closed = None if previous is None else close(previous, previous.ended_at or at)
    current = Session(
        id=new_id,
        evse=evse,
        user_id=user_id,
        started_at=at,
        plugged_at=min(plugged_at, at) if plugged_at else at,
        currency=currency,
        token_last4=token_last4,
        flags=given,
    )
    return closed, current


def count(charge: Charge, register_wh: int, at: datetime, price_per_kwh: Decimal | None) -> Charge:
    """Book what a register value adds, at the price that was valid then."""
    return _book(charge, meter.count(charge.transaction, register_wh, at), price_per_kwh)


def finish(
    charge: Charge,
    *,
    at: datetime,
    meter_stop_wh: int,
    reason: str | None,
    price_per_kwh: Decimal | None,
    flags: Iterable[SessionFlag] = (),
) -> Charge:
    """Book the end of a transaction as its station reported it.

    The session stays open until the car is unplugged. An end that arrives
    after the transaction was given up amends the session it belonged to.
    By a clock that was put back it ends when it began.
    """
    at = max(at, charge.transaction.started_at)
    late = not charge.transaction.open
    booked = _book(charge, meter.finish(charge.transaction, meter_stop_wh), price_per_kwh)
    session = booked.session
    running = session.transaction_id
    if running == charge.transaction.id:
        session = replace(session, transaction_id=None, ended_at=at)
    elif running is None:
        session = replace(session, ended_at=max(at, session.ended_at or at))
    told = {*flags, SessionFlag.AMENDED} if late else set(flags)
    return Charge(
        replace(session, flags=session.flags | told),
        replace(booked.transaction, ended_at=at, stop_reason=reason),
    )


def abandon(charge: Charge, by: datetime) -> Charge:
    """End a transaction whose station never will, at its last register value.

    Used for an outlet that is free again, or charges somebody else since `by`,
    while its transaction was never ended.
    """
    at = min(charge.transaction.last_at, by)
    transaction = replace(charge.transaction, ended_at=at)
    session = replace(
        charge.session,
        transaction_id=None,
        ended_at=at,
        flags=charge.session.flags | {SessionFlag.CLOSED_WITHOUT_STOP},
    )
    return Charge(session, transaction)


def close(session: Session, at: datetime) -> Session:
    """Close the session: the car was unplugged, or somebody else begins."""
    return replace(
        session,
        status=SessionStatus.CLOSED,
        transaction_id=None,
        ended_at=session.ended_at or at,
        unplugged_at=at,
    )


def _book(charge: Charge, counted: meter.Counted, price_per_kwh: Decimal | None) -> Charge:
    session, flags = charge.session, set(charge.session.flags)
    if counted.rollback:
        flags.add(SessionFlag.METER_ROLLBACK)
    if counted.mismatch:
        flags.add(SessionFlag.METER_MISMATCH)
    cost, unpriced_wh, priced_wh = session.cost, session.unpriced_wh, counted.added_wh
    if priced_wh < 0:
        # The station corrects itself: first what nobody pays for is taken back.
        taken = min(unpriced_wh, -priced_wh)
        unpriced_wh -= taken
        priced_wh += taken
    elif price_per_kwh is None and priced_wh:
        unpriced_wh += priced_wh
        priced_wh = 0
        flags.add(SessionFlag.PRICE_MISSING)
    if price_per_kwh is not None and priced_wh:
        cost = (cost or Decimal(0)) + Decimal(priced_wh) / WH_PER_KWH * price_per_kwh
    return Charge(
        replace(
            session,
            energy_wh=session.energy_wh + counted.added_wh,
            cost=cost,
            unpriced_wh=unpriced_wh,
            flags=frozenset(flags),
        ),
        counted.transaction,
    )
