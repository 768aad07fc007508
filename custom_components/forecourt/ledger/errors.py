"""What can go wrong with the ledger."""

from pathlib import Path


class LedgerError(Exception):
    """The ledger could not do what it was asked; nothing of it was stored.

    The text never contains stored values, so it may go to the log.
    """


class LedgerClosedError(LedgerError):
    """The ledger was used after it was closed."""

    def __init__(self) -> None:
        super().__init__("the ledger is closed")


class LedgerTooNewError(LedgerError):
    """A newer version wrote the file; it is left as it is.

    `found` is the revision in the file, `known` the newest this version knows.
    """

    def __init__(self, found: str, known: str) -> None:
        super().__init__(f"the ledger has revision {found}, this version knows up to {known}")
        self.found = found
        self.known = known


class LedgerUnreadableError(LedgerError):
    """The file is not a sound ledger or cannot be used; it is left as it is."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        self.reason = reason
