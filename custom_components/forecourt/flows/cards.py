"""Enrols cards by a tap, changes what they are good for, and takes them away."""

import asyncio
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from homeassistant.config_entries import (
    ConfigEntry,
    ConfigEntryState,
    ConfigSubentryData,
    ConfigSubentryFlow,
    SubentryFlowResult,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers.selector import BooleanSelector, DateSelector, SelectSelector
from homeassistant.util import dt as dt_util
import probatio as vol

from ..const import CONF_STATION_ID, CONF_USER_ID, SUBENTRY_STATION
from ..core.access.authorize import TokenRecord
from ..core.access.enrolment import WINDOW
from ..core.model.ids import EvseId
from ..core.model.token import Token
from ..hub import Hub
from ..site.desk import EnrolledTap, EnrolmentBusyError, EnrolmentTimeoutError
from .fields import labelled_choice
from .running import running_hub
from .texts import Texts

CONF_STATION = "station"
CONF_CARD = "card"
CONF_BLOCKED = "blocked"
CONF_LAST_DAY = "last_day"
CONF_SEVERAL_CARS = "several_cars"

ONE_DAY, A_MOMENT = timedelta(days=1), timedelta(microseconds=1)

CARD_SCHEMA = vol.Schema(
    {
        vol.Required(CONF_BLOCKED): BooleanSelector(),
        vol.Optional(CONF_LAST_DAY): DateSelector(),
        vol.Required(CONF_SEVERAL_CARS): BooleanSelector(),
    }
)


class CardSteps(ConfigSubentryFlow):
    """The steps of a user's dialog that are about cards.

    `_new` is a user who comes into being with the end of the dialog; without one it is
    about a user who is there.
    """

    def __init__(self) -> None:
        """Hold no card."""
        self._new: ConfigSubentryData | None = None
        self._station_id = ""
        self._waiting: asyncio.Task[EnrolledTap] | None = None
        self._token = Token("")
        self._cards: list[Token] = []

    # A card comes

    async def async_step_card(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Offer to enrol a card for the new user."""
        return self._menu("card")

    async def async_step_enrol(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask at which station the card will be shown."""
        stations = online_stations(self._get_entry())
        if not stations:
            return await self.async_step_nobody()
        if len(stations) == 1:
            self._station_id = next(iter(stations))
            return await self.async_step_tap()
        if user_input is not None:
            self._station_id = user_input[CONF_STATION]
            return await self.async_step_tap()
        return self.async_show_form(
            step_id="enrol",
            data_schema=vol.Schema({vol.Required(CONF_STATION): labelled_choice(stations)}),
            description_placeholders=self._placeholders,
        )

    async def async_step_tap(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Wait for the card."""
        if self._waiting is None:
            # The reader belongs to the station, whichever of its outlets is named.
            evse = EvseId(self._station_id, 1)
            # Its task: when the site stops, nobody will show a card any more.
            self._waiting = self._get_entry().async_create_background_task(
                self.hass,
                self._hub.site.desk.enrol(evse, dt_util.utcnow()),
                f"forecourt enrolment at {evse.station_id}",
            )
        if not self._waiting.done():
            return self.async_show_progress(
                step_id="tap",
                progress_action="tap",
                description_placeholders=self._placeholders,
                progress_task=self._waiting,
            )
        waiting, self._waiting = self._waiting, None
        return self.async_show_progress_done(next_step_id=self._outcome(waiting))

    def _outcome(self, waiting: asyncio.Task[EnrolledTap]) -> str:
        """Return the step that follows what came of the waiting."""
        if waiting.cancelled():
            return "stopped"
        try:
            self._token = waiting.result().token
        except EnrolmentBusyError:
            return "busy"
        except EnrolmentTimeoutError:
            return "timeout"
        return "give"

    async def async_step_stopped(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Say that the site stopped meanwhile."""
        return self.async_abort(reason="not_running")

    async def async_step_busy(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Say that another card is being enrolled."""
        return self._menu("busy")

    async def async_step_timeout(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Say that no card came."""
        return self._menu("timeout")

    async def async_step_nobody(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Say that there is no reader to show a card to."""
        return self._menu("nobody")

    async def async_step_taken(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Say whose card it is."""
        return self._menu("taken")

    async def async_step_give(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask whether this is the card, and give it to the user."""
        hub = self._hub
        if self._token in hub.site.members.tokens:
            return await self.async_step_taken()
        if user_input is None:
            return self.async_show_form(step_id="give", description_placeholders=self._placeholders)
        if self._new is not None:
            # The user comes into being with the end of this dialog; the card waits for it.
            await hub.vault.add_token(self._token, self._user_id, is_coming=True)
            return self._create("with_card")
        await hub.enrol(self._token, self._user_id)
        return self.async_abort(reason="card_enrolled", description_placeholders=self._placeholders)

    async def async_step_without_card(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Create the user without a card."""
        return self._create("without_card")

    # A card goes

    async def async_step_remove(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Take a card away."""
        hub = self._hub
        if user_input is not None:
            self._token = self._cards[int(user_input[CONF_CARD])]
            await hub.withdraw(self._token)
            return self.async_abort(
                reason="card_removed", description_placeholders=self._placeholders
            )
        return self.async_show_form(
            step_id="remove",
            data_schema=vol.Schema({vol.Required(CONF_CARD): self._card_choice()}),
            description_placeholders=self._placeholders,
        )

    # A card changes

    async def async_step_choose_card(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask which card is to change."""
        if user_input is not None:
            self._token = self._cards[int(user_input[CONF_CARD])]
            return await self.async_step_change_card()
        choice = self._card_choice()
        if len(self._cards) == 1:
            self._token = self._cards[0]
            return await self.async_step_change_card()
        return self.async_show_form(
            step_id="choose_card",
            data_schema=vol.Schema({vol.Required(CONF_CARD): choice}),
            description_placeholders=self._placeholders,
        )

    async def async_step_change_card(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask what the card is good for."""
        hub = self._hub
        record = hub.site.members.tokens.get(self._token)
        if record is None:
            return self.async_abort(reason="card_gone", description_placeholders=self._placeholders)
        errors: dict[str, str] = {}
        if user_input is not None:
            expires_at = _end_of(user_input.get(CONF_LAST_DAY))
            if expires_at is not None and expires_at <= dt_util.utcnow():
                errors[CONF_LAST_DAY] = "last_day_over"
            else:
                await hub.change_card(
                    self._token,
                    blocked=user_input[CONF_BLOCKED],
                    expires_at=expires_at,
                    max_sessions=None if user_input[CONF_SEVERAL_CARS] else 1,
                )
                return self.async_abort(
                    reason="card_changed", description_placeholders=self._placeholders
                )
        return self.async_show_form(
            step_id="change_card",
            data_schema=self.add_suggested_values_to_schema(
                CARD_SCHEMA, user_input or _answers(record)
            ),
            errors=errors,
            description_placeholders=self._placeholders,
        )

    # What the steps share

    def _card_choice(self) -> SelectSelector:
        """Return a list of the user's cards.

        Card numbers are secret: the browser gets to know their positions.
        """
        self._cards = [record.token for record in self._hub.vault.tokens_of(self._user_id)]
        return labelled_choice({str(number): str(card) for number, card in enumerate(self._cards)})

    @property
    def _hub(self) -> Hub:
        return running_hub(self._get_entry())

    @property
    def _name(self) -> str:
        return self._new["title"] if self._new else self._get_reconfigure_subentry().title

    @property
    def _user_id(self) -> str:
        data = self._new["data"] if self._new else self._get_reconfigure_subentry().data
        user_id: str = data[CONF_USER_ID]
        return user_id

    @property
    def _placeholders(self) -> dict[str, str]:
        members = self._hub.site.members
        record = members.tokens.get(self._token)
        owner = None if record is None else members.user(record.user_id)
        return {
            "name": self._name,
            "card": str(self._token),
            "owner": "" if owner is None else owner.name,
            "station": _stations(self._get_entry()).get(self._station_id, self._station_id),
            "seconds": str(int(WINDOW.total_seconds())),
        }

    def _menu(self, step_id: str) -> SubentryFlowResult:
        """Show what can be done next: enrol a card, or, for a new user, leave it."""
        return self.async_show_menu(
            step_id=step_id,
            menu_options=["enrol", "without_card"] if self._new else ["enrol"],
            description_placeholders=self._placeholders,
        )

    def _create(self, description: str) -> SubentryFlowResult:
        assert self._new is not None  # noqa: S101 - only new users are created
        return self.async_create_entry(
            title=self._new["title"],
            data=self._new["data"],
            description=description,
            description_placeholders={"name": self._name, "card": str(self._token)},
            unique_id=self._new["unique_id"],
        )


async def card_list(hass: HomeAssistant, cards: Iterable[TokenRecord]) -> str:
    """Return cards in words, with what is special about them."""
    texts, now = await Texts.load(hass), dt_util.utcnow()

    def shown(card: TokenRecord) -> str:
        if card.blocked:
            return texts("card_blocked", card=card.token)
        return texts("card_expired", card=card.token) if card.expired(now) else str(card.token)

    return ", ".join(map(shown, cards)) or "-"


def _end_of(day: str | None) -> datetime | None:
    """Return when a day is over where Home Assistant is; `None` for no day."""
    if day is None:
        return None
    return dt_util.as_utc(dt_util.start_of_local_day(date.fromisoformat(day) + ONE_DAY))


def _answers(record: TokenRecord) -> dict[str, Any]:
    """Return what the form about a card is filled with."""
    answers: dict[str, Any] = {
        CONF_BLOCKED: record.blocked,
        CONF_SEVERAL_CARS: record.max_sessions != 1,
    }
    if record.expires_at is not None:
        answers[CONF_LAST_DAY] = str((dt_util.as_local(record.expires_at) - A_MOMENT).date())
    return answers


def _stations(entry: ConfigEntry[Any]) -> dict[str, str]:
    """Return the names of all stations by identity."""
    stations = entry.get_subentries_of_type(SUBENTRY_STATION)
    return {station.data[CONF_STATION_ID]: station.title for station in stations}


def online_stations(entry: ConfigEntry[Any]) -> dict[str, str]:
    """Return the names of the stations that are connected, by identity."""
    if entry.state is not ConfigEntryState.LOADED:
        return {}
    stations = entry.runtime_data.site.stations
    return {
        station_id: name
        for station_id, name in _stations(entry).items()
        if station_id in stations and stations[station_id].online
    }
