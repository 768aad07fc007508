"""The demo from its command line. These tests come before there is another site."""

import asyncio
import json
import os
from pathlib import Path
import signal

import pytest

from script.demo_site.demo import CARD
from script.demo_site.process import ROOT
from script.demo_site.waiting import until

DEMO = str(ROOT / "script/demo")


async def run(*arguments: str) -> tuple[int | None, str, str]:
    """Run script/demo to its end; return its exit code, output and complaints."""
    process = await asyncio.create_subprocess_exec(
        *(DEMO, *arguments), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


def descendants(pid: int) -> set[int]:
    """Return the processes that a process has started, and those that they have."""
    parents = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text(encoding="utf-8").rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(file.parent.name)] = int(fields[1])
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


@pytest.mark.timeout(90)
async def test_a_charge_to_look_at_until_ctrl_c(tmp_path: Path) -> None:
    output = tmp_path / "output"
    with output.open("w") as file:
        demo = await asyncio.create_subprocess_exec(
            *(DEMO, "--no-browser"), stdout=file, stderr=file, start_new_session=True
        )
    try:

        async def ready() -> bool | None:
            assert demo.returncode is None, output.read_text(encoding="utf-8")
            return "Ctrl-C ends the demo" in output.read_text(encoding="utf-8") or None

        await until(ready, "the demo", 60)
        assert "http://127.0.0.1:" in output.read_text(encoding="utf-8")
        assert "connected, Charging, family" in (await run("state"))[1]
        assert "the charge ends" in (await run("tap", CARD))[1]
        assert "refused the card" in (await run("tap", "0BAD0BAD"))[1]
        children = descendants(demo.pid)
        assert len(children) >= 2
        os.kill(demo.pid, signal.SIGINT)
        assert await demo.wait() == 0
        assert children.isdisjoint(descendants(1))
    finally:
        if demo.returncode is None:
            demo.kill()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("protocol", ["1.6", "2.0.1"])
async def test_smoke(protocol: str) -> None:
    code, out, err = await run("--smoke", "--seed", "7", "--protocol", protocol)
    assert code == 0, err
    measured = json.loads(out.splitlines()[-1])
    assert measured["seed"] == 7
    assert measured["survived_kill"] is True
    assert measured["energy_error_wh"] == 0
    assert measured["refused_tokens"] == 1
    assert measured["energy_errors_wh"] == {f"ocpp{protocol}": 0, "modbus": 0, "mqtt": 0}
    assert measured["stations"] == [
        {"protocol": f"ocpp{protocol}", "evses": 1},
        {"protocol": "modbus", "evses": 1},
        {"protocol": "mqtt", "evses": 1},
    ]
    # At the boxes without OCPP, the control test was a charge that nobody was let in for.
    charged = sorted((one["protocol"], one["user"] or "") for one in measured["sessions"])
    assert charged == [
        ("modbus", ""),
        ("modbus", "Anna"),
        ("mqtt", ""),
        ("mqtt", "Anna"),
        (f"ocpp{protocol}", "Anna"),
    ]
    for session in measured["sessions"]:
        assert (session["status"], session["currency"]) == ("closed", "EUR")
        assert session["energy_wh"] > 0
