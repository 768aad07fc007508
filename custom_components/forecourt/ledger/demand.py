"""What the site was asked to draw at most, and what it did.

Each function runs inside one database transaction, on the ledger's thread.
"""

from dataclasses import fields
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from ..core.model.demand import SiteLimit
from .schema import site_limits

_NAMES = tuple(field.name for field in fields(SiteLimit) if field.name != "id")


def add(connection: Connection, limit: SiteLimit) -> int:
    values = {name: getattr(limit, name) for name in _NAMES}
    result = connection.execute(insert(site_limits).values(values))
    [key] = result.inserted_primary_key or (0,)
    return int(key)


def save(connection: Connection, limit: SiteLimit) -> None:
    values = {name: getattr(limit, name) for name in _NAMES}
    connection.execute(update(site_limits).where(site_limits.c.id == limit.id).values(values))


def since(connection: Connection, start: datetime | None, limit: int) -> list[SiteLimit]:
    """Return the newest first; without a start, those that were not released."""
    query = select(site_limits).order_by(site_limits.c.start.desc(), site_limits.c.id.desc())
    if start is None:
        query = query.where(site_limits.c.released_at.is_(None))
    else:
        query = query.where(site_limits.c.start >= start)
    return [SiteLimit(**row) for row in connection.execute(query.limit(limit)).mappings()]
