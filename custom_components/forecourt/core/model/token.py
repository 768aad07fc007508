"""What a person shows to be let in, and who a person is."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

VISIBLE_DIGITS = 4


class TokenKind(StrEnum):
    """How a token was read (OCPP 2.0.1 §3.43 IdTokenEnumType); OCPP 1.6 does not tell."""

    CARD = "card"
    CARD_15693 = "card_15693"
    KEY_CODE = "key_code"
    MAC_ADDRESS = "mac_address"
    CONTRACT = "contract"
    CENTRAL = "central"
    LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Token:
    """A card, keypad code or tag as a station reads it.

    OCPP compares identifiers without regard to case (CiString20Type), so the
    value is kept in upper case; `kind` tells nothing apart. It is a secret: it never
    shows in `repr` or `str`; use `last4` for people and the ledger's keyed hash for records.
    """

    uid: str = field(repr=False)
    kind: TokenKind = field(default=TokenKind.CARD, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Normalise the value."""
        object.__setattr__(self, "uid", self.uid.strip().upper())

    @property
    def last4(self) -> str:
        """The last characters, as shown to people; fewer for short codes.

        At most half of the value is shown, so a four-digit code stays secret.
        """
        return self.uid[-min(VISIBLE_DIGITS, len(self.uid) // 2) :] if len(self.uid) > 1 else ""

    def __str__(self) -> str:
        """Return the masked form, safe for logs."""
        return f"…{self.last4}"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person, account or fleet car that charges.

    `group` is the name of a family or team whose members may stop each
    other's charges; `None` for nobody. `person` is the entity id of a linked
    Home Assistant person.
    """

    id: str
    name: str
    group: str | None = None
    person: str | None = None


class Access(StrEnum):
    """Who may charge at the site."""

    ANYONE = "anyone"
    KNOWN = "known"


class AuthorizationStatus(StrEnum):
    """The answer to a shown token (OCPP 1.6 §7.2 AuthorizationStatus)."""

    ACCEPTED = "accepted"
    BLOCKED = "blocked"
    CONCURRENT = "concurrent"
    EXPIRED = "expired"
    INVALID = "invalid"


class AuthorizationReason(StrEnum):
    """Why a token was accepted or refused, for people."""

    KNOWN_USER = "known_user"
    SITE_TAG = "site_tag"
    UNKNOWN_TOKEN = "unknown_token"  # noqa: S105 - a reason, not a secret
    BLOCKED_TOKEN = "blocked_token"  # noqa: S105 - a reason, not a secret
    ENROLLING = "enrolling"
    EXPIRED_TOKEN = "expired_token"  # noqa: S105 - a reason, not a secret
    CHARGING_ELSEWHERE = "charging_elsewhere"
    OTHER_USERS_SESSION = "other_users_session"
    RESERVED = "reserved"
    NO_TOKEN = "no_token"  # noqa: S105 - a reason, not a secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """The site's answer to a token: status, why, whose it is, its group, and until when."""

    status: AuthorizationStatus
    reason: AuthorizationReason
    user_id: str | None = None
    group: str | None = None
    expires_at: datetime | None = None

    @property
    def accepted(self) -> bool:
        """Whether the holder may charge."""
        return self.status is AuthorizationStatus.ACCEPTED
