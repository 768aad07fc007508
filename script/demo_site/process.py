"""A child process: started with its output in a file, stopped politely, killed if need be."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
import os
from pathlib import Path
import signal
import sys

ROOT = Path(__file__).parents[2]
CHILD = Path(__file__).with_name("child.py")


class Process:
    """One program that may run, end and be started again; its output goes on in one file."""

    def __init__(
        self,
        *command: str | Path,
        log: Path,
        cwd: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Describe it; nothing runs before `start`."""
        self._command = [str(part) for part in command]
        self._cwd = cwd
        self._environment = environment or {}
        self._process: asyncio.subprocess.Process | None = None
        self.log = log

    @property
    def running(self) -> bool:
        """Whether it has been started and not ended."""
        return self._process is not None and self._process.returncode is None

    @property
    def code(self) -> int | None:
        """How it ended; `None` while it runs."""
        return None if self._process is None else self._process.returncode

    @property
    def pid(self) -> int:
        """The id of the process, which must have been started."""
        return self._started.pid

    async def start(self) -> None:
        """Start it, in a session of its own: Ctrl-C in a terminal is for whoever started it."""
        # Where writing bytecode is turned off, every start would compile everything anew.
        inherited = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        with self.log.open("ab") as output:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                str(CHILD),
                str(os.getpid()),
                *self._command,
                cwd=self._cwd,
                env={**inherited, "PYTHONUNBUFFERED": "1", **self._environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    async def wait(self) -> int:
        """Wait for its end and return its exit code."""
        return await self._started.wait()

    async def stop(self, seconds: float = 20.0) -> None:
        """Ask it to end, and kill it if it has not after so many seconds."""
        if not self.running:
            return
        self.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(seconds):
                await self.wait()
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """End it at once, as a power cut would (kill -9), with whatever it started."""
        if self.running:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
            await self.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; nothing happens if it is gone."""
        if self._process is not None and self.running:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    def tail(self, lines: int = 30) -> str:
        """Return the last lines of its output."""
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    @property
    def _started(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise RuntimeError("the process has not been started")
        return self._process
