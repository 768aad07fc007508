"""The simulated charging station: a process of its own that dials in by itself."""

import asyncio
from collections.abc import Callable
import json
from pathlib import Path
import sys
from typing import Any

from simulator.client import ControlClient

from .process import ROOT, Process

START_S = 30

PROTOCOLS = ("1.6", "2.0.1", "2.1")
"""The versions of OCPP that the simulator speaks."""


class WallboxError(Exception):
    """The simulator did not start; the text has the end of its log."""


class Wallbox:
    """One simulated station and the hand that plugs, taps and breaks it."""

    def __init__(self, folder: Path, identity: str, port: int, *options: str) -> None:
        """Describe one that dials this port; `options` are further arguments of the simulator."""
        self.identity = identity
        self.port = port
        url = f"ws://127.0.0.1:{port}"
        self.process = Process(
            *(sys.executable, "-m", "simulator", "--station", identity, "--url", url, *options),
            log=folder / f"simulator-{identity}.log",
            cwd=ROOT,
        )
        self._control: ControlClient | None = None
        self.control_port = 0

    async def start(self) -> None:
        """Switch it on; it keeps on dialling until somebody answers."""
        before = self.process.log.stat().st_size if self.process.log.exists() else 0
        await self.process.start()
        try:
            async with asyncio.timeout(START_S):
                while (ready := self._ready(before)) is None:
                    if not self.process.running:
                        raise WallboxError(f"The simulator ended:\n{self.process.tail()}")
                    await asyncio.sleep(0.05)
        except TimeoutError:
            await self.process.kill()
            raise WallboxError(f"The simulator does not start:\n{self.process.tail()}") from None
        self.control_port = ready["control_port"]
        self._control = ControlClient(self.control_port)

    async def plug(self, car: str = "family", **fields: Any) -> None:
        """Plug a car in."""
        await self._do(lambda control: control.plug(car, **fields))

    async def unplug(self) -> None:
        """Plug the car out."""
        await self._do(lambda control: control.unplug())

    async def tap(self, card: str) -> str:
        """Hold a card to the reader and return what it led to."""
        return await self._do(lambda control: control.tap(card))

    async def fault(self, name: str, **parameters: Any) -> dict[str, Any]:
        """Let something go wrong."""
        return await self._do(lambda control: control.fault(name, **parameters))

    async def state(self) -> dict[str, Any]:
        """Return the state of the station."""
        state: dict[str, Any] = (await self._do(lambda control: control.state()))[self.identity]
        return state

    async def books(self) -> dict[str, Any]:
        """Return what the station has written down."""
        books: dict[str, Any] = (await self._do(lambda control: control.books()))[self.identity]
        return books

    async def charges(self) -> None:
        """Wait until the car charges; OCPP 1.6 has a status for that, the others a state."""
        outlet = (await self.state())["connectors"][0]
        if "charging_state" in outlet:
            await self.wait_for(charging_state="Charging")
        else:
            await self.wait_for(status="Charging")

    async def wait_for(self, seconds: float = 20.0, **wanted: Any) -> None:
        """Wait until fields of the station or its connector have these values."""
        await self._do(lambda control: control.wait_for(self.identity, seconds, **wanted))

    async def _do[R](self, what: Callable[[ControlClient], R]) -> R:
        if self._control is None:
            raise WallboxError("the simulator has not been started")
        return await asyncio.to_thread(what, self._control)

    def _ready(self, offset: int) -> dict[str, Any] | None:
        """Return the line that says that it is up, once it is there."""
        text = self.process.log.read_bytes()[offset:].decode(errors="replace")
        for line in text.splitlines(keepends=True):
            if line.startswith('{"event": "ready"') and line.endswith("\n"):
                ready: dict[str, Any] = json.loads(line)
                return ready
        return None
