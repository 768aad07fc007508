"""What a second central system is told, and with whose ids and tokens."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import orjson

from ....core.model.token import Token
from ..schema import Payload
from .backlog import Backlog, Message, Worth
from .target import ForwardTarget

NEUTRAL_TAG = "FORECOURT"

# More than wait, so that no start is forgotten before it is told.
MAX_TRANSACTIONS = 2000

# What is not in here is not relayed.
WORTH = {
    "BootNotification": Worth.NOTICE,
    "DataTransfer": Worth.NOTICE,
    "DiagnosticsStatusNotification": Worth.NOTICE,
    "FirmwareStatusNotification": Worth.NOTICE,
    "LogStatusNotification": Worth.NOTICE,
    "MeterValues": Worth.METER,
    "PublishFirmwareStatusNotification": Worth.NOTICE,
    "SecurityEventNotification": Worth.NOTICE,
    "SignedFirmwareStatusNotification": Worth.NOTICE,
    "StartTransaction": Worth.TRANSACTION,
    "StatusNotification": Worth.NOTICE,
    "StopTransaction": Worth.TRANSACTION,
    "TransactionEvent": Worth.TRANSACTION,
}
# Told from memory at each new connection.
REMEMBERED = ("BootNotification", "StatusNotification")

METER_TRIGGERS = ("MeterValueClock", "MeterValuePeriodic")

# What vendors fill with anything, so with tokens too.
FREE_TEXT = frozenset({"customData", "techInfo"})


@dataclass(slots=True)
class Counts:
    """What became of the messages: answered well, given up, answered with a CALLERROR."""

    sent: int = 0
    dropped: int = 0
    refused: int = 0


class Relay:
    """What waits for one second system, and what that calls our transactions.

    Only OCPP 1.6 needs the latter: in 2.x a station names its transactions itself.
    """

    def __init__(self, counts: Counts) -> None:
        self.backlog = Backlog()
        self._counts = counts
        # What the second system took, to tell a restart from a reconnection.
        self.boot: Payload | None = None
        # By our id; `None` until the second system has answered the start.
        self._transactions: OrderedDict[int, int | None] = OrderedDict()

    def note(self, action: str, payload: Payload, answer: Payload) -> None:
        """Have a call of the station told. Takes microseconds and never fails."""
        message = self.message(action, payload)
        if message is None:
            return
        if action == "StartTransaction":
            message.transaction_id = answer["transactionId"]
            if message.transaction_id in self._transactions:
                # The station had not got our answer.
                return
            self._remember(answer["transactionId"])
        elif action == "StopTransaction":
            message.transaction_id = payload["transactionId"]
        self._lost(self.backlog.add(message))

    def message(self, action: str, payload: Payload) -> Message | None:
        """Return what is to be told of a call, `None` where nothing is or can be."""
        if action not in WORTH:
            return None
        try:
            return Message(action, orjson.dumps(payload), _worth(action, payload))
        except TypeError:
            # Nested deeper than JSON is written here.
            self._counts.dropped += 1
            return None

    def put_back(self, message: Message) -> None:
        """Have a message told again, before all others."""
        self._lost(self.backlog.put_back(message))

    def drop(self, message: Message) -> None:
        """Give a message up."""
        self._lost([message])

    def refused(self, message: Message) -> None:
        """Take note that the second system does not take a message."""
        self._counts.refused += 1
        self._forget(message)

    def answered(self, message: Message, answer: Payload) -> None:
        """Take note of an answer; an empty one tells no id."""
        self._counts.sent += 1
        ours, theirs = message.transaction_id, answer.get("transactionId")
        if ours is not None and ours in self._transactions and theirs is not None:
            self._transactions[ours] = theirs
        else:
            self._forget(message)

    def told(self, message: Message, target: ForwardTarget) -> Payload | None:
        """Return what is told of a message, `None` where nothing is."""
        payload: Payload = orjson.loads(message.content)
        if not target.send_tokens:
            if message.action == "DataTransfer":
                return None
            payload = _without_free_text(payload)
        if message.action in ("MeterValues", "StopTransaction") and "transactionId" in payload:
            theirs = self._transactions.get(payload["transactionId"])
            if theirs is not None:
                payload["transactionId"] = theirs
            elif message.action == "StopTransaction":
                # It began before this, or its start was not taken.
                self.drop(message)
                return None
            else:
                del payload["transactionId"]
        _without_our_ids(payload)
        _mask_tokens(payload, target)
        return payload

    def _remember(self, transaction_id: int) -> None:
        self._transactions[transaction_id] = None
        if len(self._transactions) > MAX_TRANSACTIONS:
            self._transactions.popitem(last=False)

    def _forget(self, message: Message) -> None:
        """Forget a transaction that ended, or whose start will never be known over there."""
        if message.transaction_id is not None:
            self._transactions.pop(message.transaction_id, None)

    def _lost(self, messages: list[Message]) -> None:
        for message in messages:
            self._counts.dropped += 1
            self._forget(message)


def _worth(action: str, payload: Payload) -> Worth:
    if action == "TransactionEvent" and payload["eventType"] == "Updated":
        is_meter = payload["triggerReason"] in METER_TRIGGERS
        return Worth.METER if is_meter else Worth.NOTICE
    return WORTH[action]


def _without_our_ids(payload: Payload) -> None:
    """Take out ids that we gave: over there they are somebody else's, or nobody's."""
    payload.pop("reservationId", None)
    payload.get("transactionInfo", {}).pop("remoteStartId", None)


def _mask_tokens(payload: Payload, target: ForwardTarget) -> None:
    tag, token = payload.get("idTag"), payload.get("idToken")
    if tag is not None and _is_masked(tag, target):
        payload["idTag"] = NEUTRAL_TAG
    if token is None or token["type"] == "NoAuthorization":
        return
    # Central: the site started it, with a token of its own.
    if token["type"] == "Central" or _is_masked(token["idToken"], target):
        payload["idToken"] = {"idToken": NEUTRAL_TAG, "type": "Central"}


def _is_masked(uid: str, target: ForwardTarget) -> bool:
    return not target.send_tokens or target.is_secret_tag(Token(uid).uid)


def _without_free_text(content: Any) -> Any:
    if isinstance(content, list):
        return [_without_free_text(one) for one in content]
    if isinstance(content, dict):
        return {
            name: _without_free_text(value)
            for name, value in content.items()
            if name not in FREE_TEXT
        }
    return content
