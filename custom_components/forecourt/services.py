"""What people and automations may ask of the site by an action, and who may ask what.

Administrators and automations may do everything. A login that is linked to a
user may start that user's charges, stop what the user may stop with a card, and
read that user's sessions.
"""

from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from homeassistant.const import ATTR_DEVICE_ID
from homeassistant.core import (
    HomeAssistant,
    ServiceCall,
    ServiceResponse,
    SupportsResponse,
    callback,
)
from homeassistant.helpers import config_validation as cv, device_registry as dr
from homeassistant.helpers.service import async_get_config_entry
from homeassistant.util import dt as dt_util
from homeassistant.util.json import JsonObjectType
import probatio as vol

from .const import DOMAIN, MAX_STATION_CURRENT_A, MIN_CURRENT_A
from .core.access.authorize import may_stop
from .core.model.ids import EvseId
from .core.model.session import Session
from .core.model.token import User
from .devices import evse_of, station_of
from .errors import explained, invalid
from .hub import ForecourtConfigEntry, Hub
from .offers import Offer

SERVICE_START_SESSION = "start_session"
SERVICE_STOP_SESSION = "stop_session"
SERVICE_SET_CURRENT_LIMIT = "set_current_limit"
SERVICE_ENROL_TOKEN = "enrol_token"  # noqa: S105 - the name of an action
SERVICE_GET_SESSIONS = "get_sessions"

ATTR_CURRENT = "current"
ATTR_END = "end"
ATTR_LIMIT = "limit"
ATTR_START = "start"
ATTR_USER = "user"

DEFAULT_LIMIT = 100

EVSE_SCHEMA = vol.Schema({vol.Required(ATTR_DEVICE_ID): cv.string})


def _utc(value: Any) -> datetime:
    """Return a time that was given, in Home Assistant's zone if it has none."""
    try:
        return dt_util.as_utc(cv.datetime(value))
    except OverflowError as error:
        raise vol.Invalid("The time is too far away") from error


@callback
def async_setup_services(hass: HomeAssistant) -> None:
    """Register the actions."""

    def register(
        name: str,
        handler: Callable[[ServiceCall], Coroutine[Any, Any, ServiceResponse]],
        schema: vol.Schema,
        supports_response: SupportsResponse = SupportsResponse.NONE,
    ) -> None:
        hass.services.async_register(
            DOMAIN, name, handler, schema, supports_response=supports_response
        )

    register(
        SERVICE_START_SESSION,
        _start_session,
        EVSE_SCHEMA.extend({vol.Optional(ATTR_USER): cv.string}),
    )
    register(SERVICE_STOP_SESSION, _stop_session, EVSE_SCHEMA)
    register(
        SERVICE_SET_CURRENT_LIMIT,
        _set_current_limit,
        EVSE_SCHEMA.extend(
            {
                vol.Optional(ATTR_CURRENT): vol.All(
                    vol.Coerce(int), vol.Range(min=MIN_CURRENT_A, max=MAX_STATION_CURRENT_A)
                )
            }
        ),
    )
    register(
        SERVICE_ENROL_TOKEN,
        _enrol_token,
        EVSE_SCHEMA.extend({vol.Required(ATTR_USER): cv.string}),
        SupportsResponse.OPTIONAL,
    )
    register(
        SERVICE_GET_SESSIONS,
        _get_sessions,
        vol.Schema(
            {
                vol.Optional(ATTR_USER): cv.string,
                vol.Optional(ATTR_DEVICE_ID): cv.string,
                vol.Optional(ATTR_START): _utc,
                vol.Optional(ATTR_END): _utc,
                vol.Optional(ATTR_LIMIT, default=DEFAULT_LIMIT): cv.positive_int,
            }
        ),
        SupportsResponse.ONLY,
    )


async def _start_session(call: ServiceCall) -> None:
    hub, evse = _evse(call)
    caller = await _caller(call, hub)
    name = call.data.get(ATTR_USER)
    user = caller.user if name is None else caller.find(name)
    with explained(hub):
        await hub.site.orders.start(evse, user.id if user else None)


async def _stop_session(call: ServiceCall) -> None:
    hub, evse = _evse(call)
    caller = await _caller(call, hub)
    session = hub.site.board[evse].session
    if not caller.privileged and session is not None:
        owner = hub.site.members.user(session.user_id)
        if not may_stop(caller.user, owner):
            raise invalid("not_your_session")
    with explained(hub):
        await hub.site.orders.stop(evse)


async def _set_current_limit(call: ServiceCall) -> None:
    hub, evse = _evse(call)
    (await _caller(call, hub)).must_be_privileged()
    hub.site.orders.limit(evse, call.data.get(ATTR_CURRENT))


