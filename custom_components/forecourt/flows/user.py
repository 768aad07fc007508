"""Adds and changes users, and gives them their cards."""

from typing import Any
from uuid import uuid4

from homeassistant.config_entries import (
    ConfigSubentry,
    ConfigSubentryData,
    SubentryFlowResult,
)
from homeassistant.const import CONF_NAME
from homeassistant.helpers.selector import (
    EntitySelector,
    EntitySelectorConfig,
    SelectSelector,
    SelectSelectorConfig,
)
import probatio as vol

from ..const import CONF_GROUP, CONF_PERSON, CONF_USER_ID, SUBENTRY_USER, user_unique_id
from .cards import CardSteps, card_list, online_stations
from .fields import NAME, same_name

EVERYONE = "Everyone"


def new_user(
    name: str, user_id: str, *, group: str | None = None, person: str | None = None
) -> ConfigSubentryData:
    """Return a user's subentry."""
    return ConfigSubentryData(
        data={CONF_USER_ID: user_id, CONF_GROUP: group, CONF_PERSON: person},
        subentry_type=SUBENTRY_USER,
        title=name,
        unique_id=user_unique_id(user_id),
    )


class UserFlow(CardSteps):
    """A user: name, group, person, and cards."""

    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask who it is, and offer to enrol a card."""
        errors = {} if user_input is None else self._errors(user_input)
        if user_input is not None and not errors:
            self._new = new_user(
                user_input[CONF_NAME].strip(),
                str(uuid4()),
                group=_group(user_input),
                person=user_input.get(CONF_PERSON),
            )
            # Where no station is connected, nobody can show a card.
            if online_stations(self._get_entry()):
                return await self.async_step_card()
            return await self.async_step_without_card()
        return self.async_show_form(
            step_id="user",
            data_schema=self.add_suggested_values_to_schema(self._schema(), user_input),
            errors=errors,
        )

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask what to do."""
        options = ["edit", "enrol"]
        if cards := self._hub.vault.tokens_of(self._user_id):
            options += ["choose_card", "remove"]
        return self.async_show_menu(
            step_id="reconfigure",
            menu_options=options,
            description_placeholders={
                "name": self._name,
                "cards": await card_list(self.hass, cards),
            },
        )

    async def async_step_edit(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Change name, group and person."""
        subentry = self._get_reconfigure_subentry()
        errors = {} if user_input is None else self._errors(user_input, subentry)
        if user_input is not None and not errors:
            return self.async_update_and_abort(
                self._get_entry(),
                subentry,
                title=user_input[CONF_NAME].strip(),
                data_updates={
                    CONF_GROUP: _group(user_input),
                    CONF_PERSON: user_input.get(CONF_PERSON),
                },
            )
        known = {
            key: value
            for key, value in {CONF_NAME: subentry.title, **subentry.data}.items()
            if value is not None
        }
        return self.async_show_form(
            step_id="edit",
            data_schema=self.add_suggested_values_to_schema(self._schema(), user_input or known),
            errors=errors,
        )

    def _schema(self) -> vol.Schema:
        groups = {group for user in self._users() if (group := user.data.get(CONF_GROUP))}
        return vol.Schema(
            {
                **NAME,
                vol.Optional(CONF_GROUP): SelectSelector(
                    SelectSelectorConfig(options=sorted(groups), custom_value=True)
                ),
                vol.Optional(CONF_PERSON): EntitySelector(EntitySelectorConfig(domain="person")),
            }
        )

    def _errors(
        self, answers: dict[str, Any], myself: ConfigSubentry | None = None
    ) -> dict[str, str]:
        errors: dict[str, str] = {}
        others = [user for user in self._users() if user is not myself]
        name = answers[CONF_NAME].strip()
        if not name:
            errors[CONF_NAME] = "name_empty"
        elif same_name(name, others):
            errors[CONF_NAME] = "name_taken"
        person = answers.get(CONF_PERSON)
        if person is not None and person in {user.data.get(CONF_PERSON) for user in others}:
            errors[CONF_PERSON] = "person_taken"
        return errors

    def _users(self) -> list[ConfigSubentry]:
        return list(self._get_entry().get_subentries_of_type(SUBENTRY_USER))


def _group(answers: dict[str, Any]) -> str | None:
    return answers.get(CONF_GROUP, "").strip() or None
