"""The ledger's own thread.

A commit costs the same for one job as for fifty, so those that wait together
share one, and one wake-up of the event loop. While the disk is busy, the next
ones gather.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
import logging
from queue import SimpleQueue
from threading import Thread
from typing import Any

from sqlalchemy import Connection

from .database import Database, Job
from .errors import LedgerError

_LOGGER = logging.getLogger(__name__)

# So that the first of a flood is not kept waiting for the last.
MOST_TOGETHER = 100


class Worker:
    """Does the jobs of one event loop, in the order in which they came."""

    def __init__(self, database: Database) -> None:
        """Belong to the running loop; `start` comes next."""
        self._database = database
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        # A daemon: who ends without closing the ledger shall not hang on it.
        self._thread = Thread(target=self._main, name="forecourt-ledger", daemon=True)

    async def start(self) -> None:
        """Open the database. Raises as `Database.open`; nothing is left open then."""
        self._thread.start()
        try:
            await self._opened
        except asyncio.CancelledError:
            # Who cancels does not wait for the disk; the thread ends all the same.
            self._jobs.put(None)
            raise
        except BaseException:
            self._thread.join()
            raise

    async def do[R](self, work: Callable[[Connection], R], *, durable: bool) -> R:
        """Do the work and return its result; `durable` as in `Job`."""
        answer: asyncio.Future[R] = self._loop.create_future()
        self._jobs.put(Job(work, durable, answer))
        return await answer

    async def stop(self) -> None:
        """Do what came before, close the database and end the thread."""
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _main(self) -> None:
        try:
            self._database.open()
        except Exception as error:  # noqa: BLE001 - it is for who opens
            self._database.close()
            self._tell(_settle, self._opened, None, error)
            return
        self._tell(_settle, self._opened, None, None)
        goes_on = True
        while goes_on:
            jobs, goes_on = self._next()
            self._run(jobs)
            self._tell(_settle_all, jobs)
        self._database.close()

    def _run(self, jobs: list[Job]) -> None:
        """Do the jobs; whatever happens, they get an answer, and those that come next a try."""
        try:
            self._database.run(jobs)
        except Exception as error:
            _LOGGER.exception("The ledger's thread goes on after an unexpected error")
            for job in jobs:
                if job.error is None:
                    job.error = LedgerError(f"unexpected {type(error).__name__}")
                    job.error.__cause__ = error

    def _next(self) -> tuple[list[Job], bool]:
        """Wait for jobs; return those that wait together, and whether more may come."""
        jobs: list[Job] = []
        while (job := self._jobs.get()) is not None:
            jobs.append(job)
            if len(jobs) == MOST_TOGETHER or self._jobs.empty():
                return jobs, True
        return jobs, False

    def _tell[*Ts](self, tell: Callable[[*Ts], None], *args: *Ts) -> None:
        # A loop that is closed has nobody who waits.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(tell, *args)


def _settle_all(jobs: list[Job]) -> None:
    for job in jobs:
        _settle(job.answer, job.result, job.error)


def _settle(answer: asyncio.Future[Any], result: object, error: Exception | None) -> None:
    # Who was cancelled while it waited does not want it any more.
    if answer.done():
        return
    if error is None:
        answer.set_result(result)
    else:
        answer.set_exception(error)
