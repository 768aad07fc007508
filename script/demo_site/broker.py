"""The MQTT broker of the house: Mosquitto, on a port of its own, for this machine only."""

import asyncio
import getpass
import os
from pathlib import Path
import shutil
from typing import Any

from .api import Api
from .newcomer import FLOWS, Dialog
from .process import Process

START_S = 10

_PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"

_CONFIGURATION = """\
user {user}
listener {port} 127.0.0.1
allow_anonymous true
persistence false
"""

type Json = Any


class BrokerError(Exception):
    """The broker is not installed, or does not start; the text says which."""


class Broker:
    """One Mosquitto, and the dialog that makes it known to Home Assistant."""

    def __init__(self, folder: Path, port: int) -> None:
        """Describe it; raises `BrokerError` where there is no Mosquitto."""
        program = shutil.which("mosquitto", path=_PATH)
        if program is None:
            raise BrokerError("There is no mosquitto. As root, script/bootstrap broker installs it")
        self.port = port
        self._settings = folder / "mosquitto.conf"
        self.process = Process(
            *(program, "-c", self._settings), log=folder / "mosquitto.log", cwd=folder
        )

    @property
    def address(self) -> str:
        """Where it listens, as the simulator wants it."""
        return f"127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it, and return when it answers."""
        text = _CONFIGURATION.format(user=getpass.getuser(), port=self.port)
        self._settings.write_text(text, encoding="utf-8")
        await self.process.start()
        try:
            async with asyncio.timeout(START_S):
                while not await self._answers():
                    if not self.process.running:
                        raise BrokerError(f"The broker ended:\n{self.process.tail()}")
                    await asyncio.sleep(0.05)
        except TimeoutError:
            await self.process.kill()
            raise BrokerError(f"The broker does not start:\n{self.process.tail()}") from None

    async def add(self, api: Api) -> None:
        """Set up the MQTT integration with it."""
        dialog = await Dialog.begin(api, FLOWS, handler="mqtt", show_advanced_options=False)
        more = {"set_client_cert": False, "set_ca_cert": "off"}
        await dialog.answer("broker", broker="127.0.0.1", port=self.port, other_settings=more)
        dialog.expect("create_entry")

    async def _answers(self) -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        writer.close()
        return True
