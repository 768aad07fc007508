"""A whole site that stations dial, and a check that it leaves nothing behind."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

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
