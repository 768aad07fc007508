"""Stations of other integrations: the example of the documentation, and a box that it speaks to."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiohttp import web
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

import custom_components
from custom_components.forecourt import plugin
from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.station import StationInfo
from custom_components.forecourt.plugin import AbsentStation, async_offer_station, offered
from custom_components.forecourt.stations.base import CanStart, Failure, StationError

from .conftest import ANNA, SetUp, a_station, a_user, until

EXAMPLES = Path(__file__).parents[2] / "docs/examples"
EVSE = EvseId("EXAMPLE", 1)


class Box:
    """The wallbox of the example: JSON over HTTP. A car takes what it may."""

    def __init__(self) -> None:
        self.state: dict[str, Any] = {
            "plugged": False,
            "plug_in": "0",
            "power_w": 0,
            "energy_wh": 1000,
        }
        self.limit_a: int | None = None
        self.url = ""

    async def tell(self, _: web.Request) -> web.Response:
        self.state["energy_wh"] += 5 if self.state["power_w"] else 0
        return web.json_response(self.state)

    async def take(self, request: web.Request) -> web.Response:
        self.limit_a = (await request.json())["limit_a"]
        self.state["power_w"] = self.limit_a * 690 if self.state["plugged"] else 0
        return web.Response()

    def plug(self, plug_in: str) -> None:
        self.state |= {"plugged": True, "plug_in": plug_in}

    def unplug(self) -> None:
        self.state |= {"plugged": False, "power_w": 0}


@pytest.fixture
async def box(socket_enabled: None) -> AsyncIterator[Box]:
    made = Box()
    app = web.Application()
    app.router.add_get("/", made.tell)
    app.router.add_post("/", made.take)
    runner = web.AppRunner(app)
    await runner.setup()
    server = web.TCPSite(runner, "127.0.0.1", 0)
    await server.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield made
    await runner.cleanup()


@pytest.fixture
async def example(hass: HomeAssistant, box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Home Assistant find the example, as if it were installed."""
    monkeypatch.setattr(custom_components, "__path__", [*custom_components.__path__, str(EXAMPLES)])
    hass.data.pop("custom_components", None)


def discovered(hass: HomeAssistant) -> list[Any]:
    flows = hass.config_entries.flow.async_progress_by_handler("forecourt")
    return [flow for flow in flows if flow["step_id"] == "discovered"]


async def test_the_example_charges(
    hass: HomeAssistant, set_up_site: SetUp, box: Box, example: None
) -> None:
    entry = await set_up_site(subentries=[a_user(ANNA, "Anna")])
    assert await async_setup_component(
        hass, "forecourt_example", {"forecourt_example": {"url": box.url}}
    )
    await hass.async_block_till_done()
    [flow] = discovered(hass)
    done = await hass.config_entries.flow.async_configure(
        flow["flow_id"], {"name": "Shed", "max_current_a": 16}
    )
    assert done["reason"] == "wallbox_added"
    await hass.async_block_till_done()
    hub = entry.runtime_data
    await until(lambda: EVSE in hub.site.board and hub.site.board[EVSE].status == "available")
    assert not discovered(hass)

    box.plug("1")
    await until(lambda: hub.site.board[EVSE].status == "preparing")
    assert box.limit_a == 0
    [outlet] = [
        device
        for device in dr.async_child_entries_for_config_entry(dr.async_get(hass), "site")
        if any(name.startswith("evse_EXAMPLE") for _, name in device.identifiers)
    ]
    await hass.services.async_call(
        "forecourt", "start_session", {"device_id": outlet.id, "user": "Anna"}, blocking=True
    )
    await until(lambda: box.limit_a == 16)
    session = hub.site.books.session(EVSE)
    await until(lambda: hub.site.books.session(EVSE).energy_wh > 0)

    # A restart of the site in the middle of the charge.
    await hass.config_entries.async_reload(entry.entry_id)
    hub = entry.runtime_data
    await until(lambda: hub.site.board[EVSE].online)
    before = hub.site.books.session(EVSE)
    assert (before.id, before.user_id) == (session.id, ANNA)
    await until(lambda: hub.site.books.session(EVSE).energy_wh > before.energy_wh)

    box.unplug()
    await until(lambda: hub.site.books.session(EVSE) is None)
    [booked] = await hub.ledger.sessions(station_id="EXAMPLE", limit=5)
    assert (booked.id, booked.user_id) == (session.id, ANNA)
    assert booked.energy_wh <= box.state["energy_wh"] - 1000
    assert booked.status == "closed"
    await hass.config_entries.async_unload(entry.entry_id)


