"""The door in practice: real sockets, good and bad clients."""

import asyncio
from dataclasses import replace
import logging
import socket
import threading
from typing import Any

from aiohttp import ClientSession, WSServerHandshakeError, web
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

from .conftest import QUICK, MakeCentral
from .peer import Peer, Site, cheap_hash

# For peers that are dead anyway.
HASTY = replace(QUICK, probe_s=0.15, drain_s=0.1)
SECRET = "correct horse battery"


async def refused(central: CentralSystem, identity: str, **options: Any) -> WSServerHandshakeError:
    with pytest.raises(WSServerHandshakeError) as caught:
        async with Peer(central, identity, **options):
            pass
    return caught.value


def last(central: CentralSystem) -> tuple[str | None, Cause, str]:
    knock = central.knocks[-1]
    assert knock.address == "127.0.0.1"
    return knock.identity, knock.cause, knock.detail


async def raw_request(central: CentralSystem, data: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", central.port)
    writer.write(data)
    answer = await asyncio.wait_for(reader.read(), 2)
    writer.close()
    await writer.wait_closed()
    return answer


# Where it may knock


@pytest.mark.parametrize("path", ["CP1", "CP1/", "C%501"])
async def test_the_identity_is_the_path(central: CentralSystem, path: str) -> None:
    central.add_station("CP1")
    async with Peer(central, path) as peer:
        assert peer.ws.protocol == "ocpp1.6"
        assert (await peer.boot())["status"] == "Accepted"
    assert central.knocks[0].cause is Cause.CONNECTED


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("", "/"),
        ("ocpp/CP1", "/ocpp/CP1"),
        ("a/b/c?token=secret", "/a/b/c?…"),
        ("x" * 200 + "/y", "/" + "x" * 78 + "…"),
    ],
)
async def test_other_paths_are_shown_without_their_query(
    central: CentralSystem, path: str, shown: str
) -> None:
    assert (await refused(central, path)).status == 404
    assert last(central) == (None, Cause.WRONG_PATH, shown)


@pytest.mark.parametrize("identity", ["a%20b", "a%2Fb", "%FF", "x" * 49])
async def test_an_odd_identity_is_refused(central: CentralSystem, identity: str) -> None:
    assert (await refused(central, identity)).status == 404
    assert central.knocks[-1].cause is Cause.BAD_IDENTITY


async def test_a_browser_is_told_that_it_is_wrong_here(central: CentralSystem) -> None:
    url = f"http://127.0.0.1:{central.port}/CP1"
    async with ClientSession() as session:
        async with session.get(url) as response:
            assert response.status == 400
        assert last(central) == ("CP1", Cause.BAD_REQUEST, "not a WebSocket handshake")
        async with session.post(url) as response:
            assert response.status == 400
    assert central.knocks[-1].count == 2


async def test_no_http_at_all_is_survived(central: CentralSystem) -> None:
    assert b"400" in await raw_request(central, b"hello\r\n\r\n")
    async with Peer(central, "CP1") as peer:
        assert (await peer.boot())["status"] == "Pending"


async def test_tls_on_the_plain_port_is_noticed(central: CentralSystem) -> None:
    hello = bytes.fromhex("16030100c8010000c40303") + bytes(64)
    assert await raw_request(central, hello) == b""
    assert last(central)[1] is Cause.TLS
    # Only at the start of a connection.
    async with Peer(central, "CP1") as peer:
        await peer.send("\x16\x03")
        assert (await peer.boot())["status"] == "Pending"
    assert [knock.cause for knock in central.knocks].count(Cause.TLS) == 1


# What it speaks


async def test_a_client_that_offers_nothing_speaks_16(central: CentralSystem) -> None:
    async with Peer(central, "CP1", protocols=()) as peer:
        assert peer.ws.protocol is None
        assert (await peer.boot())["status"] == "Pending"


async def test_16_is_chosen_from_an_offer(central: CentralSystem) -> None:
    async with Peer(central, "CP1", protocols=("ocpp2.0.1", "ocpp1.6")) as peer:
        assert peer.ws.protocol == "ocpp1.6"


async def test_a_client_that_offers_only_others_is_refused(central: CentralSystem) -> None:
    error = await refused(central, "CP1", protocols=("ocpp2.0.1", "ocpp1.5"))
    assert error.status == 400
    assert last(central) == ("CP1", Cause.SUBPROTOCOL, "ocpp2.0.1,ocpp1.5")


# Who it is


