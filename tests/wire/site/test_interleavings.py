"""Whatever happens in whatever order, the ledger has what the stations' own books have.

`FORECOURT_EXAMPLES=500` tries so many days, other ones each time; else always the same few.
"""

import asyncio
import os
from pathlib import Path
import tempfile

from hypothesis import HealthCheck, Phase, given, note, settings, strategies as st
import pytest

from .mishaps import OUTLETS, VERDICT, Day, Place, Step, Traits
from .reckoning import CARDS

EXAMPLES = int(os.environ.get("FORECOURT_EXAMPLES", "0"))
ANNA, BEN, STRANGER = "04AA0001", "04BB0002", "04EE0005"

cards = st.sampled_from([*CARDS, ANNA, BEN, STRANGER])
a_moment = st.sampled_from([0.005, 0.02, 0.06, 0.12]).map(lambda seconds: ("wait", seconds))


@st.composite
def visits(draw: st.DrawFn, at: int, number: int) -> list[Step]:
    """Draw who comes to an outlet and goes again, perhaps without a word."""
    card = draw(cards)
    tap, plug, sample = ("tap", at, number, card), ("plug", at, number), ("sample", at, number)
    steps: list[Step] = [plug, tap] if draw(st.integers(0, 3)) else [tap, plug]
    # Where it matters most: the site has booked the start, and the station does not know.
    trouble = draw(st.sampled_from([None, None, None, "lose_answer", "kill"]))
    if trouble is not None:
        steps.insert(draw(st.integers(1, 2)), (trouble, at, VERDICT[at]))
    steps += [("wait", 0.06), sample, draw(a_moment), sample, draw(a_moment)]
    match draw(st.sampled_from(["tap", "tap", "order", "other", "stay", "leave"])):
        case "tap":
            steps += [tap, draw(a_moment)]
        case "order":
            steps += [("order_stop", at, number), draw(a_moment)]
        case "other":
            steps += [("tap", at, number, draw(cards)), draw(a_moment)]
        case "stay":
            return steps
    return [*steps, plug]


def mishaps(at: int) -> st.SearchStrategy[Step]:
    """Draw what may go wrong with a station or its line."""
    outlets = st.sampled_from(OUTLETS)
    ways = st.sampled_from(["upcoming", "same", "new"])
    return st.one_of(
        st.tuples(st.just("again"), st.just(at), st.integers(0, 2), ways),
        st.tuples(st.just("drop"), st.just(at), st.booleans()),
        st.just(("lose_answer", at)),
        st.just(("lose_reading", at)),
        st.tuples(st.just("offline"), st.just(at), st.booleans()),
        st.tuples(st.just("offline"), st.just(at), st.booleans()),
        st.just(("power", at)),
        st.just(("reboot", at)),
        st.just(("swap", at)),
        st.tuples(st.just("limit"), st.just(at), outlets, st.sampled_from([0, 6, 16])),
        st.tuples(st.just("order_start"), st.just(at), outlets, st.sampled_from(["anna", None])),
        a_moment,
    )


site = st.one_of(
    st.tuples(st.just("restart"), st.sampled_from([0.0, 0.1])),
    st.tuples(st.just("kill"), st.sampled_from([None, 0, 1])),
    a_moment,
)


@st.composite
def days(draw: st.DrawFn) -> list[Step]:
    """Draw what happens at each outlet, at each station and to the site, and mix it."""
    tracks: list[list[Step]] = [draw(st.lists(site, max_size=3))]
    for at in range(2):
        tracks.append(draw(st.lists(mishaps(at), max_size=6)))
        for number in OUTLETS:
            some = draw(st.lists(visits(at, number), max_size=2))
            tracks.append([step for visit in some for step in visit])
    order = draw(st.permutations([at for at, track in enumerate(tracks) for _ in track]))
    rest = [iter(track) for track in tracks]
    return [next(rest[at]) for at in order]


traits = st.builds(
    Traits,
    st.sampled_from(["2.0.1", "2.1"]),
    st.sampled_from(["PowerPathClosed", "EnergyTransfer"]),
    st.booleans(),
)


async def live(traits: Traits, steps: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with Day(Place(Path(folder) / "ledger.db"), traits) as day:
            await day.go(steps)
            await day.settle()
            await day.check()


@pytest.mark.timeout(0 if EXAMPLES else 60)
@settings(
    database=None,
    deadline=None,
    derandomize=not EXAMPLES,
    max_examples=EXAMPLES or 8,
    # Timing is part of it, so a shorter list may fail or not.
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.too_slow],
    print_blob=False,
)
@given(traits, days())
def test_any_day(traits: Traits, steps: list[Step]) -> None:
    note(f"live({traits!r}, {steps!r})")
    asyncio.run(live(traits, steps))
