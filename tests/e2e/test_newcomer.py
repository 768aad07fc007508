"""The way of somebody new, by mouse and keyboard, from nothing to a charge in the books."""

import re

from aiohttp import WSServerHandshakeError

from script.demo_site import newcomer
from script.demo_site.api import Api
from script.demo_site.compare import compare, read_ledger
from script.demo_site.home import Home
from script.demo_site.wallbox import Wallbox
from simulator import RawClient

from .conftest import STATION
from .screen import INTEGRATION, Screen, number

CARD = "04A1B2C3D4"
STRANGER = "0BAD0BAD"
PRICE = 0.31


async def test_three_questions(screen: Screen, usual_port_taken: None) -> None:
    await screen.open("/config/integrations/dashboard")
    await screen.press("Add integration")
    await screen.page.get_by_placeholder("Search for a brand name").fill("forecourt")
    await screen.choose("Forecourt")
    await screen.see("Three questions.")
    await screen.page.get_by_role("radio", name="Known cards only").click()
    await screen.picture("three-questions")
    await screen.press("Submit")


async def test_another_port_if_the_usual_one_is_taken(screen: Screen, ocpp_port: int) -> None:
    await screen.see("Another program uses port 9000.")
    await screen.picture("another-port")
    await screen.fill_number(str(ocpp_port))
    await screen.press("Submit")


async def test_who_knocks_is_seen_live(screen: Screen, ocpp_port: int) -> None:
    await screen.see("Nobody has knocked yet.")
    await screen.see(re.compile(rf"ws://[0-9.]+:{ocpp_port}/"))
    await screen.picture("connect")
    await _knock(f"ws://127.0.0.1:{ocpp_port}/steve/CentralSystemService", "ocpp1.6")
    await _knock(f"ws://127.0.0.1:{ocpp_port}", "ocpp2.0")
    await screen.see("/steve/CentralSystemService/WALLBOX-7")
    await screen.see(re.compile("Set the wallbox to OCPP 1.6J"))
    await screen.picture("knocks", image="connect")


async def _knock(url: str, protocol: str) -> None:
    client = RawClient(url, "WALLBOX-7", subprotocols=(protocol,))
    try:
        await client.connect()
    except WSServerHandshakeError:
        return
    # A version that nobody speaks is told so by a handshake without one, and a goodbye.
    assert await client.receive() is None
    await client.close()


async def test_a_station_that_dials_in_is_discovered(screen: Screen, wallbox: Wallbox) -> None:
    await screen.press("Close")
    await wallbox.start()
    await screen.see(f"Virtual Wallbox 11 ({STATION})")
    await screen.picture("discovered")
    await screen.press("Add")
    await screen.see("It has dialled in")
    await screen.fill("Name", "Garage")
    await screen.picture("confirm")
    await screen.press("Submit")
    await screen.see("Wallbox added: plug in now.")
    await screen.picture("added")
    await screen.press("Close")
    await wallbox.wait_for(registration="Accepted")


async def test_a_price(screen: Screen) -> None:
    await screen.open(INTEGRATION)
    await screen.press("Configure")
    await screen.choose("Charging and price")
    await screen.page.get_by_role("radio", name="A fixed price").click()
    await screen.picture("options")
    await screen.press("Submit")
    await screen.fill_number(str(PRICE))
    await screen.picture("price")
    await screen.press("Submit")
    await screen.see("Options successfully saved.")
    await screen.press("Finish")


async def test_a_user_with_a_card(screen: Screen, wallbox: Wallbox) -> None:
    await screen.press("Add user")
    await screen.fill("Name", "Anna")
    await screen.picture("user")
    await screen.press("Submit")
    await screen.see("A card for Anna?")
    await screen.picture("card")
    await screen.choose("Enrol a card now")
    await screen.see("Hold the card to the reader of Garage now.")
    await screen.picture("tap")
    # Read, and not let in.
    assert await wallbox.tap(CARD) == "refused"
    await screen.see(re.compile("The card that was shown is …C3D4"))
    await screen.picture("give")
    await screen.press("Yes, give it")
    await screen.see("Anna is added")
    await screen.picture("user-added")
    await screen.press("Finish")
    await screen.picture("integration")


