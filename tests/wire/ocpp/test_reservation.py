"""An outlet that is held for somebody, on the wire and at a station that keeps to it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from custom_components.forecourt.core.model.evse import EvseStatus
from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.reservation import Reservation
from custom_components.forecourt.core.model.token import Token
from custom_components.forecourt.stations.base import (
    CanReserve,
    Failure,
    StationError,
    supports,
)
from custom_components.forecourt.stations.ocpp import CentralSystem, OcppStation
from custom_components.forecourt.stations.ocpp.tokens import group_tag
from simulator import Clock, Ocpp16Station, StationConfig

from .conftest import MakeCentral
from .peer import ACCEPTED, Peer, Site

CARD = Token("04AABBCC")
HELD = Reservation(
    id=7,
    evse=EvseId("CP1", 1),
    token=CARD,
    until=datetime(2030, 6, 1, 12, tzinfo=UTC),
    user_id="anna",
    group="family",
)


@pytest.fixture
async def peer(central: CentralSystem, station: OcppStation) -> AsyncIterator[Peer]:
    async with Peer(central, "CP1") as peer:
        peer.settings["SupportedFeatureProfiles"] += ",Reservation"
        yield await peer.ready()


async def test_an_outlet_is_held_and_let_go(station: OcppStation, peer: Peer) -> None:
    assert supports(station, CanReserve)
    await station.reserve(HELD)
    assert peer.calls("ReserveNow") == [
        {
            "connectorId": 1,
            "expiryDate": "2030-06-01T12:00:00Z",
            "idTag": "04AABBCC",
            "reservationId": 7,
            "parentIdTag": group_tag("family"),
        }
    ]
    await station.cancel_reservation(7)
    assert peer.calls("CancelReservation") == [{"reservationId": 7}]


async def test_without_a_group_it_is_for_the_one_card(station: OcppStation, peer: Peer) -> None:
    await station.reserve(Reservation(id=1, evse=HELD.evse, token=CARD, until=HELD.until))
    assert "parentIdTag" not in peer.calls("ReserveNow")[0]


@pytest.mark.parametrize("word", ["Occupied", "Faulted", "Rejected", "Unavailable"])
async def test_a_refusal_has_the_words_of_the_station(
    station: OcppStation, peer: Peer, word: str
) -> None:
    peer.answers["ReserveNow"] = {"status": word}
    with pytest.raises(StationError) as caught:
        await station.reserve(HELD)
    assert (caught.value.failure, caught.value.detail) == (Failure.REFUSED, word)
    assert supports(station, CanReserve)


async def test_a_reservation_that_is_not_known_cannot_be_cancelled(
    station: OcppStation, peer: Peer
) -> None:
    peer.answers["CancelReservation"] = {"status": "Rejected"}
    with pytest.raises(StationError) as caught:
        await station.cancel_reservation(7)
    assert caught.value.failure is Failure.REFUSED


async def test_a_station_that_cannot_reserve_lacks_the_capability(
    station: OcppStation, peer: Peer
) -> None:
    peer.answers["ReserveNow"] = "NotImplemented"
    with pytest.raises(StationError) as caught:
        await station.reserve(HELD)
    assert caught.value.failure is Failure.NOT_SUPPORTED
    assert not supports(station, CanReserve)


async def test_a_card_that_no_message_can_carry_is_refused(
    station: OcppStation, peer: Peer
) -> None:
    long = Reservation(id=1, evse=HELD.evse, token=Token("0" * 21), until=HELD.until)
    with pytest.raises(StationError) as caught:
        await station.reserve(long)
    assert (caught.value.failure, caught.value.detail) == (
        Failure.REFUSED,
        "idTag is too long",
    )
    assert peer.calls("ReserveNow") == []


async def test_a_start_names_its_reservation(station: OcppStation, peer: Peer, site: Site) -> None:
    await peer.start(reservationId=7)
    await peer.start(meterStart=2000)
    assert [start.reservation_id for start in site.starts] == [7, None]


# --- a simulated station, written against the specification ---------------------------------------


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the station tells nobody
            await asyncio.sleep(0.01)


def reserved(box: Ocpp16Station, *, evse: EvseId, uid: str, group: str | None) -> Reservation:
    over_at = box.time.now() + timedelta(hours=1)
    return Reservation(id=3, evse=evse, token=Token(uid), until=over_at, group=group)


@pytest.fixture
async def box(make_central: MakeCentral) -> AsyncIterator[tuple[Ocpp16Station, OcppStation]]:
    central = await make_central()
    station = central.add_station("SIM")
    config = StationConfig("SIM", tick_s=0.02, reconnect_s=0.05, call_timeout_s=2.0)
    async with Ocpp16Station(
        config, f"ws://127.0.0.1:{central.port}", clock=Clock(speed=60)
    ) as box:
        await box.wait_for(lambda s: s.ready)
        yield box, station
        assert box.books.violations == []


@pytest.mark.parametrize(
    ("uid", "group"),
    [(CARD.uid, None), (CARD.uid, "elsewhere"), ("04EEEEEE", ACCEPTED.group)],
)
async def test_the_card_that_it_is_held_for_may_charge_and_so_may_its_group(
    box: tuple[Ocpp16Station, OcppStation], site: Site, uid: str, group: str | None
) -> None:
    simulated, station = box
    await station.reserve(reserved(simulated, evse=EvseId("SIM", 1), uid=uid, group=group))
    await until(lambda: site.statuses and site.statuses[-1][1] is EvseStatus.RESERVED)
    await simulated.plug(1, "family", soc=0.2)
    assert await simulated.tap(CARD.uid) == "started"
    await until(lambda: site.starts)
    assert site.starts[0].reservation_id == 3


async def test_nobody_else_may_charge_over_atit_is_let_go(
    box: tuple[Ocpp16Station, OcppStation], site: Site
) -> None:
    simulated, station = box
    held = reserved(simulated, evse=EvseId("SIM", 1), uid="04EEEEEE", group="elsewhere")
    await station.reserve(held)
    await until(lambda: site.statuses and site.statuses[-1][1] is EvseStatus.RESERVED)
    assert await simulated.tap(CARD.uid) == "busy"
    await station.cancel_reservation(held.id)
    await until(lambda: site.statuses[-1][1] is EvseStatus.AVAILABLE)
    with pytest.raises(StationError) as caught:
        await station.cancel_reservation(held.id)
    assert caught.value.detail == "Rejected"


async def test_an_outlet_in_use_cannot_be_held(
    box: tuple[Ocpp16Station, OcppStation], site: Site
) -> None:
    simulated, station = box
    await simulated.plug(1, "family", soc=0.2)
    assert await simulated.tap(CARD.uid) == "started"
    await until(lambda: site.starts)
    with pytest.raises(StationError) as caught:
        await station.reserve(
            reserved(simulated, evse=EvseId("SIM", 1), uid="04EEEEEE", group=None)
        )
    assert caught.value.detail == "Occupied"
