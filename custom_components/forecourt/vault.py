"""What must survive a restart and is nobody's business: secrets, and what users asked for.

Two stores, because their readers and their rhythm differ: the vault holds card
numbers, password hashes, logins elsewhere, and the key that hashes cards in the
ledger; the memory holds limits and switches of EVSEs, reservations, and what
stations taught us.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
import secrets
from typing import Any, NotRequired, TypedDict

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.storage import Store
from homeassistant.helpers.typing import UNDEFINED, UndefinedType

from .const import DOMAIN
from .core.access.authorize import TokenRecord
from .core.model.evse import EvseState
from .core.model.goal import NO_GOAL, Goal
from .core.model.ids import EvseId
from .core.model.token import Token, TokenKind

VERSION = 1
SAVE_DELAY_S = 1


class _StoredToken(TypedDict):
    """A token; what is not required came with 0.2."""

    uid: str
    user_id: str
    blocked: bool
    kind: NotRequired[str]
    expires_at: NotRequired[str | None]
    max_sessions: NotRequired[int | None]


class _StoredForward(TypedDict):
    url: str
    identity: str | None
    password: str | None
    send_tokens: bool


class BrokerAccess(TypedDict):
    """Who we are to a broker that a wallbox brings; certificates and key as PEM text."""

    username: NotRequired[str]
    password: NotRequired[str]
    tls: NotRequired[bool]
    authorities: NotRequired[str]
    certificate: NotRequired[str]
    key: NotRequired[str]


class _VaultData(TypedDict):
    """The whole vault; what is not required came with 0.2."""

    key: str
    tokens: list[_StoredToken]
    passwords: dict[str, str]
    forwards: NotRequired[dict[str, _StoredForward]]
    brokers: NotRequired[dict[str, BrokerAccess]]


class _StoredEvse(TypedDict):
    """What was asked of an EVSE; what is not required came with 0.3."""

    allowed: bool
    requested_current_a: int | None
    goal: NotRequired[dict[str, Any]]
    charge_goal: NotRequired[dict[str, Any]]


class _MemoryData(TypedDict):
    evses: dict[str, dict[str, _StoredEvse]]
    stations: dict[str, dict[str, Any]]
    reservations: dict[str, Any] | None
    goals: NotRequired[dict[str, dict[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """A second central system that a station's reports go to; `ForwardTarget` explains it."""

    url: str
    identity: str | None
    password: str | None = field(repr=False)
    send_tokens: bool


class Vault:
    """The secrets of this installation; written at once and atomically."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Use the private store; `load` comes first."""
        self._store = Store[_VaultData](
            hass, VERSION, f"{DOMAIN}.vault", private=True, atomic_writes=True
        )
        self._data = _VaultData(key="", tokens=[], passwords={})
        self._coming: set[str] = set()

    async def load(self) -> None:
        """Read the store, and make the key on the first start."""
        if (stored := await self._store.async_load()) is not None:
            self._data = stored
        else:
            self._data["key"] = secrets.token_hex(32)
            await self._save()

    async def remove(self) -> None:
        """Delete the store."""
        await self._store.async_remove()

    @property
    def key(self) -> bytes:
        """Return the secret of this installation."""
        return bytes.fromhex(self._data["key"])

    @property
    def tokens(self) -> list[TokenRecord]:
        """Return every enrolled token."""
        return [_record(stored) for stored in self._data["tokens"]]

    def tokens_of(self, user_id: str) -> list[TokenRecord]:
        """Return the tokens of one user."""
        return [record for record in self.tokens if record.user_id == user_id]

    async def add_token(self, token: Token, user_id: str, *, is_coming: bool = False) -> None:
        """Enrol a token; the caller has made sure that it is nobody else's.

        `is_coming`: the user comes into being in a moment.
        """
        if is_coming:
            self._coming.add(user_id)
        self._data["tokens"].append(
            _StoredToken(uid=token.uid, user_id=user_id, blocked=False, kind=token.kind.value)
        )
        await self._save()

    async def update_token(
        self,
        token: Token,
        *,
        blocked: bool | UndefinedType = UNDEFINED,
        expires_at: datetime | UndefinedType | None = UNDEFINED,
        max_sessions: int | UndefinedType | None = UNDEFINED,
    ) -> None:
        """Change what a token is good for; `KeyError` for one that nobody has.

        `expires_at` is when its time is over, `max_sessions` how many cars it may charge
        at a time; `None` is for ever, and for any number.
        """
        stored = next((i for i in self._data["tokens"] if i["uid"] == token.uid), None)
        if stored is None:
            raise KeyError(str(token))
        if blocked is not UNDEFINED:
            stored["blocked"] = blocked
        if expires_at is not UNDEFINED:
            stored["expires_at"] = None if expires_at is None else expires_at.isoformat()
        if max_sessions is not UNDEFINED:
            stored["max_sessions"] = max_sessions
        await self._save()

    async def remove_token(self, token: Token) -> None:
        """Forget a token."""
        self._data["tokens"] = [i for i in self._data["tokens"] if i["uid"] != token.uid]
        await self._save()

    async def keep_users(self, user_ids: set[str]) -> None:
        """Forget the tokens of users that do not exist any more."""
        self._coming -= user_ids
        known = user_ids | self._coming
        kept = [i for i in self._data["tokens"] if i["user_id"] in known]
        if len(kept) != len(self._data["tokens"]):
            self._data["tokens"] = kept
            await self._save()

    def password_hash(self, station_id: str) -> str | None:
        """Return the hash of a station's password, `None` where it has none."""
        return self._data["passwords"].get(station_id)

    async def set_password_hash(self, station_id: str, password_hash: str | None) -> None:
        """Set or remove the hash of a station's password."""
        if password_hash is None:
            if self._data["passwords"].pop(station_id, None) is None:
                return
        else:
            self._data["passwords"][station_id] = password_hash
        await self._save()

    def forward(self, station_id: str) -> Forward | None:
        """Return where a station's reports are forwarded to, `None` for nowhere."""
        stored = self._data.get("forwards", {}).get(station_id)
        return None if stored is None else Forward(**stored)

    async def set_forward(self, station_id: str, forward: Forward | None) -> None:
        """Set or remove where a station's reports are forwarded to."""
        forwards = self._data.setdefault("forwards", {})
        if forward is not None:
            forwards[station_id] = _StoredForward(
                url=forward.url,
                identity=forward.identity,
                password=forward.password,
                send_tokens=forward.send_tokens,
            )
        elif forwards.pop(station_id, None) is None:
            return
        await self._save()

    def broker(self, station_id: str) -> BrokerAccess:
        """Return who we are to the broker of a station; empty where it asks nobody."""
        return self._data.get("brokers", {}).get(station_id, {})

    async def set_broker(self, station_id: str, access: BrokerAccess) -> None:
        """Keep who we are to the broker of a station; empty to forget it."""
        if access == self.broker(station_id):
            return
        brokers = self._data.setdefault("brokers", {})
        if access:
            brokers[station_id] = access
        else:
            del brokers[station_id]
        await self._save()

    async def _save(self) -> None:
        await self._store.async_save(self._data)