def test_the_example_is_short() -> None:
    source = (EXAMPLES / "forecourt_example/__init__.py").read_text(encoding="utf-8")
    assert len(source.splitlines()) <= 80


class Silent:
    """A station that only says that it is there."""

    def __init__(self, info: StationInfo, *, closes_in_s: float = 0) -> None:
        self.info = info
        self.online = True
        self.fallback_current_a = 6
        self.closed = 0
        self._closes_in_s = closes_in_s

    def supports(self, capability: type) -> bool:
        return False

    async def apply(self, setpoint: Any) -> None:
        """Take any."""

    async def close(self) -> None:
        await asyncio.sleep(self._closes_in_s)
        self.closed += 1


SHED = StationInfo(id="SHED", protocol="test", evses=2)
A_SHED = a_station("SHED", "Shed", evses=2, driver="test")


def online(entry: MockConfigEntry) -> list[bool]:
    return [state.online for state in entry.runtime_data.site.board.of("SHED")]


async def test_what_cannot_be_offered(hass: HomeAssistant) -> None:
    def make(_: Any) -> Silent:
        return Silent(SHED)

    with pytest.raises(ValueError, match="'a b' cannot be the identity"):
        async_offer_station(hass, StationInfo(id="a b", protocol="test"), make)
    with pytest.raises(ValueError, match="'SHED' needs an outlet"):
        async_offer_station(hass, StationInfo(id="SHED", protocol="test", evses=0), make)
    async_offer_station(hass, SHED, make)
    with pytest.raises(ValueError, match="'SHED' is offered already, by test"):
        async_offer_station(hass, StationInfo(id="SHED", protocol="other"), make)


async def test_it_appears_and_is_taken_back(hass: HomeAssistant, set_up_site: SetUp) -> None:
    station = Silent(SHED)
    take_back = async_offer_station(hass, SHED, lambda _: station)
    entry = await set_up_site()
    await hass.async_block_till_done()
    assert len(discovered(hass)) == 1
    take_back()
    await hass.async_block_till_done()
    assert not discovered(hass)
    assert offered(hass, "SHED") is None

    take_back = async_offer_station(hass, SHED, lambda _: station)
    await hass.async_block_till_done()
    [flow] = discovered(hass)
    await hass.config_entries.flow.async_configure(
        flow["flow_id"], {"name": "Shed", "max_current_a": 16}
    )
    await hass.async_block_till_done()
    assert online(entry) == [True, True]
    take_back()
    take_back()
    await hass.async_block_till_done()
    assert station.closed == 1
    assert online(entry) == [False, False]
    assert "SHED" in entry.runtime_data.site.stations


async def test_an_absent_one_refuses() -> None:
    absent = AbsentStation(SHED)
    assert not absent.supports(CanStart)
    with pytest.raises(StationError) as away:
        await absent.apply(None)  # type: ignore[arg-type]
    assert away.value.failure is Failure.OFFLINE


