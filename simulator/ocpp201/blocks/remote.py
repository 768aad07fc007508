"""Remote control, availability, transactions' state (OCPP 2.0.1 blocks E, F and G)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from ...frames import Payload
from ...rpc import FollowUp
from ..internals import Permit
from ..notices import Spot
from ..outlet import Outlet
from ..profiles import TX, Installed, ProfileError
from ..tokens import Token
from .base import REJECTED, Answer, Handlers, refused

if TYPE_CHECKING:
    from ..station import Ocpp201Station


class RemoteControl:
    """Starts, stops and triggers what the server wants."""

    def __init__(self, station: Ocpp201Station) -> None:
        """Serve this station."""
        self._station = station
        self._in = station.internals

    def handlers(self) -> Handlers:
        """Return who answers what."""
        return {
            "ChangeAvailability": self._change_availability,
            "GetTransactionStatus": self._get_transaction_status,
            "RequestStartTransaction": self._start,
            "RequestStopTransaction": self._stop,
            "TriggerMessage": self._trigger,
            "UnlockConnector": self._unlock,
        }

    # --- start and stop ---------------------------------------------------------------------------

    def _start(self, payload: Payload) -> Answer:
        token = Token.parse(payload["idToken"])
        group = Token.parse(payload["groupIdToken"]) if "groupIdToken" in payload else None
        outlet = self._chosen(payload.get("evseId"), token, group)
        if outlet is None:
            return refused("UnavailableEvse", why="no EVSE that is free for this token")
        profile = None
        if "chargingProfile" in payload and self._in.config.smart_charging:
            try:
                profile = self._profile(outlet, payload["chargingProfile"])
            except ProfileError as err:
                return refused(err.reason_code, why=str(err))
        permit = Permit(
            token, group, "RemoteStart", remote_start_id=payload["remoteStartId"], profile=profile
        )

        async def carry_out() -> None:
            if self._in.variables.flag("AuthCtrlr.AuthorizeRemoteStart"):
                info = await self._station.cards.authorise(token)
                if info["status"] != "Accepted":
                    self._in.books.card_refused(token.value, info["status"])
                    return
                permit.group = permit.group or Token.group_of(info)
            if outlet.usable:
                outlet.allow(permit)

        answer: Payload = {"status": "Accepted"}
        if outlet.transaction is not None:  # it began with the plug
            answer["transactionId"] = outlet.transaction.transaction_id
        return answer, carry_out

    def _chosen(self, number: int | None, token: Token, group: Token | None) -> Outlet | None:
        outlets = self._station.outlets
        if number is not None and number not in outlets:
            return None
        among = list(outlets.values()) if number is None else [outlets[number]]
        return self._station.cards.choose(among, token, group)

    def _profile(self, outlet: Outlet, payload: Payload) -> Installed:
        profile = Installed.parse(outlet.number, payload, self._in.time.now())
        if profile.purpose != TX or profile.transaction_id is not None:
            detail = "a RequestStartTransaction takes a TxProfile without transactionId"
            self._in.books.violation("invalid_request", detail)
            raise ProfileError("InvalidProfile", detail)
        self._in.profiles.check(profile)
        return profile

    def _stop(self, payload: Payload) -> Answer:
        outlet = self._running(payload["transactionId"])
        if outlet is None:
            return refused("TxNotFound")

        async def carry_out() -> None:
            outlet.disallow("RemoteStop", "Remote")

        return {"status": "Accepted"}, carry_out

    def _running(self, transaction_id: str) -> Outlet | None:
        for one in self._station.outlets.values():
            if one.transaction is not None and one.transaction.transaction_id == transaction_id:
                return one
        return None

    def _get_transaction_status(self, payload: Payload) -> Answer:
        wanted = payload.get("transactionId")
        waiting = self._station.events.waiting(wanted)
        if wanted is None:
            return {"messagesInQueue": waiting}, None
        ongoing = self._running(wanted) is not None
        return {"ongoingIndicator": ongoing, "messagesInQueue": waiting}, None

    # --- outlets ----------------------------------------------------------------------------------

    def _unlock(self, payload: Payload) -> Answer:
        outlet = self._station.outlets.get(payload["evseId"])
        if outlet is None or payload["connectorId"] not in outlet.connectors:
            return {"status": "UnknownConnector"}, None
        if outlet.transaction is not None and outlet.permit is not None:
            return {"status": "OngoingAuthorizedTransaction"}, None
        works = self._in.config.unlock_works and not self._in.config.tethered
        return {"status": "Unlocked" if works else "UnlockFailed"}, None

    def _change_availability(self, payload: Payload) -> Answer:
        operative = payload["operationalStatus"] == "Operative"
        place = payload.get("evse", {})
        number, index = place.get("id", 0), place.get("connectorId")
        outlets = self._station.outlets
        if number != 0 and number not in outlets:
            return refused("UnknownEvse")
        if number and index is not None and index not in outlets[number].connectors:
            return refused("UnknownConnectorId")
        chosen = [outlets[number]] if number else list(outlets.values())
        busy = [
            one
            for one in chosen
            if one.transaction is not None and index in (None, one.plugged, *_only(one))
        ]
        scheduled = bool(busy) and not operative

        async def carry_out() -> None:
            if number:
                self._set(chosen[0], index, operative=operative)
            elif not scheduled:
                self._station.set_operative(operative=operative)
            else:  # what is free goes at once, the rest with the end of its transaction
                for one in chosen:
                    self._set(one, None, operative=False)
            if operative and not number:
                for one in chosen:
                    one.set_operative(None, operative=True)

        return {"status": "Scheduled" if scheduled else "Accepted"}, carry_out

    def _set(self, outlet: Outlet, index: int | None, *, operative: bool) -> None:
        if outlet.transaction is not None and not operative:
            outlet.becomes_inoperative.append(index)
        else:
            outlet.set_operative(index, operative=operative)

    # --- triggers ---------------------------------------------------------------------------------

    def _trigger(self, payload: Payload) -> Answer:
        message, place = payload["requestedMessage"], payload.get("evse", {})
        number, index = place.get("id"), place.get("connectorId")
        outlets = self._station.outlets
        if number and number not in outlets:
            return refused("UnknownEvse")
        if index is not None and (not number or index not in outlets[number].connectors):
            return refused("UnknownConnectorId")
        chosen = [outlets[number]] if number else list(outlets.values())
        impossible = {
            "BootNotification": self._station.registration == "Accepted",
            "StatusNotification": not number or index is None,
            "TransactionEvent": not any(one.transaction for one in chosen),
        }
        if impossible.get(message, False):
            return REJECTED
        follow_up = self._triggered(message, chosen, index)
        if follow_up is None:
            return {"status": "NotImplemented"}, None
        return {"status": "Accepted"}, follow_up

    def _triggered(self, message: str, chosen: list[Outlet], index: int | None) -> FollowUp | None:
        """Return what a trigger sets off; None if this station cannot."""
        connection = self._station.connection

        async def boot() -> None:
            connection.boot_again()

        async def readings() -> None:
            for one in chosen:
                self._station.send_meter_values(one, "Trigger")

        async def status() -> None:
            spot = Spot(chosen[0].number, index or 1)
            await connection.own_link().call(*self._station.notices.status(spot))

        async def events() -> None:
            names = self._in.variables.names("SampledDataCtrlr.TxUpdatedMeasurands")
            for one in chosen:
                one.sample("Trigger", "Trigger", names)

        transfers = self._station.commands.transfers
        triggers: dict[str, FollowUp] = {
            **{name: partial(transfers.trigger, name) for name in transfers.jobs},
            "BootNotification": boot,
            "Heartbeat": connection.heartbeat,
            "MeterValues": readings,
            "SignChargingStationCertificate": self._station.security.ask,
            "StatusNotification": status,
            "TransactionEvent": events,
        }
        return triggers.get(message)


def _only(outlet: Outlet) -> tuple[int, ...]:
    return (1,) if len(outlet.connectors) == 1 else ()
