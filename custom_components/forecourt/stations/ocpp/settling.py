"""Telling a station what it keeps for good, whatever the version of OCPP.

It lives in flash memory: what was answered is never told again, and what nobody knows the
fate of (no answer, a lost connection) once more.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence

from ..base import Failure, StationError

MAX_TRIES = 2


async def tell_once(
    tries: Counter[tuple[str, str]],
    name: str,
    value: str,
    send: Callable[[], Awaitable[str]],
    *,
    again: bool = False,
) -> str | None:
    """Tell a station something and return the status that it answers; refusals have one too.

    `None` where it was told before, and nothing was sent. `again`: although it was told, to
    get back to it. Raises `StationError` where the station is gone or deaf.
    """
    if tries[name, value] >= MAX_TRIES and not again:
        return None
    # Counted before, not after: a station may crash on it.
    tries[name, value] += 1
    try:
        status = await send()
    except StationError as err:
        only_refusals(err)
        status = err.detail
    # It took it or it did not, and would not do otherwise the next time.
    tries[name, value] = MAX_TRIES
    return status


async def settle_list(items: Sequence[str], want: Callable[..., Awaitable[bool]]) -> str | None:
    """Have a list taken, piece by piece where the whole is refused.

    Returns what is to be left alone from now on: a part of it, `None` for the whole or
    nothing. `want` takes a value and `again`, and returns whether the station has it now.
    """
    if await want(",".join(items)):
        return None
    taken = [one for one in items if await want(one)]
    # Trying has left it at the last one taken: all of them, or else the first.
    for value in (",".join(taken), *taken[:1]):
        if await want(value, again=value in taken):
            return value
    return None


def only_refusals(err: StationError) -> None:
    """Go on after a refusal only: a station that is gone or deaf is not asked more."""
    if err.failure not in (Failure.REFUSED, Failure.NOT_SUPPORTED):
        raise err
