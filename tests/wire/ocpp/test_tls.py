"""Security profiles in practice: real handshakes, good and bad ones."""

import asyncio
from datetime import timedelta
from functools import partial
import socket
import ssl
import threading
from typing import Any

from aiohttp import ClientError, ClientSession
import pytest

from custom_components.forecourt.stations.ocpp import (
    Cause,
    CentralSystem,
    PortInUseError,
    SecurityProfile,
    door as door_module,
    listener as listener_module,
    ports as ports_module,
)
from custom_components.forecourt.stations.ocpp.authority import issue_server
from custom_components.forecourt.stations.ocpp.certificates import (
    CertificateError,
    CertifiedKey,
    Problem,
    facts_of,
)
from custom_components.forecourt.stations.ocpp.tls import server_context

from .certified import (
    AUTHORITY,
    HOSTS,
    NOW,
    SERVER,
    STRANGE,
    TLS,
    certified,
    fingerprints,
    station_tls,
)
from .conftest import QUICK, MakeCentral
from .knocking import SECRET, last, until_gone
from .peer import Peer, Site, Watch, cheap_hash

HASH = cheap_hash(SECRET)
ONE = certified("CP1")
BY_CERTIFICATE = {
    "security_profile": SecurityProfile.CERTIFICATE,
    "certificates": fingerprints(ONE),
}
ENCRYPTED = {"security_profile": SecurityProfile.TLS_PASSWORD, "password_hash": HASH}
HANDSHAKE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
    "Sec-WebSocket-Protocol": "ocpp1.6",
}


@pytest.fixture
async def central(make_central: MakeCentral) -> CentralSystem:
    return await make_central(start={"tls_port": 0, "tls": lambda: TLS})


async def answered(
    central: CentralSystem, identity: str, tls: ssl.SSLContext | None, **headers: str
) -> tuple[int, str]:
    """Return what a refused handshake is told."""
    url = f"http://127.0.0.1:{central.port}/{identity}"
    if tls is not None:
        url = f"https://127.0.0.1:{central.tls_port}/{identity}"
    async with (
        ClientSession() as session,
        session.get(url, headers=HANDSHAKE | headers, ssl=tls or True) as response,
    ):
        return response.status, await response.text()


async def broken(central: CentralSystem, tls: ssl.SSLContext) -> None:
    """Dial, and see the connection end without an answer."""
    with pytest.raises((ClientError, OSError)):
        await answered(central, "CP1", tls)


async def noted(central: CentralSystem, cause: Cause) -> str:
    """Wait for a knock that got no identity, and return what is known of it."""
    heard = asyncio.Event()
    stop = central.subscribe_knocks(lambda knock: heard.set() if knock.cause is cause else None)
    if cause not in {knock.cause for knock in central.knocks}:
        await asyncio.wait_for(heard.wait(), 5)
    stop()
    identity, _, detail = last(central)
    assert identity is None
    return detail


# The profiles


async def test_a_password_over_tls_is_profile_2(central: CentralSystem) -> None:
    central.add_station("CP1", **ENCRYPTED)
    async with Peer(central, "CP1", password=SECRET, tls=station_tls()) as peer:
        assert (await peer.boot())["status"] == "Accepted"
        assert central.security_profile("CP1") is SecurityProfile.TLS_PASSWORD
        assert central.knocks[-1].security_profile is SecurityProfile.TLS_PASSWORD
    assert await answered(central, "CP1", station_tls()) == (401, "password_missing\n")
    await until_gone(central, "CP1")
    assert central.security_profile("CP1") is None


async def test_a_certificate_is_profile_3_and_needs_no_password(central: CentralSystem) -> None:
    central.add_station("CP1", **BY_CERTIFICATE)
    async with Peer(central, "CP1", tls=station_tls(ONE)) as peer:
        assert (await peer.boot())["status"] == "Accepted"
        assert central.security_profile("CP1") is SecurityProfile.CERTIFICATE


async def test_strangers_wait_encrypted_too(central: CentralSystem) -> None:
    async with Peer(central, "CP9", tls=station_tls()) as peer:
        assert (await peer.boot())["status"] == "Pending"
        assert central.security_profile("CP9") is None
    assert await answered(central, "a/b", station_tls()) == (404, "wrong_path\n")


@pytest.mark.parametrize("credentials", [ENCRYPTED, BY_CERTIFICATE])
async def test_nobody_gets_in_with_less(
    central: CentralSystem, credentials: dict[str, Any]
) -> None:
    central.add_station("CP1", **credentials)
    claim = {"X-Forwarded-Proto": "https", "Forwarded": "proto=https"}
    assert await answered(central, "CP1", None, **claim) == (403, "insecure\n")
    assert last(central) == ("CP1", Cause.INSECURE, "came without TLS: use wss://")


