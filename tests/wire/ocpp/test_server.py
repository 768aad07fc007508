"""The door in practice: real sockets, good and bad clients."""

import asyncio
from datetime import timedelta
import logging
import threading

from aiohttp import ClientSession, WSServerHandshakeError, encode_basic_auth, web
import pytest

from custom_components.forecourt.stations.ocpp import (
    Cause,
    CentralSystem,
    SecurityProfile,
    door as door_module,
    hash_password,
)

from .conftest import MakeCentral
from .knocking import HASTY, SECRET, last, refused, until_gone
from .peer import Peer, Site, Watch, cheap_hash

UPGRADE = {
    "Host": "a",
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
}


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


async def test_what_is_spoken_is_chosen_from_an_offer(central: CentralSystem) -> None:
    async with Peer(central, "CP1", protocols=("ocpp2.0", "ocpp1.6", "ocpp2.1")) as peer:
        assert peer.ws.protocol == "ocpp1.6"


async def test_a_client_that_offers_only_others_is_shown_out(
    central: CentralSystem, caplog: pytest.LogCaptureFixture
) -> None:
    """OCPP-J 1.6 §3.2: a handshake without a subprotocol, and then the end."""
    central.add_station("CP1")
    for identity in ("CP1", "CP2"):
        async with Peer(central, identity, protocols=("ocpp2.0", "ocpp1.5")) as peer:
            assert peer.ws.protocol is None
            await peer.closed.wait()
            assert peer.ws.close_code == 1002
        assert peer.frames == []
        assert last(central) == (identity, Cause.SUBPROTOCOL, "ocpp2.0,ocpp1.5")
    assert not central.pending
    assert not caplog.records


async def test_one_that_offers_others_and_shakes_no_hands_is_refused(
    central: CentralSystem,
) -> None:
    lines = ("GET /CP1 HTTP/1.1", "Host: a", "Connection: close", "Sec-WebSocket-Protocol: ocpp2.0")
    request = "\r\n".join((*lines, "", "")).encode()
    assert (await raw_request(central, request)).startswith(b"HTTP/1.1 400 ")
    assert last(central) == ("CP1", Cause.BAD_REQUEST, "not a WebSocket handshake")


async def test_one_that_does_not_say_goodbye_is_left(central: CentralSystem) -> None:
    upgrade = dict(UPGRADE, **{"Sec-WebSocket-Protocol": "ocpp2.0"})
    lines = ["GET /CP1 HTTP/1.1", *(f"{name}: {value}" for name, value in upgrade.items())]
    answer = await raw_request(central, "\r\n".join((*lines, "", "")).encode())
    head, _, rest = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"sec-websocket-protocol" not in head.lower()
    assert rest[:1] == b"\x88", "the one frame is the goodbye"


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


async def test_who_dials_in_a_tight_loop_is_told_to_wait(
    central: CentralSystem, monkeypatch: pytest.MonkeyPatch, now: Watch
) -> None:
    for _ in range(door_module.MAX_ATTEMPTS_PER_STATION):
        async with Peer(central, "CP1", protocols=("ocpp1.5",)) as peer:
            await peer.closed.wait()
    error = await refused(central, "CP1", protocols=("ocpp1.5",))
    assert error.status == 429
    assert error.headers is not None
    assert last(central) == ("CP1", Cause.TOO_MANY, "too many attempts")
    now.ahead += timedelta(seconds=int(error.headers["Retry-After"]))
    async with Peer(central, "CP1"):
        pass


async def test_odd_identities_take_no_memory(central: CentralSystem) -> None:
    for number in range(5):
        await refused(central, f"{number}" * 49)
    per_station, per_address = central._door._attempts
    assert not per_station._buckets
    assert len(per_address._buckets) == 1


@pytest.mark.parametrize("generated", [False, True])
async def test_two_hundred_stations_at_once_are_let_in(
    central: CentralSystem, monkeypatch: pytest.MonkeyPatch, generated: bool
) -> None:
    """After a cut of power: none is refused, and the second time no password is worked out."""
    names = [f"CP{number}" for number in range(200)]
    hashed = cheap_hash(SECRET) if not generated else hash_password(SECRET, generated=True)
    for name in names:
        central.add_station(name, hashed)
    for _ in range(2):
        peers = [Peer(central, name, password=SECRET) for name in names]
        await asyncio.gather(*(peer.__aenter__() for peer in peers))
        assert {knock.cause for knock in central.knocks} == {Cause.CONNECTED}
        async with asyncio.timeout(30):
            while len(central._connections) < len(names):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await asyncio.gather(*(peer.__aexit__(None, None, None) for peer in peers))
        for name in names:
            await until_gone(central, name)
        monkeypatch.setattr(door_module, "verify_password", lambda *_: pytest.fail("again"))


async def test_more_may_be_asked_for_while_a_password_is_checked(
    central: CentralSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was right when it was checked is not enough when it comes in."""
    asked, told = threading.Event(), threading.Event()

    def check(*_: object) -> bool:
        asked.set()
        return told.wait(5)

    monkeypatch.setattr(door_module, "verify_password", check)
    central.add_station("CP1", cheap_hash(SECRET))
    knocking = asyncio.create_task(refused(central, "CP1", password=SECRET))
    await asyncio.to_thread(asked.wait, 5)
    central.add_station("CP1", cheap_hash("another password"))
    told.set()
    assert (await knocking).status == 503


# Through another server


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_another_server_says_who_came_and_how(
    central: CentralSystem, scheme: str, unused_tcp_port: int
) -> None:
    """As Home Assistant does for a proxy that it was told to trust."""

    async def handed_in(request: web.BaseRequest) -> web.StreamResponse:
        changed = request.clone(remote="8.8.8.8", scheme=scheme)
        return await central.handle(changed, "CP1")

    runner = web.ServerRunner(web.Server(handed_in))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", unused_tcp_port).start()
    central.add_station("CP1", cheap_hash(SECRET), security_profile=SecurityProfile.TLS_PASSWORD)
    header = {"Authorization": encode_basic_auth("CP1", SECRET)}
    url = f"http://127.0.0.1:{unused_tcp_port}/"
    async with ClientSession() as session:
        if scheme == "https":
            async with session.ws_connect(url, protocols=("ocpp1.6",), headers=header):
                assert central.security_profile("CP1") is SecurityProfile.TLS_PASSWORD
            assert [knock.cause for knock in central.knocks] == [Cause.CONNECTED]
        else:
            with pytest.raises(WSServerHandshakeError) as caught:
                await session.ws_connect(url, protocols=("ocpp1.6",), headers=header)
            assert caught.value.status == 403
            assert central.knocks[-1].cause is Cause.INSECURE
            assert central.knocks[-1].address == "8.8.8.8"
    await runner.cleanup()


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
