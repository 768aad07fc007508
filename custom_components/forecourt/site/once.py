"""Lets an impatient finger send one command."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, NamedTuple

HOLD_S = 5.0


class Given(NamedTuple):
    """A command that was given: what, when on the loop's clock, and its result."""

    what: Hashable
    at: float
    result: asyncio.Task[None]


class Once:
    """Joins equal commands: one for all that come while it runs, or within `HOLD_S` if it worked.

    One that failed is given again: what it failed for may have been put right, as by plugging in.
    At one place another command ends the joining: who starts, stops and starts
    again within the time wants three commands.
    """

    def __init__(self) -> None:
        """Start with nothing under way."""
        self._last: dict[Hashable, Given] = {}
        self._running: set[asyncio.Task[None]] = set()

    async def run(
        self,
        place: Hashable,
        what: Hashable,
        command: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        """Run the command, or wait for the equal one that was given there a moment ago.

        A caller that goes away does not take the command with it.
        """
        loop = asyncio.get_running_loop()
        last = self._last.get(place)
        if (
            last is None
            or last.what != what
            or (last.result.done() and (_failed(last.result) or loop.time() - last.at >= HOLD_S))
        ):
            last = self._last[place] = Given(what, loop.time(), loop.create_task(command()))
            self._running.add(last.result)
            last.result.add_done_callback(self._ended)
        # Not `shield`: that logs a failure which comes after the caller went away.
        await asyncio.wait((last.result,))
        last.result.result()

    async def close(self) -> None:
        """Cancel what still runs."""
        running = tuple(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            # Somebody may have stopped waiting; the failure is then nobody's to raise.
            task.exception()


def _failed(task: asyncio.Task[None]) -> bool:
    return task.cancelled() or task.exception() is not None
