"""Who knocks at the central system, and who gets in. Bookkeeping only, no network."""

import asyncio
import base64
import binascii
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
import hashlib
import hmac
import re
import secrets
from types import MappingProxyType

from ...core.model.station import StationInfo

MAX_KNOCKS = 64
MAX_PENDING = 32
MAX_DETAIL = 80

# OCPP 2.0.1 identifierString, the narrowest of all versions.
IDENTITY = re.compile(r"[A-Za-z0-9*\-_=:+|@.]{1,48}")

# A password has 16 to 20 bytes (OCPP 1.6 security whitepaper, AuthorizationKey) and is often
# written down as hexadecimal digits.
HEX_KEY = re.compile(rb"(?:[0-9a-fA-F]{2}){16,20}")

FAILURE_WINDOW = timedelta(seconds=60)
MAX_FAILURES_PER_STATION = 5
MAX_FAILURES_PER_ADDRESS = 60
MAX_FAILURE_KEYS = 256

# Each takes 16 MB for a moment, and after a restart all stations come at once.
MAX_CHECKS = 2

_SCRYPT_LOG_N, _SCRYPT_R, _SCRYPT_P = 14, 8, 1


class Cause(StrEnum):
    """What came of a knock."""

    CONNECTED = "connected"
    PENDING = "pending"
    WRONG_PATH = "wrong_path"
    WRONG_PASSWORD = "wrong_password"  # noqa: S105 - a cause, not a secret
    PASSWORD_MISSING = "password_missing"  # noqa: S105 - a cause, not a secret
    TLS = "tls"
    SUBPROTOCOL = "subprotocol"
    DUPLICATE = "duplicate"
    TOO_MANY = "too_many"
    BAD_IDENTITY = "bad_identity"
    BAD_REQUEST = "bad_request"
    MISBEHAVED = "misbehaved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Knock:
    """Somebody tried to connect; equal knocks are one with a `count` and the newest `at`."""

    at: datetime
    address: str
    identity: str | None
    cause: Cause
    detail: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why somebody does not get in."""

    cause: Cause
    detail: str = ""


@dataclass(slots=True)
class _Visitor:
    info: StationInfo
    connected: bool
    seen: datetime


def hash_password(password: str) -> str:
    """Return a salted hash of a station's password. Slow: run it in an executor."""
    salt = secrets.token_bytes(16)
    key = _derive(_canonical(password.encode()), salt, _SCRYPT_LOG_N, _SCRYPT_R, _SCRYPT_P)
    parts = (base64.b64encode(salt).decode(), base64.b64encode(key).decode())
    return "$".join(("scrypt", f"{_SCRYPT_LOG_N},{_SCRYPT_R},{_SCRYPT_P}", *parts))


def verify_password(presented: bytes, password_hash: str) -> bool:
    """Return whether a presented password fits the hash. Slow: run it in an executor."""
    _, cost, salt, key = password_hash.split("$")
    log_n, r, p = map(int, cost.split(","))
    found = _derive(_canonical(presented), base64.b64decode(salt), log_n, r, p)
    return hmac.compare_digest(found, base64.b64decode(key))


