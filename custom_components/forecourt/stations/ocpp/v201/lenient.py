"""What real stations do to the messages of OCPP 2.x, mended where no schema could tell how.

Asked only about what does not fit the schema.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
import hashlib
import math
from types import ModuleType
from typing import Any

from ..mending import objects, timestamp
from ..schema import CALL, Payload, whole_number
from ..tokens import UNREADABLE_TAG, is_text
from .messages import NO_AUTHORIZATION, UNCOUNTED

# A sampled value that is read by nobody, in the place of one that cannot be understood.
UNREAD = {"value": 0, "measurand": "Frequency"}

# How long the id of a transaction may be, and the type of a token where the types are open.
MAX_TRANSACTION_ID = 36
MAX_TOKEN_TYPE = 20

# The words of OCPP 1.6, of which some firmware does not let go.
_OCCUPIED = frozenset({"Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """The words that one version of OCPP has for what a station tells.

    `max_id_token` is how long that of a token may be.
    """

    boot_reasons: frozenset[str]
    contexts: frozenset[str]
    charging_states: frozenset[str]
    id_token_types: frozenset[str] | None
    max_id_token: int
    locations: frozenset[str]
    measurands: frozenset[str]
    phases: frozenset[str]
    stop_reasons: frozenset[str]
    triggers: frozenset[str]


def words_of(enums: ModuleType) -> Words:
    """Return the words of a version from its module in the `ocpp` package."""
    types = getattr(enums, "IdTokenEnumType", None)
    return Words(
        boot_reasons=frozenset(map(str, enums.BootReasonEnumType)),
        contexts=frozenset(map(str, enums.ReadingContextEnumType)),
        charging_states=frozenset(map(str, enums.ChargingStateEnumType)),
        # OCPP 2.1 leaves them open.
        id_token_types=None if types is None else frozenset(map(str, types)),
        max_id_token=255 if types is None else 36,
        locations=frozenset(map(str, enums.LocationEnumType)),
        measurands=frozenset(map(str, enums.MeasurandEnumType)),
        phases=frozenset(map(str, enums.PhaseEnumType)),
        stop_reasons=frozenset(map(str, enums.ReasonEnumType)),
        triggers=frozenset(map(str, enums.TriggerReasonEnumType)),
    )


class Mender:
    """Mends payloads of one version in place; call it as `lenient`."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._menders: dict[tuple[int, str], Callable[[Payload], Iterator[str]]] = {
            (CALL, "Authorize"): self._id_token,
            (CALL, "BootNotification"): self._boot,
            (CALL, "MeterValues"): self._meter_values,
            (CALL, "StatusNotification"): self._status,
            (CALL, "TransactionEvent"): self._transaction,
        }

    def __call__(self, kind: int, action: str, payload: Payload) -> list[str]:
        """Mend a payload in place; returns what was mended."""
        mender = self._menders.get((kind, action))
        return [] if mender is None else list(mender(payload))

    def _boot(self, payload: Payload) -> Iterator[str]:
        yield from _known(payload, "reason", self._words.boot_reasons, "Unknown")

    def _status(self, payload: Payload) -> Iterator[str]:
        yield from timestamp(payload)
        if _is_one_of(payload.get("connectorStatus"), _OCCUPIED):
            payload["connectorStatus"] = "Occupied"
            yield "connectorStatus of OCPP 1.6"

    def _transaction(self, payload: Payload) -> Iterator[str]:
        """An event that is refused comes again forever, so much is done for it."""
        yield from timestamp(payload)
        number = whole_number(payload.get("seqNo"))
        if number is None or number < 0:
            payload["seqNo"] = UNCOUNTED
            yield "missing seqNo"
        # Nothing is done because of a trigger, and of no other reason for the end.
        yield from _known(payload, "triggerReason", self._words.triggers, "Trigger")
        info = payload.get("transactionInfo")
        if isinstance(info, dict):
            yield from _transaction_id(info)
            if "stoppedReason" in info:
                yield from _known(info, "stoppedReason", self._words.stop_reasons, "Other")
            if not _is_one_of(info.get("chargingState", "Idle"), self._words.charging_states):
                del info["chargingState"]
                yield "unknown chargingState"
        yield from self._id_token(payload)
        if "idToken" in payload:
            yield from self._text(payload["idToken"])
        yield from self._meter_values(payload)

    def _id_token(self, payload: Payload) -> Iterator[str]:
        """Keep a token whose type is none: who it is says the token alone."""
        if "idToken" not in payload:
            return
        token = payload["idToken"]
        if not isinstance(token, dict):
            token = payload["idToken"] = {"idToken": token}
        if not self._is_type(token.get("type")):
            token["type"] = "Local"
            yield "unknown type of idToken"

    def _text(self, token: Payload) -> Iterator[str]:
        """Let an event with a token that is none be booked on nobody who is known.

        Without it the event would be one of nobody, who may charge at some sites.
        """
        if token["type"] == NO_AUTHORIZATION:
            token["idToken"] = ""
            return
        text = token.get("idToken")
        if not is_text(text, self._words.max_id_token):
            token["idToken"] = UNREADABLE_TAG
            yield "idToken cannot be read"

    def _is_type(self, kind: Any) -> bool:
        if self._words.id_token_types is not None:
            return _is_one_of(kind, self._words.id_token_types)
        return isinstance(kind, str) and len(kind) <= MAX_TOKEN_TYPE

    def _meter_values(self, payload: Payload) -> Iterator[str]:
        for meter_value in objects(payload.get("meterValue")):
            yield from timestamp(meter_value)
            for sample in objects(meter_value.get("sampledValue")):
                yield from self._sample(sample)

    def _sample(self, sample: Payload) -> Iterator[str]:
        yield from _unit(sample)
        yield from _known(sample, "context", self._words.contexts, "Other", optional=True)
        unreadable = [
            f"unknown {name}"
            for name, known in (
                ("location", self._words.locations),
                ("measurand", self._words.measurands),
                ("phase", self._words.phases),
            )
            if name in sample and not _is_one_of(sample[name], known)
        ]
        unit = sample.get("unitOfMeasure")
        if isinstance(unit, dict):
            if whole_number(unit.get("multiplier", 0)) is None:
                unreadable.append("unknown multiplier")
            if not isinstance(unit.get("unit", ""), str):
                unreadable.append("unknown unit")
        if not _is_number(sample.get("value")):
            unreadable.append("value is not a number")
        if unreadable:
            # Without the word, or with another number, it would pass for what it is not.
            sample.clear()
            sample.update(UNREAD)
            yield from unreadable


