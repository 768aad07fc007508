"""Counts the energy of a transaction from a register that may misbehave.

Registers of real stations dip to zero for a sample, restart with each
transaction while start and stop carry the lifetime value, or belong to a meter
that was exchanged. Counting never goes backwards and never invents energy.
"""

from dataclasses import dataclass, replace

from ..model.session import Transaction

ROUNDING_WH = 10
"""How far a stop register may lie below the counted energy: stations round samples."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A transaction after a register value: the energy that came with it, and what was odd."""

    transaction: Transaction
    added_wh: int
    rollback: bool = False
    mismatch: bool = False


def count(transaction: Transaction, register_wh: int) -> Counted:
    """Take a register value of a running transaction into account.

    A value below the last one is held back as a suspect. When the register
    returns above the last value, the suspect was a glitch; when it goes on
    rising from the suspect, a new segment began there.
    """
    last, suspect = transaction.last_wh, transaction.suspect_wh
    if register_wh >= last:
        return _advance(transaction, register_wh, register_wh - last)
    if suspect is not None and register_wh > suspect:
        return _advance(transaction, register_wh, register_wh - suspect, rollback=True)
    return Counted(replace(transaction, suspect_wh=register_wh), 0)


def finish(transaction: Transaction, meter_stop_wh: int) -> Counted:
    """Settle the energy with the register that the station sent at the end.

    Two sums can be right: stop minus start (the usual case, and the register
    is lifetime there even where samples are not), or what was counted plus
    the way from the last sample (an exchanged meter). The smaller one that
    does not lie below what was counted wins; if neither does, the counted
    energy stands and the difference is reported.
    """
    counted = transaction.energy_wh
    candidates = (
        meter_stop_wh - transaction.meter_start_wh,
        counted + meter_stop_wh - transaction.last_wh,
    )
    plausible = [total for total in candidates if total >= counted - ROUNDING_WH]
    total = max(0, min(plausible, default=counted))
    ended = replace(
        transaction,
        energy_wh=total,
        last_wh=meter_stop_wh,
        suspect_wh=None,
        meter_stop_wh=meter_stop_wh,
    )
    return Counted(ended, total - counted, mismatch=not plausible)


def _advance(
    transaction: Transaction, register_wh: int, added_wh: int, *, rollback: bool = False
) -> Counted:
    moved = replace(
        transaction,
        last_wh=register_wh,
        suspect_wh=None,
        energy_wh=transaction.energy_wh + added_wh,
    )
    return Counted(moved, added_wh, rollback=rollback)
