"""The simulator under control: over HTTP, and as a process of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
import json
from pathlib import Path
import signal
import sys
from typing import Any

from aiohttp import ClientSession
import pytest

import simulator
from simulator import Clock, ControlClient, ControlError, ControlServer, Ocpp16Station
from simulator.__main__ import configs, main, parse, run

from .conftest import Dial
from .server import Server

ROOT = Path(__file__).parents[3]

type Do = Callable[..., Any]


@pytest.fixture
async def station(dial: Dial) -> Ocpp16Station:
    running: Ocpp16Station = await dial(speed=60)
    return running


@pytest.fixture
async def control(station: Ocpp16Station) -> AsyncIterator[ControlServer]:
    async with ControlServer({"SIM-1": station}, station.clock) as serving:
        yield serving


@pytest.fixture
def do(control: ControlServer) -> Do:
    """Return a function that calls a method of the synchronous client, in a thread."""
    client = ControlClient(control.port)

    async def call(method: str, *args: Any, **fields: Any) -> Any:
        return await asyncio.to_thread(getattr(client, method), *args, **fields)

    return call


async def test_a_charge(do: Do, station: Ocpp16Station) -> None:
    state = await do("plug", "fast", soc=0.25, station="SIM-1")
    assert state["connectors"][0]["car"] == "fast"
    assert state["connectors"][0]["soc"] == 0.25
    assert await do("tap", "04AA") == "started"
    await do("wait_for", "SIM-1", status="Charging", online=True)
    assert await do("tap", "04AA", 1) == "stopped"
    assert (await do("wake"))["station"] == "SIM-1"
    await do("unplug")
    await do("wait_for", "SIM-1", status="Available", queued=0)
    books = (await do("books"))["SIM-1"]
    assert books["transactions"][0]["transaction_id"] == 7001
    assert books["plug_ins"][0]["energy_wh"] > 0
    assert books["violations"] == []
    with pytest.raises(TimeoutError, match=r"'status': 'Charging'} did not come within 0"):
        await do("wait_for", "SIM-1", 0, status="Charging")


async def test_speed_faults_and_lists(do: Do, station: Ocpp16Station) -> None:
    await do("speed", 120)
    assert station.clock.speed == 120
    assert await do("fault", "lose_reading", count=3) == {}
    assert station.internals.lose_readings == 3
    assert (await do("cars"))["picky"]["min_current_a"] == 8
    assert "seconds" in (await do("faults"))["offline"]["parameters"]


@pytest.mark.parametrize(
    ("method", "fields", "message"),
    [
        ("plug", {"car": "boat"}, "no car 'boat'; there is city"),
        ("plug", {"connector": 2}, "no connector 2; there is 1"),
        ("plug", {"connector": "1"}, "connector must be int, not '1'"),
        ("plug", {"connector": True}, "connector must be int, not True"),
        ("plug", {"soc": 2}, "from 0 to 1"),
        ("plug", {"colour": "red"}, "unknown: colour"),
        ("plug", {"station": "SIM-9"}, "no station 'SIM-9'; there is SIM-1"),
        ("unplug", {}, "no car plugged in"),
        ("fault", {"fault": "explode"}, "no fault 'explode'; there is"),
        ("speed", {"speed": 0}, "speed must be above 0"),
    ],
)
async def test_mistakes_are_explained(
    do: Do, method: str, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(ControlError, match=message):
        await do(method, **fields)


@pytest.mark.parametrize(
    ("request_line", "options", "status", "message"),
    [
        ("POST /tap", {"json": {}}, 400, "card is missing (str)"),
        ("POST /tap", {"json": []}, 400, "the body must be a JSON object"),
        ("POST /tap", {"data": "card=1"}, 400, "must be application/json"),
        ("GET /coffee", {}, 404, "Not Found; there is /books, /cars"),
        ("GET /tap", {}, 405, "Method Not Allowed"),
        ("GET /state", {"headers": {"Host": "evil.example"}}, 403, "wrong host"),
    ],
)
async def test_requests_that_are_none(
    control: ControlServer,
    request_line: str,
    options: dict[str, Any],
    status: int,
    message: str,
) -> None:
    method, path = request_line.split()
    async with ClientSession() as session:
        url = f"http://127.0.0.1:{control.port}{path}"
        async with session.request(method, url, **options) as answer:
            assert answer.status == status
            assert message in (await answer.json())["error"]


async def test_broken_json_is_a_mistake_too(control: ControlServer) -> None:
    async with ClientSession() as session:
        url = f"http://127.0.0.1:{control.port}/tap"
        headers = {"Content-Type": "application/json"}
        async with session.post(url, data="{", headers=headers) as answer:
            assert answer.status == 400


async def test_with_several_stations_one_must_be_named(station: Ocpp16Station) -> None:
    stations = {"SIM-1": station, "SIM-2": station}
    async with ControlServer(stations, Clock()) as control:
        client = ControlClient(control.port)
        with pytest.raises(ControlError, match="station is missing"):
            await asyncio.to_thread(client.unplug)
        assert set(await asyncio.to_thread(client.state)) == {"SIM-1", "SIM-2"}


async def test_nobody_else_may_control_it() -> None:
    with pytest.raises(ValueError, match=r"for 127\.0\.0\.1 only, not 0\.0\.0\.0"):
        ControlServer({}, Clock(), host="0.0.0.0")  # noqa: S104
    await ControlServer({}, Clock()).stop()


# --- the process ----------------------------------------------------------------------------------


def test_the_command_line() -> None:
    line = "--url ws://x --station A --station B --connectors 2 --rate-units W --seed 7"
    options = parse([*line.split(), "--set", "HeartbeatInterval=5", "--max-current", "32"])
    one, two = configs(options)
    assert (one.identity, two.identity) == ("A", "B")
    assert (one.seed, two.seed) == (7, 8)
    assert one.rate_units == ("W",)
    assert one.max_current_a == 32
    assert one.settings == {"HeartbeatInterval": "5"}
    with pytest.raises(ValueError, match="--set needs KEY=VALUE"):
        configs(parse(["--url", "ws://x", "--station", "A", "--set", "nothing"]))


async def test_run_in_this_process(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "books.jsonl"
    line = f"--url {server.url} --station A --station B --books {path} --speed 60"
    stop = asyncio.Event()
    running = asyncio.create_task(run(parse(line.split()), stop))
    while len(server.calls("BootNotification")) != 2:  # noqa: ASYNC110 - of no event
        await asyncio.sleep(0.01)
    ready = json.loads(capsys.readouterr().out)
    assert ready["event"] == "ready"
    assert ready["stations"] == ["A", "B"]
    client = ControlClient(ready["control_port"])
    assert set(await asyncio.to_thread(client.state)) == {"A", "B"}
    stop.set()
    await running
    stations = {json.loads(text)["station"] for text in path.read_text().splitlines()}
    assert stations == {"A", "B"}


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
async def test_a_process_of_its_own(server: Server, ending: signal.Signals) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulator", "--station", "SIM-1", "--url", server.url),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    ready = json.loads(await process.stdout.readline())
    client = ControlClient(ready["control_port"])
    await asyncio.to_thread(client.wait_for, "SIM-1", registration="Accepted")
    process.send_signal(ending)
    _, errors = await process.communicate()
    assert (process.returncode, errors) == (0, b"")
    assert server.close_codes == [1000]


def test_a_start_that_fails(capsys: pytest.CaptureFixture[str]) -> None:
    line = ["--station", "A", "--url", "ws://127.0.0.1:1", "--set", "NoKey=1"]
    assert main(line) == 1
    assert "simulator: configuration key NoKey cannot be '1'" in capsys.readouterr().err


async def test_it_knows_nothing_of_forecourt_nor_home_assistant() -> None:
    code = (
        "import sys, simulator; "
        "print([name for name in sys.modules if 'homeassistant' in name or 'custom_' in name])"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", code), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert output.decode().strip() == "[]"
    assert simulator.__doc__
