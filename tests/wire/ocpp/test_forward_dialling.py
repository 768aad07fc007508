"""How a second central system is reached, and what is said when it is not."""

from dataclasses import replace
import logging
import socket
import ssl
from typing import Any

from hypothesis import given, strategies as st
import pytest

from custom_components.forecourt.stations.ocpp import CentralSystem, OcppStation
from custom_components.forecourt.stations.ocpp.forward import ForwardTarget, Pace, trusting
from custom_components.forecourt.stations.ocpp.forward.forwarder import pause_after
from custom_components.forecourt.stations.ocpp.forward.outward import dialled, said
from custom_components.forecourt.stations.ocpp.link import ConnectionLostError

from .backend import QUICK_PACE, Backend, not_ours
from .certified import AUTHORITY, STRANGE, TLS
from .conftest import QUICK
from .peer import Peer, Site, Watch, cheap_hash

SECRET = "correct horse battery"


def error(station: OcppStation) -> str | None:
    state = station.forwarder.state()
    assert state is not None
    return state["error"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"url": "http://host/x"}, "ws://"),
        ({"url": "host"}, "ws://"),
        ({"url": "ws:///path"}, "ws://"),
        ({"url": f"ws://user:{SECRET}@host/"}, "login"),
        ({"url": "ws://user@host/"}, "login"),
        ({"url": "ws://host/?key=x"}, "path"),
        ({"url": "ws://host/#x"}, "path"),
        ({"url": f"ws://[{SECRET}"}, "cannot be read"),
        ({"identity": "a/b"}, "identity"),
        ({"identity": ""}, "identity"),
        ({"identity": "a:b", "password": SECRET}, "colon"),
    ],
)
def test_what_cannot_be_dialled_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        ForwardTarget(**{"url": "wss://host/ocpp", "is_secret_tag": not_ours, **changes})
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("url", ["wss://host/a/ocpp", "wss://host/a/ocpp/"])
def test_the_identity_is_the_end_of_the_address(url: str) -> None:
    target = ForwardTarget(url=url, is_secret_tag=not_ours)
    assert str(target.address("CP1")) == "wss://host/a/ocpp/CP1"
    named = replace(target, identity="E|1")
    assert str(named.address("CP1")) == "wss://host/a/ocpp/E%7C1"


@given(st.integers(0, 10**9))
def test_pauses_grow_to_the_longest(failures: int) -> None:
    pace = Pace()
    pause_s = pause_after(failures, pace)
    assert pace.retry_first_s / 2 <= pause_s <= pace.retry_most_s
    assert pause_s <= pace.retry_first_s * 2 ** min(failures, 20)
    if failures > 10:
        assert pause_s >= pace.retry_most_s / 2


async def test_only_who_proves_to_be_it_is_told(
    central: CentralSystem, station: OcppStation, now: Watch
) -> None:
    employer = Site()
    other = CentralSystem(employer, now=now, timing=QUICK)
    await other.start("127.0.0.1", None, tls_port=0, tls=lambda: TLS)
    seen = other.add_station("EMP", cheap_hash(SECRET), security_profile=2)
    target = ForwardTarget(
        url=f"wss://127.0.0.1:{other.tls_port}",
        identity="EMP",
        password=SECRET,
        is_secret_tag=not_ours,
    )
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        for trust in (None, trusting(STRANGE.chain_pem)):
            station.forward_to(replace(target, tls=trust), QUICK_PACE)
            await peer.until(lambda: error(station) == "its certificate is not trusted")
            assert not seen.online
        station.forward_to(replace(target, tls=trusting(AUTHORITY.chain_pem)), QUICK_PACE)
        await peer.until(lambda: seen.online and seen.info.model == "Box")
        assert other.security_profile("EMP") == 2
        wrong = replace(target, tls=trusting(AUTHORITY.chain_pem), password="wrong" * 4)
        station.forward_to(wrong, QUICK_PACE)
        await peer.until(lambda: error(station) == "it refused the connection (HTTP 401)")
    await other.stop()


