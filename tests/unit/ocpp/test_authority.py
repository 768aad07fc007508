"""The site's own authority, and what it signs and what not."""

from datetime import timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa
from cryptography.x509.oid import NameOID
from cryptography.x509.verification import PolicyBuilder, Store
import pytest

from custom_components.forecourt.stations.ocpp.authority import (
    AUTHORITY_VALID,
    MAX_CSR_LENGTH,
    SERVER_VALID,
    STATION_VALID,
    KeyType,
    issue_server,
    issue_station,
    make_authority,
)
from custom_components.forecourt.stations.ocpp.certificates import (
    CertificateError,
    CertifiedKey,
    Problem,
    facts_of,
    load_chain,
)

from .requests import NOW, key_pem, request, subject

AUTHORITY = make_authority("Home", NOW)


def verifier(authority: CertifiedKey) -> PolicyBuilder:
    return PolicyBuilder().store(Store(load_chain(authority.chain_pem))).time(NOW)


# The authority and the server


@pytest.mark.parametrize("key_type", KeyType)
def test_a_server_is_who_its_authority_says(key_type: KeyType) -> None:
    authority = make_authority("Home", NOW, key_type=key_type)
    server = issue_server(authority, ["depot.example"], NOW, key_type=key_type)
    (certificate,) = load_chain(server.chain_pem)
    judge = verifier(authority).build_server_verifier(x509.DNSName("depot.example"))
    assert judge.verify(certificate, [])
    kind = rsa.RSAPublicKey if key_type is KeyType.RSA else ec.EllipticCurvePublicKey
    assert isinstance(certificate.public_key(), kind)


def test_an_address_is_found_both_ways() -> None:
    server = issue_server(AUTHORITY, ["192.168.1.5", "fd00::5", "münchen.example"], NOW)
    (certificate,) = load_chain(server.chain_pem)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.IPAddress) == [
        ip_address("192.168.1.5"),
        ip_address("fd00::5"),
    ]
    assert names.get_values_for_type(x509.DNSName) == [
        "192.168.1.5",
        "fd00::5",
        "xn--mnchen-3ya.example",
    ]
    assert facts_of(server.chain_pem).common_name == "192.168.1.5"


def test_how_long_they_are_valid() -> None:
    facts = facts_of(AUTHORITY.chain_pem)
    assert facts.common_name == "Forecourt CA Home"
    assert facts.not_after == NOW + AUTHORITY_VALID
    server = issue_server(AUTHORITY, ["a"], NOW)
    assert facts_of(server.chain_pem).not_after == NOW + SERVER_VALID
    assert facts_of(server.chain_pem).not_before < NOW
    # Not longer than who signs.
    late = NOW + AUTHORITY_VALID - timedelta(days=3)
    assert facts_of(issue_server(AUTHORITY, ["a"], late).chain_pem).not_after == facts.not_after


def test_an_authority_that_ended_signs_nothing() -> None:
    with pytest.raises(CertificateError) as caught:
        issue_server(AUTHORITY, ["a"], NOW + AUTHORITY_VALID + timedelta(days=1))
    assert caught.value.problem is Problem.EXPIRED


def test_long_names_have_room() -> None:
    assert facts_of(make_authority("x" * 200, NOW).chain_pem).common_name is not None
    host = ".".join(["a" * 40] * 3)
    facts = facts_of(issue_server(AUTHORITY, [host], NOW).chain_pem)
    assert facts.hosts == (host,)
    assert facts.common_name == "Forecourt"


@pytest.mark.parametrize("hosts", [[], [""], ["a b"], ["a/b"], ["x" * 70], ["a", "http://a"]])
def test_what_is_no_host_is_refused(hosts: list[str]) -> None:
    with pytest.raises(CertificateError) as caught:
        issue_server(AUTHORITY, hosts, NOW)
    assert caught.value.problem is Problem.BAD_HOST


# Stations


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP256R1()),
        ec.generate_private_key(ec.SECP224R1()),
        rsa.generate_private_key(65537, 2048),
    ],
)
def test_a_station_gets_what_it_asked_for(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
) -> None:
    chain = issue_station(AUTHORITY, request(subject("CP1"), key), "CP1", NOW)
    (certificate,) = load_chain(chain)
    assert certificate.public_key() == key.public_key()
    certificate.verify_directly_issued_by(load_chain(AUTHORITY.chain_pem)[0])
    facts = facts_of(chain)
    assert (facts.common_name, facts.organization) == ("CP1", "Acme Charging")
    assert facts.not_after == NOW + STATION_VALID


def test_nothing_else_is_taken_over() -> None:
    name = x509.Name(
        [*subject("CP1", organization=None), x509.NameAttribute(NameOID.COUNTRY_NAME, "DE")]
    )
    wishes = (
        x509.BasicConstraints(ca=True, path_length=None),
        x509.SubjectAlternativeName([x509.DNSName("forecourt.local")]),
    )
    chain = issue_station(AUTHORITY, request(name, None, *wishes), "CP1", NOW)
    (certificate,) = load_chain(chain)
    assert certificate.subject == subject("CP1", organization=None)
    extensions = certificate.extensions
    assert extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    with pytest.raises(x509.ExtensionNotFound):
        extensions.get_extension_for_class(x509.SubjectAlternativeName)