def _transaction_id(info: Payload) -> Iterator[str]:
    """Book a transaction whose id is too long by the beginning of it and a hash.

    The station does not know it by that, so it takes no order for it.
    """
    told = info.get("transactionId")
    if isinstance(told, str) and len(told) > MAX_TRANSACTION_ID:
        digest = hashlib.sha256(told.encode(errors="surrogatepass")).hexdigest()[:16]
        info["transactionId"] = f"{told[: MAX_TRANSACTION_ID - 17]}~{digest}"
        yield "transactionId is too long"


def _unit(sample: Payload) -> Iterator[str]:
    """Take the unit from where OCPP 1.6 has it, or a careless station puts it."""
    unit = sample.get("unitOfMeasure", sample.get("unit"))
    if isinstance(unit, str):
        sample["unitOfMeasure"] = {"unit": unit}
        yield "unit is not in unitOfMeasure"


def _known(
    payload: Payload, name: str, known: frozenset[str], neutral: str, *, optional: bool = False
) -> Iterator[str]:
    if optional and name not in payload:
        return
    if not _is_one_of(payload.get(name), known):
        payload[name] = neutral
        yield f"unknown {name}"


def _is_one_of(word: Any, known: frozenset[str]) -> bool:
    return isinstance(word, str) and word in known


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return False
    try:
        return math.isfinite(float(value))
    except ValueError, OverflowError:
        return False
