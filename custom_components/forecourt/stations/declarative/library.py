"""All profiles: those that come with Forecourt, and those of the user's own folder.

Everything here reads files, so Home Assistant calls it in the executor.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import RLock

from .load import load_profile
from .profile import Confidence, Profile
from .tree import LARGEST_BYTES, Problem, ProfileError

SHIPPED = Path(__file__).parents[1] / "profiles"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A profile as a list shows it; `own` is one of the user's."""

    id: str
    vendor: str
    models: tuple[str, ...]
    protocol: str
    confidence: Confidence
    own: bool


@dataclass(slots=True)
class _File:
    """One file, and what became of it when it was last asked for."""

    path: Path
    stamp: tuple[int, int]
    own: bool
    made: Profile | ProfileError | None = None


class Library:
    """Finds profiles by their id. A user's profile takes the place of a shipped one of its name.

    Files are looked for at the first use and by `reload`, and read when they are asked for. May
    be used by several threads.
    """

    def __init__(self, shipped: Path = SHIPPED, user: Path | None = None) -> None:
        """Remember the folders; that of the user need not exist."""
        self._shipped = shipped
        self._user = user
        self._files: dict[str, _File] | None = None
        self._lock = RLock()

    def reload(self) -> frozenset[str]:
        """Look for files that changed, and return the ids of profiles that may differ now."""
        with self._lock:
            before = self._files
            self._files = self._found()
            if before is None:
                return frozenset(self._files)
            changed = {
                name
                for name in before.keys() | self._files.keys()
                if _stamp(before.get(name)) != _stamp(self._files.get(name))
            }
            # A profile may extend one that changed.
            if any(not file.own for file in map(before.get, changed) if file is not None):
                changed |= self._files.keys()
            for name, file in self._files.items():
                if name not in changed:
                    file.made = before[name].made
            return frozenset(changed)

    def ids(self) -> tuple[str, ...]:
        """Return the ids of all files, whether what they hold is right or not."""
        with self._lock:
            return tuple(sorted(self._index()))

    def get(self, profile_id: str) -> Profile:
        """Return a profile. Raises `KeyError` without one, `ProfileError` where it is wrong."""
        with self._lock:
            made = self._made(self._index()[profile_id])
        if isinstance(made, ProfileError):
            raise made
        return made

    def all(self) -> dict[str, Profile]:
        """Return all profiles that are right, by their ids."""
        return {name: made for name, made, _ in self._each() if isinstance(made, Profile)}

    def problems(self, *, own_only: bool = False) -> dict[str, ProfileError]:
        """Return what is wrong with the others, by their ids; `own_only` reads no shipped ones."""
        return {
            name: made
            for name, made, _ in self._each(own_only=own_only)
            if isinstance(made, ProfileError)
        }

    def choices(self) -> list[Choice]:
        """Return all profiles that are right as a list shows them, by vendor."""
        choices = [
            Choice(
                id=name,
                vendor=made.vendor,
                models=made.models,
                protocol=made.protocol,
                confidence=made.confidence,
                own=own,
            )
            for name, made, own in self._each()
            if isinstance(made, Profile)
        ]
        return sorted(choices, key=lambda each: (each.vendor.casefold(), each.models, each.id))

    def by_vendor(self) -> Mapping[str, list[Choice]]:
        """Return the choices of each vendor."""
        vendors: dict[str, list[Choice]] = {}
        for choice in self.choices():
            vendors.setdefault(choice.vendor, []).append(choice)
        return vendors

    def _each(
        self, *, own_only: bool = False
    ) -> Iterator[tuple[str, Profile | ProfileError, bool]]:
        with self._lock:
            yield from [
                (name, self._made(file), file.own)
                for name, file in sorted(self._index().items())
                if file.own or not own_only
            ]

    def _index(self) -> dict[str, _File]:
        if self._files is None:
            self._files = self._found()
        return self._files

    def _found(self) -> dict[str, _File]:
        return {**_files(self._shipped, own=False), **_files(self._user, own=True)}

    def _made(self, file: _File) -> Profile | ProfileError:
        if file.made is None:
            try:
                file.made = load_profile(
                    _read(file.path), name=file.path.name, base=self._shipped_text
                )
            except ProfileError as error:
                file.made = error
        return file.made

    def _shipped_text(self, profile_id: str) -> str:
        """Return what a shipped profile says, also where a user's took its place."""
        path = self._shipped / f"{profile_id}.yaml"
        if path.parent != self._shipped or not path.is_file():
            raise KeyError(profile_id)
        return _read(path)


def _files(folder: Path | None, *, own: bool) -> dict[str, _File]:
    """Return the profiles' files of a folder; one that cannot be looked into has none."""
    found: dict[str, _File] = {}
    # `glob` finds nothing in a folder that is not there or closed to us.
    for path in sorted(folder.glob("*.yaml")) if folder is not None else ():
        try:
            state = path.stat()
        except OSError:  # it has just gone
            continue
        found[path.stem] = _File(path, (state.st_mtime_ns, state.st_size), own)
    return found


def _stamp(file: _File | None) -> tuple[object, ...] | None:
    return None if file is None else (file.path, file.stamp)


def _read(path: Path) -> str:
    """Return the text of a file. Raises `ProfileError` where it cannot be one of a profile."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise ProfileError(
            Problem(path.name, 1, "", f"It cannot be read: {error.strerror}.")
        ) from None
    if len(content) > LARGEST_BYTES:
        raise ProfileError(
            Problem(
                path.name, 1, "", f"It is larger than {LARGEST_BYTES // 1024} KiB; no profile is."
            )
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ProfileError(Problem(path.name, line, "", "It is not UTF-8; save it so.")) from None
