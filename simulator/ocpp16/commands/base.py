"""What the handlers of the server's calls have in common."""

from __future__ import annotations

from collections.abc import Callable

from ...frames import Payload
from ...rpc import FollowUp

type Answer = tuple[Payload, FollowUp | None]
"""The payload of the answer, and what to do once it is sent."""
type Handlers = dict[str, Callable[[Payload], Answer]]
"""Who answers which call."""

ACCEPTED: Payload = {"status": "Accepted"}
REJECTED: Payload = {"status": "Rejected"}
