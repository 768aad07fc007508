"""Calls a station and says in the words of the port what came of it."""

from collections.abc import Callable, Mapping

from ..base import CanRefresh, Failure, StationError
from .link import ConnectionLostError
from .rpc import BadAnswerError, CallRefusedError, CallTimeoutError, Rpc
from .schema import ErrorCode, Payload


class Asker:
    """The calls to one station over one connection.

    `lacks` collects the capabilities that it turns out not to have: `capabilities` tells
    which one goes with an action that it does not know.
    """

    def __init__(
        self,
        identity: str,
        rpc: Rpc,
        capabilities: Mapping[str, type | None],
        trigger_payload: Callable[[str, int | None], Payload],
    ) -> None:
        self.lacks: set[type] = set()
        self.identity = identity
        self._rpc = rpc
        self._capabilities = capabilities
        self._trigger_payload = trigger_payload

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

    async def trigger(self, message: str, evse: int | None = None) -> None:
        """Ask for a message. Raises `StationError`."""
        status = (await self.ask("TriggerMessage", self._trigger_payload(message, evse)))["status"]
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
        if (capability := self._capabilities.get(action)) is not None:
            self.lacks.add(capability)
        return self.failed(Failure.NOT_SUPPORTED, detail)
