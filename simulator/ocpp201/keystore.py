"""Certificates of a station, by the names that OCPP 2.0.1 has for what they are used for."""

from __future__ import annotations

from datetime import datetime

from cryptography import x509

from ..connect import Tls
from ..frames import Payload
from ..ocpp16.keystore import CENTRAL_SYSTEM_ROOT, MANUFACTURER_ROOT, KeyStore as KeyStore16

CSMS_ROOT = "CSMSRootCertificate"

_OTHERS = ("V2GRootCertificate", "MORootCertificate", "OEMRootCertificate", "V2GCertificateChain")
_NAMES = {CSMS_ROOT: CENTRAL_SYSTEM_ROOT}
_NAMES_BACK = {CENTRAL_SYSTEM_ROOT: CSMS_ROOT}


class KeyStore(KeyStore16):
    """Roots, own certificate and keys of one station. They survive a reboot."""

    uses = (CSMS_ROOT, MANUFACTURER_ROOT, *_OTHERS)
    """What certificates are kept for."""

    def __init__(self, tls: Tls) -> None:
        """Start with what the station was made with; CertificateError for what is no PEM."""
        super().__init__(tls)
        self._roots |= {use: [] for use in _OTHERS}

    def count(self, use: str | None = None) -> int:
        """Return how many roots there are, of one use or at all."""
        return super().count(None if use is None else _NAMES.get(use, use))

    def install(self, use: str, certificate: str, now: datetime) -> None:
        """Add a root, once; CertificateError says why not."""
        super().install(_NAMES.get(use, use), certificate, now)

    def ids(self, use: str) -> list[Payload]:
        """Return the certificateHashData of every root of one use."""
        return super().ids(_NAMES.get(use, use))

    def find(self, wanted: Payload) -> tuple[str, x509.Certificate] | None:
        """Return the root with this certificateHashData, and its use."""
        found = super().find(wanted)
        return None if found is None else (_NAMES_BACK.get(found[0], found[0]), found[1])

    def delete(self, use: str, root: x509.Certificate) -> None:
        """Remove a root that `find` has found."""
        super().delete(_NAMES.get(use, use), root)
