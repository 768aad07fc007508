"""Things to put into a ledger."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.reading import Reading
from custom_components.forecourt.core.model.session import Session, Transaction
from custom_components.forecourt.core.model.token import (
    Authorization,
    AuthorizationReason,
    AuthorizationStatus,
    Token,
)
from custom_components.forecourt.ledger import Ledger

KEY = b"a secret of this installation"
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
EVSE = EvseId("garage", 1)
CARD = Token("04A1B2C3D4E5F6")
ACCEPTED = Authorization(
    status=AuthorizationStatus.ACCEPTED, reason=AuthorizationReason.KNOWN_USER, user_id="anna"
)
REFUSED = Authorization(
    status=AuthorizationStatus.INVALID, reason=AuthorizationReason.UNKNOWN_TOKEN
)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def session(**fields: Any) -> Session:
    given: dict[str, Any] = {
        "id": str(uuid4()),
        "evse": EVSE,
        "user_id": "anna",
        "started_at": NOON,
        "currency": "EUR",
    }
    return Session(**given | fields)


def reading(minute: float, **fields: Any) -> Reading:
    return Reading(
        **{"at": NOON + minutes(minute), "register_wh": 1000 + int(minute * 100)} | fields
    )


async def started(ledger: Ledger, **fields: Any) -> tuple[Session, Transaction]:
    """Start a transaction in a new session."""
    new = session(**fields)
    transaction = await ledger.start_transaction(new, CARD, new.started_at, 1000)
    return replace(new, transaction_id=transaction.id), transaction


def open_files(folder: Path) -> set[str]:
    """Return the names of the files in the folder that this process has open."""
    links = (link.readlink() for link in Path("/proc/self/fd").iterdir() if link.is_symlink())
    return {link.name for link in links if link.is_relative_to(folder)}
