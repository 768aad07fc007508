"""Keeps the turns of the event loop short, however many stations have something at once."""

import asyncio
from time import monotonic

SLICE_S = 0.005
"""How long stations may be served before others have a turn."""


class Turns:
    """Lets those who come do their work as long as there is time in this turn of the event loop.

    After a power cut hundreds of stations dial in, introduce themselves and answer in the same
    moment. Each needs little, but Home Assistant would stand still meanwhile.
    """

    def __init__(self) -> None:
        self._began_s = self._seen_s = float("-inf")

    async def mine(self) -> None:
        """Return at once while the turn is young, else in one of the next."""
        if monotonic() - self._seen_s >= SLICE_S:
            # Nobody did anything for so long that others had their turn.
            self._began_s = monotonic()
        while monotonic() - self._began_s >= SLICE_S:
            began_s = self._began_s
            await asyncio.sleep(0)
            if self._began_s == began_s:
                # Who wakes first in a turn begins it.
                self._began_s = monotonic()
                break
        self._seen_s = monotonic()
