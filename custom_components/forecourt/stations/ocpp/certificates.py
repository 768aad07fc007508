"""X.509 certificates and keys as text: what they say, whether they are fit, how OCPP names them.

Sources: "Improved security for OCPP 1.6-J", edition 3; OCPP 2.0.1 part 2, A00 and A02.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

# OCPP 2.0.1 A03: a station asks for a new certificate a month before the old one ends.
RENEW_BEFORE = timedelta(days=30)

# OCPP 2.0.1 A00.FR.503, also the whitepaper's.
MIN_RSA_BITS, MIN_EC_BITS = 2048, 224

type PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
type PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey


class Problem(StrEnum):
    """What is wrong with a certificate, a key or a signing request."""

    BAD_HOST = "bad_host"
    BAD_SIGNATURE = "bad_signature"
    EXPIRED = "expired"
    KEY_ENCRYPTED = "key_encrypted"
    KEY_MISMATCH = "key_mismatch"
    KEY_NOT_SUPPORTED = "key_not_supported"
    KEY_WEAK = "key_weak"
    NOT_AN_AUTHORITY = "not_an_authority"
    NOT_FOR_SERVERS = "not_for_servers"
    NOT_PEM = "not_pem"
    NOT_YET_VALID = "not_yet_valid"
    WRONG_NAME = "wrong_name"


class CertificateError(ValueError):
    """A certificate, key or signing request cannot be used; says why and what to do."""

    def __init__(self, problem: Problem, message: str) -> None:
        super().__init__(message)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class CertifiedKey:
    """A certificate with those of its issuers behind it, and its private key, both PEM."""

    chain_pem: str
    key_pem: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFacts:
    """What a certificate says. `serial_number` and `fingerprint` (SHA-256) are lower-case hex."""

    common_name: str | None
    organization: str | None
    issuer: str
    serial_number: str
    fingerprint: str
    not_before: datetime
    not_after: datetime
    hosts: tuple[str, ...] = ()

    def is_due(self, now: datetime) -> bool:
        """Return whether it is time for a new one."""
        return now > self.not_after - RENEW_BEFORE


@dataclass(frozen=True, slots=True, kw_only=True)
class HashData:
    """CertificateHashDataType of OCPP; all values but the algorithm are lower-case hex."""

    hash_algorithm: Literal["SHA256"] = "SHA256"
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str


def parse_certified_key(chain_pem: str, key_pem: str, now: datetime) -> CertifiedKey:
    """Return a server's certificate and key from elsewhere, the certificate first in its chain.

    Raises `CertificateError`.
    """
    chain = load_chain(chain_pem)
    key = load_key(key_pem)
    with reading():
        fitting = [one for one in chain if one.public_key() == key.public_key()]
    if not fitting:
        raise CertificateError(
            Problem.KEY_MISMATCH, "The private key does not belong to the certificate."
        )
    own = fitting[0]
    checked_key(own)
    check_dates(own, now)
    usage = _extension(own, x509.ExtendedKeyUsage)
    if usage is not None and ExtendedKeyUsageOID.SERVER_AUTH not in usage:
        raise CertificateError(
            Problem.NOT_FOR_SERVERS, "The certificate is not meant for a server (serverAuth)."
        )
    rest = [one for one in chain if one is not own]
    return CertifiedKey("".join(map(to_pem, (own, *rest))), key_to_pem(key))


def parse_authorities(pem: str, now: datetime) -> str:
    """Return certificates of authorities from elsewhere, normalised. Raises `CertificateError`."""
    chain = load_chain(pem)
    for one in chain:
        constraints = _extension(one, x509.BasicConstraints)
        if constraints is None or not constraints.ca:
            raise CertificateError(
                Problem.NOT_AN_AUTHORITY,
                "This is the certificate of a server or station; it takes that of its authority.",
            )
        check_dates(one, now)
    return "".join(map(to_pem, chain))


def facts_of(certificate: str | bytes) -> CertificateFacts:
    """Return what the first certificate says, of PEM text or DER. Raises `CertificateError`."""
    with reading():
        parsed = (
            load_chain(certificate)[0]
            if isinstance(certificate, str)
            else x509.load_der_x509_certificate(certificate)
        )
        names = values(parsed.subject, NameOID.COMMON_NAME)
        organizations = values(parsed.subject, NameOID.ORGANIZATION_NAME)
        return CertificateFacts(
            # Which of two would be meant is anybody's guess.
            common_name=names[0] if len(names) == 1 else None,
            organization=organizations[0] if organizations else None,
            issuer=parsed.issuer.rfc4514_string(),
            serial_number=f"{parsed.serial_number:x}",
            fingerprint=parsed.fingerprint(hashes.SHA256()).hex(),
            not_before=parsed.not_valid_before_utc,
            not_after=parsed.not_valid_after_utc,
            hosts=_hosts(parsed),
        )


def hash_data(certificate_pem: str, issuer_pem: str) -> HashData:
    """Return how OCPP names a certificate. Raises `CertificateError`.

    `issuer_pem` is the certificate of who signed it, for a root the root itself.
    """
    certificate, issuer = load_chain(certificate_pem)[0], load_chain(issuer_pem)[0]
    # OCSP (RFC 6960 §4.1.1) names certificates in the same way.
    named = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA256()).build()
    return HashData(
        issuer_name_hash=named.issuer_name_hash.hex(),
        issuer_key_hash=named.issuer_key_hash.hex(),
        # Without leading zeros (OCPP 2.0.1, CertificateHashDataType).
        serial_number=f"{certificate.serial_number:x}",
    )


# Reading


def load_chain(pem: str) -> list[x509.Certificate]:
    """Return the certificates in a PEM text. Raises `CertificateError`."""
    try:
        return x509.load_pem_x509_certificates(pem.encode())
    except (ValueError, x509.InvalidVersion) as err:
        raise CertificateError(
            Problem.NOT_PEM,
            "This is no certificate in PEM form: it begins with -----BEGIN CERTIFICATE-----.",
        ) from err


def load_key(pem: str) -> PrivateKey:
    """Return the private key in a PEM text. Raises `CertificateError`."""
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except TypeError as err:
        raise CertificateError(
            Problem.KEY_ENCRYPTED,
            "The private key is encrypted. Decrypt it first: openssl pkey -in key.pem -out new.pem",
        ) from err
    except UnsupportedAlgorithm as err:
        raise _not_supported() from err
    except ValueError:
        # Without its cause, which might tell something of the key.
        raise CertificateError(
            Problem.NOT_PEM,
            "This is no private key in PEM form: it begins with -----BEGIN PRIVATE KEY-----.",
        ) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise _not_supported()
    return key


def checked_key(holder: x509.Certificate | x509.CertificateSigningRequest) -> PublicKey:
    """Return a public key that is long enough. Raises `CertificateError`."""
    try:
        with reading():
            key = holder.public_key()
    except UnsupportedAlgorithm as err:
        raise _not_supported() from err
    if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
        raise _not_supported()
    least = MIN_RSA_BITS if isinstance(key, rsa.RSAPublicKey) else MIN_EC_BITS
    if key.key_size < least:
        raise CertificateError(
            Problem.KEY_WEAK, f"The key has {key.key_size} bits; it needs at least {least}."
        )
    return key


def _not_supported() -> CertificateError:
    return CertificateError(Problem.KEY_NOT_SUPPORTED, "Only RSA and elliptic curve keys work.")


def check_dates(certificate: x509.Certificate, now: datetime) -> None:
    """Raise `CertificateError` for a certificate that is not valid now."""
    if now > certificate.not_valid_after_utc:
        raise CertificateError(
            Problem.EXPIRED,
            f"The certificate expired on {certificate.not_valid_after_utc:%Y-%m-%d}.",
        )
    if now < certificate.not_valid_before_utc:
        raise CertificateError(
            Problem.NOT_YET_VALID,
            f"The certificate is valid only from {certificate.not_valid_before_utc:%Y-%m-%d} on.",
        )


def values(name: x509.Name, oid: x509.ObjectIdentifier) -> list[str]:
    """Return what a name has of one attribute."""
    return [str(one.value) for one in name.get_attributes_for_oid(oid)]


def _extension[T: x509.ExtensionType](certificate: x509.Certificate, kind: type[T]) -> T | None:
    try:
        with reading():
            return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _hosts(certificate: x509.Certificate) -> tuple[str, ...]:
    names = _extension(certificate, x509.SubjectAlternativeName)
    if names is None:
        return ()
    hosts = [*names.get_values_for_type(x509.DNSName)]
    hosts += map(str, names.get_values_for_type(x509.IPAddress))
    return tuple(dict.fromkeys(hosts))


@contextmanager
def reading() -> Iterator[None]:
    """Give what may be wrong inside a certificate, which is read when it is asked for, one name."""
    try:
        yield
    except CertificateError:
        raise
    except (
        # An attribute of a name whose type cannot be.
        TypeError,
        ValueError,
        x509.DuplicateExtension,
        x509.InvalidVersion,
        x509.UnsupportedGeneralNameType,
    ) as err:
        raise CertificateError(Problem.NOT_PEM, "The certificate is damaged.") from err


def to_pem(certificate: x509.Certificate) -> str:
    """Return a certificate as PEM text."""
    return certificate.public_bytes(serialization.Encoding.PEM).decode()


def key_to_pem(key: PrivateKey) -> str:
    """Return a private key as PEM text, not encrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
