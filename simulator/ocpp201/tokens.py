"""Tokens, and what a station knows about them without asking (OCPP 2.0.1 block C and D)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from ..clock import parse_time
from ..frames import Payload

type IdTokenInfo = dict[str, Any]
"""status, and perhaps cacheExpiryDateTime, groupIdToken, evseId, ..., as on the wire."""


@dataclass(frozen=True, slots=True)
class Token:
    """An IdTokenType. Two are the same whatever their case."""

    value: str
    kind: str

    @classmethod
    def parse(cls, payload: Payload) -> Token:
        """Read a schema-valid IdTokenType."""
        return cls(payload["idToken"], payload["type"])

    @classmethod
    def group_of(cls, info: IdTokenInfo) -> Token | None:
        """Return the groupIdToken of an idTokenInfo."""
        group = info.get("groupIdToken")
        return None if group is None else cls.parse(group)

    @property
    def key(self) -> tuple[str, str]:
        """What makes it the same as another one."""
        return self.value.casefold(), self.kind.casefold()

    def wire(self) -> Payload:
        """Return the IdTokenType."""
        return {"idToken": self.value, "type": self.kind}

    def same(self, other: Token | None) -> bool:
        """Whether both are the same token."""
        return other is not None and self.key == other.key


NOBODY = Token("", "NoAuthorization")


class LocalAuth:
    """Local list and cache of one station. They survive a reboot."""

    def __init__(self, *, list_max: int = 200, send_max: int = 50) -> None:
        """Start empty, at version 0."""
        self.version = 0
        self._list_max = list_max
        self._send_max = send_max
        self._list: dict[tuple[str, str], IdTokenInfo] = {}
        self._cache: dict[tuple[str, str], tuple[IdTokenInfo, datetime]] = {}

    @property
    def list_size(self) -> int:
        """How many tokens the list has."""
        return len(self._list)

    def known(
        self, token: Token, now: datetime, *, use_list: bool, use_cache: bool, lifetime_s: int = 0
    ) -> IdTokenInfo | None:
        """Return what is known about a token; the list goes before the cache. None: nothing.

        `lifetime_s` is AuthCacheCtrlr.LifeTime; 0: for ever.
        """
        listed = self._list.get(token.key)
        if listed is not None and use_list:
            return _aged(listed, now)
        if token.key not in self._cache or not use_cache:
            return None
        info, since = self._cache[token.key]
        if lifetime_s and now >= since + timedelta(seconds=lifetime_s):
            del self._cache[token.key]
            return None
        return _aged(info, now)

    def remember(self, token: Token, info: IdTokenInfo, now: datetime) -> None:
        """Put the server's word into the cache, unless the list has its own (C10)."""
        if token.key not in self._list:
            self._cache[token.key] = info, now

    def clear_cache(self) -> None:
        """Forget the cache."""
        self._cache.clear()

    def forget(self, token: Token) -> bool:
        """Forget what the cache has of a customer; return whether there was anything."""
        return self._cache.pop(token.key, None) is not None

    def holds(self, token: Token) -> tuple[bool, bool]:
        """Return whether the list and the cache have a token."""
        return token.key in self._list, token.key in self._cache

    def update(
        self, version: int, kind: str, entries: list[Payload]
    ) -> Literal["Accepted", "Failed", "VersionMismatch"]:
        """Take in a SendLocalList: Full, or Differential with additions and removals (D01)."""
        if version <= 0 or len(entries) > self._send_max:
            return "Failed"
        given = {Token.parse(entry["idToken"]).key: entry.get("idTokenInfo") for entry in entries}
        if kind == "Full":
            if None in given.values() or len(given) < len(entries):
                return "Failed"
            updated: dict[tuple[str, str], IdTokenInfo | None] = dict(given)
        else:
            if version <= self.version:
                return "VersionMismatch"
            updated = {**self._list, **given}
        kept = {key: info for key, info in updated.items() if info is not None}
        if len(kept) > self._list_max:
            return "Failed"
        self._list, self.version = kept, version
        for key in given:
            self._cache.pop(key, None)
        return "Accepted"


def _aged(info: IdTokenInfo, now: datetime) -> IdTokenInfo:
    expiry = info.get("cacheExpiryDateTime")
    over = info["status"] == "Accepted" and expiry is not None and parse_time(expiry) <= now
    return {**info, "status": "Expired"} if over else info
