"""Alembic runs this for each migration: it works on the connection that the ledger hands over.

It leaves logging alone; that is Home Assistant's.
"""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=context.config.attributes["metadata"],
    # SQLite changes a table by making a new one.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
