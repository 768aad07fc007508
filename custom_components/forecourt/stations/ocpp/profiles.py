"""Limits as charging profiles, as far as all versions of OCPP have them alike.

The fallback is a TxDefaultProfile, the limit of a transaction a TxProfile with a
duration: it goes before the TxDefaultProfile and, when it expires, leaves it in force
(OCPP 1.6 §3.13; OCPP 2.0.1 part 2, K01).
"""

from datetime import timedelta

from .limits import Limit
from .measured import time_text
from .schema import Payload

# The number of the EVSE is added. A profile replaces the one with the same id.
FALLBACK_ID = 1
LIMIT_ID = 100

# How far ahead is asked what is in force; only the first moment counts.
COMPOSITE_S = 60

# A station whose clock is a little slow would take a schedule of "now" for one of the future.
CLOCK_SLACK = timedelta(seconds=60)


def profile_id(limit: Limit) -> int:
    """Return the id of the profile of a limit."""
    return (FALLBACK_ID if limit.transaction_id is None else LIMIT_ID) + limit.evse


def fallback_ids(evses: int) -> range:
    """Return the ids that the fallback may have been written with."""
    return range(FALLBACK_ID, FALLBACK_ID + evses + 1)


def profile_of(limit: Limit) -> Payload:
    """Return what a ChargingProfile has beside its id, its transaction and its schedule."""
    is_fallback = limit.transaction_id is None
    # One that is relative counts from the start of the transaction.
    is_absolute = not is_fallback and limit.began_at is None
    return {
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile" if is_fallback else "TxProfile",
        "chargingProfileKind": "Absolute" if is_absolute else "Relative",
    }


def schedule_of(limit: Limit) -> Payload:
    """Return the ChargingSchedule of a limit."""
    period: Payload = {"startPeriod": 0, "limit": limit.amount}
    if limit.phases is not None:
        period["numberPhases"] = limit.phases
    schedule: Payload = {
        "chargingRateUnit": limit.unit.value,
        "chargingSchedulePeriod": [period],
    }
    if limit.transaction_id is None:
        return schedule
    if limit.began_at is not None:
        # Each renewal lasts longer.
        lasts = limit.at - limit.began_at + limit.duration
        return schedule | {"duration": int(lasts.total_seconds())}
    return schedule | {
        "startSchedule": time_text(limit.at - CLOCK_SLACK),
        "duration": int((limit.duration + CLOCK_SLACK).total_seconds()),
    }
