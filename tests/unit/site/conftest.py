import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
import shutil

import pytest

from custom_components.forecourt.core.model.token import Access
from custom_components.forecourt.ledger import Ledger

from .world import KEY, World, settings


@pytest.fixture(scope="session")
def new_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a new ledger: a copy takes less time than making one for each test."""

    async def make(path: Path) -> None:
        await (await Ledger.open(path, KEY)).close()

    path = tmp_path_factory.mktemp("new") / "ledger.db"
    asyncio.run(make(path))
    return path


@pytest.fixture
async def world(
    tmp_path: Path, new_ledger: Path, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[World]:
    """Return a site where those who are known may charge, without stations."""
    path = tmp_path / "ledger.db"
    shutil.copy(new_ledger, path)
    world = World(path, settings())
    await world.open()
    yield world
    await world.close()
    assert "was not served" not in caplog.text
    # Nothing that the site began may outlive it.
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.fixture
def anyone(world: World) -> World:
    """Return a site where anyone may charge."""
    world.settings = world.site.settings = settings(Access.ANYONE)
    return world
