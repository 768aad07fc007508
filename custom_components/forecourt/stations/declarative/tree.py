"""YAML as a tree that remembers its lines, and what is wrong with it.

Values are those of YAML 1.2, as editors check them: `on`, `off` and `yes` are texts. Anchors,
aliases, tags and merge keys are refused: a profile is read by people first, and a few bytes of
aliases can stand for gigabytes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
import re
from typing import Any

import yaml

from .profile import Scalar

LARGEST_BYTES = 256 * 1024
_DEEPEST = 12
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_WHOLE = re.compile(r"[-+]?\d{1,20}")
_HEX = re.compile(r"0x[0-9a-fA-F]{1,16}")
_FLOAT = re.compile(r"[-+]?(\.\d{1,20}|\d{1,20}(\.\d{0,20})?)([eE][-+]?\d{1,3})?")
_WORDS: Mapping[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}

type Path = tuple[Scalar, ...]
"""The keys and indexes that lead to a value."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and what to do; `path` is empty where it is the file as a whole."""

    file: str
    line: int
    path: str
    text: str

    def __str__(self) -> str:
        """Return it for people."""
        return f"{self.file}, line {self.line}: {f'{self.path}: ' if self.path else ''}{self.text}"


class ProfileError(ValueError):
    """A profile that cannot be used; `problems` are all that were found, by line."""

    def __init__(self, *problems: Problem) -> None:
        """Remember them."""
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))


@dataclass(frozen=True, slots=True)
class Node:
    """A value of YAML. `line` is where its key stands, or it itself in a list."""

    value: dict[Scalar, Node] | list[Node] | Scalar | None
    file: str
    line: int

    def show(self) -> str:
        """Return the value as a message names it."""
        if isinstance(self.value, dict):
            return "a mapping"
        if isinstance(self.value, list):
            return "a list"
        if isinstance(self.value, bool):
            return str(self.value).lower()
        return "nothing" if self.value is None else repr(self.value)[:60]


class Report:
    """Collects what is wrong below one root."""

    def __init__(self, root: Node) -> None:
        """Start with nothing wrong."""
        self.root = root
        self._problems: list[Problem] = []

    def wrong(self, path: Path, text: str) -> None:
        """Remember a problem, with the line of the nearest value that exists."""
        node, shown = self.root, ""
        for step in path:
            inside = node.value
            if isinstance(inside, list) and isinstance(step, int):
                shown += f"[{step}]"
                node = inside[step]
                continue
            shown += f".{step}" if shown else str(step)
            if isinstance(inside, dict):
                node = inside.get(step, node)
        self._problems.append(Problem(node.file, node.line, shown, text))

    def check(self) -> None:
        """Raise `ProfileError` if anything was wrong."""
        if self._problems:
            raise ProfileError(*sorted(self._problems, key=lambda each: (each.file, each.line)))


def parse(text: str, file: str) -> Node:
    """Return the tree of a YAML text. Raises `ProfileError` where it is none that can be used."""
    if len(text) > LARGEST_BYTES:
        raise ProfileError(
            Problem(file, 1, "", f"It is larger than {LARGEST_BYTES // 1024} KiB; no profile is.")
        )
    try:
        return _Parser(text, file).root()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise ProfileError(
            Problem(file, line, "", f"This is not YAML: {error.problem or error.context}.")
        ) from None
    except yaml.YAMLError, UnicodeError:
        raise ProfileError(
            Problem(file, 1, "", "It has characters that YAML does not allow; save it as UTF-8.")
        ) from None


def merge(base: Node, over: Node) -> Node:
    """Return `base` with `over` laid over it.

    Mappings are merged key by key, a key set to null goes, everything else is replaced.
    """
    if not isinstance(base.value, dict) or not isinstance(over.value, dict):
        return over
    merged = dict(base.value)
    for key, node in over.value.items():
        if node.value is None:
            merged.pop(key, None)
        elif key in merged:
            merged[key] = merge(merged[key], node)
        else:
            merged[key] = node
    return Node(merged, over.file, over.line)


class _Parser:
    """Builds the tree from YAML's events, in one pass and never deeper than `_DEEPEST`."""

    def __init__(self, text: str, file: str) -> None:
        self._file = file
        self._events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
        self._twice: list[Problem] = []

    def root(self) -> Node:
        next(self._events)  # the start of the stream
        if isinstance(next(self._events), yaml.StreamEndEvent):
            raise self._no(1, "It is empty.")
        node = self._node(next(self._events), 1, 0)
        next(self._events)  # the end of the document
        event = next(self._events)
        if not isinstance(event, yaml.StreamEndEvent):
            raise self._no(event.start_mark.line + 1, "One file holds one profile; remove '---'.")
        if self._twice:
            raise ProfileError(*self._twice)
        return node

    def _no(self, line: int, text: str) -> ProfileError:
        return ProfileError(*self._twice, Problem(self._file, line, "", text))

    def _node(self, event: Any, line: int, depth: int) -> Node:
        if isinstance(event, yaml.AliasEvent) or event.anchor:
            raise self._no(
                event.start_mark.line + 1, "Anchors (&) and aliases (*) are refused; write it out."
            )
        if event.tag:
            raise self._no(
                event.start_mark.line + 1, f"The tag {event.tag} is refused; quote a text instead."
            )
        if depth > _DEEPEST:
            raise self._no(event.start_mark.line + 1, "It is nested deeper than any profile is.")
        if isinstance(event, yaml.ScalarEvent):
            return Node(_scalar(event), self._file, line)
        if isinstance(event, yaml.SequenceStartEvent):
            items = []
            while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
                items.append(self._node(event, event.start_mark.line + 1, depth + 1))
            return Node(items, self._file, line)
        return Node(self._members(depth), self._file, line)

    def _members(self, depth: int) -> dict[Scalar, Node]:
        members: dict[Scalar, Node] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            line = event.start_mark.line + 1
            key = self._node(event, line, depth + 1).value
            if key is None or isinstance(key, dict | list):
                raise self._no(line, "A key is a name or a number.")
            member = self._node(next(self._events), line, depth + 1)
            if any(each == key for each in members):
                text = f"{key} is there twice; keep one of them."
                self._twice.append(Problem(self._file, line, "", text))
            members[key] = member
        return members


def _scalar(event: Any) -> Scalar | None:
    """Return what a scalar means in the core schema of YAML 1.2; quoted ones are texts."""
    text: str = event.value
    if not event.implicit[0]:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _WHOLE.fullmatch(text):
        return int(text)
    if _HEX.fullmatch(text):
        return int(text, 16)
    return float(text) if _FLOAT.fullmatch(text) else text
