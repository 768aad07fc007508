"""Lets an impatient finger send one command."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any

HOLD_S = 5.0


class Once:
    """Joins equal commands: one result for all that come within `HOLD_S` or while it runs."""

    def __init__(self) -> None:
        """Start with nothing under way."""
        self._tasks: dict[Hashable, asyncio.Task[None]] = {}
        self._timers: dict[Hashable, asyncio.TimerHandle] = {}

    async def run(self, key: Hashable, command: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run the command, or wait for the equal one that was given a moment ago.

        A caller that goes away does not take the command with it.
        """
        task = self._tasks.get(key)
        if task is None:
            loop = asyncio.get_running_loop()
            task = self._tasks[key] = loop.create_task(command())
            # Somebody may have stopped waiting; the failure is then nobody's to raise.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._timers[key] = loop.call_later(HOLD_S, self._release, key, task)
        await asyncio.shield(task)

    def close(self) -> None:
        """Forget everything and cancel what still runs."""
        for timer in self._timers.values():
            timer.cancel()
        for task in self._tasks.values():
            task.cancel()
        self._timers.clear()
        self._tasks.clear()

    def _release(self, key: Hashable, task: asyncio.Task[None]) -> None:
        if not task.done():
            self._timers[key] = asyncio.get_running_loop().call_later(
                HOLD_S, self._release, key, task
            )
            return
        del self._tasks[key], self._timers[key]
