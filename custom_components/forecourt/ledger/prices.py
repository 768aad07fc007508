"""What energy cost, and since when.

Each function runs inside one database transaction, on the ledger's thread.
"""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert

from .schema import prices


def price_at(connection: Connection, at: datetime) -> Decimal | None:
    query = select(prices.c.price_per_kwh).where(prices.c.at <= at)
    price: Decimal | None = connection.scalar(query.order_by(prices.c.at.desc()).limit(1))
    return price


def price_changed(connection: Connection, at: datetime, price_per_kwh: Decimal | None) -> None:
    """Append the price, unless it was in force already."""
    if price_at(connection, at) == price_per_kwh:
        return
    new = insert(prices).values(at=at, price_per_kwh=price_per_kwh)
    connection.execute(
        new.on_conflict_do_update(
            index_elements=[prices.c.at], set_={"price_per_kwh": new.excluded.price_per_kwh}
        )
    )
