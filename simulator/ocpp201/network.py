"""Where the server is, and how the station proves who it is (OCPP 2.0.1 B09, B10, A05).

Slot 0 is what the station was made with. The server may fill other slots with SetNetworkProfile and
put them in an order with NetworkConfigurationPriority; after the next boot they are tried in turn,
each NetworkProfileConnectionAttempts times.

Security profiles: 0 none, 1 password, 2 TLS and password, 3 TLS with a certificate of its own.
"""

from __future__ import annotations

from ..books import Books
from ..connect import Tls
from ..frames import Payload
from .config import Config201
from .keystore import CSMS_ROOT, KeyStore
from .variables import Variables


class Networks:
    """The network profiles of one station. They survive a reboot."""

    def __init__(self, config: Config201, url: str, variables: Variables, books: Books) -> None:
        """Start with the address that the station was made with."""
        self.identity = config.identity
        """Who dials: last part of the address, user of Basic auth."""
        self._variables = variables
        self._books = books
        self._slots: dict[int, Payload] = {}
        self._first_url = url
        self._order = [0]
        self._failures = 0
        self._password = config.password
        self.store = KeyStore(config.tls or Tls())
        plain = 0 if config.password is None else 1
        secure = 3 if self.store.has_certificate else 2
        self._first_profile = secure if url.startswith("wss:") else plain

    @property
    def active(self) -> int:
        """The slot in use."""
        return self._order[0]

    @property
    def url(self) -> str:
        """Where to dial, without the identity."""
        slot = self._slots.get(self.active)
        return self._first_url if slot is None else str(slot["ocppCsmsUrl"])

    @property
    def security_profile(self) -> int:
        """The security profile in force."""
        slot = self._slots.get(self.active)
        return self._first_profile if slot is None else int(slot["securityProfile"])

    @property
    def password(self) -> str | bytes | None:
        """What goes into Basic auth; a certificate makes it superfluous."""
        slot = self._slots.get(self.active, {})
        return None if self.security_profile == 3 else slot.get("basicAuthPassword", self._password)

    @password.setter
    def password(self, password: str) -> None:
        self._password = password
        for slot in self._slots.values():
            slot.pop("basicAuthPassword", None)

    def tls(self) -> Tls | None:
        """Return what a connection needs for TLS, None without."""
        if not self.url.startswith("wss:"):
            return None
        return self.store.tls(show_certificate=self.security_profile == 3)

    def fill(self, slot: int, data: Payload) -> str | None:
        """Take in a SetNetworkProfile; return the reason code if it is refused."""
        profile, secure = data["securityProfile"], data["ocppCsmsUrl"].startswith("wss://")
        if slot <= 0:
            return "InvalidConfSlot"
        if profile < self.security_profile:
            return "NoSecurityDowngrade"
        lacks_root = secure and not self.store.count(CSMS_ROOT)
        lacks_certificate = profile == 3 and not self.store.has_certificate
        if lacks_root or lacks_certificate or (profile >= 2) is not secure:
            return "InvalidNetworkConf"
        if data["ocppTransport"] != "JSON" or not data["ocppCsmsUrl"].startswith(("ws", "wss")):
            return "InvalidNetworkConf"
        self._slots[slot] = data
        return None

    def known(self, priority: str) -> bool:
        """Whether a NetworkConfigurationPriority names only slots that are filled."""
        parts = [part.strip() for part in priority.split(",")]
        return all(
            part.isdecimal() and (int(part) == 0 or int(part) in self._slots) for part in parts
        )

    def power_up(self) -> None:
        """Take over the order that the server has set."""
        priority = self._variables.names("OCPPCommCtrlr.NetworkConfigurationPriority")
        wanted = [int(slot) for slot in priority]
        self._order = [slot for slot in wanted if slot == 0 or slot in self._slots] or [0]
        self._tell()

    def failed(self) -> None:
        """Note that the server could not be reached; go on to the next slot after a while."""
        self._failures += 1
        tries = self._variables.number("OCPPCommCtrlr.NetworkProfileConnectionAttempts", 3)
        if self._failures >= tries and len(self._order) > 1:
            self._order.append(self._order.pop(0))
            self._tell()

    def reached(self) -> None:
        """Note that the server answers."""
        self._failures = 0

    def _tell(self) -> None:
        self._failures = 0
        self._variables.set("OCPPCommCtrlr.ActiveNetworkProfile", str(self.active))
        self._books.note("network_profile", slot=self.active)
