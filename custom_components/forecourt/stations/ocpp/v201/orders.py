"""The site's orders in the messages of OCPP 2.0.1."""

from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
import secrets

from ....core.model.finding import Finding
from ....core.model.ids import EvseId
from ....core.model.reservation import Reservation
from ....core.model.token import Authorization, Token
from ...base import (
    CanForgetTokens,
    CanHoldTokens,
    CanRefresh,
    CanReserve,
    CanReset,
    CanSetAvailability,
    CanShowCost,
    CanStart,
    CanStop,
    CanUnlock,
    Failure,
    HeldToken,
    StationError,
)
from ..by_hand import call_by_hand
from ..limits import Limit
from ..local_list import Entries, ListMessages, UpdateType
from ..measured import time_text
from ..profiles import fallback_ids
from ..schema import Payload
from ..selftest import SelfTest
from ..tokens import group_tag
from ..version import Accepted
from .device_model import DeviceModel
from .messages import TOKEN_KINDS, id_token_info
from .profiles import charging_profile, clearing
from .questions import Questions
from .triggers import CONNECTOR, trigger_payload

MAX_REMOTE_START_ID = 2**31 - 1

# What the station is asked, and which capability it lacks when it knows nothing of it.
ASKED: dict[str, type | None] = {
    "CancelReservation": CanReserve,
    "ChangeAvailability": CanSetAvailability,
    "ClearCache": CanForgetTokens,
    "ClearChargingProfile": None,
    "CostUpdated": CanShowCost,
    "GetBaseReport": None,
    "GetCompositeSchedule": None,
    "GetLocalListVersion": CanHoldTokens,
    "GetVariables": None,
    "RequestStartTransaction": CanStart,
    "RequestStopTransaction": CanStop,
    "ReserveNow": CanReserve,
    "Reset": CanReset,
    "SendLocalList": CanHoldTokens,
    "SetChargingProfile": None,
    "SetVariables": None,
    "TriggerMessage": CanRefresh,
    "UnlockConnector": CanUnlock,
}

# Everything that a central system may call (part 2).
CALLS = frozenset(ASKED) | {
    "CertificateSigned",
    "ClearDisplayMessage",
    "ClearVariableMonitoring",
    "CustomerInformation",
    "DataTransfer",
    "DeleteCertificate",
    "GetChargingProfiles",
    "GetDisplayMessages",
    "GetInstalledCertificateIds",
    "GetLog",
    "GetMonitoringReport",
    "GetReport",
    "GetTransactionStatus",
    "InstallCertificate",
    "PublishFirmware",
    "SetDisplayMessage",
    "SetMonitoringBase",
    "SetMonitoringLevel",
    "SetNetworkProfile",
    "SetVariableMonitoring",
    "UnpublishFirmware",
    "UpdateFirmware",
}

TOKEN_TYPES = {kind: name for name, kind in TOKEN_KINDS.items()}


def local_list_payload(version: int, update_type: UpdateType, entries: Entries) -> Payload:
    """Return the payload of SendLocalList (part 2, D01)."""
    payload: Payload = {"versionNumber": version}
    if entries:
        # An empty list is told by leaving it out (D01.FR.04).
        payload["localAuthorizationList"] = [_list_entry(*entry) for entry in entries]
    return payload | {"updateType": update_type}


def _list_entry(token: Token, authorization: Authorization | None) -> Payload:
    entry: Payload = {"idToken": id_token(token)}
    return entry if authorization is None else entry | {"idTokenInfo": id_token_info(authorization)}


def id_token(token: Token) -> Payload:
    """Return the IdTokenType of a token."""
    return {"idToken": token.uid, "type": TOKEN_TYPES[token.kind]}


