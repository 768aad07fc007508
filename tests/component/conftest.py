"""These tests run the integration in a Home Assistant without a frontend."""

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from pathlib import Path
import socket
from typing import Any

from homeassistant.config_entries import ConfigEntryState, ConfigSubentryData
from homeassistant.core import HomeAssistant
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.syrupy import HomeAssistantSnapshotExtension
from syrupy.assertion import SnapshotAssertion

# Before any other module named custom_components is imported: the first one is the one where
# Home Assistant looks for integrations.
from custom_components.forecourt.const import DOMAIN, station_unique_id, user_unique_id
from custom_components.forecourt.core.model.token import Token
from custom_components.forecourt.vault import Vault

STATION = "GARAGE"
ANNA, BEN = "11111111-aaaa", "22222222-bbbb"
CARD_OF_ANNA, CARD_OF_BEN, STRANGE_CARD = "04AABBCCDDA1B2", "04AABBCCDDC3D4", "04AABBCCDDE5F6"

OPTIONS: Mapping[str, Any] = {
    "access": "known",
    "main_fuse_a": 25,
    "personal_data": "shared",
    "price_per_kwh": 0.30,
}


def a_station(station_id: str = STATION, name: str = "Garage", **data: Any) -> ConfigSubentryData:
    """Return the subentry of a station."""
    return ConfigSubentryData(
        data={
            "station_id": station_id,
            "evses": 1,
            "max_current_a": 16,
            "fallback_current_a": 6,
            **data,
        },
        subentry_type="station",
        title=name,
        unique_id=station_unique_id(station_id),
    )


def a_user(user_id: str, name: str, **data: Any) -> ConfigSubentryData:
    """Return the subentry of a user."""
    return ConfigSubentryData(
        data={"user_id": user_id, **data},
        subentry_type="user",
        title=name,
        unique_id=user_unique_id(user_id),
    )


type SetUp = Callable[..., Coroutine[Any, Any, MockConfigEntry]]


@pytest.fixture
def snapshot(snapshot: SnapshotAssertion) -> SnapshotAssertion:
    """Write entities and devices without what differs from run to run."""
    return snapshot.use_extension(HomeAssistantSnapshotExtension)


@pytest.fixture
def port(socket_enabled: None) -> int:
    """Return a port that is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(autouse=True)
def _custom_integrations(enable_custom_integrations: None) -> None:
    """Let Home Assistant load Forecourt."""


@pytest.fixture
async def set_up_site(hass: HomeAssistant, port: int, tmp_path: Path) -> AsyncIterator[SetUp]:
    """Return what sets up a site: Anna and Ben, a card each, and one station by default.

    Called again with an entry, it sets up the same site as after a restart.
    """
    hass.config.config_dir = str(tmp_path)
    entries: list[MockConfigEntry] = []

    async def set_up(
        *,
        subentries: list[ConfigSubentryData] | None = None,
        options: Mapping[str, Any] | None = None,
        cards: Mapping[str, str] | None = None,
    ) -> MockConfigEntry:
        if subentries is None:
            subentries = [a_station(), a_user(ANNA, "Anna"), a_user(BEN, "Ben")]
        entry = MockConfigEntry(
            domain=DOMAIN,
            entry_id="site",
            title="Home",
            data={"port": port},
            options={**OPTIONS, **(options or {})},
            subentries_data=subentries,
        )
        vault = Vault(hass)
        await vault.load()
        for card, user_id in (cards or {CARD_OF_ANNA: ANNA, CARD_OF_BEN: BEN}).items():
            await vault.add_token(Token(card), user_id)
        entry.add_to_hass(hass)
        entries.append(entry)
        assert await hass.config_entries.async_setup(entry.entry_id)
        await hass.async_block_till_done()
        return entry

    yield set_up
    for entry in entries:
        if entry.state is ConfigEntryState.LOADED:
            assert await hass.config_entries.async_unload(entry.entry_id)
            await hass.async_block_till_done()
