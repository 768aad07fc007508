"""Places with one box each, which leave nothing behind."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from custom_components.forecourt.ledger import Ledger
from custom_components.forecourt.site import SiteSettings
from custom_components.forecourt.stations.declarative.profile import Profile
from tests.unit.site.world import KEY

from .place import Box, Place, known, profile

type Build = Callable[..., Awaitable[Place]]


@pytest.fixture(scope="session")
def new_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a new ledger: a copy takes less time than making one for each test."""

    async def make(path: Path) -> None:
        await (await Ledger.open(path, KEY)).close()

    path = tmp_path_factory.mktemp("new") / "ledger.db"
    asyncio.run(make(path))
    return path


@pytest.fixture
async def build(tmp_path: Path, new_ledger: Path) -> AsyncIterator[Build]:
    """Return what makes a place of a profile and the settings of its site."""
    places: list[Place] = []

    async def make(
        of: Profile | None = None,
        site: SiteSettings | None = None,
        *,
        box: Box | None = None,
        **more: object,
    ) -> Place:
        path = tmp_path / f"ledger{len(places)}.db"
        place = Place(path, new_ledger, of or profile(), site or known(), box)
        place.more = dict(more)
        await place.open()
        places.append(place)
        return place

    yield make
    for place in places:
        await place.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}
