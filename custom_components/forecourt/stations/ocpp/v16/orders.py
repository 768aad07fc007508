"""The site's orders in the messages of OCPP 1.6J."""

from collections.abc import Sequence
from contextlib import suppress

from ....core.model.finding import Finding
from ....core.model.ids import EvseId
from ....core.model.reservation import Reservation
from ....core.model.token import Token
from ...base import (
    CanForgetTokens,
    CanHoldTokens,
    CanRefresh,
    CanReserve,
    CanReset,
    CanSetAvailability,
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
from .messages import MAX_ID_TAG, id_tag_info
from .profiles import charging_profile
from .questions import Questions

# What the station is asked, and which capability it lacks when it knows nothing of it.
ASKED: dict[str, type | None] = {
    "CancelReservation": CanReserve,
    "ChangeAvailability": CanSetAvailability,
    "ChangeConfiguration": None,
    "ClearCache": CanForgetTokens,
    "ClearChargingProfile": None,
    "GetCompositeSchedule": None,
    "GetConfiguration": None,
    "GetLocalListVersion": CanHoldTokens,
    "RemoteStartTransaction": CanStart,
    "RemoteStopTransaction": CanStop,
    "ReserveNow": CanReserve,
    "Reset": CanReset,
    "SendLocalList": CanHoldTokens,
    "SetChargingProfile": None,
    "TriggerMessage": CanRefresh,
    "UnlockConnector": CanUnlock,
}


def trigger_payload(message: str, evse: int | None) -> Payload:
    """Return the payload of TriggerMessage."""
    payload: Payload = {"requestedMessage": message}
    return payload if evse is None else payload | {"connectorId": evse}


def local_list_payload(version: int, update_type: UpdateType, entries: Entries) -> Payload:
    """Return the payload of SendLocalList; some stations insist on the order of its keys."""
    return {
        "listVersion": version,
        "localAuthorizationList": [
            {"idTag": token.uid}
            if authorization is None
            else {"idTag": token.uid, "idTagInfo": id_tag_info(authorization)}
            for token, authorization in entries
        ],
        "updateType": update_type,
    }


LIST_MESSAGES = ListMessages(
    payload=local_list_payload, version_field="listVersion", max_uid=MAX_ID_TAG
)


# Everything that a central system may call, with the security whitepaper (edition 3, §5).
CALLS = frozenset(ASKED) | {
    "CertificateSigned",
    "DataTransfer",
    "DeleteCertificate",
    "ExtendedTriggerMessage",
    "GetDiagnostics",
    "GetInstalledCertificateIds",
    "GetLog",
    "InstallCertificate",
    "SignedUpdateFirmware",
    "UpdateFirmware",
}


class Orders:
    """The line to a station that is connected and accepted."""

    def __init__(self, accepted: Accepted) -> None:
        self._asker = accepted.asker
        self._station = accepted.station
        self._questions = Questions(accepted)

    async def start(self, evse: EvseId, token: Token) -> None:
        """Ask the EVSE to charge for this token."""
        payload = {"connectorId": evse.number, "idTag": self._id_tag(token)}
        await self._asker.order("RemoteStartTransaction", payload)

    async def stop(self, transaction_id: int) -> None:
        """Ask the station to end the transaction."""
        await self._asker.order("RemoteStopTransaction", {"transactionId": transaction_id})

    async def unlock(self, evse: EvseId) -> None:
        """Unlock the socket."""
        await self._asker.order("UnlockConnector", {"connectorId": evse.number}, "Unlocked")

    async def reset(self) -> None:
        """Restart the station; some just go, without an answer."""
        try:
            await self._asker.order("Reset", {"type": "Soft"})
        except StationError as err:
            if err.failure is not Failure.OFFLINE:
                raise

    async def set_available(self, evse: EvseId, *, available: bool) -> None:
        """Open or close the EVSE for charging, at the latest when its transaction ends."""
        kind = "Operative" if available else "Inoperative"
        payload = {"connectorId": evse.number, "type": kind}
        await self._asker.order("ChangeAvailability", payload)

    async def refresh(self, evse: EvseId) -> None:
        """Ask for a fresh status and reading."""
        await self._asker.trigger("StatusNotification", evse.number)
        try:
            await self._asker.trigger("MeterValues", evse.number)
        except StationError as err:
            # Fewer stations give these on request, and they come by themselves soon.
            if err.failure is not Failure.NOT_SUPPORTED:
                raise

    async def reserve(self, reservation: Reservation) -> None:
        """Hold the EVSE for the token and, by its parent, for those of the same group."""
        payload: Payload = {
            "connectorId": reservation.evse.number,
            "expiryDate": time_text(reservation.until),
            "idTag": self._id_tag(reservation.token),
            "reservationId": reservation.id,
        }
        if reservation.group is not None:
            payload["parentIdTag"] = group_tag(reservation.group)
        await self._asker.order("ReserveNow", payload)

    async def cancel_reservation(self, reservation_id: int) -> None:
        """Hold it no more."""
        await self._asker.order("CancelReservation", {"reservationId": reservation_id})

    async def hold_tokens(self, tokens: Sequence[HeldToken]) -> None:
        """Bring the station's list in line."""
        station = self._station
        await station.token_list.hold(tokens, self._asker, LIST_MESSAGES, station.list_limits)

    async def forget_cached_tokens(self) -> None:
        """Have it forget whom it let in before."""
        await self._asker.order("ClearCache", {})

    async def call(self, action: str, payload: Payload) -> Payload:
        """Call the station with what somebody who knows OCPP wrote, and return its answer."""
        return await call_by_hand(self._station, self._asker, action, payload, CALLS)

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
                await self._asker.ask("ClearChargingProfile", {"id": profile_id})
        except StationError as err:
            self._station.logger.debug("The fallback current stays in %s", err)

    def _id_tag(self, token: Token) -> str:
        if len(token.uid) > MAX_ID_TAG:
            raise self._asker.failed(Failure.REFUSED, "idTag is too long")
        return token.uid

    async def send_limit(self, limit: Limit) -> None:
        """Give the station a limit."""
        await self._asker.order("SetChargingProfile", charging_profile(limit))

    async def in_force(self, limit: Limit) -> float | None:
        """Return what the station says is in force, in the unit of the limit."""
        return await self._questions.in_force(limit)
