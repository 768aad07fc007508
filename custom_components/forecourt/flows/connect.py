"""The screen that tells where a wallbox has to dial, and lists live who does."""

from abc import ABC, abstractmethod
import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, override

from homeassistant.config_entries import (
    ConfigEntryState,
    ConfigSubentryFlow,
    SubentryFlowResult,
)
from homeassistant.core import callback
from homeassistant.util import dt as dt_util

from ..const import CONF_PORT
from ..core.model.station import StationInfo
from ..hub import Hub
from ..stations.ocpp import CentralSystem
from .addresses import station_addresses
from .knocks import knock_list, station_label
from .running import running_hub
from .texts import Texts

FOLLOWS_SETUP = {"follows": "setup"}
"""Tells the dialog that nobody looks at it yet."""

# The rhythm of the screen. A station says what it is within a second or so after it knocked,
# and a screen that changes all the time cannot be read.
OPEN_S = 1.0
SETTLE_S = 2.0
NUDGE_S = 3.0
UNSEEN = 3
FIRST_LOOK_S = 60.0


class ConnectScreen(ConfigSubentryFlow, ABC):
    """Ends with the strangers that came, or with the wish to enter a station by hand.

    It is a menu that the browser is told to fetch again, and not Home Assistant's screen for
    progress: that one is a narrow column without buttons, too little for an address, its
    explanation and what to do next.
    """

    def __init__(self) -> None:
        """Wait for nobody yet."""
        self._opening: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._looked_at = asyncio.Event()
        self._unseen = 1
        self._seen: set[str] = set()

    @abstractmethod
    async def _found(self, strangers: list[StationInfo]) -> SubentryFlowResult:
        """Go on with the stations that wait."""

    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Open the screen.

        The browser follows a dialog once this showed progress, so a moment of that comes
        first. Where nobody looks yet, the moment begins with the first look.
        """
        self._seen = set(self._hub.central.pending)
        if user_input != FOLLOWS_SETUP:
            self._looked_at.set()
        return await self.async_step_open()

    async def async_step_open(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Show progress for a moment."""
        if self._opening is None:
            self._opening = self._spawn(self._open())
        else:
            self._looked_at.set()
        if self._opening.done():
            self._watch()
            return self.async_show_progress_done(next_step_id="connect")
        return self.async_show_progress(
            step_id="open", progress_action="open", progress_task=self._opening
        )

    async def _open(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(FIRST_LOOK_S):
                await self._looked_at.wait()
        await asyncio.sleep(OPEN_S)

    async def async_step_connect(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Tell where to dial, list who did, and go on as soon as a stranger waits."""
        self._unseen = 0
        central = self._hub.central
        self._watch()
        waiting = dict(central.pending)
        if newcomers := [info for name, info in waiting.items() if name not in self._seen]:
            self._seen |= set(waiting)
            return await self._found(newcomers)
        port: int = self._get_entry().data[CONF_PORT]
        texts = await Texts.load(self.hass)
        addresses = await station_addresses(self.hass, self._hub, port)
        encrypted = [
            texts(key, url=url)
            for key, url in (("own_tls", addresses.own_tls), ("encrypted", addresses.encrypted))
            if url is not None
        ]
        return self.async_show_menu(
            step_id="connect",
            menu_options=[*(["waiting"] if waiting else []), "manual", "other"],
            description_placeholders={
                "url": addresses.plain,
                "encrypted": "".join(f"\n{text}\n" for text in encrypted),
                "knocks": knock_list(central.knocks, port, texts, dt_util.utcnow()),
                "waiting": ", ".join(map(station_label, waiting.values())),
            },
        )

    async def async_step_waiting(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Go on with those who wait already."""
        return await self._found(list(self._hub.central.pending.values()))

    def _watch(self) -> None:
        """Have the browser fetch the screen again after somebody knocked."""
        entry = self._get_entry()
        if entry.state is not ConfigEntryState.LOADED:
            # The screen says so itself.
            return
        if self._watching is None or self._watching.done():
            self._watching = self._spawn(self._refresh(entry.runtime_data.central))

    async def _refresh(self, central: CentralSystem) -> None:
        knocked = asyncio.Event()
        unsubscribe = central.subscribe_knocks(lambda _: knocked.set())
        try:
            try:
                async with asyncio.timeout(NUDGE_S):
                    await knocked.wait()
            except TimeoutError:
                if self._unseen:
                    # The browser missed that there is something to look at.
                    self.async_notify_flow_changed()
            # A dialog that nobody looks at any more may stay open for ever.
            while self._unseen < UNSEEN:
                await knocked.wait()
                await asyncio.sleep(SETTLE_S)
                knocked.clear()
                if self.cur_step is not None and self.cur_step["step_id"] == "connect":
                    self._unseen += 1
                    self.async_notify_flow_changed()
        finally:
            unsubscribe()

    @property
    def _hub(self) -> Hub:
        return running_hub(self._get_entry())

    def _spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run something as long as the site runs."""
        return self._get_entry().async_create_background_task(
            self.hass, work, "forecourt connect screen"
        )

    @callback
    @override
    def async_remove(self) -> None:
        """Stop watching: the dialog is closed."""
        if self._watching is not None:
            self._watching.cancel()
