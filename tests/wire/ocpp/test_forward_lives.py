"""The connection to a second central system: when it comes, what it waits for, when it ends."""

from collections.abc import AsyncIterator
from dataclasses import replace
import logging

import pytest

from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.token import Token
from custom_components.forecourt.stations.base import StationError
from custom_components.forecourt.stations.ocpp import CentralSystem, OcppStation

from .backend import QUICK_PACE, Backend, meter, state, status, stop
from .conftest import QUICK
from .peer import Peer, Site, Watch

CARD = "04AABB"
NOT_YET = {"status": "Pending", "currentTime": "2026-01-01T00:00:00Z", "interval": 300}


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    async with Backend() as backend:
        yield backend


@pytest.fixture
async def peer(central: CentralSystem, station: OcppStation) -> AsyncIterator[Peer]:
    async with Peer(central, "CP1") as peer:
        yield await peer.ready()


async def test_heartbeats_come_at_the_interval_that_it_gives(
    peer: Peer, station: OcppStation, backend: Backend
) -> None:
    backend.answers["BootNotification"] |= {"interval": 1}
    backend.answers["Heartbeat"] = "InternalError"
    station.forward_to(backend.target(), QUICK_PACE)
    await backend.until_told("Heartbeat", 2)
    assert backend.here == 1


async def test_or_at_our_own_where_it_gives_none(
    peer: Peer, station: OcppStation, backend: Backend
) -> None:
    backend.answers["BootNotification"] |= {"interval": 0}
    station.forward_to(backend.target(), replace(QUICK_PACE, heartbeat_s=0.02))
    await backend.until_told("Heartbeat", 3)
    backend.answers["Heartbeat"] = None
    await backend.until_told("BootNotification", 2)
    assert state(station)["error"] in (None, "it did not answer in time")


async def test_nothing_is_told_before_it_accepts_the_station(
    peer: Peer, station: OcppStation, backend: Backend
) -> None:
    accepted = backend.answers["BootNotification"]
    backend.answers["BootNotification"] = NOT_YET
    station.forward_to(backend.target(), QUICK_PACE)
    await backend.until_told("BootNotification")
    await status(peer, "Charging")
    await peer.start()
    await backend.until(lambda: state(station)["error"])
    assert state(station)["error"] == "the station is not accepted: Pending"
    assert backend.actions == ["BootNotification"]
    backend.answers["BootNotification"] = accepted
    assert (await backend.ask("TriggerMessage", {"requestedMessage": "BootNotification"}))[2] == {
        "status": "Accepted"
    }
    await backend.until_told("StartTransaction")
    assert backend.actions == [
        *("BootNotification", "BootNotification", "StatusNotification", "StartTransaction")
    ]
    await backend.until(lambda: state(station)["error"] is None)


async def test_a_station_that_is_not_accepted_goes_at_once(
    central: CentralSystem, station: OcppStation, backend: Backend
) -> None:
    backend.answers["BootNotification"] = NOT_YET
    station.forward_to(backend.target(), QUICK_PACE)
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        await peer.start()
        await backend.until_told("BootNotification")
    await backend.until(lambda: not backend.connections)
    # It may be accepted next time.
    assert state(station)["queued"] == 1


async def test_a_refused_boot_is_tried_again(
    peer: Peer, station: OcppStation, backend: Backend
) -> None:
    accepted = backend.answers["BootNotification"]
    backend.answers["BootNotification"] = "InternalError"
    station.forward_to(backend.target(), replace(QUICK_PACE, heartbeat_s=0.02))
    await backend.until_told("BootNotification", 2)
    assert state(station)["error"] == "the station is not accepted: no answer"
    backend.answers["BootNotification"] = accepted
    await status(peer, "Charging")
    await backend.until_told("StatusNotification")
    assert backend.here == 1


async def test_a_restart_of_the_station_is_told(
    peer: Peer, station: OcppStation, backend: Backend
) -> None:
    station.forward_to(backend.target(), QUICK_PACE)
    await status(peer, "Available")
    await backend.until_told("StatusNotification")
    await peer.boot(firmwareVersion="2.0")
    boot = await backend.until_told("BootNotification", 2)
    assert boot["firmwareVersion"] == "2.0"
    await backend.until_told("StatusNotification", 2)
    assert backend.here == 1


async def test_a_station_that_does_not_boot_is_told_as_it_is(
    central: CentralSystem, station: OcppStation, backend: Backend
) -> None:
    station.forward_to(backend.target(), QUICK_PACE)
    async with Peer(central, "CP1") as peer:
        await status(peer, "Available")
        await backend.until_told("StatusNotification")
        assert backend.actions == ["StatusNotification"]
        answer = await backend.ask("TriggerMessage", {"requestedMessage": "BootNotification"})
        assert answer[2] == {"status": "Rejected"}


async def test_it_sees_the_station_go_and_come(
    central: CentralSystem, station: OcppStation, backend: Backend
) -> None:
    station.forward_to(backend.target(), QUICK_PACE)
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        await backend.until_told("BootNotification")
    await backend.until(lambda: not backend.connections)
    assert not state(station)["connected"]
    assert state(station)["error"] is None
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        await backend.until_told("BootNotification", 2)


