"""Sets the site up, changes how stations reach it, and confirms stations that were discovered."""

from typing import Any, override
from uuid import uuid4

from homeassistant.config_entries import (
    SOURCE_USER,
    ConfigEntry,
    ConfigEntryState,
    ConfigFlowResult,
    ConfigSubentryData,
    ConfigSubentryFlow,
    FlowType,
    OptionsFlow,
    SubentryFlowContext,
)
from homeassistant.const import CONF_NAME
from homeassistant.core import callback
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers.typing import DiscoveryInfoType
import probatio as vol

from ..const import (
    CONF_ACCESS,
    CONF_DEFAULT_USER,
    CONF_MAIN_FUSE_A,
    CONF_MAX_CURRENT_A,
    CONF_PERSONAL_DATA,
    CONF_PORT,
    CONF_STATION_ID,
    DEFAULT_PORT,
    DOMAIN,
    PERSONAL_DATA_SHARED,
    SUBENTRY_CIRCUIT,
    SUBENTRY_STATION,
    SUBENTRY_USER,
    station_unique_id,
)
from ..core.model.station import StationInfo
from ..core.model.token import Access
from ..plugin import CONF_DRIVER, offered
from .adding import (
    add_station,
    is_added,
    next_step_text,
    site_entry,
    station_data,
    suggested_name,
)
from .circuit import CircuitFlow
from .connect import FOLLOWS_SETUP
from .fields import MAX_CURRENT, NAME, PORT, SITE
from .found import FoundSteps
from .knocks import station_facts, station_label
from .options import SiteOptionsFlow
from .ports import next_free_port, port_problem
from .running import running_hub
from .station import StationFlow
from .texts import plain
from .user import EVERYONE, UserFlow, new_user


