"""Looks for wallboxes that speak Modbus, where and when its user says so."""

from abc import ABC
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_interface
import re
from typing import Any

from homeassistant.components.network import async_get_adapters
from homeassistant.config_entries import SOURCE_RECONFIGURE, SubentryFlowResult
from homeassistant.const import CONF_HOST, CONF_PORT
from homeassistant.core import HomeAssistant
from homeassistant.helpers.selector import SelectSelectorMode, TextSelector
import probatio as vol

from ..const import CONF_LINK, SUBENTRY_STATION
from ..declared import CONF_KIND, CONF_UNIT
from ..stations.declarative.profile import MODBUS, ModbusTransport, Profile, Role
from ..stations.modbus.address import ModbusAddress
from ..stations.modbus.ha import shared_units
from ..stations.modbus.link import Units
from ..stations.modbus.scan import Found, hosts_of, scan
from .by_hand import ByHandSteps
from .fields import labelled_choice
from .running import running_hub
from .texts import plain

CONF_BOX = "box"
CONF_NETWORK = "network"
_WIDEST = 24


class SearchSteps(ByHandSteps, ABC):
    """A range of addresses, progress, and what was found, to choose from."""

    _hosts: list[str]
    _where: str = ""
    _search: Any = None
    _boxes: dict[str, tuple[Found, Profile]]

    async def async_step_scan(self, user_input: dict[str, Any] | None = None) -> SubentryFlowResult:
        """Ask where to look."""
        errors: dict[str, str] = {}
        if user_input is not None:
            self._where = user_input[CONF_NETWORK]
            try:
                hosts = hosts_of(text for text in re.split(r"[\s,;]+", self._where) if text)
            except ValueError:
                hosts = []
            if hosts:
                # Those of the site are known, and are not to be disturbed; but one may have
                # taken the place of another at the same address.
                ours = {
                    one.data.get(CONF_LINK, {}).get(CONF_HOST)
                    for one in self._get_entry().get_subentries_of_type(SUBENTRY_STATION)
                    if self.source != SOURCE_RECONFIGURE or one != self._get_reconfigure_subentry()
                }
                self._hosts = [host for host in hosts if host not in ours]
                return await self.async_step_scanning()
            errors[CONF_NETWORK] = "network_invalid"
        schema = vol.Schema({vol.Required(CONF_NETWORK): TextSelector()})
        where = self._where or await _own_network(self.hass)
        return self.async_show_form(
            step_id="scan",
            data_schema=self.add_suggested_values_to_schema(schema, {CONF_NETWORK: where}),
            errors=errors,
        )

    async def async_step_scanning(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Show how far it is; it ends with the dialog."""
        if self._search is None:
            self._boxes = {}
            self._search = self._get_entry().async_create_background_task(
                self.hass, self._scan(), "forecourt search"
            )
        if self._search.done():
            self._search = None
            return self.async_show_progress_done(
                next_step_id="scanned" if self._boxes else "nothing_found"
            )
        return self.async_show_progress(
            step_id="scanning",
            progress_action="scanning",
            progress_task=self._search,
            description_placeholders={"network": plain(self._where)},
        )

    async def _scan(self) -> None:
        library = running_hub(self._get_entry()).library
        profiles = await self.hass.async_add_executor_job(library.all)

        @asynccontextmanager
        async def line(address: ModbusAddress) -> AsyncIterator[Units]:
            yield shared_units(self.hass, address)

        async for step in scan(self._hosts, profiles.values(), line=line):
            self.async_update_progress(step.done / step.total)
            if step.found is not None:
                for profile_id in step.found.profiles:
                    key = f"{step.host} {profile_id}"
                    self._boxes[key] = (step.found, profiles[profile_id])

    async def async_step_nothing_found(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Offer what else can be done."""
        return self.async_show_menu(
            step_id="nothing_found",
            menu_options=["scan", MODBUS],
            description_placeholders={"network": plain(self._where)},
        )

    async def async_step_scanned(
        self, user_input: dict[str, Any] | None = None
    ) -> SubentryFlowResult:
        """Ask which of the boxes is meant; where several models look alike, also which model."""
        errors: dict[str, str] = {}
        if user_input is not None:
            found, profile = self._boxes[user_input[CONF_BOX]]
            transport = profile.transport
            assert isinstance(transport, ModbusTransport)  # noqa: S101 - it was found by that
            self._profile = profile
            self._link = {
                CONF_HOST: found.address.host,
                CONF_PORT: found.address.port,
                CONF_UNIT: transport.unit,
                CONF_KIND: found.address.kind,
            }
            looked = await self._try()
            if not isinstance(looked, str):
                return looked
            errors["base"] = looked
        labels = {key: _label(found, profile) for key, (found, profile) in self._boxes.items()}
        schema = vol.Schema(
            {vol.Required(CONF_BOX): labelled_choice(labels, mode=SelectSelectorMode.LIST)}
        )
        return self.async_show_form(
            step_id="scanned",
            data_schema=self.add_suggested_values_to_schema(schema, user_input),
            errors=errors,
            description_placeholders={
                "hint": plain((self._profile.write_access_hint if self._profile else None) or "")
            },
        )


def _label(found: Found, profile: Profile) -> str:
    serial = found.told.get(Role.SERIAL)
    where = found.address.host if serial is None else f"{found.address.host}, {serial}"
    return f"{profile.vendor}: {', '.join(profile.models)} ({where})"


async def _own_network(hass: HomeAssistant) -> str:
    """Return the network that Home Assistant is in, or nothing."""
    adapters = await async_get_adapters(hass)
    for adapter in sorted(adapters, key=lambda each: not each["default"]):
        for address in adapter["ipv4"] if adapter["enabled"] else ():
            prefix = max(_WIDEST, address["network_prefix"])
            network = ip_interface(f"{address['address']}/{prefix}").network
            if network.is_private and not network.is_loopback:
                return str(network)
    return ""
