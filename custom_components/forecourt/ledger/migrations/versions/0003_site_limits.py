"""Limits that somebody outside asked for, and whether they were kept."""

from alembic import op
import sqlalchemy as sa

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "site_limits",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("limit_w", sa.Integer(), nullable=False),
        sa.Column("received_at", sa.BigInteger(), nullable=False),
        sa.Column("start", sa.BigInteger(), nullable=False),
        sa.Column("end", sa.BigInteger()),
        sa.Column("applied_at", sa.BigInteger()),
        sa.Column("released_at", sa.BigInteger()),
        sa.Column("most_w", sa.Integer()),
    )
    op.create_index("ix_site_limits_start", "site_limits", ["start"])
