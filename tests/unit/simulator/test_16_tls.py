"""wss:// with a private root, client certificates, and odd offers of subprotocols."""

from __future__ import annotations

from pathlib import Path
import ssl
from typing import Any

from aiohttp import ClientError
import pytest

from simulator import Ocpp16Station, RawClient, StationConfig
from simulator.connect import Tls

from .conftest import FAST, Dial
from .pki import authority
from .server import Server


def station(server: Server, **options: Any) -> Ocpp16Station:
    return Ocpp16Station(StationConfig("SIM-1", **{**FAST, **options}), server.url)


async def test_a_private_root(tmp_path: Path) -> None:
    root = tmp_path / "root.pem"
    root.write_text(authority().root)
    async with Server(authority().server()) as server:
        tls = Tls.from_files(ca_file=root)
        async with station(server, tls=tls, password="secret") as one:
            await one.wait_for(lambda s: s.ready)
            assert one.state()["security_profile"] == 2
            assert one.link is not None
            assert server.authorizations[0] is not None
            # The connection may be torn away under TLS too.
            for reset in (False, True):
                await one.fault("drop", reset=reset)
                await one.wait_for(lambda s: not s.ready)
                await one.wait_for(lambda s: s.ready)


async def test_a_root_that_nobody_knows_is_refused() -> None:
    async with Server(authority().server()) as server:
        for tls in (None, Tls(authority("Another root").root)):
            async with station(server, tls=tls) as one:
                await one.wait_for(lambda s: "CERTIFICATE_VERIFY" in str(s.connection.last_error))
        assert server.paths == []


async def test_a_wrong_name_is_refused_unless_told_otherwise() -> None:
    async with Server(authority().server(name="csms.example")) as server:
        root = authority().root
        async with station(server, tls=Tls(root)) as one:
            await one.wait_for(lambda s: "mismatch" in str(s.connection.last_error))
        async with station(server, tls=Tls(root, check_server_name=False)) as one:
            await one.wait_for(lambda s: s.ready)


async def test_a_client_certificate() -> None:
    async with Server(authority().server(clients=True)) as server:
        tls = authority().client("SIM-1")
        async with station(server, tls=tls, password="secret") as one:
            await one.wait_for(lambda s: s.ready)
            assert one.security.profile == 3
        assert server.clients == ["SIM-1"]
        assert server.authorizations == [None]
        async with station(server, tls=Tls(authority().root)) as one:
            await one.wait_for(lambda s: s.connection.last_error)
        assert server.clients == ["SIM-1"]


def test_the_key_is_not_shown() -> None:
    tls = authority().client("SIM-1")
    assert tls.key is not None
    assert "PRIVATE" not in repr(tls)
    with pytest.raises(ssl.SSLError):
        Tls("nonsense").context()
    with pytest.raises(ValueError, match="no PEM"):
        Ocpp16Station(StationConfig("SIM-1", tls=Tls("nonsense")), "wss://127.0.0.1")
    assert Tls().context().minimum_version >= ssl.TLSVersion.TLSv1_2


async def test_the_bare_client() -> None:
    async with Server(authority().server(clients=True)) as server:
        async with RawClient(server.url, "SIM-1", tls=authority().client("Else")) as client:
            assert (await client.boot())[0] == 3
        assert server.clients == ["Else"]
        with pytest.raises(ClientError):
            await RawClient(server.url, "SIM-1").connect()


@pytest.mark.parametrize(
    ("offered", "header"),
    [((), None), (("ocpp2.0.1", "ocpp1.6"), "ocpp2.0.1,ocpp1.6")],
)
async def test_odd_offers_of_subprotocols(
    server: Server, dial: Dial, offered: tuple[str, ...], header: str | None
) -> None:
    one = await dial(subprotocols=offered)
    assert server.offered == [header]
    assert one.books.violations == []


async def test_a_server_that_chooses_what_the_station_cannot(server: Server, dial: Dial) -> None:
    server.subprotocols = ("ocpp2.0.1",)
    one = await dial(ready=False, subprotocols=("ocpp2.0.1", "ocpp1.6"))
    await one.wait_for(lambda s: s.books.violations_of("wrong_subprotocol"))
    assert server.received == []
