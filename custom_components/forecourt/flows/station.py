"""Connects wallboxes, and changes what was said about them."""

from typing import Any, override

from homeassistant.config_entries import SOURCE_RECONFIGURE, SubentryFlowResult
from homeassistant.const import CONF_NAME
from homeassistant.helpers.selector import (
    BooleanSelector,
    SelectSelectorMode,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)
import probatio as vol

from ..const import (
    CONF_EVSES,
    CONF_FALLBACK_CURRENT_A,
    CONF_MAX_CURRENT_A,
    CONF_PROFILE,
    CONF_SECURITY_PROFILE,
    CONF_STATION_ID,
    CONF_SWITCHES_PHASES,
    MAX_EVSES,
    station_unique_id,
)
from ..core.model.station import StationInfo
from ..plugin import CONF_DRIVER
from ..stations.ocpp import SecurityProfile, generate_password, hash_password
from ..stations.ocpp.door import IDENTITY
from .adding import is_added, next_step_text, station_data, suggested_name
from .connect import ConnectScreen
from .declared import DeclaredSteps
from .fields import (
    FALLBACK,
    MAX_CURRENT,
    NAME,
    choice,
    fallback_errors,
    labelled_choice,
    whole_number,
)
from .forwarding import ForwardSteps
from .knocks import station_facts, station_label
from .texts import plain, quoted

NONE, KEEP, GENERATE, OWN, REMOVE = "none", "keep", "generate", "own", "remove"

CONF_PASSWORD_CHOICE = "password_choice"  # noqa: S105 - a question
CONF_PASSWORD = "password"  # noqa: S105 - a question

# OCPP 1.6 security whitepaper, AuthorizationKey; many stations take no more than 20 characters.
PASSWORD_LENGTHS = range(16, 41)


