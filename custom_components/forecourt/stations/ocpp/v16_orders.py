"""The site's orders in the messages of OCPP 1.6J."""

from ...core.model.ids import EvseId
from ...core.model.setpoint import Setpoint
from ...core.model.token import Token
from ..base import (
    CanRefresh,
    CanReset,
    CanSetAvailability,
    CanStart,
    CanStop,
    CanUnlock,
    Failure,
    StationError,
)
from .limits import Limit
from .link import ConnectionLostError
from .rpc import BadAnswerError, CallRefusedError, CallTimeoutError, Rpc
from .schema import ErrorCode, Payload
from .station import OcppStation
from .v16_limits import charging_profile, fallback_ids

MAX_ID_TAG = 20

# What the station is asked, and which capability it lacks when it knows nothing of it.
ASKED: dict[str, type | None] = {
    "ChangeAvailability": CanSetAvailability,
    "ChangeConfiguration": None,
    "ClearChargingProfile": None,
    "GetConfiguration": None,
    "RemoteStartTransaction": CanStart,
    "RemoteStopTransaction": CanStop,
    "Reset": CanReset,
    "SetChargingProfile": None,
    "TriggerMessage": CanRefresh,
    "UnlockConnector": CanUnlock,
}


class Asker:
    """Calls the station and says in the words of the port what came of it."""

    def __init__(self, identity: str, rpc: Rpc) -> None:
        self.lacks: set[type] = set()
        self.identity = identity
        self._rpc = rpc

    async def ask(self, action: str, payload: Payload) -> Payload:
        """Return the station's answer. Raises `StationError`."""
        try:
            return await self._rpc.call(action, payload)
        except CallTimeoutError:
            raise self.failed(Failure.TIMEOUT, action) from None
        except ConnectionLostError:
            raise self.failed(Failure.OFFLINE, action) from None
        except BadAnswerError as err:
            raise self.failed(Failure.REFUSED, str(err)) from None
        except CallRefusedError as err:
            if err.code in (ErrorCode.NOT_IMPLEMENTED, ErrorCode.NOT_SUPPORTED):
                raise self._lacks(action, err.code) from None
            raise self.failed(Failure.REFUSED, err.code) from None

    async def order(self, action: str, payload: Payload, done: str = "Accepted") -> None:
        """Ask for something that is done or not. Raises `StationError`."""
        status = (await self.ask(action, payload))["status"]
        if status == "NotSupported":
            raise self._lacks(action, status)
        if status not in (done, "Scheduled"):
            raise self.failed(Failure.REFUSED, status)

    async def trigger(self, message: str, connector: int | None = None) -> None:
        """Ask for a message. Raises `StationError`."""
        payload: Payload = {"requestedMessage": message}
        if connector is not None:
            payload["connectorId"] = connector
        status = (await self.ask("TriggerMessage", payload))["status"]
        if status == "NotImplemented":
            # For this message; of the others only this one is a capability.
            if message == "StatusNotification":
                self.lacks.add(CanRefresh)
            raise self.failed(Failure.NOT_SUPPORTED, status)
        if status != "Accepted":
            raise self.failed(Failure.REFUSED, status)

    def failed(self, failure: Failure, detail: str) -> StationError:
        """Return the error to raise."""
        return StationError(self.identity, failure, detail)

    def _lacks(self, action: str, detail: str) -> StationError:
        if (capability := ASKED[action]) is not None:
            self.lacks.add(capability)
        return self.failed(Failure.NOT_SUPPORTED, detail)


class Orders16:
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
        if self._station.limiter.fallback_written is None:
            return
        try:
            for profile_id in fallback_ids(self._station.info.evses):
                # "Unknown" is as good as "Accepted".
                await self._asker.ask("ClearChargingProfile", {"id": profile_id})
        except StationError as err:
            self._station.logger.debug("The fallback current stays in %s", err)

    async def _send_limit(self, limit: Limit) -> None:
        await self._asker.order("SetChargingProfile", charging_profile(limit))
