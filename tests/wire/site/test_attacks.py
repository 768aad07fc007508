"""Strangers, crowds and stations that do not behave, at the port of a whole site."""

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from http import HTTPStatus
from typing import Any

from aiohttp import WSServerHandshakeError
import pytest

from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.session import SessionFlag
from custom_components.forecourt.stations.ocpp import Cause, listener
from custom_components.forecourt.stations.ocpp.door import MAX_PENDING
from tests.wire.ocpp.peer import Peer, cheap_hash, stamp

from .depot import Depot, until

ANNA = "04AA0001"
PASSWORD = "correct horse battery"
EVSE = EvseId("BOX", 1)


async def stop(peer: Peer, transaction_id: object = 1, **changes: object) -> list[Any]:
    payload = {"transactionId": transaction_id, "meterStop": 3_000, "timestamp": stamp()}
    return await peer.call("StopTransaction", payload | changes)


async def measure(peer: Peer, register_wh: int, current_a: float = 0) -> None:
    samples = [
        {"value": str(register_wh)},
        {"value": str(current_a), "measurand": "Current.Import", "phase": "L1"},
    ]
    value = {"timestamp": stamp(), "sampledValue": samples}
    payload = {"connectorId": 1, "transactionId": 1, "meterValue": [value]}
    assert (await peer.call("MeterValues", payload))[0] == 3


@pytest.mark.parametrize("register", [None, "", "x", -5, 2**63, 10**30, "9" * 30, 1e300])
async def test_a_register_at_the_end_that_nobody_can_read(depot: Depot, register: object) -> None:
    """It ends the charge all the same, at what was counted, and says so."""
    depot.add("BOX")
    async with Peer(depot.central, "BOX") as peer:
        await peer.boot()
        await peer.start(idTag=ANNA)
        await measure(peer, 1_700)
        assert (await stop(peer, meterStop=register))[0] == 3
    [session] = await depot.sessions()
    assert (session.energy_wh, session.charging) == (700, False)
    assert SessionFlag.METER_MISMATCH in session.flags


@pytest.mark.parametrize("transaction_id", [None, "x", 2**63, -(10**30), "9" * 30, 1.5])
async def test_an_end_of_a_transaction_that_cannot_be(depot: Depot, transaction_id: object) -> None:
    depot.add("BOX")
    async with Peer(depot.central, "BOX") as peer:
        await peer.boot()
        assert (await stop(peer, transaction_id))[0] == 3
    [orphan] = await depot.ledger.orphans()
    assert (orphan.transaction_id, orphan.meter_stop_wh) == (-1, 3_000)


async def test_a_reading_of_a_transaction_that_cannot_be_is_of_the_one_that_runs(
    depot: Depot,
) -> None:
    depot.add("BOX")
    async with Peer(depot.central, "BOX") as peer:
        await peer.boot()
        await peer.start(idTag=ANNA)
        value = {"timestamp": stamp(), "sampledValue": [{"value": "1400"}]}
        payload = {"connectorId": 1, "transactionId": 10**30, "meterValue": [value]}
        assert (await peer.call("MeterValues", payload))[0] == 3
    [session] = await depot.sessions()
    assert session.energy_wh == 400


async def test_a_station_that_tells_no_time_and_counts_each_charge_from_zero(
    depot: Depot,
) -> None:
    """Its starts look all the same; what comes after an end is another one."""
    depot.add("BOX")
    async with Peer(depot.central, "BOX") as peer:
        await peer.boot()
        for energy_wh in (100, 200):
            begun = await peer.start(idTag=ANNA, meterStart=0, timestamp=None)
            assert await peer.start(idTag=ANNA, meterStart=0, timestamp=None) == begun
            end = await stop(peer, begun["transactionId"], meterStop=energy_wh, timestamp=None)
            assert end[0] == 3
    transactions = [await depot.ledger.transaction(number) for number in (1, 2)]
    assert [one[0].energy_wh for one in transactions if one] == [100, 200]
    [session] = await depot.sessions()
    assert session.energy_wh == 300
    assert SessionFlag.CLOCK_ESTIMATED in session.flags


async def test_a_station_that_refuses_the_fallback(depot: Depot) -> None:
    """It is told once, not at every connection, and the limits of its charges are told still."""

    def answer(payload: dict[str, Any]) -> dict[str, str]:
        is_default = payload["csChargingProfiles"]["chargingProfilePurpose"] == "TxDefaultProfile"
        return {"status": "Rejected" if is_default else "Accepted"}

    depot.add("BOX")
    purposes: Counter[str] = Counter()
    for _ in range(3):
        async with Peer(depot.central, "BOX") as peer:
            peer.answers["SetChargingProfile"] = answer
            await peer.ready()
            await peer.start(idTag=ANNA)
            await until(lambda: depot.central.stations["BOX"].transactions)
            await depot.site.turn()
            await asyncio.sleep(0.1)
            purposes.update(
                one["csChargingProfiles"]["chargingProfilePurpose"]
                for one in peer.calls("SetChargingProfile")
            )
            await stop(peer, (await depot.sessions())[-1].transaction_id)
        await until(lambda: not depot.central.stations["BOX"].online)
    # In both units, for the station and for its outlet.
    assert purposes["TxDefaultProfile"] == 4
    assert purposes["TxProfile"] == 3


