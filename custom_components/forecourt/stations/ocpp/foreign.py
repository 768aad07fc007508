"""Charging profiles that a former central system left in a station.

One of a higher stack level goes before ours, so they are cleared before the first fallback
is written: once per firmware, since it is written to flash memory. The ChargePointMaxProfile
(2.x: ChargingStationMaxProfile) stays: it protects the installation.
"""

from collections.abc import Awaitable, Callable
from functools import partial

from .settling import MAX_TRIES, tell_once
from .station import OcppStation

ACTION = "ClearChargingProfile"
PURPOSES = ("TxProfile", "TxDefaultProfile")


async def clear_foreign(station: OcppStation, clear: Callable[[str], Awaitable[str]]) -> None:
    """Have the station clear all profiles of a purpose, ours too, if that was never done.

    `clear` sends it and returns the status. Raises `StationError` where the station is gone
    or deaf.
    """
    limiter, tries = station.limiter, station.tries
    if limiter.fallback_current_a is None:
        return
    if all(tries[ACTION, purpose] >= MAX_TRIES for purpose in PURPOSES):
        return
    if not station.learned.may_write_fallback(limiter.now()):
        # Ours could not be written again today.
        return
    try:
        for purpose in PURPOSES:
            await tell_once(tries, ACTION, purpose, partial(clear, purpose))
    finally:
        await limiter.doubt()
