"""Changing a wallbox that is there."""

from collections.abc import Callable

import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.stations.base import CanSwitchPhases, supports
from custom_components.forecourt.stations.ocpp.passwords import is_slow
from simulator import Ocpp16Station

from .conftest import STATION, SetUp, until
from .dialogs import PASSWORD, Desk, Dialog, stations


@pytest.fixture
async def with_garage(set_up_site: SetUp) -> MockConfigEntry:
    return await set_up_site()


CHANGES = {
    "name": "Carport",
    "max_current_a": 20,
    "fallback_current_a": 8,
    "password_choice": "none",
}


async def edit(desk: Desk, site: MockConfigEntry) -> Dialog:
    dialog = await desk.edit(site, stations(site)[0])
    assert dialog.shown["menu_options"] == ["edit", "forward", "replace"]
    await dialog.choose("reconfigure", "edit")
    return dialog


async def test_reconfigure(with_garage: MockConfigEntry, desk: Desk) -> None:
    dialog = await edit(desk, with_garage)
    assert dialog.filled == {"name": "Garage", "max_current_a": 16, "fallback_current_a": 6}
    assert dialog.options("password_choice") == ["none", "generate", "own"]

    await dialog.answer("edit", **CHANGES)

    assert dialog.step == "reconfigure_successful"
    (station,) = stations(with_garage)
    assert station.title == "Carport"
    assert station.data == {
        "station_id": STATION,
        "evses": 1,
        "max_current_a": 20,
        "fallback_current_a": 8,
        "switches_phases": False,
    }


async def test_only_its_owner_knows_whether_it_switches_phases(
    with_garage: MockConfigEntry, desk: Desk
) -> None:
    station = with_garage.runtime_data.central.stations[STATION]
    assert not supports(station, CanSwitchPhases)
    assert station.phase_counts(EvseId(STATION, 1)) == frozenset()
    dialog = await edit(desk, with_garage)
    await dialog.answer("edit", **{**CHANGES, "switches_phases": True})
    assert supports(station, CanSwitchPhases)
    assert station.phase_counts(EvseId(STATION, 1)) == {1, 3}
    assert (await edit(desk, with_garage)).filled["switches_phases"] is True


async def test_without_a_name_a_station_is_called_by_its_identity(
    with_garage: MockConfigEntry, desk: Desk
) -> None:
    dialog = await edit(desk, with_garage)
    await dialog.answer("edit", **{**CHANGES, "name": " "})
    assert stations(with_garage)[0].title == STATION


@pytest.mark.parametrize(
    ("fallback_a", "error"),
    [(0, None), (5, "fallback_too_low"), (20, None), (21, "fallback_too_high")],
)
async def test_fallback_current(
    with_garage: MockConfigEntry, desk: Desk, fallback_a: int, error: str | None
) -> None:
    dialog = await edit(desk, with_garage)
    await dialog.answer("edit", **{**CHANGES, "fallback_current_a": fallback_a})
    if error is None:
        assert stations(with_garage)[0].data["fallback_current_a"] == fallback_a
    else:
        assert dialog.errors == {"fallback_current_a": error}
        await dialog.answer("edit", **CHANGES)
        assert dialog.step == "reconfigure_successful"


async def test_passwords_come_and_go(
    with_garage: MockConfigEntry, dial: Callable[..., Ocpp16Station], desk: Desk
) -> None:
    unchanged = {"name": "Garage", "max_current_a": 16, "fallback_current_a": 6}

    async def change(choice: str) -> Dialog:
        dialog = await edit(desk, with_garage)
        await dialog.answer("edit", **unchanged, password_choice=choice)
        return dialog

    dialog = await change("own")
    await dialog.answer("password", password=PASSWORD)
    async with dial(password=PASSWORD) as wallbox:
        await until(lambda: wallbox.ready)

        dialog = await edit(desk, with_garage)
        assert dialog.options("password_choice") == ["keep", "generate", "own", "remove"]
        await change("keep")
        assert with_garage.runtime_data.vault.password_hash(STATION) is not None
        assert wallbox.online

    await change("remove")
    assert with_garage.runtime_data.vault.password_hash(STATION) is None
    async with dial() as wallbox:
        await until(lambda: wallbox.ready)

        dialog = await change("generate")
        password = dialog.placeholders["password"].strip("`")
        await dialog.answer("generated")
        # It has to log in with it now.
        await until(lambda: not wallbox.online)
    password_hash = with_garage.runtime_data.vault.password_hash(STATION)
    # What nobody can guess costs nothing to check.
    assert not is_slow(password_hash)
    assert password not in password_hash
    async with dial(password=password) as wallbox:
        await until(lambda: wallbox.ready)
