"""Stations of other integrations: the example of the documentation, and a box that it speaks to."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiohttp import web
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

import custom_components
from custom_components.forecourt import plugin
from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.session import Session
from custom_components.forecourt.core.model.station import StationInfo
from custom_components.forecourt.plugin import AbsentStation, async_offer_station, offered
from custom_components.forecourt.stations.base import CanStart, Failure, StationError

from .conftest import ANNA, BEN, SetUp, a_station, a_user, until

EXAMPLES = Path(__file__).parents[2] / "docs/examples"
EVSE = EvseId("EXAMPLE", 1)
STATUS_ENTITY = "sensor.shed_outlet_1_status"


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
        self.fault: int | None = None
        self.url = ""

    async def tell(self, _: web.Request) -> web.Response:
        if self.fault is not None:
            return web.Response(status=self.fault)
        self.state["energy_wh"] += 5 if self.state["power_w"] else 0
        return web.json_response(self.state)

    async def take(self, request: web.Request) -> web.Response:
        if self.fault is not None:
            return web.Response(status=self.fault)
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


async def add_example(hass: HomeAssistant, set_up_site: SetUp, box: Box) -> MockConfigEntry:
    """Have the owner add what the example offers, and return the entry of the site."""
    entry = await set_up_site(subentries=[a_user(ANNA, "Anna"), a_user(BEN, "Ben")])
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
    await until(lambda: status(entry) == "available")
    return entry


def status(entry: MockConfigEntry) -> str | None:
    board = entry.runtime_data.site.board
    return board[EVSE].status if EVSE in board else None


def session(entry: MockConfigEntry) -> Session | None:
    found: Session | None = entry.runtime_data.site.books.session(EVSE)
    return found


async def let_in(hass: HomeAssistant, user: str) -> None:
    [outlet] = [
        device
        for device in dr.async_child_entries_for_config_entry(dr.async_get(hass), "site")
        if any(name.startswith("evse_EXAMPLE") for _, name in device.identifiers)
    ]
    await hass.services.async_call(
        "forecourt", "start_session", {"device_id": outlet.id, "user": user}, blocking=True
    )


async def booked(entry: MockConfigEntry) -> list[tuple[str | None, str, int]]:
    """Return user, status and energy of all sessions, the oldest first."""
    found = await entry.runtime_data.ledger.sessions(station_id="EXAMPLE", limit=9)
    found = sorted(found, key=lambda one: one.started_at)
    return [(one.user_id, one.status.value, one.energy_wh) for one in found]


async def test_the_example_charges(
    hass: HomeAssistant, set_up_site: SetUp, box: Box, example: None
) -> None:
    entry = await add_example(hass, set_up_site, box)
    assert not discovered(hass)
    with pytest.raises(HomeAssistantError):
        await let_in(hass, "Anna")

    box.plug("1")
    await until(lambda: status(entry) == "preparing")
    assert box.limit_a == 0
    await let_in(hass, "Anna")
    await until(lambda: box.limit_a == 16)
    began = session(entry)
    assert began is not None
    await until(lambda: session(entry).energy_wh > 0)
    assert hass.states.get("sensor.shed_outlet_1_current_user").state == "Anna"

    # A restart of the site in the middle of the charge.
    await hass.config_entries.async_reload(entry.entry_id)
    await until(lambda: entry.runtime_data.site.board[EVSE].online)
    before = session(entry)
    assert (before.id, before.user_id) == (began.id, ANNA)
    await until(lambda: session(entry).energy_wh > before.energy_wh)

    box.unplug()
    await until(lambda: session(entry) is None)
    assert await booked(entry) == [(ANNA, "closed", box.state["energy_wh"] - 1000)]
    await hass.config_entries.async_unload(entry.entry_id)


async def test_what_the_example_has_stopped_flows_no_more(
    hass: HomeAssistant, set_up_site: SetUp, box: Box, example: None
) -> None:
    entry = await add_example(hass, set_up_site, box)
    box.plug("1")
    await until(lambda: status(entry) == "preparing")
    await let_in(hass, "Anna")
    # Told, so that the end has what the meter shows: it is read once a second.
    await until(lambda: session(entry).energy_wh > 0)
    await entry.runtime_data.site.orders.stop(EVSE)
    await until(lambda: status(entry) == "preparing")
    assert (box.limit_a, box.state["power_w"]) == (0, 0)
    # The same car once more.
    await let_in(hass, "Anna")
    stopped_wh = box.state["energy_wh"]
    await until(lambda: box.state["energy_wh"] > stopped_wh)
    box.unplug()
    await until(lambda: session(entry) is None)
    # An order to the charge may have been under way when it ended.
    await until(lambda: box.limit_a == 0)
    assert await booked(entry) == [(ANNA, "closed", box.state["energy_wh"] - 1000)]
    await hass.config_entries.async_unload(entry.entry_id)


async def test_the_car_leaves_the_example_while_the_site_is_away(
    hass: HomeAssistant, set_up_site: SetUp, box: Box, example: None
) -> None:
    entry = await add_example(hass, set_up_site, box)
    for plug_in, user in (("1", "Anna"), ("2", "Ben")):
        box.plug(plug_in)
        await until(lambda: status(entry) == "preparing")
        await let_in(hass, user)
        await until(lambda: session(entry).energy_wh > 0)
        await hass.config_entries.async_unload(entry.entry_id)
        box.state["energy_wh"] += 1_500
        box.unplug()
        if user == "Ben":
            # Another car came meanwhile.
            box.plug("3")
        middle_wh = box.state["energy_wh"]
        await hass.config_entries.async_setup(entry.entry_id)
        await until(lambda: session(entry) is None)
    await until(lambda: status(entry) == "preparing")
    assert box.limit_a == 0
    anna, ben = await booked(entry)
    assert (anna[:2], ben[:2]) == ((ANNA, "closed"), (BEN, "closed"))
    assert min(anna[2], ben[2]) > 1_500
    assert anna[2] + ben[2] == middle_wh - 1000
    await hass.config_entries.async_unload(entry.entry_id)


async def test_the_box_of_the_example_breaks_and_recovers(
    hass: HomeAssistant, set_up_site: SetUp, box: Box, example: None
) -> None:
    entry = await add_example(hass, set_up_site, box)
    box.plug("1")
    await until(lambda: status(entry) == "preparing")
    await let_in(hass, "Anna")
    await until(lambda: session(entry).energy_wh > 0)
    box.fault = 500
    await until(lambda: not entry.runtime_data.site.board[EVSE].online)
    await until(lambda: hass.states.get(STATUS_ENTITY).state == "unavailable")
    box.fault = None
    await until(lambda: hass.states.get(STATUS_ENTITY).state == "charging")
    before = session(entry)
    await until(lambda: session(entry).energy_wh > before.energy_wh)
    box.unplug()
    await until(lambda: session(entry) is None)
    assert await booked(entry) == [(ANNA, "closed", box.state["energy_wh"] - 1000)]
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
    take_back = async_offer_station(hass, SHED, lambda _: None)  # type: ignore[arg-type,return-value]
    await hass.async_block_till_done()
    assert online(entry) == [False, False]
    assert caplog.text.count("The station SHED of test cannot be made") == 2
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
