"""What happened: sessions, transactions, readings, tokens seen, prices; in SQLite.

The site opens one `Ledger` and asks nothing else of this package. What it
returns from is stored, so a station may be answered then; `Ledger` says what
is safe from a loss of power, too.
"""

from .errors import LedgerClosedError, LedgerError, LedgerTooNewError, LedgerUnreadableError
from .ledger import Ledger
from .records import LedgerUser, Orphan, SeenToken, UserTotals

__all__ = [
    "Ledger",
    "LedgerClosedError",
    "LedgerError",
    "LedgerTooNewError",
    "LedgerUnreadableError",
    "LedgerUser",
    "Orphan",
    "SeenToken",
    "UserTotals",
]
