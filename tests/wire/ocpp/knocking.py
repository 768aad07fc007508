"""Knocking at the door, and what it says."""

import asyncio
from dataclasses import replace
from typing import Any

from aiohttp import WSServerHandshakeError
import pytest

from custom_components.forecourt.stations.ocpp import (
    Cause,
    CentralSystem,
)

from .conftest import QUICK
from .peer import Peer

# For peers that are dead anyway.
HASTY = replace(QUICK, probe_s=0.15, drain_s=0.1)
SECRET = "correct horse battery"


async def refused(central: CentralSystem, identity: str, **options: Any) -> WSServerHandshakeError:
    with pytest.raises(WSServerHandshakeError) as caught:
        async with Peer(central, identity, **options):
            pass
    return caught.value


def last(central: CentralSystem) -> tuple[str | None, Cause, str]:
    knock = central.knocks[-1]
    assert knock.address == "127.0.0.1"
    return knock.identity, knock.cause, knock.detail


async def until_gone(central: CentralSystem, identity: str) -> None:
    if connection := central._connections.get(identity):
        async with asyncio.timeout(5):
            await connection.finished.wait()
        await asyncio.sleep(0)
