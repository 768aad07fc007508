"""Another box takes the place of one, under its name; and who else tells a box what to do."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er, issue_registry as ir
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.forecourt import issues
from custom_components.forecourt.const import DOMAIN
from custom_components.forecourt.core.model.ids import EvseId
from simulator.modbus.server import RegisterServer

from .asking import call, device
from .conftest import ANNA, SetUp, a_station, a_user, devices_of_site
from .dialogs import Desk, Dialog, stations
from .peblar import PLUGGED, SERIAL, Peblar, a_box, a_peblar, hurry, proven, shown, until

EVSE = EvseId("peblar_1", 1)
FIRST_WH = 4_000
NEW_SERIAL = "26-01-NEW-111"


@pytest.fixture
async def box(socket_enabled: None) -> AsyncIterator[tuple[Peblar, RegisterServer]]:
    async with a_box() as (peblar, server):
        yield peblar, server


@pytest.fixture
async def new_box(socket_enabled: None) -> AsyncIterator[tuple[Peblar, RegisterServer]]:
    async with a_box(NEW_SERIAL) as (peblar, server):
        peblar.energy_wh = FIRST_WH
        yield peblar, server


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


def where(server: RegisterServer) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": server.port, "unit": 255, "kind": "tcp"}


async def replacing(desk: Desk, site: MockConfigEntry, server: RegisterServer) -> Dialog:
    """Open the dialog, up to what the new box told."""
    dialog = await desk.edit(site, stations(site)[0])
    await dialog.choose("reconfigure", "replace")
    assert "scan" in dialog.shown["menu_options"]
    await dialog.choose("replace", "modbus")
    await dialog.answer("modbus", profile="peblar")
    await dialog.answer("modbus_address", **where(server))
    return dialog


def ids(hass: HomeAssistant, site: MockConfigEntry) -> set[tuple[str, str]]:
    entities = er.async_entries_for_config_entry(er.async_get(hass), site.entry_id)
    return {(one.entity_id, one.unique_id) for one in entities}


def serial(hass: HomeAssistant) -> str | None:
    (found,) = [one for one in devices_of_site(dr.async_get(hass)) if one.name == "Garage"]
    return found.serial_number


async def test_another_box_in_the_middle_of_a_charge(
    hass: HomeAssistant,
    set_up_site: SetUp,
    desk: Desk,
    box: tuple[Peblar, RegisterServer],
    new_box: tuple[Peblar, RegisterServer],
) -> None:
    old, old_server = box
    new, new_server = new_box
    site = await set_up_site(subentries=[a_peblar(old_server.port), a_user(ANNA, "Anna")])
    hub = site.runtime_data
    async with proven(hass, site):
        await until(lambda: old.limit_a == 0)
        old.status = PLUGGED
        await until(lambda: shown(hass, "sensor.status") == "preparing")
        await call(hass, "start_session", device_id=device(hass), user="Anna")
        await until(lambda: (one := hub.site.books.session(EVSE)) and one.energy_wh > 0)
        await until(lambda: serial(hass) == SERIAL)
        before = ids(hass, site)
        register_wh = hub.site.books.register_wh(EVSE)

        dialog = await replacing(desk, site, new_server)
        assert NEW_SERIAL in dialog.placeholders["serial"]
        await dialog.answer("replace_found", max_current_a=20)
        await hass.async_block_till_done()
    assert dialog.step == "reconfigure_successful"
    await until(lambda: serial(hass) == NEW_SERIAL)
    await until(lambda: shown(hass, "sensor.status") == "available")
    assert ids(hass, site) == before
    (subentry,) = stations(site)
    assert subentry.data["station_id"] == "peblar_1"
    assert (subentry.data["max_current_a"], subentry.data["link"]) == (20, where(new_server))

    # The charge has ended, and what the new register shows is no part of it.
    (session,) = await hub.ledger.sessions()
    assert (session.user_id, session.status) == (ANNA, "closed")
    after_wh = hub.site.books.register_wh(EVSE)
    assert register_wh <= after_wh <= old.energy_wh
    # It has yet to show that it obeys. It charges by itself, and that is booked beside.
    assert not hub.declared.station("peblar_1").may_write
    new.status = PLUGGED
    await until(lambda: (one := hub.site.books.session(EVSE)) and one.energy_wh > 0)
    assert hub.site.books.session(EVSE).id != session.id
    assert hub.site.books.register_wh(EVSE) <= after_wh + new.energy_wh - FIRST_WH


async def test_the_same_box_at_another_address(
    hass: HomeAssistant,
    set_up_site: SetUp,
    desk: Desk,
    box: tuple[Peblar, RegisterServer],
    new_box: tuple[Peblar, RegisterServer],
) -> None:
    """A box that is known by its serial number goes on where it was."""
    _, server = new_box
    site = await set_up_site(subentries=[a_peblar(box[1].port), a_user(ANNA, "Anna")])
    await until(lambda: shown(hass, "sensor.status") == "available")
    dialog = await replacing(desk, site, server)
    await dialog.answer("replace_found", max_current_a=16)
    await until(lambda: serial(hass) == NEW_SERIAL)

    peblar, _ = new_box
    books = site.runtime_data.site.books
    peblar.status = PLUGGED
    await until(lambda: (one := books.session(EVSE)) and one.energy_wh > 0)
    session = books.session(EVSE)
    async with RegisterServer({255: peblar.tables}) as moved:
        moved.before_read = peblar.update
        dialog = await replacing(desk, site, moved)
        await dialog.answer("replace_found", max_current_a=16)
        await hass.async_block_till_done()
        await server.stop()
        so_far = books.session(EVSE).energy_wh
        await until(lambda: books.session(EVSE).energy_wh > so_far)
        assert books.session(EVSE).id == session.id
        await hass.config_entries.async_unload(site.entry_id)


async def test_what_cannot_take_its_place(
    hass: HomeAssistant,
    set_up_site: SetUp,
    desk: Desk,
    box: tuple[Peblar, RegisterServer],
    new_box: tuple[Peblar, RegisterServer],
) -> None:
    site = await set_up_site(
        subentries=[
            a_peblar(box[1].port, evses=2),
            a_peblar(new_box[1].port) | {"unique_id": "station_x", "title": "Carport"},
        ]
    )
    first, second = stations(site)
    hass.config_entries.async_update_subentry(
        site, second, data={**second.data, "station_id": "carport", "box": "peblar_26_01_new_111"}
    )
    await hass.async_block_till_done()
    dialog = await replacing(desk, site, new_box[1])
    assert dialog.step == "already_added"
    dialog = await replacing(desk, site, box[1])
    assert dialog.step == "fewer_outlets"
    assert first.data["evses"] == 2


async def test_a_box_by_modbus_for_one_by_ocpp(
    hass: HomeAssistant,
    set_up_site: SetUp,
    desk: Desk,
    new_box: tuple[Peblar, RegisterServer],
) -> None:
    site = await set_up_site(subentries=[a_station("peblar_1"), a_user(ANNA, "Anna")])
    hub = site.runtime_data
    assert "peblar_1" in hub.central.stations
    before = ids(hass, site)
    dialog = await replacing(desk, site, new_box[1])
    await dialog.answer("replace_found", max_current_a=16)
    await until(lambda: shown(hass, "sensor.status") == "available")
    assert "peblar_1" not in hub.central.stations
    assert before <= ids(hass, site)

    # So it is after a restart.
    assert await hass.config_entries.async_reload(site.entry_id)
    await until(lambda: shown(hass, "sensor.status") == "available")
    assert "peblar_1" not in site.runtime_data.central.stations


async def test_another_controller_is_told_of_until_it_is_quiet(
    hass: HomeAssistant,
    set_up_site: SetUp,
    box: tuple[Peblar, RegisterServer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(issues, "QUIET", timedelta(seconds=0.5))
    peblar, server = box
    site = await set_up_site(subentries=[a_peblar(server.port)])
    station = site.runtime_data.declared.station("peblar_1")

    def found() -> ir.IssueEntry | None:
        return ir.async_get(hass).async_get_issue(DOMAIN, "another_controller_peblar_1")

    def meddle() -> ir.IssueEntry | None:
        told = station._outlets[1].told
        if told is not None and told.limit_a == 0:
            peblar.tables.holding[40001] = 10_000
        return found()

    async with proven(hass, site):
        await until(meddle)
    issue = found()
    assert issue is not None
    assert issue.translation_placeholders == {"station": "Garage"}
    await until(lambda: found() is None)
