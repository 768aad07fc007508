"""What waits to be told, in order, and what goes first when it becomes too much."""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from itertools import count
from operator import attrgetter

MAX_MESSAGES = 1000
MAX_BYTES = 4 * 1024 * 1024


class Worth(IntEnum):
    """How much a message would be missed; the least goes first."""

    METER = 0
    NOTICE = 1
    TRANSACTION = 2


@dataclass(slots=True)
class Message:
    """A call as JSON, which is smaller than what it was made of, and cannot change.

    `transaction_id` is the one we gave, of a StartTransaction. `attempts` counts how often
    it was told in vain, `number` is its place in the order.
    """

    action: str
    content: bytes
    worth: Worth
    transaction_id: int | None = None
    attempts: int = 0
    number: int = 0


_number = attrgetter("number")


class Backlog:
    """A queue that never holds more than so many messages and bytes."""

    def __init__(self, max_messages: int = MAX_MESSAGES, max_bytes: int = MAX_BYTES) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._bytes = 0
        self._numbers = count()
        # One queue for each worth, so that finding the least is no search.
        self._lanes: tuple[deque[Message], ...] = tuple(deque() for _ in Worth)

    def __len__(self) -> int:
        return sum(map(len, self._lanes))

    def add(self, message: Message) -> list[Message]:
        """Put a message at the end; returns what had to go for it, maybe itself."""
        message.number = next(self._numbers)
        self._lanes[message.worth].append(message)
        return self._shrink(message)

    def take(self) -> Message | None:
        """Take the oldest message out, `None` if there is none."""
        fronts = [lane[0] for lane in self._lanes if lane]
        return self._pop(min(fronts, key=_number).worth) if fronts else None

    def put_back(self, message: Message) -> list[Message]:
        """Put back what was taken last; returns what had to go for it, maybe itself."""
        self._lanes[message.worth].appendleft(message)
        return self._shrink(message)

    def discard(self, *actions: str) -> None:
        """Take out what need not be told any more."""
        for lane in self._lanes:
            kept = [message for message in lane if message.action not in actions]
            self._bytes -= _size(lane) - _size(kept)
            lane.clear()
            lane.extend(kept)

    def _shrink(self, added: Message) -> list[Message]:
        self._bytes += len(added.content)
        gone = []
        while len(self) > self._max_messages or self._bytes > self._max_bytes:
            gone.append(self._pop(next(worth for worth in Worth if self._lanes[worth])))
        return gone

    def _pop(self, worth: Worth) -> Message:
        message = self._lanes[worth].popleft()
        self._bytes -= len(message.content)
        return message


def _size(messages: Iterable[Message]) -> int:
    return sum(len(message.content) for message in messages)
