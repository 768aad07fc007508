"""Transactions of OCPP 2.x in any order, twice, late, over connections and restarts."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings, strategies as st

from custom_components.forecourt.core.model.token import Token
from custom_components.forecourt.stations.base import TransactionStart
from custom_components.forecourt.stations.ocpp import CentralSystem
from custom_components.forecourt.stations.ocpp.v201.told import ROUNDING_WH
from tests.wire.ocpp.conftest import QUICK
from tests.wire.ocpp.peer import Payload, Watch

from .peer import CARD, Books, Peer201, meter, sample

BEGIN_WH = 1000
NEVER = "nothing"
CONNECT, RESTART = "connect", "restart"


@st.composite
def stories(draw: st.DrawFn) -> list[Payload]:
    """Return the events of one transaction in the order in which they happened."""
    offline = draw(st.booleans())
    begun = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=9 if offline else 0)
    # Live ones happen within the second, old ones in the time before.
    step = timedelta(minutes=5) if offline else timedelta(milliseconds=1)
    how = draw(st.sampled_from(["card", "card later", "nobody", NEVER]))
    steps = draw(st.lists(st.integers(0, 900), min_size=0, max_size=5))
    register = BEGIN_WH
    told: list[Payload] = []
    if how != NEVER and sum(steps) <= ROUNDING_WH:
        steps = [*steps, 100]

    def event(kind: str, **more: Any) -> None:
        at = begun + step * len(told)
        context = {"Started": "Transaction.Begin", "Ended": "Transaction.End"}.get(kind)
        value = sample(register) if context is None else sample(register, context=context)
        payload = {
            "eventType": kind,
            "timestamp": at.isoformat(),
            "triggerReason": "Trigger",
            "seqNo": len(told),
            "offline": offline,
            "evse": {"id": 1},
            "transactionInfo": {"transactionId": "T1"},
            "meterValue": meter(value, at=at),
        }
        told.append(payload | more)

    event("Started", **({"idToken": CARD} if how == "card" else {}))
    if how == "card later":
        event("Updated", idToken=CARD, triggerReason="Authorized")
    for energy in steps if how != NEVER else [0] * len(steps):
        register += energy
        event("Updated")
    event("Ended")
    return told


@st.composite
def tellings(draw: st.DrawFn, *, restarts: bool) -> tuple[list[Payload], list[int | str]]:
    """Return a story, and the order in which it is told.

    It may be told twice, over several connections, and turned over: then the start comes
    first, or the end first and the start last. To a central system that restarts it is
    told in order.
    """
    story = draw(stories())
    others = list(range(1, len(story)))
    order: list[int | str] = [0, *others]
    if not restarts and draw(st.booleans()):
        order = [0, *draw(st.permutations(others))]
    elif not restarts and draw(st.booleans()):
        order = [others[-1], *draw(st.permutations(others[:-1])), 0]
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(order)))
        again = [one for one in order[:place] if isinstance(one, int)]
        more: list[st.SearchStrategy[int | str]] = [st.just(RESTART if restarts else CONNECT)]
        if again:
            # A station repeats the last thing that it was not answered.
            more.append(st.just(again[-1]) if restarts else st.sampled_from(again))
        order.insert(place, draw(st.one_of(more)))
    return story, order


async def tell(site: Books, story: list[Payload], order: list[int | str]) -> None:
    async with AsyncExitStack() as outer:
        central = await outer.enter_async_context(running(site))
        peer = await outer.enter_async_context(Peer201(central))
        for one in order:
            if isinstance(one, int):
                await peer.told("TransactionEvent", **story[one])
                continue
            await outer.aclose()
            # A restart forgets all but the books; a new connection is to the same station.
            fresh = running(site) if one == RESTART else running(site, central)
            central = await outer.enter_async_context(fresh)
            peer = await outer.enter_async_context(Peer201(central))


@asynccontextmanager
async def running(site: Books, old: CentralSystem | None = None) -> AsyncIterator[CentralSystem]:
    central = old or CentralSystem(site, now=Watch(), timing=QUICK)
    central.add_station("CP1")
    await central.start("127.0.0.1", 0)
    yield central
    await central.stop()


def told_by(site: Books, story: list[Payload]) -> tuple[TransactionStart | None, int]:
    """Check that it is booked once at most, and return its start and its stop register."""
    stop_wh: int = story[-1]["meterValue"][0]["sampledValue"][0]["value"]
    ends = [end for end in site.ends if end.transaction_id is not None]
    assert len(site.starts) <= 1
    assert not site.running
    for end in ends:
        assert (end.transaction_id, end.meter_stop_wh) == (1, stop_wh)
        assert end.at == datetime.fromisoformat(story[-1]["timestamp"])
    assert bool(site.starts) is bool(ends)
    for start in site.starts:
        assert start.replayed is story[0]["offline"]
    return next(iter(site.starts), None), stop_wh


@settings(max_examples=60, deadline=None)
@given(tellings(restarts=False))
def test_what_happened_is_booked_once(telling: tuple[list[Payload], list[int | str]]) -> None:
    story, order = telling
    site = Books()
    asyncio.run(tell(site, story, order))
    start, stop_wh = told_by(site, story)
    if start is None:
        assert not shown(story)
        assert stop_wh == BEGIN_WH
        return
    assert start.meter_start_wh == BEGIN_WH
    if "idToken" in story[0] or order == list(range(len(story))):
        assert start.token == (Token("04AABB") if shown(story) else None)


@settings(max_examples=40, deadline=None)
@given(tellings(restarts=True))
def test_a_restart_in_the_middle_costs_little(
    telling: tuple[list[Payload], list[int | str]],
) -> None:
    story, order = telling
    site = Books()
    asyncio.run(tell(site, story, order))
    start, stop_wh = told_by(site, story)
    if start is None:
        # What was not in the books is lost with the memory, unless somebody identified; an
        # end that says more than is known is kept.
        assert not shown(story)
        return
    assert BEGIN_WH <= start.meter_start_wh <= stop_wh
    if shown(story):
        assert start.meter_start_wh == BEGIN_WH
        assert start.token == Token("04AABB")


def shown(story: list[Payload]) -> bool:
    return any("idToken" in event for event in story)
