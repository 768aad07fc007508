"""How much memory is in use, and whether that grows."""

from collections import Counter
from collections.abc import Sequence
import ctypes
import gc
from pathlib import Path
import sys
from typing import NamedTuple

WARM_UP = 0.25
WARM_UP_SAMPLES = 10
"""After so many samples, and that part of them, all that has a bound should have reached it."""
FEWEST = 12
"""Fewer samples in steady state say nothing."""
MAX_GROWTH = {"objects": 500, "blocks": 3000, "megabytes": 8}
"""How much more there may be in the last third of the steady state than in the first.

A charge that happens to run or not makes that difference, and an odd field that one more station
got wrong; what is left behind at every attack is several times as much within a few minutes.
"""
SHOWN = 8


class Sample(NamedTuple):
    """What is in use: objects that may refer to others, all small blocks, and RAM."""

    objects: int
    blocks: int
    megabytes: float


def sample() -> Sample:
    """Measure what is in use of this process, without what only waits to be collected."""
    gc.collect()
    _give_back()
    return Sample(len(gc.get_objects()), sys.getallocatedblocks(), megabytes())


def _give_back() -> None:
    """Have the allocator return what is free: its gaps are not in use. Only glibc's can."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def megabytes() -> float:
    """Return what of this process is in RAM."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * 4096 / 1e6


def kinds() -> Counter[str]:
    """Count the objects in use by their type."""
    return Counter(f"{type(one).__module__}.{type(one).__qualname__}" for one in gc.get_objects())


def more_of(before: Counter[str], after: Counter[str]) -> str:
    """Tell of which types there are more than before, most first."""
    return ", ".join(f"{name} +{count}" for name, count in (after - before).most_common(SHOWN))


def growth(samples: Sequence[Sample]) -> list[str]:
    """Tell what grew in steady state and should not; nothing of too short a time."""
    steady = samples[max(WARM_UP_SAMPLES, int(len(samples) * WARM_UP)) :]
    if len(steady) < FEWEST:
        return []
    third = len(steady) // 3
    grown = []
    for index, (name, most) in enumerate(MAX_GROWTH.items()):
        before = sum(one[index] for one in steady[:third]) / third
        after = sum(one[index] for one in steady[-third:]) / third
        if after - before > most:
            grown.append(f"memory grew from {before:.0f} to {after:.0f} {name}")
    return grown
