"""What the site wants of a station, on the wire and back."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
import logging
from typing import Any

import pytest

from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.setpoint import LimitReason, Setpoint
from custom_components.forecourt.core.model.token import Token
from custom_components.forecourt.stations.base import (
    CanForgetTokens,
    CanHoldTokens,
    CanRefresh,
    CanReserve,
    CanReset,
    CanSetAvailability,
    CanStart,
    CanStop,
    CanTest,
    CanUnlock,
    Failure,
    Station,
    StationError,
    supports,
)
from custom_components.forecourt.stations.ocpp import CentralSystem, OcppStation
from custom_components.forecourt.stations.ocpp.foreign import ACTION, PURPOSES
from custom_components.forecourt.stations.ocpp.learned import Learned
from custom_components.forecourt.stations.ocpp.settling import MAX_TRIES
from custom_components.forecourt.stations.ocpp.station import CAPABILITIES

from .conftest import QUICK, MakeCentral
from .peer import Peer, Site, Watch

EVSE = EvseId("CP1", 1)
TAG = Token("04AABBCCDD")


@pytest.fixture
async def peer(central: CentralSystem, station: OcppStation) -> Any:
    async with Peer(central, "CP1") as peer:
        yield await peer.ready()


ORDERS: dict[type, tuple[Callable[[OcppStation], Awaitable[None]], str]] = {
    CanStart: (lambda s: s.start(EVSE, TAG), "RemoteStartTransaction"),
    CanStop: (lambda s: s.stop(7), "RemoteStopTransaction"),
    CanUnlock: (lambda s: s.unlock(EVSE), "UnlockConnector"),
    CanReset: (lambda s: s.reset(), "Reset"),
    CanSetAvailability: (lambda s: s.set_available(EVSE, available=False), "ChangeAvailability"),
    CanRefresh: (lambda s: s.refresh(EVSE), "TriggerMessage"),
}


def test_it_is_a_station_that_can_all_of_it(station: OcppStation) -> None:
    assert isinstance(station, Station)
    assert {*ORDERS, CanForgetTokens, CanHoldTokens, CanReserve, CanTest} == CAPABILITIES
    for capability in CAPABILITIES:
        assert supports(station, capability)
    assert not supports(station, int)


@pytest.mark.parametrize(
    ("capability", "payload", "answer"),
    [
        (CanStart, {"connectorId": 1, "idTag": "04AABBCCDD"}, "Accepted"),
        (CanStop, {"transactionId": 7}, "Accepted"),
        (CanUnlock, {"connectorId": 1}, "Unlocked"),
        (CanReset, {"type": "Soft"}, "Accepted"),
        (CanSetAvailability, {"connectorId": 1, "type": "Inoperative"}, "Accepted"),
        (CanSetAvailability, {"connectorId": 1, "type": "Inoperative"}, "Scheduled"),
    ],
)
async def test_an_order_goes_out_as_its_message(
    station: OcppStation, peer: Peer, capability: type, payload: Any, answer: str
) -> None:
    order, action = ORDERS[capability]
    peer.answers[action] = {"status": answer}
    await order(station)
    assert peer.calls(action) == [payload]


async def test_an_outlet_can_be_opened_again(station: OcppStation, peer: Peer) -> None:
    await station.set_available(EVSE, available=True)
    assert peer.calls("ChangeAvailability") == [{"connectorId": 1, "type": "Operative"}]


async def test_a_refresh_asks_for_status_and_values(station: OcppStation, peer: Peer) -> None:
    peer.asked.clear()
    await station.refresh(EVSE)
    assert peer.calls("TriggerMessage") == [
        {"requestedMessage": "StatusNotification", "connectorId": 1},
        {"requestedMessage": "MeterValues", "connectorId": 1},
    ]


async def test_some_stations_tell_their_status_but_no_values(
    station: OcppStation, peer: Peer
) -> None:
    def status_only(payload: Any) -> Any:
        known = payload["requestedMessage"] == "StatusNotification"
        return {"status": "Accepted" if known else "NotImplemented"}

    peer.answers["TriggerMessage"] = status_only
    await station.refresh(EVSE)
    assert supports(station, CanRefresh)
    peer.answers["TriggerMessage"] = lambda p: status_only(p) if "Status" in str(p) else "Busy"
    with pytest.raises(StationError):
        await station.refresh(EVSE)
    peer.answers["TriggerMessage"] = {"status": "NotImplemented"}
    with pytest.raises(StationError) as caught:
        await station.refresh(EVSE)
    assert caught.value.failure is Failure.NOT_SUPPORTED
    assert not supports(station, CanRefresh)


@pytest.mark.parametrize("capability", ORDERS)
async def test_a_refusal_has_the_words_of_the_station(
    station: OcppStation, peer: Peer, capability: type
) -> None:
    order, action = ORDERS[capability]
    word = "UnlockFailed" if capability is CanUnlock else "Rejected"
    peer.answers[action] = {"status": word}
    with pytest.raises(StationError) as caught:
        await order(station)
    assert (caught.value.failure, caught.value.detail) == (Failure.REFUSED, word)
    assert supports(station, capability)


@pytest.mark.parametrize("capability", ORDERS)
@pytest.mark.parametrize("code", ["NotImplemented", "NotSupported"])
async def test_what_a_station_does_not_know_is_not_supported(
    station: OcppStation, peer: Peer, capability: type, code: str
) -> None:
    order, action = ORDERS[capability]
    peer.answers[action] = code
    with pytest.raises(StationError) as caught:
        await order(station)
    assert caught.value.failure is Failure.NOT_SUPPORTED
    assert not supports(station, capability)
    # Another firmware may.
    await peer.boot(firmwareVersion="1")
    assert not supports(station, capability)
    await peer.boot(firmwareVersion="2")
    assert supports(station, capability)


async def test_a_fixed_cable_has_no_lock(station: OcppStation, peer: Peer) -> None:
    peer.answers["UnlockConnector"] = {"status": "NotSupported"}
    with pytest.raises(StationError) as caught:
        await station.unlock(EVSE)
    assert caught.value.failure is Failure.NOT_SUPPORTED
    assert not supports(station, CanUnlock)


@pytest.mark.parametrize("capability", ORDERS)
async def test_a_deaf_station_times_out(station: OcppStation, peer: Peer, capability: type) -> None:
    order, action = ORDERS[capability]
    peer.impatient()
    peer.answers[action] = None
    with pytest.raises(StationError) as caught:
        await order(station)
    assert caught.value.failure is Failure.TIMEOUT
    assert supports(station, capability)


@pytest.mark.parametrize("capability", ORDERS)
async def test_a_station_that_is_away_is_offline(station: OcppStation, capability: type) -> None:
    with pytest.raises(StationError) as caught:
        await ORDERS[capability][0](station)
    assert caught.value.failure is Failure.OFFLINE


async def test_a_reset_may_just_end_the_connection(station: OcppStation, peer: Peer) -> None:
    peer.answers["Reset"] = lambda _: peer.ws._conn.transport.abort()  # type: ignore[union-attr]
    await station.reset()
    assert not station.online


async def test_a_tag_that_no_station_could_take_is_not_sent(
    station: OcppStation, peer: Peer
) -> None:
    with pytest.raises(StationError) as caught:
        await station.start(EVSE, Token("F" * 21))
    assert caught.value.failure is Failure.REFUSED
    assert "FFF" not in str(caught.value)
    assert not peer.calls("RemoteStartTransaction")


# The current


def setpoint(now: Watch, current_a: int) -> Setpoint:
    return Setpoint(
        evse=EVSE,
        current_a=current_a,
        valid_until=now() + timedelta(seconds=300),
        reason=LimitReason.MAIN_FUSE,
    )


def profiles(peer: Peer) -> list[tuple[str, int, str]]:
    found = []
    for payload in peer.calls("SetChargingProfile"):
        profile = payload["csChargingProfiles"]
        schedule = profile["chargingSchedule"]
        limit = schedule["chargingSchedulePeriod"][0]["limit"]
        found.append((profile["chargingProfilePurpose"], limit, schedule["chargingRateUnit"]))
    return found


async def test_without_a_transaction_nothing_is_sent(
    station: OcppStation, peer: Peer, now: Watch
) -> None:
    await station.apply(setpoint(now, 10))
    assert not profiles(peer)


async def test_a_setpoint_is_a_profile_of_the_transaction_that_runs(
    station: OcppStation, peer: Peer, now: Watch
) -> None:
    await peer.start()
    await station.apply(setpoint(now, 10))
    await station.apply(setpoint(now, 10))
    assert profiles(peer) == [("TxProfile", 10, "A")]
    now.ahead = timedelta(seconds=151)
    await station.apply(setpoint(now, 10))
    assert len(profiles(peer)) == 2
    # A restart of the station loses it.
    await peer.boot()
    await station.apply(setpoint(now, 10))
    assert len(profiles(peer)) == 3


async def test_a_new_connection_alone_changes_nothing(
    central: CentralSystem, station: OcppStation, now: Watch
) -> None:
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        await peer.start()
        await station.apply(setpoint(now, 10))
    async with Peer(central, "CP1") as peer:
        await peer.call("Heartbeat")
        await station.apply(setpoint(now, 10))
        assert not profiles(peer)


async def test_a_station_for_watts_is_learned_over_the_wire(
    station: OcppStation, peer: Peer, now: Watch
) -> None:
    def watts_only(payload: Any) -> Any:
        unit = payload["csChargingProfiles"]["chargingSchedule"]["chargingRateUnit"]
        return {"status": "Accepted"} if unit == "W" else "PropertyConstraintViolation"

    peer.answers["SetChargingProfile"] = watts_only
    await peer.start()
    await station.apply(setpoint(now, 10))
    await station.apply(setpoint(now, 0))
    assert [limit[1:] for limit in profiles(peer)] == [(10, "A"), (4140, "W"), (0, "W")]


async def test_a_station_without_profiles_is_not_hammered(
    station: OcppStation, peer: Peer, now: Watch
) -> None:
    peer.answers["SetChargingProfile"] = "NotImplemented"
    await peer.start()
    for _ in range(3):
        with pytest.raises(StationError) as caught:
            await station.apply(setpoint(now, 10))
        assert caught.value.failure is Failure.NOT_SUPPORTED
    assert len(profiles(peer)) == 2


async def test_the_fallback_is_written_when_the_station_connects(
    make_central: MakeCentral,
) -> None:
    written: list[tuple[str, int]] = []

    def learned(identity: str, data: dict[str, Any]) -> None:
        if data["fallback_written"] is not None and not written:
            written.append((identity, data["fallback_written"]))

    central = await make_central(fallback_current_a=6, on_learned=learned)
    central.add_station("CP1")
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        await peer.until(lambda: written)
        assert written == [("CP1", 6)]
        assert profiles(peer) == [("TxDefaultProfile", 6, "A")]
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        assert not profiles(peer)
        await central.remove_station("CP1")
        assert peer.calls("ClearChargingProfile") == [{"id": 1}, {"id": 2}]


async def test_a_fallback_that_was_written_before_a_restart_stays(
    make_central: MakeCentral, now: Watch
) -> None:
    central = await make_central(fallback_current_a=6)
    learned = Learned(fallback_written=8, fallback_writes=deque([now()]))
    learned.tries.update({(ACTION, purpose): MAX_TRIES for purpose in PURPOSES})
    station = central.add_station("CP1", fallback_current_a=8, learned=learned.as_dict())
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        assert not profiles(peer)
        # It follows the settings, with the next setpoint at the latest.
        central.add_station("CP1", fallback_current_a=10)
        await station.apply(setpoint(now, 10))
        assert profiles(peer) == [("TxDefaultProfile", 10, "A")]


async def test_a_fallback_that_is_refused_does_not_spoil_the_setpoint(
    make_central: MakeCentral, now: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    central = await make_central(fallback_current_a=6)
    station = central.add_station("CP1")

    def only_transactions(payload: Any) -> Any:
        purpose = payload["csChargingProfiles"]["chargingProfilePurpose"]
        return {"status": "Accepted" if purpose == "TxProfile" else "Rejected"}

    async with Peer(central, "CP1") as peer:
        peer.answers["SetChargingProfile"] = only_transactions
        await peer.ready()
        await peer.start()
        await station.apply(setpoint(now, 10))
        assert profiles(peer)[-1] == ("TxProfile", 10, "A")
        assert caplog.text.count("Could not set the fallback current") == 1
        peer.answers["ClearChargingProfile"] = "NotSupported"
        station.learned.fallback_written = 6
        await central.remove_station("CP1")


async def test_a_deaf_station_does_not_hold_up_its_removal(make_central: MakeCentral) -> None:
    central = await make_central(replace(QUICK, release_s=0.05), fallback_current_a=6)
    central.add_station("CP1")
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        peer.asked.clear()
        peer.answers["ClearChargingProfile"] = None
        async with asyncio.timeout(1):
            await central.remove_station("CP1")
        assert peer.calls("ClearChargingProfile") == [{"id": 1}]


async def test_log_lines_are_few(
    make_central: MakeCentral, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "custom_components.forecourt")
    central = await make_central()
    central.add_station("CP1")
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        for _ in range(5):
            await peer.call("Heartbeat")
    await central.stop()
    assert [record.getMessage() for record in caplog.records] == [
        "Station CP1 connected from 127.0.0.1",
        "Station CP1 went away: connection closed",
    ]


async def test_the_site_may_use_a_station_from_its_own_events(
    central: CentralSystem, station: OcppStation, site: Site
) -> None:
    """An order from within an event must not wait for that event's own end."""
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        original = site.authorize

        async def authorize_and_stop(*told: Any) -> Any:
            await station.stop(3)
            return await original(*told)

        site.authorize = authorize_and_stop  # type: ignore[method-assign, assignment]
        frame = await peer.call("Authorize", {"idTag": "A"})
        assert frame[0] == 3
        assert peer.calls("RemoteStopTransaction")


async def test_a_charge_that_only_the_site_knows_is_limited(
    peer: Peer, station: OcppStation, now: Watch
) -> None:
    """After a restart a station may be silent about its charge for a quarter of an hour."""
    assert not station.transactions
    await station.apply(replace(setpoint(now, 10), transaction_id=42))
    told = peer.calls("SetChargingProfile")[-1]["csChargingProfiles"]
    assert told["transactionId"] == 42


async def test_a_read_back_that_is_not_answered_holds_nobody_up(
    peer: Peer, station: OcppStation, now: Watch
) -> None:
    peer.answers["GetCompositeSchedule"] = None
    await peer.start()
    await station.apply(setpoint(now, 10))
    await station.apply(setpoint(now, 8))
    await peer.until(lambda: peer.calls("GetCompositeSchedule"))
    assert [amount for _, amount, _ in profiles(peer)[-2:]] == [10, 8]