def _derive(password: bytes, salt: bytes, log_n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(password, salt=salt, n=2**log_n, r=r, p=p, maxmem=2**26)


def _canonical(password: bytes) -> bytes:
    """Return the one form of a key that some stations send decoded and others as its digits."""
    return bytes.fromhex(password.decode()) if HEX_KEY.fullmatch(password) else password


def printable(text: str, limit: int = MAX_DETAIL) -> str:
    """Return what a stranger sent in a form that is safe to log and to show."""
    shown = "".join(char if char.isprintable() else "�" for char in text[: limit + 1])
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


class Door:
    """Knows the identities and passwords, the strangers who wait, and the latest knocks."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._known: dict[str, str | None] = {}
        self._visitors: dict[str, _Visitor] = {}
        self._knocks: OrderedDict[tuple[str, str | None, Cause, str], Knock] = OrderedDict()
        self._listeners: list[Callable[[Knock], None]] = []
        self._failures: OrderedDict[tuple[str, ...], deque[datetime]] = OrderedDict()
        self._checking = asyncio.Semaphore(MAX_CHECKS)

    # Knocks

    @property
    def knocks(self) -> tuple[Knock, ...]:
        """The latest knocks, newest last."""
        return tuple(self._knocks.values())

    def subscribe(self, listener: Callable[[Knock], None]) -> Callable[[], None]:
        """Call the listener at every knock; returns what ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def note(self, address: str, identity: str | None, cause: Cause, detail: str = "") -> None:
        """Remember a knock and tell the listeners."""
        detail = printable(detail)
        identity = None if identity is None else printable(identity)
        key = (address, identity, cause, detail)
        before = self._knocks.pop(key, None)
        knock = Knock(
            at=self._now(),
            address=address,
            identity=identity,
            cause=cause,
            detail=detail,
            count=1 if before is None else before.count + 1,
        )
        self._knocks[key] = knock
        if len(self._knocks) > MAX_KNOCKS:
            self._knocks.popitem(last=False)
        for listener in tuple(self._listeners):
            listener(knock)

    # Known stations

    def admit(self, identity: str, password_hash: str | None) -> bool:
        """Make an identity known; without a password hash it needs no password.

        Returns whether one that is inside has not shown this password yet.
        """
        before = self._known.get(identity)
        self._known[identity] = password_hash
        self._visitors.pop(identity, None)
        return password_hash not in (None, before)

    def forget(self, identity: str) -> None:
        """Make an identity unknown."""
        self._known.pop(identity, None)

    async def judge(self, identity: str, address: str, authorization: str | None) -> Refusal | None:
        """Return why an identity may not come in, `None` if it may: known, or to wait."""
        password_hash = self._known.get(identity)
        if password_hash is None:
            return None
        if authorization is None:
            return Refusal(Cause.PASSWORD_MISSING)
        keys = (
            ((address, identity), MAX_FAILURES_PER_STATION),
            ((address,), MAX_FAILURES_PER_ADDRESS),
        )
        presented = _password_of(identity, authorization)
        if presented is None:
            return Refusal(Cause.WRONG_PASSWORD, "the user name is not the identity")
        async with self._checking:
            # Looked at when it is its turn, so parallel attempts do not get around the limit,
            # and a hundred stations behind one address that are right do not count as wrong.
            if any(self._recent_failures(key) >= limit for key, limit in keys):
                return Refusal(Cause.TOO_MANY, "wrong passwords")
            if await asyncio.to_thread(verify_password, presented, password_hash):
                return None
            for key, _ in keys:
                self._failures.setdefault(key, deque()).append(self._now())
        return Refusal(Cause.WRONG_PASSWORD)

    def _recent_failures(self, key: tuple[str, ...]) -> int:
        failures = self._failures.get(key, deque())
        while failures and abs(self._now() - failures[0]) > FAILURE_WINDOW:
            failures.popleft()
        while len(self._failures) > MAX_FAILURE_KEYS:
            self._failures.popitem(last=False)
        return len(failures)

    # Strangers

    @property
    def pending(self) -> Mapping[str, StationInfo]:
        """The unknown stations that asked to come in."""
        return MappingProxyType({name: one.info for name, one in self._visitors.items()})

    def welcome(self, info: StationInfo) -> bool:
        """Let a stranger wait; returns whether there is room."""
        if info.id not in self._visitors and len(self._visitors) >= MAX_PENDING:
            idle = [one for one in self._visitors.values() if not one.connected]
            if not idle:
                return False
            del self._visitors[min(idle, key=lambda one: one.seen).info.id]
        known = self._visitors.get(info.id)
        if known is not None:
            info = replace(known.info, address=info.address, protocol=info.protocol)
        self._visitors[info.id] = _Visitor(info, connected=True, seen=self._now())
        return True

    def introduce(self, info: StationInfo) -> None:
        """Take note of what a waiting stranger told about itself."""
        if visitor := self._visitors.get(info.id):
            visitor.info = info

    def leave(self, identity: str) -> None:
        """Take note that a stranger went away; it may come back."""
        if visitor := self._visitors.get(identity):
            visitor.connected = False
            visitor.seen = self._now()


def _password_of(identity: str, authorization: str) -> bytes | None:
    """Return the password of a Basic authorization header whose user is the identity."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True)
    except binascii.Error, ValueError:
        return None
    user = identity.encode() + b":"
    return decoded.removeprefix(user) if decoded.startswith(user) else None
