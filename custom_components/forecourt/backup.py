"""Backup platform: a backup gets a consistent copy of the ledger.

Home Assistant calls these before and after it packs the configuration folder.
"""

from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.util.hass_dict import HassKey

from .const import DOMAIN
from .ledger import Ledger, LedgerError

# The site may be reloaded meanwhile; who made the copy removes it.
_COPIED: HassKey[Ledger] = HassKey(f"{DOMAIN}_backup")


async def async_pre_backup(hass: HomeAssistant) -> None:
    """Write the copy. A site that is not loaded has closed its ledger: the file itself is whole."""
    for entry in hass.config_entries.async_loaded_entries(DOMAIN):
        ledger: Ledger = entry.runtime_data.ledger
        try:
            await ledger.snapshot()
        except LedgerError as err:
            raise _told(err) from err
        hass.data[_COPIED] = ledger


async def async_post_backup(hass: HomeAssistant) -> None:
    """Remove the copy."""
    ledger = hass.data.pop(_COPIED, None)
    if ledger is None:
        return
    try:
        await ledger.drop_snapshot()
    except LedgerError as err:
        raise _told(err) from err


def _told(error: LedgerError) -> HomeAssistantError:
    return HomeAssistantError(
        translation_domain=DOMAIN,
        translation_key="ledger_not_copied",
        translation_placeholders={"reason": str(error)},
    )