class ForecourtConfigFlow(FoundSteps, domain=DOMAIN):
    """Adds the site, and stations that it discovers."""

    VERSION = 1

    def __init__(self) -> None:
        """Know nothing yet."""
        self._site: dict[str, Any] = {}
        self._info = StationInfo(id="", protocol="")

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: ConfigEntry[Any]) -> OptionsFlow:
        return SiteOptionsFlow()

    @classmethod
    @callback
    @override
    def async_get_supported_subentry_types(
        cls, config_entry: ConfigEntry[Any]
    ) -> dict[str, type[ConfigSubentryFlow]]:
        return {
            SUBENTRY_STATION: StationFlow,
            SUBENTRY_USER: UserFlow,
            SUBENTRY_CIRCUIT: CircuitFlow,
        }

    # A new site

    @override
    async def async_step_user(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask what only the owner knows."""
        # A dialog that was left open somewhere must not stand in the way.
        await self.async_set_unique_id(DOMAIN, raise_on_progress=False)
        if site_entry(self.hass) is not None:
            return self.async_abort(reason="already_configured")
        errors: dict[str, str] = {}
        if user_input is not None:
            self._site = {**user_input, CONF_NAME: user_input[CONF_NAME].strip()}
            if self._site[CONF_NAME]:
                if port_problem(DEFAULT_PORT) is None:
                    return self._create(DEFAULT_PORT)
                return await self.async_step_port()
            errors[CONF_NAME] = "name_empty"
        return self.async_show_form(
            step_id="user",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema({**NAME, **SITE}),
                user_input or {CONF_NAME: self.hass.config.location_name},
            ),
            errors=errors,
        )

    async def async_step_port(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for another port, since somebody has the usual one."""
        port: int = DEFAULT_PORT if user_input is None else user_input[CONF_PORT]
        errors: dict[str, str] = {}
        if (problem := port_problem(port)) is not None:
            errors[CONF_PORT] = problem
        elif user_input is not None:
            return self._create(port)
        return self.async_show_form(
            step_id="port",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema(PORT), {CONF_PORT: next_free_port(port) if errors else port}
            ),
            errors=errors,
            description_placeholders={"port": str(port)},
        )

    def _create(self, port: int) -> ConfigFlowResult:
        options: dict[str, Any] = {
            CONF_MAIN_FUSE_A: self._site[CONF_MAIN_FUSE_A],
            CONF_ACCESS: self._site[CONF_ACCESS],
            CONF_PERSONAL_DATA: PERSONAL_DATA_SHARED,
        }
        subentries: list[ConfigSubentryData] = []
        if options[CONF_ACCESS] == Access.ANYONE:
            options[CONF_DEFAULT_USER] = str(uuid4())
            subentries.append(new_user(EVERYONE, options[CONF_DEFAULT_USER]))
        return self.async_create_entry(
            title=self._site[CONF_NAME],
            data={CONF_PORT: port},
            options=options,
            subentries=subentries,
        )

    @override
    async def async_on_create_entry(self, result: ConfigFlowResult) -> ConfigFlowResult:
        """Let connecting the first wallbox follow by itself."""
        # What a user ignores becomes an entry too.
        if self.source != SOURCE_USER or result["result"].state is not ConfigEntryState.LOADED:
            return result
        following = await self.hass.config_entries.subentries.async_init(
            (result["result"].entry_id, SUBENTRY_STATION),
            context=SubentryFlowContext(source=SOURCE_USER),
            data=FOLLOWS_SETUP,
        )
        if following["type"] is not FlowResultType.ABORT:
            result["next_flow"] = (FlowType.CONFIG_SUBENTRIES_FLOW, following["flow_id"])
        return result

    # The site moves

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Change the name, or the port that stations dial."""
        entry = self._get_reconfigure_entry()
        errors: dict[str, str] = {}
        port: int = (user_input or entry.data)[CONF_PORT]
        if user_input is not None:
            name: str = user_input[CONF_NAME].strip()
            # Where it listens already, it would find itself.
            problem = None if port == entry.data[CONF_PORT] else port_problem(port)
            if not name:
                errors[CONF_NAME] = "name_empty"
            if problem is not None:
                errors[CONF_PORT] = problem
            if not errors:
                return self.async_update_and_abort(
                    entry, title=name, data_updates={CONF_PORT: port}
                )
        return self.async_show_form(
            step_id="reconfigure",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema({**NAME, **PORT}),
                user_input or {CONF_NAME: entry.title, CONF_PORT: entry.data[CONF_PORT]},
            ),
            errors=errors,
            description_placeholders={"port": str(port)},
        )

    # A station that dialled in, or that another integration offers

    @override
    async def async_step_integration_discovery(
        self, discovery_info: DiscoveryInfoType
    ) -> ConfigFlowResult:
        """Show a station that nobody knows as a discovered device."""
        station_id: str = discovery_info[CONF_STATION_ID]
        await self.async_set_unique_id(station_unique_id(station_id))
        self._abort_if_unique_id_configured(reload_on_update=False)
        entry = site_entry(self.hass)
        if entry is None:
            return self.async_abort(reason="no_site")
        if is_added(entry, station_id):
            return self.async_abort(reason="already_added")
        # What another integration offers may be there before the site runs.
        info = offered(self.hass, station_id) or running_hub(entry).central.pending.get(station_id)
        if info is None:
            return self.async_abort(reason="gone")
        self._info = info
        self.context["title_placeholders"] = {"name": station_label(self._info)}
        return await self.async_step_discovered()

    async def async_step_discovered(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for a name, and add the station."""
        entry = site_entry(self.hass)
        if entry is None:
            return self.async_abort(reason="no_site")
        if is_added(entry, self._info.id):
            return self.async_abort(reason="already_added")
        if entry.state is ConfigEntryState.LOADED:
            # It may have told more about itself since.
            self._info = entry.runtime_data.central.pending.get(self._info.id, self._info)
        if user_input is not None:
            name = user_input[CONF_NAME].strip() or self._info.id
            data = station_data(self._info.id, self._info.evses, user_input[CONF_MAX_CURRENT_A])
            if offered(self.hass, self._info.id) is not None:
                data[CONF_DRIVER] = self._info.protocol
            add_station(self.hass, entry, name, data)
            next_step = await next_step_text(self.hass, entry)
            return self.async_abort(
                reason="wallbox_added",
                description_placeholders={"name": plain(name), "next_step": next_step},
            )
        return self.async_show_form(
            step_id="discovered",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema({**NAME, **MAX_CURRENT}),
                {CONF_NAME: suggested_name(entry, self._info)},
            ),
            description_placeholders=station_facts(self._info),
        )
