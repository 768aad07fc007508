"""Wallboxes without OCPP that make themselves known in the network or at the MQTT broker.

Nothing is asked of a box before somebody wants it: many talk to one client only, and that may be
another program. The exception are boxes of the site that do not answer any more where they were.
"""

from abc import ABC
from collections.abc import Iterable
from typing import Any, override

from homeassistant.config_entries import ConfigEntry, ConfigFlow, ConfigFlowResult
from homeassistant.const import CONF_DEVICE_ID, CONF_HOST, CONF_NAME, CONF_PORT
from homeassistant.data_entry_flow import AbortFlow
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.service_info.dhcp import DhcpServiceInfo
from homeassistant.helpers.service_info.mqtt import MqttServiceInfo
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo
from homeassistant.util import slugify
import probatio as vol

from ..const import (
    CONF_LINK,
    CONF_MAX_CURRENT_A,
    CONF_PROFILE,
    CONF_STATION_ID,
    DOMAIN,
    SUBENTRY_STATION,
)
from ..declared import (
    CONF_BOX_ID,
    CONF_KIND,
    CONF_PREFIX,
    CONF_UNIT,
    Box,
    LinkData,
    box_of,
    look_at,
)
from ..stations.declarative.link import LinkError, LinkFault
from ..stations.declarative.profile import ModbusTransport, MqttTransport, Profile
from ..stations.entities.ha import device_profile
from ..stations.mqtt.discovery import find
from ..stations.mqtt.payloads import fill
from .adding import add_station, is_added, next_step_text, site_entry
from .boxes import box_data, box_facts, box_name, box_schema, box_station_id
from .running import running_hub
from .texts import plain, quoted

BY_MAC = {
    "0060b5": ("keba_p30", "keba_p40", "keba_p40_before_1_2_1"),
    "00017b": ("amperfied_connect",),
    "6caf15": ("vestel_unite", "webasto_next"),
    "b08bbe": ("abl_em4",),
    "e0aeb2": ("bender_cc61x",),
    "f81e6f": ("compleo",),
}
"""Profiles by the first half of a MAC address; only of makers whose boxes alone have it."""

WARP = "warp"
_WARP_SERVICE = "_http._tcp.local."


