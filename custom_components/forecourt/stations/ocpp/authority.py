"""The site's own authority, and the certificates it issues to its server and its stations.

Everything takes and returns PEM text. Making a key takes up to a second: run it in an executor.

Sources: "Improved security for OCPP 1.6-J", edition 3; OCPP 2.0.1 part 2, A00 and A02.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from ipaddress import ip_address

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .certificates import (
    CertificateError,
    CertifiedKey,
    PrivateKey,
    Problem,
    PublicKey,
    check_dates,
    checked_key,
    key_to_pem,
    load_chain,
    load_key,
    reading,
    to_pem,
    values,
)

AUTHORITY_VALID = timedelta(days=20 * 365)
# Thirteen months, what browsers and operating systems take at most.
SERVER_VALID = timedelta(days=397)
STATION_VALID = timedelta(days=365)
# The clocks of stations are seldom right.
BACKDATED = timedelta(days=1)

OWN_RSA_BITS = 2048
# OCPP 2.0.1 SignCertificateRequest.
MAX_CSR_LENGTH = 5500
# RFC 5280, ub-common-name.
MAX_COMMON_NAME = 64


class KeyType(StrEnum):
    """What a key is made of. Old stations know only one of them."""

    EC = "ec"
    RSA = "rsa"


def make_authority(site: str, now: datetime, *, key_type: KeyType = KeyType.EC) -> CertifiedKey:
    """Make an authority that signs itself; its certificate is what stations have to trust."""
    key = _make_key(key_type)
    name = _name(f"Forecourt CA {site}"[:MAX_COMMON_NAME].strip(), "Forecourt")
    builder = (
        _builder(name, key.public_key(), now, now + AUTHORITY_VALID)
        .issuer_name(name)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
    )
    certificate = builder.sign(key, hashes.SHA256())
    return CertifiedKey(to_pem(certificate), key_to_pem(key))


def issue_server(
    authority: CertifiedKey,
    hosts: Sequence[str],
    now: datetime,
    *,
    key_type: KeyType = KeyType.EC,
) -> CertifiedKey:
    """Issue a certificate for a server with these host names and IP addresses.

    The first is the one that stations dial: it becomes the common name. Raises
    `CertificateError` for a bad host and for an authority that cannot issue any more.
    """
    key = _make_key(key_type)
    names = _alternative_names(hosts)
    # What counts are the alternative names; a common name has not room for every host.
    common_name = next((one for one in hosts if len(one) <= MAX_COMMON_NAME), "Forecourt")
    chain = _issue(
        authority,
        _name(common_name, None),
        key.public_key(),
        purpose=ExtendedKeyUsageOID.SERVER_AUTH,
        period=(now, SERVER_VALID),
        names=names,
    )
    return CertifiedKey(chain, key_to_pem(key))


def issue_station(
    authority: CertifiedKey,
    csr_pem: str,
    identity: str,
    now: datetime,
    *,
    valid: timedelta = STATION_VALID,
) -> str:
    """Issue a certificate for what a station sent in SignCertificate.

    Of the request only the key and the subject's common name, which must be the identity,
    and organisation are taken over. Returns the chain for CertificateSigned as PEM: the
    station's certificate, then those between it and the root. Raises `CertificateError`.
    """
    if len(csr_pem) > MAX_CSR_LENGTH:
        raise CertificateError(
            Problem.NOT_PEM, f"The signing request is longer than {MAX_CSR_LENGTH} characters."
        )
    try:
        request = x509.load_pem_x509_csr(csr_pem.encode())
    except (ValueError, x509.InvalidVersion) as err:
        raise CertificateError(
            Problem.NOT_PEM, "This is no certificate signing request in PEM form."
        ) from err
    key = checked_key(request)
    if not _is_signed_by_itself(request):
        raise CertificateError(
            Problem.BAD_SIGNATURE, "The signing request is not signed with its own key."
        )
    with reading():
        names = values(request.subject, NameOID.COMMON_NAME)
        organizations = values(request.subject, NameOID.ORGANIZATION_NAME)
    if names != [identity]:
        raise CertificateError(
            Problem.WRONG_NAME,
            "The common name of the signing request is not the identity of the station.",
        )
    subject = _name(identity, organizations[0] if organizations else None)
    return _issue(
        authority, subject, key, purpose=ExtendedKeyUsageOID.CLIENT_AUTH, period=(now, valid)
    )


# Making

_NO_USAGE = dict.fromkeys(
    (
        "content_commitment",
        "crl_sign",
        "data_encipherment",
        "decipher_only",
        "digital_signature",
        "encipher_only",
        "key_agreement",
        "key_cert_sign",
        "key_encipherment",
    ),
    False,
)


def _make_key(key_type: KeyType) -> PrivateKey:
    if key_type is KeyType.RSA:
        return rsa.generate_private_key(public_exponent=65537, key_size=OWN_RSA_BITS)
    return ec.generate_private_key(ec.SECP256R1())


def _issue(
    authority: CertifiedKey,
    subject: x509.Name,
    key: PublicKey,
    *,
    purpose: x509.ObjectIdentifier,
    period: tuple[datetime, timedelta],
    names: x509.SubjectAlternativeName | None = None,
) -> str:
    chain = load_chain(authority.chain_pem)
    issuer, issuer_key = chain[0], load_key(authority.key_pem)
    now, valid = period
    check_dates(issuer, now)
    until = min(now + valid, issuer.not_valid_after_utc)
    builder = (
        _builder(subject, key, now, until)
        .issuer_name(issuer.subject)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(
            # RSA without Diffie-Hellman, which OCPP wants allowed, enciphers with the key.
            _usage(digital_signature=True, key_encipherment=isinstance(key, rsa.RSAPublicKey)),
            critical=True,
        )
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(checked_key(issuer)),
            critical=False,
        )
    )
    if names is not None:
        builder = builder.add_extension(names, critical=False)
    certificate = builder.sign(issuer_key, hashes.SHA256())
    # A root is known to whoever trusts it.
    between = [one for one in chain if one.subject != one.issuer]
    return "".join(map(to_pem, (certificate, *between)))


def _builder(
    subject: x509.Name, key: PublicKey, now: datetime, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(common_name: str, organization: str | None) -> x509.Name:
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    if organization:
        attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
    return x509.Name(attributes)


def _usage(**allowed: bool) -> x509.KeyUsage:
    return x509.KeyUsage(**{**_NO_USAGE, **allowed})


def _alternative_names(hosts: Iterable[str]) -> x509.SubjectAlternativeName:
    names: list[x509.GeneralName] = []
    for host in hosts:
        try:
            address = ip_address(host)
        except ValueError:
            names.append(x509.DNSName(_ascii_host(host)))
        else:
            # Mbed TLS before 3.5, in many stations, compares only host names.
            names += (x509.IPAddress(address), x509.DNSName(host))
    if not names:
        raise CertificateError(
            Problem.BAD_HOST, "A server certificate needs a host name or an IP address."
        )
    return x509.SubjectAlternativeName(names)


def _ascii_host(host: str) -> str:
    try:
        name = host.encode("idna").decode()
    except UnicodeError:
        name = ""
    labels = name.removeprefix("*.").split(".")
    if not all(label and label.replace("-", "").replace("_", "").isalnum() for label in labels):
        raise CertificateError(Problem.BAD_HOST, "This is no host name and no IP address.")
    return name


def _is_signed_by_itself(request: x509.CertificateSigningRequest) -> bool:
    try:
        return request.is_signature_valid
    except InvalidSignature, UnsupportedAlgorithm, ValueError:
        return False
