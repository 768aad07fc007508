"""Limits as charging profiles of OCPP 1.6.

The fallback is a TxDefaultProfile, the limit of a transaction a TxProfile with a
duration: it goes before the TxDefaultProfile and, when it expires, leaves it in force.
"""

from datetime import timedelta

from ..limits import Limit
from ..measured import time_text
from ..schema import Payload

# The number of the EVSE is added. A profile replaces the one with the same id.
FALLBACK_ID = 1
LIMIT_ID = 100

# How far ahead is asked; only the first moment counts.
COMPOSITE_S = 60

# A station whose clock is a little slow would take a schedule of "now" for one of the future.
CLOCK_SLACK = timedelta(seconds=60)


def charging_profile(limit: Limit) -> Payload:
    """Return the payload of SetChargingProfile for a limit."""
    schedule: Payload = {
        "chargingRateUnit": limit.unit.value,
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit.amount}],
    }
    profile: Payload = {"stackLevel": 0, "chargingSchedule": schedule}
    if limit.transaction_id is None:
        profile |= {
            "chargingProfileId": FALLBACK_ID + limit.evse,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Relative",
        }
    else:
        profile |= {
            "chargingProfileId": LIMIT_ID + limit.evse,
            "transactionId": limit.transaction_id,
            "chargingProfilePurpose": "TxProfile",
        }
        if limit.began_at is None:
            profile["chargingProfileKind"] = "Absolute"
            schedule |= {
                "startSchedule": time_text(limit.at - CLOCK_SLACK),
                "duration": int((limit.duration + CLOCK_SLACK).total_seconds()),
            }
        else:
            # It counts from the start of the transaction, so each renewal lasts longer.
            profile["chargingProfileKind"] = "Relative"
            lasts = limit.at - limit.began_at + limit.duration
            schedule["duration"] = int(lasts.total_seconds())
    return {"connectorId": limit.evse, "csChargingProfiles": profile}


def composite_payload(limit: Limit) -> Payload:
    """Return the payload of GetCompositeSchedule that asks what is in force now."""
    return {
        "connectorId": limit.evse,
        "duration": COMPOSITE_S,
        "chargingRateUnit": limit.unit.value,
    }


def composite_amount(limit: Limit, answer: Payload) -> float | None:
    """Return the first limit of a composite schedule in the unit of `limit`, `None` if untold.

    A station on which no profile speaks may answer -1.
    """
    schedule = answer.get("chargingSchedule", {})
    periods = schedule.get("chargingSchedulePeriod", ())
    if not periods or schedule.get("chargingRateUnit") != limit.unit.value:
        return None
    amount = float(periods[0]["limit"])
    return amount if amount >= 0 else None


def fallback_ids(evses: int) -> range:
    """Return the ids that the fallback may have been written with."""
    return range(FALLBACK_ID, FALLBACK_ID + evses + 1)
