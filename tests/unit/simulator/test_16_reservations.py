"""Outlets that are kept for a card."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from simulator import ManualClock
from simulator.clock import wire_time

from .charging import ACCEPTED, REJECTED
from .conftest import Dial
from .server import Server

FAR = "2099-01-01T00:00:00Z"


def reservation(connector: int = 1, number: int = 5, **fields: Any) -> dict[str, Any]:
    base = {"connectorId": connector, "expiryDate": FAR, "idTag": "04AA", "reservationId": number}
    return {**base, **fields}


async def test_a_reservation_is_for_its_card(server: Server, dial: Dial) -> None:
    station = await dial()
    assert await server.call("ReserveNow", reservation()) == ACCEPTED
    await station.wait_for(lambda _: server.status() == "Reserved")
    assert await server.call("RemoteStartTransaction", {"idTag": "04BB"}) == REJECTED
    assert await station.tap("04BB") == "busy"
    await station.plug(1, "family")
    assert station.connector(1).status == "Reserved"
    assert await station.tap("04aa") == "started"
    await station.wait_for(lambda _: server.calls("StartTransaction"))
    assert server.calls("StartTransaction")[0]["reservationId"] == 5
    assert await server.call("CancelReservation", {"reservationId": 5}) == REJECTED
    # It was for one transaction.
    await station.tap("04aa")
    assert await station.tap("04BB") == "started"
    await station.wait_for(lambda s: not len(s.outbox))
    assert "reservationId" not in server.calls("StartTransaction")[1]


async def test_a_reservation_for_the_family(server: Server, dial: Dial) -> None:
    station = await dial(connectors=2)
    server.tags["04CC"] = {"status": "Accepted", "parentIdTag": "FAMILY"}
    request = reservation(2, parentIdTag="FAMILY")
    assert await server.call("ReserveNow", request) == ACCEPTED
    await station.tap("04CC")
    # The outlet that is kept goes before the first one.
    await station.wait_for(lambda _: server.statuses(2)[-2:] == ["Reserved", "Preparing"])
    await station.plug(2, "family")
    await station.wait_for(lambda _: server.calls("StartTransaction"))
    assert server.calls("StartTransaction")[0]["reservationId"] == 5


async def test_a_remote_start_fulfils_a_reservation(server: Server, dial: Dial) -> None:
    station = await dial(connectors=2)
    await server.call("ReserveNow", reservation(2))
    await station.plug(1, "family")
    await station.plug(2, "family")
    assert await server.call("RemoteStartTransaction", {"idTag": "04AA"}) == ACCEPTED
    await station.wait_for(lambda s: s.connector(2).transaction)


async def test_it_ends_by_itself_by_cancelling_and_out_of_order(server: Server, dial: Dial) -> None:
    clock = ManualClock()
    server.now = clock.utc
    station = await dial(clock=clock, tick_s=1.0)
    soon = wire_time(clock.utc() + timedelta(seconds=30))
    assert await server.call("ReserveNow", reservation(expiryDate=soon)) == ACCEPTED
    await clock.advance(29)
    assert station.connector(1).status == "Reserved"
    await clock.advance(3)
    assert station.connector(1).status == "Available"
    await server.call("ReserveNow", reservation())
    assert await server.call("CancelReservation", {"reservationId": 5}) == ACCEPTED
    await station.wait_for(lambda _: server.status() == "Available")
    await server.call("ReserveNow", reservation())
    await station.fault("connector_error")
    await station.fault("connector_error", error_code="NoError")
    assert station.connector(1).status == "Available"
    await server.call("ReserveNow", reservation())
    await server.call("ChangeAvailability", {"connectorId": 1, "type": "Inoperative"})
    await server.call("ChangeAvailability", {"connectorId": 1, "type": "Operative"})
    await station.wait_for(lambda s: s.connector(1).operative)
    assert station.connector(1).status == "Available"


async def test_what_cannot_be_reserved(server: Server, dial: Dial) -> None:
    station = await dial(connectors=2)

    async def reserve(*args: Any, **fields: Any) -> str:
        return await server.status_of("ReserveNow", reservation(*args, **fields))

    assert await reserve(3) == "Rejected"
    assert await reserve(expiryDate="2020-01-01T00:00:00Z") == "Rejected"
    assert await reserve(expiryDate="2099-01-01T00:00:00") == "Rejected"
    assert station.books.violations_of("bad_time") == 1
    assert await reserve(1) == "Accepted"
    assert await reserve(1, 6) == "Occupied"
    # The same number replaces what was there.
    assert await reserve(1, 5, idTag="04BB") == "Accepted"
    assert await reserve(2, 5) == "Accepted"
    assert station.connector(1).status == "Available"
    await station.plug(1, "family")
    assert await reserve(1, 6) == "Occupied"
    await station.fault("connector_error")
    assert await reserve(1, 6) == "Faulted"
    await server.call("ChangeAvailability", {"connectorId": 2, "type": "Inoperative"})
    await station.wait_for(lambda s: not s.connector(2).operative)
    assert await reserve(2) == "Unavailable"
    assert await reserve(0, 7) == "Occupied"


async def test_any_outlet_of_the_station(server: Server, dial: Dial) -> None:
    station = await dial(connectors=2)
    assert await server.call("ReserveNow", reservation(0)) == ACCEPTED
    # One of the two must stay free, whichever it is.
    assert await server.status_of("ReserveNow", reservation(0, 6)) == "Accepted"
    assert await server.status_of("ReserveNow", reservation(0, 7)) == "Occupied"
    assert await server.status_of("ReserveNow", reservation(1, 7)) == "Occupied"
    await server.call("CancelReservation", {"reservationId": 6})
    await station.plug(1, "family")
    assert await station.tap("04BB") == "started"
    await station.plug(2, "compact")
    assert await station.tap("04CC") == "busy"
    assert await station.tap("04AA") == "started"
    await station.wait_for(lambda s: not len(s.outbox))
    assert server.calls("StartTransaction")[1]["reservationId"] == 5


async def test_autostart_respects_what_is_kept(server: Server, dial: Dial) -> None:
    station = await dial(autostart_tag="AUTO")
    await server.call("ReserveNow", reservation())
    await station.plug(1, "family")
    assert station.connector(1).transaction is None


@pytest.mark.parametrize(
    "options",
    [
        {"settings": {"ReserveConnectorZeroSupported": "false"}},
        {"feature_profiles": ("Core",)},
    ],
)
async def test_stations_that_cannot(server: Server, dial: Dial, options: dict[str, Any]) -> None:
    await dial(**options)
    frame = await server.call_frame("ReserveNow", reservation(0))
    assert frame[2] in ("NotSupported", REJECTED)
