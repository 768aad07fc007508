"""Stations that come in through Home Assistant's own HTTP server."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from unittest.mock import patch

from aiohttp import WSServerHandshakeError
from aiohttp.test_utils import TestClient
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
import pytest

from custom_components.forecourt.stations.ocpp import Cause, CentralSystem
from custom_components.forecourt.stations.ocpp.ha import async_serve
from tests.wire.ocpp.peer import Site, Watch, cheap_hash

SECRET = "correct horse battery"
BOOT = [2, "1", "BootNotification", {"chargePointVendor": "Acme", "chargePointModel": "Box"}]


@pytest.fixture
async def client(hass: HomeAssistant, hass_client_no_auth: Any) -> TestClient[Any, Any]:
    """Give a client of Home Assistant's HTTP server that is not logged in."""
    assert await async_setup_component(hass, "http", {})
    # The server of the tests takes no more routes once it has started.
    async_serve(hass, CentralSystem(Site(), now=Watch()))()
    client: TestClient[Any, Any] = await hass_client_no_auth()
    return client


@pytest.fixture
async def central() -> AsyncIterator[CentralSystem]:
    """Give a central system without a port of its own."""
    central = CentralSystem(Site(), now=Watch())
    yield central
    await central.stop()


def url(identity: str) -> str:
    return f"/api/forecourt/ocpp/{identity}"


@pytest.mark.parametrize("path", ["CP1", "CP1/", "C%501"])
async def test_a_station_is_served(
    hass: HomeAssistant, client: TestClient[Any, Any], central: CentralSystem, path: str
) -> None:
    unset = async_serve(hass, central)
    station = central.add_station("CP1")
    async with client.ws_connect(url(path), protocols=("ocpp1.6",)) as ws:
        assert ws.protocol == "ocpp1.6"
        await ws.send_json(BOOT)
        assert (await ws.receive_json())[2]["status"] == "Accepted"
        assert station.online
        unset()
        stopping = asyncio.create_task(central.stop())
        while not (await ws.receive()).type.name.startswith("CLOS"):
            pass
        await stopping
        assert ws.close_code == 1001
    assert not station.online


async def test_who_speaks_no_version_of_ours_is_shown_out(
    hass: HomeAssistant,
    client: TestClient[Any, Any],
    central: CentralSystem,
    caplog: pytest.LogCaptureFixture,
) -> None:
    unset = async_serve(hass, central)
    caplog.clear()
    async with client.ws_connect(url("CP1"), protocols=("ocpp1.5",)) as ws:
        assert ws.protocol is None
        await ws.receive()
        assert ws.close_code == 1002
    assert [knock.cause for knock in central.knocks] == [Cause.SUBPROTOCOL]
    assert "ocpp1.5" not in caplog.text
    unset()


async def test_without_a_site_there_is_nothing(
    hass: HomeAssistant, client: TestClient[Any, Any], central: CentralSystem
) -> None:
    assert (await client.get(url("CP1"))).status == 404
    unset = async_serve(hass, central)
    assert (await client.get(url("CP1"))).status == 400
    unset()
    assert (await client.get(url("CP1"))).status == 404


async def test_another_site_takes_the_place_of_the_first(
    hass: HomeAssistant, client: TestClient[Any, Any], central: CentralSystem
) -> None:
    first = CentralSystem(Site(), now=Watch())
    unset_first = async_serve(hass, first)
    routes = len(hass.http.app.router.routes())
    unset = async_serve(hass, central)
    assert len(hass.http.app.router.routes()) == routes, "one view per process"
    unset_first()
    assert (await client.get(url("CP1"))).status == 400
    assert central.knocks
    assert not first.knocks
    unset()


async def test_a_wrong_password_is_no_failed_login_of_home_assistant(
    hass: HomeAssistant, client: TestClient[Any, Any], central: CentralSystem
) -> None:
    """Otherwise a station with an old password would get its address banned."""
    unset = async_serve(hass, central)
    central.add_station("CP1", cheap_hash(SECRET))
    with patch("homeassistant.components.http.ban.process_wrong_login") as banned:
        for headers in ({}, {"Authorization": "Basic Q1AxOndyb25n"}):
            with pytest.raises(WSServerHandshakeError) as caught:
                await client.ws_connect(url("CP1"), protocols=("ocpp1.6",), headers=headers)
            assert caught.value.status == 401
    assert not banned.called
    causes = [knock.cause for knock in central.knocks]
    assert causes == [Cause.PASSWORD_MISSING, Cause.WRONG_PASSWORD]
    unset()
