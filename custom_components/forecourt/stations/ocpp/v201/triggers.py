"""Asking a station of OCPP 2.0.1 for a message (part 2, F06)."""

from ..schema import Payload

# Which plug of an EVSE has the lock is not known here; most have but one.
CONNECTOR = 1


def trigger_payload(message: str, evse: int | None, connector: int = CONNECTOR) -> Payload:
    """Return the payload of TriggerMessage; a status is that of a plug (F06.FR.12)."""
    payload: Payload = {"requestedMessage": message}
    if evse is None:
        return payload
    where = {"id": evse}
    if message == "StatusNotification":
        where["connectorId"] = connector
    return payload | {"evse": where}
