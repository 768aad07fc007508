"""A disk that is slower than its stations are patient."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from custom_components.forecourt.core.model.events import SessionPhase
from tests.unit.site.world import ANNAS, CARLS, settings
from tests.wire.ocpp.peer import Peer, stamp
from tests.wire.ocpp.v201.peer import Peer201, meter

from .place import Place


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    place = Place(tmp_path / "ledger.db", settings())
    await place.open()
    yield place
    await place.close()


async def tell_and_hang_up(place: Place, peer: Peer, action: str, payload: Any) -> None:
    """Tell a start that comes to the disk when nobody waits for it any more."""
    waits, goes_on = await place.hold_disk()
    await peer.send([2, "lost", action, payload])
    assert await asyncio.to_thread(waits.wait, 10)
    connection = place.central._connections["garage"]
    await peer.ws.close()
    await connection.finished.wait()
    goes_on.set()


async def test_a_start_that_comes_to_the_disk_too_late_is_known_when_it_is_told_again(
    place: Place,
) -> None:
    async with Peer(place.central, "garage") as peer:
        await peer.ready()
        await peer.start(place.now, idTag=ANNAS.uid)
        place.wait(minutes=10)
        end = {"transactionId": 1, "meterStop": 1_500, "timestamp": stamp(place.now)}
        await peer.call("StopTransaction", end)
        place.wait(minutes=1)
        start = {
            "connectorId": 1,
            "idTag": CARLS.uid,
            "meterStart": 1_500,
            "timestamp": stamp(place.now),
        }
        await tell_and_hang_up(place, peer, "StartTransaction", start)
    session = place.state().session
    assert session is not None
    assert not session.charging, "nobody has told"
    async with Peer(place.central, "garage") as peer:
        await peer.ready()
        for _ in range(2):
            answer = (await peer.call("StartTransaction", start))[2]
            assert answer["transactionId"] == 2
        first, second = await place.sessions()
        assert place.state().session == second
        assert (second.user_id, second.charging) == ("carl", True)
        assert [(event.phase, event.session) for event in place.session_events[1:]] == [
            (SessionPhase.ENDED, first),
            (SessionPhase.STARTED, second),
        ]
        await place.turn()
        limits = [asked["csChargingProfiles"] for asked in peer.calls("SetChargingProfile")]
        assert [one["transactionId"] for one in limits if "transactionId" in one] == [2]


async def test_so_is_one_of_2(place: Place) -> None:
    async with Peer201(place.central, "garage") as peer:
        await peer.ready()
        card = {"idToken": ANNAS.uid, "type": "ISO14443"}
        values = meter(1_000, at=place.now)
        start = peer.payload("Started", at=place.now, idToken=card, meterValue=values)
        await tell_and_hang_up(place, peer, "TransactionEvent", start)
    assert place.state().session is None
    async with Peer201(place.central, "garage") as peer:
        await peer.ready()
        await peer.told("TransactionEvent", **start)
        session = await place.only_session()
        assert place.state().session == session
        assert place.state().register_wh == 1_000
        assert [event.phase for event in place.session_events] == [SessionPhase.STARTED]
