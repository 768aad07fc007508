"""The queue of transaction-related messages (OCPP 1.6 §3.7, §9.1).

StartTransaction, MeterValues and StopTransaction reach the server in the order in which they came
about, however long the station is offline. A message that the server fails to process is tried
again, TransactionMessageAttempts times in all; the wait is TransactionMessageRetryInterval times
the number of failures so far. A message whose answer got lost with the connection is sent again,
with a new message id and the same payload; that costs no attempt.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ..books import Books, Reading
from ..clock import Clock
from ..frames import NoAnswerError, Payload, RpcError
from ..rpc import Link


@dataclass(slots=True)
class Message:
    """A message that waits; `fill` adds to the payload what is known only at its turn."""

    action: str
    payload: Payload
    fill: Callable[[Payload], None] | None = None
    answered: Callable[[Payload], None] | None = None
    readings: list[Reading] = field(default_factory=list)
    failures: int = 0


class Outbox:
    """The messages of one station, in order. They survive a reboot."""

    def __init__(self, clock: Clock, books: Books) -> None:
        """Start empty."""
        self._clock = clock
        self._books = books
        self._messages: deque[Message] = deque()
        self._filled = asyncio.Event()

    def __len__(self) -> int:
        """Return how many messages the server does not have for certain."""
        return len(self._messages)

    @property
    def failures(self) -> int:
        """How often the server has failed on the first message."""
        return self._messages[0].failures if self._messages else 0

    def put(self, message: Message) -> None:
        """Add a message at the end."""
        self._messages.append(message)
        self._filled.set()

    async def deliver(
        self, link: Link, attempts: Callable[[], int], retry_interval_s: Callable[[], float]
    ) -> None:
        """Send what there is and what comes, for ever. LinkDownError ends it."""
        while True:
            while not self._messages:
                self._filled.clear()
                await self._filled.wait()
            message = self._messages[0]
            try:
                answer = await self.send_now(link, message)
            except (RpcError, NoAnswerError) as err:
                message.failures += 1
                if message.failures >= attempts():
                    self._give_up(message, str(err))
                else:
                    await self._clock.sleep(retry_interval_s() * message.failures)
                continue
            self._messages.popleft()
            if message.answered is not None:
                message.answered(answer)

    async def send_now(self, link: Link, message: Message) -> Payload:
        """Send a message past the queue and return the answer; errors as `Link.call`."""
        if message.fill is not None:
            message.fill(message.payload)
            message.fill = None
        for reading in message.readings:
            if reading.state == "queued":
                self._books.mark(reading, "sent")
        answer = await link.call(message.action, message.payload)
        for reading in message.readings:
            self._books.mark(reading, "confirmed")
        return answer

    def _give_up(self, message: Message, why: str) -> None:
        self._messages.popleft()
        self._books.note("gave_up", action=message.action, payload=message.payload, why=why)
        for reading in message.readings:
            self._books.mark(reading, "lost")