def _record(stored: _StoredToken) -> TokenRecord:
    expires_at = stored.get("expires_at")
    return TokenRecord(
        token=Token(stored["uid"], TokenKind(stored.get("kind", TokenKind.CARD))),
        user_id=stored["user_id"],
        blocked=stored["blocked"],
        expires_at=None if expires_at is None else datetime.fromisoformat(expires_at),
        max_sessions=stored.get("max_sessions", 1),
    )


class Memory:
    """What users asked of EVSEs, and what stations taught us; written with a delay."""

    def __init__(self, hass: HomeAssistant) -> None:
        """Use the store; `load` comes first."""
        self._store = Store[_MemoryData](hass, VERSION, f"{DOMAIN}.memory", atomic_writes=True)
        self._data = _MemoryData(evses={}, stations={}, reservations=None)

    async def load(self) -> None:
        """Read the store."""
        stored: Any = await self._store.async_load()
        if stored is not None:
            # Before 0.2 only the fallback was remembered.
            fallbacks = stored.get("fallbacks", {})
            before = {key: {"fallback_written": written} for key, written in fallbacks.items()}
            self._data = _MemoryData(
                evses=stored["evses"],
                stations=stored.get("stations", before),
                reservations=stored.get("reservations"),
                goals=stored.get("goals", {}),
            )

    async def save(self) -> None:
        """Write what is still waiting to be written."""
        await self._store.async_save(self._data)

    async def remove(self) -> None:
        """Delete the store."""
        await self._store.async_remove()

    def evses(self, station_id: str) -> dict[EvseId, EvseState]:
        """Return the EVSEs of a station as users left them."""
        return {
            (evse := EvseId(station_id, int(number))): EvseState(
                evse=evse,
                allowed=stored["allowed"],
                requested_current_a=stored["requested_current_a"],
                goal=Goal.from_dict(stored.get("goal", {})),
                charge_goal=Goal.from_dict(kept) if (kept := stored.get("charge_goal")) else None,
            )
            for number, stored in self._data["evses"].get(station_id, {}).items()
        }

    @callback
    def remember(self, state: EvseState) -> None:
        """Keep what a user asked of an EVSE; does nothing when that did not change."""
        stored = self._data["evses"].setdefault(state.evse.station_id, {})
        wish = _StoredEvse(allowed=state.allowed, requested_current_a=state.requested_current_a)
        if state.goal != NO_GOAL:
            wish["goal"] = state.goal.to_dict()
        if state.charge_goal is not None:
            wish["charge_goal"] = state.charge_goal.to_dict()
        if stored.get(str(state.evse.number)) != wish:
            stored[str(state.evse.number)] = wish
            self._write()

    def station(self, station_id: str) -> dict[str, Any]:
        """Return what was learned of a station, and what was written to it for good."""
        return self._data["stations"].get(station_id, {})

    @callback
    def remember_station(self, station_id: str, learned: dict[str, Any]) -> None:
        """Keep what was learned of a station."""
        self._data["stations"][station_id] = learned
        self._write()

    @property
    def reservations(self) -> dict[str, Any] | None:
        """Return who held which outlet, `None` if nobody ever did."""
        return self._data["reservations"]

    @callback
    def remember_reservations(self, reservations: dict[str, Any]) -> None:
        """Keep who holds which outlet."""
        self._data["reservations"] = reservations
        self._write()

    @property
    def goals(self) -> dict[str, Goal]:
        """Return what users want from every charge of theirs, by user."""
        return {key: Goal.from_dict(it) for key, it in self._data.get("goals", {}).items()}

    @callback
    def remember_goals(self, goals: Mapping[str, Goal]) -> None:
        """Keep what users want from every charge of theirs."""
        self._data["goals"] = {user_id: goal.to_dict() for user_id, goal in goals.items()}
        self._write()

    @callback
    def forget(self, station_id: str) -> None:
        """Forget a station that was removed."""
        self._data["evses"].pop(station_id, None)
        self._data["stations"].pop(station_id, None)
        self._write()

    def _write(self) -> None:
        self._store.async_delay_save(lambda: self._data, SAVE_DELAY_S)
