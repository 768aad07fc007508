"""How a station with several outlets shares what it may draw. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from .plant import MIN_OFFER_A


def share(wanted_a: Sequence[float], budget_a: float) -> list[float]:
    """Divide amperes per phase among outlets that want some, in order of seniority.

    Nobody gets more than wanted, the sum never exceeds the budget, the rest is equal. Who cannot
    get the 6 A that a car needs at least gets nothing, the last to come first.
    """
    served = [number for number, wanted in enumerate(wanted_a) if wanted >= MIN_OFFER_A]
    while served and budget_a / len(served) < MIN_OFFER_A:
        served.pop()
    shares = [0.0] * len(wanted_a)
    rest = budget_a
    for place, number in enumerate(sorted(served, key=lambda number: wanted_a[number])):
        shares[number] = min(wanted_a[number], rest / (len(served) - place))
        rest -= shares[number]
    return shares
