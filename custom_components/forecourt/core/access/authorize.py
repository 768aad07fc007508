"""Judges a token that somebody shows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..model.token import (
    Authorization,
    AuthorizationReason,
    AuthorizationStatus,
    Token,
    User,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRecord:
    """Whose token it is, and whether it is barred. The record itself is a secret's holder."""

    token: Token
    user_id: str
    blocked: bool = False


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


def judge(token: Token, register: Register) -> Authorization:
    """Return who the token belongs to and whether the holder may charge.

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
    return _accepted(AuthorizationReason.KNOWN_USER, user)


def guard(
    authorization: Authorization, *, user: User | None, owners: Sequence[User | None], free: bool
) -> Authorization:
    """Refuse a tap that could only stop somebody else's charge.

    `owners` are the users of the sessions that are being charged at the
    station, `free` says whether it has an EVSE to spare. Many stations stop on
    any accepted tag, so where there is nothing to start and nothing that the
    user may stop, the tap is refused.
    """
    if not authorization.accepted or free or not owners:
        return authorization
    if any(may_stop(user, owner) for owner in owners):
        return authorization
    return Authorization(
        status=AuthorizationStatus.INVALID,
        reason=AuthorizationReason.OTHER_USERS_SESSION,
        user_id=authorization.user_id,
    )


def may_stop(user: User | None, owner: User | None) -> bool:
    """Return whether a user may end the owner's charge: their own, by a common group, nobody's."""
    if owner is None:
        return True
    if user is None:
        return False
    return user.id == owner.id or (user.group is not None and user.group == owner.group)


def _accepted(reason: AuthorizationReason, user: User | None) -> Authorization:
    group = None
    if user is not None:
        group = f"group:{user.group}" if user.group else f"user:{user.id}"
    return Authorization(
        status=AuthorizationStatus.ACCEPTED,
        reason=reason,
        user_id=user.id if user else None,
        group=group,
    )
