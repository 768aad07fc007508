"""Who is known to the site: users, their tokens, and the tags that the site uses itself."""

from collections.abc import Iterable, Mapping
import hashlib
import hmac

from ..core.access.authorize import Register, TokenRecord
from ..core.model.token import Token, TokenKind, User

TAG_LENGTH = 20
"""The longest idTag that OCPP 1.6 allows (§7.28 IdToken)."""


class Members:
    """The register of users and tokens, replaced as a whole when something changes."""

    def __init__(self, key: bytes) -> None:
        """Start empty; `key` is the secret of this installation."""
        self._key = key
        self._users: dict[str, User] = {}
        self._tokens: dict[Token, TokenRecord] = {}
        self.register = Register({}, {}, {})
        self._build()

    @property
    def users(self) -> Mapping[str, User]:
        """Every user by id."""
        return self._users

    @property
    def tokens(self) -> Mapping[Token, TokenRecord]:
        """Every enrolled token."""
        return self._tokens

    def replace(self, users: Iterable[User], tokens: Iterable[TokenRecord]) -> None:
        """Take over everybody and everything that is enrolled."""
        self._users = {user.id: user for user in users}
        self._tokens = {record.token: record for record in tokens}
        self._build()

    def user(self, user_id: str | None) -> User | None:
        """Return a user, `None` where nobody has the id."""
        return None if user_id is None else self._users.get(user_id)

    def site_tag(self, user_id: str | None) -> Token:
        """Return the tag with which the site starts a charge for a user, or for nobody.

        It is the same at every start, fits every station, and cannot be
        guessed by somebody who programs a card.
        """
        digest = hmac.new(self._key, f"tag:{user_id or ''}".encode(), hashlib.sha256)
        return Token(digest.hexdigest()[:TAG_LENGTH], TokenKind.CENTRAL)

    def is_site_tag(self, token: Token) -> bool:
        """Return whether the token is one that nobody can show."""
        return token in self.register.virtual

    def _build(self) -> None:
        virtual = {self.site_tag(user_id): user_id for user_id in (*self._users, None)}
        self.register = Register(self._users, self._tokens, virtual)
