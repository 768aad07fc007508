"""What stations of every version of OCPP get wrong alike, mended in place."""

from collections.abc import Iterator
from typing import Any

from .schema import Payload


def timestamp(payload: Payload) -> Iterator[str]:
    """Let a missing time count as an implausible one, so that the message is not lost."""
    if not isinstance(payload.get("timestamp"), str):
        payload["timestamp"] = ""
        yield "missing timestamp"


def objects(items: Any) -> Iterator[Payload]:
    """Yield the objects of what should be a list of them."""
    if isinstance(items, list):
        yield from (item for item in items if isinstance(item, dict))
