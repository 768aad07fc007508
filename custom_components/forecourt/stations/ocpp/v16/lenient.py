"""What real stations do to the messages of OCPP 1.6, mended where no schema could tell how."""

from collections.abc import Callable, Iterator
import json
import math
from typing import Any

from ocpp.v16.enums import (  # type: ignore[import-untyped]
    ChargePointErrorCode,
    Measurand,
    Phase,
    Reason,
    UnitOfMeasure,
)

from ..mending import objects, timestamp
from ..schema import CALL, CALL_RESULT, Payload, whole_number
from ..tokens import UNREADABLE_TAG, is_text
from .messages import MAX_ID_TAG

ERROR_CODES = frozenset(map(str, ChargePointErrorCode))
REASONS = frozenset(map(str, Reason))

# No transaction has this id, and no meter this value.
UNREADABLE = -1

# Fields of a sampled value without which it would mean something else.
MEANING = {
    "measurand": frozenset(map(str, Measurand)),
    "phase": frozenset(map(str, Phase)),
    "unit": frozenset(map(str, UnitOfMeasure)),
}


def lenient(kind: int, action: str, payload: Payload) -> list[str]:
    """Mend a payload in place; returns what was mended."""
    mender = _MENDERS.get((kind, action))
    return [] if mender is None else list(mender(payload))


def _status(payload: Payload) -> Iterator[str]:
    code = payload.get("errorCode")
    if isinstance(code, str) and code not in ERROR_CODES:
        payload["errorCode"] = "OtherError"
        payload.setdefault("vendorErrorCode", code)
        yield "unknown errorCode"


def _start(payload: Payload) -> Iterator[str]:
    yield from timestamp(payload)
    yield from _whole(payload, "meterStart")
    if whole_number(payload.get("meterStart")) is None:
        payload["meterStart"] = UNREADABLE
        yield "missing meterStart"
    yield from _tag(payload)


def _tag(payload: Payload) -> Iterator[str]:
    """Let a start with a tag that is none be booked on nobody; its energy flows all the same."""
    if not is_text(payload.get("idTag"), MAX_ID_TAG):
        payload["idTag"] = UNREADABLE_TAG
        yield "idTag cannot be read"


def _stop(payload: Payload) -> Iterator[str]:
    """A StopTransaction that is refused comes again forever, so much is done for it."""
    yield from timestamp(payload)
    yield from _whole(payload, "meterStop")
    for name in ("meterStop", "transactionId"):
        if whole_number(payload.get(name)) is None:
            payload[name] = UNREADABLE
            yield f"missing {name}"
    if isinstance(payload.get("reason"), str) and payload["reason"] not in REASONS:
        payload["reason"] = "Other"
        yield "unknown reason"
    yield from _samples(payload.get("transactionData"))


def _whole(payload: Payload, meter: str) -> Iterator[str]:
    value = payload.get(meter)
    if isinstance(value, float) and math.isfinite(value):
        payload[meter] = round(value)
        yield f"{meter} is not whole"


def _meter_values(payload: Payload) -> Iterator[str]:
    return _samples(payload.get("meterValue"))


def _samples(meter_values: Any) -> Iterator[str]:
    for meter_value in objects(meter_values):
        yield from timestamp(meter_value)
        for sample in objects(meter_value.get("sampledValue")):
            unknown = [
                name
                for name, known in MEANING.items()
                if name in sample and not (isinstance(sample[name], str) and sample[name] in known)
            ]
            for name in unknown:
                del sample[name]
                # Without it the sample would pass for another; an empty one is not read.
                sample["value"] = ""
                yield f"unknown {name}"
            if not isinstance(sample.get("value"), str | int | float):
                sample["value"] = ""
                yield "missing value"


def _data_transfer(payload: Payload) -> Iterator[str]:
    if isinstance(payload.get("data"), dict | list):
        payload["data"] = json.dumps(payload["data"])
        yield "data is not text"


def _configuration(payload: Payload) -> Iterator[str]:
    for entry in objects(payload.get("configurationKey")):
        if "readonly" not in entry:
            entry["readonly"] = False
            yield "missing readonly"


_MENDERS: dict[tuple[int, str], Callable[[Payload], Iterator[str]]] = {
    (CALL, "DataTransfer"): _data_transfer,
    (CALL, "MeterValues"): _meter_values,
    (CALL, "SecurityEventNotification"): timestamp,
    (CALL, "StartTransaction"): _start,
    (CALL, "StatusNotification"): _status,
    (CALL, "StopTransaction"): _stop,
    (CALL_RESULT, "GetConfiguration"): _configuration,
}
