"""The card reader, with the server at hand."""

from __future__ import annotations

import asyncio

import pytest

from simulator import ManualClock

from .conftest import Dial
from .server import ID, Server

FAMILY = {"status": "Accepted", "parentIdTag": "FAMILY"}


async def test_tap_then_plug(server: Server, dial: Dial) -> None:
    station = await dial()
    assert await station.tap("04AA") == "waiting"
    await station.wait_for(lambda _: server.status() == "Preparing")
    assert server.calls("StartTransaction") == []
    await station.plug(1, "family")
    await station.wait_for(lambda _: server.calls("StartTransaction"))
    assert server.calls("Authorize") == [{"idTag": "04AA"}]


async def test_tap_and_never_plug(server: Server, dial: Dial) -> None:
    clock = ManualClock()
    station = await dial(clock=clock, tick_s=1.0, settings={"ConnectionTimeOut": "30"})
    await station.tap("04AA")
    await clock.advance(29)
    assert station.connector(1).status == "Preparing"
    await clock.advance(2)
    assert station.connector(1).status == "Available"
    await station.plug(1, "family")
    await clock.advance(5)
    assert server.calls("StartTransaction") == []


async def test_plug_and_never_tap(server: Server, dial: Dial) -> None:
    clock = ManualClock()
    settings = {"ConnectionTimeOut": "30"}
    station = await dial(clock=clock, tick_s=1.0, settings=settings, plug_expires=True)
    await clock.advance(100)
    await station.plug(1, "family")
    await clock.advance(29)
    assert station.connector(1).status == "Preparing"
    await clock.advance(2)
    assert station.connector(1).status == "Finishing"
    # Who comes late may charge all the same.
    assert await station.tap("04AA") == "started"


async def test_a_second_tap_takes_it_back(dial: Dial) -> None:
    station = await dial()
    assert [await station.tap("04AA"), await station.tap("04aa")] == ["waiting", "cancelled"]
    assert station.connector(1).status == "Available"


@pytest.mark.parametrize("status", ["Invalid", "Blocked", "Expired", "ConcurrentTx"])
async def test_a_card_that_is_not_allowed(server: Server, dial: Dial, status: str) -> None:
    server.tags["04AA"] = {"status": status}
    station = await dial()
    await station.plug(1, "family")
    assert await station.tap("04AA") == "refused"
    assert [(line["card"], line["status"]) for line in station.books.refused] == [("04AA", status)]
    assert station.connector(1).status == "Preparing"


async def test_an_error_is_no_permission(server: Server, dial: Dial) -> None:
    server.answers["Authorize"] = lambda _: [4, ID, "InternalError", "", {}]
    station = await dial(settings={"AllowOfflineTxForUnknownId": "true"})
    assert await station.tap("04AA") == "refused"


async def test_a_server_that_does_not_answer_is_as_good_as_none(server: Server, dial: Dial) -> None:
    server.answers["Authorize"] = lambda _: None
    settings = {"AllowOfflineTxForUnknownId": "true"}
    station = await dial(call_timeout_s=0.02, settings=settings)
    assert await station.tap("04AA") == "waiting"


async def test_pre_authorisation_saves_the_question(server: Server, dial: Dial) -> None:
    station = await dial(settings={"LocalPreAuthorize": "true"})
    server.tags["04BB"] = {"status": "Blocked"}
    for card in ("04AA", "04BB"):
        await station.tap(card)
        await station.tap(card)
    assert await station.tap("04AA") == "waiting"
    assert [one["idTag"] for one in server.calls("Authorize")] == ["04AA", "04BB", "04BB"]


async def test_another_card_may_stop_only_as_family(server: Server, dial: Dial) -> None:
    server.tags |= {"04AA": FAMILY, "04BB": FAMILY}
    station = await dial()
    await station.plug(1, "family")
    assert await station.tap("04AA") == "started"
    assert await station.tap("04CC") == "busy"
    assert await station.tap("04BB") == "stopped"
    await station.wait_for(lambda _: server.calls("StopTransaction"))
    [stop] = server.calls("StopTransaction")
    assert (stop["reason"], stop["idTag"]) == ("Local", "04BB")


async def test_the_parent_may_be_known_only_from_the_start(server: Server, dial: Dial) -> None:
    station = await dial(autostart_tag="04AA")
    server.tags |= {"04AA": FAMILY, "04BB": FAMILY}
    await station.plug(1, "family")
    await station.wait_for(lambda s: s.books.transactions[0].start_delivered)
    assert await station.tap("04BB") == "stopped"


async def test_the_reader_finds_the_connector(server: Server, dial: Dial) -> None:
    station = await dial(connectors=3)
    await station.plug(2, "family")
    assert await station.tap("04AA") == "started"
    assert station.connector(2).transaction is not None
    assert await station.tap("04BB") == "waiting"
    assert station.connector(1).grant is not None
    assert await station.tap("04CC", 3) == "waiting"
    assert await station.tap("04DD", 2) == "busy"
    assert await station.tap("04AA") == "stopped"
    # The car is still there: it may charge again without being plugged anew.
    assert station.connector(2).status == "Finishing"
    assert await station.tap("04DD", 2) == "started"


async def test_some_stations_want_the_car_replugged_first(dial: Dial) -> None:
    station = await dial(finishing_blocks=True)
    await station.plug(1, "family")
    assert [await station.tap("04AA") for _ in range(3)] == ["started", "stopped", "ignored"]
    await station.plug(1, await station.unplug())
    assert await station.tap("04AA") == "started"


async def test_a_reader_without_power_or_out_of_service(server: Server, dial: Dial) -> None:
    station = await dial()
    await server.call("ChangeAvailability", {"connectorId": 1, "type": "Inoperative"})
    await station.wait_for(lambda _: server.status() == "Unavailable")
    assert await station.tap("04AA") == "ignored"
    await station.fault("power_loss")
    assert await station.tap("04AA") == "ignored"
    assert server.calls("Authorize") == []


async def test_a_connector_that_goes_while_the_server_thinks(server: Server, dial: Dial) -> None:
    station = await dial()
    server.answers["Authorize"] = lambda _: None
    tapping = asyncio.ensure_future(station.tap("04AA"))
    await station.wait_for(lambda _: server.calls("Authorize"))
    await station.fault("connector_error")
    await server.send([3, server.ids[-1], {"idTagInfo": {"status": "Accepted"}}])
    # The station's answer to the error went first, so it may be asked which came last.
    assert await tapping == "ignored"


async def test_charging_without_a_card(server: Server, dial: Dial) -> None:
    station = await dial(autostart_tag="HOME")
    await station.plug(1, "city")
    await station.wait_for(lambda s: s.books.transactions[0].start_delivered)
    assert server.calls("Authorize") == []
    assert server.calls("StartTransaction")[0]["idTag"] == "HOME"
