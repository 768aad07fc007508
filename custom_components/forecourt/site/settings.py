"""What the owner decided about the site."""

from dataclasses import dataclass

from ..core.model.token import Access


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteSettings:
    """The owner's decisions; `main_fuse_a` is per phase.

    `default_user_id` is who pays for charges that nobody identified for where
    anyone may charge. `currency` is an ISO 4217 code.
    """

    main_fuse_a: int
    access: Access
    currency: str
    default_user_id: str | None = None