async def test_who_has_no_certificate_stays_outside(central: CentralSystem) -> None:
    central.add_station("CP1", **BY_CERTIFICATE)
    assert await answered(central, "CP1", station_tls()) == (403, "certificate\n")
    assert last(central) == ("CP1", Cause.CERTIFICATE, "it has none")


async def test_the_certificate_of_another_station_does_not_help(central: CentralSystem) -> None:
    two = certified("CP2")
    central.add_station(
        "CP1",
        security_profile=SecurityProfile.CERTIFICATE,
        certificates=fingerprints(ONE, two),
    )
    assert await answered(central, "CP1", station_tls(two)) == (403, "certificate\n")
    assert last(central) == ("CP1", Cause.CERTIFICATE, "it is for CP2")


async def test_a_revoked_certificate_ends_the_connection(central: CentralSystem) -> None:
    new = certified("CP1")
    central.add_station("CP1", **BY_CERTIFICATE)
    async with Peer(central, "CP1", tls=station_tls(ONE)) as peer:
        await peer.boot()
        central.add_station("CP1", **BY_CERTIFICATE | {"certificates": fingerprints(ONE, new)})
        assert (await peer.call("Heartbeat"))[0] == 3, "the old one counts until it is replaced"
        central.add_station("CP1", **BY_CERTIFICATE | {"certificates": fingerprints(new)})
        await peer.closed.wait()
        assert peer.ws.close_code == 1012
    await until_gone(central, "CP1")
    assert await answered(central, "CP1", station_tls(ONE)) == (403, "certificate\n")
    assert "revoked" in last(central)[2]
    async with Peer(central, "CP1", tls=station_tls(new)) as peer:
        await peer.boot()


async def test_a_station_goes_up_and_never_down(central: CentralSystem) -> None:
    """From a password in the clear to a certificate (OCPP 2.0.1 A05)."""
    central.add_station("CP1", HASH)
    async with Peer(central, "CP1", password=SECRET) as peer:
        await peer.boot()
        assert central.security_profile("CP1") is SecurityProfile.PASSWORD
        central.add_station("CP1", **ENCRYPTED)
        await peer.closed.wait()
    await until_gone(central, "CP1")
    assert (await answered(central, "CP1", None))[0] == 403
    async with Peer(central, "CP1", password=SECRET, tls=station_tls()) as peer:
        await peer.boot()
        central.add_station("CP1", **ENCRYPTED | BY_CERTIFICATE)
        await peer.closed.wait()
    await until_gone(central, "CP1")
    assert (await answered(central, "CP1", None))[0] == 403
    assert (await answered(central, "CP1", station_tls()))[0] == 403
    async with Peer(central, "CP1", tls=station_tls(ONE)) as peer:
        await peer.boot()
        # What is enough already stays connected.
        central.add_station("CP1", **ENCRYPTED)
        assert (await peer.call("Heartbeat"))[0] == 3


async def test_a_profile_that_cannot_be_is_an_error(central: CentralSystem) -> None:
    with pytest.raises(ValueError, match="needs a password"):
        central.add_station("CP1", security_profile=2)
    with pytest.raises(ValueError, match="4"):
        central.add_station("CP1", security_profile=4)
    assert not central.stations


# Handshakes that come to nothing


@pytest.mark.parametrize(
    ("own", "why"),
    [
        (certified("CP1", STRANGE), "unable to get local issuer certificate"),
        (certified("CP1", at=NOW - timedelta(days=40)), "certificate has expired"),
        (certified("CP1", at=NOW + timedelta(days=40)), "certificate is not yet valid"),
        # A server's certificate names no station, even if the name is right.
        (issue_server(AUTHORITY, ["CP1"], NOW), "unsuitable certificate purpose"),
    ],
)
async def test_a_certificate_that_is_not_valid_ends_the_handshake(
    central: CentralSystem, own: CertifiedKey, why: str
) -> None:
    central.add_station("CP1", security_profile=SecurityProfile.CERTIFICATE)
    await broken(central, station_tls(own))
    assert (await noted(central, Cause.CERTIFICATE)).startswith(why)


async def test_a_station_that_trusts_others_is_noted(central: CentralSystem) -> None:
    def dial() -> None:
        # By hand: asyncio does not tell the other side why it hangs up.
        with socket.create_connection(("127.0.0.1", central.tls_port or 0), 5) as connection:
            station_tls(trusts=STRANGE).wrap_socket(connection, server_hostname="127.0.0.1")

    with pytest.raises(ssl.SSLCertVerificationError):
        await asyncio.to_thread(dial)
    assert await noted(central, Cause.HANDSHAKE) == "tlsv1 alert unknown ca"