async def test_the_password_is_checked_before_the_upgrade(central: CentralSystem) -> None:
    central.add_station("CP1", cheap_hash(SECRET))
    error = await refused(central, "CP1")
    assert error.status == 401
    assert error.headers is not None
    assert error.headers["WWW-Authenticate"] == 'Basic realm="OCPP"'
    assert last(central) == ("CP1", Cause.PASSWORD_MISSING, "")
    assert (await refused(central, "CP1", password="wrong")).status == 401
    assert last(central) == ("CP1", Cause.WRONG_PASSWORD, "")
    async with Peer(central, "CP1", password=SECRET) as peer:
        assert (await peer.boot())["status"] == "Accepted"


async def test_many_wrong_passwords_are_slowed_down(central: CentralSystem) -> None:
    central.add_station("CP1", cheap_hash(SECRET))
    statuses = [(await refused(central, "CP1", password="wrong")).status for _ in range(6)]
    assert statuses == [401] * 5 + [429]
    assert central.knocks[-1].cause is Cause.TOO_MANY
    assert SECRET not in str(central.knocks)


async def test_the_password_never_shows(
    central: CentralSystem, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    central.add_station("CP1", cheap_hash(SECRET))
    await refused(central, "CP1", password="wrong-secret-shown")
    async with Peer(central, "CP1", password=SECRET) as peer:
        await peer.ready()
    everything = caplog.text + str(central.knocks)
    assert SECRET not in everything
    assert "wrong-secret-shown" not in everything


async def test_strangers_beyond_the_limit_are_sent_away(
    central: CentralSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door_module, "MAX_PENDING", 1)
    async with Peer(central, "CP1"):
        assert (await refused(central, "CP2")).status == 429
        assert last(central) == ("CP2", Cause.TOO_MANY, "unknown stations")
        central.add_station("CP3")
        async with Peer(central, "CP3") as peer:
            assert (await peer.boot())["status"] == "Accepted"
    await until_gone(central, "CP1")
    async with Peer(central, "CP2"):
        assert list(central.pending) == ["CP2"]


async def until_gone(central: CentralSystem, identity: str) -> None:
    if connection := central._connections.get(identity):
        async with asyncio.timeout(5):
            await connection.finished.wait()
        await asyncio.sleep(0)


# Two of one name


async def test_a_second_live_connection_is_refused(central: CentralSystem) -> None:
    central.add_station("CP1")
    async with Peer(central, "CP1") as peer:
        await peer.boot()
        assert (await refused(central, "CP1")).status == 409
        assert last(central)[:2] == ("CP1", Cause.DUPLICATE)
        assert (await peer.call("Heartbeat"))[0] == 3


async def test_a_dead_connection_makes_room(
    make_central: MakeCentral, site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    central = await make_central(HASTY)
    station = central.add_station("CP1")
    async with Peer(central, "CP1") as old:
        await old.ready()
        await old.vanish()
        async with Peer(central, "CP1") as new:
            await new.ready()
            assert station.online
            assert [online for online, _ in site.changes][-3:] == [True, False, True]
    assert "replaced by a new connection" in caplog.text


async def test_while_one_is_checked_a_third_is_refused(make_central: MakeCentral) -> None:
    central = await make_central(HASTY)
    async with Peer(central, "CP1", autoping=False) as old:
        await old.boot()
        await old.vanish()
        second = Peer(central, "CP1")
        arriving = asyncio.create_task(second.__aenter__())
        await asyncio.sleep(0.05)
        assert (await refused(central, "CP1")).status == 409
        await arriving
        assert (await second.boot())["status"] == "Pending"
        await second.__aexit__(None, None, None)


# Whether it lives


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


async def test_a_station_that_does_not_read_is_dropped(
    make_central: MakeCentral, monkeypatch: pytest.MonkeyPatch
) -> None:
    central = await make_central(Timing(send_s=0.05, close_s=0.05, pong_s=0.01))
    async with Peer(central, "CP1") as peer:
        await peer.boot()
        connection = central._connections["CP1"]
        await peer.vanish()
        writer = connection.link._socket

        async def stuck(_text: str) -> None:
            await asyncio.sleep(5)

        monkeypatch.setattr(writer, "send_str", stuck)
        await peer.send([2, "1", "Heartbeat", {}])
        await until_gone(central, "CP1")
        assert connection.link.why == "does not read what it is sent"


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


async def test_a_flood_ends_the_connection(central: CentralSystem) -> None:
    async with Peer(central, "CP1") as peer:
        for number in range(230):
            await peer.send([3, str(number), {}])
        await peer.closed.wait()
        assert peer.ws.close_code == 1008
        await until_gone(central, "CP1")
    assert last(central) == ("CP1", Cause.MISBEHAVED, "too many messages")


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
