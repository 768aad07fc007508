"""Many stations at the same moment, and others who want the event loop, too."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
import gc
import weakref

import pytest

from custom_components.forecourt.core.model.evse import EvseStatus
from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.stations.ocpp import CentralSystem, turns
from custom_components.forecourt.stations.ocpp.turns import Turns

from .peer import Peer, Site, stamp


class Loop:
    """Counts the turns of the event loop."""

    def __init__(self) -> None:
        self.turn = 0

    async def run(self) -> None:
        while True:
            self.turn += 1
            await asyncio.sleep(0)


@asynccontextmanager
async def counted() -> AsyncIterator[Loop]:
    loop = Loop()
    running = asyncio.create_task(loop.run())
    try:
        yield loop
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_all_in_one_turn_while_there_is_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "SLICE_S", 60.0)
    shared, seen = Turns(), []
    async with counted() as loop:

        async def work() -> None:
            await shared.mine()
            seen.append(loop.turn)

        await asyncio.gather(*(work() for _ in range(5)))
    assert len(set(seen)) == 1


async def test_one_after_the_other_where_each_takes_all_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(turns, "SLICE_S", 1e-9)
    shared, seen = Turns(), []
    async with counted() as loop:

        async def work() -> None:
            await shared.mine()
            seen.append(loop.turn)

        await asyncio.gather(*(work() for _ in range(5)))
    assert len(set(seen)) == len(seen) == 5


async def test_what_many_stations_say_at_once_is_taken_in_many_turns(
    central: CentralSystem, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"CP{number}" for number in range(8)]
    handled: list[tuple[EvseId, EvseStatus, int]] = []
    async with counted() as loop, AsyncExitStack() as stack:

        async def status_changed(
            evse: EvseId, status: EvseStatus, at: datetime, error: str | None = None
        ) -> None:
            handled.append((evse, status, loop.turn))

        for name in names:
            central.add_station(name)
        peers = [await stack.enter_async_context(Peer(central, name)) for name in names]
        for peer in peers:
            await peer.ready()
        monkeypatch.setattr(site, "status_changed", status_changed)
        monkeypatch.setattr(turns, "SLICE_S", 1e-9)

        async def say(peer: Peer) -> None:
            for word in ("Preparing", "Charging", "Finishing"):
                await peer.call(
                    "StatusNotification",
                    {"connectorId": 1, "errorCode": "NoError", "status": word}
                    | {"timestamp": stamp()},
                )

        await asyncio.gather(*map(say, peers))
    assert len({turn for _, _, turn in handled}) == len(handled) == 24
    for name in names:
        told = [status for evse, status, _ in handled if evse == EvseId(name, 1)]
        assert told == [EvseStatus.PREPARING, EvseStatus.CHARGING, EvseStatus.FINISHING]


@pytest.mark.parametrize("abruptly", [True, False])
async def test_what_a_connection_needed_is_freed_with_it(
    central: CentralSystem, abruptly: bool
) -> None:
    station = central.add_station("CP1")
    gc.collect()
    gc.disable()
    try:
        async with Peer(central, "CP1") as peer:
            await peer.ready()
            connection = central._connections["CP1"]
            link = connection.link
            parts = [*map(weakref.ref, (connection, connection._rpc, link, link._socket))]
            del connection, link
            if abruptly:
                peer.ws._conn.transport.abort()  # type: ignore[union-attr]
                await peer.until(lambda: not station.online)
        await peer.until(lambda: all(part() is None for part in parts))
    finally:
        gc.enable()