def test_no_two_have_one_serial_number() -> None:
    csr = request(subject("CP1"))
    serials = {facts_of(issue_station(AUTHORITY, csr, "CP1", NOW)).serial_number for _ in range(9)}
    assert len(serials) == 9
    assert all(len(serial) > 30 for serial in serials)


def test_an_intermediate_authority_goes_with_it() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    root, root_key = load_chain(AUTHORITY.chain_pem)[0], ec.generate_private_key(ec.SECP256R1())
    between = (
        x509.CertificateBuilder()
        .subject_name(subject("Between"))
        .issuer_name(root.subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(NOW)
        .not_valid_after(NOW + timedelta(days=9))
        .sign(root_key, hashes.SHA256())
    )
    pem = between.public_bytes(serialization.Encoding.PEM).decode()
    authority = CertifiedKey(pem + AUTHORITY.chain_pem, key_pem(key))
    chain = load_chain(issue_station(authority, request(subject("CP1")), "CP1", NOW))
    assert [one.subject for one in chain] == [subject("CP1"), subject("Between")]


@pytest.mark.parametrize("names", [("CP2",), ("cp1",), ("CP1 ",), (), ("CP1", "CP2"), ("CP1",) * 2])
def test_a_station_gets_a_certificate_only_for_itself(names: tuple[str, ...]) -> None:
    with pytest.raises(CertificateError) as caught:
        issue_station(AUTHORITY, request(subject(*names)), "CP1", NOW)
    assert caught.value.problem is Problem.WRONG_NAME


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        (rsa.generate_private_key(65537, 1024), Problem.KEY_WEAK),  # noqa: S505
        (ec.generate_private_key(ec.SECP192R1()), Problem.KEY_WEAK),
        (dsa.generate_private_key(2048), Problem.KEY_NOT_SUPPORTED),
    ],
)
def test_a_key_that_is_too_weak_is_not_signed(
    key: dsa.DSAPrivateKey | ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, problem: Problem
) -> None:
    with pytest.raises(CertificateError) as caught:
        issue_station(AUTHORITY, request(subject("CP1"), key), "CP1", NOW)
    assert caught.value.problem is problem


def test_who_does_not_have_the_key_gets_no_certificate() -> None:
    """The signature of one request under the contents of another."""
    mine = x509.load_pem_x509_csr(request(subject("CP1")).encode())
    other = x509.load_pem_x509_csr(request(subject("CP1")).encode())
    der = mine.public_bytes(serialization.Encoding.DER)
    # Keep the lengths right: both signatures are DER of the same size but for a byte or two.
    forged = der.replace(mine.signature[-16:], other.signature[-16:])
    assert forged != der
    pem = x509.load_der_x509_csr(forged).public_bytes(serialization.Encoding.PEM)
    with pytest.raises(CertificateError) as caught:
        issue_station(AUTHORITY, pem.decode(), "CP1", NOW)
    assert caught.value.problem is Problem.BAD_SIGNATURE


@pytest.mark.parametrize(
    "csr",
    ["", "hello", AUTHORITY.chain_pem, "x" * (MAX_CSR_LENGTH + 1), "-----BEGIN \udcff"],
    ids=["nothing", "text", "certificate", "too long", "no text"],
)
def test_what_is_no_request_is_refused(csr: str) -> None:
    with pytest.raises(CertificateError) as caught:
        issue_station(AUTHORITY, csr, "CP1", NOW)
    assert caught.value.problem is Problem.NOT_PEM


def test_ed25519_is_no_key_of_ocpp() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject("CP1")).sign(key, None)
    pem = csr.public_bytes(serialization.Encoding.PEM).decode()
    with pytest.raises(CertificateError) as caught:
        issue_station(AUTHORITY, pem, "CP1", NOW)
    assert caught.value.problem is Problem.KEY_NOT_SUPPORTED


def test_a_request_with_a_name_of_a_type_that_cannot_be_is_refused() -> None:
    key = rsa.generate_private_key(65537, 2048)
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject("CP1"))
    sound = builder.sign(key, hashes.SHA256())
    # Signed anew, as whoever makes such a request would do it; a BIT STRING is 3.
    tbs = sound.tbs_certrequest_bytes.replace(b"\x0c\x03CP1", b"\x03\x03CP1")
    assert tbs != sound.tbs_certrequest_bytes
    der = sound.public_bytes(serialization.Encoding.DER)
    der = der.replace(sound.tbs_certrequest_bytes, tbs)
    der = der.replace(sound.signature, key.sign(tbs, padding.PKCS1v15(), hashes.SHA256()))
    pem = x509.load_der_x509_csr(der).public_bytes(serialization.Encoding.PEM).decode()
    with pytest.raises(CertificateError, match="damaged"):
        issue_station(AUTHORITY, pem, "CP1", NOW)