async def _enrol_token(call: ServiceCall) -> ServiceResponse:
    hub, evse = _evse(call)
    caller = await _caller(call, hub)
    caller.must_be_privileged()
    user = caller.find(call.data[ATTR_USER])
    with explained(hub):
        shown = await hub.site.desk.enrol(evse, dt_util.utcnow())
    if shown.owner_id is not None:
        owner = hub.user_name(shown.owner_id)
        if caller.admin and owner is not None:
            raise invalid("token_taken_by", user=owner)
        raise invalid("token_taken")
    hub.offers.add(Offer(token=shown.token, user_id=user.id, evse=evse))
    return {"last4": shown.token.last4}


async def _get_sessions(call: ServiceCall) -> ServiceResponse:
    device_id, name, limit = (
        call.data.get(ATTR_DEVICE_ID),
        call.data.get(ATTR_USER),
        call.data[ATTR_LIMIT],
    )
    hub, evse = _evse(call) if device_id else (_hub(call.hass), None)
    caller = await _caller(call, hub)
    user_id = None
    if name is not None:
        user_id = await caller.find_past(name)
    elif caller.user is not None and not caller.privileged:
        user_id = caller.user.id
    with explained(hub):
        sessions = await hub.ledger.sessions(
            user_id=user_id,
            station_id=evse.station_id if evse else None,
            start=call.data.get(ATTR_START),
            end=call.data.get(ATTR_END),
            # The ledger knows stations only; what is of other outlets is left out below.
            limit=None if evse else limit,
        )
    found = [session for session in sessions if evse in (None, session.evse)]
    return {"sessions": [_told(hub, session) for session in found[:limit]]}


def _told(hub: Hub, session: Session) -> JsonObjectType:
    return {
        "id": session.id,
        "user": hub.user_name(session.user_id),
        "user_id": session.user_id,
        "station": hub.station_name(session.evse.station_id),
        "station_id": session.evse.station_id,
        "evse": session.evse.number,
        "status": session.status,
        "plugged": _iso(session.plugged_at),
        "start": _iso(session.started_at),
        "end": _iso(session.ended_at),
        "unplugged": _iso(session.unplugged_at),
        "energy_wh": session.energy_wh,
        "energy_kwh": round(session.energy_wh / 1000, 3),
        "cost": None if session.cost is None else f"{session.cost:f}",
        "currency": session.currency,
        "flags": [str(flag) for flag in sorted(session.flags)],
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Caller:
    """Who asks: `admin`, an automation (`privileged`, too), or the login of a `user`."""

    hub: Hub
    admin: bool
    privileged: bool
    user: User | None

    def must_be_privileged(self) -> None:
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


async def _caller(call: ServiceCall, hub: Hub) -> _Caller:
    """Return who asks; refuse a login that is neither an administrator nor linked to a user."""
    login = call.context.user_id
    if login is None:
        return _Caller(hub=hub, admin=False, privileged=True, user=None)
    account = await call.hass.auth.async_get_user(login)
    admin = account is not None and account.is_admin
    linked = (user for user in hub.site.members.users.values() if user.person is not None)
    own = next((user for user in linked if _login_of(call.hass, user) == login), None)
    if not admin and own is None:
        raise invalid("admin_only")
    return _Caller(hub=hub, admin=admin, privileged=admin, user=own)


def _login_of(hass: HomeAssistant, user: User) -> str | None:
    state = hass.states.get(user.person or "")
    return None if state is None else state.attributes.get("user_id")


def _hub(hass: HomeAssistant, entry_id: str | None = None) -> Hub:
    entry: ForecourtConfigEntry = async_get_config_entry(hass, DOMAIN, entry_id)
    return entry.runtime_data


def _evse(call: ServiceCall) -> tuple[Hub, EvseId]:
    """Return the EVSE that the device is, or the only one of the station that it is."""
    device = dr.async_get(call.hass).async_get(call.data[ATTR_DEVICE_ID])
    if device is None:
        raise invalid("unknown_device")
    evse, station_id = evse_of(device), station_of(device)
    if evse is None and station_id is None:
        raise invalid("unknown_device")
    hub = _hub(call.hass, device.config_entry_id)
    if evse is None and station_id is not None:
        outlets = hub.site.board.of(station_id)
        if len(outlets) != 1:
            raise invalid("which_evse", station=hub.station_name(station_id))
        evse = outlets[0].evse
    if evse is None or evse not in hub.site.board:
        raise invalid("unknown_device")
    return hub, evse


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