class StationFlow(ConnectScreen, DeclaredSteps, ForwardSteps):
    """A wallbox: dialled in, or entered by hand; its currents, its password, who looks on."""

    def __init__(self) -> None:
        """Know no station yet."""
        super().__init__()
        self._info = StationInfo(id="", protocol="")
        self._answers: dict[str, Any] = {}
        self._password: str | None = None
        self._keep_password = False
        self._is_generated = False
        # What the form for changes showed when it was opened.
        self._shown_profile: SecurityProfile | None = None

    # It dialled in

    @override
    async def _found(self, strangers: list[StationInfo]) -> SubentryFlowResult:
        if len(strangers) == 1:
            self._info = strangers[0]
            return await self.async_step_add()
        return await self.async_step_choose()

    async def async_step_choose(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask which of the waiting stations is meant."""
        pending = self._hub.central.pending
        if user_input is not None and user_input[CONF_STATION_ID] in pending:
            self._info = pending[user_input[CONF_STATION_ID]]
            return await self.async_step_add()
        if not pending:
            return self.async_abort(reason="gone")
        labels = {info.id: station_label(info) for info in pending.values()}
        return self.async_show_form(
            step_id="choose",
            data_schema=vol.Schema(
                {
                    vol.Required(CONF_STATION_ID): labelled_choice(
                        labels, mode=SelectSelectorMode.LIST
                    )
                }
            ),
        )

    async def async_step_add(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask for a name, and add the station that waits."""
        # It may have told more about itself since.
        self._info = self._hub.central.pending.get(self._info.id, self._info)
        if is_added(self._get_entry(), self._info.id):
            return self.async_abort(reason="already_added")
        if user_input is not None:
            self._answers = {
                **user_input,
                CONF_STATION_ID: self._info.id,
                CONF_EVSES: self._info.evses,
            }
            return await self._create()
        return self.async_show_form(
            step_id="add",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema({**NAME, **MAX_CURRENT}),
                {CONF_NAME: suggested_name(self._get_entry(), self._info)},
            ),
            description_placeholders=station_facts(self._info),
        )

    # By hand

    async def async_step_manual(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for everything about a station that has not dialled in."""
        errors: dict[str, str] = {}
        if user_input is not None:
            station_id = user_input[CONF_STATION_ID].strip()
            if not IDENTITY.fullmatch(station_id):
                errors[CONF_STATION_ID] = "identity_invalid"
            elif is_added(self._get_entry(), station_id):
                errors[CONF_STATION_ID] = "identity_taken"
            else:
                self._answers = {**user_input, CONF_STATION_ID: station_id}
                return await self._ask_password()
        schema = vol.Schema(
            {
                vol.Required(CONF_STATION_ID): TextSelector(),
                vol.Optional(CONF_NAME): TextSelector(),
                vol.Required(CONF_EVSES, default=1): whole_number(1, MAX_EVSES),
                **MAX_CURRENT,
                vol.Required(CONF_PASSWORD_CHOICE, default=NONE): choice(
                    (NONE, GENERATE, OWN), "password"
                ),
            }
        )
        return self.async_show_form(
            step_id="manual",
            data_schema=self.add_suggested_values_to_schema(schema, user_input),
            errors=errors,
        )

    # What was added already

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask what to do."""
        data = self._get_reconfigure_subentry().data
        if CONF_DRIVER in data:
            return await self.async_step_edit_declared()
        options = ["edit_declared"] if CONF_PROFILE in data else ["edit", "forward"]
        return self.async_show_menu(
            step_id="reconfigure",
            menu_options=[*options, "replace"],
            description_placeholders={"name": self._get_reconfigure_subentry().title},
        )

    async def async_step_edit(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Change name, currents and password."""
        subentry = self._get_reconfigure_subentry()
        station_id: str = subentry.data[CONF_STATION_ID]
        errors: dict[str, str] = {}
        if user_input is not None:
            if errors := fallback_errors(user_input):
                pass
            elif self._lacks_password(user_input):
                errors[CONF_SECURITY_PROFILE] = "profile_needs_password"
            else:
                self._answers = {**user_input, CONF_STATION_ID: station_id}
                return await self._ask_password()
        has_password = self._hub.vault.password_hash(station_id) is not None
        options = (KEEP, GENERATE, OWN, REMOVE) if has_password else (NONE, GENERATE, OWN)
        if self._shown_profile is None:
            self._shown_profile = self._hub.security.keyring.credentials(station_id).least
        required = self._shown_profile
        # Nobody can lock a station out by asking for what it never showed.
        proved = self._hub.central.security_profile(station_id) or SecurityProfile.NONE
        # A password is asked for as long as there is one.
        lowest = SecurityProfile.PASSWORD if has_password else SecurityProfile.NONE
        profiles = [
            str(int(one)) for one in SecurityProfile if lowest <= one <= max(required, proved)
        ]
        schema = vol.Schema(
            {
                **NAME,
                **MAX_CURRENT,
                **FALLBACK,
                vol.Required(CONF_SWITCHES_PHASES, default=False): BooleanSelector(),
                vol.Required(CONF_PASSWORD_CHOICE, default=options[0]): choice(options, "password"),
                vol.Required(CONF_SECURITY_PROFILE, default=str(int(required))): choice(
                    profiles, "security_profile"
                ),
            }
        )
        return self.async_show_form(
            step_id="edit",
            data_schema=self.add_suggested_values_to_schema(
                schema, user_input or {CONF_NAME: subentry.title, **subentry.data}
            ),
            errors=errors,
            description_placeholders={"identity": quoted(station_id)},
        )

    # The password

    async def _ask_password(self) -> SubentryFlowResult:
        match self._answers.pop(CONF_PASSWORD_CHOICE):
            case "generate":
                self._password = generate_password()
                self._is_generated = True
                return await self.async_step_generated()
            case "own":
                return await self.async_step_password()
            case "keep" | "none":
                # Where there was none, the station may have been given one since.
                self._keep_password = True
        return await self._finish()

    async def async_step_generated(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Show the new password, once."""
        if user_input is not None:
            return await self._finish()
        return self.async_show_form(
            step_id="generated",
            description_placeholders={
                "identity": quoted(self._answers[CONF_STATION_ID]),
                "password": quoted(self._password or ""),
            },
        )

    async def async_step_password(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the password that the station has."""
        errors: dict[str, str] = {}
        if user_input is not None:
            self._password = user_input[CONF_PASSWORD]
            if len(self._password) not in PASSWORD_LENGTHS:
                errors[CONF_PASSWORD] = "password_length"
            elif not (self._password.isascii() and self._password.isprintable()):
                errors[CONF_PASSWORD] = "password_characters"
            else:
                return await self._finish()
        return self.async_show_form(
            step_id="password",
            data_schema=vol.Schema(
                {
                    vol.Required(CONF_PASSWORD): TextSelector(
                        TextSelectorConfig(type=TextSelectorType.PASSWORD)
                    )
                }
            ),
            errors=errors,
            description_placeholders={"identity": quoted(self._answers[CONF_STATION_ID])},
        )

    # The end

    async def _finish(self) -> SubentryFlowResult:
        if self.source == SOURCE_RECONFIGURE:
            return await self._update()
        return await self._create()

    async def _create(self) -> SubentryFlowResult:
        station_id: str = self._answers[CONF_STATION_ID]
        if is_added(self._get_entry(), station_id):
            return self.async_abort(reason="already_added")
        await self._hub.vault.set_password_hash(station_id, await self._hash())
        name = self._answers.get(CONF_NAME, "").strip() or station_id
        return self.async_create_entry(
            title=name,
            data=station_data(
                station_id, self._answers[CONF_EVSES], self._answers[CONF_MAX_CURRENT_A]
            ),
            description="dialled_in" if station_id in self._hub.central.pending else "by_hand",
            description_placeholders={
                "name": plain(name),
                "next_step": await next_step_text(self.hass, self._get_entry()),
            },
            unique_id=station_unique_id(station_id),
        )

    async def _update(self) -> SubentryFlowResult:
        subentry = self._get_reconfigure_subentry()
        station_id: str = subentry.data[CONF_STATION_ID]
        hub = self._hub
        changes: dict[str, Any] = {}
        profile = SecurityProfile(int(self._answers[CONF_SECURITY_PROFILE]))
        if not self._keep_password:
            changes |= {"password_hash": await self._hash(), "next_password_hash": None}
            if self._password is None and profile is SecurityProfile.PASSWORD:
                # This one goes with the password.
                profile = SecurityProfile.NONE
        if profile != self._shown_profile:
            # What was left alone may have been raised since.
            changes["security_profile"] = profile
        if changes:
            await hub.security.keyring.change(station_id, **changes)
        result = self.async_update_and_abort(
            self._get_entry(),
            subentry,
            title=self._answers[CONF_NAME].strip() or station_id,
            data_updates={
                key: self._answers[key]
                for key in (CONF_MAX_CURRENT_A, CONF_FALLBACK_CURRENT_A, CONF_SWITCHES_PHASES)
            },
        )
        # A new password alone is no change of the entry.
        await hub.sync_station(subentry)
        return result

    async def _hash(self) -> str | None:
        if self._password is None:
            return None
        if self._is_generated:
            return hash_password(self._password, generated=True)
        return await self.hass.async_add_executor_job(hash_password, self._password)

    def _lacks_password(self, answers: dict[str, Any]) -> bool:
        """Return whether a password is asked for and taken away at the same time."""
        profile = int(answers[CONF_SECURITY_PROFILE])
        if profile not in (SecurityProfile.PASSWORD, SecurityProfile.TLS_PASSWORD):
            return False
        match answers[CONF_PASSWORD_CHOICE]:
            case "none":
                return True
            case "remove":
                # The profile that is a password and nothing else goes with it.
                return not profile == self._shown_profile == SecurityProfile.PASSWORD
        return False
