"""What stations are told of tokens, whatever the version of OCPP."""

import hashlib


def group_tag(group: str) -> str:
    """Return the id that stations know a group by: 20 characters, always the same."""
    return hashlib.sha256(f"forecourt group {group}".encode()).hexdigest()[:20].upper()
