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
    is_odd, step = _way(transaction, register_wh)
    if not 0 <= step <= MAX_STEP_WH:
        if beside:
            # A dip or jump while the register is odd already.
            return Counted(transaction, 0)
        suspect = replace(transaction, suspect_wh=register_wh, suspect_last_wh=register_wh)
        return Counted(suspect, 0)
    if is_odd:
        last_wh, first_odd, odd = transaction.last_wh, transaction.suspect_wh, register_wh
        beside += step
    else:
        last_wh, first_odd, odd = register_wh, None, None
        beside = 0
    total = last_wh - transaction.meter_start_wh + beside
    added = max(0, total - transaction.energy_wh)
    moved = replace(
        transaction,
        last_wh=last_wh,
        last_at=at,
        energy_wh=transaction.energy_wh + added,
        suspect_wh=first_odd,
        suspect_last_wh=odd,
    )
    return Counted(moved, added, rollback=is_odd and step > 0)


def finish(transaction: Transaction, meter_stop_wh: int) -> Counted:
    """Settle the energy with the register that the station sent at the end.

    Where it belongs to the register of the start, the energy is stop minus
    start, whatever the samples said: that is what others bill by. Where it goes
    on from the odd values (an exchanged meter), these count. Where it is
    neither, the smaller of what was counted and stop minus start stands, and
    the difference is reported.
    """
    counted = transaction.energy_wh
    between = meter_stop_wh - transaction.meter_start_wh
    is_odd, step = _way(transaction, meter_stop_wh)
    fits = -ROUNDING_WH <= step <= MAX_STEP_WH
    if not fits:
        total = min(counted, between) if between > 0 else counted
    elif is_odd:
        main = transaction.last_wh - transaction.meter_start_wh
        total = max(0, main + _beside(transaction) + step)
    else:
        total = max(0, between)
    ended = replace(
        transaction,
        energy_wh=total,
        last_wh=meter_stop_wh,
        suspect_wh=None,
        suspect_last_wh=None,
        meter_stop_wh=meter_stop_wh,
    )
    return Counted(
        ended,
        total - counted,
        rollback=fits and is_odd,
        mismatch=not fits or total < counted - ROUNDING_WH,
    )


def _way(transaction: Transaction, register_wh: int) -> tuple[bool, int]:
    """Return whether a value goes on from the odd values, and how far it is from where it does.

    It goes on from what it is nearer to: the odd ones, or where the register
    of the start would be after the energy that was counted beside it.
    """
    way, odd = register_wh - transaction.last_wh, transaction.suspect_last_wh
    if odd is not None and abs(register_wh - odd) < abs(way - _beside(transaction)):
        return True, register_wh - odd
    return False, way


def _beside(transaction: Transaction) -> int:
    """Return the energy in the values that do not fit the register of the start."""
    if transaction.suspect_wh is None or transaction.suspect_last_wh is None:
        return 0
    return transaction.suspect_last_wh - transaction.suspect_wh
