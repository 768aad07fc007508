"""The first tables."""

from alembic import op
import sqlalchemy as sa

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("evse", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Text()),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("plugged_at", sa.BigInteger()),
        sa.Column("ended_at", sa.BigInteger()),
        sa.Column("unplugged_at", sa.BigInteger()),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("energy_wh", sa.Integer(), nullable=False),
        sa.Column("cost", sa.Text()),
        sa.Column("unpriced_wh", sa.Integer(), nullable=False),
        sa.Column("token_last4", sa.Text()),
        sa.Column("transaction_id", sa.Integer()),
        sa.Column("flags", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
    )
    op.create_index("ix_sessions_started_at", "sessions", ["started_at"])
    op.create_index("ix_sessions_user_id", "sessions", ["user_id", "started_at"])
    op.create_index("ix_sessions_station_id", "sessions", ["station_id", "started_at"])
    op.create_index(
        "ix_sessions_open", "sessions", ["status"], sqlite_where=sa.text("status = 'open'")
    )
    op.create_table(
        "transactions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("evse", sa.Integer(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("meter_start_wh", sa.Integer(), nullable=False),
        sa.Column("last_wh", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.BigInteger(), nullable=False),
        sa.Column("energy_wh", sa.Integer(), nullable=False),
        sa.Column("suspect_wh", sa.Integer()),
        sa.Column("suspect_last_wh", sa.Integer()),
        sa.Column("token_key", sa.Text(), nullable=False),
        sa.Column("token_last4", sa.Text()),
        sa.Column("ended_at", sa.BigInteger()),
        sa.Column("meter_stop_wh", sa.Integer()),
        sa.Column("stop_reason", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_transactions"),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name="fk_transactions_session_id"),
        sa.UniqueConstraint(
            "station_id",
            "evse",
            "token_key",
            "started_at",
            "meter_start_wh",
            name="uq_transactions_station_id",
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_transactions_session_id", "transactions", ["session_id"])
    op.create_table(
        "readings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("evse", sa.Integer(), nullable=False),
        sa.Column("transaction_id", sa.Integer()),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("context", sa.Text(), nullable=False),
        sa.Column("register_wh", sa.Integer()),
        sa.Column("power_w", sa.Float()),
        sa.Column("current_l1_a", sa.Float()),
        sa.Column("current_l2_a", sa.Float()),
        sa.Column("current_l3_a", sa.Float()),
        sa.Column("voltage_v", sa.Float()),
        sa.Column("soc_percent", sa.Float()),
        sa.Column("clock_estimated", sa.Boolean(), nullable=False),
        sa.Column("price_per_kwh", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_readings"),
        sa.ForeignKeyConstraint(
            ["transaction_id"], ["transactions.id"], name="fk_readings_transaction_id"
        ),
    )
    op.create_index(
        "uq_readings_transaction_id",
        "readings",
        ["transaction_id", "at", "context"],
        unique=True,
        sqlite_where=sa.text("transaction_id IS NOT NULL"),
    )
    op.create_index(
        "uq_readings_evse",
        "readings",
        ["station_id", "evse", "at", "context"],
        unique=True,
        sqlite_where=sa.text("transaction_id IS NULL"),
    )
    op.create_table(
        "orphans",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("transaction_id", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("meter_stop_wh", sa.Integer(), nullable=False),
        sa.Column("token_key", sa.Text()),
        sa.Column("token_last4", sa.Text()),
        sa.Column("reason", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_orphans"),
        sa.UniqueConstraint(
            "station_id", "transaction_id", "at", "meter_stop_wh", name="uq_orphans_station_id"
        ),
    )
    op.create_table(
        "taps",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("station_id", sa.Text(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("token_key", sa.Text(), nullable=False),
        sa.Column("token_last4", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("user_id", sa.Text()),
        sa.PrimaryKeyConstraint("id", name="pk_taps"),
    )
    op.create_index("ix_taps_refused", "taps", ["at"], sqlite_where=sa.text("status != 'accepted'"))
    op.create_table(
        "users",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("deactivated_at", sa.BigInteger()),
        sa.PrimaryKeyConstraint("id", name="pk_users"),
    )
    op.create_table(
        "prices",
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("price_per_kwh", sa.Text()),
        sa.PrimaryKeyConstraint("at", name="pk_prices"),
    )
