"""A broker for each test, and a client of it as a box would be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from aiomqtt import Client
import pytest

from custom_components.forecourt.stations.mqtt.own_broker import Address, OwnBroker

from .mosquitto import Certificates, Mosquitto


@pytest.fixture
async def mosquitto(tmp_path: Path) -> AsyncIterator[Mosquitto]:
    async with Mosquitto(tmp_path) as running:
        yield running


@pytest.fixture
async def broker(mosquitto: Mosquitto) -> AsyncIterator[OwnBroker]:
    address = Address(host="127.0.0.1", port=mosquitto.port)
    async with OwnBroker(address, timeout_s=5, first_wait_s=0.02, longest_wait_s=0.1) as connected:
        await connected.wait_connected()
        yield connected


@pytest.fixture
async def wire(mosquitto: Mosquitto) -> AsyncIterator[Client]:
    """What a box or a person publishes with."""
    async with Client("127.0.0.1", mosquitto.port) as client:
        yield client


@pytest.fixture(scope="session")
def certificates() -> Certificates:
    return Certificates.make()
