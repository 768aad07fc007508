"""The list of tokens that a station holds itself, whatever the version of OCPP.

It lives in the flash memory of the station, so nothing is sent that the station has, and
what changed is sent alone where the rest is known. The station has a version of its list;
what was sent as that version is remembered by a keyed hash, so the list is not sent again
after a restart of this program, and no card number is stored for it.

`GetLocalListVersion` and `SendLocalList` are the same in all versions (OCPP 1.6 §5.10,
§5.15; OCPP 2.0.1 D01, D02) but for the payloads, which come from `ListMessages`.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
import hashlib
import hmac
import json
import logging
from typing import Literal

from ...core.model.token import Authorization, Token
from ..base import CanHoldTokens, Failure, HeldToken, StationError
from .asker import Asker
from .learned import Learned
from .schema import Payload

_LOGGER = logging.getLogger(__name__)

WRITES_PER_DAY = 50
ITEMS_PER_MESSAGE = 20

type UpdateType = Literal["Full", "Differential"]
type Entries = Sequence[tuple[Token, Authorization | None]]
"""Tokens with the station's answer to them; without one the token leaves the list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListLimits:
    """How much a station takes, `None` where it does not tell."""

    max_items_per_message: int | None = None
    max_entries: int | None = None

    @classmethod
    def told(cls, items: str | None, entries: str | None) -> ListLimits:
        """Return the limits in the words of a station; what makes no sense counts as untold."""
        return cls(max_items_per_message=_count(items), max_entries=_count(entries))


@dataclass(frozen=True, slots=True, kw_only=True)
class ListMessages:
    """How a version of OCPP puts it.

    `payload` makes SendLocalList of a version, an update type and entries. `version_field`
    is where GetLocalListVersion has its answer, `max_uid` the longest token there is.
    """

    payload: Callable[[int, UpdateType, Entries], Payload]
    version_field: str
    max_uid: int


class TokenList:
    """The list of one station; survives reconnections."""

    def __init__(
        self,
        now: Callable[[], datetime],
        learned: Learned,
        notes: Counter[str],
        key: bytes,
    ) -> None:
        self._now = now
        self._learned = learned
        self._notes = notes
        self._key = key
        self._turn = asyncio.Lock()
        self._held: dict[str, HeldToken] | None = None
        self._held_digest: str | None = None
        self._refused: tuple[str, str] | None = None
        self._writes: deque[datetime] = deque(maxlen=WRITES_PER_DAY)

    def reconnected(self) -> None:
        """Take note that the station may have lost its list, or have been given another."""
        self._held_digest = None

    def replaced(self) -> None:
        """Take note that the station has another firmware: nothing learned holds."""
        self.reconnected()
        self._refused = None

    def doubt(self) -> None:
        """Take note that somebody else wrote the list: nobody knows what is in it."""
        self.replaced()
        self._held = self._learned.list_digest = None

    async def hold(
        self,
        tokens: Sequence[HeldToken],
        asker: Asker,
        messages: ListMessages,
        limits: ListLimits,
    ) -> None:
        """Bring the list in line; sends nothing when it is. Raises `StationError`."""
        async with self._turn:
            wanted = _fitting(tokens, messages, limits)
            digest = self._digest(wanted)
            if digest == self._held_digest:
                return
            if self._refused is not None and self._refused[0] == digest:
                raise asker.failed(Failure.REFUSED, self._refused[1])
            version = await _version(asker, messages)
            is_known = version == self._learned.list_version
            is_same = is_known and digest == self._learned.list_digest
            # An empty list has version 0, whatever it was sent as.
            if not is_same and (wanted or version):
                if len(wanted) < len(tokens):
                    self._notes["not all tokens fit into the list"] += 1
                self._count_write(asker)
                held = self._held if is_known else None
                update = _Update(asker, messages, limits, self._learned.list_version or 0)
                try:
                    self._learned.list_version = await update.send(version, wanted, held)
                except StationError as error:
                    self._held = self._held_digest = None
                    if error.failure is Failure.REFUSED:
                        self._refused = digest, error.detail
                    raise
                self._learned.list_digest = digest
                self._learned.keep()
            self._held, self._held_digest, self._refused = wanted, digest, None

    def _digest(self, wanted: dict[str, HeldToken]) -> str:
        """Return what tells one content from another, and tells nobody the content."""
        facts = sorted(map(_fact, wanted.values()))
        return hmac.new(self._key, json.dumps(facts).encode(), hashlib.sha256).hexdigest()

    def _count_write(self, asker: Asker) -> None:
        now, writes = self._now(), self._writes
        if len(writes) == writes.maxlen and now - writes[0] < timedelta(days=1):
            raise asker.failed(Failure.REFUSED, "its list changed too often today")
        writes.append(now)


