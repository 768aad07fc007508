"""Limits as charging profiles of OCPP 1.6."""

from ..limits import Limit
from ..profiles import COMPOSITE_S, profile_id, profile_of, schedule_of
from ..schema import Payload


def charging_profile(limit: Limit) -> Payload:
    """Return the payload of SetChargingProfile for a limit."""
    profile: Payload = {"chargingProfileId": profile_id(limit)}
    if limit.transaction_id is not None:
        profile["transactionId"] = limit.transaction_id
    profile |= profile_of(limit) | {"chargingSchedule": schedule_of(limit)}
    return {"connectorId": limit.evse, "csChargingProfiles": profile}


def clearing(purpose: str) -> Payload:
    """Return the payload of ClearChargingProfile for all profiles of a purpose."""
    return {"chargingProfilePurpose": purpose}


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
