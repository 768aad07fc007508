"""What boxes have in common: a plant, a connection, and topics."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
import json
import socket
from typing import Any, Self

from aiomqtt import Client

SENTINEL = "sentinel"

type Messages = Iterator[tuple[str, str]]


class Box:
    """A box with odd values, so that none is taken for another. Units are those of the names."""

    retained = True
    online: tuple[str, str] | None = None
    offline: tuple[str, str] | None = None

    def __init__(self, port: int) -> None:
        self._port = port
        self._stack = AsyncExitStack()
        self.now = 1_800_000_000.0
        self.volts = [231.5, 229.25, 228.75]
        self.amps = [11.25, 10.5, 9.75]
        self.watts = [2604.0, 2407.0, 2230.0]
        self.total_w = 7241.0
        self.energy_wh = 1_234_567.0
        self.session_wh = 4_200.0
        self.plugged = True
        self.charging = True
        self.paused = False
        self.limit_a = 13.0
        self.max_a = 20.0
        self.phases = 3
        self.token = "04A1B2C3D4E5F6"
        self.unlocked = 0
        self.shown = 0
        self._beats = 0
        self._beaten = asyncio.Condition()

    def state(self) -> Messages:
        """Return all topics and what they tell now."""
        raise NotImplementedError

    def heed(self, topic: str, payload: str) -> Messages:
        """Act on a message and return the answers; ValueError, KeyError for what is wrong."""
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        at_once = ((socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),)
        client = Client("127.0.0.1", self._port, socket_options=at_once)
        self._client = await self._stack.enter_async_context(client)
        await self._client.subscribe("#")
        task = asyncio.create_task(self._listen())
        self._stack.callback(task.cancel)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def say(self, topic: str, payload: str, *, retain: bool = False) -> None:
        await self._client.publish(topic, payload, retain=retain)

    async def show(self) -> int:
        """Publish all, and at the end the number of the time, which it returns."""
        if self.online:
            await self.say(*self.online, retain=True)
        for topic, payload in self.state():
            await self.say(topic, payload, retain=self.retained)
        self.shown += 1
        await self.say(f"{SENTINEL}/out", str(self.shown))
        return self.shown

    async def caught_up(self) -> None:
        """Return when it has heeded all that was sent before a sentinel."""
        async with self._beaten:
            await self._beaten.wait_for(lambda: self._beats > 0)
            self._beats -= 1

    async def _listen(self) -> None:
        async for message in self._client.messages:
            topic = message.topic.value
            if topic == f"{SENTINEL}/in":
                async with self._beaten:
                    self._beats += 1
                    self._beaten.notify_all()
                continue
            payload = message.payload.decode() if isinstance(message.payload, bytes) else ""
            if message.retain:
                continue
            try:
                answers = list(self.heed(topic, payload))
            except ValueError, KeyError, TypeError:
                continue  # boxes ignore what they do not understand
            for answer in answers:
                await self.say(*answer)


def whole(payload: str, low: int, high: int) -> int:
    """Return a whole number within bounds; ValueError for anything else."""
    value = int(payload)
    if not low <= value <= high:
        raise ValueError(payload)
    return value


def strict(payload: str, *keys: str) -> dict[str, Any]:
    """Return a JSON object that has these keys at most; ValueError for anything else."""
    found = json.loads(payload)
    if not isinstance(found, dict) or not found or found.keys() - set(keys):
        raise ValueError(payload)
    return found
