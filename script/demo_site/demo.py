"""The demo: runs until Ctrl-C."""

import asyncio
from contextlib import AsyncExitStack
import getpass
import os
import signal
import sys
from typing import Any
import webbrowser

from . import newcomer
from .boxes import Box, goe, keba
from .broker import Broker
from .home import RESTART_CODE, Home
from .place import Place
from .ports import HTTP_PORT, MQTT_PORT, OCPP_PORT, claim_port
from .process import Process
from .wallbox import Wallbox

STATION = "DEMO-1"
CARD = "04A1B2C3D4"
CARPORT, DRIVEWAY = "DEMO-KEBA", "123456"
"""The wallboxes without OCPP: one that is asked by Modbus, and one that tells by MQTT."""

INTERRUPTED = 130


async def main(*, fresh: bool, speed: float, protocol: str, browser: bool) -> int:
    """Run a demo and return the exit code."""
    http_port, ocpp_port = claim_port(HTTP_PORT), claim_port(OCPP_PORT)
    async with AsyncExitStack() as stack:
        place = stack.enter_context(Place.claim("fresh" if fresh else "demo"))
        home = Home(place.folder, http_port)
        wallbox = Wallbox(
            *(place.folder, STATION, ocpp_port, "--protocol", protocol, "--speed", str(speed)),
            *("--vendor", "Forecourt", "--model", "Demo wallbox"),
        )
        broker = Broker(place.folder, claim_port(MQTT_PORT))
        boxes = [
            keba(place.folder, "Carport", CARPORT, speed),
            goe(place.folder, "Driveway", DRIVEWAY, speed, broker),
        ]
        house = _House(home, wallbox, broker, boxes)
        stop = _stop_at_ctrl_c(*house.processes)
        for process in house.processes:
            stack.push_async_callback(process.stop)
        _say("Starting Home Assistant ...")
        home.prepare()
        starting = asyncio.create_task(house.start(fresh=fresh))
        if not await _before(stop, starting):
            return INTERRUPTED
        page = home.url + await starting
        controls = {STATION: wallbox} | {box.wallbox.identity: box.wallbox for box in boxes}
        place.announce(
            url=home.url,
            control_port=wallbox.control_port,
            station=STATION,
            stations={name: one.control_port for name, one in controls.items()},
        )
        _say(_welcome(http_port, ocpp_port, page, fresh=fresh, speed=speed))
        if browser:
            await _open_browser(page)
        code = await _keep_running(house, stop)
        _say("\nStopping ...")
    return code


class _House:
    """Home Assistant, and all that is simulated around it."""

    def __init__(self, home: Home, wallbox: Wallbox, broker: Broker, boxes: list[Box]) -> None:
        self.home = home
        self.wallbox = wallbox
        self.broker = broker
        self.boxes = boxes

    @property
    def processes(self) -> list[Process]:
        """What runs; Home Assistant is the first."""
        boxes = (box.wallbox.process for box in self.boxes)
        return [self.home.process, self.wallbox.process, *boxes, self.broker.process]

    async def start(self, *, fresh: bool) -> str:
        """Start everything and return the path of the page to look at."""
        await self.broker.start()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.home.start())
            group.create_task(self.wallbox.start())
            for box in self.boxes:
                group.create_task(box.wallbox.start())
        if fresh:
            return "/config/integrations/dashboard"
        async with self.home.api() as api:
            entry = await newcomer.set_up_and_charge(api, self.wallbox, CARD)
            page = await newcomer.outlet_page(api)
            await self.broker.add(api)
            for box in self.boxes:
                await box.add(api, entry)
        return page


async def _keep_running(house: _House, stop: asyncio.Event) -> int:
    """Wait for Ctrl-C; start Home Assistant again when a user restarts it."""
    while await _before(stop, asyncio.create_task(_first_end(*house.processes))):
        home = house.home.process
        if home.code != RESTART_CODE:
            ended = next(process for process in house.processes if not process.running)
            _say(f"{ended.log.stem} ended by itself. The end of its log:\n{ended.tail()}")
            return 1
        _say("Home Assistant restarts ...")
        await home.start()
    return 0


async def _first_end(*processes: Process) -> None:
    waiting = [asyncio.create_task(process.wait()) for process in processes]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


async def _before(stop: asyncio.Event, task: asyncio.Task[Any]) -> bool:
    """Wait for the task or for Ctrl-C; say whether the task was done first, or cancel it."""
    stopped = asyncio.create_task(stop.wait())
    await asyncio.wait((task, stopped), return_when=asyncio.FIRST_COMPLETED)
    for one in (task, stopped):
        one.cancel()
    return not stop.is_set()


def _stop_at_ctrl_c(*processes: Process) -> asyncio.Event:
    """Return what the first Ctrl-C sets; the second one kills the processes and ends."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def interrupted() -> None:
        if stop.is_set():
            for process in processes:
                process.signal(signal.SIGKILL)
            os._exit(INTERRUPTED)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, interrupted)
    return stop


def _welcome(http_port: int, ocpp_port: int, page: str, *, fresh: bool, speed: float) -> str:
    """Say where it is and what there is to do."""
    lines = ["", f"Home Assistant:  http://127.0.0.1:{http_port}   (you are logged in)"]
    if not fresh:
        lines.append(f"The charge:      {page}")
    if connection := os.environ.get("SSH_CONNECTION"):
        host = connection.split()[2]
        forward = f"ssh -L {http_port}:127.0.0.1:{http_port} {getpass.getuser()}@{host}"
        lines.append(f"From your own machine first:  {forward}")
    if fresh:
        lines += [
            "",
            "1. Settings, Devices & services, Add integration: Forecourt. The station dials",
            f"   port {ocpp_port} of this machine and shows up as discovered, all by itself.",
            "2. Add the station. On Forecourt's page, add a user with a card, which you tap",
            "   here, in another terminal:",
            f"     script/demo tap {CARD}",
            "3. Charge:",
            "     script/demo plug",
            f"     script/demo tap {CARD}",
            "   script/demo unplug ends it, script/demo fault lists what can go wrong.",
        ]
    else:
        lines += [
            "",
            f"Anna's card is {CARD} and her car charges. In another terminal:",
            f"  script/demo tap {CARD}    ends the charge; once more: begins one",
            "  script/demo tap 0BAD0BAD      a card that nobody knows",
            "  script/demo unplug            and: script/demo plug",
            "  script/demo fault             lists what can go wrong",
            "The Carport (a KEBA by Modbus) and the Driveway (a go-e by MQTT) are free, and only",
            "read until forecourt.test_station has seen them obey:",
            f"  script/demo --at {CARPORT} plug     and: script/demo --at {DRIVEWAY} plug",
        ]
    lines += [
        "",
        f"The car charges {speed:g} times faster than a real one (--speed). Ctrl-C ends the demo.",
    ]
    return "\n".join(lines)


async def _open_browser(url: str) -> None:
    """Open the default browser where there is a display; the demo does not need it."""
    screens = ("DISPLAY", "WAYLAND_DISPLAY")
    has_display = sys.platform == "darwin" or any(os.environ.get(name) for name in screens)
    if has_display and "SSH_CONNECTION" not in os.environ:
        await asyncio.to_thread(webbrowser.open, url)


def _say(text: str) -> None:
    print(text, flush=True)
