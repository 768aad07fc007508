"""What the payloads of OCPP 2.0.1 and 2.1 mean, in the site's own types. Pure functions."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from ....core.model.reading import Reading
from ....core.model.reservation import ReservationStatus
from ....core.model.token import Authorization, AuthorizationStatus, Token, TokenKind
from .. import measured
from ..clock import MAX_SKEW, Clock, Judged
from ..connection import CLOCK_SLACK
from ..masking import masked
from ..measured import REGISTER, Sample, time_text
from ..schema import MAX_INTEGER, Payload
from ..tokens import group_tag

AUTHORIZATION = {
    AuthorizationStatus.ACCEPTED: "Accepted",
    AuthorizationStatus.BLOCKED: "Blocked",
    AuthorizationStatus.CONCURRENT: "ConcurrentTx",
    AuthorizationStatus.EXPIRED: "Expired",
    AuthorizationStatus.INVALID: "Invalid",
}

UNCOUNTED = MAX_INTEGER
"""The seqNo of events whose station does not count them."""

NO_AUTHORIZATION = "NoAuthorization"
"""The type of an idToken that stands for nobody: a button was pressed (OCPP 2.0.1 §3.43)."""

TOKEN_KINDS = {
    "ISO14443": TokenKind.CARD,
    "ISO15693": TokenKind.CARD_15693,
    "KeyCode": TokenKind.KEY_CODE,
    "MacAddress": TokenKind.MAC_ADDRESS,
    "eMAID": TokenKind.CONTRACT,
    "Central": TokenKind.CENTRAL,
    "Local": TokenKind.LOCAL,
}

RESERVATION = {
    "Expired": ReservationStatus.EXPIRED,
    "Removed": ReservationStatus.REMOVED,
    # OCPP 2.1: it was used up, but nobody plugged in.
    "NoTransaction": ReservationStatus.EXPIRED,
}

# What a station that leaves out its stoppedReason says by why it sent the message.
_REASONS = {
    "Deauthorized": "DeAuthorized",
    "EVCommunicationLost": "EVDisconnected",
    "EVDeparted": "EVDisconnected",
    "EnergyLimitReached": "EnergyLimitReached",
    "RemoteStop": "Remote",
    "ResetCommand": "ImmediateReset",
    "TimeLimitReached": "TimeLimitReached",
}

# Where the car's own values are measured; all others count at the outlet only.
_OUTLET = frozenset({"Outlet"})
_CAR = frozenset({"Outlet", "Inlet", "EV", "Cable"})


def token_of(id_token: Payload) -> Token | None:
    """Return the token of an idToken, `None` where it stands for nobody."""
    kind = id_token["type"]
    if kind == NO_AUTHORIZATION:
        return None
    # OCPP 2.1 leaves the list of types open.
    return Token(id_token["idToken"], TOKEN_KINDS.get(kind, TokenKind.CARD))


def id_token_info(authorization: Authorization) -> Payload:
    """Return the idTokenInfo that answers a shown token."""
    info: Payload = {"status": AUTHORIZATION[authorization.status]}
    if authorization.group is not None:
        info["groupIdToken"] = {"idToken": group_tag(authorization.group), "type": "Central"}
    if authorization.expires_at is not None:
        info["cacheExpiryDateTime"] = time_text(authorization.expires_at)
    return info


def stop_reason(payload: Payload) -> str:
    """Return why a transaction ended, in the words that OCPP 1.6 has too where it has one.

    A station may leave it out where it is "Local" (OCPP 2.0.1 §3.85); some do always.
    """
    reason = payload["transactionInfo"].get("stoppedReason")
    return str(reason or _REASONS.get(payload["triggerReason"], "Local"))


def judge_event(payload: Payload, clock: Clock, *, now: datetime) -> Judged:
    """Judge when a TransactionEvent happened.

    Of an event that says "offline" the station knows better than the slack for its clock.
    Some say so always: one of this moment is of this connection.
    """
    since = None
    if payload.get("offline"):
        since = max(clock.connected_at + CLOCK_SLACK, now - MAX_SKEW)
    return clock.judge(payload["timestamp"], now=now, since=since)


def readings_of(
    meter_values: list[Payload], clock: Clock, *, now: datetime, message: Judged | None = None
) -> tuple[tuple[Reading, ...], Counter[str]]:
    """Return the readings of meter values, oldest first, and what was odd.

    `message` is the stamp of what they came in, `None` where it has none.
    """
    if message is None or message.told is None:
        message = clock.judge_newest((one["timestamp"] for one in meter_values), now=now)
    elsewhere: Counter[str] = Counter()
    readings, notes = measured.readings_of(
        (
            message.of(meter_value["timestamp"]),
            tuple(_samples(meter_value["sampledValue"], elsewhere)),
        )
        for meter_value in meter_values
    )
    return readings, notes + elsewhere


def _samples(sampled_values: list[Payload], elsewhere: Counter[str]) -> Iterator[Sample]:
    for sample in sampled_values:
        measurand = sample.get("measurand", REGISTER)
        location = sample.get("location", "Outlet")
        if location not in (_CAR if measurand == "SoC" else _OUTLET):
            elsewhere[f"measured at {location}"] += 1
            continue
        unit = sample.get("unitOfMeasure", {})
        yield Sample(
            text=str(sample["value"]),
            measurand=measurand,
            context=sample.get("context", "Sample.Periodic"),
            phase=sample.get("phase", ""),
            unit=unit.get("unit"),
            multiplier=unit.get("multiplier", 0),
        )


def component_text(component: Payload) -> str:
    """Return how a component is called, with its instance."""
    instance = component.get("instance")
    return f"{component['name']}[{instance}]" if instance else str(component["name"])


def event_text(event: Payload) -> tuple[str, str]:
    """Return what an entry of NotifyEvent is about, and what it says; never a secret."""
    what = f"{component_text(event['component'])}.{component_text(event['variable'])}"
    evse = event["component"].get("evse", {}).get("id")
    told = [
        f"EVSE {evse}" if evse else "",
        str(masked(event)["actualValue"]),
        str(event["trigger"]),
        "cleared" if event.get("cleared") else "",
        str(event.get("techCode", "")),
    ]
    return what, ", ".join(filter(None, told))
