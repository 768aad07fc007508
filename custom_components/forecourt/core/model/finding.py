"""What a test of a station found."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How one probe ended."""

    OK = "ok"
    FAILED = "failed"
    NOT_SUPPORTED = "not_supported"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One probe of a station: what was tried, how it ended, and what the station said."""

    probe: str
    outcome: Outcome
    detail: str = ""
