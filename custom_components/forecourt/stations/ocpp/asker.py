"""Calls a station and says in the words of the port what came of it."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..base import CanRefresh, Failure, StationError
from .door import printable
from .link import ConnectionLostError
from .rpc import BadAnswerError, CallRefusedError, CallTimeoutError, Rpc
from .schema import ErrorCode, Payload, ViolationError

DONE = ("Accepted", "Scheduled")
MAX_SAID = 160
SECRET_LENGTH = 8
TOKENS = frozenset({"additionalIdToken", "idTag", "idToken", "parentIdTag"})


def said(answer: Payload, asked: Payload) -> str:
    """Return the status of an answer and what the station says about it (2.x: statusInfo).

    Some stations repeat what they were asked, with its token: such words are dropped.
    """
    status, info = str(answer["status"]), answer.get("statusInfo")
    if info is None:
        return status
    words = ": ".join(
        text for name in ("reasonCode", "additionalInfo") if (text := info.get(name, "").strip())
    )
    return _with_words(status, words, asked)


def _with_words(status: str, words: str, asked: Payload) -> str:
    """Add what the station says to a status, unless it repeats what it was sent."""
    told = words.casefold()
    if not told.strip() or any(text.casefold() in told for text in _texts(asked)):
        return status
    return f"{status} ({printable(words.strip(), MAX_SAID)})"


def _texts(content: Any) -> Iterator[str]:
    """Yield what was sent and may be a secret: tokens, and whatever else is longer than a word."""
    if isinstance(content, str):
        if len(content) >= SECRET_LENGTH:
            yield content
    elif isinstance(content, list):
        for one in content:
            yield from _texts(one)
    elif isinstance(content, dict):
        for name, value in content.items():
            if name in TOKENS and isinstance(value, str) and value:
                yield value
            else:
                yield from _texts(value)


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
            words = _with_words(err.code, err.words, payload)
            raise self.failed(Failure.REFUSED, words) from None

    async def call(self, action: str, payload: Payload, known: frozenset[str]) -> Payload:
        """Make any of the known calls, and return the answer.

        Raises `StationError`, also for one that is not known or does not fit its schema.
        """
        if action not in known:
            raise self.failed(Failure.NOT_SUPPORTED, "no call of a central system")
        try:
            return await self.ask(action, payload)
        except ViolationError as err:
            raise self.failed(Failure.REFUSED, str(err)) from None

    async def order(self, action: str, payload: Payload, *done: str) -> None:
        """Ask for something that is done or not; `done` are the words for it.

        Raises `StationError`.
        """
        answer = await self.ask(action, payload)
        status = answer["status"]
        if status == "NotSupported":
            raise self._lacks(action, said(answer, payload))
        if status not in (done or DONE):
            raise self.failed(Failure.REFUSED, said(answer, payload))

    async def trigger(self, message: str, evse: int | None = None) -> None:
        """Ask for a message. Raises `StationError`."""
        await self.trigger_with(message, self._trigger_payload(message, evse))

    async def trigger_with(self, message: str, payload: Payload) -> None:
        """Ask for a message by this payload of TriggerMessage. Raises `StationError`."""
        answer = await self.ask("TriggerMessage", payload)
        if answer["status"] == "NotImplemented":
            # For this message; of the others only this one is a capability.
            if message == "StatusNotification":
                self.lacks.add(CanRefresh)
            raise self.failed(Failure.NOT_SUPPORTED, said(answer, payload))
        if answer["status"] != "Accepted":
            raise self.failed(Failure.REFUSED, said(answer, payload))

    def failed(self, failure: Failure, detail: str) -> StationError:
        """Return the error to raise."""
        return StationError(self.identity, failure, detail)

    def _lacks(self, action: str, detail: str) -> StationError:
        if (capability := self._capabilities.get(action)) is not None:
            self.lacks.add(capability)
        return self.failed(Failure.NOT_SUPPORTED, detail)
