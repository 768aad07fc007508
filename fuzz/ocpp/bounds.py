"""Bounds of what is kept, made small, so that all of it is full before memory is judged.

What a station may fill takes hours to fill as it is, and would look like growth all the time.
With these, whatever still grows after a while has no bound.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from custom_components.forecourt.site import desk
from custom_components.forecourt.stations.ocpp import attempts, door, frames
from custom_components.forecourt.stations.ocpp.v16 import inbox
from custom_components.forecourt.stations.ocpp.v201 import device_model, told, transactions

LOWERED: tuple[tuple[ModuleType, str, int], ...] = (
    (attempts, "MAX_KEYS", 64),
    (desk, "MAX_JUDGED", 16),
    (device_model, "MAX_VARIABLES", 20),
    (door, "MAX_KNOCKS", 16),
    (frames, "FRAMES_KEPT", 20),
    (frames, "LATENCIES_KEPT", 20),
    (inbox, "ENDS_KEPT", 4),
    (inbox, "STARTS_KEPT", 4),
    (told, "ANSWERS_KEPT", 4),
    (told, "JUDGED_KEPT", 4),
    (told, "TOLD_KEPT", 4),
    (transactions, "REFERENCES_KEPT", 4),
)


@contextmanager
def lowered() -> Iterator[None]:
    """Lower the bounds for a while; what is made within goes by them."""
    before = [(module, name, getattr(module, name)) for module, name, _ in LOWERED]
    try:
        for module, name, bound in LOWERED:
            setattr(module, name, bound)
        yield
    finally:
        for module, name, bound in before:
            setattr(module, name, bound)
