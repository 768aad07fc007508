"""The site's orders in the messages of OCPP 1.6J."""

from ....core.model.ids import EvseId
from ....core.model.setpoint import Setpoint
from ....core.model.token import Token
from ...base import (
    CanRefresh,
    CanReset,
    CanSetAvailability,
    CanStart,
    CanStop,
    CanUnlock,
    Failure,
    StationError,
)
from ..asker import Asker
from ..limits import Limit
from ..schema import Payload
from ..station import OcppStation
from .profiles import charging_profile, composite_amount, composite_payload, fallback_ids

MAX_ID_TAG = 20

# What the station is asked, and which capability it lacks when it knows nothing of it.
ASKED: dict[str, type | None] = {
    "ChangeAvailability": CanSetAvailability,
    "ChangeConfiguration": None,
    "ClearChargingProfile": None,
    "GetCompositeSchedule": None,
    "GetConfiguration": None,
    "RemoteStartTransaction": CanStart,
    "RemoteStopTransaction": CanStop,
    "Reset": CanReset,
    "SetChargingProfile": None,
    "TriggerMessage": CanRefresh,
    "UnlockConnector": CanUnlock,
}


def trigger_payload(message: str, evse: int | None) -> Payload:
    """Return the payload of TriggerMessage."""
    payload: Payload = {"requestedMessage": message}
    return payload if evse is None else payload | {"connectorId": evse}


class Orders:
    """The line to a station that is connected and accepted."""

    def __init__(self, asker: Asker, station: OcppStation) -> None:
        self._asker = asker
        self._station = station

    async def apply(self, setpoint: Setpoint) -> None:
        """Bring the setpoint into force."""
        transaction_id = self._station.transactions.get(setpoint.evse.number)
        if transaction_id is not None:
            await self._station.limiter.apply(setpoint, transaction_id, self._send_limit)
        await self.keep_fallback()

    async def start(self, evse: EvseId, token: Token) -> None:
        """Ask the EVSE to charge for this token."""
        if len(token.uid) > MAX_ID_TAG:
            raise self._asker.failed(Failure.REFUSED, "idTag is too long")
        payload = {"connectorId": evse.number, "idTag": token.uid}
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

    async def keep_fallback(self) -> None:
        """Write the fallback; where that fails the setpoint is in force all the same."""
        try:
            await self._station.limiter.keep_fallback(self._station.info.evses, self._send_limit)
        except StationError as err:
            self._station.logger.warning("Could not set the fallback current of %s", err)

    async def release(self) -> None:
        """Clear the fallback, so that the station is not left with it."""
        if self._station.learned.fallback_written is None:
            return
        try:
            for profile_id in fallback_ids(self._station.info.evses):
                # "Unknown" is as good as "Accepted".
                await self._asker.ask("ClearChargingProfile", {"id": profile_id})
        except StationError as err:
            self._station.logger.debug("The fallback current stays in %s", err)

    async def _send_limit(self, limit: Limit) -> None:
        await self._asker.order("SetChargingProfile", charging_profile(limit))
        if limit.transaction_id is not None:
            await self._station.check_in_force(limit, self.in_force)

    async def in_force(self, limit: Limit) -> float | None:
        """Return what the station says is in force, in the unit of the limit."""
        answer = await self._asker.ask("GetCompositeSchedule", composite_payload(limit))
        return composite_amount(limit, answer)
