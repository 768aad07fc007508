"""What becomes of a station that nobody knows yet."""

import asyncio
from functools import partial
import json
from typing import Any

import pytest

from custom_components.forecourt.stations.ocpp import CentralSystem, door as door_module

from .conftest import MakeCentral
from .knocking import until_gone
from .peer import Peer, Site, stamp


async def test_a_stranger_has_to_wait(make_central: MakeCentral, site: Site) -> None:
    told: list[Any] = []
    central = await make_central(on_pending=told.append)
    async with Peer(central, "CP9") as peer:
        peer.settings["NumberOfConnectors"] = "2"
        answer = await peer.boot(firmwareVersion="1")
        assert answer["status"] == "Pending"
        assert answer["interval"] == 1
        await peer.until(lambda: told)
        assert (told[0].id, told[0].model, told[0].evses) == ("CP9", "Box", 2)
        assert central.pending["CP9"] == told[0]
        assert (await peer.call("Heartbeat"))[2] == "SecurityError"
        assert (await peer.call("Authorize", {"idTag": "A"}))[2] == "SecurityError"
        # It asks again and again; that is no news.
        await peer.boot(firmwareVersion="1")
        await asyncio.sleep(0.05)
        assert len(told) == len(peer.calls("GetConfiguration")) == 1
        await peer.boot(firmwareVersion="2")
        await peer.until(lambda: len(told) == 2)
    assert not site.changes
    assert "CP9" in central.pending


async def test_a_stranger_that_tells_ever_more_is_asked_once_at_a_time(
    make_central: MakeCentral,
) -> None:
    told: list[Any] = []
    central = await make_central(on_pending=told.append)
    async with Peer(central, "CP9") as peer:
        answer, peer.answers["GetConfiguration"] = peer.answers["GetConfiguration"], None
        tasks = len(asyncio.all_tasks())
        boots = [{"chargePointVendor": "V", "chargePointModel": f"M{one}"} for one in range(40)]
        for number, boot in enumerate(boots):
            await peer.send([2, f"x{number}", "BootNotification", boot])
        await peer.until(lambda: len(peer.stray) == len(boots))
        assert len(asyncio.all_tasks()) <= tasks + 1
        assert len(peer.calls("GetConfiguration")) == 1
        # Nothing is lost by that: what was told last counts.
        asked = next(json.loads(one) for one in peer.frames if '"GetConfiguration"' in one)
        await peer.send([3, asked[1], answer({"key": ["NumberOfConnectors"]})])
        await peer.until(lambda: told)
        assert [(info.model, info.evses) for info in told] == [("M39", 1)]
        await peer.boot(chargePointModel="M40")
        peer.answers["GetConfiguration"] = answer
        await peer.until(lambda: len(peer.calls("GetConfiguration")) == 2)


@pytest.mark.parametrize("answer", ["NotSupported", {"unknownKey": ["NumberOfConnectors"]}, None])
async def test_a_stranger_that_tells_no_number_has_one_outlet(
    make_central: MakeCentral, answer: Any
) -> None:
    told: list[Any] = []
    central = await make_central(on_pending=told.append)
    async with Peer(central, "CP9") as peer:
        peer.answers["GetConfiguration"] = answer
        peer.impatient()
        await peer.boot()
        await peer.until(lambda: told)
        assert told[0].evses == 1


async def test_a_stranger_that_does_not_boot_is_asked_to(make_central: MakeCentral) -> None:
    told: list[Any] = []
    central = await make_central(on_pending=told.append)
    async with Peer(central, "CP9") as peer:
        peer.answers["TriggerMessage"] = "NotImplemented"
        await peer.until(lambda: told)
        assert peer.calls("TriggerMessage") == [{"requestedMessage": "BootNotification"}]
        assert told[0].model is None
    async with Peer(central, "CP8") as peer:
        peer.answers["TriggerMessage"] = lambda _: (
            asyncio.ensure_future(peer.boot()),
            {"status": "Accepted"},
        )[1]
        await peer.until(lambda: len(told) == 2)
        assert told[1].model == "Box"


