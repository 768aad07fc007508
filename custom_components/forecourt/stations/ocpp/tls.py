"""The TLS of the central system's own port, for security profiles 2 and 3 alike."""

from collections.abc import Iterable
from pathlib import Path
import secrets
import ssl
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives import serialization

from .certificates import CertifiedKey, load_key

# What OCPP asks for is in it: ECDHE-ECDSA for elliptic keys, plain RSA for stations that know
# nothing better (OCPP 2.0.1 A00.FR.318). TLS 1.3 brings its own.
CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20:AES256-GCM-SHA384:AES128-GCM-SHA256"


def server_context(keys: Iterable[CertifiedKey], authorities_pem: str = "") -> ssl.SSLContext:
    """Return the TLS of a server, new for every change of what it is made of.

    `keys` are its certificates, at most one of each kind of key: the station takes the one
    it can handle. A station may show a certificate of one of the `authorities_pem`; one of
    another authority is refused. Blocks: run it in an executor. Raises `CertificateError`
    and `ssl.SSLError`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # OCPP 2.0.1 A00.FR.313, also the whitepaper's.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.set_alpn_protocols(["http/1.1"])
    # Tickets would be encrypted with one key for as long as this context lives. TLS 1.2 takes up
    # sessions without them; the certificate shown first is then looked at again by the door.
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.num_tickets = 0
    for key in keys:
        _load(context, key)
    if authorities_pem:
        context.load_verify_locations(cadata=authorities_pem)
        # An authority may be given without the one that signed it.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def _load(context: ssl.SSLContext, key: CertifiedKey) -> None:
    """Hand over a key, which OpenSSL takes from a file only: encrypted, so no disk keeps it."""
    password = secrets.token_bytes(32).hex().encode()
    encrypted = load_key(key.key_pem).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password),
    )
    with TemporaryDirectory(prefix="forecourt") as folder:
        file = Path(folder, "key.pem")
        file.touch(mode=0o600)
        file.write_bytes(encrypted + key.chain_pem.encode())
        context.load_cert_chain(file, password=password)
