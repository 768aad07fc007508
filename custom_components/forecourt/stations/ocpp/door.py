"""Who knocks at the central system, and who gets in. Bookkeeping only, no network."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
import re
from types import MappingProxyType

from ...core.model.station import StationInfo
from .attempts import Attempts, is_public, source_of
from .credentials import Credentials, Proof, SecurityProfile, Shown
from .passwords import PasswordMemory, is_slow, password_of, verify_password

MAX_KNOCKS = 64
MAX_PENDING = 32
MAX_DETAIL = 80

# A stranger that stays away so long was tried out, or went elsewhere.
GONE_AFTER = timedelta(days=1)

# OCPP 2.0.1 identifierString, the narrowest of all versions.
IDENTITY = re.compile(r"[A-Za-z0-9*\-_=:+|@.]{1,48}")

# A minute. Who is refused for it may come again when there is room for one more.
MAX_FAILURES_PER_STATION = 5
MAX_FAILURES_PER_ADDRESS = 60
MAX_ATTEMPTS_PER_STATION = 20
# Hundreds of stations may share one address, and all come at once after a cut of power.
MAX_ATTEMPTS_PER_ADDRESS = 2400

# Each takes 16 MB for a moment, and after a restart all stations come at once.
MAX_CHECKS = 2


class Cause(StrEnum):
    """What came of a knock."""

    CONNECTED = "connected"
    PENDING = "pending"
    WRONG_PATH = "wrong_path"
    WRONG_PASSWORD = "wrong_password"  # noqa: S105 - a cause, not a secret
    INSECURE = "insecure"
    CERTIFICATE = "certificate"
    EXPOSED = "exposed"
    HANDSHAKE = "handshake"
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
    """Somebody tried to connect; equal knocks are one with a `count` and the newest `at`.

    `security_profile` is what a station that is connected proved.
    """

    at: datetime
    address: str
    identity: str | None
    cause: Cause
    detail: str = ""
    count: int = 1
    security_profile: SecurityProfile | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why somebody does not get in, and in how many seconds to try again where that helps."""

    cause: Cause
    detail: str = ""
    retry_after_s: int | None = None


@dataclass(slots=True)
class _Visitor:
    info: StationInfo
    connected: bool
    seen: datetime


def printable(text: str, limit: int = MAX_DETAIL) -> str:
    """Return what a stranger sent in a form that is safe to log and to show."""
    shown = "".join(char if char.isprintable() else "�" for char in text[: limit + 1])
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"


