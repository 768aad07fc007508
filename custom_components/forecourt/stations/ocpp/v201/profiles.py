"""Limits as charging profiles of OCPP 2.0.1.

The fallback is a TxDefaultProfile, the limit of a transaction a TxProfile with a
duration: it goes before the TxDefaultProfile and, when it expires, leaves it in force
(part 2, K01).
"""

from datetime import timedelta

from ..limits import Limit
from ..measured import time_text
from ..schema import Payload

# The number of the EVSE is added. A profile replaces the one with the same id (K01.FR.05).
FALLBACK_ID = 1
LIMIT_ID = 100

# How far ahead is asked; only the first moment counts.
COMPOSITE_S = 60

# A station whose clock is a little slow would take a schedule of "now" for one of the future.
CLOCK_SLACK = timedelta(seconds=60)


def charging_profile(limit: Limit, reference: str | None = None) -> Payload:
    """Return the payload of SetChargingProfile for a limit.

    `reference` is the station's own id of the limit's transaction, `None` for the fallback.
    """
    schedule: Payload = {
        "chargingRateUnit": limit.unit.value,
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit.amount}],
    }
    profile: Payload = {"stackLevel": 0, "chargingSchedule": [schedule]}
    if limit.transaction_id is None:
        profile |= {
            "id": FALLBACK_ID + limit.evse,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Relative",
        }
    else:
        profile |= {
            "id": LIMIT_ID + limit.evse,
            "transactionId": reference,
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
    schedule["id"] = profile["id"]
    return {"evseId": limit.evse, "chargingProfile": profile}


def clearing(profile_id: int) -> Payload:
    """Return the payload of ClearChargingProfile."""
    return {"chargingProfileId": profile_id}


def fallback_ids(evses: int) -> range:
    """Return the ids that the fallback may have been written with."""
    return range(FALLBACK_ID, FALLBACK_ID + evses + 1)


def composite_payload(limit: Limit) -> Payload:
    """Return the payload of GetCompositeSchedule that asks what is in force now."""
    return {
        "evseId": limit.evse,
        "duration": COMPOSITE_S,
        "chargingRateUnit": limit.unit.value,
    }


def composite_amount(limit: Limit, answer: Payload) -> float | None:
    """Return the first limit of a composite schedule in the unit of `limit`, `None` if untold.

    A station on which no profile speaks may answer -1, one of OCPP 2.1 leave the limit out.
    """
    schedule = answer.get("schedule", {})
    if answer["status"] != "Accepted" or schedule.get("chargingRateUnit") != limit.unit.value:
        return None
    amount = schedule["chargingSchedulePeriod"][0].get("limit")
    return None if amount is None or amount < 0 else float(amount)
