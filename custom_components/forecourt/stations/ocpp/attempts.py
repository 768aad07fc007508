"""How often somebody may try, in a bounded memory."""

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address
import math

MAX_KEYS = 1024
WINDOW = timedelta(seconds=60)

# What a subscriber gets at least (RFC 6177): whoever has one address has all of them.
IPV6_PREFIX_BITS = 64


class Attempts:
    """Counts per key: `most` at once, then as many a minute.

    Each is a leaking bucket, so a key costs the same however often somebody tries. The keys
    that were not used for longest are forgotten first.
    """

    def __init__(self, now: Callable[[], datetime], most: int) -> None:
        self._now = now
        self._most = most
        self._buckets: OrderedDict[tuple[str, ...], tuple[float, datetime]] = OrderedDict()

    def wait_s(self, *key: str) -> int:
        """Return in how many seconds there may be one more; 0 is now."""
        missing = self._level(key) + 1 - self._most
        return max(0, math.ceil(missing / self._most * WINDOW.total_seconds()))

    def add(self, *key: str) -> None:
        """Count one more."""
        self._buckets[key] = (self._level(key) + 1, self._now())
        self._buckets.move_to_end(key)
        if len(self._buckets) > MAX_KEYS:
            self._buckets.popitem(last=False)

    def _level(self, key: tuple[str, ...]) -> float:
        level, at = self._buckets.get(key, (0.0, self._now()))
        # A clock that was set back must not lock anybody out.
        return max(0.0, level - abs(self._now() - at) / WINDOW * self._most)


def source_of(address: str) -> str:
    """Return what stands for an address: itself, or the network of an IPv6 subscriber."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return parsed.packed[: IPV6_PREFIX_BITS // 8].hex()


def is_public(address: str) -> bool:
    """Return whether an address is one of the Internet, neither private nor a network's own."""
    try:
        return ip_address(address).is_global
    except ValueError:
        return False
