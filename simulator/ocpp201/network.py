"""Where the server is, and how the station proves who it is (OCPP 2.0.1 B09, B10, A05).

Slot 0 is what the station was made with. The server may fill other slots with SetNetworkProfile and
put them in an order with NetworkConfigurationPriority; after the next boot they are tried in turn,
each NetworkProfileConnectionAttempts times.
"""

from __future__ import annotations

from ..books import Books
from ..connect import Tls
from ..frames import Payload
from .config import Config201
from .variables import Variables


class Networks:
    """The network profiles of one station. They survive a reboot."""

    def __init__(self, config: Config201, url: str, variables: Variables, books: Books) -> None:
        """Start with the address that the station was made with."""
        self._config = config
        self._variables = variables
        self._books = books
        self._slots: dict[int, Payload] = {}
        self._first_url = url
        self._order = [0]
        self._failures = 0
        self.password = config.password
        self.client = config.tls or Tls()
        """Roots, certificate and key; a certificate that the server signs replaces the first."""

    @property
    def url(self) -> str:
        """Where to dial, without the identity."""
        slot = self._slots.get(self.active)
        return self._first_url if slot is None else str(slot["ocppCsmsUrl"])

    @property
    def identity(self) -> str:
        """Who dials: last part of the address, user of Basic auth."""
        return self._config.identity

    @property
    def active(self) -> int:
        """The slot in use."""
        return self._order[0]

    @property
    def security_profile(self) -> int:
        """0 nothing, 1 password, 2 TLS and password, 3 TLS with a client certificate."""
        if self.url.startswith("wss:"):
            return 3 if self.client.certificate is not None else 2
        return 0 if self.password is None else 1

    def tls(self) -> Tls | None:
        """Return what a connection needs for TLS, None without."""
        return self.client if self.url.startswith("wss:") else None

    def fill(self, slot: int, data: Payload) -> str:
        """Take in a SetNetworkProfile and return its status; never a weaker security profile."""
        weaker = data["securityProfile"] < self.security_profile
        if slot <= 0 or weaker or data["ocppTransport"] != "JSON":
            return "Rejected"
        if not data["ocppCsmsUrl"].startswith(("ws://", "wss://")):
            return "Rejected"
        self._slots[slot] = data
        return "Accepted"

    def known(self, priority: str) -> bool:
        """Whether a NetworkConfigurationPriority names only slots that are filled."""
        parts = priority.split(",")
        return all(part.strip().isdecimal() for part in parts) and all(
            int(part) == 0 or int(part) in self._slots for part in parts
        )

    def power_up(self) -> None:
        """Take over the order that the server has set."""
        wanted = [
            int(slot)
            for slot in self._variables.names("OCPPCommCtrlr.NetworkConfigurationPriority")
        ]
        usable = [slot for slot in wanted if slot == 0 or slot in self._slots]
        self._order = usable or [0]
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
