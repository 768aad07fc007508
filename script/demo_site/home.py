"""A real Home Assistant with Forecourt in it, in a folder of its own, on 127.0.0.1 only."""

import asyncio
from contextlib import AbstractAsyncContextManager
import json
from pathlib import Path
import re
import sys
import time
from typing import Any

from aiohttp import ClientError, ClientSession, ClientTimeout

from .api import Api, ApiError, connect
from .process import ROOT, Process
from .waiting import until

RESTART_CODE = 100
"""How Home Assistant ends when a user restarts it in its settings."""

OWNER = "Demo"
PASSWORD = "demo"  # noqa: S105 - for a Home Assistant that only this machine reaches
START_S = 90

# What a house has; the integrations are listed because `default_config` fetches from the internet.
CONFIGURATION = """\
homeassistant:
  name: {name}
  latitude: 50.1109
  longitude: 8.6821
  elevation: 112
  unit_system: metric
  currency: EUR
  country: DE
  time_zone: Europe/Berlin
  language: en
  auth_providers:
    # The first one is tried first: whoever is on this machine is logged in.
    - type: trusted_networks
      trusted_networks: [127.0.0.1/32]
      allow_bypass_login: true
    - type: homeassistant
frontend:
config:
recorder:
history:
logbook:
energy:
diagnostics:
system_health:
my:
logger:
  default: warning
  logs:
    custom_components.forecourt: debug
input_number:
  electricity_price:
    name: Electricity price
    icon: mdi:cash
    min: 0
    max: 1
    step: 0.001
    initial: 0.31
    mode: box
    unit_of_measurement: EUR/kWh
"""

# An `http:` in the YAML would be on trial for five minutes and then be taken back.
HTTP = {
    "cors_allowed_origins": [],
    "login_attempts_threshold": -1,
    "ip_ban_enabled": False,
    "ssl_profile": "modern",
    "use_x_frame_options": True,
    "created_at": "2026-01-01T00:00:00+00:00",
    "error": None,
    "error_message": None,
}

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_PROBLEM = re.compile(r"^\S+ \S+ (WARNING|ERROR|CRITICAL) ")
_OURS = re.compile(r"custom_components[./]forecourt|\[ocpp")
# Home Assistant says this of every custom integration.
_HARMLESS = re.compile(r"We found a custom integration")


class HomeError(Exception):
    """Home Assistant did not come up; the text has the end of its log."""


