import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
import shutil

import pytest

from custom_components.forecourt.ledger import Ledger

from .samples import KEY


@pytest.fixture(scope="session")
def new_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a new ledger: a copy takes less time than making one for each test."""

    async def make(path: Path) -> None:
        await (await Ledger.open(path, KEY)).close()

    path = tmp_path_factory.mktemp("new") / "ledger.db"
    asyncio.run(make(path))
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where the ledger will be; neither it nor its folder exist."""
    return tmp_path / "forecourt" / "ledger.db"


@pytest.fixture
async def ledger(path: Path, new_file: Path) -> AsyncIterator[Ledger]:
    path.parent.mkdir()
    shutil.copy(new_file, path)
    ledger = await Ledger.open(path, KEY)
    yield ledger
    await ledger.close()
