"""What stations tell and are told of tokens, whatever the version of OCPP."""

import hashlib
from typing import Any

# No card has it: what stands here is judged as a stranger's.
UNREADABLE_TAG = "\ufffd" * 20


def group_tag(group: str) -> str:
    """Return the id that stations know a group by: 20 characters, always the same."""
    return hashlib.sha256(f"forecourt group {group}".encode()).hexdigest()[:20].upper()


def is_text(told: Any, longest: int) -> bool:
    """Return whether a station may mean an identifier; some tell digits as a number."""
    is_told = isinstance(told, str | int | float) and not isinstance(told, bool)
    return is_told and len(str(told)) <= longest
