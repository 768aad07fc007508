"""What is written and read about people: the tokens they showed, and their names.

Each function runs inside one database transaction, on the ledger's thread.
"""

from datetime import datetime

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects.sqlite import insert

from ..core.model.token import AuthorizationStatus
from .records import LedgerUser, SeenToken
from .rows import to_values
from .schema import taps, users


def add_tap(connection: Connection, seen: SeenToken) -> None:
    connection.execute(insert(taps), to_values(seen))


def refusals(connection: Connection, since: datetime | None, limit: int) -> list[SeenToken]:
    columns = [column for column in taps.c if column is not taps.c.id]
    query = select(*columns).where(taps.c.status != AuthorizationStatus.ACCEPTED)
    if since is not None:
        query = query.where(taps.c.at >= since)
    rows = connection.execute(query.order_by(taps.c.at.desc(), taps.c.id.desc()).limit(limit))
    return [SeenToken(**row) for row in rows.mappings()]


def remember_user(connection: Connection, user_id: str, name: str) -> None:
    new = insert(users).values(id=user_id, name=name)
    connection.execute(
        new.on_conflict_do_update(
            index_elements=[users.c.id],
            set_={"name": name, "deactivated_at": None},
            # The site repeats this at each start; the same again shall cost no write.
            where=(users.c.name != name) | users.c.deactivated_at.is_not(None),
        )
    )


def deactivate_user(connection: Connection, user_id: str, at: datetime) -> None:
    query = update(users).where(users.c.id == user_id, users.c.deactivated_at.is_(None))
    connection.execute(query.values(deactivated_at=at))


def list_users(connection: Connection) -> dict[str, LedgerUser]:
    return {
        row.id: LedgerUser(name=row.name, deactivated_at=row.deactivated_at)
        for row in connection.execute(select(users))
    }
