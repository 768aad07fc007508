"""Judges a token that somebody shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ..model.reservation import Reservation
from ..model.token import (
    Authorization,
    AuthorizationReason,
    AuthorizationStatus,
    Token,
    User,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRecord:
    """Whose token it is, and what it is good for. The record itself is a secret's holder.

    It is refused where `blocked`, and from `expires_at` on. `max_sessions` is how many cars
    it may charge at a time, `None` for any number: a card that a whole fleet shares.
    """

    token: Token
    user_id: str
    blocked: bool = False
    expires_at: datetime | None = None
    max_sessions: int | None = 1

    def expired(self, at: datetime) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and at >= self.expires_at


@dataclass(frozen=True, slots=True)
class Register:
    """Everybody known to the site.

    `tokens` maps a token to its record; `virtual` maps the tags that the site
    itself uses for remote starts to the user they stand for (`None`: nobody
    in particular).
    """

    users: Mapping[str, User]
    tokens: Mapping[Token, TokenRecord]
    virtual: Mapping[Token, str | None]


def judge(token: Token, register: Register, at: datetime) -> Authorization:
    """Return who the token belongs to and whether the holder may charge at that time.

    Only what is registered is accepted, whoever else may charge: an open site
    starts charges itself and still refuses cards that it does not know.
    """
    if token in register.virtual:
        user_id = register.virtual[token]
        return _accepted(AuthorizationReason.SITE_TAG, register.users.get(user_id or ""))
    record = register.tokens.get(token)
    user = register.users.get(record.user_id) if record else None
    if record is None or user is None:
        return Authorization(
            status=AuthorizationStatus.INVALID, reason=AuthorizationReason.UNKNOWN_TOKEN
        )
    if record.blocked:
        return Authorization(
            status=AuthorizationStatus.BLOCKED,
            reason=AuthorizationReason.BLOCKED_TOKEN,
            user_id=user.id,
        )
    if record.expired(at):
        return Authorization(
            status=AuthorizationStatus.EXPIRED,
            reason=AuthorizationReason.EXPIRED_TOKEN,
            user_id=user.id,
        )
    return _accepted(AuthorizationReason.KNOWN_USER, user, record.expires_at)


def limit_sessions(
    authorization: Authorization, record: TokenRecord | None, *, elsewhere: int
) -> Authorization:
    """Refuse another charge with a token that charges as many cars as it may.

    `elsewhere` counts the other outlets at which it does so now. Tokens without a
    record are not counted: the site's own tags stand for whatever the site starts.
    """
    if not authorization.accepted or record is None or record.max_sessions is None:
        return authorization
    if elsewhere < record.max_sessions:
        return authorization
    return Authorization(
        status=AuthorizationStatus.CONCURRENT,
        reason=AuthorizationReason.CHARGING_ELSEWHERE,
        user_id=authorization.user_id,
    )


def refuse_again(authorization: Authorization) -> Authorization:
    """Refuse a charge that was refused when it began, though its token may charge by now.

    Nothing is wrong about the card itself: who shows it again may begin another one.
    """
    if not authorization.accepted:
        return authorization
    return Authorization(
        status=AuthorizationStatus.CONCURRENT,
        reason=AuthorizationReason.CHARGING_ELSEWHERE,
        user_id=authorization.user_id,
    )


def keep_free(authorization: Authorization, held: Reservation | None) -> Authorization:
    """Refuse a charge at an outlet that is held for somebody else.

    OCPP has no word for that among its answers to a token; `INVALID` is the one that
    says nothing wrong about the card itself.
    """
    if not authorization.accepted or held is None or may_use(authorization, held):
        return authorization
    return Authorization(
        status=AuthorizationStatus.INVALID,
        reason=AuthorizationReason.RESERVED,
        user_id=authorization.user_id,
    )


def guard(
    authorization: Authorization,
    *,
    user: User | None,
    owners: Sequence[User | None],
    free: Sequence[Reservation | None],
    record: TokenRecord | None = None,
    elsewhere: int = 0,
) -> Authorization:
    """Refuse a tap that can neither end a charge nor begin one.

    A reader belongs to its station and does not say at which outlet a token is meant.
    `owners` are the users of the sessions that are being charged there, `free` has an
    item for each outlet where nobody charges: the reservation that holds it. Who may end
    one of the charges is let in. Others can only begin one: not beyond what the token
    may charge at a time, not at an outlet that is held for somebody else, and not where
    all are taken, since many stations stop on any accepted token.
    """
    if not authorization.accepted or any(may_stop(user, owner) for owner in owners):
        return authorization
    answer = limit_sessions(authorization, record, elsewhere=elsewhere)
    if not answer.accepted or not (owners or free):
        return answer
    if not free:
        return Authorization(
            status=AuthorizationStatus.INVALID,
            reason=AuthorizationReason.OTHER_USERS_SESSION,
            user_id=authorization.user_id,
        )
    answers = [keep_free(authorization, held) for held in free]
    return next((one for one in answers if one.accepted), answers[0])


def may_stop(user: User | None, owner: User | None) -> bool:
    """Return whether a user may end the owner's charge: their own, by a common group, nobody's."""
    if owner is None:
        return True
    if user is None:
        return False
    return user.id == owner.id or (user.group is not None and user.group == owner.group)


def may_use(authorization: Authorization, held: Reservation) -> bool:
    """Return whether an outlet is held for the one who shows a token, or for their group."""
    if authorization.user_id is not None and authorization.user_id == held.user_id:
        return True
    return authorization.group is not None and authorization.group == held.group


def group_of(user: User) -> str:
    """Return the name of a user's group, a group of their own where they have none.

    Stations compare groups only: so all cards of one user count as one to them.
    """
    return f"group:{user.group}" if user.group else f"user:{user.id}"


def _accepted(
    reason: AuthorizationReason, user: User | None, expires_at: datetime | None = None
) -> Authorization:
    return Authorization(
        status=AuthorizationStatus.ACCEPTED,
        reason=reason,
        user_id=user.id if user else None,
        group=group_of(user) if user else None,
        expires_at=expires_at,
    )
