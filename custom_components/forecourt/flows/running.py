"""The running site, for dialogs that need one."""

from typing import Any

from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.data_entry_flow import AbortFlow

from ..hub import Hub


def running_hub(entry: ConfigEntry[Any]) -> Hub:
    """Return the running site of the entry; ends the dialog where it does not run."""
    if entry.state is not ConfigEntryState.LOADED:
        raise AbortFlow("not_running")
    hub: Hub = entry.runtime_data
    return hub
