"""Certificates, security profiles and keys (security whitepaper, ed. 3)."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID
import pytest

from simulator import Ocpp16Station, StationConfig
from simulator.connect import Tls

from .charging import ACCEPTED, REJECTED
from .conftest import FAST, Dial
from .pki import authority
from .server import Server

CENTRAL, MAKER = "CentralSystemRootCertificate", "ManufacturerRootCertificate"
PASSWORD = "correct horse battery"
LOGIN = "Basic " + base64.b64encode(f"SIM-1:{PASSWORD}".encode()).decode()


@pytest.fixture
async def secure() -> AsyncIterator[Server]:
    """Return a server with TLS that asks for a password."""
    async with Server(authority().server()) as running:
        running.password = LOGIN
        yield running


@pytest.fixture
async def strict() -> AsyncIterator[Server]:
    """Return a server with TLS that asks for a certificate."""
    async with Server(authority().server(clients=True)) as running:
        yield running


async def set_profile(server: Server, profile: str) -> str:
    change = {"key": "SecurityProfile", "value": profile}
    return await server.status_of("ChangeConfiguration", change)


async def install(server: Server, certificate: str, use: str = CENTRAL) -> str:
    payload = {"certificateType": use, "certificate": certificate}
    return await server.status_of("InstallCertificate", payload)


async def ids(server: Server, use: str) -> list[dict[str, str]]:
    answer = await server.call("GetInstalledCertificateIds", {"certificateType": use})
    return list(answer.get("certificateHashData", []))


async def request_of(station: Ocpp16Station, server: Server) -> str:
    """Have the station ask for a certificate and return the request."""
    before = len(server.calls("SignCertificate"))
    trigger = {"requestedMessage": "SignChargePointCertificate"}
    assert await server.call("ExtendedTriggerMessage", trigger) == ACCEPTED
    await station.wait_for(lambda _: len(server.calls("SignCertificate")) > before)
    return str(server.calls("SignCertificate")[-1]["csr"])


# --- security profiles ----------------------------------------------------------------------------


async def test_from_nothing_to_a_password_to_tls(
    server: Server, secure: Server, dial: Dial
) -> None:
    station = await dial(secure_url=secure.url, authorization_key_hex=False)
    assert station.security.profile == 0
    assert await set_profile(server, "1") == "Rejected"  # there is no password yet
    key = {"key": "AuthorizationKey", "value": PASSWORD}
    assert await server.call("ChangeConfiguration", key) == ACCEPTED
    await station.wait_for(lambda _: server.authorizations == [None, LOGIN])
    await station.wait_for(lambda s: s.ready)
    assert await set_profile(server, "1") == "Accepted"
    await station.wait_for(lambda _: len(server.paths) == 3)
    await station.wait_for(lambda s: s.ready)
    assert await set_profile(server, "1") == "Accepted"  # it is that already
    assert await set_profile(server, "2") == "Rejected"  # there is no root yet
    assert await install(server, authority().root) == "Accepted"
    assert await set_profile(server, "2") == "Accepted"
    await station.wait_for(lambda _: secure.paths == ["/SIM-1"])
    await station.wait_for(lambda s: s.ready)
    assert await set_profile(secure, "1") == "Rejected"  # never down
    assert await set_profile(secure, "3") == "Rejected"  # there is no certificate
    for nonsense in ("4", "two", "-1"):
        assert await set_profile(secure, nonsense) == "Rejected"
    shown = await secure.call("GetConfiguration", {"key": ["SecurityProfile"]})
    assert shown["configurationKey"][0]["value"] == "2"
    assert station.books.violations == []


async def test_without_an_address_for_tls_there_is_no_tls(server: Server, dial: Dial) -> None:
    await dial(password="secret", tls=Tls(authority().root))
    assert await set_profile(server, "2") == "Rejected"


async def test_a_profile_that_does_not_work_is_taken_back(server: Server, dial: Dial) -> None:
    async with Server(authority("Another root").server()) as stranger:
        tls = Tls(authority().root)
        station = await dial(password="secret", tls=tls, secure_url=stranger.url)
        assert await set_profile(server, "2") == "Accepted"
        await station.wait_for(lambda s: not s.ready)
        await station.wait_for(lambda s: s.ready)
        assert station.security.profile == station.settings.number("SecurityProfile") == 1
        assert "profile_taken_back" in [note["event"] for note in station.books.notes]
        assert stranger.paths == []


async def test_a_configured_profile(server: Server, dial: Dial) -> None:
    station = await dial(password="secret", settings={"SecurityProfile": "0"})
    assert station.security.profile == 0
    station = await dial(password="secret", security_extensions=False)
    assert station.security.profile == 1


# --- the station's own certificate ----------------------------------------------------------------


async def test_from_nothing_to_a_certificate(server: Server, strict: Server, dial: Dial) -> None:
    station = await dial(
        tls=Tls(authority().root), secure_url=strict.url, settings={"CpoName": "Depot Ltd"}
    )
    request = await request_of(station, server)
    names = {one.oid: one.value for one in x509.load_pem_x509_csr(request.encode()).subject}
    assert names == {NameOID.COMMON_NAME: "SIM-1", NameOID.ORGANIZATION_NAME: "Depot Ltd"}
    assert await set_profile(server, "3") == "Rejected"
    chain = authority().sign(request) + authority().root
    assert await server.call("CertificateSigned", {"certificateChain": chain}) == ACCEPTED
    await server.call("ClearCache", {})
    assert len(server.paths) == 1  # nobody has asked for it yet
    assert await set_profile(server, "3") == "Accepted"
    await station.wait_for(lambda _: strict.clients == ["SIM-1"])
    await station.wait_for(lambda s: s.ready)
    assert station.security.profile == 3


async def test_a_new_certificate_is_shown_at_once(strict: Server) -> None:
    config = StationConfig("SIM-1", **FAST, tls=authority().client("SIM-1"))
    async with Ocpp16Station(config, strict.url) as station:
        await station.wait_for(lambda s: s.ready)
        assert station.security.profile == 3
        old = station.security.address(0).tls
        chain = authority().sign(await request_of(station, strict))
        assert await strict.call("CertificateSigned", {"certificateChain": chain}) == ACCEPTED
        await station.wait_for(lambda _: len(strict.paths) == 2)
        await station.wait_for(lambda s: s.ready)
        new = station.security.address(0).tls
        assert strict.clients == ["SIM-1", "SIM-1"]
        assert old is not None
        assert new is not None
        assert new.certificate == chain != old.certificate
        assert new.key != old.key


@pytest.mark.parametrize("wrong", ["unasked", "paper", "name", "key", "expired", "chain", "long"])
async def test_a_certificate_that_does_not_fit(server: Server, dial: Dial, wrong: str) -> None:
    settings = {"CertificateSignedMaxChainSize": "100"} if wrong == "long" else {}
    station = await dial(settings=settings)
    ours, other = authority(), authority("Another root")
    chain = ours.issue("SIM-1")[0]
    if wrong != "unasked":
        request = await request_of(station, server)
        chain = {
            "paper": "paper",
            "name": ours.sign(request, "SIM-2"),
            "key": chain,
            "expired": ours.sign(request, age=timedelta(days=400)),
            "chain": ours.sign(request) + other.root,
            "long": ours.sign(request),
        }[wrong]
    answer = await server.call("CertificateSigned", {"certificateChain": chain})
    assert answer == REJECTED
    await station.wait_for(lambda _: server.calls("SecurityEventNotification"))
    [event] = server.calls("SecurityEventNotification")
    assert event["type"] == "InvalidChargePointCertificate"
    assert not station.security.store.has_certificate


async def test_a_request_without_an_operator(server: Server, dial: Dial) -> None:
    station = await dial()
    request = x509.load_pem_x509_csr((await request_of(station, server)).encode())
    assert request.subject.rfc4514_string() == "CN=SIM-1"
    assert request.is_signature_valid
    await station.wait_for(lambda s: s.books.notes[-1]["event"] == "certificate_asked_for")
    # Only the key of the last request counts.
    second = await request_of(station, server)
    chain = {"certificateChain": authority().sign(second)}
    assert await server.call("CertificateSigned", chain) == ACCEPTED
    assert await server.call("CertificateSigned", chain) == REJECTED


# --- roots ----------------------------------------------------------------------------------------


async def test_roots_come_and_go(server: Server, dial: Dial) -> None:
    await dial()
    assert await ids(server, CENTRAL) == []
    for use in (CENTRAL, CENTRAL, MAKER):  # the same one twice is once
        assert await install(server, authority().root, use) == "Accepted"
    [known] = await ids(server, CENTRAL)
    root = x509.load_pem_x509_certificate(authority().root.encode())
    digest = hashes.Hash(hashes.SHA256())
    digest.update(root.subject.public_bytes())
    assert known["issuerNameHash"] == digest.finalize().hex()
    assert int(known["serialNumber"], 16) == root.serial_number
    assert await ids(server, MAKER) == [known]
    # Upper case is as good, and another algorithm gives other hashes.
    upper = {**known, "issuerNameHash": known["issuerNameHash"].upper()}
    request: dict[str, Any] = {"certificateHashData": {**known, "hashAlgorithm": "SHA512"}}
    assert await server.status_of("DeleteCertificate", request) == "NotFound"
    for status in ("Accepted", "Accepted", "NotFound"):
        request = {"certificateHashData": upper}
        assert await server.status_of("DeleteCertificate", request) == status
    assert await ids(server, CENTRAL) == await ids(server, MAKER) == []


async def test_roots_that_are_refused(server: Server, dial: Dial) -> None:
    station = await dial(settings={"CertificateStoreMaxLength": "1"})
    for wrong in ("paper", authority().root + authority("Another root").root):
        assert await install(server, wrong) == "Rejected"
    assert await install(server, authority().root) == "Accepted"
    assert await install(server, authority("Another root").root) == "Failed"
    assert station.security.store.count(CENTRAL) == 1


async def test_the_last_root_stays_while_it_is_needed(secure: Server) -> None:
    config = StationConfig("SIM-1", **FAST, password=PASSWORD, tls=Tls(authority().root))
    async with Ocpp16Station(config, secure.url) as station:
        await station.wait_for(lambda s: s.ready)
        [known] = await ids(secure, CENTRAL)
        request = {"certificateHashData": known}
        assert await secure.status_of("DeleteCertificate", request) == "Failed"
        assert await install(secure, authority("Another root").root) == "Accepted"
        assert await secure.status_of("DeleteCertificate", request) == "Accepted"


async def test_a_security_event_of_ones_own(server: Server, dial: Dial) -> None:
    station = await dial()
    await station.security.event("TamperDetectionActivated")
    [event] = server.calls("SecurityEventNotification")
    assert set(event) == {"type", "timestamp"}
