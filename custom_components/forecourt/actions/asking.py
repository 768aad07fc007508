"""What every action needs: who asks, and what the question is about.

Administrators and automations may do everything. A login that is linked to a
user may start that user's charges, stop what the user may stop with a card, and
read that user's sessions.
"""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from homeassistant.const import ATTR_DEVICE_ID
from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse, SupportsResponse
from homeassistant.helpers import config_validation as cv, device_registry as dr
from homeassistant.helpers.service import async_get_config_entry
from homeassistant.util import dt as dt_util
import probatio as vol

from ..const import DOMAIN
from ..core.model.ids import EvseId
from ..core.model.token import User
from ..devices import evse_of, station_of
from ..errors import explained, invalid
from ..hub import ForecourtConfigEntry, Hub

ATTR_USER = "user"

DEVICE_SCHEMA = vol.Schema({vol.Required(ATTR_DEVICE_ID): cv.string})


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """Something that may be asked of the site."""

    name: str
    handler: Callable[[ServiceCall], Coroutine[Any, Any, ServiceResponse]]
    schema: vol.Schema
    supports_response: SupportsResponse = SupportsResponse.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks: `admin`, an automation (`privileged`, too), or the login of a `user`."""

    hub: Hub
    admin: bool
    privileged: bool
    user: User | None

    def must_be_privileged(self) -> None:
        """Refuse a login that is no administrator."""
        if not self.privileged:
            raise invalid("admin_only")

    def find(self, name: str) -> User:
        """Return the user that is meant, by name or id; a login may mean its own only."""
        return self._find(name, self.hub.site.members.users)

    async def find_past(self, name: str) -> str:
        """Return the id of the user that is meant, also of one who may charge no more."""
        with explained(self.hub):
            known = await self.hub.ledger.users()
        return self._find(name, {key: User(id=key, name=it.name) for key, it in known.items()}).id

    def _find(self, name: str, users: Mapping[str, User]) -> User:
        if not self.privileged:
            own = self.user
            if own is None or name.casefold() not in (own.id.casefold(), own.name.casefold()):
                raise invalid("admin_only")
            return own
        if name in users:
            return users[name]
        named = [user for user in users.values() if user.name.casefold() == name.casefold()]
        if len(named) > 1:
            raise invalid("ambiguous_user", user=name)
        if not named:
            if not self.admin:
                raise invalid("unknown_user", user=name)
            known = ", ".join(sorted(user.name for user in users.values()))
            raise invalid("unknown_user_of", user=name, known=known or "-")
        return named[0]


async def caller_of(call: ServiceCall, hub: Hub) -> Caller:
    """Return who asks; refuse a login that is neither an administrator nor linked to a user."""
    login = call.context.user_id
    if login is None:
        return Caller(hub=hub, admin=False, privileged=True, user=None)
    account = await call.hass.auth.async_get_user(login)
    admin = account is not None and account.is_admin
    linked = (user for user in hub.site.members.users.values() if user.person is not None)
    own = next((user for user in linked if _login_of(call.hass, user) == login), None)
    if not admin and own is None:
        raise invalid("admin_only")
    return Caller(hub=hub, admin=admin, privileged=admin, user=own)


def _login_of(hass: HomeAssistant, user: User) -> str | None:
    state = hass.states.get(user.person or "")
    return None if state is None else state.attributes.get("user_id")


def the_hub(hass: HomeAssistant, entry_id: str | None = None) -> Hub:
    """Return the running site of an entry, of the only one by default."""
    entry: ForecourtConfigEntry = async_get_config_entry(hass, DOMAIN, entry_id)
    return entry.runtime_data


def evse_meant(call: ServiceCall) -> tuple[Hub, EvseId]:
    """Return the EVSE that the device is, or the only one of the station that it is."""
    hub, station_id, evse = _meant(call)
    if evse is None:
        outlets = hub.site.board.of(station_id)
        if len(outlets) != 1:
            raise invalid("which_evse", station=hub.station_name(station_id))
        evse = outlets[0].evse
    if evse not in hub.site.board:
        raise invalid("unknown_device")
    return hub, evse


def station_meant(call: ServiceCall) -> tuple[Hub, str]:
    """Return the identity of the station that the device is, or is a part of."""
    hub, station_id, _ = _meant(call)
    if station_id not in hub.site.stations:
        raise invalid("unknown_device")
    return hub, station_id


def _meant(call: ServiceCall) -> tuple[Hub, str, EvseId | None]:
    device = dr.async_get(call.hass).async_get(call.data[ATTR_DEVICE_ID])
    if device is None:
        raise invalid("unknown_device")
    evse = evse_of(device)
    station_id = evse.station_id if evse is not None else station_of(device)
    if station_id is None:
        raise invalid("unknown_device")
    return the_hub(call.hass, device.config_entry_id), station_id, evse


def utc(value: Any) -> datetime:
    """Return a time that was given, in Home Assistant's zone if it has none."""
    try:
        return dt_util.as_utc(cv.datetime(value))
    except OverflowError as error:
        raise vol.Invalid("The time is too far away") from error


def iso(at: datetime | None) -> str | None:
    """Return a time as it is answered."""
    return None if at is None else at.isoformat()