class Home:
    """One Home Assistant: prepared in an empty folder, started, killed, started again."""

    def __init__(self, folder: Path, port: int, name: str = "Forecourt demo") -> None:
        """Describe it; nothing is written before `prepare`."""
        self.folder = folder
        self.config = folder / "config"
        self.ledger = self.config / "forecourt/ledger.db"
        self.port = port
        self.name = name
        self.url = f"http://127.0.0.1:{port}"
        self.process = Process(
            # -P: nothing but the configuration is where Home Assistant may import from.
            *(sys.executable, "-P", "-m", "homeassistant", "--skip-pip", "--log-no-color"),
            *("--config", self.config),
            log=folder / "home-assistant.log",
            cwd=self.config,
        )
        self._token_file = folder / "token"

    def prepare(self) -> None:
        """Write the configuration of a new house: with a name and a place, but no Forecourt yet."""
        storage = self.config / ".storage"
        storage.mkdir(parents=True)
        text = CONFIGURATION.format(name=self.name)
        (self.config / "configuration.yaml").write_text(text, encoding="utf-8")
        components = self.config / "custom_components"
        components.mkdir()
        (components / "forecourt").symlink_to(ROOT / "custom_components/forecourt")
        stable = {"server_host": ["127.0.0.1"], "server_port": self.port, **HTTP}
        _store(storage, "http", 2, 2, stable=stable, pending=None, yaml_migration_done=True)
        # These steps of the onboarding would set up services on the internet.
        _store(storage, "onboarding", 4, 1, done=["core_config", "analytics", "integration"])

    async def start(self) -> float:
        """Start it, make its owner if it is new, and return the seconds until all of it runs."""
        begin = time.monotonic()
        await self.process.start()
        try:
            async with asyncio.timeout(START_S):
                await self._answering()
                if is_new := not self._token_file.exists():
                    self._token_file.write_text(await self._onboard(), encoding="utf-8")
                await self._running()
                seconds = time.monotonic() - begin
                if is_new:
                    await self._owner_written()
        except TimeoutError:
            await self.process.kill()
            raise self._failed(f"does not run after {START_S} s") from None
        return seconds

    def api(self) -> AbstractAsyncContextManager[Api]:
        """Return a new client of the owner: `async with home.api() as api`."""
        return connect(self.url, self.token)

    @property
    def token(self) -> str:
        """The owner's access token."""
        return self._token_file.read_text(encoding="utf-8")

    def problems(self) -> list[str]:
        """Return the warnings and errors that it logged about Forecourt, with their tracebacks."""
        path = self.process.log
        text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
        return forecourt_problems(text)

    async def _answering(self) -> None:
        """Wait for the web server."""
        async with ClientSession(timeout=ClientTimeout(total=5)) as session:
            while True:
                self._check_alive()
                try:
                    async with session.get(f"{self.url}/api/") as response:
                        if response.status in (200, 401):
                            return
                except ClientError, TimeoutError:
                    pass
                await asyncio.sleep(0.1)

    async def _onboard(self) -> str:
        """Make the owner, as the first page of a new home does; return a lasting token."""
        client = f"{self.url}/"
        async with ClientSession(self.url, raise_for_status=True) as session:
            while (code := await self._make_owner(session, client)) is None:
                self._check_alive()
                await asyncio.sleep(0.1)
            grant = {"grant_type": "authorization_code", "code": code, "client_id": client}
            async with session.post("/auth/token", data=grant) as response:
                short = (await response.json())["access_token"]
        async with connect(self.url, short) as api:
            token: str = await api.command(
                "auth/long_lived_access_token", client_name="Forecourt demo", lifespan=365
            )
        return token

    async def _make_owner(self, session: ClientSession, client: str) -> str | None:
        """Return a code to log in with, `None` while the page for this is not there yet."""
        person = {"name": OWNER, "username": OWNER.lower(), "password": PASSWORD, "language": "en"}
        try:
            async with session.post(
                "/api/onboarding/users", json={"client_id": client, **person}
            ) as response:
                code: str = (await response.json())["auth_code"]
        except ClientError:
            return None
        return code

    async def _owner_written(self) -> None:
        """Wait until a kill would not make the owner unknown: users are stored with a delay."""
        file = self.config / ".storage/auth"

        async def look() -> bool | None:
            return (file.exists() and "long_lived" in file.read_text(encoding="utf-8")) or None

        await until(look, "the owner on the disk")

    async def _running(self) -> None:
        """Wait until every integration has had its turn."""
        async with self.api() as api:
            while True:
                self._check_alive()
                try:
                    if (await api.get("/api/config"))["state"] == "RUNNING":
                        return
                except ClientError, ApiError:
                    pass
                await asyncio.sleep(0.1)

    def _check_alive(self) -> None:
        if not self.process.running:
            raise self._failed(f"ended with exit code {self.process.code}")

    def _failed(self, how: str) -> HomeError:
        return HomeError(f"Home Assistant {how}:\n{self.process.tail()}")


def forecourt_problems(log: str) -> list[str]:
    """Pick the warnings and errors about Forecourt from a log, each with its traceback."""
    found: list[str] = []
    taking = False
    for line in _COLOUR.sub("", log).splitlines():
        if _PROBLEM.match(line):
            taking = not _HARMLESS.search(line)
            if taking:
                found.append(line)
        elif re.match(r"^\d{4}-\d\d-\d\d ", line):
            taking = False
        elif taking:
            found[-1] += f"\n{line}"
    return [entry for entry in found if _OURS.search(entry) or "forecourt" in entry.lower()]


def _store(storage: Path, key: str, version: int, minor_version: int, **data: Any) -> None:
    """Write a file as Home Assistant's own storage does."""
    document = {"version": version, "minor_version": minor_version, "key": key, "data": data}
    (storage / key).write_text(json.dumps(document), encoding="utf-8")