class Orders:
    """The line to a station that is connected and accepted."""

    calls = CALLS
    # IdTokenType
    max_id_token = 36

    def __init__(self, accepted: Accepted) -> None:
        self._asker = accepted.asker
        self._station = accepted.station
        self._events = accepted.around.events
        self._questions = Questions(accepted)

    async def start(self, evse: EvseId, token: Token) -> None:
        """Ask the EVSE to charge for this token."""
        payload = {
            "evseId": evse.number,
            "idToken": self._id_token(token),
            "remoteStartId": 1 + secrets.randbelow(MAX_REMOTE_START_ID),
        }
        await self._asker.order("RequestStartTransaction", payload)

    async def stop(self, transaction_id: int) -> None:
        """Ask the station to end the transaction."""
        payload = {"transactionId": await self._reference(transaction_id)}
        await self._asker.order("RequestStopTransaction", payload)

    async def unlock(self, evse: EvseId) -> None:
        """Unlock the socket, which a station refuses while somebody charges there."""
        payload = {"evseId": evse.number, "connectorId": CONNECTOR}
        await self._asker.order("UnlockConnector", payload, "Unlocked")

    async def reset(self) -> None:
        """Restart the station; it ends its transactions first (B12). Some just go."""
        try:
            await self._asker.order("Reset", {"type": "Immediate"})
        except StationError as err:
            if err.failure is not Failure.OFFLINE:
                raise

    async def set_available(self, evse: EvseId, *, available: bool) -> None:
        """Open or close the EVSE for charging, at the latest when its transaction ends."""
        status = "Operative" if available else "Inoperative"
        payload = {"evse": {"id": evse.number}, "operationalStatus": status}
        await self._asker.order("ChangeAvailability", payload)

    async def refresh(self, evse: EvseId) -> None:
        """Ask for a fresh status of each plug and for a reading."""
        number = evse.number
        for connector in self._station.kept(DeviceModel).connectors(number):
            payload = trigger_payload("StatusNotification", number, connector)
            await self._asker.trigger_with("StatusNotification", payload)
        messages = ["MeterValues"]
        if number in self._station.transactions:
            messages.append("TransactionEvent")
        for message in messages:
            try:
                await self._asker.trigger(message, number)
            except StationError as err:
                # Fewer stations give these on request, and they come by themselves soon.
                if err.failure is not Failure.NOT_SUPPORTED:
                    raise

    async def reserve(self, reservation: Reservation) -> None:
        """Hold the EVSE for the token; the same id again changes it (H01)."""
        payload = {
            "id": reservation.id,
            "expiryDateTime": time_text(reservation.until),
            "idToken": self._id_token(reservation.token),
            "evseId": reservation.evse.number,
        }
        if reservation.group is not None:
            payload["groupIdToken"] = {"idToken": group_tag(reservation.group), "type": "Central"}
        await self._asker.order("ReserveNow", payload)

    async def cancel_reservation(self, reservation_id: int) -> None:
        """Hold it no more; a station that knows nothing of it refuses."""
        await self._asker.order("CancelReservation", {"reservationId": reservation_id})

    async def hold_tokens(self, tokens: Sequence[HeldToken]) -> None:
        """Bring the station's list in line."""
        station = self._station
        messages = ListMessages(
            payload=local_list_payload, version_field="versionNumber", max_uid=self.max_id_token
        )
        await station.token_list.hold(tokens, self._asker, messages, station.list_limits)

    async def forget_cached_tokens(self) -> None:
        """Have it forget whom it let in before (C11)."""
        await self._asker.order("ClearCache", {})

    async def show_cost(self, transaction_id: int, cost: Decimal) -> None:
        """Show the running cost."""
        reference = await self._reference(transaction_id)
        payload = {"totalCost": float(cost), "transactionId": reference}
        await self._asker.ask("CostUpdated", payload)

    async def call(self, action: str, payload: Payload) -> Payload:
        """Call the station with what somebody who knows OCPP wrote, and return its answer.

        Raises `StationError`, also where the payload does not fit the schema.
        """
        return await call_by_hand(self._station, self._asker, action, payload, self.calls)

    async def test(self) -> list[Finding]:
        """Try what the station should be able to do."""
        return await SelfTest(self._station, self, self._questions).run()

    async def release(self) -> None:
        """Clear the list and the fallback, so that the station is not left with them."""
        if self._station.learned.list_version:
            with suppress(StationError):
                await self.hold_tokens(())
        if self._station.learned.fallback_written is None:
            return
        try:
            for profile_id in fallback_ids(self._station.info.evses):
                # "Unknown" is as good as "Accepted".
                await self._asker.ask("ClearChargingProfile", clearing(profile_id))
        except StationError as err:
            self._station.logger.debug("The fallback current stays in %s", err)

    async def send_limit(self, limit: Limit) -> None:
        """Give the station a limit."""
        reference = None
        if limit.transaction_id is not None:
            reference = await self._reference(limit.transaction_id)
        await self._asker.order("SetChargingProfile", charging_profile(limit, reference))

    async def in_force(self, limit: Limit) -> float | None:
        """Return what the station says is in force, in the unit of the limit."""
        return await self._questions.in_force(limit)

    async def _reference(self, transaction_id: int) -> str:
        """Return the station's own id of a transaction. Raises `StationError`."""
        reference = self._station.references.get(transaction_id)
        if reference is None:
            reference = await self._events.reference(transaction_id)
        if reference is None:
            raise self._asker.failed(Failure.REFUSED, "the station has no such transaction")
        return reference

    def _id_token(self, token: Token) -> Payload:
        if len(token.uid) > self.max_id_token:
            raise self._asker.failed(Failure.REFUSED, "idToken is too long")
        return id_token(token)