def old_tls(context: ssl.SSLContext) -> None:
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1_1
    context.maximum_version = ssl.TLSVersion.TLSv1_1


@pytest.mark.filterwarnings("ignore:.*TLSv1_1.*:DeprecationWarning")
async def test_tls_before_1_2_is_refused(central: CentralSystem) -> None:
    await broken(central, station_tls(change=old_tls))
    assert await noted(central, Cause.HANDSHAKE) == "unsupported protocol"


def only(cipher: str, context: ssl.SSLContext) -> None:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(cipher)


@pytest.mark.parametrize(
    "cipher",
    [
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "AES128-GCM-SHA256",
        "AES256-GCM-SHA384",
    ],
)
async def test_what_ocpp_asks_for_is_spoken(central: CentralSystem, cipher: str) -> None:
    """OCPP 2.0.1 A00.FR.318: a station has the first two or the last two."""
    tls = station_tls(ONE, change=partial(only, cipher))
    async with Peer(central, "CP1", tls=tls) as peer:
        assert peer.ws.get_extra_info("ssl_object").cipher()[0] == cipher


async def test_weak_ciphers_are_not_spoken(central: CentralSystem) -> None:
    await broken(central, station_tls(change=partial(only, "ECDHE-RSA-AES128-SHA")))
    assert await noted(central, Cause.HANDSHAKE) == "no shared cipher"


async def test_who_forgets_tls_on_its_port_is_noted(central: CentralSystem) -> None:
    with pytest.raises((ClientError, OSError)):
        async with ClientSession() as session:
            await session.get(f"http://127.0.0.1:{central.tls_port}/CP1")
    assert "without TLS" in await noted(central, Cause.INSECURE)


async def test_who_just_hangs_up_is_noted(central: CentralSystem) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", central.tls_port)
    writer.close()
    await writer.wait_closed()
    assert await noted(central, Cause.HANDSHAKE) == "it ended the connection"


