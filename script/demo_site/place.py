"""Where a run lives: a folder of its own, which nobody else has while it runs."""

from contextlib import suppress
import fcntl
import json
from pathlib import Path
import shutil
from types import TracebackType
from typing import IO, Any, Self

from .process import ROOT

RUNS = ROOT / ".cache/demo"


class Place:
    """A folder below `.cache/demo`, claimed: `with Place.claim("demo") as place`."""

    def __init__(self, folder: Path, lock: IO[str]) -> None:
        """Use `claim`."""
        self.folder = folder
        self._lock = lock

    @classmethod
    def claim(cls, name: str, runs: Path = RUNS) -> Self:
        """Take the folder of this name, emptied; the next free one if somebody is in it."""
        runs.mkdir(parents=True, exist_ok=True)
        number = 1
        while True:
            folder = runs / (name if number == 1 else f"{name}-{number}")
            lock = folder.with_suffix(".lock").open("a", encoding="utf-8")
            if _try_lock(lock):
                break
            lock.close()
            number += 1
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir()
        return cls(folder, lock)

    def announce(self, **facts: Any) -> None:
        """Say how to reach what runs here."""
        new = self.folder / "running.new"
        new.write_text(json.dumps(facts), encoding="utf-8")
        new.rename(self.folder / "running.json")

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Let others have the folder; what is in it stays for whoever wants to look."""
        (self.folder / "running.json").unlink(missing_ok=True)
        self._lock.close()


def running(runs: Path = RUNS) -> dict[str, Any] | None:
    """Return how to reach what was started last and still runs; `None` if nothing does."""
    found: list[tuple[float, dict[str, Any]]] = []
    for file in runs.glob("*/running.json"):
        with (
            suppress(OSError),
            file.parent.with_suffix(".lock").open("a", encoding="utf-8") as lock,
        ):
            if not _try_lock(lock):
                facts = json.loads(file.read_text(encoding="utf-8"))
                found.append((file.stat().st_mtime, facts))
    return max(found, key=lambda item: item[0])[1] if found else None


def _try_lock(file: IO[str]) -> bool:
    """Lock the file until it is closed; say whether that was possible."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
