"""Certificates that the server sends, removes and asks about (security whitepaper, ed. 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...frames import Payload
from ..keystore import CENTRAL_SYSTEM_ROOT, CertificateError
from .base import ACCEPTED, REJECTED, Answer, Handlers

if TYPE_CHECKING:
    from ..station import Ocpp16Station


class Certificates:
    """Takes certificates in."""

    def __init__(self, station: Ocpp16Station) -> None:
        """Serve this station."""
        self._station = station
        self._in = station.internals

    def handlers(self) -> Handlers:
        """Return who answers what."""
        return {
            "CertificateSigned": self._certificate_signed,
            "DeleteCertificate": self._delete_certificate,
            "GetInstalledCertificateIds": self._get_installed_certificate_ids,
            "InstallCertificate": self._install_certificate,
        }

    def _certificate_signed(self, payload: Payload) -> Answer:
        chain, security = payload["certificateChain"], self._station.security
        try:
            if len(chain) > self._in.settings.number("CertificateSignedMaxChainSize"):
                raise CertificateError("longer than CertificateSignedMaxChainSize")  # noqa: TRY301
            security.store.accept(chain, self._in.config.identity, self._in.time.now())
        except CertificateError as err:
            why = str(err)
            self._in.books.note("certificate_refused", why=why)

            async def complain() -> None:
                await security.event("InvalidChargePointCertificate", why)

            return REJECTED, complain
        return ACCEPTED, security.use_new_certificate

    def _install_certificate(self, payload: Payload) -> Answer:
        store = self._station.security.store
        if store.count() >= self._in.settings.number("CertificateStoreMaxLength"):
            return {"status": "Failed"}, None
        try:
            store.install(payload["certificateType"], payload["certificate"], self._in.time.now())
        except CertificateError as err:
            self._in.books.note("certificate_refused", why=str(err))
            return REJECTED, None
        return ACCEPTED, None

    def _delete_certificate(self, payload: Payload) -> Answer:
        security = self._station.security
        found = security.store.find(payload["certificateHashData"])
        if found is None:
            return {"status": "NotFound"}, None
        use, root = found
        last = use == CENTRAL_SYSTEM_ROOT and security.store.count(use) == 1
        if last and security.profile >= 2:  # it could not come back
            return {"status": "Failed"}, None
        security.store.delete(use, root)
        return ACCEPTED, None

    def _get_installed_certificate_ids(self, payload: Payload) -> Answer:
        ids = self._station.security.store.ids(payload["certificateType"])
        if not ids:
            return {"status": "NotFound"}, None
        return {"status": "Accepted", "certificateHashData": ids}, None
