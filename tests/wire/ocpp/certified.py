"""Certificates for tests with real handshakes, and what a station makes of them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
import ssl
from tempfile import TemporaryDirectory
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from custom_components.forecourt.stations.ocpp.authority import (
    KeyType,
    issue_server,
    issue_station,
    make_authority,
)
from custom_components.forecourt.stations.ocpp.certificates import CertifiedKey, facts_of
from custom_components.forecourt.stations.ocpp.tls import server_context

NOW = datetime.now(UTC)
AUTHORITY = make_authority("Home", NOW - timedelta(days=60))
STRANGE = make_authority("Elsewhere", NOW)
HOSTS = ["127.0.0.1"]
SERVER = issue_server(AUTHORITY, HOSTS, NOW)
SERVER_RSA = issue_server(AUTHORITY, HOSTS, NOW, key_type=KeyType.RSA)


def both_keys() -> ssl.SSLContext:
    """Return what a central system serves that every station can talk to."""
    return server_context([SERVER, SERVER_RSA], AUTHORITY.chain_pem)


TLS = both_keys()


def certified(
    identity: str, authority: CertifiedKey = AUTHORITY, at: datetime = NOW
) -> CertifiedKey:
    """Return a station's key with a certificate, issued as one is for SignCertificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, identity)])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    pem = request.public_bytes(serialization.Encoding.PEM).decode()
    key_pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    valid = timedelta(days=30)
    chain = issue_station(authority, pem, identity, at, valid=valid)
    return CertifiedKey(chain, key_pem.decode())


def fingerprints(*keys: CertifiedKey) -> frozenset[str]:
    return frozenset(facts_of(key.chain_pem).fingerprint for key in keys)


def station_tls(
    own: CertifiedKey | None = None,
    *,
    trusts: CertifiedKey = AUTHORITY,
    change: Callable[[ssl.SSLContext], Any] = lambda _: None,
) -> ssl.SSLContext:
    """Return the TLS of a station, which is as strict as Python knows to be."""
    context = ssl.create_default_context(cadata=trusts.chain_pem)
    if own is not None:
        with TemporaryDirectory() as folder:
            file = Path(folder, "station.pem")
            file.write_text(own.key_pem + own.chain_pem)
            context.load_cert_chain(file)
    change(context)
    return context
