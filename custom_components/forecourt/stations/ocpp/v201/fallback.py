"""Asks a station of OCPP 2.x whether it has its fallback (GetChargingProfiles, part 2, K09)."""

import secrets

from ..learned import RateUnit
from ..limits import VOLTS
from ..profiles import FALLBACK_ID, fallback_ids
from ..reports import call_with_reports
from ..schema import Payload
from ..station import OcppStation

PURPOSE = "TxDefaultProfile"
# Stations round.
TOLERANCE = 0.02


async def default_profiles(station: OcppStation, patience_s: float) -> list[Payload] | None:
    """Return the ChargingProfiles that each transaction begins with, `None` if untold.

    Raises `StationError`.
    """
    payload = {
        "requestId": secrets.randbelow(2**31),
        "chargingProfile": {"chargingProfilePurpose": PURPOSE},
    }
    told = await call_with_reports(station, "GetChargingProfiles", payload, patience_s=patience_s)
    if told.answer["status"] == "NoProfiles":
        return []
    if not told.complete:
        return None
    return [
        profile
        for report in told.reports or ()
        for profile in report["chargingProfile"]
        if profile["chargingProfilePurpose"] == PURPOSE
    ]


def lost(profiles: list[Payload], current_a: int, unit: RateUnit | None, evses: int) -> str:
    """Return in words how the fallback is not what was written, "" where it is.

    `unit` is what it was written in: a station that tells it in another one computed it.
    """
    ids = fallback_ids(evses)
    ours = {one["id"]: one for one in profiles if one["id"] in ids}
    # It is for the station as a whole or, where that was refused, for each EVSE.
    if FALLBACK_ID not in ours and not set(ids[1:]) <= set(ours):
        return "it is not there"
    for one in ours.values():
        schedule = one["chargingSchedule"][0]
        amount = current_a * (VOLTS if unit is RateUnit.WATT else 1)
        told = schedule["chargingSchedulePeriod"][0].get("limit")
        if told is None or schedule["chargingRateUnit"] != unit:
            continue
        if abs(told - amount) > amount * TOLERANCE:
            return f"{told:g} instead of {amount} {unit}"
    return ""


def foreign(profiles: list[Payload], evses: int) -> list[int]:
    """Return the ids of those that somebody else wrote."""
    return sorted(one["id"] for one in profiles if one["id"] not in fallback_ids(evses))
