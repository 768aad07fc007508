"""What every station has to show at least, kept a second time with its configuration.

The store of keys may be lost or damaged. Without it a station must not be let in with less than
it once reached: that would open the door to anybody who knows its name.
"""

from homeassistant.config_entries import ConfigEntry, ConfigSubentry
from homeassistant.core import HomeAssistant, callback

from .const import CONF_SECURITY_PROFILE, CONF_STATION_ID, SUBENTRY_STATION
from .stations.ocpp import SecurityProfile


class RequiredProfiles:
    """The lowest security profile of every station, in the data of its subentry."""

    def __init__(self, hass: HomeAssistant, entry: ConfigEntry) -> None:
        """Read and write the entry."""
        self._hass = hass
        self._entry = entry
        self._ids: dict[str, str] = {}

    def of(self, identity: str) -> SecurityProfile:
        """Return what a station has to show at least."""
        subentry = self._subentry(identity)
        data = {} if subentry is None else subentry.data
        return SecurityProfile(data.get(CONF_SECURITY_PROFILE, SecurityProfile.NONE))

    @callback
    def keep(self, identity: str, profile: SecurityProfile) -> None:
        """Keep what a station has to show at least."""
        subentry = self._subentry(identity)
        if subentry is None or profile == self.of(identity):
            return
        self._hass.config_entries.async_update_subentry(
            self._entry, subentry, data={**subentry.data, CONF_SECURITY_PROFILE: int(profile)}
        )

    def _subentry(self, identity: str) -> ConfigSubentry | None:
        # Asked several times at every connection, of a site with hundreds of subentries.
        known = self._entry.subentries.get(self._ids.get(identity, ""))
        if known is not None and known.data.get(CONF_STATION_ID) == identity:
            return known
        for subentry in self._entry.get_subentries_of_type(SUBENTRY_STATION):
            if subentry.data[CONF_STATION_ID] == identity:
                self._ids[identity] = subentry.subentry_id
                return subentry
        return None
