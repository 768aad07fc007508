"""The command that looks at a box: run as its users run it, against registers and a broker."""

import asyncio
from collections.abc import AsyncIterator
import json
import os
from pathlib import Path
import sys
from typing import Any

from aiomqtt import Client
import pytest

from custom_components.forecourt import probe
from custom_components.forecourt.probe import modbus, mqtt
from custom_components.forecourt.probe.command import PASSWORD, Exit, main
from custom_components.forecourt.stations.declarative.library import Library
from simulator import ModbusConfig, ModbusStation
from simulator.modbus.server import Fault, RegisterServer, Tables
from tests.wire.mqtt.mosquitto import Mosquitto

PROBE = Path(probe.__file__).parent
SERIAL = "24-17-A1B-2CD"


def peblar() -> Tables:
    """Return the registers of a Peblar, as its maker documents them."""
    tables = Tables(holding={40000: 0, 40001: 16000, 40002: 0})
    tables.input |= dict.fromkeys(range(30000, 30028), 0)
    for address, text in ((30050, SERIAL), (30062, "6004-2300-8002"), (30074, "1.8.0+2024")):
        data = text.encode().ljust(24, b"\0")
        for number in range(12):
            tables.input[address + number] = int.from_bytes(data[2 * number : 2 * number + 2])
    tables.input |= {30000: 0, 30001: 0, 30002: 18, 30003: 54852, 30110: ord("A")}
    tables.input |= {30112: 0, 30113: 0}
    return tables


@pytest.fixture
async def server() -> AsyncIterator[RegisterServer]:
    async with RegisterServer({255: peblar()}, gateway=True) as running:
        yield running


async def run(*arguments: object, **environment: str) -> tuple[int, str, str]:
    """Run the command as a process of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(PROBE),
        *map(str, arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def here(*arguments: object) -> int:
    """Run the command in this process."""
    return await asyncio.to_thread(main, [*map(str, arguments)])


async def test_without_home_assistant(server: RegisterServer, tmp_path: Path) -> None:
    # Whoever imports it fails.
    (tmp_path / "homeassistant").mkdir()
    (tmp_path / "homeassistant/__init__.py").write_text("raise RuntimeError('imported')\n")
    code, out, err = await run("127.0.0.1", "--port", server.port, PYTHONPATH=str(tmp_path))
    assert (code, err) == (Exit.READ, "")
    assert "profile peblar" in out
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line.strip()}
    assert rows["energy_wh"][1:3] == ["1234500", "Wh"]
    assert rows["status"][1] == "available"
    assert rows["energy_wh"][3:7] == ["0000", "0000", "0012", "d644"]
    assert "30000," in rows["energy_wh"]
    assert SERIAL not in out
    assert "…-2CD" in rows["serial"]
    assert not [request for request in server.requests if request.values is not None]


async def test_what_is_missing_is_told(tmp_path: Path) -> None:
    (tmp_path / "yaml").mkdir()
    (tmp_path / "yaml/__init__.py").write_text(
        "raise ModuleNotFoundError('No module named yaml', name='yaml')\n"
    )
    code, _, err = await run("127.0.0.1", PYTHONPATH=str(tmp_path))
    assert code == Exit.USAGE
    assert "yaml is missing" in err


async def test_json_and_each_register_once(
    server: RegisterServer, capsys: pytest.CaptureFixture[str]
) -> None:
    where = ("127.0.0.1", "--port", server.port, "--profile", "peblar", "--json")
    assert await here(*where) == Exit.READ
    told = json.loads(capsys.readouterr().out)
    assert told["mismatch"] is None
    serial = next(row for row in told["readings"] if row["role"] == "serial")
    assert (serial["value"], serial["raw"]) == ("…-2CD", "…")
    asked = [(request.function, request.address) for request in server.requests]
    assert len(asked) == len(set(asked))
    assert {function for function, _ in asked} <= {3, 4}
    assert await here(*where, "--show") == Exit.READ
    assert SERIAL in capsys.readouterr().out
    assert await here(*where[:3]) == Exit.READ  # which one it is, it finds out itself
    assert "profile peblar" in capsys.readouterr().out


async def test_another_model(server: RegisterServer, capsys: pytest.CaptureFixture[str]) -> None:
    server.units[255].input[30050] = 0
    server.units[255].input[30110] = 0x7A7A
    del server.units[255].input[30000]
    where = ("127.0.0.1", "--port", server.port)
    assert await here(*where, "--profile", "peblar") == Exit.INCOMPLETE
    out = capsys.readouterr().out
    assert "It is another model" in out
    assert "no meaning" in out
    assert "energy_wh  input 30000" in out
    assert await here(*where) == Exit.UNKNOWN
    assert "--profile" in capsys.readouterr().err


async def test_several_fit(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A box whose model does not say for sure which one it is."""
    (tmp_path / "mine.yaml").write_text("format: 1\nid: mine\nextends: keba_p30\n")
    holding = dict.fromkeys(range(1000, 1020), 0) | {1016: 4, 1017: 0xCB13}
    async with RegisterServer({255: Tables(holding=holding)}, gateway=True) as server:
        where = ("127.0.0.1", "--port", server.port, "--profiles", tmp_path)
        assert await here(*where) == Exit.SEVERAL
    err = capsys.readouterr().err
    assert "--profile keba_p30" in err
    assert "--profile mine" in err


async def test_a_second_outlet(capsys: pytest.CaptureFixture[str]) -> None:
    async with ModbusStation(ModbusConfig(identity="BOX", model="keba_p30")) as box:
        where = ("127.0.0.1", "--port", box.port, "--profile", "keba_p30", "--outlets", 2)
        assert await here(*where) == Exit.READ
    assert "power_w (outlet 2)" in capsys.readouterr().out


