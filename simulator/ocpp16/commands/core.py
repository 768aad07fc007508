"""The feature profile Core (OCPP 1.6 §5): configuration, availability, remote start and stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...frames import Payload
from ..cards import choose
from ..connector import Connector
from ..profile import TX_PURPOSE, Profile, ProfileError
from .base import ACCEPTED, REJECTED, Answer, Handlers

if TYPE_CHECKING:
    from ..station import Ocpp16Station


class Core:
    """Does what every station must be able to do."""

    def __init__(self, station: Ocpp16Station) -> None:
        """Serve this station."""
        self._station = station
        self._in = station.internals

    def handlers(self) -> Handlers:
        """Return who answers what."""
        return {
            "ChangeAvailability": self._change_availability,
            "ChangeConfiguration": self._change_configuration,
            "ClearCache": self._clear_cache,
            "DataTransfer": self._data_transfer,
            "GetConfiguration": self._get_configuration,
            "RemoteStartTransaction": self._remote_start,
            "RemoteStopTransaction": self._remote_stop,
            "Reset": self._reset,
            "UnlockConnector": self._unlock_connector,
        }

    def _connector(self, number: int) -> Connector | None:
        return self._station.connectors.get(number)

    def _change_availability(self, payload: Payload) -> Answer:
        number, operative = payload["connectorId"], payload["type"] == "Operative"
        if number == 0:
            chosen = list(self._station.connectors.values())
        elif (one := self._connector(number)) is not None:
            chosen = [one]
        else:
            return REJECTED, None
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
        security = self._station.security
        if key == "SecurityProfile" and self._in.config.security_extensions:
            status, anew = security.change_profile(value)
            return {"status": status}, security.connect_anew if anew else None
        changed = self._in.settings.change(key, value)
        if changed == "Accepted" and key == "AuthorizationKey":
            security.use_new_password()
            return {"status": changed}, security.connect_anew
        if changed == "RebootRequired" and key in self._in.config.reboots_on_change:
            return {"status": changed}, self._reboot
        return {"status": changed}, None

    async def _reboot(self) -> None:
        self._station.spawn(self._station.reboot("Reboot", gently=True))

    def _get_configuration(self, payload: Payload) -> Answer:
        return self._in.settings.report(payload.get("key")), None

    def _clear_cache(self, payload: Payload) -> Answer:
        if not self._in.settings.flag("AuthorizationCacheEnabled"):
            return REJECTED, None
        self._in.local_auth.clear_cache()
        return ACCEPTED, None

    def _data_transfer(self, payload: Payload) -> Answer:
        if payload["vendorId"] != self._in.config.vendor:
            return {"status": "UnknownVendorId"}, None
        if payload.get("messageId") != "Echo":
            return {"status": "UnknownMessageId"}, None
        return {"status": "Accepted", "data": payload.get("data", "")}, None

    def _remote_start(self, payload: Payload) -> Answer:
        tag, number = payload["idTag"], payload.get("connectorId")
        if number is None:
            connector = choose(self._station.connectors.values(), tag, None)
        else:
            connector = self._connector(number)
        if self._in.config.refuses_remote_start or connector is None:
            return REJECTED, None
        if not connector.usable_for(tag, None) or connector.grant is not None:
            return REJECTED, None
        try:
            profile = self._profile_of_start(connector.number, payload)
        except ProfileError as err:
            self._in.books.note("profile_refused", why=str(err))
            return REJECTED, None
        chosen = connector

        async def carry_out() -> None:
            parent = None
            if self._in.settings.flag("AuthorizeRemoteTxRequests"):
                info = await self._station.cards.authorise(tag)
                if info["status"] != "Accepted":
                    self._in.books.card_refused(tag, info["status"])
                    return
                parent = info.get("parentIdTag")
            if chosen.usable_for(tag, parent):
                chosen.allow(tag, parent, profile)

        return ACCEPTED, carry_out

    def _profile_of_start(self, connector: int, payload: Payload) -> Profile | None:
        """Return the profile that comes with a start; ProfileError if it cannot be used."""
        if "chargingProfile" not in payload or not self._in.config.supports("SmartCharging"):
            return None
        profile = self._in.profile(connector, payload["chargingProfile"])
        if profile.purpose != TX_PURPOSE or profile.transaction_id is not None:
            detail = "a RemoteStartTransaction takes a TxProfile without transactionId"
            self._in.books.violation("invalid_request", detail)
            raise ProfileError(detail)
        return profile

    def _remote_stop(self, payload: Payload) -> Answer:
        for one in self._station.connectors.values():
            running = one.transaction
            if running is not None and running.transaction_id == payload["transactionId"]:

                async def carry_out(connector: Connector = one) -> None:
                    connector.stop("Remote")

                return ACCEPTED, carry_out
        return REJECTED, None

    def _reset(self, payload: Payload) -> Answer:
        gently = payload["type"] == "Soft"

        async def carry_out() -> None:
            reason = "SoftReset" if gently else "HardReset"
            self._station.spawn(self._station.reboot(reason, gently=gently))

        return ACCEPTED, carry_out

    def _unlock_connector(self, payload: Payload) -> Answer:
        connector = self._connector(payload["connectorId"])
        if connector is None or self._in.config.tethered:
            return {"status": "NotSupported"}, None
        connector.stop("UnlockCommand")
        return {"status": "Unlocked" if self._in.config.unlock_works else "UnlockFailed"}, None
