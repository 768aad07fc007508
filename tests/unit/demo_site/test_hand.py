import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from script.demo_site import hand
from script.demo_site.__main__ import parse
from script.demo_site.ports import claim_port
from simulator import (
    ControlServer,
    ModbusConfig,
    ModbusStation,
    Ocpp16Station,
    StationConfig,
)
from simulator.client import ControlError

type Do = Callable[..., Awaitable[int]]


@pytest.fixture
async def do(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Do]:
    """Return what runs a command of script/demo at a station that reaches nobody."""
    url = f"ws://127.0.0.1:{claim_port(20_000)}"
    station = Ocpp16Station(StationConfig("SIM-1"), url)
    async with ControlServer({"SIM-1": station}, station.clock) as control, station:
        facts = {"station": "SIM-1", "stations": {"SIM-1": control.port}}
        monkeypatch.setattr(hand, "running", lambda: facts)
        yield lambda *arguments: asyncio.to_thread(hand.run, parse(arguments))


async def test_plug_and_unplug(do: Do, capsys: pytest.CaptureFixture[str]) -> None:
    assert await do("plug", "city", "--soc", "50") == 0
    assert "Preparing, city at 50%, 0.0 kW, 0.00 kWh since plugged in" in capsys.readouterr().out
    assert await do("unplug") == 0
    line = capsys.readouterr().out
    assert line.startswith("SIM-1: not connected (")
    assert line.endswith("Available\n")


async def test_tap(do: Do, capsys: pytest.CaptureFixture[str]) -> None:
    assert await do("tap", "04AABBCC") == 0
    assert capsys.readouterr().out.startswith("The station refused the card.")


async def test_fault(do: Do, capsys: pytest.CaptureFixture[str]) -> None:
    assert await do("fault", "connector_error", "error_code=OverVoltage", "connector=1") == 0
    assert "Faulted" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "there"), [(("fault",), "lose_reading"), (("plug", "?"), "family")]
)
async def test_what_there_is(
    do: Do, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], there: str
) -> None:
    assert await do(*arguments) == 0
    assert there in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("unplug",), "no car plugged in"),
        (("plug", "tractor"), "no car 'tractor'; there is "),
        (("fault", "earthquake"), "earthquake"),
        (("fault", "drop", "now"), "now is not KEY=VALUE"),
    ],
)
async def test_what_makes_no_sense_is_said(
    do: Do, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], why: str
) -> None:
    assert await do(*arguments) == 1
    assert why in capsys.readouterr().err


async def test_another_station(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first = Ocpp16Station(StationConfig("SIM-1"), f"ws://127.0.0.1:{claim_port(20_000)}")
    second = ModbusStation(ModbusConfig(identity="BOX", model="keba_p30"), clock=first.clock)
    async with (
        ControlServer({"SIM-1": first}, first.clock) as one,
        ControlServer({"BOX": second}, first.clock) as two,
        second,
    ):
        facts = {"station": "SIM-1", "stations": {"SIM-1": one.port, "BOX": two.port}}
        monkeypatch.setattr(hand, "running", lambda: facts)
        assert await asyncio.to_thread(hand.run, parse(["--at", "BOX", "plug"])) == 0
        assert capsys.readouterr().out.startswith("BOX: not connected (offline), B, family, 0.0 kW")
        assert await asyncio.to_thread(hand.run, parse(["state"])) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line.split(":")[0] for line in lines] == ["SIM-1", "BOX"]
        assert await asyncio.to_thread(hand.run, parse(["--at", "SHED", "plug"])) == 1
        assert "There is no SHED, but SIM-1, BOX." in capsys.readouterr().err


def test_without_a_demo(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(hand, "running", lambda: None)
    assert hand.run(parse(["state"])) == 1
    assert "No demo is running" in capsys.readouterr().err


def test_with_a_demo_that_does_not_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = {"station": "SIM-1", "stations": {"SIM-1": claim_port(20_000)}}
    monkeypatch.setattr(hand, "running", lambda: facts)
    assert hand.run(parse(["state"])) == 1
    assert "does not answer" in capsys.readouterr().err


def test_values_are_json_where_they_can_be() -> None:
    assert hand.parameters(["seconds=1.5", "reset=true", "kind=broken_json", "a=b=c"]) == {
        "seconds": 1.5,
        "reset": True,
        "kind": "broken_json",
        "a": "b=c",
    }
    with pytest.raises(ControlError):
        hand.parameters(["seconds"])


def test_every_outcome_of_a_tap_has_its_words() -> None:
    assert set(hand.TAPPED) == {
        *("started", "stopped", "waiting", "cancelled", "refused", "busy", "ignored", "shown")
    }
