"""The search for wallboxes that speak Modbus, as a user has it in the dialog."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from homeassistant.components.network.const import DOMAIN as NETWORK
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import EVENT_DATA_ENTRY_FLOW_PROGRESS_UPDATE, FlowResultType
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry, async_capture_events

from custom_components.forecourt.const import DOMAIN
from simulator import ModbusConfig, ModbusStation
from simulator.modbus.server import Fault, RegisterServer, Tables

from .conftest import SetUp, a_station
from .dialogs import Desk, Dialog, stations
from .test_config_flow_station import connect_screen

# A test reaches 127.0.0.1 only; whatever else is looked at is not there.
pytestmark = pytest.mark.filterwarnings("ignore:A test tried to use")

HERE = "127.0.0.1"


@pytest.fixture
async def box(socket_enabled: None, tmp_path: Path) -> AsyncIterator[ModbusStation]:
    async with ModbusStation(ModbusConfig(identity="BOX", model="keba_p30")) as running:
        keba_at(tmp_path, running.port)
        yield running


def keba_at(folder: Path, port: int, *names: str) -> None:
    """Have KEBAs at another port than the one that only root can open."""
    own = folder / DOMAIN / "profiles"
    own.mkdir(parents=True, exist_ok=True)
    for name in names or ("keba_p30",):
        own.joinpath(f"{name}.yaml").write_text(
            f"format: 1\nid: {name}\nextends: keba_p30\ntransport: {{port: {port}}}\n"
        )


async def search(desk: Desk, site: MockConfigEntry, where: str) -> Dialog:
    dialog = await connect_screen(desk, site)
    await dialog.choose("connect", "other")
    await dialog.choose("other", "scan")
    await dialog.answer("scan", network=where)
    return dialog


async def test_found_and_added(
    hass: HomeAssistant, set_up_site: SetUp, desk: Desk, box: ModbusStation
) -> None:
    site = await set_up_site(subentries=[])
    told = async_capture_events(hass, EVENT_DATA_ENTRY_FLOW_PROGRESS_UPDATE)
    dialog = await search(desk, site, f"127.0.0.2, {HERE} ")
    assert dialog.shown["type"] is FlowResultType.SHOW_PROGRESS
    await dialog.progress("scanned")
    assert [event.data["progress"] for event in told] == [0.5, 1.0]
    assert dialog.options("box") == [f"{HERE} keba_p30"]
    await dialog.answer("scanned", box=f"{HERE} keba_p30")
    assert "21212121" in dialog.placeholders["serial"]
    await dialog.answer("found", name="Garage", max_current_a=16)
    await hass.async_block_till_done()
    (station,) = stations(site)
    assert station.data["link"] == {"host": HERE, "port": box.port, "unit": 255, "kind": "tcp"}

    # What the site has is left in peace, and not found again.
    dialog = await search(desk, site, HERE)
    await dialog.progress("nothing_found")
    await dialog.choose("nothing_found", "scan")
    assert dialog.filled == {"network": HERE}


async def test_found_for_another_that_was_there(
    hass: HomeAssistant, set_up_site: SetUp, desk: Desk, box: ModbusStation
) -> None:
    site = await set_up_site(subentries=[a_station()])
    dialog = await desk.edit(site, stations(site)[0])
    await dialog.choose("reconfigure", "replace")
    await dialog.choose("replace", "scan")
    await dialog.answer("scan", network=HERE)
    await dialog.progress("scanned")
    await dialog.answer("scanned", box=f"{HERE} keba_p30")
    await dialog.answer("replace_found", max_current_a=16)
    await hass.async_block_till_done()
    (station,) = stations(site)
    assert (station.data["station_id"], station.data["profile"]) == ("GARAGE", "keba_p30")

    # It may be replaced by one at the same address, which is looked at then.
    dialog = await desk.edit(site, station)
    await dialog.choose("reconfigure", "replace")
    await dialog.choose("replace", "scan")
    await dialog.answer("scan", network=HERE)
    await dialog.progress("scanned")


async def test_several_models_look_alike(
    hass: HomeAssistant, set_up_site: SetUp, desk: Desk, box: ModbusStation, tmp_path: Path
) -> None:
    keba_at(tmp_path, box.port, "mine")
    site = await set_up_site(subentries=[])
    dialog = await search(desk, site, HERE)
    await dialog.progress("scanned")
    assert dialog.options("box") == [f"{HERE} keba_p30", f"{HERE} mine"]
    await box.fault("exception", code=4)
    await dialog.answer("scanned", box=f"{HERE} mine")
    assert dialog.errors == {"base": "link_busy"}
    assert dialog.placeholders["hint"]


@pytest.mark.parametrize(
    "where", ["", " , ", "garage", "10.0.0.0/16", "8.8.8.8", "192.168.1.0/24 192.168.2.0/24"]
)
async def test_where_it_does_not_look(
    hass: HomeAssistant, set_up_site: SetUp, desk: Desk, where: str
) -> None:
    dialog = await search(desk, await set_up_site(subentries=[]), where)
    assert dialog.errors == {"network": "network_invalid"}


@pytest.mark.parametrize(
    ("addresses", "network"),
    [
        ([("lo", "127.0.0.1", 8, False), ("eth0", "192.168.7.9", 16, True)], "192.168.7.0/24"),
        ([("eth1", "10.1.2.3", 24, False), ("eth0", "10.9.8.7", 26, True)], "10.9.8.0/26"),
        ([("lo", "127.0.0.1", 8, False), ("ppp0", "8.8.4.4", 32, True)], ""),
    ],
)
async def test_where_it_looks_by_default(
    hass: HomeAssistant,
    set_up_site: SetUp,
    desk: Desk,
    addresses: list[tuple[str, str, int, bool]],
    network: str,
) -> None:
    site = await set_up_site(subentries=[])
    hass.data[NETWORK].adapters[:] = [
        {
            "name": name,
            "index": 1,
            "enabled": True,
            "auto": True,
            "default": default,
            "ipv4": [{"address": address, "network_prefix": prefix}],
            "ipv6": [],
        }
        for name, address, prefix, default in addresses
    ]
    dialog = await connect_screen(desk, site)
    await dialog.choose("connect", "other")
    await dialog.choose("other", "scan")
    assert dialog.filled == {"network": network}


async def test_closed_before_the_end(
    hass: HomeAssistant, set_up_site: SetUp, desk: Desk, tmp_path: Path, socket_enabled: None
) -> None:
    async with RegisterServer({255: Tables()}) as server:
        server.fault = Fault(silent=True)
        keba_at(tmp_path, server.port)
        station = a_station("far", profile="none_such", link={})
        site = await set_up_site(subentries=[station])
        dialog = await search(desk, site, HERE)
        async with asyncio.timeout(20):
            while not server.clients:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert searches()
        dialog.close()
        assert all(task.cancelling() for task in searches())
        async with asyncio.timeout(20):
            while server.clients or searches():  # noqa: ASYNC110
                await asyncio.sleep(0.01)


def searches() -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks() if task.get_name() == "forecourt search"]
