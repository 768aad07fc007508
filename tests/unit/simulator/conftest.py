"""A server, and stations that connect to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from simulator import Clock, Ocpp16Station, StationConfig

from .server import Server

FAST: dict[str, Any] = {
    "tick_s": 0.01,
    "call_timeout_s": 2.0,
    "reconnect_s": 0.02,
    "reconnect_max_s": 0.05,
    "boot_retry_s": 0.02,
    "reboot_s": 0.02,
}

type Dial = Callable[..., Any]


@pytest.fixture(autouse=True)
def _sockets(socket_enabled: None) -> None:
    """Allow sockets where a plug-in forbids them: these tests are about them."""


@pytest.fixture(autouse=True)
def enable_event_loop_debug() -> None:
    """Leave the event loop as it is: debug mode, a fixture for Home Assistant, halves the speed."""


@pytest.fixture(autouse=True)
async def _nothing_left_behind() -> AsyncIterator[None]:
    """Fail if a test leaves a task or a timer in the event loop."""
    loop = asyncio.get_running_loop()
    before = asyncio.all_tasks()
    yield
    await loop.shutdown_default_executor()
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    timers = [one for one in loop._scheduled if not one.cancelled()]  # type: ignore[attr-defined]
    assert not left
    assert not timers


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with Server() as running:
        yield running


@pytest.fixture
async def dial(server: Server) -> AsyncIterator[Dial]:
    """Return a function that starts a station and waits until the server has accepted it."""
    async with AsyncExitStack() as stack:

        async def start(
            *, ready: bool = True, clock: Clock | None = None, speed: float = 1.0, **options: Any
        ) -> Ocpp16Station:
            config = StationConfig("SIM-1", **{**FAST, **options})
            station = Ocpp16Station(config, server.url, clock=clock or Clock(speed))
            await stack.enter_async_context(station)
            if ready:
                await station.wait_for(lambda s: s.ready)
            return station

        yield start
