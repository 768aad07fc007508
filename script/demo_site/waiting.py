"""Waits for what comes from outside, by looking."""

import asyncio
from collections.abc import Awaitable, Callable

LOOK_EVERY_S = 0.1


class TooLateError(Exception):
    """What was waited for did not come."""


async def until[R](look: Callable[[], Awaitable[R | None]], what: str, seconds: float = 30.0) -> R:
    """Look again and again until there is something, and return it."""
    try:
        async with asyncio.timeout(seconds):
            while (found := await look()) is None:  # noqa: ASYNC110 - nobody would set an event
                await asyncio.sleep(LOOK_EVERY_S)
    except TimeoutError:
        raise TooLateError(f"{what} did not come within {seconds:g} s") from None
    return found
