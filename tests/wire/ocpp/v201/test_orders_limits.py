"""The current of a station of OCPP 2.0.1, on the wire and back."""

from datetime import timedelta
from typing import Any

import pytest

from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.setpoint import LimitReason, Setpoint
from custom_components.forecourt.stations.base import Failure, StationError
from custom_components.forecourt.stations.ocpp import CentralSystem, OcppStation
from tests.wire.ocpp.conftest import MakeCentral
from tests.wire.ocpp.peer import Watch

from .peer import CARD, Books, Peer201, meter

EVSE = EvseId("CP1", 1)


def setpoint(now: Watch, current_a: int, evse: int = 1) -> Setpoint:
    return Setpoint(
        evse=EvseId("CP1", evse),
        current_a=current_a,
        valid_until=now() + timedelta(seconds=300),
        reason=LimitReason.MAIN_FUSE,
    )


def profiles(peer: Peer201) -> list[tuple[int, str, int, str]]:
    found = []
    for payload in peer.calls("SetChargingProfile"):
        profile = payload["chargingProfile"]
        (schedule,) = profile["chargingSchedule"]
        limit = schedule["chargingSchedulePeriod"][0]["limit"]
        found.append(
            (
                payload["evseId"],
                profile["chargingProfilePurpose"],
                limit,
                schedule["chargingRateUnit"],
            )
        )
    return found


async def charge(peer: Peer201) -> None:
    await peer.event("Started", idToken=CARD, meterValue=meter(1000))


async def test_without_a_transaction_nothing_is_sent(
    station: OcppStation, peer: Peer201, now: Watch
) -> None:
    await station.apply(setpoint(now, 10))
    assert not peer.asked


async def test_a_setpoint_is_a_profile_of_the_transaction_that_runs(
    station: OcppStation, peer: Peer201, now: Watch
) -> None:
    await charge(peer)
    await station.apply(setpoint(now, 10))
    await station.apply(setpoint(now, 10))
    assert profiles(peer) == [(1, "TxProfile", 10, "A")]
    told = peer.calls("SetChargingProfile")[0]["chargingProfile"]
    assert told["transactionId"] == "T1"
    now.ahead = timedelta(seconds=151)
    await station.apply(setpoint(now, 10))
    assert len(profiles(peer)) == 2
    # A restart of the station loses it.
    await peer.boot()
    await station.apply(setpoint(now, 10))
    assert len(profiles(peer)) == 3


async def test_the_name_may_come_from_the_ledger(
    station: OcppStation, peer: Peer201, now: Watch, site: Books
) -> None:
    station.transactions[1] = 9
    with pytest.raises(StationError):
        await station.apply(setpoint(now, 10))
    assert not peer.asked
    site.references["T9"] = 9
    now.ahead = timedelta(minutes=6)
    await station.apply(setpoint(now, 10))
    assert peer.calls("SetChargingProfile")[0]["chargingProfile"]["transactionId"] == "T9"


async def test_a_station_for_watts_is_learned_over_the_wire(
    station: OcppStation, peer: Peer201, now: Watch
) -> None:
    def watts_only(payload: Any) -> Any:
        unit = payload["chargingProfile"]["chargingSchedule"][0]["chargingRateUnit"]
        return {"status": "Accepted" if unit == "W" else "Rejected"}

    peer.answers["SetChargingProfile"] = watts_only
    await charge(peer)
    await station.apply(setpoint(now, 10))
    await station.apply(setpoint(now, 0))
    units = [unit for *_, unit in profiles(peer)]
    assert units[0] == "A"
    assert units[-2:] == ["W", "W"]
    assert profiles(peer)[-1] == (1, "TxProfile", 0, "W")


async def test_a_station_without_profiles_is_not_hammered(
    station: OcppStation, peer: Peer201, now: Watch
) -> None:
    peer.answers["SetChargingProfile"] = "NotImplemented"
    await charge(peer)
    with pytest.raises(StationError):
        await station.apply(setpoint(now, 10))
    asked = len(peer.asked)
    for _ in range(3):
        with pytest.raises(StationError) as caught:
            await station.apply(setpoint(now, 10))
        assert caught.value.failure is Failure.NOT_SUPPORTED
    assert len(peer.asked) == asked


@pytest.mark.parametrize(("limit", "noted"), [(16, 1), (10, 0), (-1, 0)])
async def test_a_limit_that_is_not_in_force_is_noted(
    station: OcppStation, peer: Peer201, now: Watch, limit: int, noted: int
) -> None:
    def composite(payload: Any) -> Any:
        return {
            "status": "Accepted",
            "schedule": {
                "evseId": payload["evseId"],
                "duration": payload["duration"],
                "scheduleStart": "2026-05-01T12:00:00Z",
                "chargingRateUnit": payload["chargingRateUnit"],
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit}],
            },
        }

    peer.answers["GetCompositeSchedule"] = composite
    await charge(peer)
    await station.apply(setpoint(now, 10))
    await peer.until(lambda: station.composite.found)
    assert peer.calls("GetCompositeSchedule") == [
        {"evseId": 1, "duration": 60, "chargingRateUnit": "A"}
    ]
    assert station.notes["composite schedule higher than ordered"] == noted
    if noted:
        # Without a meter that tells, its word is all there is.
        with pytest.raises(StationError, match="more is in force"):
            await station.apply(setpoint(now, 10))
    else:
        await station.apply(setpoint(now, 10))


async def test_the_fallback_is_written_when_the_station_connects(
    make_central: MakeCentral,
) -> None:
    central = await make_central(fallback_current_a=6)
    central.add_station("CP1")
    async with Peer201(central) as peer:
        await peer.boot()
        await peer.set_up()
        assert profiles(peer) == [(0, "TxDefaultProfile", 6, "A")]
    async with Peer201(central) as peer:
        await peer.ready()
        assert not profiles(peer)
        await central.remove_station("CP1")
        assert peer.calls("ClearChargingProfile") == [
            {"chargingProfileId": 1},
            {"chargingProfileId": 2},
        ]


async def test_where_the_station_as_a_whole_takes_none_each_outlet_does(
    make_central: MakeCentral,
) -> None:
    central = await make_central(fallback_current_a=6)
    station = central.add_station("CP1", evses=2)
    async with Peer201(central) as peer:
        peer.answers["SetChargingProfile"] = lambda payload: {
            "status": "Accepted" if payload["evseId"] else "Rejected"
        }
        await peer.boot()
        await peer.set_up()
        assert [told[:3] for told in profiles(peer) if told[0]] == [
            (1, "TxDefaultProfile", 6),
            (2, "TxDefaultProfile", 6),
        ]
        assert station.learned.fallback_written == 6


async def test_a_fallback_that_is_refused_does_not_spoil_the_setpoint(
    make_central: MakeCentral, now: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    central: CentralSystem = await make_central(fallback_current_a=6)
    station = central.add_station("CP1")

    def only_transactions(payload: Any) -> Any:
        purpose = payload["chargingProfile"]["chargingProfilePurpose"]
        return {"status": "Accepted" if purpose == "TxProfile" else "Rejected"}

    async with Peer201(central) as peer:
        peer.answers["SetChargingProfile"] = only_transactions
        await peer.ready()
        await charge(peer)
        await station.apply(setpoint(now, 10))
        assert profiles(peer)[-1] == (1, "TxProfile", 10, "A")
        assert caplog.text.count("Could not set the fallback current") == 1
        peer.answers["ClearChargingProfile"] = "NotSupported"
        station.learned.fallback_written = 6
        await central.remove_station("CP1")
        assert len(peer.calls("ClearChargingProfile")) == 1