async def test_plug_and_tap(screen: Screen, wallbox: Wallbox) -> None:
    await screen.device("Outlet 1")
    await screen.shows("Status", "Available")
    await screen.picture("outlet-free")
    await wallbox.plug("family", soc=0.3)
    await screen.shows("Status", "Preparing")
    assert await wallbox.tap(CARD) == "started"
    await screen.shows("Status", "Charging")
    await screen.shows("Current user", "Anna")


async def test_an_unknown_card_is_refused(screen: Screen, wallbox: Wallbox, api: Api) -> None:
    await screen.device("Garage")
    assert await wallbox.tap(STRANGER) == "refused"
    await screen.shows("Card presented", lambda text: "Refused" in text)
    await screen.picture("refused")
    shown = (await api.states())["event.garage_card_presented"]["attributes"]
    assert (shown["reason"], shown["last4"]) == ("unknown_token", STRANGER[-4:])


async def test_energy_and_cost_count_up(screen: Screen) -> None:
    await screen.device("Outlet 1")
    energy = number(await screen.shows("Session energy", lambda text: number(text) > 0))
    cost = number(await screen.state("Session cost"))
    more = number(await screen.shows("Session energy", lambda text: number(text) > energy))
    await screen.shows("Session cost", lambda text: number(text) > cost)
    await screen.shows("Charging power", lambda text: number(text) > 10_000)
    await screen.shows("Session cost", lambda text: abs(number(text) - more * PRICE) < 0.01)
    await screen.picture("charging", image="charging")


async def test_the_month_of_a_user(screen: Screen) -> None:
    await screen.device("Anna")
    await screen.shows("Charging", "Charging")
    await screen.shows("Energy this month", lambda text: number(text) > 0)
    await screen.shows("Cost this month", lambda text: number(text) > 0)
    await screen.picture("user-charging", image="user", height=644)


async def test_a_lost_station_is_unavailable_and_its_charge_goes_on(
    screen: Screen, wallbox: Wallbox
) -> None:
    await screen.device("Outlet 1")
    energy = number(await screen.state("Session energy"))
    await wallbox.fault("offline")
    await screen.shows("Status", "Unavailable")
    # What is in the books is known all the same.
    assert number(await screen.state("Session energy")) >= energy
    await screen.picture("lost")
    await wallbox.fault("online")
    await screen.shows("Status", "Charging")
    assert await screen.state("Current user") == "Anna"


async def test_unplugged(screen: Screen, wallbox: Wallbox) -> None:
    await wallbox.unplug()
    await screen.shows("Status", "Available")
    await screen.shows("Current user", "Nobody")
    await screen.shows("Charging power", "0 W")
    await screen.picture("unplugged")


async def test_the_session_is_in_the_books(screen: Screen, wallbox: Wallbox, home: Home) -> None:
    await wallbox.wait_for(queued=0)
    await screen.open("/config/tools/action")
    await screen.page.get_by_text("Action", exact=True).last.click()
    await screen.page.get_by_placeholder(re.compile("^Search")).last.fill("get sessions")
    await screen.page.get_by_text("forecourt.get_sessions").click()
    await screen.press("Perform action")
    response = screen.page.get_by_text("status: closed")
    await response.scroll_into_view_if_needed()
    await screen.picture("sessions")
    # The editor colours each word for itself.
    told = re.sub(r"\n:\n", ": ", await screen.text())
    books = await wallbox.books()
    energy = books["plug_ins"][0]["energy_wh"]
    assert "user: Anna" in told
    assert f"energy_wh: {int(energy)}" in told
    assert compare({STATION: books}, read_ledger(home.ledger)).differences == []


async def test_one_lost_reading_is_noticed(wallbox: Wallbox, home: Home, api: Api) -> None:
    await wallbox.plug()
    assert await wallbox.tap(CARD) == "started"
    await wallbox.wait_for(status="Charging")
    await wallbox.fault("lose_reading")
    assert await wallbox.tap(CARD) == "stopped"
    await wallbox.unplug()
    await wallbox.wait_for(status="Available", queued=0)
    result = compare({STATION: await wallbox.books()}, read_ledger(home.ledger))
    assert result.energy_error_wh > 0
    assert len(result.differences) == 1
    assert "Transaction.End" in result.differences[0]
    assert [one["status"] for one in await newcomer.sessions(api)] == ["closed", "closed"]


async def test_nothing_in_the_log(home: Home) -> None:
    assert home.problems() == []
