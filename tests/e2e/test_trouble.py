"""What the screen says when something is in the way, and that all is well again after it."""

from collections.abc import Iterator
from contextlib import closing
import socket
import sqlite3

import pytest

from script.demo_site import newcomer
from script.demo_site.api import Api
from script.demo_site.home import Home
from script.demo_site.wallbox import Wallbox

from .conftest import session_fixture
from .screen import Screen


@session_fixture
async def site(api: Api, wallbox: Wallbox, ocpp_port: int) -> None:
    """Have a site with its station, also where these tests run alone."""
    entries = await api.get(newcomer.ENTRIES + "?domain=forecourt")
    if not entries:
        await wallbox.start()
        await newcomer.add_site(api, "Home", ocpp_port)
        await newcomer.confirm_station(api, wallbox.identity, "Garage")
    await wallbox.wait_for(registration="Accepted")


def written_by(home: Home, revision: str) -> str:
    """Have the ledger say that another version wrote it; return which one did before."""
    with closing(sqlite3.connect(home.ledger)) as ledger, ledger:
        (before,) = ledger.execute("SELECT version_num FROM alembic_version").fetchone()
        ledger.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    return str(before)


@pytest.fixture(scope="module")
def intruder() -> Iterator[socket.socket]:
    """Return another program's socket."""
    with socket.socket() as intruder:
        yield intruder


@pytest.fixture(scope="module")
def revision(home: Home, site: None) -> str:
    """Have a newer version write the ledger; return what was there before."""
    return written_by(home, "9999")


async def test_a_ledger_of_a_newer_version_is_left_alone(screen: Screen, revision: str) -> None:
    await screen.reload()
    await screen.see("written by a newer version of Forecourt")
    await screen.picture("newer-ledger")


async def test_a_port_in_use_is_a_repair_issue(
    screen: Screen, home: Home, revision: str, intruder: socket.socket, ocpp_port: int
) -> None:
    intruder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    intruder.bind(("", ocpp_port))
    intruder.listen()
    assert written_by(home, revision) == "9999"
    await screen.reload()
    await screen.open("/config/repairs")
    title = f"Wallboxes cannot dial in: port {ocpp_port} is taken"
    await screen.see(title)
    await screen.choose(title)
    await screen.page.get_by_role("button", name="Ignore").wait_for()
    await screen.picture("port-in-use")


async def test_all_is_well_again(screen: Screen, wallbox: Wallbox, intruder: socket.socket) -> None:
    intruder.close()
    await screen.reload()
    await wallbox.wait_for(registration="Accepted", online=True)
    await screen.device("Garage")
    await screen.shows("Connection", "Connected")
    await screen.open("/config/repairs")
    await screen.see("There are currently no repairs pending")
