"""Limits as charging profiles of OCPP 2.0.1."""

from ..limits import Limit
from ..profiles import COMPOSITE_S, profile_id, profile_of, schedule_of
from ..schema import Payload


def charging_profile(limit: Limit, reference: str | None = None) -> Payload:
    """Return the payload of SetChargingProfile for a limit.

    `reference` is the station's own id of the limit's transaction, `None` for the fallback.
    """
    profile: Payload = {"id": profile_id(limit)}
    if limit.transaction_id is not None:
        profile["transactionId"] = reference
    schedule = {"id": profile_id(limit)} | schedule_of(limit)
    profile |= profile_of(limit) | {"chargingSchedule": [schedule]}
    return {"evseId": limit.evse, "chargingProfile": profile}


def clearing(profile: int | str) -> Payload:
    """Return the payload of ClearChargingProfile for an id, or for all of a purpose."""
    if isinstance(profile, int):
        return {"chargingProfileId": profile}
    return {"chargingProfileCriteria": {"chargingProfilePurpose": profile}}


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
