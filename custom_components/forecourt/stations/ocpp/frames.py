"""What went over the wire to and from a station: the latest frames, and counts of all.

Both live as long as the station, through all its connections. The frames are kept as they
came, and are looked at and masked only when somebody asks for them.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
import math
import re
import time
from typing import Any

import orjson

from .codec import parse
from .door import printable
from .masking import MASK, length_of, masked
from .schema import CALL, CALL_RESULT, SEND, known_code

FRAMES_KEPT = 200
# Of a longer frame only the head is kept, to tell what it was.
LONG_FRAME = 8 * 1024
HEAD = 256
LONGEST_SHOWN = 4000
LATENCIES_KEPT = 512

_HEAD = re.compile(r'\s*\[\s*(\d)\s*,\s*"([^"\\]*)"\s*,\s*(?:"([^"\\]*)")?')


class FrameLog:
    """The latest frames in both directions. `now` is seconds since 1970."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._frames: deque[tuple[float, bool, int, str]] = deque(maxlen=FRAMES_KEPT)

    def add_in(self, text: str) -> None:
        """Remember a frame of the station."""
        self._add(True, text)

    def add_out(self, text: str) -> None:
        """Remember a frame of ours."""
        self._add(False, text)

    def _add(self, incoming: bool, text: str) -> None:
        size = len(text)
        self._frames.append(
            (self._now(), incoming, size, text if size <= LONG_FRAME else text[:HEAD])
        )

    def entries(self) -> list[dict[str, Any]]:
        """Return the frames, oldest first, without secrets.

        `at` is ISO 8601 in UTC, `direction` "in" (from the station) or "out", `action` the
        action of a call or "answer to …", `message_id` a text, `payload` compact JSON, or
        how long it is, `size` in characters. What cannot be told is `None`.
        """
        called: dict[tuple[bool, str], str] = {}
        return [
            {
                "at": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"),
                "direction": "in" if incoming else "out",
                "size": size,
                **_entry(incoming, size, text, called),
            }
            for at, incoming, size, text in self._frames
        ]


def _entry(
    incoming: bool, size: int, text: str, called: dict[tuple[bool, str], str]
) -> dict[str, Any]:
    """Tell what a frame is; `called` has the actions of the calls before it, and gets its own."""
    if size > len(text):
        kind, message_id, action, payload = _head_of(text)
        shown = f"{MASK} ({size} characters)"
    else:
        kind, message_id, action, payload = _parts_of(parse(text), incoming=incoming)
        shown = length_of(text) if payload is None else _shown(payload)
    if message_id is not None and kind in (CALL, SEND):
        called[incoming, message_id] = action
    elif message_id is not None:
        action = called.get((not incoming, message_id), "")
        action = f"answer to {action}" if action else "answer"
    return {"action": action or None, "message_id": message_id, "payload": shown}


def _parts_of(message: Any, *, incoming: bool) -> tuple[int, str | None, str, Any]:
    """Return kind, message id, action and payload, which is `None` where it cannot be shown."""
    match message:
        case [2 | 6 as kind, str() | int() as message_id, str() as action, dict() as payload, *_]:
            return kind, printable(str(message_id)), printable(action), masked(payload)
        case [3, str() | int() as message_id, dict() as payload, *_]:
            return CALL_RESULT, printable(str(message_id)), "", masked(payload)
        case [4 | 5 as kind, str() | int() as message_id, *rest]:
            return kind, printable(str(message_id)), "", _error_of(rest, incoming=incoming)
    return 0, None, "", None


def _error_of(rest: list[Any], *, incoming: bool) -> list[Any]:
    """Return what may be shown of an error: some stations echo the whole call in theirs."""
    code, *said = rest or [None]
    if incoming:
        return [known_code(code), *(MASK for _ in said)]
    return [code, *masked(said)]


def _head_of(text: str) -> tuple[int, str | None, str, None]:
    match = _HEAD.match(text)
    if match is None:
        return 0, None, "", None
    kind, message_id, action = match.groups(default="")
    return int(kind), printable(message_id), printable(action), None


def _shown(payload: Any) -> str:
    text = orjson.dumps(payload).decode()
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}{MASK}"


class Counters:
    """How many messages went in both directions, and what became of them.

    `dropped` had no effect and no answer, `repeated` were answered from memory, `timeouts`
    are calls of ours that were not answered in time. Errors are counted by their codes.
    """

    __slots__ = (
        "_answer_s",
        "dropped",
        "errors_in",
        "errors_out",
        "messages_in",
        "messages_out",
        "repeated",
        "timeouts",
    )

    def __init__(self) -> None:
        self.messages_in = 0
        self.messages_out = 0
        self.errors_in: Counter[str] = Counter()
        self.errors_out: Counter[str] = Counter()
        self.dropped = 0
        self.repeated = 0
        self.timeouts = 0
        self._answer_s: deque[float] = deque(maxlen=LATENCIES_KEPT)

    def answered(self, after_s: float) -> None:
        """Take note of how long the station waited for an answer."""
        self._answer_s.append(after_s)

    @property
    def answer_s(self) -> tuple[float, ...]:
        """How long the latest answers took, in seconds."""
        return tuple(self._answer_s)

    def as_dict(self) -> dict[str, Any]:
        """Return all counts, and how long the latest answers took in milliseconds."""
        return {
            "messages_in": self.messages_in,
            "messages_out": self.messages_out,
            "errors_in": dict(self.errors_in),
            "errors_out": dict(self.errors_out),
            "dropped": self.dropped,
            "repeated": self.repeated,
            "timeouts": self.timeouts,
            "answer_ms": spread_ms(self._answer_s),
        }


def spread_ms(seconds: Iterable[float]) -> dict[str, float | None]:
    """Return the median, the 99th percentile and the longest of times, in milliseconds."""
    ordered = sorted(seconds)

    def at(part: float) -> float | None:
        # The nearest rank: at least this part of the answers were as fast.
        return round(ordered[math.ceil(part * len(ordered)) - 1] * 1000, 3) if ordered else None

    return {"p50": at(0.5), "p99": at(0.99), "max": at(1)}
