"""What a station tells about itself."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StationInfo:
    """A station as it introduced itself; `None` for what it did not tell.

    `evses` is how many outlets are known, `told_evses` how many it says it has.
    """

    id: str
    protocol: str
    vendor: str | None = None
    model: str | None = None
    serial: str | None = None
    firmware: str | None = None
    address: str | None = None
    evses: int = 1
    told_evses: int | None = None
