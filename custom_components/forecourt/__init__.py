"""Forecourt: runs the EV charging stations of a site."""

from asyncio import Lock
from dataclasses import replace
import logging

from homeassistant.config_entries import (
    SOURCE_INTEGRATION_DISCOVERY,
    ConfigEntry,
    ConfigEntryState,
    ConfigSubentry,
)
from homeassistant.const import EVENT_HOMEASSISTANT_STOP
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryError, ConfigEntryNotReady
from homeassistant.helpers import (
    config_validation as cv,
    device_registry as dr,
    issue_registry as ir,
)
from homeassistant.helpers.typing import ConfigType

from .const import (
    CONF_STATION_ID,
    DOMAIN,
    PLATFORMS,
    SUBENTRY_CIRCUIT,
    SUBENTRY_STATION,
    SUBENTRY_USER,
)
from .declared import forget_boxes
from .devices import evse_of, register_site
from .hub import ForecourtConfigEntry, Hub, ledger_path
from .keys import Keys
from .ledger import Ledger, LedgerError, LedgerTooNewError, LedgerUnreadableError
from .services import async_setup_services
from .vault import Memory, Vault
from .websocket_api import async_setup_websocket_api

_LOGGER = logging.getLogger(__name__)

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Set up what may be asked, which is there whether or not a site is."""
    async_setup_services(hass)
    async_setup_websocket_api(hass)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: ForecourtConfigEntry) -> bool:
    """Start the site."""
    vault, memory = Vault(hass), Memory(hass)
    await vault.load()
    await memory.load()
    hub = Hub(hass, entry, vault, memory, await _open_ledger(hass, vault))
    entry.runtime_data = hub
    updater = _Updater(entry)
    try:
        await hub.start()
        await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
        # Only now, so that no event finds its entity missing.
        await hub.open()
    except LedgerError as error:
        await hub.stop()
        raise ConfigEntryNotReady(
            translation_domain=DOMAIN,
            translation_key="ledger_unavailable",
            translation_placeholders={"reason": str(error)},
        ) from error
    except BaseException:
        # A half-started site would hold its port and its ledger.
        await hub.stop()
        raise

    async def stop(_: Event) -> None:
        await hub.stop()

    # Home Assistant does not unload entries when it stops.
    entry.async_on_unload(hass.bus.async_listen(EVENT_HOMEASSISTANT_STOP, stop))
    entry.async_on_unload(entry.add_update_listener(updater))
    # What was changed while the site started.
    await updater(hass, entry)
    return True


async def async_unload_entry(hass: HomeAssistant, entry: ForecourtConfigEntry) -> bool:
    """Stop the site."""
    unloaded = await hass.config_entries.async_unload_platforms(entry, PLATFORMS)
    if unloaded:
        await entry.runtime_data.stop()
        _forget_issues(hass)
    return unloaded


async def async_remove_config_entry_device(
    hass: HomeAssistant, entry: ForecourtConfigEntry, device: dr.AnyDeviceEntry
) -> bool:
    """Allow to delete an outlet that its station has no more; other devices have their subentry."""
    evse = evse_of(device)
    if evse is None or entry.state is not ConfigEntryState.LOADED:
        return False
    return evse not in entry.runtime_data.site.board


async def async_remove_entry(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Delete the secrets; the ledger is the owner's record and stays."""
    vault = Vault(hass)
    await Keys(hass, vault).remove()
    await vault.remove()
    await Memory(hass).remove()
    await forget_boxes(hass)
    # No site lets in the stations that wait to be confirmed.
    flows = hass.config_entries.flow
    for flow in flows.async_progress_by_handler(DOMAIN, include_uninitialized=True):
        if flow["context"]["source"] == SOURCE_INTEGRATION_DISCOVERY:
            flows.async_abort(flow["flow_id"])


async def _open_ledger(hass: HomeAssistant, vault: Vault) -> Ledger:
    try:
        ledger = await Ledger.open(ledger_path(hass), vault.key)
    except LedgerTooNewError as error:
        raise ConfigEntryError(
            translation_domain=DOMAIN,
            translation_key="ledger_too_new",
            translation_placeholders={"path": str(ledger_path(hass))},
        ) from error
    except LedgerUnreadableError as error:
        raise ConfigEntryError(
            translation_domain=DOMAIN,
            translation_key="ledger_unreadable",
            translation_placeholders={"path": str(error.path), "reason": error.reason},
        ) from error
    return ledger


@callback
def _forget_issues(hass: HomeAssistant) -> None:
    """Take back what only a running site can tell; the next start tells it again."""
    for domain, issue_id in list(ir.async_get(hass).issues):
        if domain == DOMAIN:
            ir.async_delete_issue(hass, domain, issue_id)


class _Updater:
    """Brings a changed entry into the running site without dropping a station.

    The entry's listener is told that something changed, not what: the last
    seen subentries tell.
    """

    def __init__(self, entry: ForecourtConfigEntry) -> None:
        self._subentries = _snapshot(entry)
        self._options = dict(entry.options)
        self._data = dict(entry.data)
        self._turn = Lock()

    async def __call__(self, hass: HomeAssistant, entry: ForecourtConfigEntry) -> None:
        # A station that is removed and added again must have gone before it comes.
        async with self._turn:
            try:
                await self._update(hass, entry)
            except LedgerError as error:
                # The disk is an issue of its own, or the site was stopped meanwhile.
                _LOGGER.warning(
                    "The books did not take a change of the site, its next start repeats it: %s",
                    error,
                )

    async def _update(self, hass: HomeAssistant, entry: ForecourtConfigEntry) -> None:
        hub = entry.runtime_data
        before, after = self._subentries, _snapshot(entry)
        self._subentries = after
        if dict(entry.data) != self._data:
            # Another port: stations have to dial in again anyway.
            self._data = dict(entry.data)
            hass.config_entries.async_schedule_reload(entry.entry_id)
            return
        # It may have another name.
        register_site(hass, entry)
        if dict(entry.options) != self._options:
            self._options = dict(entry.options)
            await hub.sync_settings()
        if _of_type(before, SUBENTRY_CIRCUIT) != _of_type(after, SUBENTRY_CIRCUIT):
            hub.sync_circuits()
        if _of_type(before, SUBENTRY_USER) != _of_type(after, SUBENTRY_USER):
            await hub.sync_users()
        for subentry_id, subentry in _of_type(before, SUBENTRY_STATION).items():
            if subentry_id not in after:
                await hub.remove_station(subentry.data[CONF_STATION_ID])
        for subentry_id, subentry in _of_type(after, SUBENTRY_STATION).items():
            if before.get(subentry_id) != subentry:
                await hub.sync_station(subentry)


def _snapshot(entry: ForecourtConfigEntry) -> dict[str, ConfigSubentry]:
    """Return copies: Home Assistant edits subentries in place."""
    return {key: replace(subentry) for key, subentry in entry.subentries.items()}


def _of_type(subentries: dict[str, ConfigSubentry], kind: str) -> dict[str, ConfigSubentry]:
    return {key: item for key, item in subentries.items() if item.subentry_type == kind}
