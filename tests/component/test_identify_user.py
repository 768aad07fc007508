"""Who has plugged in is said where no reader asks."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util
import pytest
import voluptuous as vol

from custom_components.forecourt.core.model.ids import EvseId
from custom_components.forecourt.core.model.session import Session
from custom_components.forecourt.core.model.token import Token
from simulator.modbus.server import RegisterServer

from .asking import FAMILY, call, device, login_of, refused
from .conftest import ANNA, BEN, SetUp
from .peblar import (
    CHARGING,
    PLUGGED,
    UNPLUGGED,
    Peblar,
    a_box,
    a_peblar,
    hurry,
    proven,
    shown,
    until,
)

CODE = "4711-0815"
EVSE = EvseId("peblar_1", 1)
USERS = FAMILY[1:]


@pytest.fixture
async def box(socket_enabled: None) -> AsyncIterator[tuple[Peblar, RegisterServer]]:
    async with a_box() as (peblar, server):
        yield peblar, server


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


@pytest.fixture
async def site(hass: HomeAssistant, set_up_site: SetUp, box: tuple[Peblar, RegisterServer]) -> Any:
    """Return a site with a wallbox that cannot read cards."""
    site = await set_up_site(subentries=[a_peblar(box[1].port), *USERS])
    await until(lambda: shown(hass, "sensor.status") == "available")
    return site


async def ended(site: Any, peblar: Peblar) -> Session:
    """Pull the plug, and return what is in the books."""
    books = site.runtime_data.site.books
    peblar.status = UNPLUGGED
    await until(lambda: books.session(EVSE) is None)
    return (await site.runtime_data.ledger.sessions())[0]  # type: ignore[no-any-return]


async def test_the_car_that_waits_charges(
    hass: HomeAssistant, site: Any, box: tuple[Peblar, RegisterServer]
) -> None:
    peblar, _ = box
    async with proven(hass, site):
        await until(lambda: peblar.limit_a == 0)
        peblar.status = PLUGGED
        await until(lambda: shown(hass, "sensor.status") == "preparing")
        await call(hass, "identify_user", device_id=device(hass), user="Anna")
        await until(lambda: shown(hass, "sensor.current_user") == "Anna")
        await until(lambda: peblar.limit_a == 16)
        # Twice is no harm; another one comes too late.
        await call(hass, "identify_user", device_id=device(hass), user="Anna")
        await refused(hass, "already_charging", "identify_user", device_id=device(hass), user="Ben")
        session = await ended(site, peblar)
    assert session.user_id == ANNA
    assert session.flags == {"no_card"}
    assert session.token_last4 is None


async def test_said_before_the_car_comes(
    hass: HomeAssistant, site: Any, box: tuple[Peblar, RegisterServer]
) -> None:
    peblar, _ = box
    async with proven(hass, site):
        await until(lambda: peblar.limit_a == 0)
        ben = login_of(hass, "person.ben")
        await call(hass, "identify_user", device_id=device(hass), login=ben)
        peblar.status = PLUGGED
        await until(lambda: shown(hass, "sensor.current_user") == "Ben")
        session = await ended(site, peblar)
        assert (session.user_id, session.flags) == (BEN, {"no_card"})

        # The next charge that is started from here is none that somebody was named for.
        peblar.status = PLUGGED
        await until(lambda: shown(hass, "sensor.status") == "preparing")
        await call(hass, "start_session", device_id=device(hass), user="Anna")
        await until(lambda: shown(hass, "sensor.current_user") == "Anna")
        again = await ended(site, peblar)
        assert (again.user_id, again.flags) == (ANNA, set())


async def test_a_charge_of_nobody_becomes_somebodys(
    hass: HomeAssistant, site: Any, box: tuple[Peblar, RegisterServer]
) -> None:
    peblar, _ = box
    # Nobody may tell this box anything: it charges by itself.
    books = site.runtime_data.site.books
    peblar.status = CHARGING
    await until(lambda: (one := books.session(EVSE)) and one.energy_wh > 0)
    assert books.session(EVSE).user_id is None
    assert books.session(EVSE).flags == {"unauthorized"}

    await call(hass, "identify_user", device_id=device(hass), user="Anna")
    await until(lambda: shown(hass, "sensor.current_user") == "Anna")
    so_far = books.session(EVSE).energy_wh
    await until(lambda: books.session(EVSE).energy_wh > so_far)
    await refused(hass, "already_charging", "identify_user", device_id=device(hass), user="Ben")
    session = await ended(site, peblar)
    assert (session.user_id, session.flags) == (ANNA, {"no_card"})


async def test_a_code_from_a_keypad(
    hass: HomeAssistant, site: Any, box: tuple[Peblar, RegisterServer]
) -> None:
    peblar, _ = box
    hub, outlet = site.runtime_data, device(hass)
    await hub.enrol(Token(CODE), ANNA)
    async with proven(hass, site):
        await until(lambda: peblar.limit_a == 0)
        peblar.status = PLUGGED
        await until(lambda: shown(hass, "sensor.status") == "preparing")
        error = await refused(
            hass, "token_refused", "identify_user", device_id=outlet, token="0000"
        )
        assert "0000" not in str(error)
        await call(hass, "identify_user", device_id=outlet, token=CODE)
        await until(lambda: shown(hass, "sensor.current_user") == "Anna")
        # Typed again, it changes nothing.
        await call(hass, "identify_user", device_id=outlet, token=CODE)
        session = await ended(site, peblar)
    assert (session.user_id, session.flags) == (ANNA, set())
    assert session.token_last4 == CODE[-4:]


async def test_a_code_for_a_charge_of_nobody(
    hass: HomeAssistant, site: Any, box: tuple[Peblar, RegisterServer]
) -> None:
    peblar, _ = box
    hub, outlet = site.runtime_data, device(hass)
    await hub.enrol(Token(CODE), ANNA)
    peblar.status = CHARGING
    await until(lambda: hub.site.books.session(EVSE))
    await call(hass, "identify_user", device_id=outlet, token=CODE)
    session = await ended(site, peblar)
    assert (session.user_id, session.token_last4, session.flags) == (ANNA, CODE[-4:], set())


async def test_who_may_say_it(
    hass: HomeAssistant, site: Any, box: tuple[Peblar, RegisterServer]
) -> None:
    outlet = device(hass)
    ben = login_of(hass, "person.ben")
    stranger = login_of(hass)
    asked = {"device_id": outlet}
    await refused(hass, "admin_only", "identify_user", login=ben, user="Anna", **asked)
    await refused(hass, "admin_only", "identify_user", login=ben, token=CODE, **asked)
    await refused(hass, "admin_only", "identify_user", login=stranger, **asked)
    await refused(hass, "nobody_named", "identify_user", **asked)
    await refused(hass, "unknown_user", "identify_user", user="Zoe", **asked)
    with pytest.raises(vol.Invalid):
        await call(hass, "identify_user", user="Anna", token=CODE, **asked)


async def test_what_is_held_for_another_one(
    hass: HomeAssistant, site: Any, box: tuple[Peblar, RegisterServer]
) -> None:
    peblar, _ = box
    hub, outlet = site.runtime_data, device(hass)
    await hub.enrol(Token(CODE), BEN)
    until_when = (dt_util.utcnow() + timedelta(hours=1)).isoformat()
    await call(hass, "reserve", device_id=outlet, user="Anna", until=until_when)
    await refused(hass, "command_refused", "identify_user", device_id=outlet, user="Ben")
    peblar.status = CHARGING
    await until(lambda: hub.site.books.session(EVSE))
    await refused(hass, "command_refused", "identify_user", device_id=outlet, user="Ben")
    session = await ended(site, peblar)
    assert session.user_id is None
