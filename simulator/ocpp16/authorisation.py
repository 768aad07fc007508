"""What a station knows about cards without asking: local list and cache (OCPP 1.6 §3.5, §5.15)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from ..clock import parse_time

type IdTagInfo = dict[str, Any]
"""status, and perhaps expiryDate and parentIdTag, as on the wire."""


class LocalAuth:
    """Local list and cache of one station. They survive a reboot. Tags ignore case (§7.28)."""

    def __init__(self, *, list_max: int = 200, send_max: int = 50) -> None:
        """Start empty, at version 0."""
        self.version = 0
        self._list_max = list_max
        self._send_max = send_max
        self._list: dict[str, IdTagInfo] = {}
        self._cache: dict[str, IdTagInfo] = {}

    def known(
        self, tag: str, now: datetime, *, use_list: bool, use_cache: bool
    ) -> IdTagInfo | None:
        """Return what is known about a tag; the list goes before the cache. None: nothing."""
        for entries, used in ((self._list, use_list), (self._cache, use_cache)):
            info = entries.get(tag.casefold())
            if info is not None and used:
                return {**info, "status": "Expired"} if _expired(info, now) else info
        return None

    @property
    def reported_version(self) -> int:
        """The version as GetLocalListVersion has it: 0 for an empty list (§5.10)."""
        return self.version if self._list else 0

    def remember(self, tag: str, info: IdTagInfo) -> bool:
        """Put the server's word into the cache, unless the list has its own (§3.5.3).

        Returns False if the two contradict each other (§3.5.2).
        """
        listed = self._list.get(tag.casefold())
        if listed is not None:
            return bool(listed["status"] == info["status"])
        self._cache[tag.casefold()] = info
        return True

    def clear_cache(self) -> None:
        """Forget the cache."""
        self._cache.clear()

    def update(
        self, version: int, kind: str, entries: list[dict[str, Any]]
    ) -> Literal["Accepted", "Failed", "VersionMismatch"]:
        """Take in a SendLocalList: Full, or Differential with additions and removals."""
        if len(entries) > self._send_max:
            return "Failed"
        given = {entry["idTag"].casefold(): entry.get("idTagInfo") for entry in entries}
        if kind == "Full":
            if version <= 0 or None in given.values() or len(given) < len(entries):
                return "Failed"
            updated: dict[str, IdTagInfo | None] = given
        else:
            if version <= self.version:
                return "VersionMismatch"
            updated = {**self._list, **given}
        kept = {tag: info for tag, info in updated.items() if info is not None}
        if len(kept) > self._list_max:
            return "Failed"
        self._list, self.version = kept, version
        for tag in given:
            self._cache.pop(tag, None)
        return "Accepted"


def _expired(info: IdTagInfo, now: datetime) -> bool:
    expiry = info.get("expiryDate")
    return info["status"] == "Accepted" and expiry is not None and parse_time(expiry) <= now
