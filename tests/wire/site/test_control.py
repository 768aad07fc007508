"""The current limit reaches the station whatever it leaves unsaid."""

from typing import Any

from custom_components.forecourt.core.model.ids import EvseId
from tests.wire.ocpp.peer import Peer, stamp

from .depot import Depot, until


def sample() -> dict[str, Any]:
    """Meter values that do not name their transaction."""
    value = {"value": "1200", "measurand": "Energy.Active.Import.Register", "unit": "Wh"}
    return {"connectorId": 1, "meterValue": [{"timestamp": stamp(), "sampledValue": [value]}]}


def limits(peer: Peer) -> list[tuple[int, float]]:
    """Return the transaction and the amperes of each limit that the station was given."""
    profiles = [call["csChargingProfiles"] for call in peer.calls("SetChargingProfile")]
    return [
        (
            profile["transactionId"],
            profile["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"],
        )
        for profile in profiles
        if profile["chargingProfilePurpose"] == "TxProfile"
    ]


async def test_a_station_that_never_names_its_transaction_is_limited_after_a_restart(
    depot: Depot,
) -> None:
    depot.add("BOX")
    async with Peer(depot.central, "BOX") as peer:
        await peer.ready()
        await peer.start(idTag="04AA0001")
        await until(lambda: limits(peer) == [(1, 16)])
    await depot.restart()
    async with Peer(depot.central, "BOX") as peer:
        await peer.ready()
        await peer.call("MeterValues", sample())
        depot.site.orders.limit(EvseId("BOX", 1), 8)
        await until(lambda: (1, 8) in limits(peer), 10)
