"""What the payloads of OCPP 1.6 mean, in the site's own types. Pure functions."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from ....core.model.evse import EvseStatus
from ....core.model.reading import Reading
from ....core.model.token import Authorization, AuthorizationStatus
from .. import measured
from ..clock import Clock, Judged
from ..measured import REGISTER, Sample, time_text
from ..schema import Payload
from ..tokens import group_tag

# CiString20Type
MAX_ID_TAG = 20

STATUS = {
    "Available": EvseStatus.AVAILABLE,
    "Preparing": EvseStatus.PREPARING,
    "Charging": EvseStatus.CHARGING,
    "SuspendedEVSE": EvseStatus.SUSPENDED_EVSE,
    "SuspendedEV": EvseStatus.SUSPENDED_EV,
    "Finishing": EvseStatus.FINISHING,
    "Reserved": EvseStatus.RESERVED,
    "Unavailable": EvseStatus.UNAVAILABLE,
    "Faulted": EvseStatus.FAULTED,
}

# OCPP 1.6 §7.2 has ConcurrentTx for the answer to a start. A tap gets it too: the schema has
# it there, a station does the same for every word but Accepted, and its display can say why.
AUTHORIZATION = {
    AuthorizationStatus.ACCEPTED: "Accepted",
    AuthorizationStatus.BLOCKED: "Blocked",
    AuthorizationStatus.CONCURRENT: "ConcurrentTx",
    AuthorizationStatus.EXPIRED: "Expired",
    AuthorizationStatus.INVALID: "Invalid",
}


def error_text(payload: Payload) -> str | None:
    """Return the fault of a StatusNotification with what the vendor says about it."""
    code = str(payload["errorCode"])
    if code == "NoError":
        return None
    details = (payload.get("vendorErrorCode"), payload.get("info"))
    vendor = ": ".join(text for detail in details if detail and (text := str(detail).strip()))
    return f"{code} ({vendor})" if vendor else code


def id_tag_info(authorization: Authorization) -> Payload:
    """Return the idTagInfo that answers a shown token."""
    info = {"status": AUTHORIZATION[authorization.status]}
    if authorization.group is not None:
        info["parentIdTag"] = group_tag(authorization.group)
    if authorization.expires_at is not None:
        info["expiryDate"] = time_text(authorization.expires_at)
    return info


def readings_of(
    meter_values: list[Payload], clock: Clock, *, now: datetime, message: Judged | None = None
) -> tuple[tuple[Reading, ...], Counter[str]]:
    """Return the readings of MeterValues or transactionData, oldest first, and what was odd.

    `message` is the stamp of what they came in, `None` where it has none.
    """
    if message is None or message.told is None:
        message = clock.judge_newest((one["timestamp"] for one in meter_values), now=now)
    return measured.readings_of(
        (message.of(meter_value["timestamp"]), _samples(meter_value["sampledValue"]))
        for meter_value in meter_values
    )


def _samples(sampled_values: list[Payload]) -> Iterator[Sample]:
    for sample in sampled_values:
        if sample.get("format") != "SignedData":
            yield Sample(
                text=sample["value"],
                measurand=sample.get("measurand", REGISTER),
                context=sample.get("context", "Sample.Periodic"),
                phase=sample.get("phase", ""),
                unit=sample.get("unit"),
            )
