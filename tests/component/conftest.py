"""These tests run the integration in a Home Assistant without a frontend."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
import errno
import logging
from pathlib import Path
import socket
from time import sleep
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from homeassistant.config_entries import ConfigEntryState, ConfigSubentryData
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.syrupy import HomeAssistantSnapshotExtension
from syrupy.assertion import SnapshotAssertion

# Before any other module named custom_components is imported: the first one is the one where
# Home Assistant looks for integrations.
from custom_components.forecourt.const import DOMAIN, station_unique_id, user_unique_id
from custom_components.forecourt.core.model.token import Token
from custom_components.forecourt.flows import connect
from custom_components.forecourt.ledger.worker import Worker
from custom_components.forecourt.vault import Vault
from simulator import ManualClock, Ocpp16Station, StationConfig
from simulator.ocpp16.commands import Commands
from simulator.ocpp16.settings import _Key

from .dialogs import Desk

NOON = datetime(2026, 11, 23, 11, tzinfo=UTC)
STEP_S = 0.25

# Real time. What the kernel delivers may need a moment more on a machine that does other things,
# and what does not come within the limit never will.
BREATH_S = 0.001
PATIENCE_S = 25

STATION = "GARAGE"
ANNA, BEN = "11111111-aaaa", "22222222-bbbb"
CARD_OF_ANNA, CARD_OF_BEN, STRANGE_CARD = "04AABBCCDDA1B2", "04AABBCCDDC3D4", "04AABBCCDDE5F6"

OPTIONS: Mapping[str, Any] = {
    "access": "known",
    "main_fuse_a": 25,
    "personal_data": "shared",
    "price_per_kwh": 0.30,
}


def a_station(station_id: str = STATION, name: str = "Garage", **data: Any) -> ConfigSubentryData:
    """Return the subentry of a station."""
    return ConfigSubentryData(
        data={
            "station_id": station_id,
            "evses": 1,
            "max_current_a": 16,
            "fallback_current_a": 6,
            **data,
        },
        subentry_type="station",
        title=name,
        unique_id=station_unique_id(station_id),
    )


def a_user(user_id: str, name: str, **data: Any) -> ConfigSubentryData:
    """Return the subentry of a user."""
    return ConfigSubentryData(
        data={"user_id": user_id, **data},
        subentry_type="user",
        title=name,
        unique_id=user_unique_id(user_id),
    )


type Commanded = list[tuple[str, dict[str, Any]]]
type SetUp = Callable[..., Coroutine[Any, Any, MockConfigEntry]]


async def until(
    condition: Callable[[], object],
    timeout: float = PATIENCE_S,  # noqa: ASYNC109
) -> None:
    """Wait for what other tasks bring about, where time passes by itself."""
    async with asyncio.timeout(timeout):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


class Time:
    """One time for Home Assistant and the simulated stations; it passes when a test says so.

    The event loop lives in it, too: `asyncio.sleep` ends when enough of it has passed.
    """

    def __init__(self, freezer: FrozenDateTimeFactory) -> None:
        freezer.move_to(NOON)
        self._working: set[asyncio.Future[Any]] = set()
        self._loop: Any = asyncio.get_running_loop()
        self._run_in_executor = self._loop.run_in_executor
        self._loop.run_in_executor = self._watch_executor
        self._freezer = freezer
        self.clock = ManualClock(speed=60, start=NOON)

    async def passes(self, seconds: float) -> None:
        """Let seconds pass, with room for messages to travel."""
        for step in range(max(1, round(seconds / STEP_S))):
            await self._step()
            if step % round(1 / STEP_S) == 0:
                await self._breathe()

    async def _step(self) -> None:
        self._freezer.tick(STEP_S)
        await self.clock.advance(STEP_S)
        await self.settle()

    async def _breathe(self, seconds: float = BREATH_S) -> None:
        """Let real time pass: the kernel may be about to deliver something."""
        await self._run_in_executor(None, sleep, seconds)
        await self.settle()

    async def during[R](self, work: Coroutine[Any, Any, R], limit_s: float = 60) -> R:
        """Let time pass while something is done, and return what came of it."""
        task = asyncio.ensure_future(work)
        await self.until(task.done, limit_s)
        return await task

    async def settle(self) -> None:
        """Let sockets, threads and the disk finish, however slow this machine is."""
        quiet = 0
        # Who never rests must not keep time from passing.
        for _ in range(1000):
            for _ in range(12):
                await asyncio.sleep(0)
            if self._working:
                await asyncio.wait(set(self._working))
                quiet = 0
            # What the loop will do next, and what came to its sockets.
            elif self._loop._ready or self._loop._selector.select(0):
                quiet = 0
            else:
                quiet += 1
            if quiet == 4:
                return

    def _watch_executor(self, *work: Any) -> asyncio.Future[Any]:
        return self.watch(self._run_in_executor(*work))

    def watch(self, future: asyncio.Future[Any]) -> asyncio.Future[Any]:
        """Take note of work that is done in another thread."""
        self._working.add(future)
        future.add_done_callback(self._working.discard)
        return future

    async def until(self, condition: Callable[[], object], limit_s: float = 60) -> None:
        """Let time pass until something is so.

        After `limit_s` no more time passes, but what is on its way has time to arrive.
        """
        for _ in range(round(limit_s / STEP_S)):
            if condition():
                return
            await self._step()
            await self._breathe()
        for _ in range(round(PATIENCE_S / 0.05)):
            if condition():
                return
            await self._breathe(0.05)
        raise TimeoutError


@pytest.fixture
async def passing_time(freezer: FrozenDateTimeFactory, monkeypatch: pytest.MonkeyPatch) -> Time:
    """Stop the clocks."""
    time = Time(freezer)
    do = Worker.do

    async def watched(self: Worker, *work: Any, **options: Any) -> Any:
        return await time.watch(asyncio.ensure_future(do(self, *work, **options)))

    monkeypatch.setattr(Worker, "do", watched)
    return time


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commanded:
    """Return what simulated stations are told to do."""
    told: Commanded = []
    handle = Commands.handle

    async def listen(self: Commands, action: str, payload: dict[str, Any]) -> Any:
        told.append((action, payload))
        return await handle(self, action, payload)

    monkeypatch.setattr(Commands, "handle", listen)
    return told


@pytest.fixture
def dial_in(passing_time: Time, port: int, commands: Commanded) -> Callable[..., Ocpp16Station]:
    """Return what makes a simulated station that dials in as the default one."""

    def dial_in(identity: str = STATION, **traits: Any) -> Ocpp16Station:
        config = StationConfig(identity, serial="SN-1", **traits)
        return Ocpp16Station(config, f"ws://127.0.0.1:{port}", clock=passing_time.clock)

    return dial_in


@pytest.fixture
async def wallbox(
    set_up_site: SetUp, dial_in: Callable[..., Ocpp16Station], passing_time: Time
) -> AsyncIterator[Ocpp16Station]:
    """Return a simulated station that is connected to the default site."""
    await set_up_site()
    async with dial_in() as station:
        await passing_time.until(lambda: station.ready)
        yield station


def plant(station: Ocpp16Station, **secrets: str) -> None:
    """Give a station settings that hold secrets and can be read, as some of them have."""
    for name, value in secrets.items():
        station.settings._keys[name] = _Key(value, str.isprintable)


def devices_of_site(registry: dr.DeviceRegistry) -> list[dr.AnyDeviceEntry]:
    """Return the devices of the site and their parts, in order."""
    devices = [
        *dr.async_entries_for_config_entry(registry, "site"),
        *dr.async_child_entries_for_config_entry(registry, "site"),
    ]
    return sorted(devices, key=lambda device: sorted(device.identifiers))


@pytest.fixture(autouse=True)
def _quiet() -> None:
    """Leave the statements of the ledger out of the log."""
    logging.getLogger("sqlalchemy.engine").setLevel(logging.WARNING)


@pytest.fixture
def desk(hass: HomeAssistant, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """Return what opens dialogs; the connect screen takes no time here."""
    for name in ("OPEN_S", "SETTLE_S", "NUDGE_S"):
        monkeypatch.setattr(connect, name, 0)
    desk = Desk(hass)
    yield desk
    desk.close()


@pytest.fixture
def snapshot(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """Write entities and devices without what differs from run to run."""
    return snapshot.use_extension(HomeAssistantSnapshotExtension)


@contextmanager
def kept_port() -> Iterator[int]:
    """Give a port that nobody else gets, though anybody who asks for it may listen on it.

    Between a port that was free a moment ago and the server that opens it, another process may
    have been given the same one. Who asks for any port gets none that is bound.
    """
    while True:
        with ExitStack() as keepers:
            port = 0
            # Of all addresses: a server needs the port on each of them.
            for family in (socket.AF_INET, socket.AF_INET6):
                try:
                    keeper = keepers.enter_context(socket.socket(family, socket.SOCK_STREAM))
                    keeper.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    if family is socket.AF_INET6:
                        keeper.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                    keeper.bind(("", port))
                except OSError as error:
                    if error.errno == errno.EADDRINUSE:
                        break
                    # A machine without IPv6.
                else:
                    port = keeper.getsockname()[1]
            else:
                yield port
                return


@pytest.fixture
def port(socket_enabled: None) -> Iterator[int]:
    """Return a port that is free."""
    with kept_port() as port:
        yield port


@pytest.fixture(autouse=True)
def _custom_integrations(enable_custom_integrations: None) -> None:
    """Let Home Assistant load Forecourt."""


@pytest.fixture
async def set_up_site(hass: HomeAssistant, port: int, tmp_path: Path) -> AsyncIterator[SetUp]:
    """Return what sets up a site: Anna and Ben, a card each, and one station by default.

    Called again with an entry, it sets up the same site as after a restart.
    """
    hass.config.config_dir = str(tmp_path)
    entries: list[MockConfigEntry] = []

    async def set_up(
        *,
        subentries: list[ConfigSubentryData] | None = None,
        options: Mapping[str, Any] | None = None,
        cards: Mapping[str, str] | None = None,
    ) -> MockConfigEntry:
        if subentries is None:
            subentries = [a_station(), a_user(ANNA, "Anna"), a_user(BEN, "Ben")]
        entry = MockConfigEntry(
            domain=DOMAIN,
            entry_id="site",
            title="Home",
            data={"port": port},
            options={**OPTIONS, **(options or {})},
            subentries_data=subentries,
        )
        vault = Vault(hass)
        await vault.load()
        for card, user_id in (cards or {CARD_OF_ANNA: ANNA, CARD_OF_BEN: BEN}).items():
            await vault.add_token(Token(card), user_id)
        entry.add_to_hass(hass)
        entries.append(entry)
        assert await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()
        return entry

    yield set_up
    for entry in entries:
        if entry.state is ConfigEntryState.LOADED:
            assert await hass.config_entries.async_unload(entry.entry_id)
            await hass.async_block_till_done()


@pytest.fixture
def dial(port: int) -> Callable[..., Ocpp16Station]:
    """Return what makes a station that dials in at once."""

    def dial(identity: str = STATION, **traits: Any) -> Ocpp16Station:
        config = StationConfig(identity, **traits)
        return Ocpp16Station(config, f"ws://127.0.0.1:{port}")

    return dial
