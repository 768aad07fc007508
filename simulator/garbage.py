"""Frames that no server should choke on."""

from __future__ import annotations

from collections.abc import Callable
import uuid

from .frames import encode

_MEGABYTE = 1_000_000

GARBAGE: dict[str, Callable[[str], str | bytes]] = {
    "broken_json": lambda name: f'[2,"{name}","Heartbeat",{{',
    "empty": lambda _name: "",
    "no_array": lambda _name: '{"action":"Heartbeat"}',
    "empty_array": lambda _name: "[]",
    "wrong_length": lambda name: encode(2, name, "Heartbeat"),
    "unknown_type": lambda name: encode(9, name, "Heartbeat", {}),
    "unknown_action": lambda name: encode(2, name, "MakeCoffee", {}),
    "wrong_types": lambda name: encode(
        2,
        name,
        "StartTransaction",
        {"connectorId": "one", "idTag": 5, "meterStart": "x", "timestamp": 0},
    ),
    "missing_fields": lambda name: encode(2, name, "StatusNotification", {}),
    "extra_field": lambda name: encode(2, name, "Heartbeat", {"vendorExtra": True}),
    "long_tag": lambda name: encode(2, name, "Authorize", {"idTag": "F" * 21}),
    "numeric_id": lambda _name: encode(2, 42, "Heartbeat", {}),
    "array_payload": lambda name: encode(2, name, "Heartbeat", []),
    "unasked_result": lambda name: encode(3, name, {"status": "Accepted"}),
    "unasked_error": lambda name: encode(4, name, "InternalError", "", {}),
    "nested": lambda _name: "[" * 20_000,
    "binary": lambda name: b"\x00\xff\xfe" + name.encode(),
    "oversized": lambda name: encode(
        2, name, "DataTransfer", {"vendorId": "x", "data": "y" * _MEGABYTE}
    ),
}
"""Makers of one frame each, given the message id to put in."""


def make(kind: str) -> tuple[str, str | bytes]:
    """Return a message id and the frame; text goes out as text, bytes as a binary frame."""
    message_id = f"garbage-{uuid.uuid4().hex[:8]}"
    return message_id, GARBAGE[kind](message_id)