async def test_its_owner_changes_and_removes_it(hass: HomeAssistant, set_up_site: SetUp) -> None:
    station = Silent(SHED)
    async_offer_station(hass, SHED, lambda _: station)
    entry = await set_up_site(subentries=[A_SHED])
    await hass.async_block_till_done()
    [subentry] = entry.subentries.values()
    result = await entry.start_subentry_reconfigure_flow(hass, subentry.subentry_id)
    assert result["step_id"] == "edit_declared"
    done = await hass.config_entries.subentries.async_configure(
        result["flow_id"], {"name": "Hut", "max_current_a": 10, "fallback_current_a": 6}
    )
    assert done["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    assert entry.runtime_data.site.board.limits(EvseId("SHED", 1)).max_current_a == 10
    assert not station.closed
    hass.config_entries.async_remove_subentry(entry, subentry.subentry_id)
    await hass.async_block_till_done()
    assert station.closed == 1
    assert "SHED" not in entry.runtime_data.site.stations


async def test_its_integration_reloads(hass: HomeAssistant, set_up_site: SetUp) -> None:
    made: list[Silent] = []

    def make(_: Any) -> Silent:
        made.append(Silent(SHED, closes_in_s=0.05))
        return made[-1]

    take_back = async_offer_station(hass, SHED, make)
    entry = await set_up_site(subentries=[A_SHED])
    await hass.async_block_till_done()
    for number in range(1, 4):
        # The one before is still closing.
        take_back()
        take_back = async_offer_station(hass, SHED, make)
        await until(
            lambda number=number: (
                len(made) == number + 1
                and [one.closed for one in made] == [1] * number + [0]
                and entry.runtime_data.site.stations["SHED"] is made[-1]
            )
        )
        assert online(entry) == [True, True]
    # The site goes while the station does.
    take_back()
    await hass.config_entries.async_unload(entry.entry_id)
    await until(lambda: [one.closed for one in made] == [1, 1, 1, 1])
    take_back = async_offer_station(hass, SHED, make)
    await hass.async_block_till_done()
    assert len(made) == 4
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert entry.runtime_data.site.stations["SHED"] is made[4]


async def test_it_is_removed_while_it_comes(hass: HomeAssistant, set_up_site: SetUp) -> None:
    first, second = Silent(SHED, closes_in_s=0.05), Silent(SHED)
    take_back = async_offer_station(hass, SHED, lambda _: first)
    entry = await set_up_site(subentries=[A_SHED])
    await hass.async_block_till_done()
    [subentry_id] = entry.subentries
    take_back()
    async_offer_station(hass, SHED, lambda _: second)
    hass.config_entries.async_remove_subentry(entry, subentry_id)
    await until(lambda: first.closed == 1)
    await hass.async_block_till_done()
    await until(lambda: not entry.runtime_data.site.board.of("SHED"))
    assert "SHED" not in entry.runtime_data.site.stations
    assert not entry.runtime_data.site.board.of("SHED")


async def test_its_faults_are_its_own(
    hass: HomeAssistant,
    set_up_site: SetUp,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plugin, "CLOSE_S", 0.05)

    def broken(_: Any) -> Silent:
        raise RuntimeError("no driver")

    stranger = Silent(StationInfo(id="OTHER", protocol="test"))
    slow = Silent(SHED, closes_in_s=60)
    take_back = async_offer_station(hass, SHED, broken)
    entry = await set_up_site(subentries=[A_SHED])
    await hass.async_block_till_done()
    assert online(entry) == [False, False]
    assert "The station SHED of test cannot be made" in caplog.text
    assert "no driver" in caplog.text
    take_back()
    take_back = async_offer_station(hass, SHED, lambda _: stranger)
    await hass.async_block_till_done()
    assert online(entry) == [False, False]
    assert stranger.closed == 1
    assert "OTHER" not in entry.runtime_data.site.stations
    assert "The station SHED of test calls itself otherwise" in caplog.text
    take_back()
    async_offer_station(hass, SHED, lambda _: slow)
    await hass.async_block_till_done()
    assert online(entry) == [True, True]
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert "The station SHED was not closed in order" in caplog.text


async def test_an_identity_belongs_to_one(
    hass: HomeAssistant, set_up_site: SetUp, caplog: pytest.LogCaptureFixture
) -> None:
    entry = await set_up_site(subentries=[A_SHED, a_station()])
    ours = entry.runtime_data.site.stations["GARAGE"]
    info = StationInfo(id="GARAGE", protocol="test")
    take_back = async_offer_station(hass, info, lambda _: Silent(info))
    await hass.async_block_till_done()
    assert not discovered(hass)
    assert entry.runtime_data.site.stations["GARAGE"] is ours
    assert "GARAGE that test offers cannot be added: Garage has this identity" in caplog.text
    take_back()
    stolen = StationInfo(id="SHED", protocol="thief", evses=2)
    async_offer_station(hass, stolen, lambda _: Silent(stolen))
    await hass.async_block_till_done()
    assert online(entry) == [False, False]
    assert "SHED was brought by test, so it is not served for thief" in caplog.text