async def test_who_says_nothing_is_sent_away(
    central: CentralSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener_module, "HANDSHAKE_S", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", central.tls_port)
    assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()
    assert await noted(central, Cause.HANDSHAKE) == "it took too long"


async def test_who_says_nothing_holds_nobody_up(central: CentralSystem) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", central.tls_port)
    async with Peer(central, "CP1", tls=station_tls()) as peer:
        await peer.boot()
    async with asyncio.timeout(5):
        await central.stop()
    assert await reader.read() == b""
    writer.close()


@pytest.mark.parametrize("limit", ["handshakes", "attempts"])
async def test_handshakes_are_not_without_end(
    make_central: MakeCentral, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    if limit == "handshakes":
        monkeypatch.setattr(listener_module, "MAX_HANDSHAKES", 1)
    else:
        monkeypatch.setattr(door_module, "MAX_ATTEMPTS_PER_ADDRESS", 1)
    central = await make_central(start={"tls_port": 0, "tls": lambda: TLS})
    _, writer = await asyncio.open_connection("127.0.0.1", central.tls_port)
    await asyncio.sleep(0.05)
    await broken(central, station_tls())
    if limit == "attempts":
        assert await noted(central, Cause.TOO_MANY) == "too many attempts"
    writer.close()


# The moment between handshake and request


def client_hello(tls: ssl.SSLContext, port: int) -> tuple[socket.socket, Any, Any, Any]:
    """Shake hands by hand, up to the station's last words, which are not sent yet."""
    connection = socket.create_connection(("127.0.0.1", port), 5)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    encrypted = tls.wrap_bio(incoming, outgoing, server_hostname="127.0.0.1")
    while True:
        try:
            encrypted.do_handshake()
        except ssl.SSLWantReadError:
            connection.sendall(outgoing.read())
            incoming.write(connection.recv(65536))
        else:
            return connection, encrypted, incoming, outgoing


async def test_a_request_may_come_with_the_end_of_the_handshake(central: CentralSystem) -> None:
    central.add_station("CP1", **BY_CERTIFICATE)

    def dial() -> bytes:
        connection, encrypted, incoming, outgoing = client_hello(station_tls(), central.tls_port)
        encrypted.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        connection.sendall(outgoing.read())
        answer = b""
        while b"wrong_path" not in answer:
            incoming.write(connection.recv(65536))
            try:
                answer += encrypted.read(65536)
            except ssl.SSLWantReadError:
                continue
        connection.close()
        return answer

    assert b"404 Not Found" in await asyncio.to_thread(dial)


async def test_a_goodbye_may_come_with_the_end_of_the_handshake(central: CentralSystem) -> None:
    def dial() -> None:
        connection, encrypted, _, outgoing = client_hello(station_tls(), central.tls_port)
        with pytest.raises(ssl.SSLWantReadError):
            encrypted.unwrap()
        connection.sendall(outgoing.read())
        connection.close()

    await asyncio.to_thread(dial)
    async with Peer(central, "CP1", tls=station_tls()) as peer:
        assert (await peer.boot())["status"] == "Pending"


@pytest.mark.parametrize("cipher", [None, "ECDHE+AESGCM"])
def test_a_session_that_is_taken_up_shows_its_certificate_again(cipher: str | None) -> None:
    """TLS does not look at it again: that it expired or was revoked, the door has to see."""
    shown: list[bytes | None] = []
    station = station_tls(ONE) if cipher is None else station_tls(ONE, change=partial(only, cipher))

    def serve(server: socket.socket) -> None:
        plain, _ = server.accept()
        with TLS.wrap_socket(plain, server_side=True) as encrypted:
            shown.append(encrypted.getpeercert(binary_form=True))
            encrypted.send(b"x")

    def dial(server: socket.socket, session: ssl.SSLSession | None) -> ssl.SSLSession | None:
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        with (
            socket.create_connection(server.getsockname(), 5) as plain,
            station.wrap_socket(plain, server_hostname="127.0.0.1", session=session) as encrypted,
        ):
            encrypted.recv(1)
            assert not encrypted.session.has_ticket
            if cipher is None:
                assert not encrypted.session_reused
            session = encrypted.session
        thread.join(5)
        return session

    with socket.create_server(("127.0.0.1", 0)) as server:
        dial(server, dial(server, None))
    assert [facts_of(one or b"").fingerprint for one in shown] == [*fingerprints(ONE)] * 2


async def test_a_certificate_that_cannot_be_read_is_none(
    central: CentralSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenSSL took it, so there is none to be had that it takes and the other does not."""

    def read(_: bytes) -> None:
        raise CertificateError(Problem.NOT_PEM, "The certificate is damaged.")

    monkeypatch.setattr(ports_module, "facts_of", read)
    assert await answered(central, "CP1", station_tls(ONE)) == (403, "certificate\n")


# Ports and certificates come and go


async def test_a_new_certificate_needs_no_restart(make_central: MakeCentral) -> None:
    contexts = [TLS]
    central = await make_central(start={"tls_port": 0, "tls": lambda: contexts[-1]})

    def served(peer: Peer) -> str:
        shown = peer.ws.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return facts_of(shown).fingerprint

    async with Peer(central, "CP1", tls=station_tls()) as old:
        assert {served(old)} <= fingerprints(SERVER)
        renewed = issue_server(AUTHORITY, HOSTS, NOW)
        contexts.append(server_context([renewed], AUTHORITY.chain_pem))
        async with Peer(central, "CP2", tls=station_tls()) as new:
            assert {served(new)} == fingerprints(renewed)
        assert (await old.boot())["status"] == "Pending"


async def test_without_an_authority_no_certificate_is_asked_for(
    make_central: MakeCentral,
) -> None:
    tls = server_context([SERVER])
    central = await make_central(start={"tls_port": 0, "tls": lambda: tls})
    central.add_station("CP1", **BY_CERTIFICATE)
    assert await answered(central, "CP1", station_tls(ONE)) == (403, "certificate\n")
    assert last(central)[2] == "it has none"


async def test_the_plain_port_may_stay_closed(make_central: MakeCentral) -> None:
    central = await make_central(start={"port": None, "tls_port": 0, "tls": lambda: TLS})
    assert central.port is None
    async with Peer(central, "CP1", tls=station_tls()) as peer:
        await peer.boot()
    await central.stop()
    assert central.tls_port is None


async def test_one_port_in_use_opens_none(
    make_central: MakeCentral, site: Site, now: Watch
) -> None:
    central = await make_central()
    other = CentralSystem(site, now=now, timing=QUICK)
    with pytest.raises(PortInUseError) as caught:
        await other.start("127.0.0.1", 0, tls_port=central.port, tls=lambda: TLS)
    assert caught.value.port == central.port
    assert other.port is None
    assert other.tls_port is None
    await other.stop()


async def test_a_storm_of_encrypted_stations_is_let_in(central: CentralSystem) -> None:
    names = [f"CP{number}" for number in range(60)]
    for name in names:
        central.add_station(name, **ENCRYPTED)
    tls = station_tls()
    peers = [Peer(central, name, password=SECRET, tls=tls) for name in names]
    await asyncio.gather(*(peer.__aenter__() for peer in peers))
    assert {knock.cause for knock in central.knocks} == {Cause.CONNECTED}
    assert all(central.security_profile(name) == 2 for name in names)
    await asyncio.gather(*(peer.__aexit__(None, None, None) for peer in peers))
