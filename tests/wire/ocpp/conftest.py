"""A central system on a real port, and a check that it leaves nothing behind."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Any

import pytest

from custom_components.forecourt.stations.ocpp import CentralSystem, OcppStation, Timing

from .peer import Site, Watch

QUICK = Timing(
    accept_s=0.3,
    call_s=2,
    close_s=0.3,
    drain_s=0.6,
    pending_retry_s=1,
    pong_s=0.2,
    probe_s=0.4,
    quiet_boot_s=0.1,
    send_s=0.5,
)

type MakeCentral = Callable[..., Awaitable[CentralSystem]]


@pytest.fixture
def now() -> Watch:
    return Watch()


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
async def make_central(site: Site, now: Watch) -> AsyncIterator[MakeCentral]:
    """Start central systems that are stopped at the end of the test."""
    before = asyncio.all_tasks()
    made: list[CentralSystem] = []

    async def make(
        timing: Timing = QUICK, *, start: Mapping[str, Any] = MappingProxyType({}), **options: Any
    ) -> CentralSystem:
        central = CentralSystem(site, now=now, timing=timing, **options)
        await central.start("127.0.0.1", **{"port": 0, **start})
        made.append(central)
        return central

    yield make
    for central in made:
        await central.stop()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() - before <= {asyncio.current_task()}


@pytest.fixture
async def central(make_central: MakeCentral) -> CentralSystem:
    return await make_central()


@pytest.fixture
def station(central: CentralSystem) -> OcppStation:
    """Return a station that has not connected yet."""
    return central.add_station("CP1")
