"""Stations whose clocks are wrong, and what they tell late: each charge is booked once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
import tempfile
from typing import Any

from hypothesis import example, given, settings as tries, strategies as st
import pytest

from custom_components.forecourt.core.model.session import SessionFlag
from tests.unit.site.world import ANNAS, BENS, settings
from tests.wire.ocpp.peer import Payload, Peer, stamp
from tests.wire.ocpp.v201.peer import Peer201, meter

from .place import Place

MINUTE = timedelta(minutes=1)
CLOCKS = pytest.mark.parametrize(
    "behind",
    [
        pytest.param(timedelta(), id="right"),
        pytest.param(timedelta(seconds=90), id="slow"),
        pytest.param(timedelta(hours=3), id="hours slow"),
        pytest.param(-timedelta(hours=3), id="hours fast"),
        pytest.param(timedelta(days=365 * 50), id="never set"),
    ],
)


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    place = Place(tmp_path / "ledger.db", settings())
    await place.open()
    await place.costs("0.30")
    yield place
    await place.close()


def value(at: datetime | str, wh: int, context: str = "Sample.Periodic") -> Payload:
    """Return a meter value of OCPP 1.6."""
    sampled = {"value": str(wh), "context": context}
    return {"timestamp": at if isinstance(at, str) else stamp(at), "sampledValue": [sampled]}


async def measure(peer: Peer, *values: Payload, **changes: Any) -> None:
    frame = await peer.call("MeterValues", {"connectorId": 1, "meterValue": values, **changes})
    assert frame[0] == 3, frame


async def stop(peer: Peer, wh: int, **changes: Any) -> list[Any]:
    return await peer.call("StopTransaction", {"transactionId": 1, "meterStop": wh, **changes})


# What comes with the end


@CLOCKS
async def test_what_was_measured_all_along_and_comes_again_with_the_end_counts_once(
    place: Place, behind: timedelta
) -> None:
    async with Peer(place.central, "garage") as peer:
        await peer.ready()
        place.wait(hours=4)
        began_at = place.now
        await peer.start(place.now - behind, idTag=ANNAS.uid)
        told = [value(place.now - behind, 1_000, "Transaction.Begin")]
        for number in range(1, 9):
            place.wait(minutes=15)
            told.append(value(place.now - behind, 1_000 + 1_000 * number))
            await measure(peer, told[-1], transactionId=1)
        place.wait(seconds=20)
        told.append(value(place.now - behind, 9_010, "Transaction.End"))
        await stop(peer, 9_010, timestamp=stamp(place.now - behind), transactionData=told)
    session = await place.only_session()
    assert (session.energy_wh, session.cost) == (8_010, Decimal("2.403"))
    assert session.flags == ({SessionFlag.CLOCK_ESTIMATED} if behind else set())
    assert (session.started_at, session.ended_at) == (began_at, place.now)
    # Stored once where the times agree, and each at its time.
    assert set(await place.times()) == {
        (began_at, 1_000),
        *((began_at + 15 * number * MINUTE, 1_000 + 1_000 * number) for number in range(1, 9)),
        (place.now, 9_010),
    }


@pytest.mark.parametrize("said", ["", "soon"])
async def test_what_comes_again_without_a_time_counts_once(place: Place, said: str) -> None:
    async with Peer(place.central, "garage") as peer:
        await peer.ready()
        await peer.start(place.now, idTag=ANNAS.uid)
        for wh in (4_000, 9_000):
            place.wait(minutes=15)
            await measure(peer, value(place.now, wh), transactionId=1)
        data = [value(said, wh) for wh in (1_000, 4_000, 9_000)]
        await stop(peer, 9_010, timestamp=said, transactionData=data)
    session = await place.only_session()
    assert session.energy_wh == 8_010
    assert session.flags == {SessionFlag.CLOCK_ESTIMATED}


@CLOCKS
async def test_an_end_of_2_that_tells_all_that_was_measured_counts_once(
    place: Place, behind: timedelta
) -> None:
    async with Peer201(place.central, "garage") as peer:
        await peer.ready()
        place.wait(hours=4)
        began_at = place.now
        values = meter(1_000, at=place.now - behind)
        card = {"idToken": ANNAS.uid, "type": "ISO14443"}
        await peer.event("Started", at=place.now - behind, idToken=card, meterValue=values)
        for number in range(1, 5):
            place.wait(minutes=15)
            values += meter(1_000 + 1_000 * number, at=place.now - behind)
            await peer.event("Updated", at=place.now - behind, meterValue=values[-1:])
        place.wait(seconds=20)
        values += meter(5_010, at=place.now - behind)
        await peer.event("Ended", at=place.now - behind, meterValue=values)
    session = await place.only_session()
    assert (session.energy_wh, session.cost) == (4_010, Decimal("1.203"))
    assert session.flags == ({SessionFlag.CLOCK_ESTIMATED} if behind else set())
    assert (session.started_at, session.ended_at) == (began_at, place.now)


async def test_what_comes_with_the_end_alone_is_counted_at_its_time(place: Place) -> None:
    async with Peer(place.central, "garage") as peer:
        await peer.ready()
        await peer.start(place.now, idTag=ANNAS.uid)
        place.wait(minutes=30)
        half = place.now
        await place.costs("0.60")
        place.wait(minutes=30)
        data = [value(half - MINUTE, 2_000), value(place.now, 3_000)]
        await stop(peer, 3_000, timestamp=stamp(place.now), transactionData=data)
    session = await place.only_session()
    assert session.cost == Decimal("0.30") + Decimal("0.60")
    assert session.flags == set()


# What is told late


@CLOCKS
async def test_meter_values_may_be_told_together(place: Place, behind: timedelta) -> None:
    async with Peer(place.central, "garage") as peer:
        await peer.ready()
        place.wait(hours=4)
        await peer.start(place.now - behind, idTag=ANNAS.uid)
        began_at = place.now
        place.wait(minutes=10)
        told = [value(began_at - behind + n * MINUTE, 1_000 + 100 * n) for n in (9, 3, 6)]
        place.now -= 30 * timedelta(seconds=1)
        await measure(peer, *told, transactionId=1)
    newest = began_at + 9 * MINUTE
    if behind:
        # It is known when they were told, and how they lie to each other.
        newest = place.now
    assert await place.times() == [
        (newest - 6 * MINUTE, 1_300),
        (newest - 3 * MINUTE, 1_600),
        (newest, 1_900),
    ]


@CLOCKS
async def test_an_end_that_the_disk_does_not_take_keeps_its_time(
    place: Place, behind: timedelta
) -> None:
    async with Peer(place.central, "garage") as peer:
        await peer.ready()
        place.wait(hours=4)
        await peer.start(place.now - behind, idTag=ANNAS.uid)
        place.wait(minutes=10)
        ended_at = place.now
        told: dict[str, Any] = {"timestamp": stamp(ended_at - behind)}
        told["transactionData"] = [value(ended_at - behind - MINUTE, 1_400)]
        await place.fill_disk()
        for _ in range(2):
            assert (await stop(peer, 1_500, **told))[2] == "InternalError"
            place.wait(minutes=5)
        await place.empty_disk()
        assert (await stop(peer, 1_500, **told))[0] == 3
    assert (await place.only_session()).ended_at == ended_at
    assert await place.times() == [(ended_at - MINUTE, 1_400)]


@CLOCKS
async def test_so_does_an_end_of_2(place: Place, behind: timedelta) -> None:
    async with Peer201(place.central, "garage") as peer:
        await peer.ready()
        place.wait(hours=4)
        card = {"idToken": ANNAS.uid, "type": "ISO14443"}
        values = meter(1_000, at=place.now - behind)
        await peer.event("Started", at=place.now - behind, idToken=card, meterValue=values)
        place.wait(minutes=10)
        ended_at = place.now
        values = meter(1_500, at=ended_at - behind)
        told = peer.payload("Ended", at=ended_at - behind, meterValue=values)
        await place.fill_disk()
        for _ in range(2):
            assert (await peer.call("TransactionEvent", told))[2] == "InternalError"
            place.wait(minutes=5)
        await place.empty_disk()
        assert (await peer.call("TransactionEvent", told))[0] == 3
    session = await place.only_session()
    assert (session.ended_at, session.energy_wh) == (ended_at, 500)


async def test_what_waited_behind_it_keeps_its_time_too(place: Place) -> None:
    """A station that must tell an end again and again has more to tell by then."""
    async with Peer(place.central, "garage") as peer:
        await peer.ready()
        await peer.start(place.now, idTag=ANNAS.uid)
        place.wait(minutes=20)
        ended_at = place.now - 5 * MINUTE
        await stop(peer, 1_500, timestamp=stamp(ended_at))
        await peer.start(ended_at + MINUTE, idTag=ANNAS.uid, meterStart=1_500)
    session = await place.only_session()
    assert session.flags == set()
    transactions = (await place.ledger.transactions_of([session.id]))[session.id]
    assert [one.started_at for one in transactions][1] == ended_at + MINUTE
    assert transactions[0].ended_at == ended_at


# A start that is told again after a restart

SECONDS = st.integers(0, 4 * 3600)


@tries(max_examples=15, deadline=None)
@given(
    behind=st.integers(-4 * 3600, 4 * 3600) | st.integers(-200, 200),
    waits=st.lists(st.tuples(SECONDS, SECONDS | st.integers(0, 200)), min_size=1, max_size=4),
)
@example(behind=90, waits=[(3600, 0), (20, 5)])
@example(behind=-90, waits=[(3600, 0), (20, 5), (200, 5)])
@example(behind=3 * 3600, waits=[(0, 4 * 3600), (0, 0)])
@example(behind=-40, waits=[(3600, 0), (0, 10), (0, 120)])
def test_a_start_is_one_whatever_the_clock_and_however_often_the_site_restarts(
    behind: int, waits: list[tuple[int, int]]
) -> None:
    """Before each telling the site is away for a while, and then the station is connected."""
    asyncio.run(tell_again(timedelta(seconds=behind), waits))


async def tell_again(behind: timedelta, waits: list[tuple[int, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder) / "ledger.db", settings())
        await place.open()
        began = None
        for away_s, connected_s in waits:
            if began is not None:
                await place.close()
            place.wait(seconds=away_s)
            if began is not None:
                await place.open()
            async with Peer(place.central, "garage") as peer:
                await peer.ready()
                place.wait(seconds=connected_s)
                began = began or stamp(place.now - behind)
                for _ in range(2):
                    answer = await peer.start(idTag=ANNAS.uid, timestamp=began)
                    assert answer["transactionId"] == 1
                    assert answer["idTagInfo"]["status"] == "Accepted"
                await measure(peer, value(place.now - behind, 2_000))
        async with Peer(place.central, "garage") as peer:
            place.wait(minutes=10)
            assert (await stop(peer, 5_000, timestamp=stamp(place.now - behind)))[0] == 3
        session = await place.only_session()
        assert session.energy_wh == 4_000
        assert session.ended_at is not None
        assert session.ended_at >= session.started_at
        await place.close()


async def test_another_start_is_another_although_the_clock_is_wrong(place: Place) -> None:
    async with Peer(place.central, "garage") as peer:
        await peer.ready()
        place.wait(hours=1)
        slow = place.now - timedelta(seconds=90)
        assert (await peer.start(slow, idTag=ANNAS.uid))["transactionId"] == 1
    await place.restart()
    async with Peer(place.central, "garage") as peer:
        await peer.ready()
        assert (await peer.start(slow, idTag=ANNAS.uid))["transactionId"] == 1
        assert (await peer.start(slow, idTag=BENS.uid))["transactionId"] == 2
        assert (await peer.start(slow, idTag=BENS.uid, meterStart=1_001))["transactionId"] == 3