async def test_raw_registers(server: RegisterServer, capsys: pytest.CaptureFixture[str]) -> None:
    where = ("127.0.0.1", "--port", server.port, "--profile", "peblar", "--show")
    spans = ("--read", "holding:40000:2", "--read", "input:0x7530:1", "--read", "coil:1:1")
    assert await here(*where, *spans) == Exit.READ
    lines = capsys.readouterr().out.splitlines()
    assert "40001  16000  3e80" in lines
    assert lines[-1].startswith("    1  ")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--profile", "none_such"), "there is no profile none_such"),
        (("--profile", "go_e_mqtt"), "is for mqtt, not modbus"),
        (("--profile", "/nowhere/x.yaml"), "cannot be read"),
        (("--profile", "peblar", "--read", "holding:1:1"), "--show"),
        (("--read", "nonsense"), "table:address:count"),
        (("--read", "holding:65536:1"), "at most 125"),
        (("--kind", "udp"), "say --profile"),
    ],
)
async def test_wrong_commands(
    arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        code = await here("127.0.0.1", *arguments)
    except SystemExit as ended:
        code = int(ended.code or 0)
    assert code == Exit.USAGE
    assert says in capsys.readouterr().err


async def test_nobody_there(
    server: RegisterServer, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    port = server.port
    assert await here("127.0.0.1", "--port", port, "--profile", "peblar", "--unit", 7) == 3
    assert "unit id" in capsys.readouterr().err
    server.fault = Fault(silent=True)
    mine = tmp_path / "mine.yaml"
    mine.write_text("format: 1\nid: mine\nextends: peblar\ntransport: {timeout_s: 0.2}\n")
    assert await here("127.0.0.1", "--port", port, "--profile", mine) == Exit.NO_ANSWER
    assert "no answer" in capsys.readouterr().err
    await server.stop()
    assert await here("127.0.0.1", "--port", port) == Exit.NO_ANSWER
    assert "nobody listens" in capsys.readouterr().err
    mine.write_text("format: 1\nid: mine\nextends: none_such\n")
    with pytest.raises(SystemExit):
        await here("127.0.0.1", "--profile", mine)
    assert "line" in capsys.readouterr().err


# MQTT


@pytest.fixture
async def mosquitto(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    async with Mosquitto(tmp_path) as running:
        yield running


async def publish(mosquitto: Mosquitto, told: dict[str, Any]) -> None:
    async with Client("127.0.0.1", mosquitto.port) as client:
        for topic, value in told.items():
            payload = value if isinstance(value, str) else json.dumps(value)
            await client.publish(topic, payload, retain=True)


GO_E = {
    "var": 11,
    "car": 1,
    "amp": 16,
    "eto": 1234500,
    "nrg": [230, 230, 230, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    "sse": "20123456",
    "fwv": "055.7",
    "typ": "go-eCharger_V4",
}


async def test_by_mqtt(mosquitto: Mosquitto, capsys: pytest.CaptureFixture[str]) -> None:
    await publish(mosquitto, {f"go-eCharger/20123456/{key}": value for key, value in GO_E.items()})
    where = ("127.0.0.1", "--mqtt", "--port", mosquitto.port, "--seconds", 0.5)
    code, out, err = await run(*where, "--topic", "go-eCharger/#", **{PASSWORD: "unused"})
    assert code in (Exit.READ, Exit.INCOMPLETE), err
    assert "profile go_e_mqtt" in out
    assert "20123456" not in out + err
    assert "go-eCharger/…3456/eto" in out
    rows = {line.split()[0]: line.split() for line in out.splitlines() if line.strip()}
    assert rows["energy_wh"][1:4] == ["1234500", "Wh", "1234500"]
    assert "Not read:" in out

    assert await here(*where) == code
    assert "20123456" not in capsys.readouterr().out

    # The same, named; and with what is no sense.
    await publish(
        mosquitto, {"go-eCharger/20123456/nrg": "no JSON", "go-eCharger/20123456/car": 77}
    )
    known = ("--profile", "go_e_mqtt", "--box", "20123456", "--show", "--topic", "+/+/sse")
    assert await here(*where, *known) == Exit.INCOMPLETE
    out = capsys.readouterr().out
    assert "20123456" in out
    assert "the payload is no JSON" in out
    assert "no meaning for 77" in out
    await publish(mosquitto, {"go-eCharger/20123456/nrg": [230]})
    assert await here(*where, *known, "--json") == Exit.INCOMPLETE
    assert "the payload has no such value" in capsys.readouterr().out


async def test_several_by_mqtt(mosquitto: Mosquitto, capsys: pytest.CaptureFixture[str]) -> None:
    where = ("127.0.0.1", "--mqtt", "--port", mosquitto.port, "--seconds", 0.3)
    assert await here(*where) == Exit.UNKNOWN
    for serial in ("20123456", "20123457"):
        await publish(mosquitto, {f"go-eCharger/{serial}/var": 11})
    assert await here(*where) == Exit.SEVERAL
    err = capsys.readouterr().err
    assert "--profile go_e_mqtt --box …3456" in err
    assert "--box …3457" in err


async def test_no_broker(server: RegisterServer, capsys: pytest.CaptureFixture[str]) -> None:
    await server.stop()
    assert await here("127.0.0.1", "--mqtt", "--port", server.port) == Exit.NO_ANSWER
    assert "nobody listens" in capsys.readouterr().err


def test_a_profile_of_another_protocol() -> None:
    library = Library()
    with pytest.raises(TypeError):
        mqtt.prefix_of(library.get("peblar"), "1")
    with pytest.raises(TypeError):
        modbus.with_unit(library.get("go_e_mqtt"), 1)