def test_an_authority_has_to_be_one() -> None:
    with pytest.raises(ssl.SSLError):
        trusting("nothing")


async def test_who_does_not_speak_its_version_is_told_nothing(
    central: CentralSystem, station: OcppStation
) -> None:
    async with Backend() as backend, Peer(central, "CP1") as peer:
        backend.protocols = ("ocpp9",)
        await peer.ready()
        station.forward_to(backend.target(), QUICK_PACE)
        await peer.until(lambda: error(station) == "it does not speak ocpp1.6")
        assert backend.told == []
        station.forward_to(None)


async def test_a_system_that_is_not_there(
    central: CentralSystem, station: OcppStation, caplog: pytest.LogCaptureFixture
) -> None:
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        async with Backend() as gone:
            pass
        station.forward_to(gone.target(), QUICK_PACE)
        await peer.until(lambda: error(station) == "Connection refused")
        await peer.until(lambda: station.forwarder._failures > 3)
        # An outage is told once, however long it is.
        warnings = [one.message for one in caplog.records if one.levelno == logging.WARNING]
        assert warnings == ["Station CP1 is not forwarded: Connection refused"]
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            url = f"ws://127.0.0.1:{deaf.getsockname()[1]}"
            station.forward_to(gone.target(url=url), replace(QUICK_PACE, connect_s=0.05))
            await peer.until(lambda: error(station) == "it does not answer")
        station.forward_to(None)


async def test_pauses_are_short_again_after_a_steady_connection(
    central: CentralSystem, station: OcppStation
) -> None:
    async with Backend() as backend, Peer(central, "CP1") as peer:
        await peer.ready()
        station.forward_to(backend.target(), replace(QUICK_PACE, steady_s=60))
        for times in (1, 2, 3):
            await backend.until_told("BootNotification", times)
            await backend.drop()
        await peer.until(lambda: station.forwarder._failures == 3)
        await backend.until_told("BootNotification", 4)
        station.forwarder._pace = QUICK_PACE
        await backend.drop()
        await backend.until_told("BootNotification", 5)
        assert station.forwarder._failures == 1
        assert error(station) is None
        station.forward_to(None)


async def test_a_change_while_it_is_dialled(central: CentralSystem, station: OcppStation) -> None:
    async with Backend() as backend, Peer(central, "CP1") as peer:
        await peer.ready()
        backend.open.clear()
        station.forward_to(backend.target(), QUICK_PACE)
        await backend.until(lambda: backend.paths)
        station.forward_to(backend.target(identity="EMP"), QUICK_PACE)
        backend.open.set()
        await backend.until_told("BootNotification")
        assert backend.paths == ["/ocpp/CP1", "/ocpp/EMP"]
        assert backend.actions == ["BootNotification"]
        station.forward_to(None)


async def test_nothing_can_be_sent_over_a_lost_connection() -> None:
    async with (
        Backend() as backend,
        dialled(backend.target(), "CP1", "ocpp1.6", QUICK_PACE) as link,
    ):
        await backend.until(lambda: backend.connections)
        await backend.drop()
        assert [frame async for frame in link.frames()] == []
        with pytest.raises(ConnectionLostError):
            await link.send("[]")
        assert link.why == "connection lost"


def test_other_failures_name_no_address() -> None:
    assert said(OSError(f"something about {SECRET}")) == "it cannot be reached"


async def test_a_colon_and_a_password(central: CentralSystem) -> None:
    station = central.add_station("CP:1")
    async with Backend() as backend, Peer(central, "CP:1") as peer:
        await peer.boot()
        station.forward_to(backend.target(password=SECRET), QUICK_PACE)
        await peer.until(
            lambda: error(station) == "an identity with a colon cannot have a password"
        )
        assert backend.paths == []
        station.forward_to(None)
