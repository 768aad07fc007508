"""Faults of a station of OCPP 2.0.1, which are those of the other face."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
import signal
import sys
from typing import Any

import pytest

from simulator import ControlClient, ControlServer, ManualClock
from simulator.__main__ import configs, parse
from simulator.garbage import GARBAGE
from simulator.ocpp201 import Config201

from .csms import Csms
from .station201 import CARD, EVERY_SECOND, Dial, charging, csms, dial

__all__ = ["csms", "dial"]

ROOT = Path(__file__).parents[3]


def registers(csms: Csms) -> list[float]:
    return [
        sample["value"]
        for event in csms.events()
        for value in event.get("meterValue", [])
        for sample in value["sampledValue"]
        if sample["measurand"] == "Energy.Active.Import.Register"
    ]


async def test_a_duplicate(csms: Csms, dial: Dial) -> None:
    station = await charging(dial)
    assert await station.fault("duplicate", action="TransactionEvent") == {
        "answer": {"idTokenInfo": {"status": "Accepted"}}
    }
    first, second = csms.events()[-2:]
    assert first == second
    ids = [
        number
        for number, (action, _) in zip(csms.ids, csms.received, strict=True)
        if action == "TransactionEvent"
    ]
    assert ids[-1] == ids[-2]
    await station.fault("duplicate", action="TransactionEvent", upcoming=True)
    await station.tap(CARD)
    await station.wait_for(lambda _: csms.story()[-2:] == [("Ended", "StopAuthorized")] * 2)


async def test_a_lost_reading_leaves_a_gap(csms: Csms, dial: Dial) -> None:
    clock = ManualClock(speed=60)
    csms.now = clock.utc
    station = await dial(clock=clock, tick_s=0.5, variables=EVERY_SECOND)
    await station.plug(1, "family")
    await station.tap(CARD)
    await clock.advance(1.5)
    await station.fault("lose_reading")
    await clock.advance(2)
    await station.tap(CARD)
    await station.wait_for(lambda s: not len(s.outbox))
    numbers = [one["seqNo"] for one in csms.events()]
    missing = set(range(numbers[-1])) - set(numbers)
    assert len(missing) == 1
    assert [one.state for one in station.books.readings].count("lost") == 1


async def test_registers_that_are_wrong(csms: Csms, dial: Dial) -> None:
    clock = ManualClock(speed=60)
    csms.now = clock.utc
    station = await dial(clock=clock, tick_s=0.5, variables=EVERY_SECOND)
    await station.fault("session_register")
    await station.plug(1, "family")
    await station.tap(CARD)
    await clock.advance(1.2)
    await station.fault("register_zero")
    await clock.advance(1)
    await station.fault("session_register", on=False)
    await station.fault("replace_meter", register_wh=77)
    await clock.advance(1)
    await station.tap(CARD)
    await station.wait_for(lambda s: not len(s.outbox))
    told = registers(csms)
    assert told[0] == 0
    assert 0 < told[1] < 500
    assert told[2] == 0
    assert 77 <= told[-1] < 1000


async def test_an_error_and_an_emergency(csms: Csms, dial: Dial) -> None:
    station = await charging(dial)
    await station.fault("connector_error", error_code="GroundFailure")
    await station.wait_for(lambda _: csms.connector_status() == "Faulted")
    await station.fault("connector_error", error_code="NoError")
    await station.wait_for(lambda _: csms.connector_status() == "Occupied")
    await station.fault("emergency_stop")
    await station.wait_for(lambda _: csms.story()[-1:] == [("Ended", "AbnormalCondition")])
    assert csms.events()[-1]["transactionInfo"]["stoppedReason"] == "EmergencyStop"
    with pytest.raises(ValueError, match="no error code 'Coffee'"):
        await station.fault("connector_error", error_code="Coffee")
    with pytest.raises(ValueError, match="no EVSE 7"):
        await station.fault("emergency_stop", connector=7)


async def test_the_rest_of_them(csms: Csms, dial: Dial) -> None:
    station = await charging(dial)
    await station.fault("freeze", seconds=0.05)
    await station.fault("skew_clock", seconds=3600)
    await station.fault("no_answer")
    await csms.send([2, "unheard", "ClearCache", {}])
    await station.wait_for(lambda s: s.commands.silent_calls == 0)
    await station.fault("offline", seconds=0.02)
    await station.wait_for(lambda s: not s.online)
    await station.wait_for(lambda s: s.ready)
    await station.fault("reboot")
    await station.wait_for(lambda s: s.ready and not len(s.outbox))
    assert csms.events()[-1]["transactionInfo"]["stoppedReason"] == "Reboot"
    await station.fault("drop")
    await station.wait_for(lambda _: len(csms.paths) == 4)
    await station.wait_for(lambda s: s.ready)
    await station.wake()


@pytest.mark.parametrize("kind", sorted(set(GARBAGE) - {"oversized", "nested"}))
async def test_garbage(csms: Csms, dial: Dial, kind: str) -> None:
    station = await dial()
    before = len(csms.frames)
    await station.fault("garbage", kind=kind)
    await station.wait_for(lambda _: len(csms.frames) > before)


async def test_control(csms: Csms, dial: Dial) -> None:
    station = await dial(speed=60, evses=2)
    async with ControlServer({"SIM-1": station}, station.clock) as control:
        client = ControlClient(control.port)

        async def do(method: str, *args: Any, **fields: Any) -> Any:
            return await asyncio.to_thread(getattr(client, method), *args, **fields)

        await do("plug", "fast", connector=2)
        assert await do("tap", CARD, 2) == "started"
        await do("wait_for", "SIM-1", 5, 2, charging_state="Charging", status="Occupied")
        assert await do("fault", "emergency_stop", connector=2) == {}
        await do("unplug", 2)
        await do("wait_for", "SIM-1", 5, 2, status="Available", queued=0)
        books = (await do("books"))["SIM-1"]
        assert books["transactions"][0]["reason"] == "EmergencyStop"


async def test_as_a_process(csms: Csms) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulator", "--protocol", "2.0.1", "--station", "SIM-9"),
        *("--url", csms.url, "--set", "TxCtrlr.TxStartPoint=EVConnected", "--connectors", "2"),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    ready = json.loads(await process.stdout.readline())
    assert ready["stations"] == ["SIM-9"]
    async with asyncio.timeout(10):
        while len(csms.calls("StatusNotification")) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0
    assert csms.paths == ["/SIM-9"]


def test_the_command_line(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text("roots")
    given = ["--station", "A", "--station", "B", "--url", "wss://x", "--protocol", "2.1"]
    more = ["--set", "AuthCtrlr.Enabled=false", "--seed", "5", "--autostart", "T", "--ca", str(ca)]
    first, second = configs(parse([*given, *more]))
    assert isinstance(first, Config201)
    assert isinstance(second, Config201)
    assert (first.identity, first.offered, first.autostart_token) == ("A", ("2.1",), "T")
    assert first.variables == {"AuthCtrlr.Enabled": "false"}
    assert first.tls is not None
    assert first.tls.ca == "roots"
    assert (first.seed, second.seed) == (5, 6)
