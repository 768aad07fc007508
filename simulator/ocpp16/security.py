"""How a station proves who it is, and whom it trusts (security whitepaper, ed. 3, §3 to §5).

Security profiles: 0 none, 1 password, 2 TLS and password, 3 TLS with a certificate of its own.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..clock import wire_time
from ..connect import Tls
from ..frames import Payload
from .keystore import CENTRAL_SYSTEM_ROOT, KeyStore

if TYPE_CHECKING:
    from .station import Ocpp16Station

_ATTEMPTS = 3
"""After so many the station goes back to the profile that has worked."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server is, and what is shown there."""

    url: str
    password: str | bytes | None
    tls: Tls | None


class Security:
    """Security profile, password and certificates of one station. They survive a reboot."""

    def __init__(self, station: Ocpp16Station, url: str) -> None:
        """Start as configured; ValueError for a certificate that is none."""
        config = station.config
        self._station = station
        self._in = station.internals
        self._url = url
        self._password = config.password
        self._secure_url = config.secure_url or (url if url.startswith("wss:") else None)
        self.store = KeyStore(config.tls or Tls())
        self._proven: int | None = None
        """The profile to go back to while the new one has not yet worked."""
        self.profile = self._initial(url)

    @property
    def profile(self) -> int:
        """The security profile in force."""
        return self._profile

    @profile.setter
    def profile(self, profile: int) -> None:
        self._profile = profile
        if self._in.config.security_extensions:
            self._in.settings.set("SecurityProfile", str(profile))

    def address(self, failures: int) -> Address:
        """Return where to connect to, after so many failures in a row."""
        if self._proven is not None and failures >= _ATTEMPTS:
            self._in.books.note("profile_taken_back", failed=self.profile, now=self._proven)
            self.profile, self._proven = self._proven, None
        secure_url = self._secure_url if self.profile >= 2 else None
        return Address(
            secure_url or self._url,
            None if self.profile == 3 else self._password,
            self.store.tls(show_certificate=self.profile == 3),
        )

    def reached(self) -> None:
        """Note that the profile works."""
        self._proven = None

    def change_profile(self, value: str) -> tuple[Literal["Accepted", "Rejected"], bool]:
        """Answer a change of SecurityProfile, and say whether to connect anew.

        It may only rise, and only when what it needs is there.
        """
        if value not in ("0", "1", "2", "3") or int(value) < self.profile:
            return "Rejected", False
        new = int(value)
        if new == self.profile:
            return "Accepted", False
        lacks_password = new in (1, 2) and self._password is None
        lacks_root = self._secure_url is None or not self.store.count(CENTRAL_SYSTEM_ROOT)
        lacks_certificate = new == 3 and not self.store.has_certificate
        if lacks_password or (new >= 2 and lacks_root) or lacks_certificate:
            return "Rejected", False
        self._proven, self.profile = self.profile, new
        return "Accepted", True

    def use_new_password(self) -> None:
        """Take over the AuthorizationKey that the server has set, for the next connection."""
        key = self._in.settings.text("AuthorizationKey")
        self._password = key
        if self._in.config.authorization_key_hex:
            with suppress(ValueError):
                self._password = bytes.fromhex(key)

    async def connect_anew(self) -> None:
        """Close the connection; the next one uses what has changed."""
        self._station.spawn(self._station.connection.close())

    async def use_new_certificate(self) -> None:
        """Show the new certificate at once where one is shown."""
        if self.profile == 3:
            await self.connect_anew()

    async def ask_for_certificate(self) -> None:
        """Send a SignCertificate with a new key; errors as `Link.call`."""
        request = self.store.request(self._in.config.identity, self._in.settings.text("CpoName"))
        answer = await self._station.connection.own_link().call("SignCertificate", {"csr": request})
        self._in.books.note("certificate_asked_for", status=answer["status"])

    async def event(self, kind: str, info: str | None = None) -> None:
        """Report a security event, sooner or later."""
        payload: Payload = {"type": kind, "timestamp": wire_time(self._in.time.now())}
        if info is not None:
            payload["techInfo"] = info[:255]
        await self._station.connection.tell("SecurityEventNotification", payload)

    def _initial(self, url: str) -> int:
        """Return the profile that the configuration amounts to."""
        if "SecurityProfile" in self._in.config.settings:
            return self._in.settings.number("SecurityProfile")
        if url.startswith("wss:"):
            return 3 if self.store.has_certificate else 2
        return 0 if self._password is None else 1
