"""What the ledger tells that is not a session, a transaction or a reading."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from ..core.model.token import AuthorizationReason, AuthorizationStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenToken:
    """A token that was shown at a station, and what the site answered."""

    station_id: str
    at: datetime
    token_key: str
    token_last4: str
    status: AuthorizationStatus
    reason: AuthorizationReason
    user_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """The end of a transaction that the ledger does not know, as the station told it.

    It names the transaction by our id or, as `reference`, by its own;
    `meter_stop_wh` is `None` where it did not tell its register.
    """

    station_id: str
    transaction_id: int | None = None
    reference: str | None = None
    at: datetime
    meter_stop_wh: int | None
    token_key: str | None = None
    token_last4: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerUser:
    """A user as history knows them; `deactivated_at` is `None` while they may charge."""

    name: str
    deactivated_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UserTotals:
    """What a user charged; `cost` is `None` while no watt-hour had a price."""

    energy_wh: int
    cost: Decimal | None
