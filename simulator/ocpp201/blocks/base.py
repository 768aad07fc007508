"""What all blocks have in common."""

from __future__ import annotations

from collections.abc import Callable

from ...frames import Payload
from ...rpc import FollowUp

type Answer = tuple[Payload, FollowUp | None]
"""The payload, and what to do once it is sent."""
type Handlers = dict[str, Callable[[Payload], Answer]]

ACCEPTED: Answer = {"status": "Accepted"}, None
REJECTED: Answer = {"status": "Rejected"}, None


def refused(reason_code: str, status: str = "Rejected", why: str = "") -> Answer:
    """Return a refusal with its reason (StatusInfoType)."""
    info: Payload = {"reasonCode": reason_code[:20]}
    if why:
        info["additionalInfo"] = why[:512]
    return {"status": status, "statusInfo": info}, None
