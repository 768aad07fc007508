"""Names of things."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class EvseId:
    """Names an EVSE: the identity of its station and its number, from 1."""

    station_id: str
    number: int

    def __str__(self) -> str:
        """Return `station/number`, the form used in keys and logs."""
        return f"{self.station_id}/{self.number}"
