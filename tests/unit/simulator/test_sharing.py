from __future__ import annotations

from hypothesis import given, strategies as st
import pytest

from simulator.sharing import share


@pytest.mark.parametrize(
    ("wanted", "budget", "shares"),
    [
        ([], 32, []),
        ([16], 32, [16]),
        ([16, 16], 20, [10, 10]),
        ([16, 8, 16], 32, [12, 8, 12]),
        ([16, 16, 16], 13, [6.5, 6.5, 0]),
        ([16, 3], 10, [10, 0]),
        ([16, 16], 5, [0, 0]),
    ],
)
def test_examples(wanted: list[float], budget: float, shares: list[float]) -> None:
    assert share(wanted, budget) == pytest.approx(shares)


@given(st.lists(st.floats(0, 32), max_size=6), st.floats(0, 100))
def test_laws(wanted: list[float], budget: float) -> None:
    shares = share(wanted, budget)
    assert sum(shares) <= budget + 1e-9
    for share_a, wanted_a in zip(shares, wanted, strict=True):
        assert share_a == 0 or 6 - 1e-9 <= share_a <= wanted_a
