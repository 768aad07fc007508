"""A station that charges, and the profiles that it is sent."""

from typing import Any

from simulator import Ocpp16Station

from .conftest import Dial
from .server import Server

ACCEPTED, REJECTED = {"status": "Accepted"}, {"status": "Rejected"}
STARTED = "04AA"


async def charging(dial: Dial, **options: Any) -> Ocpp16Station:
    """Return a station with a transaction that the server knows as 7001."""
    station: Ocpp16Station = await dial(**options)
    await station.plug(1, "family")
    await station.tap(STARTED)
    await station.wait_for(lambda s: not len(s.outbox))
    return station


def profile(
    purpose: str = "TxProfile", limit: float = 10, number: int = 1, **schedule: Any
) -> dict[str, Any]:
    return {
        "chargingProfileId": number,
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute",
        "chargingSchedule": {
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
            **schedule,
        },
    }


async def set_profile(server: Server, connector: int, one: dict[str, Any]) -> str:
    payload = {"connectorId": connector, "csChargingProfiles": one}
    answer = await server.call("SetChargingProfile", payload)
    return str(answer["status"])
