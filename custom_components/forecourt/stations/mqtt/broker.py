"""The port to an MQTT broker, whoever runs it."""

from collections.abc import Callable
from typing import Protocol

type Listener = Callable[[str, bytes, bool], None]
"""Takes topic, payload, and whether the broker had it stored (retained). Must not raise."""

type Unsubscribe = Callable[[], None]


class Broker(Protocol):
    """A connection to a broker that comes back by itself, with all subscriptions."""

    @property
    def connected(self) -> bool:
        """Whether the broker answers now."""

    async def subscribe(self, topic: str, listener: Listener) -> Unsubscribe:
        """Listen to a topic, which may have wildcards, now and after every reconnection.

        While there is no connection it is only remembered. Raises `LinkError` if the broker
        refuses.
        """

    async def publish(
        self, topic: str, payload: str, *, qos: int = 0, retain: bool = False
    ) -> None:
        """Hand a message to the broker. Raises `LinkError` without a connection."""

    def on_connection(self, listener: Callable[[bool], None]) -> Unsubscribe:
        """Call `listener` when the connection comes (True) and goes (False)."""


def matches(pattern: str, topic: str) -> bool:
    """Tell whether a topic belongs to a subscription (MQTT 3.1.1 §4.7)."""
    wanted, levels = pattern.split("/"), topic.split("/")
    if topic.startswith("$") and wanted[0] in ("+", "#"):
        return False
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(levels) or level not in ("+", levels[index]):
            return False
    return len(wanted) == len(levels)


def at_wildcards(pattern: str, topic: str) -> str | None:
    """Return what stands at the `+` of a pattern, joined by `/`; `None` if it does not match."""
    if not matches(pattern, topic):
        return None
    pairs = zip(pattern.split("/"), topic.split("/"), strict=False)
    return "/".join(level for wanted, level in pairs if wanted == "+")
