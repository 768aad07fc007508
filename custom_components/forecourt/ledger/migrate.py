"""Alembic without its command line and its ini file."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from .schema import metadata


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    folder = str(Path(__file__).with_name("migrations"))
    config.set_main_option("script_location", folder.replace("%", "%%"))
    config.attributes.update(connection=connection, metadata=metadata)
    return config


def is_known(revision: str) -> bool:
    """Whether one of our migrations leads to this revision."""
    scripts = ScriptDirectory.from_config(_config())
    return any(script.revision == revision for script in scripts.walk_revisions())


def migrate(connection: Connection, revision: str = "head") -> None:
    """Bring the file to the revision, inside the transaction of the connection."""
    command.upgrade(_config(connection), revision)
