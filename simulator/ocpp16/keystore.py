"""Certificates of a station: roots, its own, and the request for a new one. Pure.

OCPP 1.6 security whitepaper, ed. 3, §5: a new certificate is asked for with a new key, which takes
the place of the old one only when the certificate for it has come.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import NameOID

from ..connect import Tls
from ..frames import Payload

CENTRAL_SYSTEM_ROOT = "CentralSystemRootCertificate"
MANUFACTURER_ROOT = "ManufacturerRootCertificate"

_ALGORITHMS: dict[str, hashes.HashAlgorithm] = {
    "SHA256": hashes.SHA256(),
    "SHA384": hashes.SHA384(),
    "SHA512": hashes.SHA512(),
}


class CertificateError(ValueError):
    """A certificate that a station cannot use; the text says why."""


class KeyStore:
    """Roots, own certificate and keys of one station. They survive a reboot."""

    def __init__(self, tls: Tls) -> None:
        """Start with what the station was made with; CertificateError for what is no PEM."""
        central = [] if tls.ca is None else _parse(tls.ca)
        self._roots: dict[str, list[x509.Certificate]] = {
            CENTRAL_SYSTEM_ROOT: central,
            MANUFACTURER_ROOT: [],
        }
        self._check_server_name = tls.check_server_name
        self._certificate, self._key = tls.certificate, tls.key
        self._pending: ec.EllipticCurvePrivateKey | None = None

    @property
    def has_certificate(self) -> bool:
        """Whether there is a certificate to show to the server."""
        return self._certificate is not None

    def count(self, use: str | None = None) -> int:
        """Return how many roots there are, of one use or at all."""
        return sum(len(roots) for name, roots in self._roots.items() if use in (None, name))

    def tls(self, *, show_certificate: bool) -> Tls:
        """Return what goes into the next connection."""
        roots = self._roots[CENTRAL_SYSTEM_ROOT]
        ca = "".join(_pem(root) for root in roots) if roots else None
        if not show_certificate:
            return Tls(ca, check_server_name=self._check_server_name)
        return Tls(ca, self._certificate, self._key, self._check_server_name)

    def request(self, identity: str, organisation: str) -> str:
        """Make a new key and return the PEM request for its certificate (CN, O)."""
        self._pending = ec.generate_private_key(ec.SECP256R1())
        names = [x509.NameAttribute(NameOID.COMMON_NAME, identity)]
        if organisation:
            names.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation))
        request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(names))
        signed = request.sign(self._pending, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM).decode("ascii")

    def accept(self, chain: str, identity: str, now: datetime) -> None:
        """Take the certificate that was asked for; CertificateError says why not."""
        if self._pending is None:
            raise CertificateError("no certificate was asked for")
        certificates = _parse(chain)
        own = certificates[0]
        if own.public_key() != self._pending.public_key():
            raise CertificateError("the certificate is for another key")
        names = own.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        if [name.value for name in names] != [identity]:
            raise CertificateError("the certificate is for another station")
        _check_chain(certificates, now)
        key = self._pending.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        self._certificate, self._key = chain, key.decode("ascii")
        self._pending = None

    def install(self, use: str, certificate: str, now: datetime) -> None:
        """Add a root, once; CertificateError says why not."""
        root, *more = _parse(certificate)
        if more:
            raise CertificateError("more than one certificate")
        _check_chain([root], now)
        if root not in self._roots[use]:
            self._roots[use].append(root)

    def ids(self, use: str) -> list[Payload]:
        """Return the certificateHashData of every root of one use."""
        return [_hash_data(root, "SHA256") for root in self._roots[use]]

    def find(self, wanted: Payload) -> tuple[str, x509.Certificate] | None:
        """Return the root with this certificateHashData, and its use."""
        told = {name: value.casefold() for name, value in wanted.items()}
        for use, roots in self._roots.items():
            for root in roots:
                data = _hash_data(root, wanted["hashAlgorithm"])
                if {name: value.casefold() for name, value in data.items()} == told:
                    return use, root
        return None

    def delete(self, use: str, root: x509.Certificate) -> None:
        """Remove a root that `find` has found."""
        self._roots[use].remove(root)

    def check_signer(self, certificate: str, now: datetime) -> None:
        """Check the certificate that firmware is signed with; CertificateError says what is wrong.

        Without a ManufacturerRootCertificate any maker is trusted.
        """
        signer = _parse(certificate)
        _check_chain(signer, now)
        roots = self._roots[MANUFACTURER_ROOT]
        if roots and not any(_issued(signer[-1], root) for root in roots):
            raise CertificateError("the firmware's certificate comes from nobody known")


def _parse(text: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(text.encode())
    except ValueError as err:
        raise CertificateError("no PEM certificate") from err


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


def _check_chain(certificates: Sequence[x509.Certificate], now: datetime) -> None:
    """Check that every certificate is valid now and issued by the next."""
    for one in certificates:
        if not one.not_valid_before_utc <= now <= one.not_valid_after_utc:
            raise CertificateError("a certificate is not valid now")
    for one, issuer in pairwise(certificates):
        if not _issued(one, issuer):
            raise CertificateError("the certificates are no chain")


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except ValueError, TypeError, InvalidSignature:
        return False
    return True


def _hash_data(root: x509.Certificate, algorithm: str) -> Payload:
    """Return the certificateHashData of a root, which is its own issuer."""
    builder = ocsp.OCSPRequestBuilder().add_certificate(root, root, _ALGORITHMS[algorithm])
    request = builder.build()
    return {
        "hashAlgorithm": algorithm,
        "issuerNameHash": request.issuer_name_hash.hex(),
        "issuerKeyHash": request.issuer_key_hash.hex(),
        "serialNumber": f"{request.serial_number:x}",
    }