async def test_a_station_that_says_yes_and_does_not_do_it(depot: Depot) -> None:
    """It counts with what its meter shows, and nothing is sent to it again and again."""
    depot.add("BOX")
    async with Peer(depot.central, "BOX") as peer:
        await peer.ready()
        await peer.start(idTag=ANNA)
        depot.site.orders.limit(EVSE, 8)
        for second in range(8):
            await measure(peer, 1_000 + second, 16)
            await depot.site.turn()
            await asyncio.sleep(0.05)
        sent = [
            one["csChargingProfiles"]["chargingSchedule"]["chargingSchedulePeriod"][0]["limit"]
            for one in peer.calls("SetChargingProfile")
        ]
        assert sent[0] == 6, "the fallback"
        assert sent[-1] == 8
        assert len(sent) <= 3
        state = depot.site.board[EVSE]
        assert state.reading is not None
        assert state.reading.max_current_a == 16


async def test_a_crowd_behind_one_address_comes_back_at_once(depot: Depot) -> None:
    """As after a restart behind a proxy: all of them are right, so nobody is refused."""
    causes: Counter[Cause] = Counter()
    depot.central.subscribe_knocks(lambda knock: causes.update([knock.cause]))
    names = [f"BOX-{number}" for number in range(100)]
    secret = cheap_hash(PASSWORD)
    for name in names:
        depot.add(name, secret)
    async with AsyncExitStack() as crowd:
        peers = [Peer(depot.central, name, password=PASSWORD) for name in names]
        await asyncio.gather(*[crowd.enter_async_context(peer) for peer in peers])
        answers = await asyncio.gather(*[peer.boot() for peer in peers])
        assert {answer["status"] for answer in answers} == {"Accepted"}
        assert causes == {Cause.CONNECTED: len(names)}


async def test_strangers_take_no_place_of_a_station(depot: Depot) -> None:
    depot.add("BOX")

    async def comes(peer: Peer) -> object:
        try:
            await crowd.enter_async_context(peer)
        except WSServerHandshakeError as error:
            return error.status
        return (await peer.boot())["status"]

    async with AsyncExitStack() as crowd:
        strangers = [Peer(depot.central, f"X{number}") for number in range(MAX_PENDING + 10)]
        answers = Counter(await asyncio.gather(*map(comes, strangers)))
        assert answers == {"Pending": MAX_PENDING, HTTPStatus.TOO_MANY_REQUESTS: 10}
        async with Peer(depot.central, "BOX") as peer:
            assert (await peer.boot())["status"] == "Accepted"


@pytest.mark.parametrize("said", [b"", b"GET /BOX HTTP/1.1\r\nHost: x\r\n"])
async def test_who_never_finishes_the_handshake_is_sent_away(
    depot: Depot, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(listener, "IDLE_S", 0.1)
    reader, writer = await asyncio.open_connection("127.0.0.1", depot.central.port)
    writer.write(said)
    async with asyncio.timeout(3):
        assert await reader.read() == b""
    writer.close()


async def test_another_station_cannot_touch_a_charge(depot: Depot) -> None:
    depot.add("BOX")
    depot.add("OTHER")
    async with Peer(depot.central, "BOX") as peer, Peer(depot.central, "OTHER") as other:
        await peer.boot()
        await other.boot()
        await peer.start(idTag=ANNA)
        await measure(other, 90_000)
        assert (await stop(other, meterStop=99_999))[0] == 3
        [session] = await depot.sessions()
        assert (session.energy_wh, session.charging) == (0, True)
        assert (await stop(peer))[0] == 3
        await measure(peer, 90_000)
    [session] = await depot.sessions()
    assert (session.energy_wh, session.charging) == (2_000, False)
    [orphan] = await depot.ledger.orphans()
    assert orphan.station_id == "OTHER"


async def test_an_end_comes_again_after_a_restart(depot: Depot) -> None:
    depot.add("BOX")
    at = stamp()
    async with Peer(depot.central, "BOX") as peer:
        await peer.boot()
        await peer.start(idTag=ANNA)
        assert (await stop(peer, timestamp=at))[0] == 3
    await depot.restart()
    async with Peer(depot.central, "BOX") as peer:
        await peer.boot()
        assert (await stop(peer, timestamp=at))[0] == 3
    assert [session.energy_wh for session in await depot.sessions()] == [2_000]
    assert await depot.ledger.orphans() == []


async def test_an_open_end_is_replaced_in_the_middle_of_a_charge(depot: Depot) -> None:
    """The old socket looks fine and is dead: the station comes again and is the same."""
    depot.add("BOX")
    async with Peer(depot.central, "BOX", autoping=False) as dead:
        await dead.boot()
        await dead.start(idTag=ANNA)
        await dead.vanish()
        async with Peer(depot.central, "BOX") as peer:
            await peer.ready()
            assert depot.central.stations["BOX"].online
            await measure(peer, 1_900)
            assert (await stop(peer))[0] == 3
    [session] = await depot.sessions()
    assert (session.energy_wh, session.flags) == (2_000, frozenset())
