"""Connects a wallbox without OCPP: by Modbus, by MQTT, or by another integration's entities."""

from typing import Any, cast, override

from homeassistant.config_entries import SOURCE_RECONFIGURE, SubentryFlowResult
from homeassistant.const import CONF_DEVICE_ID, CONF_HOST, CONF_NAME, CONF_PORT
from homeassistant.helpers.selector import (
    BooleanSelector,
    DeviceSelector,
    TextSelector,
    TextSelectorConfig,
    TextSelectorType,
)
import probatio as vol

from ..const import (
    CONF_BOX,
    CONF_EVSES,
    CONF_FALLBACK_CURRENT_A,
    CONF_LINK,
    CONF_MAX_CURRENT_A,
    CONF_PROFILE,
    CONF_STATION_ID,
    station_unique_id,
)
from ..declared import (
    CONF_BOX_ID,
    CONF_KIND,
    CONF_UNIT,
    Box,
    LinkData,
    box_of,
    broker_address,
    look_at,
)
from ..stations.declarative.library import Choice
from ..stations.declarative.link import LinkError
from ..stations.declarative.profile import (
    ENTITIES,
    MODBUS,
    MQTT,
    ModbusTransport,
    MqttTransport,
    Profile,
)
from ..stations.entities.ha import device_profile
from ..vault import BrokerAccess
from .adding import is_added, next_step_text
from .boxes import box_data, box_facts, box_name, box_schema, box_station_id
from .fields import FALLBACK, MAX_CURRENT, NAME, fallback_errors, labelled_choice, whole_number
from .running import running_hub
from .searching import SearchSteps
from .texts import plain, quoted

KINDS = ("tcp", "rtu_over_tcp", "udp", "serial")

ACCESS = ("username", "password", "tls", "authorities", "certificate", "key")
"""Who we are to a broker of a box's own: these answers are secrets, and go into the vault."""

PEM = TextSelector(TextSelectorConfig(multiline=True))


