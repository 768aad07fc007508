"""How often a box is read: often while something happens, seldom while nothing does."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Seconds between two polls: while busy, while idle, and at most while it does not answer.

    `least_s` is how long a box that tells by itself is let finish: what it tells together is one
    picture.
    """

    busy_s: float = 2.0
    idle_s: float = 15.0
    longest_s: float = 60.0
    least_s: float = 0.25

    def next_s(self, *, busy: bool, failures: int) -> float:
        """Return the time to the next poll after so many failures in a row."""
        if failures:
            return float(min(self.longest_s, self.busy_s * 2 ** min(failures - 1, 16)))
        return self.busy_s if busy else self.idle_s
