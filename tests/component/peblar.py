"""A Peblar of registers behind a real Modbus server, and what tests of it share."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from homeassistant.config_entries import ConfigSubentryData
from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.forecourt.stations.declarative import commands
from custom_components.forecourt.stations.declarative.pacing import Pace
from simulator.modbus.server import RegisterServer, Tables

from .conftest import a_station

UNPLUGGED, PLUGGED, CHARGING = (ord(letter) for letter in "ABC")
SERIAL = "24-17-A1B-2CD"


class Peblar:
    """The registers of a Peblar, as its maker documents them."""

    def __init__(self, serial: str = SERIAL) -> None:
        self.tables = Tables()
        inputs = self.tables.input
        inputs |= dict.fromkeys(range(30000, 30028), 0)
        self._text(30050, serial)
        self._text(30062, "6004-2300-8002")
        self._text(30074, "1.8.0+2024")
        self.tables.holding |= {40000: 0, 40001: 16000, 40002: 0}
        self.energy_wh = 1_234_500
        self.status = UNPLUGGED
        self.update()

    def _text(self, address: int, text: str) -> None:
        data = text.encode().ljust(24, b"\0")
        for number in range(12):
            pair = data[2 * number : 2 * number + 2]
            self.tables.input[address + number] = int.from_bytes(pair)

    def _put(self, address: int, value: int, words: int) -> None:
        data = value.to_bytes(2 * words)
        for number in range(words):
            self.tables.input[address + number] = int.from_bytes(data[2 * number : 2 * number + 2])

    @property
    def limit_a(self) -> float:
        return (self.tables.holding[40000] * 65536 + self.tables.holding[40001]) / 1000

    def update(self, _: int = 0) -> None:
        if self.status != UNPLUGGED:
            self.status = CHARGING if self.limit_a >= 6 else PLUGGED
        flows_a = self.limit_a if self.status == CHARGING else 0
        self.tables.input[30110] = self.status
        self._put(30000, self.energy_wh, 4)
        self._put(30004, 0, 4)
        for phase in range(3):
            self._put(30008 + 2 * phase, round(230 * flows_a), 2)
            self._put(30016 + 2 * phase, 230, 2)
            self._put(30022 + 2 * phase, round(1000 * flows_a), 2)
        self._put(30014, round(690 * flows_a), 2)
        if flows_a:
            self.energy_wh += 10


@asynccontextmanager
async def a_box(serial: str = SERIAL) -> AsyncIterator[tuple[Peblar, RegisterServer]]:
    """Serve a box of its own."""
    peblar = Peblar(serial)
    async with RegisterServer({255: peblar.tables}) as server:
        server.before_read = peblar.update
        yield peblar, server


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Poll and write as fast as a test wants to wait."""
    monkeypatch.setattr(Pace, "next_s", lambda *_, **__: 0.02)
    monkeypatch.setattr(commands, "RAISES_APART_S", 1.0)


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def a_peblar(port: int, **data: Any) -> ConfigSubentryData:
    return a_station(
        "peblar_1",
        **{
            "profile": "peblar",
            "link": {"host": "127.0.0.1", "port": port, "unit": 255, "kind": "tcp"},
            **data,
        },
    )


def shown(hass: HomeAssistant, key: str) -> str:
    state = hass.states.get(f"{key.split('.', maxsplit=1)[0]}.garage_outlet_1_{key.split('.')[1]}")
    return "" if state is None else state.state


@asynccontextmanager
async def proven(hass: HomeAssistant, site: MockConfigEntry) -> AsyncIterator[Any]:
    station = site.runtime_data.declared.station("peblar_1")
    station._may_write = True
    yield station
