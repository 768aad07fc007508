"""What somebody changes at a station by hand is not believed to be as it was."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.setpoint import LimitReason, Setpoint
from custom_components.forecourt.core.model.token import Token, TokenKind
from custom_components.forecourt.stations.base import StationError
from custom_components.forecourt.stations.ocpp import CentralSystem, OcppStation
from simulator import Clock, Config201, Ocpp16Station, Ocpp201Station, StationConfig

from .conftest import QUICK, MakeCentral
from .peer import Payload, Peer, Watch
from .test_local_list import ANNAS, BENS, Flash

EVSE = EvseId("SIM-1", 1)
FAST: dict[str, Any] = {"tick_s": 0.02, "reconnect_s": 0.05, "call_timeout_s": 2}
PROFILE = {
    "connectorId": 0,
    "csChargingProfiles": {
        "chargingProfileId": 9,
        "stackLevel": 3,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": {
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 32}],
        },
    },
}


@pytest.fixture
async def central(make_central: MakeCentral) -> CentralSystem:
    return await make_central(replace(QUICK, pong_s=1), fallback_current_a=6)


@pytest.fixture
def limited(central: CentralSystem) -> OcppStation:
    return central.add_station("SIM-1")


@pytest.fixture(params=["1.6", "2.0.1", "2.1"])
async def box(
    central: CentralSystem, limited: OcppStation, request: pytest.FixtureRequest
) -> AsyncIterator[Ocpp16Station | Ocpp201Station]:
    """Return a simulated station at which a car charges."""
    url, clock = f"ws://127.0.0.1:{central.port}", Clock(speed=60)
    box: Ocpp16Station | Ocpp201Station
    if request.param == "1.6":
        box = Ocpp16Station(StationConfig("SIM-1", **FAST), url, clock=clock)
    else:
        box = Ocpp201Station(Config201("SIM-1", version=request.param, **FAST), url, clock=clock)
    async with box:
        await limited.ready()
        await box.plug(1, "family", soc=0.2)
        await limited.start(EVSE, Token("ABC", TokenKind.CENTRAL))
        await box.wait_for(lambda _: limited.transactions)
        yield box


async def test_limits_that_somebody_cleared_are_there_again_with_the_next_turn(
    limited: OcppStation, box: Ocpp16Station | Ocpp201Station, now: Watch
) -> None:
    def order() -> Setpoint:
        return Setpoint(
            evse=EVSE,
            current_a=10,
            valid_until=now() + timedelta(seconds=300),
            reason=LimitReason.MAIN_FUSE,
        )

    await limited.apply(order())
    await box.wait_for(lambda _: limited.composite.found)
    assert len(box.profiles.installed) == 2
    all_of_them: Payload = {}
    if isinstance(box, Ocpp201Station):
        all_of_them = {"chargingProfileCriteria": {"stackLevel": 0}}
    assert await limited.call("ClearChargingProfile", all_of_them) == {"status": "Accepted"}
    assert not box.profiles.installed
    assert limited.fallback_current_a is None
    assert not limited.composite.found
    await limited.apply(order())
    assert len(box.profiles.installed) == 2
    assert limited.fallback_current_a == 6


# With a station that is told what to answer


@pytest.fixture
def station(central: CentralSystem) -> OcppStation:
    return central.add_station("CP1")


@pytest.fixture
async def peer(central: CentralSystem, station: OcppStation) -> AsyncIterator[Peer]:
    async with Peer(central, "CP1") as peer:
        yield await peer.ready()


@pytest.mark.parametrize(
    ("answer", "is_doubted"),
    [
        ({"status": "Accepted"}, True),
        ({"status": "Rejected"}, False),
        ("InternalError", False),
        # It may have arrived.
        (None, True),
    ],
)
async def test_the_fallback_is_in_doubt_unless_nothing_was_done(
    station: OcppStation, peer: Peer, answer: Any, *, is_doubted: bool
) -> None:
    assert station.fallback_current_a == 6
    peer.answers["SetChargingProfile"] = answer
    peer.impatient()
    try:
        await station.call("SetChargingProfile", PROFILE)
    except StationError:
        assert not isinstance(answer, dict)
    assert (station.fallback_current_a is None) is is_doubted


async def test_a_list_that_somebody_wrote_is_written_anew(station: OcppStation, peer: Peer) -> None:
    flash = Flash(peer)
    await station.hold_tokens([ANNAS])
    version = flash.version
    theirs = [{"idTag": "04FF", "idTagInfo": {"status": "Accepted"}}]
    # By a version that tells nothing.
    flash.version = 0
    payload = {"listVersion": version, "localAuthorizationList": theirs, "updateType": "Full"}
    assert await station.call("SendLocalList", payload) == {"status": "Accepted"}
    await station.hold_tokens([ANNAS, BENS])
    assert set(flash.entries) == {"04AA", "04BB"}
    assert flash.writes[-1]["updateType"] == "Full"


async def test_a_setting_that_somebody_changed_is_not_shown_as_it_was(
    central: CentralSystem, station: OcppStation, peer: Peer
) -> None:
    assert station.settings["MeterValueSampleInterval"] == "10"
    payload = {"key": "MeterValueSampleInterval", "value": "60"}
    assert await station.call("ChangeConfiguration", payload) == {"status": "Accepted"}
    assert station.settings == {}


async def test_a_restart_by_hand_loses_what_is_not_kept(
    station: OcppStation, peer: Peer, now: Watch
) -> None:
    await peer.start()
    order = Setpoint(
        evse=EvseId("CP1", 1),
        current_a=10,
        valid_until=now() + timedelta(seconds=300),
        reason=LimitReason.MAIN_FUSE,
    )
    await station.apply(order)
    peer.asked.clear()
    await station.apply(order)
    assert not peer.calls("SetChargingProfile")
    await station.call("Reset", {"type": "Soft"})
    await station.apply(order)
    assert len(peer.calls("SetChargingProfile")) == 1
    assert station.fallback_current_a == 6
