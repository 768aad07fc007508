"""What the kernel knows of a process, and programs that tell how far they are."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
import json
import os
from pathlib import Path
import sys
from typing import Any

from script.demo_site.process import ROOT

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def cpu_s(pid: int) -> float:
    """Return the processor time that a process took so far, of all its threads."""
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    # Its name, in parentheses, may hold blanks.
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def memory_mb(pid: int) -> float:
    """Return what of a process is in RAM."""
    pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * _PAGE_BYTES / 1e6


@asynccontextmanager
async def program(name: str, *arguments: object) -> AsyncIterator[Program]:
    """Run a module of this package for the time of a `with`."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"bench.ocpp.{name}", *map(str, arguments)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield Program(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


class Program:
    """A program that prints one word when a phase begins, and its results as JSON at the end."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Use `program`."""
        self._process = process

    @property
    def pid(self) -> int:
        """The id of the process."""
        return self._process.pid

    async def reaches(self, phase: str) -> None:
        """Wait for a phase. Raises `EOFError` if the program ends before."""
        while await self._line() != phase:
            pass

    async def results(self) -> Any:
        """Return what it prints last."""
        line = await self._line()
        await self._process.wait()
        return json.loads(line)

    async def _line(self) -> str:
        assert self._process.stdout is not None  # noqa: S101 - it was asked for
        line = await self._process.stdout.readline()
        if not line:
            raise EOFError("a program of the benchmark ended early")
        return line.decode().strip()
