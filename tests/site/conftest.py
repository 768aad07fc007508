"""These tests run the whole site without Home Assistant, over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

# Before anything of the integration: it puts Home Assistant out of reach.
import tests.unit.conftest  # noqa: F401 - for what it does

from .depot import Depot


@pytest.fixture
async def depot(tmp_path: Path) -> AsyncIterator[Depot]:
    depot = Depot(tmp_path / "ledger.db")
    await depot.open()
    yield depot
    await depot.close()
    await asyncio.sleep(0)
    # Nothing that the site began may outlive it.
    assert asyncio.all_tasks() == {asyncio.current_task()}
