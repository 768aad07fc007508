"""How a station of OCPP 1.6 is given what a higher security profile takes.

Source: "Improved security for OCPP 1.6-J", edition 3, §4 and §5; OCPP-J 1.6, §6.2.
"""

from ...base import Failure, StationError
from ..certificates import HashData
from ..credentials import SecurityProfile
from ..installed import is_among
from ..schema import Payload
from ..station import OcppStation
from .settings import read_settings

PASSWORD = "AuthorizationKey"  # noqa: S105 - the name of a key
PROFILE = "SecurityProfile"
ROOT = "CentralSystemRootCertificate"
CERTIFICATE = "SignChargePointCertificate"


class Security16:
    """The messages to one station. Each raises `StationError` with the station's word."""

    def __init__(self, station: OcppStation) -> None:
        self._station = station

    async def set_password(self, password: str) -> None:
        """Set the password: as it is, or in hexadecimal digits, which were the rule at first."""
        try:
            await self._set(PASSWORD, password)
        except StationError as err:
            if err.failure is not Failure.REFUSED:
                raise
            await self._set(PASSWORD, password.encode().hex())

    async def has_root(self, root: HashData) -> bool | None:
        """Return whether it trusts an authority, `None` where it cannot tell."""
        try:
            answer = await self._station.call(
                "GetInstalledCertificateIds", {"certificateType": ROOT}
            )
        except StationError as err:
            if err.failure is not Failure.NOT_SUPPORTED:
                raise
            return None
        return is_among(root, answer.get("certificateHashData", ()))

    async def install_root(self, pem: str) -> None:
        """Have it trust an authority."""
        await self._order("InstallCertificate", {"certificateType": ROOT, "certificate": pem})

    async def ask_for_request(self) -> None:
        """Have it ask for a certificate of its own."""
        await self._order("ExtendedTriggerMessage", {"requestedMessage": CERTIFICATE})

    async def send_certificate(self, chain_pem: str) -> None:
        """Send the certificate that it asked for."""
        await self._order("CertificateSigned", {"certificateChain": chain_pem})

    async def set_profile(self, profile: SecurityProfile, url: str) -> None:
        """Have it connect with a profile from now on. It knows by itself where: not by `url`."""
        await self._set(PROFILE, str(int(profile)))

    async def confirm_profile(self, profile: SecurityProfile, url: str) -> None:
        """Have it call the profile by its number, which it has by a password already."""
        told = (await read_settings(self._station.call, (PROFILE,))).get(PROFILE)
        if told is not None and told.value.strip() < str(int(profile)):
            await self.set_profile(profile, url)

    async def _set(self, key: str, value: str) -> None:
        await self._order(
            "ChangeConfiguration", {"key": key, "value": value}, "Accepted", "RebootRequired"
        )

    async def _order(self, action: str, payload: Payload, *done: str) -> None:
        status = (await self._station.call(action, payload))["status"]
        if status in (done or ("Accepted",)):
            return
        unknown = status in ("NotImplemented", "NotSupported")
        failure = Failure.NOT_SUPPORTED if unknown else Failure.REFUSED
        raise StationError(self._station.info.id, failure, status)