class Door:
    """Knows the identities and passwords, the strangers who wait, and the latest knocks.

    `on_gone` is told the identity of a stranger who does not wait any more.
    """

    def __init__(
        self, now: Callable[[], datetime], on_gone: Callable[[str], None] | None = None
    ) -> None:
        self._now = now
        self._on_gone = on_gone
        self._known: dict[str, Credentials] = {}
        self._passwords = PasswordMemory()
        self._visitors: dict[str, _Visitor] = {}
        self._knocks: OrderedDict[tuple[object, ...], Knock] = OrderedDict()
        self._listeners: list[Callable[[Knock], None]] = []
        self._failures = (
            Attempts(now, MAX_FAILURES_PER_STATION),
            Attempts(now, MAX_FAILURES_PER_ADDRESS),
        )
        self._attempts = (
            Attempts(now, MAX_ATTEMPTS_PER_STATION),
            Attempts(now, MAX_ATTEMPTS_PER_ADDRESS),
        )
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

    def note(
        self,
        address: str,
        identity: str | None,
        cause: Cause,
        detail: str = "",
        security_profile: SecurityProfile | None = None,
    ) -> None:
        """Remember a knock and tell the listeners."""
        detail = printable(detail)
        identity = None if identity is None else printable(identity)
        key = (address, identity, cause, detail, security_profile)
        before = self._knocks.pop(key, None)
        knock = Knock(
            at=self._now(),
            address=address,
            identity=identity,
            cause=cause,
            detail=detail,
            count=1 if before is None else before.count + 1,
            security_profile=security_profile,
        )
        self._knocks[key] = knock
        if len(self._knocks) > MAX_KNOCKS:
            self._knocks.popitem(last=False)
        for listener in tuple(self._listeners):
            listener(knock)

    def refuse_haste(self, address: str, identity: str | None = None) -> Refusal | None:
        """Count an attempt; returns a refusal where there were too many."""
        per_station, per_address = self._attempts
        source = source_of(address)
        wait_s = per_address.wait_s(source)
        if identity is not None:
            wait_s = max(wait_s, per_station.wait_s(source, identity))
        if wait_s:
            return Refusal(Cause.TOO_MANY, "too many attempts", wait_s)
        per_address.add(source)
        if identity is not None:
            per_station.add(source, identity)
        return None

    # Known stations

    def admit(self, identity: str, credentials: Credentials) -> None:
        """Make an identity known, or change what it has to show."""
        self._known[identity] = credentials
        self._visitors.pop(identity, None)

    def forget(self, identity: str) -> None:
        """Make an identity unknown."""
        self._known.pop(identity, None)
        self._passwords.forget(identity)

    def accepts(self, identity: str, proof: Proof) -> bool:
        """Return whether a proof is enough now; a stranger needs none to wait."""
        credentials = self._known.get(identity)
        return credentials is None or credentials.accepts(proof)

    def profile_of(self, identity: str, proof: Proof) -> SecurityProfile:
        """Return what a proof of a known station amounts to."""
        return self._known[identity].profile_of(proof)

    async def judge(self, identity: str, shown: Shown) -> Proof | Refusal:
        """Return what an identity proved, or why it may not come in: known, or to wait."""
        credentials = self._known.get(identity)
        proof, fault = self._look_at_certificate(identity, shown, credentials)
        if credentials is not None and not credentials.accepts(proof):
            refusal = _refusal_without_password(credentials, shown, fault)
            fitting = refusal or await self._check_password(identity, shown, credentials)
            if isinstance(fitting, Refusal):
                return fitting
            proof = replace(proof, password_hash=fitting)
        elif credentials is not None and credentials.next_password_hash is not None:
            # It need not show one yet, but that it has its new one is worth knowing.
            fitting = await self._check_password(identity, shown, credentials)
            if isinstance(fitting, str):
                proof = replace(proof, password_hash=fitting)
        if is_public(shown.address):
            self._warn(identity, shown, credentials, proof)
        return proof

    def _look_at_certificate(
        self, identity: str, shown: Shown, credentials: Credentials | None
    ) -> tuple[Proof, str]:
        """Return what the certificate proves, and why it does not prove who the station is."""
        proof = Proof(is_encrypted=shown.is_encrypted)
        certificate = shown.certificate
        if certificate is None:
            return proof, "it has none"
        if certificate.common_name != identity:
            return proof, f"it is for {certificate.common_name}"
        if not certificate.not_before <= self._now() <= certificate.not_after:
            return proof, "it is not valid now"
        if credentials is not None and not credentials.takes(certificate):
            return proof, f"it was replaced or revoked: …{certificate.serial_number[-8:]}"
        return replace(proof, certificate=certificate), ""

    async def _check_password(
        self, identity: str, shown: Shown, credentials: Credentials
    ) -> str | Refusal:
        """Return which of its password hashes the password fits, or why it is refused."""
        if shown.authorization is None:
            return Refusal(Cause.PASSWORD_MISSING)
        presented = password_of(identity, shown.authorization)
        if presented is None:
            return Refusal(Cause.WRONG_PASSWORD, "the user name is not the identity")
        hashes = credentials.password_hashes
        assert hashes  # noqa: S101 - else its certificate would be asked for
        recalled = {one: self._passwords.recall(identity, presented, one) for one in hashes}
        for password_hash, is_right in recalled.items():
            # Who was right before does not wait for the mistakes of others at its address;
            # who guesses is held up by the limit of attempts (`refuse_haste`).
            if is_right:
                return password_hash
        takes_long = any(is_slow(one) and is_right is None for one, is_right in recalled.items())
        per_station, per_address = self._failures
        source = source_of(shown.address)
        async with self._checking if takes_long else nullcontext():
            # Looked at when it is its turn, so parallel attempts do not get around the limit,
            # and a hundred stations behind one address that are right do not count as wrong.
            if wait_s := max(per_station.wait_s(source, identity), per_address.wait_s(source)):
                return Refusal(Cause.TOO_MANY, "wrong passwords", wait_s)
            for password_hash in hashes:
                if await self._fits(identity, presented, password_hash):
                    self._passwords.remember(identity, presented, password_hash)
                    return password_hash
            per_station.add(source, identity)
            per_address.add(source)
        return Refusal(Cause.WRONG_PASSWORD)

    async def _fits(self, identity: str, presented: bytes, password_hash: str) -> bool:
        is_right = self._passwords.recall(identity, presented, password_hash)
        if is_right is not None:
            return is_right
        if is_slow(password_hash):
            return await asyncio.to_thread(verify_password, presented, password_hash)
        return verify_password(presented, password_hash)

    def _warn(
        self, identity: str, shown: Shown, credentials: Credentials | None, proof: Proof
    ) -> None:
        """Tell of who comes over the Internet without what keeps others out."""
        if not shown.is_encrypted:
            self.note(shown.address, identity, Cause.EXPOSED, "without encryption")
        elif credentials is not None and not credentials.profile_of(proof):
            self.note(shown.address, identity, Cause.EXPOSED, "without a password")

    # Strangers

    @property
    def pending(self) -> Mapping[str, StationInfo]:
        """The unknown stations that asked to come in."""
        return MappingProxyType({name: one.info for name, one in self._visitors.items()})

    def welcome(self, info: StationInfo) -> bool:
        """Let a stranger wait; returns whether there is room."""
        self._forget_gone()
        if info.id not in self._visitors and len(self._visitors) >= MAX_PENDING:
            idle = [one for one in self._visitors.values() if not one.connected]
            if not idle:
                return False
            self._let_go(min(idle, key=lambda one: one.seen))
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
        self._forget_gone()

    def _forget_gone(self) -> None:
        """Forget the strangers who stay away."""
        now = self._now()
        for visitor in tuple(self._visitors.values()):
            if not visitor.connected and now - visitor.seen > GONE_AFTER:
                self._let_go(visitor)

    def _let_go(self, visitor: _Visitor) -> None:
        del self._visitors[visitor.info.id]
        if self._on_gone is not None:
            self._on_gone(visitor.info.id)


def _refusal_without_password(credentials: Credentials, shown: Shown, fault: str) -> Refusal | None:
    """Return why no password would help, `None` if it would."""
    if credentials.least >= SecurityProfile.TLS_PASSWORD and not shown.is_encrypted:
        return Refusal(Cause.INSECURE, "came without TLS: use wss://")
    if credentials.least is SecurityProfile.CERTIFICATE:
        return Refusal(Cause.CERTIFICATE, fault)
    return None
