"""Counts the energy of a transaction from a register that may misbehave.

Registers of real stations dip for some samples, jump for one, restart with each
transaction while start and stop carry the lifetime value or the other way
round, or belong to a meter that was exchanged. Counting never goes backwards
and never invents energy: what does not fit the register that the transaction
began with is counted beside it, from where the odd values began, and given up
when the register comes back.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from ..model.session import Transaction

ROUNDING_WH = 10
"""How far a stop register may lie below the last one: stations round samples."""

MAX_STEP_WH = 500_000
"""More than the battery of any vehicle takes: a register that jumps farther counts nothing."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A transaction after a register value: the energy that came with it, and what was odd."""

    transaction: Transaction
    added_wh: int
    rollback: bool = False
    mismatch: bool = False


def count(transaction: Transaction, register_wh: int, at: datetime) -> Counted:
    """Take a register value of a running transaction into account."""
    odd, beside = transaction.suspect_last_wh, _beside(transaction)
    newest = transaction.last_wh if odd is None else odd
    if at < transaction.last_at and register_wh < newest:
        # Told late: it is in the newer value already.
        return Counted(transaction, 0)
    at = max(at, transaction.last_at)
    way = register_wh - transaction.last_wh
    goes_on = 0 <= way <= MAX_STEP_WH + beside
    if odd is not None and 0 <= register_wh - odd <= MAX_STEP_WH:
        odd_way = register_wh - odd
        if not goes_on or odd_way < abs(way - beside):
            risen = replace(transaction, suspect_last_wh=register_wh, last_at=at)
            return _counted(risen, rollback=odd_way > 0)
    if goes_on:
        back = replace(
            transaction, last_wh=register_wh, last_at=at, suspect_wh=None, suspect_last_wh=None
        )
        return _counted(back)
    if beside:
        # A dip of a register that is odd already.
        return Counted(transaction, 0)
    return Counted(replace(transaction, suspect_wh=register_wh, suspect_last_wh=register_wh), 0)


def finish(transaction: Transaction, meter_stop_wh: int) -> Counted:
    """Settle the energy with the register that the station sent at the end.

    Where it belongs to the register of the start, the energy is stop minus
    start, whatever the samples said: that is what others bill by. Where it goes
    on from the odd values (an exchanged meter), these count. Where it is
    neither, the smaller of what was counted and stop minus start stands, and
    the difference is reported.
    """
    counted, odd, beside = transaction.energy_wh, transaction.suspect_last_wh, _beside(transaction)
    between = meter_stop_wh - transaction.meter_start_wh
    way = meter_stop_wh - transaction.last_wh
    total, rollback = None, False
    if -ROUNDING_WH <= way <= MAX_STEP_WH + beside:
        total = max(0, between)
    if odd is not None and -ROUNDING_WH <= meter_stop_wh - odd <= MAX_STEP_WH:
        odd_way = meter_stop_wh - odd
        if total is None or abs(odd_way) < abs(way - beside):
            total = max(0, transaction.last_wh - transaction.meter_start_wh + beside + odd_way)
            rollback = True
    mismatch = total is None or total < counted - ROUNDING_WH
    if total is None:
        total = min(counted, between) if between > 0 else counted
    ended = replace(
        transaction,
        energy_wh=total,
        last_wh=meter_stop_wh,
        suspect_wh=None,
        suspect_last_wh=None,
        meter_stop_wh=meter_stop_wh,
    )
    return Counted(ended, total - counted, rollback=rollback, mismatch=mismatch)


def _beside(transaction: Transaction) -> int:
    """Return the energy in the values that do not fit the register of the start."""
    if transaction.suspect_wh is None or transaction.suspect_last_wh is None:
        return 0
    return transaction.suspect_last_wh - transaction.suspect_wh


def _counted(transaction: Transaction, *, rollback: bool = False) -> Counted:
    total = transaction.last_wh - transaction.meter_start_wh + _beside(transaction)
    added = max(0, total - transaction.energy_wh)
    moved = replace(transaction, energy_wh=transaction.energy_wh + added)
    return Counted(moved, added, rollback=rollback)
