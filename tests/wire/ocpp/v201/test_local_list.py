"""The list of cards in a station of OCPP 2.x, which is kept as in 1.6 but for the payloads."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from custom_components.forecourt.core.model.token import (
    Authorization,
    AuthorizationReason,
    AuthorizationStatus,
    Token,
    TokenKind,
)
from custom_components.forecourt.stations.base import HeldToken
from custom_components.forecourt.stations.ocpp import CentralSystem, OcppStation
from custom_components.forecourt.stations.ocpp.tokens import group_tag
from simulator import Clock, Config201, Ocpp201Station
from tests.wire.ocpp.conftest import QUICK, MakeCentral

from .peer import Peer201

ANNAS = HeldToken(
    token=Token("04AABBCC"),
    authorization=Authorization(
        status=AuthorizationStatus.ACCEPTED,
        reason=AuthorizationReason.KNOWN_USER,
        group="user:anna",
        expires_at=datetime(2040, 6, 1, 12, tzinfo=UTC),
    ),
)
BARRED = HeldToken(
    token=Token("E004010203", TokenKind.CARD_15693),
    authorization=Authorization(
        status=AuthorizationStatus.BLOCKED, reason=AuthorizationReason.BLOCKED_TOKEN
    ),
)


async def test_the_messages(station: OcppStation, peer: Peer201) -> None:
    peer.answers["GetLocalListVersion"] = {"versionNumber": 4}
    await station.hold_tokens([ANNAS, BARRED])
    peer.answers["GetLocalListVersion"] = {"versionNumber": 5}
    await station.hold_tokens([BARRED])
    await station.hold_tokens([])
    assert peer.calls("SendLocalList") == [
        {
            "versionNumber": 5,
            "localAuthorizationList": [
                {
                    "idToken": {"idToken": "04AABBCC", "type": "ISO14443"},
                    "idTokenInfo": {
                        "status": "Accepted",
                        "groupIdToken": {"idToken": group_tag("user:anna"), "type": "Central"},
                        "cacheExpiryDateTime": "2040-06-01T12:00:00Z",
                    },
                },
                {
                    "idToken": {"idToken": "E004010203", "type": "ISO15693"},
                    "idTokenInfo": {"status": "Blocked"},
                },
            ],
            "updateType": "Full",
        },
        {
            "versionNumber": 6,
            "localAuthorizationList": [{"idToken": {"idToken": "04AABBCC", "type": "ISO14443"}}],
            "updateType": "Differential",
        },
        # An empty one is told by leaving it out.
        {"versionNumber": 7, "updateType": "Full"},
    ]


async def test_the_cache_is_cleared(station: OcppStation, peer: Peer201) -> None:
    await station.forget_cached_tokens()
    assert peer.calls("ClearCache") == [{}]


async def test_a_station_that_goes_elsewhere_takes_no_cards_along(
    central: CentralSystem, station: OcppStation, peer: Peer201
) -> None:
    peer.answers["GetLocalListVersion"] = {"versionNumber": 0}
    await station.hold_tokens([ANNAS])
    peer.answers["GetLocalListVersion"] = {"versionNumber": 1}
    await central.remove_station("CP1")
    assert peer.calls("SendLocalList")[1:] == [{"versionNumber": 2, "updateType": "Full"}]


# --- a simulated station, written against the specification ---------------------------------------


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the station tells nobody
            await asyncio.sleep(0.01)


@pytest.fixture(params=["2.0.1", "2.1"])
async def box(
    make_central: MakeCentral, request: pytest.FixtureRequest
) -> AsyncIterator[tuple[Ocpp201Station, OcppStation]]:
    central = await make_central(replace(QUICK, pong_s=1, probe_s=0.2))
    station = central.add_station("SIM-1")
    config = Config201(
        "SIM-1", version=request.param, tick_s=0.02, reconnect_s=0.05, call_timeout_s=2.0
    )
    url = f"ws://127.0.0.1:{central.port}"
    async with Ocpp201Station(config, url, clock=Clock(speed=60)) as box:
        await until(lambda: station.online)
        yield box, station
    assert box.books.violations == []


async def test_a_station_that_is_alone_knows_whom_to_let_in(
    box: tuple[Ocpp201Station, OcppStation],
) -> None:
    simulated, station = box
    guest = replace(ANNAS, token=Token("04DDEEFF"))
    await station.hold_tokens([ANNAS, BARRED, guest])
    await station.hold_tokens([ANNAS, BARRED])
    assert simulated.internals.local_auth.list_size == 2
    version = simulated.internals.local_auth.version
    await station.hold_tokens([BARRED, ANNAS])
    assert simulated.internals.local_auth.version == version
    await simulated.fault("offline")
    await simulated.plug(1, "family", soc=0.2)
    assert await simulated.tap("04DDEEFF") == "refused"
    assert await simulated.tap("04AABBCC") == "started"
