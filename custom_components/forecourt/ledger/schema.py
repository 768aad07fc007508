"""The tables of the ledger, and how values are stored in them.

Columns bear the names of the fields they hold. Time is an integer, microseconds
since 1970 in UTC: exact, sortable and a third of the size of text. Money is
text, as SQLite has no decimal numbers.

A change here needs a migration; so does a new member of an enum that is stored,
an empty one, or an older version would open the file and stumble over the word.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
)

from ..core.model.reading import ReadingContext
from ..core.model.session import SessionFlag, SessionStatus
from ..core.model.token import AuthorizationReason, AuthorizationStatus

REVISION = "0003"
"""The newest migration. A file that has it needs no migration tool to be loaded."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class Time(TypeDecorator[datetime]):
    """An aware `datetime`, restored in UTC."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        if value.utcoffset() is None:
            raise ValueError("a time in the ledger needs a time zone")
        return (value - EPOCH) // MICROSECOND

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else EPOCH + timedelta(microseconds=value)


class Money(TypeDecorator[Decimal]):
    """A `Decimal`, digit by digit."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        if not isinstance(value, Decimal) or not value.is_finite():
            raise ValueError("money in the ledger is a finite Decimal")
        return str(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)


class Word[E: StrEnum](TypeDecorator[E]):
    """A member of an enum, as its value."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: type[E]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: E | None, dialect: Dialect) -> str | None:
        return None if value is None else self.kind(value).value

    def process_result_value(self, value: Any, dialect: Dialect) -> E | None:
        return None if value is None else self.kind(value)


class Flags(TypeDecorator[frozenset[SessionFlag]]):
    """The flags of a session, sorted, with spaces between them."""

    impl = Text
    cache_ok = True

    def process_bind_param(
        self, value: frozenset[SessionFlag] | None, dialect: Dialect
    ) -> str | None:
        return None if value is None else " ".join(sorted(value))

    def process_result_value(self, value: Any, dialect: Dialect) -> frozenset[SessionFlag]:
        return frozenset(SessionFlag(word) for word in (value or "").split())


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)

sessions = Table(
    "sessions",
    metadata,
    Column("id", Text, primary_key=True),
    Column("station_id", Text, nullable=False),
    Column("evse", Integer, nullable=False),
    # No foreign key: a charge by a user without a name is better than a charge that is not booked.
    Column("user_id", Text),
    Column("started_at", Time, nullable=False),
    Column("currency", Text, nullable=False),
    Column("plugged_at", Time),
    Column("ended_at", Time),
    Column("unplugged_at", Time),
    Column("status", Word(SessionStatus), nullable=False),
    Column("energy_wh", Integer, nullable=False),
    Column("cost", Money),
    Column("unpriced_wh", Integer, nullable=False),
    Column("token_last4", Text),
    # No foreign key: the transaction has one to its session, and a circle helps nobody.
    Column("transaction_id", Integer),
    Column("flags", Flags, nullable=False),
)
Index("ix_sessions_started_at", sessions.c.started_at)
Index("ix_sessions_user_id", sessions.c.user_id, sessions.c.started_at)
Index("ix_sessions_station_id", sessions.c.station_id, sessions.c.started_at)
Index("ix_sessions_open", sessions.c.status, sqlite_where=sessions.c.status == SessionStatus.OPEN)

transactions = Table(
    "transactions",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("station_id", Text, nullable=False),
    Column("evse", Integer, nullable=False),
    Column("session_id", Text, ForeignKey("sessions.id"), nullable=False, index=True),
    Column("started_at", Time, nullable=False),
    Column("meter_start_wh", Integer, nullable=False),
    Column("last_wh", Integer, nullable=False),
    Column("last_at", Time, nullable=False),
    Column("energy_wh", Integer, nullable=False),
    Column("suspect_wh", Integer),
    Column("suspect_last_wh", Integer),
    Column("token_key", Text),
    Column("token_last4", Text),
    Column("ended_at", Time),
    Column("meter_stop_wh", Integer),
    Column("stop_reason", Text),
    Column("reference", Text),
    # Ids are not reused, not even after a delete: stations keep them for weeks.
    sqlite_autoincrement=True,
)
# A station repeats a start until it is answered: the same start is the same transaction. (To
# SQLite, rows without a token are all different; `find_transaction` knows better.)
Index(
    "uq_transactions_station_id",
    transactions.c.station_id,
    transactions.c.evse,
    transactions.c.token_key,
    transactions.c.started_at,
    transactions.c.meter_start_wh,
    unique=True,
    sqlite_where=transactions.c.reference.is_(None),
)
Index(
    "uq_transactions_reference",
    transactions.c.station_id,
    transactions.c.reference,
    unique=True,
    sqlite_where=transactions.c.reference.is_not(None),
)

readings = Table(
    "readings",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("station_id", Text, nullable=False),
    Column("evse", Integer, nullable=False),
    Column("transaction_id", Integer, ForeignKey("transactions.id")),
    Column("at", Time, nullable=False),
    Column("context", Word(ReadingContext), nullable=False),
    Column("register_wh", Integer),
    Column("power_w", Float),
    Column("current_l1_a", Float),
    Column("current_l2_a", Float),
    Column("current_l3_a", Float),
    Column("voltage_v", Float),
    Column("soc_percent", Float),
    Column("clock_estimated", Boolean, nullable=False),
    Column("price_per_kwh", Money),
)
Index(
    "uq_readings_transaction_id",
    readings.c.transaction_id,
    readings.c.at,
    readings.c.context,
    unique=True,
    sqlite_where=readings.c.transaction_id.is_not(None),
)
Index(
    "uq_readings_evse",
    readings.c.station_id,
    readings.c.evse,
    readings.c.at,
    readings.c.context,
    unique=True,
    sqlite_where=readings.c.transaction_id.is_(None),
)

orphans = Table(
    "orphans",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("station_id", Text, nullable=False),
    # As the station told it, so it is no foreign key.
    Column("transaction_id", Integer),
    Column("at", Time, nullable=False),
    Column("meter_stop_wh", Integer),
    Column("token_key", Text),
    Column("token_last4", Text),
    Column("reason", Text),
    Column("reference", Text),
)
Index("ix_orphans_station_id", orphans.c.station_id, orphans.c.at)

taps = Table(
    "taps",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("station_id", Text, nullable=False),
    Column("at", Time, nullable=False),
    Column("token_key", Text, nullable=False),
    Column("token_last4", Text, nullable=False),
    Column("status", Word(AuthorizationStatus), nullable=False),
    Column("reason", Word(AuthorizationReason), nullable=False),
    Column("user_id", Text),
)
Index(
    "ix_taps_refused",
    taps.c.at,
    sqlite_where=taps.c.status != AuthorizationStatus.ACCEPTED,
)

users = Table(
    "users",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("deactivated_at", Time),
)

prices = Table(
    "prices",
    metadata,
    Column("at", Time, primary_key=True),
    Column("price_per_kwh", Money),
)

site_limits = Table(
    "site_limits",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("source", Text, nullable=False),
    Column("limit_w", Integer, nullable=False),
    Column("received_at", Time, nullable=False),
    Column("start", Time, nullable=False),
    Column("end", Time),
    Column("applied_at", Time),
    Column("released_at", Time),
    Column("most_w", Integer),
)
Index("ix_site_limits_start", site_limits.c.start)