class FoundSteps(ConfigFlow, ABC):
    """A box was seen: shown as discovered, looked at when it is wanted, and added."""

    _profiles: tuple[Profile, ...] = ()
    _profile: Profile | None = None
    _link: LinkData
    _box: Box | None = None
    _through: str | None = None

    @override
    async def async_step_zeroconf(self, discovery_info: ZeroconfServiceInfo) -> ConfigFlowResult:
        """A box told the network its name."""
        kind = discovery_info.type.casefold()
        serial = discovery_info.properties.get("serial")
        name = discovery_info.name.removesuffix(f".{discovery_info.type}")
        if kind == _WARP_SERVICE:
            serial = discovery_info.properties.get("uid")
        profiles = [
            profile
            for profile in (await self._library()).values()
            if isinstance(profile.transport, ModbusTransport)
            and (
                profile.id == WARP
                if kind == _WARP_SERVICE
                else kind in (each.casefold() for each in profile.mdns)
            )
        ]
        return await self._seen(discovery_info.host, profiles, serial or name, serial)

    @override
    async def async_step_dhcp(self, discovery_info: DhcpServiceInfo) -> ConfigFlowResult:
        """A box fetched its address."""
        library = await self._library()
        wanted = BY_MAC.get(discovery_info.macaddress[:6].casefold(), ())
        profiles = [library[each] for each in wanted if each in library]
        return await self._seen(discovery_info.ip, profiles, discovery_info.macaddress, None)

    @override
    async def async_step_mqtt(self, discovery_info: MqttServiceInfo) -> ConfigFlowResult:
        """A box published something."""
        library = await self._library()
        payload = discovery_info.payload
        told = payload.encode() if isinstance(payload, str) else bytes(payload)
        boxes = find(library.values(), discovery_info.topic, told)
        if not boxes:
            return self.async_abort(reason="no_wallbox")
        box = boxes[0]
        profile = library[box.profile_id]
        assert isinstance(profile.transport, MqttTransport)  # noqa: S101 - it was found by that
        self._profiles = (profile,)
        self._link = {CONF_BOX_ID: box.box_id}
        if box.prefix != fill(profile.transport.prefix, {"id": box.box_id}):
            self._link[CONF_PREFIX] = box.prefix
        entry = await self._begin(box.box_id)
        if self._is_known(entry, box.box_id):
            return self.async_abort(reason="already_added")
        return await self._offer(entry, None, box.box_id)

    async def _library(self) -> dict[str, Profile]:
        entry = site_entry(self.hass)
        if entry is None:
            raise AbortFlow("no_site")
        return await self.hass.async_add_executor_job(running_hub(entry).library.all)

    async def _begin(self, key: str) -> ConfigEntry[Any]:
        """Be the only dialog about a box, unless it is ignored."""
        await self.async_set_unique_id(f"box_{slugify(key)}")
        self._abort_if_unique_id_configured(reload_on_update=False)
        entry = site_entry(self.hass)
        assert entry is not None  # noqa: S101 - the library was read
        return entry

    async def _seen(
        self, host: str, profiles: Iterable[Profile], key: str, serial: str | None
    ) -> ConfigFlowResult:
        """Go on with what is at an address, unless it is known."""
        self._profiles = tuple(profiles)
        if not self._profiles:
            return self.async_abort(reason="no_wallbox")
        entry = await self._begin(key)
        # What a name says is no proof: a station moves only if the box itself tells who it is.
        if self._is_at(entry, host) or await self._has_moved_to(entry, host):
            return self.async_abort(reason="already_added")
        if serial is not None and self._is_known(entry, serial):
            return self.async_abort(reason="already_added")
        self._link = {CONF_HOST: host}
        return await self._offer(entry, host, serial)

    async def _offer(
        self, entry: ConfigEntry[Any], host: str | None, serial: str | None
    ) -> ConfigFlowResult:
        profile = self._profiles[0]
        self.context["title_placeholders"] = {
            "name": f"{profile.vendor} {profile.models[0]} ({host or serial})"
        }
        if (other := self._other_entry(host, serial)) is None:
            return await self.async_step_box()
        for device in dr.async_entries_for_config_entry(dr.async_get(self.hass), other.entry_id):
            library = running_hub(entry).library
            found = await device_profile(self.hass, library, device.id)
            if found is None:
                continue
            self._link = {CONF_DEVICE_ID: device.id}
            self._profiles = (found,)
            if any(
                one.data.get(CONF_LINK, {}).get(CONF_DEVICE_ID) == device.id
                for one in entry.get_subentries_of_type(SUBENTRY_STATION)
            ):
                return self.async_abort(reason="already_added")
            self._through = other.title
            return await self.async_step_through()
        return self.async_abort(
            reason="other_integration", description_placeholders={"integration": other.title}
        )

    async def async_step_box(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask whether to look at it."""
        return await self._ask_to_look("box", user_input)

    async def async_step_through(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Tell that another integration has it, whose entities can become a station."""
        return await self._ask_to_look("through", user_input)

    async def _ask_to_look(
        self, step_id: str, user_input: dict[str, Any] | None
    ) -> ConfigFlowResult:
        errors: dict[str, str] = {}
        if user_input is not None:
            if (fault := await self._look()) is None:
                return await self.async_step_box_found()
            errors["base"] = f"link_{fault.value}"
        profile = self._profiles[0]
        return self.async_show_form(
            step_id=step_id,
            errors=errors,
            description_placeholders={
                "vendor": plain(profile.vendor),
                "models": plain(", ".join(profile.models)),
                "place": quoted(str(next(iter(self._link.values())))),
                "hint": plain(profile.write_access_hint or ""),
                "integration": plain(self._through or ""),
            },
        )

    async def _look(self) -> LinkFault | None:
        """Look which of the profiles fits; return why none does."""
        fault = LinkFault.WRONG_MODEL
        for profile in self._profiles:
            link = self._link_for(profile)
            try:
                self._box = await look_at(self.hass, profile, link)
            except LinkError as error:
                fault = error.fault
                if fault is LinkFault.REFUSED:
                    break
            else:
                self._profile, self._link = profile, link
                return None
        return fault

    def _link_for(self, profile: Profile) -> LinkData:
        transport = profile.transport
        if not isinstance(transport, ModbusTransport):
            return self._link
        return {
            CONF_HOST: self._link[CONF_HOST],
            CONF_PORT: transport.port,
            CONF_UNIT: transport.unit,
            CONF_KIND: "tcp",
        }

    async def async_step_box_found(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Show what it told, ask for a name, and add it."""
        profile, box = self._profile, self._box
        assert profile is not None  # noqa: S101 - the step before
        assert box is not None  # noqa: S101 - the step before
        entry = site_entry(self.hass)
        if entry is None:
            return self.async_abort(reason="no_site")
        station_id = box_station_id(profile, self._link, box)
        if is_added(entry, station_id):
            return self.async_abort(reason="already_added")
        if user_input is not None:
            name = user_input[CONF_NAME].strip() or station_id
            data = box_data(station_id, profile, self._link, user_input[CONF_MAX_CURRENT_A])
            add_station(self.hass, entry, name, data)
            next_step = await next_step_text(self.hass, entry)
            return self.async_abort(
                reason="wallbox_added",
                description_placeholders={"name": plain(name), "next_step": next_step},
            )
        schema: vol.Schema = box_schema(profile, box)
        return self.async_show_form(
            step_id="box_found",
            data_schema=self.add_suggested_values_to_schema(schema, box_name(profile, box)),
            description_placeholders=box_facts(profile, box),
        )

    # What is known already

    def _other_entry(self, host: str | None, serial: str | None) -> ConfigEntry[Any] | None:
        """Return the entry of another integration that has this very box."""
        for other in self.hass.config_entries.async_entries(include_ignore=False):
            if other.domain in (DOMAIN, "modbus", "mqtt"):
                continue
            same_host = host is not None and other.data.get(CONF_HOST) == host
            told = (other.unique_id or "").casefold()
            if same_host or (serial is not None and told == serial.casefold()):
                return other
        return None

    def _is_known(self, entry: ConfigEntry[Any], serial: str) -> bool:
        """Return whether a station has this serial number, whatever it speaks."""
        hub = running_hub(entry)
        told = {each.data.info.serial for each in hub.coordinators.values()}
        return serial in told or any(
            box_of(subentry).endswith(f"_{slugify(serial)}")
            for subentry in entry.get_subentries_of_type(SUBENTRY_STATION)
        )

    def _is_at(self, entry: ConfigEntry[Any], host: str) -> bool:
        """Return whether a station of the site has this address."""
        hub = running_hub(entry)
        for subentry in entry.get_subentries_of_type(SUBENTRY_STATION):
            if subentry.data.get(CONF_LINK, {}).get(CONF_HOST) == host:
                return True
        views = (each.data for each in hub.coordinators.values())
        return any(view.online and view.info.address == host for view in views)

    async def _has_moved_to(self, entry: ConfigEntry[Any], host: str) -> bool:
        """Return whether it is a station that is missed elsewhere, and serve it here then."""
        declared = running_hub(entry).declared
        profiles = {profile.id: profile for profile in self._profiles}
        for subentry in entry.get_subentries_of_type(SUBENTRY_STATION):
            profile = profiles.get(subentry.data.get(CONF_PROFILE, ""))
            station_id: str = subentry.data[CONF_STATION_ID]
            station = declared.station(station_id)
            if profile is None or (station is not None and station.online):
                continue
            link = {**subentry.data[CONF_LINK], CONF_HOST: host}
            try:
                box = await look_at(self.hass, profile, link)
            except LinkError:
                continue
            if box.serial is not None and box_station_id(profile, link, box) == box_of(subentry):
                self.hass.config_entries.async_update_subentry(
                    entry, subentry, data={**subentry.data, CONF_LINK: link}
                )
                return True
        return False
