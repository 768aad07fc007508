"""How a station of OCPP 2.x is given what a higher security profile takes (part 2, A and B09)."""

from ...base import Failure, StationError
from ..asker import said
from ..certificates import HashData
from ..credentials import SecurityProfile
from ..installed import is_among
from ..schema import Payload
from ..station import OcppStation
from .device_model import DeviceModel, Key

PASSWORD = Key("SecurityCtrlr", "BasicAuthPassword")
ACTIVE = Key("OCPPCommCtrlr", "ActiveNetworkProfile")
PRIORITY = Key("OCPPCommCtrlr", "NetworkConfigurationPriority")

ROOT = "CSMSRootCertificate"
CERTIFICATE = "ChargingStationCertificate"

# Where a station does not say which places for a network profile it has.
SLOTS = (1, 2, 3)
# What it is connected by is not told.
INTERFACES = ("Wired0", "Wireless0")
MESSAGE_TIMEOUT_S = 30


class Security201:
    """The messages to one station. Each raises `StationError` with the station's word.

    `ocpp_version` and `interfaces` are what a network profile says of the connection; of the
    interfaces the first that is taken counts.
    """

    ocpp_version = "OCPP20"
    interfaces: tuple[str, ...] = INTERFACES

    def __init__(self, station: OcppStation) -> None:
        self._station = station

    async def set_password(self, password: str) -> None:
        """Set the password."""
        await self._set(PASSWORD, password)

    async def has_root(self, root: HashData) -> bool | None:
        """Return whether it trusts an authority, `None` where it cannot tell."""
        try:
            answer = await self._station.call(
                "GetInstalledCertificateIds", {"certificateType": [ROOT]}
            )
        except StationError as err:
            if err.failure is not Failure.NOT_SUPPORTED:
                raise
            return None
        chains = answer.get("certificateHashDataChain", ())
        return is_among(root, (one["certificateHashData"] for one in chains))

    async def install_root(self, pem: str) -> None:
        """Have it trust an authority."""
        await self._order("InstallCertificate", {"certificateType": ROOT, "certificate": pem})

    async def ask_for_request(self) -> None:
        """Have it ask for a certificate of its own."""
        await self._order("TriggerMessage", {"requestedMessage": f"Sign{CERTIFICATE}"})

    async def send_certificate(self, chain_pem: str) -> None:
        """Send the certificate that it asked for."""
        await self._order(
            "CertificateSigned", {"certificateChain": chain_pem, "certificateType": CERTIFICATE}
        )

    async def set_profile(self, profile: SecurityProfile, url: str) -> None:
        """Have it connect with a profile, at this address, from its next start on (A05, B09).

        The connection that it has keeps its place, so it can go back to it.
        """
        active, order = await self._networks()
        slot = self._free_slot(active, order)
        connection: Payload = {
            "ocppVersion": self.ocpp_version,
            "ocppTransport": "JSON",
            "ocppCsmsUrl": url,
            "messageTimeout": MESSAGE_TIMEOUT_S,
            "securityProfile": int(profile),
        }
        await self._write(slot, connection)
        rest = [one for one in (active, *order) if one is not None and one != slot]
        await self._set(PRIORITY, ",".join(map(str, dict.fromkeys((slot, *rest)))))
        await self._station.reset()

    async def confirm_profile(self, profile: SecurityProfile, url: str) -> None:
        """Nothing to do: a password alone is a profile."""

    async def _write(self, slot: int, connection: Payload) -> None:
        """Write a network profile, by the first interface that is taken."""
        refusal = ""
        for interface in self.interfaces:
            payload = {
                "configurationSlot": slot,
                "connectionData": connection | {"ocppInterface": interface},
            }
            answer = await self._station.call("SetNetworkProfile", payload)
            if answer["status"] == "Accepted":
                return
            refusal = said(answer, payload)
        raise self._refused(refusal)

    async def _networks(self) -> tuple[int | None, list[int]]:
        """Return which of its network profiles is in use, and the order in which it tries them."""
        model = DeviceModel()
        payload: Payload = {"getVariableData": [key.payload for key in (ACTIVE, PRIORITY)]}
        for result in (await self._station.call("GetVariables", payload))["getVariableResult"]:
            model.take(result)
        active, priority = model[ACTIVE], model[PRIORITY]
        numbers = _numbers(() if active is None else active.items)
        order = _numbers(() if priority is None else priority.items)
        return next(iter(numbers or order), None), order

    def _free_slot(self, active: int | None, order: list[int]) -> int:
        """Return where to write: never what it is connected by, and best where nothing is."""
        told = self._station.kept(DeviceModel)[PRIORITY]
        choices = _numbers(() if told is None else told.choices) or SLOTS
        usable = [one for one in choices if one != active]
        free = [one for one in usable if one not in order]
        if not usable:
            raise self._refused("no room for another network profile")
        return (free or usable)[0]

    async def _set(self, key: Key, value: str) -> None:
        payload: Payload = {"setVariableData": [key.payload | {"attributeValue": value}]}
        answer = await self._station.call("SetVariables", payload)
        [result] = answer["setVariableResult"]
        status = result["attributeStatus"]
        if status in ("Accepted", "RebootRequired"):
            return
        info = result.get("attributeStatusInfo")
        told: Payload = {"status": status} | ({} if info is None else {"statusInfo": info})
        # It may repeat what it was told.
        words = said(told, {"idToken": value})
        unknown = status in ("UnknownComponent", "UnknownVariable")
        failure = Failure.NOT_SUPPORTED if unknown else Failure.REFUSED
        raise StationError(self._station.info.id, failure, words)

    async def _order(self, action: str, payload: Payload) -> None:
        answer = await self._station.call(action, payload)
        if answer["status"] == "Accepted":
            return
        if answer["status"] in ("NotImplemented", "NotSupported"):
            words = said(answer, payload)
            raise StationError(self._station.info.id, Failure.NOT_SUPPORTED, words)
        raise self._refused(said(answer, payload))

    def _refused(self, words: str) -> StationError:
        return StationError(self._station.info.id, Failure.REFUSED, words)


def _numbers(items: tuple[str, ...]) -> list[int]:
    return [int(one) for one in items if one.isascii() and one.isdecimal() and len(one) < 6]
