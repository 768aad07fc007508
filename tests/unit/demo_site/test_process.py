import asyncio
import os
from pathlib import Path
import signal
import sys

import pytest

from script.demo_site.process import ROOT, Process
from script.demo_site.waiting import until

WAIT = "import time; print('up', flush=True); time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAIT}"

# Starts one that waits, tells its id, and waits itself.
PARENT = """
import asyncio, sys
from pathlib import Path
from script.demo_site.process import Process

async def main():
    process = Process(sys.executable, "-c", sys.argv[1], log=Path("log"), cwd=Path())
    await process.start()
    while "up" not in process.tail():
        await asyncio.sleep(0.01)
    print(process.pid, flush=True)
    await process.wait()

asyncio.run(main())
"""


def python(tmp_path: Path, program: str) -> Process:
    return Process(sys.executable, "-c", program, log=tmp_path / "log", cwd=tmp_path)


async def started(process: Process) -> None:
    await process.start()

    async def look() -> bool | None:
        return "up" in process.tail() or None

    await until(look, "the program")


async def test_its_output_goes_on_in_one_file(tmp_path: Path) -> None:
    process = python(tmp_path, "print('hello')")
    assert process.code is None
    for _ in range(2):
        await process.start()
        assert await process.wait() == 0
    assert process.tail() == "hello\nhello"


async def test_stopped_politely(tmp_path: Path) -> None:
    process = python(tmp_path, WAIT)
    await started(process)
    assert process.running
    await process.stop()
    assert not process.running
    assert process.code == -signal.SIGTERM


async def test_killed_if_it_does_not_stop(tmp_path: Path) -> None:
    process = python(tmp_path, STUBBORN)
    await started(process)
    await process.stop(seconds=0.1)
    assert process.code == -signal.SIGKILL


async def test_what_never_ran_or_has_ended_can_be_stopped_too(tmp_path: Path) -> None:
    process = python(tmp_path, "")
    await process.stop()
    process.signal(signal.SIGTERM)
    with pytest.raises(RuntimeError):
        await process.wait()
    await process.start()
    await process.wait()
    await process.stop()
    await process.kill()
    assert process.code == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of this")
async def test_nothing_stays_behind_when_the_parent_is_killed(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PARENT, WAIT),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
    )
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    assert not gone(child)
    parent.kill()
    await parent.wait()

    async def look() -> bool | None:
        return gone(child) or None

    await until(look, "the end of the child", 10)


def gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except OSError:
        return True
    # Where nobody collects orphans, one that has ended stays as a zombie.
    return state.rpartition(")")[2].split()[0] == "Z"
