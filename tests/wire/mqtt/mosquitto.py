"""A real broker (Mosquitto) for a test: on a free port of this machine, gone with the test."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
import getpass
import ipaddress
import os
from pathlib import Path
import shutil
import socket
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


class Mosquitto:
    """A broker that can be stopped and started again at the same address."""

    def __init__(
        self,
        folder: Path,
        *,
        users: dict[str, str] | None = None,
        tls: Certificates | None = None,
        client_certificates: bool = False,
        rules: Iterable[str] = (),
    ) -> None:
        self._folder = folder
        self._users = users
        self._tls = tls
        self._client_certificates = client_certificates
        self._rules = tuple(rules)
        self._process: asyncio.subprocess.Process | None = None
        self.port = free_port()

    async def start(self) -> None:
        program = shutil.which("mosquitto", path=_PATH)
        assert program, "there is no mosquitto; script/bootstrap broker installs it"
        config = self._folder / "mosquitto.conf"
        config.write_text("\n".join(await self._lines()))
        self._process = await asyncio.create_subprocess_exec(
            program,
            "-c",
            str(config),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        while True:
            with suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
                return
            assert self._process.returncode is None, "mosquitto does not start"
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            await process.wait()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _lines(self) -> list[str]:
        lines = [
            f"user {getpass.getuser()}",
            "persistence false",
            "set_tcp_nodelay true",
            f"listener {self.port} 127.0.0.1",
        ]
        if self._users is None:
            lines.append("allow_anonymous true")
        else:
            lines += ["allow_anonymous false", f"password_file {await self._passwords()}"]
        if self._rules:
            rules = self._folder / "rules"
            rules.write_text("\n".join(self._rules) + "\n")
            lines.append(f"acl_file {rules}")
        if self._tls is not None:
            for name, text in (
                ("cafile", self._tls.authority),
                ("certfile", self._tls.server),
                ("keyfile", self._tls.server_key),
            ):
                file = self._folder / f"{name}.pem"
                file.write_text(text)
                lines.append(f"{name} {file}")
            if self._client_certificates:
                lines.append("require_certificate true")
        return [*lines, ""]

    async def _passwords(self) -> Path:
        file = self._folder / "passwords"
        program = shutil.which("mosquitto_passwd", path=_PATH)
        assert program
        file.unlink(missing_ok=True)
        file.touch()
        for user, password in (self._users or {}).items():
            process = await asyncio.create_subprocess_exec(
                program, "-b", str(file), user, password, stderr=asyncio.subprocess.DEVNULL
            )
            assert await process.wait() == 0
        return file


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(frozen=True)
class Certificates:
    """An authority, and what it gave the broker and a client; all PEM."""

    authority: str
    server: str
    server_key: str
    client: str
    client_key: str

    @classmethod
    def make(cls) -> Certificates:
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("Authority")
        authority = _certificate(name, key.public_key(), name, key, authority=True)
        pairs = []
        for who, usage in (
            ("127.0.0.1", ExtendedKeyUsageOID.SERVER_AUTH),
            ("forecourt", ExtendedKeyUsageOID.CLIENT_AUTH),
        ):
            own = ec.generate_private_key(ec.SECP256R1())
            pairs += [_certificate(_name(who), own.public_key(), name, key, usage=usage), _key(own)]
        return cls(authority, *pairs)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _key(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


def _certificate(
    subject: x509.Name,
    public: ec.EllipticCurvePublicKey,
    issuer: x509.Name,
    signer: ec.EllipticCurvePrivateKey,
    *,
    authority: bool = False,
    usage: x509.ObjectIdentifier | None = None,
) -> str:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
    )
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
