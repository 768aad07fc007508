"""A small certificate authority, for handshakes that are real."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from ipaddress import IPv4Address
import ssl
from tempfile import NamedTemporaryFile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from simulator.connect import Tls

DAY = timedelta(days=1)


class Authority:
    """Signs certificates with its own root."""

    def __init__(self, name: str = "Test root") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.root = self._sign(self._name, self._key.public_key(), ca=True)

    def sign(self, request: str, name: str | None = None, *, age: timedelta = DAY) -> str:
        """Sign a certificate request, perhaps with another common name; `age` 400 days: expired."""
        csr = x509.load_pem_x509_csr(request.encode())
        subject = csr.subject
        if name is not None:
            subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        return self._sign(subject, csr.public_key(), age=age)

    def issue(self, name: str, *, san: x509.GeneralName | None = None) -> tuple[str, str]:
        """Return a certificate with a key of its own, and the key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        return self._sign(subject, key.public_key(), san=san), pem.decode()

    def client(self, name: str) -> Tls:
        """Return what a client has that knows this root and has a certificate from it."""
        return Tls(self.root, *self.issue(name))

    def server(self, *, clients: bool = False, name: str | None = None) -> ssl.SSLContext:
        """Return the context of a server at 127.0.0.1, or at a name; `clients` must prove who."""
        san = x509.DNSName(name) if name else x509.IPAddress(IPv4Address("127.0.0.1"))
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        with NamedTemporaryFile("w", suffix=".pem") as file:
            file.write("".join(self.issue("server", san=san)))
            file.flush()
            context.load_cert_chain(file.name)
        if clients:
            context.load_verify_locations(cadata=self.root)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def _sign(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        *,
        ca: bool = False,
        san: x509.GeneralName | None = None,
        age: timedelta = DAY,
    ) -> str:
        begin = datetime.now(UTC) - age
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(begin + 365 * DAY)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )
        if ca:
            usage = dict.fromkeys(
                (
                    *("digital_signature", "content_commitment", "key_encipherment"),
                    *("data_encipherment", "key_agreement", "encipher_only", "decipher_only"),
                ),
                False,
            )
            builder = builder.add_extension(
                x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True
            )
        if san is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName([san]), critical=False)
        signed = builder.sign(self._key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM).decode()


@cache
def authority(name: str = "Test root") -> Authority:
    """Return an authority that many tests may share."""
    return Authority(name)
