"""What somebody new to Forecourt does in its dialogs, done over Home Assistant's API.

Every answer goes the way of the frontend's own; nothing is written into Home Assistant's storage.
"""

from collections.abc import Awaitable, Callable
from contextlib import nullcontext, suppress
from typing import Any

from .api import Api
from .ports import OCPP_PORT, held
from .waiting import until
from .wallbox import Wallbox

ENTRIES = "/api/config/config_entries/entry"
FLOWS = "/api/config/config_entries/flow"
OPTIONS = "/api/config/config_entries/options/flow"
SUBENTRIES = "/api/config/config_entries/subentries/flow"

MAIN_FUSE_A = 25
MAX_CURRENT_A = 16
PRICE_ENTITY = "input_number.electricity_price"

type Json = Any


class DialogError(Exception):
    """A dialog did not take the way that was expected."""


class Dialog:
    """A dialog that is open: answers its forms and menus, and knows what it shows."""

    def __init__(self, api: Api, kind: str, shown: Json) -> None:
        """Use `begin`, or what a flow showed already."""
        self._api = api
        self._kind = kind
        self.shown = shown

    @classmethod
    async def begin(cls, api: Api, kind: str, **start: Json) -> Dialog:
        """Open a dialog."""
        return cls(api, kind, await api.post(kind, start))

    async def answer(self, step: str, **answers: Json) -> None:
        """Fill in the form that must be the one on the screen."""
        self.expect(step)
        self.shown = await self._api.post(f"{self._kind}/{self.shown['flow_id']}", answers)
        if self.shown.get("step_id") == step and self.shown.get("errors"):
            raise DialogError(f"{step}: {self.shown['errors']}")

    async def choose(self, step: str, option: str) -> None:
        """Choose from the menu that must be the one on the screen."""
        await self.answer(step, next_step_id=option)

    async def progressed(self, step: str) -> None:
        """Wait until the step that waits for something is over."""

        async def look() -> Json:
            shown = await self._api.get(f"{self._kind}/{self.shown['flow_id']}")
            return None if shown.get("step_id") == step else shown

        self.shown = await until(look, f"the end of {step}")

    async def close(self) -> None:
        """Close the dialog without finishing it."""
        await self._api.delete(f"{self._kind}/{self.shown['flow_id']}")

    def expect(self, step: str) -> None:
        """Make sure that this is what is shown: a step, `create_entry`, or the reason of an end."""
        shown = self.shown
        if step not in (shown.get("step_id"), shown.get("reason"), shown["type"]):
            raise DialogError(f"expected {step}, but the dialog shows {shown}")


async def add_site(api: Api, name: str, port: int, main_fuse_a: int = MAIN_FUSE_A) -> str:
    """Add Forecourt, for known cards only, and return the id of its entry.

    It is asked for a port only if the usual one is taken.
    """
    dialog = await Dialog.begin(api, FLOWS, handler="forecourt", show_advanced_options=False)
    with held(OCPP_PORT) if port != OCPP_PORT else nullcontext():
        await dialog.answer("user", name=name, main_fuse_a=main_fuse_a, access="known")

    async def listening() -> bool | None:
        # Another run may be holding the usual port at this moment.
        if dialog.shown.get("step_id") == "port":
            with suppress(DialogError):
                await dialog.answer("port", port=port)
        return dialog.shown.get("step_id") != "port" or None

    await until(listening, f"port {port}")
    dialog.expect("create_entry")
    entry: str = dialog.shown["result"]["entry_id"]
    if following := dialog.shown.get("next_flow"):
        # The screen that shows who knocks; here the station is taken from the discovered ones.
        kind, flow_id = following
        if kind == "config_subentries_flow":
            await api.delete(f"{SUBENTRIES}/{flow_id}")
    return entry


async def set_price(api: Api, entry: str, main_fuse_a: int = MAIN_FUSE_A) -> None:
    """Let a kilowatt-hour cost what the entity says."""
    dialog = await Dialog.begin(api, OPTIONS, handler=entry)
    await dialog.choose("init", "site")
    await dialog.answer(
        "site",
        main_fuse_a=main_fuse_a,
        access="known",
        price_source="entity",
        personal_data="shared",
    )
    await dialog.answer("price_entity", price_entity=PRICE_ENTITY)
    dialog.expect("create_entry")


async def confirm_station(api: Api, station: str, name: str) -> None:
    """Add this station, which was discovered, under a name."""

    async def discovered() -> Json:
        flows = await api.command("config_entries/flow/progress")
        titles = [(flow["context"].get("title_placeholders", {}), flow) for flow in flows]
        return next((flow for title, flow in titles if station in title.get("name", "")), None)

    flow = await until(discovered, f"the discovery of {station}")
    dialog = Dialog(api, FLOWS, await api.get(f"{FLOWS}/{flow['flow_id']}"))
    await dialog.answer("discovered", name=name, max_current_a=MAX_CURRENT_A)
    dialog.expect("wallbox_added")


async def add_user(api: Api, entry: str, name: str, tap: Callable[[], Awaitable[Json]]) -> None:
    """Add a user with a card, which `tap` holds to the reader."""
    dialog = await Dialog.begin(api, SUBENTRIES, handler=[entry, "user"])
    await dialog.answer("user", name=name)
    await dialog.choose("card", "enrol")
    dialog.expect("tap")
    await tap()
    await dialog.progressed("tap")
    await dialog.answer("give")
    dialog.expect("create_entry")

    async def appeared() -> Json:
        states = (await api.states()).values()
        named = (state["attributes"].get("friendly_name", "") for state in states)
        return next((shown for shown in named if shown.startswith(f"{name} ")), None)

    # The dialog ends a moment before the site has taken the user in.
    await until(appeared, f"the entities of {name}")


async def outlet_page(api: Api) -> str:
    """Return the path of the page of the outlet."""
    devices = await api.command("config/device_registry/list")
    outlet = next(device for device in devices if device["parent_device_id"] is not None)
    return f"/config/devices/device/{outlet['id']}"


async def sessions(api: Api, **filters: Json) -> list[Json]:
    """Return the sessions in the books, newest first."""
    response = await api.action("forecourt.get_sessions", filters, answers=True)
    found: list[Json] = response["sessions"]
    return found


async def set_up_and_charge(api: Api, wallbox: Wallbox, card: str) -> str:
    """Bring a new house to where Anna's car charges, and return the id of the site's entry."""
    entry = await add_site(api, "Home", wallbox.port)
    await set_price(api, entry)
    await confirm_station(api, wallbox.identity, "Garage")
    await wallbox.wait_for(registration="Accepted")
    await add_user(api, entry, "Anna", lambda: wallbox.tap(card))
    await wallbox.plug()
    if (led_to := await wallbox.tap(card)) != "started":
        raise DialogError(f"the card of Anna led to {led_to}, not to a charge")
    await wallbox.charges()
    return entry