class _Update:
    """One change of the list, in as many messages as the station needs.

    `least` is a version that was used before: the new one lies above it.
    """

    def __init__(
        self, asker: Asker, messages: ListMessages, limits: ListLimits, least: int
    ) -> None:
        self._asker = asker
        self._messages = messages
        self._size = max(1, limits.max_items_per_message or ITEMS_PER_MESSAGE)
        self._least = least

    async def send(
        self, version: int, wanted: dict[str, HeldToken], held: dict[str, HeldToken] | None
    ) -> int:
        """Send what changed since `held`, or else everything; return the new version."""
        if held is not None:
            changes = _changes(wanted, held)
            if len(changes) <= len(wanted):
                try:
                    return await self._send(version, "Differential", changes)
                except StationError as error:
                    if error.failure is not Failure.REFUSED:
                        raise
                    _LOGGER.debug("All is sent, since the changes were not taken: %s", error)
                version = await _version(self._asker, self._messages)
        everything = [(one.token, one.authorization) for one in wanted.values()]
        version = await self._send(version, "Full", everything)
        if held is None:
            await self._clear_cache()
        return version

    async def _send(self, version: int, kind: UpdateType, entries: Entries) -> int:
        for start in range(0, max(1, len(entries)), self._size):
            version = self._least = max(version, self._least) + 1
            payload = self._messages.payload(version, kind, entries[start : start + self._size])
            status = (await self._asker.ask("SendLocalList", payload))["status"]
            if status == "NotSupported":
                raise _lacks(self._asker, status)
            if status != "Accepted":
                raise self._asker.failed(Failure.REFUSED, status)
            # What follows is added to what was sent first.
            kind = "Differential"
        return version

    async def _clear_cache(self) -> None:
        """Have a station forget whom it let in before, since nobody knows who that was."""
        try:
            await self._asker.ask("ClearCache", {})
        except StationError as error:
            _LOGGER.debug("Its cache stays: %s", error)


def _count(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdecimal() and 0 < len(text) < 10 else None


def _fitting(
    tokens: Sequence[HeldToken], messages: ListMessages, limits: ListLimits
) -> dict[str, HeldToken]:
    """Return what the station can hold, those first who may charge."""
    short = [one for one in tokens if len(one.token.uid) <= messages.max_uid]
    short.sort(key=lambda one: not one.authorization.accepted)
    return {one.token.uid: one for one in short[: limits.max_entries]}


def _changes(wanted: dict[str, HeldToken], held: dict[str, HeldToken]) -> Entries:
    """Return what is new or different, and what is gone."""
    changed = [
        (one.token, one.authorization)
        for uid, one in wanted.items()
        if uid not in held or _fact(held[uid]) != _fact(one)
    ]
    return changed + [(one.token, None) for uid, one in held.items() if uid not in wanted]


def _fact(one: HeldToken) -> list[str]:
    """Return what a station is told of a token."""
    answer = one.authorization
    until = "" if answer.expires_at is None else answer.expires_at.isoformat()
    return [one.token.uid, one.token.kind, answer.status, answer.group or "", until]


async def _version(asker: Asker, messages: ListMessages) -> int:
    """Return the version of the station's list, 0 for an empty one. Raises `StationError`."""
    version: int = (await asker.ask("GetLocalListVersion", {}))[messages.version_field]
    if version < 0:
        # OCPP 1.6 §5.10: it does not support local lists.
        raise _lacks(asker, str(version))
    return version


def _lacks(asker: Asker, detail: str) -> StationError:
    asker.lacks.add(CanHoldTokens)
    return asker.failed(Failure.NOT_SUPPORTED, detail)
