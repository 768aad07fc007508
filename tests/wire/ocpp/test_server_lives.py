"""Whether a connection lives, what is too much of it, and its end."""

import asyncio
from contextlib import suppress
import logging
import socket
import threading
from typing import Any

from aiohttp import WSMsgType, web
from aiohttp.test_utils import make_mocked_request
import pytest

from custom_components.forecourt.stations.ocpp import (
    Cause,
    CentralSystem,
    PortInUseError,
    Timing,
    door as door_module,
)
from custom_components.forecourt.stations.ocpp.link import MAX_MESSAGE_BYTES, Link

from .conftest import MakeCentral
from .knocking import HASTY, SECRET, last, refused, until_gone
from .peer import Peer, Site, cheap_hash


async def test_a_station_that_stops_to_pong_goes_offline(
    make_central: MakeCentral, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    central = await make_central(Timing(ping_every_s=0.05, pong_s=0.05, close_s=0.1))
    station = central.add_station("CP1")
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        await asyncio.sleep(0.15)
        assert station.online, "pings are answered"
        await peer.vanish()
        await peer.until(lambda: not station.online)
    assert "no answer to ping" in caplog.text


async def test_who_talks_is_pinged_once_and_who_falls_silent_again(
    make_central: MakeCentral,
) -> None:
    central = await make_central(Timing(quiet_boot_s=0.05, ping_every_s=0.6, close_s=0.1))
    central.add_station("CP1")
    async with Peer(central, "CP1", autoping=False) as peer:
        await peer.vanish()
        pings = 0

        async def read() -> None:
            nonlocal pings
            while (message := await peer.ws.receive()).type is not WSMsgType.CLOSED:
                if message.type is WSMsgType.PING:
                    pings += 1
                    await peer.ws.pong(message.data)

        reading = asyncio.create_task(read())
        for number in range(40):
            await peer.ws.send_str(f'[2,"{number}","Heartbeat",{{}}]')
            await asyncio.sleep(0.04)
        assert pings == 1
        await peer.until(lambda: pings == 2)
        reading.cancel()


async def test_a_station_that_never_pongs_lives_by_what_it_says(
    make_central: MakeCentral,
) -> None:
    central = await make_central(
        Timing(ping_every_s=0.02, pong_s=0.02, patience_s=0.15, close_s=0.1)
    )
    station = central.add_station("CP1")
    async with Peer(central, "CP1", autoping=False) as peer:
        await peer.ready()
        for _ in range(6):
            await asyncio.sleep(0.04)
            await peer.call("Heartbeat")
        assert station.online
        await peer.until(lambda: not station.online)


async def test_pings_of_the_station_are_answered(central: CentralSystem) -> None:
    async with Peer(central, "CP1", autoping=False) as peer:
        await peer.vanish()
        await peer.ws.ping(b"hello")
        async with asyncio.timeout(5):
            while (message := await peer.ws.receive()).type.name != "PONG":
                pass
        assert message.data == b"hello"


# What is too much


async def test_a_message_that_is_too_big_ends_the_connection(central: CentralSystem) -> None:
    async with Peer(central, "CP1") as peer:
        await peer.send("x" * (MAX_MESSAGE_BYTES + 1))
        await peer.closed.wait()
        assert peer.ws.close_code == 1009
        await until_gone(central, "CP1")
    assert last(central) == ("CP1", Cause.MISBEHAVED, "message over 64 KiB")


async def test_a_binary_message_ends_the_connection(central: CentralSystem) -> None:
    async with Peer(central, "CP1") as peer:
        await peer.ws.send_bytes(b"\x00\x01")
        await peer.closed.wait()
        assert peer.ws.close_code == 1003
        await until_gone(central, "CP1")
    assert last(central) == ("CP1", Cause.MISBEHAVED, "binary message")


async def test_text_that_is_none_ends_the_connection(central: CentralSystem) -> None:
    async with Peer(central, "CP1") as peer:
        await peer.ws._writer.send_frame(b"\xff\xfe", 1)
        await peer.closed.wait()
        assert peer.ws.close_code == 1007
        await until_gone(central, "CP1")
    assert last(central) == ("CP1", Cause.MISBEHAVED, "text is not UTF-8")


async def test_a_broken_frame_ends_the_connection(central: CentralSystem) -> None:
    async with Peer(central, "CP1") as peer:
        transport = peer.ws._conn.transport  # type: ignore[union-attr]
        transport.write(b"\xf1\x80\x00\x00\x00\x00")  # type: ignore[union-attr]
        await peer.closed.wait()
        assert peer.ws.close_code == 1002
        await until_gone(central, "CP1")
    assert last(central) == ("CP1", Cause.MISBEHAVED, "broken WebSocket frame")


@pytest.mark.parametrize("known", [False, True])
async def test_a_flood_ends_the_connection(central: CentralSystem, known: bool) -> None:
    if known:
        central.add_station("CP1")
    async with Peer(central, "CP1") as peer:
        with suppress(ConnectionError):
            for number in range(300):
                await peer.send([3, str(number), {}])
        await peer.closed.wait()
        assert peer.ws.close_code == 1008
        await until_gone(central, "CP1")
    assert last(central) == ("CP1", Cause.MISBEHAVED, "too many messages")


async def test_a_stranger_that_goes_on_and_on_is_sent_away(central: CentralSystem) -> None:
    """Be it answer by answer: a known station earns by that, a stranger does not."""
    async with Peer(central, "CP1") as peer:
        sent = 0

        def is_answered() -> bool:
            return len(peer.stray) == sent or peer.closed.is_set()

        while sent < 150 and not peer.closed.is_set():
            await peer.send([2, "x", "Heartbeat", {}])
            sent += 1
            await peer.until(is_answered)
        assert sent < 150
        assert peer.ws.close_code == 1008
        await until_gone(central, "CP1")
    assert last(central) == ("CP1", Cause.MISBEHAVED, "too many messages")


async def test_a_station_that_was_a_stranger_may_say_more(central: CentralSystem) -> None:
    async with Peer(central, "CP1") as peer:
        for _ in range(30):
            await peer.call("Heartbeat")
        central.add_station("CP1")
        for _ in range(400):
            assert (await peer.call("Heartbeat"))[0] == 3


async def test_who_waits_for_answers_is_never_too_fast(central: CentralSystem) -> None:
    central.add_station("CP1")
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        for _ in range(400):
            await peer.call("Heartbeat")
        assert not peer.closed.is_set()


# The end


async def test_stop_says_goodbye_to_all(make_central: MakeCentral, site: Site) -> None:
    central = await make_central()
    station = central.add_station("CP1")
    async with Peer(central, "CP1") as known, Peer(central, "CP2") as stranger:
        await known.ready()
        await central.stop()
        await known.closed.wait()
        await stranger.closed.wait()
        assert known.ws.close_code == stranger.ws.close_code == 1001
    assert not station.online
    assert central.port is None
    assert not central._connections
    assert site.changes[-1][0] is False


async def test_stop_waits_for_what_is_being_booked(make_central: MakeCentral, site: Site) -> None:
    central = await make_central()
    central.add_station("CP1")
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        site.released.clear()
        await peer.send(
            [2, "7", "StopTransaction", {"transactionId": 1, "meterStop": 5, "timestamp": ""}]
        )
        stopping = asyncio.create_task(central.stop())
        await asyncio.sleep(0.1)
        assert not site.ends
        site.released.set()
        await stopping
        assert len(site.ends) == 1


async def test_who_is_still_at_the_door_does_not_hold_up_the_stop(
    make_central: MakeCentral, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, told = threading.Event(), threading.Event()

    def check(*_: object) -> bool:
        asked.set()
        return told.wait(5)

    monkeypatch.setattr(door_module, "verify_password", check)
    central = await make_central()
    central.add_station("CP1", cheap_hash(SECRET))
    knocking = asyncio.create_task(refused(central, "CP1", password=SECRET))
    await asyncio.to_thread(asked.wait, 5)
    stopping = asyncio.create_task(central.stop())
    await asyncio.sleep(0.05)
    told.set()
    async with asyncio.timeout(3):
        await stopping
    assert (await knocking).status == 503


async def test_stop_does_not_wait_forever(make_central: MakeCentral, site: Site) -> None:
    central = await make_central(HASTY)
    central.add_station("CP1")
    async with Peer(central, "CP1") as peer:
        await peer.ready()
        site.released.clear()
        await peer.send([2, "7", "Authorize", {"idTag": "A"}])
        await peer.vanish()
        async with asyncio.timeout(3):
            await central.stop()
    assert not site.taps


async def test_it_can_start_again(make_central: MakeCentral) -> None:
    central = await make_central()
    await central.stop()
    assert (await handled(central)).status == 503
    await central.start("127.0.0.1", 0)
    async with Peer(central, "CP1") as peer:
        assert (await peer.boot())["status"] == "Pending"
    await central.stop()
    await central.stop()


async def handled(central: CentralSystem) -> web.StreamResponse:
    return await central.handle(make_mocked_request("GET", "/x"), "CP1")


async def test_a_client_that_left_before_the_handshake_is_forgotten(
    central: CentralSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def gone(_link: Any) -> None:
        raise ConnectionResetError

    monkeypatch.setattr(Link, "upgrade", gone)
    assert (await refused(central, "CP1")).status == 400
    assert central._door._visitors["CP1"].connected is False
    assert (await refused(central, "CP1", protocols=("ocpp2.0",))).status == 400


async def test_a_station_that_is_added_during_the_handshake_knocks_again(
    central: CentralSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade = Link.upgrade

    async def slow(link: Link) -> web.WebSocketResponse:
        central.add_station("CP1", cheap_hash(SECRET))
        await asyncio.sleep(0)
        return await upgrade(link)

    monkeypatch.setattr(Link, "upgrade", slow)
    assert (await refused(central, "CP1")).status == 400


async def test_a_station_that_needs_no_password_may_be_added_during_the_handshake(
    central: CentralSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrade = Link.upgrade

    async def slow(link: Link) -> web.WebSocketResponse:
        central.add_station("CP1")
        assert await link.probe(0.1), "nobody else gets its place now"
        return await upgrade(link)

    monkeypatch.setattr(Link, "upgrade", slow)
    async with Peer(central, "CP1") as peer:
        assert (await peer.boot())["status"] == "Accepted"
        await peer.until(lambda: central.stations["CP1"].online)


async def test_a_goodbye_that_gets_stuck_is_cut_short(
    make_central: MakeCentral, monkeypatch: pytest.MonkeyPatch
) -> None:
    central = await make_central(Timing(close_s=0.02))
    async with Peer(central, "CP1") as peer:
        await peer.boot()
        connection = central._connections["CP1"]

        async def stuck(**_options: Any) -> None:
            monkeypatch.undo()
            await asyncio.sleep(5)

        monkeypatch.setattr(connection.link._socket, "close", stuck)
        await central.stop()
        assert connection.link.why == "no goodbye"
        connection.link.abort("twice")


async def test_knocks_are_told_to_who_wants_to_know(central: CentralSystem) -> None:
    heard: list[Any] = []
    stop = central.subscribe_knocks(heard.append)
    await refused(central, "a/b")
    stop()
    await refused(central, "a/b")
    assert [(knock.cause, knock.count) for knock in heard] == [(Cause.WRONG_PATH, 1)]
    assert central.knocks[-1].count == 2


async def test_a_port_in_use_has_a_name(make_central: MakeCentral, site: Site, now: Any) -> None:
    central = await make_central()
    other = CentralSystem(site, now=now)
    assert central.port is not None
    with pytest.raises(PortInUseError) as caught:
        await other.start("127.0.0.1", central.port)
    assert caught.value.port == central.port
    assert str(central.port) in str(caught.value)
    await other.stop()


async def test_an_address_that_is_not_ours_is_another_error(site: Site, now: Any) -> None:
    other = CentralSystem(site, now=now)
    with pytest.raises(OSError, match=r"192\.0\.2\.1"):
        await other.start("192.0.2.1", 0)
    await other.stop()


async def test_no_socket_is_left(make_central: MakeCentral) -> None:
    central = await make_central()
    port = central.port
    async with Peer(central, "CP1") as peer:
        await peer.boot()
        await central.stop()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port or 0)) != 0
