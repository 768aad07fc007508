"""Charging sessions (what a user calls a charge) and transactions (what a station does)."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from .ids import EvseId


class SessionStatus(StrEnum):
    """Where a session stands."""

    OPEN = "open"
    CLOSED = "closed"


class SessionFlag(StrEnum):
    """What a reader of the books should know about a session."""

    CLOCK_ESTIMATED = "clock_estimated"
    OFFLINE = "offline"
    UNAUTHORIZED = "unauthorized"
    METER_MISMATCH = "meter_mismatch"
    METER_ROLLBACK = "meter_rollback"
    CLOSED_WITHOUT_STOP = "closed_without_stop"
    AMENDED = "amended"
    NO_CARD = "no_card"
    """Somebody said whose it is, here or in an automation; nobody showed a card."""
    PRICE_MISSING = "price_missing"
    ESTIMATED = "estimated"
    """There is no register: the energy was reckoned from power, and may not be billed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One transaction of a station, with the state of its meter.

    `id` is given by the ledger: positive, rising, never reused. `reference` is
    the station's own id, unique at the station; `None` where the station goes by
    ours (OCPP 1.6 does, OCPP 2.x names transactions itself). `last_wh` is
    the newest value of the register that `meter_start_wh` belongs to and
    `energy_wh` what was counted so far. Values that do not fit that register
    are counted beside it, from `suspect_wh` to `suspect_last_wh`, until it comes
    back. `last_at` is the time of the newest value of either. `token_key` is
    the ledger's keyed hash of the token, `None` where nobody identified;
    `token_last4` is for people.
    """

    id: int
    evse: EvseId
    session_id: str
    reference: str | None = None
    started_at: datetime
    meter_start_wh: int
    last_wh: int
    last_at: datetime
    energy_wh: int = 0
    suspect_wh: int | None = None
    suspect_last_wh: int | None = None
    token_key: str | None = None
    token_last4: str | None = None
    ended_at: datetime | None = None
    meter_stop_wh: int | None = None
    stop_reason: str | None = None

    @property
    def open(self) -> bool:
        """Whether the station has not ended it yet."""
        return self.ended_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Plug-in to plug-out, one user, one price record: the unit of accounting.

    `started_at` and `ended_at` bound the charging (first transaction's start,
    last one's end), `plugged_at` and `unplugged_at` the stay. `cost` is
    `None` while no watt-hour had a price; `unpriced_wh` counts those without.
    """

    id: str
    evse: EvseId
    user_id: str | None
    started_at: datetime
    currency: str
    plugged_at: datetime | None = None
    ended_at: datetime | None = None
    unplugged_at: datetime | None = None
    status: SessionStatus = SessionStatus.OPEN
    energy_wh: int = 0
    cost: Decimal | None = None
    unpriced_wh: int = 0
    token_last4: str | None = None
    transaction_id: int | None = None
    flags: frozenset[SessionFlag] = frozenset()

    @property
    def charging(self) -> bool:
        """Whether one of its transactions is running."""
        return self.transaction_id is not None
