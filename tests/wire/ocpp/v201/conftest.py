"""A central system to which stations of OCPP 2.x come."""

from collections.abc import AsyncIterator

import pytest

from custom_components.forecourt.stations.ocpp import CentralSystem, OcppStation

from .peer import Books, Peer201


@pytest.fixture
def site() -> Books:
    return Books()


@pytest.fixture
async def peer(central: CentralSystem, station: OcppStation) -> AsyncIterator[Peer201]:
    """Return a station that has booted and was set up."""
    async with Peer201(central) as peer:
        yield await peer.ready()
