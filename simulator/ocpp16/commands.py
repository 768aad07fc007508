"""What the server may ask of a station, and the station's answers (OCPP 1.6 §5)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..frames import Payload, RpcError
from ..rpc import FollowUp
from .connector import Connector
from .profile import PERSISTENT, TX_PURPOSE, Profile, ProfileError

if TYPE_CHECKING:
    from .station import Ocpp16Station

type Answer = tuple[Payload, FollowUp | None]

_RECOGNISED = frozenset(
    {
        "CancelReservation",
        "CertificateSigned",
        "DeleteCertificate",
        "ExtendedTriggerMessage",
        "GetDiagnostics",
        "GetInstalledCertificateIds",
        "GetLog",
        "InstallCertificate",
        "ReserveNow",
        "SignedUpdateFirmware",
        "UpdateFirmware",
    }
)
"""Known to the standard, not to this station."""


class Commands:
    """Answers the calls of the server for one station."""

    def __init__(self, station: Ocpp16Station) -> None:
        """Serve this station."""
        self._station = station
        self._in = station.internals
        self.silent_calls = 0
        """So many calls of the server to come stay unanswered."""
        self._handlers: dict[str, Callable[[Payload], Answer]] = {
            "ChangeAvailability": self._change_availability,
            "ChangeConfiguration": self._change_configuration,
            "ClearCache": self._clear_cache,
            "ClearChargingProfile": self._clear_charging_profile,
            "DataTransfer": self._data_transfer,
            "GetCompositeSchedule": self._get_composite_schedule,
            "GetConfiguration": self._get_configuration,
            "GetLocalListVersion": self._get_local_list_version,
            "RemoteStartTransaction": self._remote_start,
            "RemoteStopTransaction": self._remote_stop,
            "Reset": self._reset,
            "SendLocalList": self._send_local_list,
            "SetChargingProfile": self._set_charging_profile,
            "TriggerMessage": self._trigger_message,
            "UnlockConnector": self._unlock_connector,
        }

    async def handle(self, action: str, payload: Payload) -> Answer | None:
        """Answer one call; None stays silent. RpcError becomes a CALLERROR."""
        station = self._station
        if self.silent_calls > 0:
            self.silent_calls -= 1
            return None
        if station.registration == "Rejected":
            self._in.books.violation("call_while_rejected", action)
            return None
        if action not in self._handlers:
            code = "NotSupported" if action in _RECOGNISED else "NotImplemented"
            raise RpcError(code, f"{action} is not for this station")
        if station.registration != "Accepted" and action in (
            "RemoteStartTransaction",
            "RemoteStopTransaction",
        ):
            self._in.books.violation("remote_transaction_while_pending", action)
            return {"status": "Rejected"}, None
        return self._handlers[action](payload)

    def _connector(self, number: int) -> Connector | None:
        return self._station.connectors.get(number)

    # --- Core -------------------------------------------------------------------------------------

    def _change_availability(self, payload: Payload) -> Answer:
        number, operative = payload["connectorId"], payload["type"] == "Operative"
        if number == 0:
            chosen = list(self._station.connectors.values())
        elif (one := self._connector(number)) is not None:
            chosen = [one]
        else:
            return {"status": "Rejected"}, None
        scheduled = False
        for one in chosen:
            if one.transaction is not None and not operative:
                one.becomes_inoperative = scheduled = True

        async def carry_out() -> None:
            if number == 0:
                self._station.operative = operative
            for one in chosen:
                if not one.becomes_inoperative or operative:
                    one.set_operative(operative=operative)
            self._in.changed()

        return {"status": "Scheduled" if scheduled else "Accepted"}, carry_out

    def _change_configuration(self, payload: Payload) -> Answer:
        key, value = payload["key"], payload["value"]
        status = self._in.settings.change(key, value)
        if status == "Accepted" and key == "AuthorizationKey":
            return {"status": status}, self._use_new_password
        return {"status": status}, None

    async def _use_new_password(self) -> None:
        """Connect again with the AuthorizationKey that the server has set."""
        key = self._in.settings.text("AuthorizationKey")
        connection = self._station.connection
        connection.password = key
        if self._in.config.authorization_key_hex:
            with suppress(ValueError):
                connection.password = bytes.fromhex(key)
        self._station.spawn(connection.close())

    def _get_configuration(self, payload: Payload) -> Answer:
        return self._in.settings.report(payload.get("key")), None

    def _clear_cache(self, payload: Payload) -> Answer:
        if not self._in.settings.flag("AuthorizationCacheEnabled"):
            return {"status": "Rejected"}, None
        self._in.local_auth.clear_cache()
        return {"status": "Accepted"}, None

    def _data_transfer(self, payload: Payload) -> Answer:
        if payload["vendorId"] != self._in.config.vendor:
            return {"status": "UnknownVendorId"}, None
        if payload.get("messageId") != "Echo":
            return {"status": "UnknownMessageId"}, None
        return {"status": "Accepted", "data": payload.get("data", "")}, None

    def _remote_start(self, payload: Payload) -> Answer:
        rejected: Answer = {"status": "Rejected"}, None
        number = payload.get("connectorId")
        if number is None:
            usable = [one for one in self._station.connectors.values() if one.usable]
            plugged = [one for one in usable if one.evse.car is not None]
            connector = next(iter(plugged or usable), None)
        else:
            connector = self._connector(number)
        if connector is None or not connector.usable or connector.grant is not None:
            return rejected
        profile = None
        if "chargingProfile" in payload and self._in.config.smart_charging:
            try:
                profile = self._profile(connector.number, payload["chargingProfile"])
            except ProfileError as err:
                self._in.books.note("profile_refused", why=str(err))
                return rejected
            if profile.purpose != TX_PURPOSE or profile.transaction_id is not None:
                detail = "a RemoteStartTransaction takes a TxProfile without transactionId"
                self._in.books.violation("invalid_request", detail)
                return rejected
        chosen, tag = connector, payload["idTag"]

        async def carry_out() -> None:
            parent = None
            if self._in.settings.flag("AuthorizeRemoteTxRequests"):
                info = await self._station.cards.authorise(tag)
                if info["status"] != "Accepted":
                    self._in.books.card_refused(tag, info["status"])
                    return
                parent = info.get("parentIdTag")
            if chosen.usable:
                chosen.allow(tag, parent, profile)

        return {"status": "Accepted"}, carry_out

    def _remote_stop(self, payload: Payload) -> Answer:
        for one in self._station.connectors.values():
            running = one.transaction
            if running is not None and running.transaction_id == payload["transactionId"]:

                async def carry_out(connector: Connector = one) -> None:
                    connector.stop("Remote")

                return {"status": "Accepted"}, carry_out
        return {"status": "Rejected"}, None

    def _reset(self, payload: Payload) -> Answer:
        async def carry_out() -> None:
            if payload["type"] == "Soft":
                self._station.reset("SoftReset", gently=True)
            else:
                self._station.reset("HardReset", gently=False)

        return {"status": "Accepted"}, carry_out

    def _unlock_connector(self, payload: Payload) -> Answer:
        connector = self._connector(payload["connectorId"])
        if connector is None or self._in.config.tethered:
            return {"status": "NotSupported"}, None
        connector.stop("UnlockCommand")
        return {"status": "Unlocked" if self._in.config.unlock_works else "UnlockFailed"}, None

    # --- Remote trigger ---------------------------------------------------------------------------

    def _trigger_message(self, payload: Payload) -> Answer:
        message, number = payload["requestedMessage"], payload.get("connectorId")
        if number is not None and number != 0 and self._connector(number) is None:
            return {"status": "Rejected"}, None
        follow_up = self._triggered(message, number)
        return {"status": "NotImplemented" if follow_up is None else "Accepted"}, follow_up

    def _triggered(self, message: str, number: int | None) -> FollowUp | None:
        """Return what a trigger sets off; None if this station cannot."""
        connection, connectors = self._station.connection, self._station.connectors

        async def readings() -> None:
            for one in [connectors[number]] if number else connectors.values():
                if (message := one.readings.message("Trigger")) is not None:
                    await self._in.outbox.send_now(connection.own_link(), message)

        async def statuses() -> None:
            for one in [number] if number is not None else [0, *connectors]:
                payload = self._station.statuses.payload(one)
                await connection.own_link().call("StatusNotification", payload)

        async def idle(action: str) -> None:
            await connection.own_link().call(action, {"status": "Idle"})

        return {
            "BootNotification": connection.boot_again,
            "Heartbeat": connection.heartbeat,
            "MeterValues": readings,
            "StatusNotification": statuses,
            "DiagnosticsStatusNotification": lambda: idle("DiagnosticsStatusNotification"),
            "FirmwareStatusNotification": lambda: idle("FirmwareStatusNotification"),
        }.get(message)

    # --- Local list -------------------------------------------------------------------------------

    def _get_local_list_version(self, payload: Payload) -> Answer:
        supported = self._in.config.local_list
        return {"listVersion": self._in.local_auth.reported_version if supported else -1}, None

    def _send_local_list(self, payload: Payload) -> Answer:
        if not self._in.config.local_list or not self._in.settings.flag("LocalAuthListEnabled"):
            return {"status": "NotSupported"}, None
        entries = payload.get("localAuthorizationList", [])
        status = self._in.local_auth.update(payload["listVersion"], payload["updateType"], entries)
        return {"status": status}, None

    # --- Smart charging ---------------------------------------------------------------------------

    def _profile(self, connector: int, payload: dict[str, Any]) -> Profile:
        return Profile.parse(connector, payload, self._in.time.now(), self._in.config.relative_from)

    def _set_charging_profile(self, payload: Payload) -> Answer:
        if not self._in.config.smart_charging:
            return {"status": "NotSupported"}, None
        number = payload["connectorId"]
        connector = self._connector(number)
        try:
            profile = self._profile(number, payload["csChargingProfiles"])
            self._in.profiles.install(profile, None if connector is None else connector.charge)
        except ProfileError as err:
            self._in.books.note("profile_refused", why=str(err))
            return {"status": "Rejected"}, None
        if profile.purpose in PERSISTENT:
            self._in.books.flash_write(profile.purpose, "set")
        self._in.changed()
        return {"status": "Accepted"}, None

    def _clear_charging_profile(self, payload: Payload) -> Answer:
        gone = self._in.profiles.clear(
            payload.get("id"),
            payload.get("connectorId"),
            payload.get("chargingProfilePurpose"),
            payload.get("stackLevel"),
        )
        for profile in gone:
            if profile.purpose in PERSISTENT:
                self._in.books.flash_write(profile.purpose, "clear")
        self._in.changed()
        return {"status": "Accepted" if gone else "Unknown"}, None

    def _get_composite_schedule(self, payload: Payload) -> Answer:
        number = payload["connectorId"]
        connector = self._connector(number)
        if not self._in.config.smart_charging or (number != 0 and connector is None):
            return {"status": "Rejected"}, None
        now = self._in.time.now()
        unit = payload.get("chargingRateUnit", self._in.config.rate_units[0])
        charge = None if connector is None else connector.charge
        schedule = self._in.profiles.composite(number, now, payload["duration"], unit, charge)
        return {
            "status": "Accepted",
            "connectorId": number,
            "scheduleStart": schedule["startSchedule"],
            "chargingSchedule": schedule,
        }, None