class DeclaredSteps(SearchSteps):
    """Model, address, a look at the box, and only then a station."""

    _profile: Profile | None = None
    _link: LinkData
    _access: BrokerAccess = {}  # noqa: RUF012 - replaced, never changed
    _box: Box | None = None

    async def async_step_other(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask by what the wallbox is reached."""
        return self.async_show_menu(
            step_id="other", menu_options=["scan", MODBUS, MQTT, "generic", ENTITIES]
        )

    async def async_step_modbus(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask for the model."""
        return await self._ask_model(MODBUS, user_input)

    async def async_step_mqtt(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask for the model."""
        return await self._ask_model(MQTT, user_input)

    async def _ask_model(
        self, protocol: str, user_input: dict[str, Any] | None
    ) -> SubentryFlowResult:
        library = running_hub(self._get_entry()).library
        if user_input is not None:
            self._profile = await self.hass.async_add_executor_job(
                library.get, user_input[CONF_PROFILE]
            )
            return await (
                self.async_step_modbus_address()
                if protocol == MODBUS
                else self.async_step_mqtt_topics()
            )
        choices = await self.hass.async_add_executor_job(library.choices)
        labels = {one.id: _label(one) for one in choices if one.protocol == protocol}
        return self.async_show_form(
            step_id=protocol,
            data_schema=vol.Schema({vol.Required(CONF_PROFILE): labelled_choice(labels)}),
        )

    async def async_step_modbus_address(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask where the box is, and look at it."""
        assert self._profile is not None  # noqa: S101 - the step before
        transport = self._profile.transport
        assert isinstance(transport, ModbusTransport)  # noqa: S101 - as it is by Modbus
        errors: dict[str, str] = {}
        if user_input is not None:
            self._link = {**user_input, CONF_HOST: user_input[CONF_HOST].strip()}
            if (error := await self._look()) is None:
                return await self.async_step_found()
            errors["base"] = error
        kinds = [kind for kind in KINDS if kind in transport.kinds]
        # A box on a serial line is reached through a gateway.
        kinds = kinds or ["rtu_over_tcp", "tcp"]
        schema = vol.Schema(
            {
                vol.Required(CONF_HOST): TextSelector(),
                vol.Required(CONF_PORT, default=transport.port): whole_number(1, 65535),
                vol.Required(CONF_UNIT, default=transport.unit): whole_number(0, 255),
                vol.Required(CONF_KIND, default=kinds[0]): labelled_choice(
                    {kind: kind.replace("_", " ").upper() for kind in kinds}
                ),
            }
        )
        return self._form("modbus_address", schema, user_input, errors)

    async def async_step_mqtt_topics(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask what the box calls itself in its topics, and look at it."""
        assert self._profile is not None  # noqa: S101 - the step before
        transport = self._profile.transport
        assert isinstance(transport, MqttTransport)  # noqa: S101 - as it is by MQTT
        errors: dict[str, str] = {}
        if user_input is not None:
            self._link = {key: value for key, value in user_input.items() if key not in ACCESS}
            told = {key: value for key, value in user_input.items() if key in ACCESS and value}
            self._access = cast("BrokerAccess", told)
            if error := await self._wrong_access() or await self._look():
                errors["base"] = error
            else:
                return await self.async_step_found()
        schema: dict[vol.Marker, Any] = {vol.Required(CONF_BOX_ID): TextSelector()}
        if not transport.own_broker:
            return self._form("mqtt_topics", vol.Schema(schema), user_input, errors)
        schema |= {
            vol.Required(CONF_HOST): TextSelector(),
            vol.Required(CONF_PORT, default=transport.port): whole_number(1, 65535),
            vol.Optional("username"): TextSelector(),
            vol.Optional("password"): TextSelector(
                TextSelectorConfig(type=TextSelectorType.PASSWORD)
            ),
            vol.Required("tls", default=False): BooleanSelector(),
            vol.Optional("authorities"): PEM,
            vol.Optional("certificate"): PEM,
            vol.Optional("key"): PEM,
        }
        return self._form("mqtt_broker", vol.Schema(schema), user_input, errors)

    async_step_mqtt_broker = async_step_mqtt_topics

    async def async_step_entities(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask which device of another integration is the wallbox, and look at it."""
        errors: dict[str, str] = {}
        if user_input is not None:
            library = running_hub(self._get_entry()).library
            profile = await device_profile(self.hass, library, user_input[CONF_DEVICE_ID])
            self._link = dict(user_input)
            if profile is None:
                return await self.async_step_entities_map()
            self._profile = profile
            if (error := await self._look()) is None:
                return await self.async_step_found()
            errors["base"] = error
        schema = vol.Schema({vol.Required(CONF_DEVICE_ID): DeviceSelector()})
        return self._form("entities", schema, user_input, errors)

    async def async_step_found(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Show what the box told, ask for a name, and add it."""
        assert self._profile is not None  # noqa: S101 - the steps before
        assert self._box is not None  # noqa: S101 - the steps before
        if self.source == SOURCE_RECONFIGURE:
            return await self.async_step_replace_found(user_input)
        station_id = self._station_id()
        if is_added(self._get_entry(), station_id):
            return self.async_abort(reason="already_added")
        if user_input is not None:
            return await self._add(station_id, user_input)
        schema = box_schema(self._profile, self._box)
        return self.async_show_form(
            step_id="found",
            data_schema=self.add_suggested_values_to_schema(
                schema, box_name(self._profile, self._box)
            ),
            description_placeholders=box_facts(self._profile, self._box),
        )

    async def _wrong_access(self) -> str | None:
        """Return the key of an error if what was pasted is no certificate, or not its key."""
        if not self._access.get("tls"):
            return None
        if ("certificate" in self._access) is not ("key" in self._access):
            return "broker_certificate"
        tls = broker_address(self._link, self._access).tls
        assert tls is not None  # noqa: S101 - it was asked for
        try:
            await self.hass.async_add_executor_job(tls.context)
        except OSError, ValueError:
            # An `SSLError` is an `OSError`.
            return "broker_certificate"
        return None

    async def _add(self, station_id: str, answers: dict[str, Any]) -> SubentryFlowResult:
        assert self._profile is not None  # noqa: S101 - the steps before
        name = answers[CONF_NAME].strip() or station_id
        await running_hub(self._get_entry()).vault.set_broker(station_id, self._access)
        return self.async_create_entry(
            title=name,
            data=box_data(station_id, self._profile, self._link, answers[CONF_MAX_CURRENT_A]),
            description="declared",
            description_placeholders={
                "name": plain(name),
                "next_step": await next_step_text(self.hass, self._get_entry()),
            },
            unique_id=station_unique_id(station_id),
        )

    async def async_step_replace(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask by what the box is reached that took the place of this one."""
        return self.async_show_menu(
            step_id="replace",
            menu_options=["scan", MODBUS, MQTT, "generic", ENTITIES],
            description_placeholders={"name": self._get_reconfigure_subentry().title},
        )

    async def async_step_replace_found(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Show what the new box told, and have it take the place of the old one."""
        assert self._profile is not None  # noqa: S101 - the steps before
        assert self._box is not None  # noqa: S101 - the steps before
        entry, subentry = self._get_entry(), self._get_reconfigure_subentry()
        box_id = self._station_id()
        # The box that was there at first may come back.
        own = (box_of(subentry), subentry.data[CONF_STATION_ID])
        if box_id not in own and is_added(entry, box_id):
            return self.async_abort(reason="already_added")
        if self._profile.connectors < subentry.data[CONF_EVSES]:
            return self.async_abort(reason="fewer_outlets")
        if user_input is not None:
            station_id: str = subentry.data[CONF_STATION_ID]
            await running_hub(entry).vault.set_broker(station_id, self._access)
            return self.async_update_and_abort(
                entry,
                subentry,
                data_updates={
                    **user_input,
                    CONF_BOX: box_id,
                    CONF_EVSES: self._profile.connectors,
                    CONF_PROFILE: self._profile.id,
                    CONF_LINK: self._link,
                },
            )
        schema = vol.Schema(MAX_CURRENT)
        return self.async_show_form(
            step_id="replace_found",
            data_schema=self.add_suggested_values_to_schema(schema, subentry.data),
            description_placeholders={
                "name": plain(subentry.title),
                **box_facts(self._profile, self._box),
            },
        )

    async def async_step_edit_declared(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Change the name and the currents of one that was added."""
        subentry = self._get_reconfigure_subentry()
        errors: dict[str, str] = {}
        if user_input is not None:
            errors = fallback_errors(user_input)
            if not errors:
                return self.async_update_and_abort(
                    self._get_entry(),
                    subentry,
                    title=user_input[CONF_NAME].strip() or subentry.title,
                    data_updates={
                        key: user_input[key]
                        for key in (CONF_MAX_CURRENT_A, CONF_FALLBACK_CURRENT_A)
                    },
                )
        schema = vol.Schema({**NAME, **MAX_CURRENT, **FALLBACK})
        return self.async_show_form(
            step_id="edit_declared",
            data_schema=self.add_suggested_values_to_schema(
                schema, user_input or {CONF_NAME: subentry.title, **subentry.data}
            ),
            errors=errors,
            description_placeholders={"identity": quoted(subentry.data[CONF_STATION_ID])},
        )

    @override
    async def _try(self) -> SubentryFlowResult | str:
        return await self._look() or await self.async_step_found()

    async def _look(self) -> str | None:
        """Look at the box; return the key of an error."""
        assert self._profile is not None  # noqa: S101 - the steps before
        try:
            self._box = await look_at(self.hass, self._profile, self._link, self._access)
        except LinkError as error:
            return f"link_{error.fault.value}"
        return None

    def _station_id(self) -> str:
        """Return what names this very box: its serial number, or where it is."""
        assert self._profile is not None  # noqa: S101 - the steps before
        assert self._box is not None  # noqa: S101 - the steps before
        return box_station_id(self._profile, self._link, self._box)

    def _form(
        self,
        step_id: str,
        schema: vol.Schema,
        user_input: dict[str, Any] | None,
        errors: dict[str, str],
    ) -> SubentryFlowResult:
        hint = (self._profile.write_access_hint if self._profile else None) or ""
        return self.async_show_form(
            step_id=step_id,
            data_schema=self.add_suggested_values_to_schema(schema, user_input),
            errors=errors,
            description_placeholders={
                "model": plain(self._profile.models[0] if self._profile else ""),
                "hint": plain(hint),
            },
        )


def _label(choice: Choice) -> str:
    return f"{choice.vendor}: {', '.join(choice.models)}"