async def test_what_waits_is_told_after_the_station_went(
    central: CentralSystem, station: OcppStation, backend: Backend
) -> None:
    station.forward_to(backend.target(), replace(QUICK_PACE, call_s=5))
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        await status(peer, "Charging")
        await backend.until_told("StatusNotification")
        backend.answers["StartTransaction"] = None
        ours = (await peer.start())["transactionId"]
        await stop(peer, ours)
        await backend.until_told("StartTransaction")
    await backend.until(lambda: not station.forwarder._present)
    assert backend.connections == 1
    await backend.answer_late({"transactionId": 5, "idTagInfo": {"status": "Accepted"}})
    assert (await backend.until_told("StopTransaction"))["transactionId"] == 5
    await backend.until(lambda: not backend.connections)


async def test_a_short_absence_is_not_seen(
    central: CentralSystem, station: OcppStation, backend: Backend
) -> None:
    station.forward_to(backend.target(), replace(QUICK_PACE, linger_s=60))
    for times in (1, 2):
        async with Peer(central, "CP1") as peer:
            await peer.ready()
            await backend.until_told("BootNotification", times)
    assert backend.here == 1


async def test_no_connection_outlives_the_station(
    central: CentralSystem, backend: Backend, station: OcppStation
) -> None:
    station.forward_to(backend.target(), QUICK_PACE)
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        await backend.until_told("BootNotification")
        await central.remove_station("CP1")
        await backend.until(lambda: not backend.connections)
        assert not state(station)["connected"]


async def test_turned_off_it_ends(peer: Peer, station: OcppStation, backend: Backend) -> None:
    backend.answers["StatusNotification"] = None
    station.forward_to(backend.target(), replace(QUICK_PACE, call_s=60))
    await status(peer, "Available")
    await backend.until_told("StatusNotification")
    station.forward_to(None)
    # Also while it waits for an answer.
    await backend.until(lambda: not backend.connections)
    assert station.forwarder.state() is None
    await peer.start()
    station.forward_to(backend.target(), QUICK_PACE)
    await backend.until_told("StatusNotification", 2)
    # What happened in between is not their business.
    assert "StartTransaction" not in backend.actions


async def test_it_may_go_to_another_system(
    peer: Peer, station: OcppStation, backend: Backend
) -> None:
    backend.answers["StartTransaction"] = None
    station.forward_to(backend.target(), replace(QUICK_PACE, call_s=60))
    await peer.start()
    await backend.until_told("StartTransaction")
    async with Backend() as other:
        station.forward_to(other.target(identity="EMP-7"), QUICK_PACE)
        await status(peer, "Charging")
        await other.until_told("StatusNotification")
        assert other.actions == ["BootNotification", "StatusNotification"]
        assert other.paths == ["/ocpp/EMP-7"]
        await backend.until(lambda: not backend.connections)
        station.forward_to(None)


async def test_with_a_new_password_what_waits_is_told(
    peer: Peer, station: OcppStation, backend: Backend, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    backend.status = 401
    slow = replace(QUICK_PACE, retry_first_s=60, retry_most_s=60, steady_s=60)
    station.forward_to(backend.target(password="wrong-one"), slow)
    await peer.start()
    await backend.until(lambda: state(station)["error"])
    assert state(station)["error"] == "it refused the connection (HTTP 401)"
    backend.status = None
    station.forward_to(backend.target(password="right-one"), slow)
    # The same again is no change.
    station.forward_to(backend.target(password="right-one"), slow)
    await backend.until_told("StartTransaction")
    assert backend.logins == ["Basic Q1AxOndyb25nLW9uZQ==", "Basic Q1AxOnJpZ2h0LW9uZQ=="]
    for secret in ("-one", "Q1Ax", CARD):
        assert secret not in caplog.text
        assert secret not in repr(backend.target(password="right-one"))


async def test_two_of_our_own_kind(
    peer: Peer, station: OcppStation, backend: Backend, now: Watch
) -> None:
    """The second central system is one like the first."""
    employer = Site()
    other = CentralSystem(employer, now=now, timing=QUICK)
    await other.start("127.0.0.1", 0)
    station.forward_to(backend.target(url=f"ws://127.0.0.1:{other.port}"), QUICK_PACE)
    await status(peer, "Preparing")
    await peer.until(lambda: other.pending.get("CP1") and other.pending["CP1"].model)
    assert other.pending["CP1"].vendor == "Acme"
    seen = other.add_station("CP1")
    await peer.until(lambda: seen.online)
    asked, before = len(peer.asked), dict(peer.settings)
    employer.starts.extend([None] * 40)  # type: ignore[list-item]
    ours = (await peer.start())["transactionId"]
    await meter(peer, 1500, ours)
    await stop(peer, ours)
    await peer.until(lambda: employer.ends)
    assert employer.starts[-1].token.uid == CARD  # type: ignore[union-attr]
    assert [report[2] for report in employer.reports] == [41]
    assert employer.ends[0].transaction_id == 41
    assert ours != 41
    # It tried to set the station up, and nothing of that came through.
    assert len(peer.asked) == asked
    assert peer.settings == before
    with pytest.raises(StationError):
        await seen.start(EvseId("CP1", 1), Token(CARD))
    assert len(peer.asked) == asked
    await other.stop()
