"""Stations that name their transactions themselves, and charges that nobody identified for."""

from alembic import op
import sqlalchemy as sa

revision = "0002"
down_revision = "0001"

_SEQUENCE = "SELECT seq FROM sqlite_sequence WHERE name = 'transactions'"


def upgrade() -> None:
    connection = op.get_bind()
    # The new table would count on from its highest id, and give those again that were skipped
    # after a backup was restored.
    seq = connection.scalar(sa.text(_SEQUENCE))
    with op.batch_alter_table(
        "transactions", table_kwargs={"sqlite_autoincrement": True}
    ) as transactions:
        transactions.drop_constraint("uq_transactions_station_id", type_="unique")
        transactions.alter_column("token_key", nullable=True)
        transactions.add_column(sa.Column("reference", sa.Text()))
    if seq is not None:
        restore = "DELETE FROM sqlite_sequence WHERE name = 'transactions'"
        connection.execute(sa.text(restore))
        restore = "INSERT INTO sqlite_sequence VALUES ('transactions', :seq)"
        connection.execute(sa.text(restore), {"seq": seq})
    op.create_index(
        "uq_transactions_station_id",
        "transactions",
        ["station_id", "evse", "token_key", "started_at", "meter_start_wh"],
        unique=True,
        sqlite_where=sa.text("reference IS NULL"),
    )
    op.create_index(
        "uq_transactions_reference",
        "transactions",
        ["station_id", "reference"],
        unique=True,
        sqlite_where=sa.text("reference IS NOT NULL"),
    )
    with op.batch_alter_table("orphans") as orphans:
        orphans.drop_constraint("uq_orphans_station_id", type_="unique")
        orphans.alter_column("transaction_id", nullable=True)
        orphans.alter_column("meter_stop_wh", nullable=True)
        orphans.add_column(sa.Column("reference", sa.Text()))
    op.create_index("ix_orphans_station_id", "orphans", ["station_id", "at"])
