"""Where a station's reports are relayed to, and how patiently."""

from collections.abc import Callable
from dataclasses import dataclass, field
import ssl

from yarl import URL

from ..door import IDENTITY

SCHEMES = ("ws", "wss")


@dataclass(frozen=True, slots=True, kw_only=True)
class ForwardTarget:
    """A second central system: `url` as its operator tells it, without the identity.

    `identity` is what the station is called there, `None` for its own. With a `password`
    it logs in by Basic authentication, which only `wss` keeps secret. `tls` replaces the
    usual trust, see `trusting`. Without `send_tokens` no card is told, nor anything in
    which one might be. `is_secret_tag` says of an idTag, in upper case, whether it is
    one of the site's own: those are never told. Equal targets are the same connection, so
    give the same function again. Raises `ValueError` with what is wrong.
    """

    url: str
    identity: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    send_tokens: bool = True
    is_secret_tag: Callable[[str], bool] = field(repr=False)

    def __post_init__(self) -> None:
        """Refuse what could not be dialled, or would show a secret. Repeats none of it."""
        try:
            url = URL(self.url)
        except ValueError:
            raise ValueError("The URL cannot be read") from None
        if url.scheme not in SCHEMES or not url.host:
            raise ValueError("The URL must begin with ws:// or wss:// and name a host")
        if url.user is not None or url.password is not None:
            raise ValueError("The URL must not hold a login: set identity and password instead")
        if url.query_string or url.fragment:
            raise ValueError("The URL must end with a path")
        if self.identity is not None and not IDENTITY.fullmatch(self.identity):
            raise ValueError("The identity must be one that OCPP allows")
        if self.password is not None and ":" in (self.identity or ""):
            raise ValueError("An identity with a colon cannot have a password")

    def address(self, identity: str) -> URL:
        """Return what is dialled for a station."""
        return URL(self.url) / (self.identity or identity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long things take, in seconds.

    `linger_s` is how long a station may be away before the second system sees it go; what
    waits is still told then. `heartbeat_s` counts until the second system says better.
    A connection shorter than `steady_s` counts as failed: the next pause is longer.
    """

    call_s: float = 30
    close_s: float = 2
    connect_s: float = 15
    heartbeat_s: float = 300
    linger_s: float = 30
    ping_s: float = 30
    retry_first_s: float = 1
    retry_most_s: float = 300
    steady_s: float = 60


def trusting(authority_pem: str) -> ssl.SSLContext:
    """Return a TLS that trusts this authority only. Blocks: run it in an executor.

    Raises `ssl.SSLError` where there is no certificate in it.
    """
    return ssl.create_default_context(cadata=authority_pem)
