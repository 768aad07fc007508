"""What certificates and keys from elsewhere say, and what is wrong with them."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
import hashlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given, settings, strategies as st
import pytest

from custom_components.forecourt.stations.ocpp.authority import (
    issue_server,
    issue_station,
    make_authority,
)
from custom_components.forecourt.stations.ocpp.certificates import (
    CertificateError,
    CertifiedKey,
    Problem,
    facts_of,
    hash_data,
    load_chain,
    parse_authorities,
    parse_certified_key,
)

from .requests import NOW, key_pem, request, subject

AUTHORITY = make_authority("Home", NOW)
SERVER = issue_server(AUTHORITY, ["forecourt.local", "192.168.1.5"], NOW)
STATION = issue_station(AUTHORITY, request(subject("CP1")), "CP1", NOW)
DER = load_chain(STATION)[0].public_bytes(serialization.Encoding.DER)


def problem_of(caught: pytest.ExceptionInfo[CertificateError]) -> Problem:
    assert str(caught.value).endswith((".", "-----.", "new.pem"))
    return caught.value.problem


def self_signed(key: dsa.DSAPrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey) -> str:
    name = subject("localhost")
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(5)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
        .sign(key, algorithm)  # type: ignore[arg-type] # None is for Ed25519
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


# A server's own certificate


def test_a_certificate_and_its_key_are_taken() -> None:
    assert parse_certified_key(SERVER.chain_pem, SERVER.key_pem, NOW) == SERVER


def test_the_certificate_of_the_key_comes_first() -> None:
    mixed = AUTHORITY.chain_pem + "some words between\n" + SERVER.chain_pem
    parsed = parse_certified_key(mixed, SERVER.key_pem, NOW)
    assert parsed.chain_pem == SERVER.chain_pem + AUTHORITY.chain_pem


def test_keys_of_the_old_form_are_taken() -> None:
    key = rsa.generate_private_key(65537, 2048)
    old = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    parsed = parse_certified_key(self_signed(key), old.decode(), NOW)
    assert parsed.key_pem.startswith("-----BEGIN PRIVATE KEY-----")


def test_a_key_never_prints_itself() -> None:
    assert SERVER.key_pem.splitlines()[1] not in repr(SERVER)


@pytest.mark.parametrize(
    ("chain_pem", "key", "now", "problem"),
    [
        ("hello", SERVER.key_pem, NOW, Problem.NOT_PEM),
        ("", SERVER.key_pem, NOW, Problem.NOT_PEM),
        (SERVER.key_pem, SERVER.key_pem, NOW, Problem.NOT_PEM),
        (SERVER.chain_pem, "hello", NOW, Problem.NOT_PEM),
        (SERVER.chain_pem, SERVER.chain_pem, NOW, Problem.NOT_PEM),
        (SERVER.chain_pem[:200], SERVER.key_pem, NOW, Problem.NOT_PEM),
        (SERVER.chain_pem, AUTHORITY.key_pem, NOW, Problem.KEY_MISMATCH),
        (SERVER.chain_pem, SERVER.key_pem, NOW + timedelta(days=398), Problem.EXPIRED),
        (SERVER.chain_pem, SERVER.key_pem, NOW - timedelta(days=2), Problem.NOT_YET_VALID),
    ],
    ids=[f"wrong {number}" for number in range(9)],
)
def test_what_is_wrong_with_a_certificate_has_a_name(
    chain_pem: str, key: str, now: datetime, problem: Problem
) -> None:
    with pytest.raises(CertificateError) as caught:
        parse_certified_key(chain_pem, key, now)
    assert problem_of(caught) is problem


def test_an_encrypted_key_is_told_from_a_broken_one() -> None:
    encrypted = key_pem(ec.generate_private_key(ec.SECP256R1()), b"secret")
    with pytest.raises(CertificateError, match="openssl pkey") as caught:
        parse_certified_key(SERVER.chain_pem, encrypted, NOW)
    assert caught.value.problem is Problem.KEY_ENCRYPTED


def test_a_certificate_for_clients_serves_nobody() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    station = issue_station(AUTHORITY, request(subject("CP1"), key), "CP1", NOW)
    with pytest.raises(CertificateError) as caught:
        parse_certified_key(station, key_pem(key), NOW)
    assert problem_of(caught) is Problem.NOT_FOR_SERVERS


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        (rsa.generate_private_key(65537, 1024), Problem.KEY_WEAK),  # noqa: S505
        (ed25519.Ed25519PrivateKey.generate(), Problem.KEY_NOT_SUPPORTED),
        (dsa.generate_private_key(2048), Problem.KEY_NOT_SUPPORTED),
    ],
)
def test_keys_that_no_station_may_trust(
    key: dsa.DSAPrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey, problem: Problem
) -> None:
    with pytest.raises(CertificateError) as caught:
        parse_certified_key(self_signed(key), key_pem(key), NOW)
    assert problem_of(caught) is problem


# Authorities


def test_authorities_are_taken_in_any_number() -> None:
    other = make_authority("Depot", NOW)
    both = AUTHORITY.chain_pem + "\n\n" + other.chain_pem
    assert parse_authorities(both, NOW) == AUTHORITY.chain_pem + other.chain_pem


@pytest.mark.parametrize(
    ("pem", "problem"),
    [
        (SERVER.chain_pem, Problem.NOT_AN_AUTHORITY),
        (AUTHORITY.chain_pem + STATION, Problem.NOT_AN_AUTHORITY),
        (self_signed(rsa.generate_private_key(65537, 2048)), Problem.NOT_AN_AUTHORITY),
        (
            make_authority("Old", NOW - timedelta(days=7301)).chain_pem,
            Problem.EXPIRED,
        ),
        ("hello", Problem.NOT_PEM),
    ],
    ids=["server", "station", "self-signed", "expired", "text"],
)
def test_what_is_no_authority_is_not_trusted(pem: str, problem: Problem) -> None:
    with pytest.raises(CertificateError) as caught:
        parse_authorities(pem, NOW)
    assert problem_of(caught) is problem


# What they say


def test_what_a_certificate_says() -> None:
    facts = facts_of(SERVER.chain_pem)
    certificate = load_chain(SERVER.chain_pem)[0]
    assert facts.common_name == "forecourt.local"
    assert facts.organization is None
    assert "Forecourt CA Home" in facts.issuer
    assert int(facts.serial_number, 16) == certificate.serial_number
    der = certificate.public_bytes(serialization.Encoding.DER)
    assert facts.fingerprint == hashlib.sha256(der).hexdigest()
    assert facts.hosts == ("forecourt.local", "192.168.1.5")
    assert facts.not_before < NOW < facts.not_after
    assert facts_of(STATION).organization == "Acme Charging"
    assert facts_of(DER) == facts_of(STATION)


def test_of_two_common_names_none_counts() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject("CP1", "CP2"))
        .issuer_name(subject("CA"))
        .public_key(key.public_key())
        .serial_number(5)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    facts = facts_of(certificate.public_bytes(serialization.Encoding.PEM).decode())
    assert facts.common_name is None


def test_a_month_before_its_end_a_new_one_is_due() -> None:
    facts = facts_of(SERVER.chain_pem)
    assert not facts.is_due(NOW)
    assert not facts.is_due(facts.not_after - timedelta(days=31))
    assert facts.is_due(facts.not_after - timedelta(days=29))
    assert facts.is_due(facts.not_after + timedelta(days=29))


@pytest.mark.filterwarnings("ignore:Parsed a serial number")
@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_damaged_certificate_is_no_more_than_an_error(data: st.DataObject) -> None:
    damaged = bytearray(DER)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    # Nothing else comes out, and never what would pass for the original.
    with suppress(CertificateError):
        facts = facts_of(bytes(damaged))
        assert (facts.fingerprint == facts_of(DER).fingerprint) == (bytes(damaged) == DER)


def test_a_name_of_a_type_that_cannot_be_is_a_damage() -> None:
    # The issuer's common name as a BIT STRING (3) instead of a UTF8String (12).
    name = b"\x0c" + bytes([len(b"Forecourt CA Home")]) + b"Forecourt CA Home"
    assert DER.count(name) == 1
    with pytest.raises(CertificateError) as caught:
        facts_of(DER.replace(name, b"\x03" + name[1:]))
    assert problem_of(caught) is Problem.NOT_PEM


# How OCPP names them


def name_hash(certificate: x509.Certificate) -> str:
    return hashlib.sha256(certificate.issuer.public_bytes()).hexdigest()


def key_hash(certificate: x509.Certificate) -> str:
    """Return the hash of the key alone: the contents of the BIT STRING (RFC 6960 §4.1.1)."""
    raw = certificate.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    return hashlib.sha256(raw).hexdigest()


def test_hash_data_names_a_certificate_and_a_root() -> None:
    root = load_chain(AUTHORITY.chain_pem)[0]
    for pem in (STATION, AUTHORITY.chain_pem):
        certificate = load_chain(pem)[0]
        data = hash_data(pem, AUTHORITY.chain_pem)
        assert data.hash_algorithm == "SHA256"
        assert data.issuer_name_hash == name_hash(certificate)
        assert data.issuer_key_hash == key_hash(root)
        assert data.serial_number == f"{certificate.serial_number:x}"


def test_a_serial_number_has_no_leading_zeros() -> None:
    pem = self_signed(rsa.generate_private_key(65537, 2048))
    assert hash_data(pem, pem).serial_number == "5"


# What is issued is read back by OpenSSL and others in tests/wire/ocpp/test_tls.py.


def test_purposes_are_kept_apart() -> None:
    server, station = load_chain(SERVER.chain_pem)[0], load_chain(STATION)[0]
    usage = x509.ExtendedKeyUsage
    assert list(server.extensions.get_extension_for_class(usage).value) == [
        ExtendedKeyUsageOID.SERVER_AUTH
    ]
    assert list(station.extensions.get_extension_for_class(usage).value) == [
        ExtendedKeyUsageOID.CLIENT_AUTH
    ]


def test_dates_are_aware() -> None:
    assert facts_of(STATION).not_after.tzinfo is UTC
    assert isinstance(SERVER, CertifiedKey)