async def test_a_stranger_that_boots_when_asked_has_introduced_itself(
    make_central: MakeCentral,
) -> None:
    told: list[Any] = []
    central = await make_central(on_pending=told.append)
    async with Peer(central, "CP9") as peer:
        await peer.until(lambda: peer.calls("TriggerMessage"))
        await peer.boot()
        await asyncio.sleep(0.25)
        assert len(told) == 1
        assert told[0].model == "Box"


async def test_nobody_is_told_of_more_strangers_than_there_is_room_for(
    make_central: MakeCentral, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door_module, "MAX_PENDING", 3)
    told: set[str] = set()
    central = await make_central(on_pending=lambda info: told.add(info.id), on_gone=told.remove)
    for name in (f"CP{number}" for number in range(8)):
        async with Peer(central, name) as peer:
            await peer.boot()
            await peer.until(partial(told.__contains__, name))
        await until_gone(central, name)
        assert told == set(central.pending)
    assert told == {"CP5", "CP6", "CP7"}


async def test_a_stop_of_one_outlet_leaves_the_other(central: CentralSystem, site: Site) -> None:
    station = central.add_station("CP2", evses=2)
    async with Peer(central, "CP2") as peer:
        await peer.ready()
        await peer.start()
        await peer.start(connectorId=2)
        stop = {"transactionId": 1, "meterStop": 1, "timestamp": stamp()}
        await peer.call("StopTransaction", stop)
        assert station.transactions == {2: 2}
    await central.remove_station("CP2")


async def test_a_station_that_is_away_can_be_removed(central: CentralSystem) -> None:
    central.add_station("CP2")
    await central.remove_station("CP2")
    assert not central.stations


async def test_nobody_needs_to_care_about_strangers(central: CentralSystem) -> None:
    async with Peer(central, "CP9") as peer:
        await peer.boot()
        await peer.until(lambda: peer.calls("GetConfiguration"))
        await asyncio.sleep(0.02)
        assert central.pending["CP9"].model == "Box"


async def test_a_stranger_that_asked_is_accepted_live(central: CentralSystem, site: Site) -> None:
    async with Peer(central, "CP9") as peer:
        await peer.boot()
        await peer.until(lambda: peer.calls("GetConfiguration"))
        station = central.add_station("CP9")
        assert not station.online
        assert station.info.model == "Box"
        await peer.until(lambda: peer.calls("TriggerMessage"))
        assert (await peer.boot())["status"] == "Accepted"
        await peer.until(lambda: station.online)
        assert "CP9" not in central.pending
        assert (await peer.call("Heartbeat"))[0] == 3


async def test_a_stranger_that_takes_no_trigger_asks_again_by_itself(
    central: CentralSystem,
) -> None:
    async with Peer(central, "CP9") as peer:
        peer.answers["TriggerMessage"] = "NotSupported"
        await peer.boot()
        station = central.add_station("CP9")
        await peer.until(lambda: peer.calls("TriggerMessage"))
        assert (await peer.boot())["status"] == "Accepted"
        await peer.until(lambda: station.online)


async def test_a_stranger_that_stays_silent_has_to_connect_again(central: CentralSystem) -> None:
    async with Peer(central, "CP9") as peer:
        await peer.boot()
        central.add_station("CP9")
        async with asyncio.timeout(3):
            await peer.closed.wait()
        assert peer.ws.close_code == 1012


async def test_a_stranger_that_never_booted_comes_in_at_once(
    central: CentralSystem,
) -> None:
    async with Peer(central, "CP9") as peer:
        station = central.add_station("CP9", evses=2)
        assert station.online
        assert station.info.evses == 2
        await peer.call("Heartbeat")


async def test_a_stranger_that_has_to_log_in_connects_again(central: CentralSystem) -> None:
    async with Peer(central, "CP9") as peer:
        await peer.boot()
        station = central.add_station("CP9", "scrypt$4,8,1$AAAA$AAAA")
        await peer.closed.wait()
        assert peer.ws.close_code == 1012
        assert not station.online
