"""Certificates and security events (OCPP 2.0.1 blocks A and M)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...clock import wire_time
from ...frames import LinkDownError, NoAnswerError, Payload, RpcError
from ...ocpp16.keystore import CertificateError
from ..keystore import CSMS_ROOT
from .base import ACCEPTED, Answer, Handlers, refused

if TYPE_CHECKING:
    from ..station import Ocpp201Station


class Security:
    """Takes certificates in, asks for one, and tells of what concerns security."""

    def __init__(self, station: Ocpp201Station) -> None:
        """Serve this station."""
        self._station = station
        self._in = station.internals
        self._asked = 0
        """Counts the requests for a certificate; 0 when none is open."""

    def handlers(self) -> Handlers:
        """Return who answers what."""
        return {
            "CertificateSigned": self._certificate_signed,
            "DeleteCertificate": self._delete,
            "GetInstalledCertificateIds": self._get_ids,
            "InstallCertificate": self._install,
        }

    def event(self, kind: str, info: str | None = None) -> None:
        """Report a security event, sooner or later (A04)."""
        payload: Payload = {"type": kind, "timestamp": wire_time(self._in.time.now())}
        if info is not None:
            payload["techInfo"] = info[:255]

        async def tell() -> None:
            await self._station.connection.tell("SecurityEventNotification", payload)

        self._station.spawn(tell())

    async def ask(self) -> None:
        """Ask for a new certificate, again and again if it does not come (A02)."""
        self._asked += 1
        self._station.spawn(self._ask(self._asked))

    async def _ask(self, number: int) -> None:
        variables = self._in.variables
        wait = variables.number("SecurityCtrlr.CertSigningWaitMinimum", 60)
        for _ in range(1 + variables.number("SecurityCtrlr.CertSigningRepeatTimes")):
            request = self._station.networks.store.request(
                self._in.config.identity, variables.text("SecurityCtrlr.OrganizationName")
            )
            payload = {"csr": request, "certificateType": "ChargingStationCertificate"}
            try:
                await self._station.connection.own_link().call("SignCertificate", payload)
            except (LinkDownError, NoAnswerError, RpcError) as err:
                self._in.books.note("certificate_not_asked_for", why=str(err))
            await self._in.clock.sleep(wait)
            wait *= 2
            if number != self._asked:  # it has come, or been asked for anew
                return

    def _certificate_signed(self, payload: Payload) -> Answer:
        chain, networks = payload["certificateChain"], self._station.networks
        kind = payload.get("certificateType", "ChargingStationCertificate")
        try:
            if kind != "ChargingStationCertificate":
                raise CertificateError(f"no {kind} was asked for")  # noqa: TRY301
            if len(chain) > self._in.variables.number("SecurityCtrlr.MaxCertificateChainSize"):
                raise CertificateError("longer than MaxCertificateChainSize")  # noqa: TRY301
            networks.store.accept(chain, self._in.config.identity, self._in.time.now())
        except CertificateError as err:
            self._in.books.note("certificate_refused", why=str(err))
            self.event("InvalidChargingStationCertificate", str(err))
            return refused("InvalidCertificate", why=str(err))
        self._asked += 1

        async def use() -> None:
            if networks.security_profile == 3:
                self._station.spawn(self._station.connection.close())

        return {"status": "Accepted"}, use

    def _install(self, payload: Payload) -> Answer:
        store = self._station.networks.store
        try:
            store.install(payload["certificateType"], payload["certificate"], self._in.time.now())
        except CertificateError as err:
            self._in.books.note("certificate_refused", why=str(err))
            return refused("InvalidCertificate", why=str(err))
        return ACCEPTED

    def _get_ids(self, payload: Payload) -> Answer:
        store = self._station.networks.store
        chains = [
            {"certificateType": use, "certificateHashData": data}
            for use in payload.get("certificateType", store.uses)
            for data in store.ids(use)
        ]
        if not chains:
            return {"status": "NotFound"}, None
        return {"status": "Accepted", "certificateHashDataChain": chains}, None

    def _delete(self, payload: Payload) -> Answer:
        networks = self._station.networks
        found = networks.store.find(payload["certificateHashData"])
        if found is None:
            return {"status": "NotFound"}, None
        use, root = found
        last = use == CSMS_ROOT and networks.store.count(use) == 1
        if last and networks.security_profile >= 2:  # it could not come back
            return {"status": "Failed"}, None
        networks.store.delete(use, root)
        return ACCEPTED
