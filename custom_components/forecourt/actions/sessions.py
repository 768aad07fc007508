"""Sessions: to start and stop one, what it may draw, and those that were."""

from homeassistant.const import ATTR_DEVICE_ID
from homeassistant.core import ServiceCall, ServiceResponse, SupportsResponse
from homeassistant.helpers import config_validation as cv
from homeassistant.util.json import JsonObjectType
import probatio as vol

from ..const import MAX_STATION_CURRENT_A, MIN_CURRENT_A
from ..core.access.authorize import may_stop
from ..core.model.session import Session, Transaction
from ..core.model.token import Token
from ..errors import explained, invalid
from ..hub import Hub
from .asking import ATTR_USER, DEVICE_SCHEMA, Action, caller_of, evse_meant, iso, the_hub, utc

SERVICE_START_SESSION = "start_session"
SERVICE_IDENTIFY_USER = "identify_user"
SERVICE_STOP_SESSION = "stop_session"
SERVICE_SET_CURRENT_LIMIT = "set_current_limit"
SERVICE_GET_SESSIONS = "get_sessions"

ATTR_CURRENT = "current"
ATTR_END = "end"
ATTR_LIMIT = "limit"
ATTR_START = "start"
ATTR_TOKEN = "token"  # noqa: S105 - a field

DEFAULT_LIMIT = 100


async def _start_session(call: ServiceCall) -> None:
    hub, evse = evse_meant(call)
    caller = await caller_of(call, hub)
    name = call.data.get(ATTR_USER)
    user = caller.user if name is None else caller.find(name)
    with explained(hub):
        await hub.site.orders.start(evse, user.id if user else None)


async def _identify_user(call: ServiceCall) -> None:
    hub, evse = evse_meant(call)
    caller = await caller_of(call, hub)
    name, code = call.data.get(ATTR_USER), call.data.get(ATTR_TOKEN)
    if code is not None:
        # Codes could be tried until one fits.
        caller.must_be_privileged()
        with explained(hub):
            await hub.site.identification.show(evse, Token(code))
        return
    user = caller.user if name is None else caller.find(name)
    if user is None:
        raise invalid("nobody_named")
    with explained(hub):
        await hub.site.identification.name(evse, user.id)


async def _stop_session(call: ServiceCall) -> None:
    hub, evse = evse_meant(call)
    caller = await caller_of(call, hub)
    session = hub.site.board[evse].session
    if not caller.privileged and session is not None:
        owner = hub.site.members.user(session.user_id)
        if not may_stop(caller.user, owner):
            raise invalid("not_your_session")
    with explained(hub):
        await hub.site.orders.stop(evse)


async def _set_current_limit(call: ServiceCall) -> None:
    hub, evse = evse_meant(call)
    (await caller_of(call, hub)).must_be_privileged()
    hub.site.orders.limit(evse, call.data.get(ATTR_CURRENT))


async def _get_sessions(call: ServiceCall) -> ServiceResponse:
    device_id, name, limit = (
        call.data.get(ATTR_DEVICE_ID),
        call.data.get(ATTR_USER),
        call.data[ATTR_LIMIT],
    )
    hub, evse = evse_meant(call) if device_id else (the_hub(call.hass), None)
    caller = await caller_of(call, hub)
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
        found = [session for session in sessions if evse in (None, session.evse)][:limit]
        transactions = await hub.ledger.transactions_of([session.id for session in found])
    shown = _shown_instead(hub, admin=caller.admin)
    return {
        "sessions": [
            {**_told(hub, session), **_last_told(transactions[session.id], shown)}
            for session in found
        ]
    }


def _shown_instead(hub: Hub, *, admin: bool) -> dict[str | None, str | None]:
    """Return what is shown of tokens other than their last characters, by their keyed hash.

    Cards that are enrolled are shown to administrators, tags of the site to nobody: nobody
    can show one.
    """
    key = hub.ledger.token_key
    shown: dict[str | None, str | None] = {}
    if admin:
        shown |= {key(token): token.uid for token in hub.site.members.tokens}
    return shown | {key(tag): None for tag in hub.site.members.register.virtual}


def _last_told(
    transactions: list[Transaction], shown: dict[str | None, str | None]
) -> JsonObjectType:
    """Return what is known of the last transaction of a session, which often is the only one."""
    last = transactions[-1]
    masked = f"…{last.token_last4}" if last.token_last4 else None
    return {
        "transaction_id": last.id,
        "station_transaction_id": last.reference or str(last.id),
        "id_token": shown.get(last.token_key, masked),
        "stop_reason": last.stop_reason,
        "stop_time": iso(last.ended_at),
    }


def _told(hub: Hub, session: Session) -> JsonObjectType:
    return {
        "id": session.id,
        "user": hub.user_name(session.user_id),
        "user_id": session.user_id,
        "station": hub.station_name(session.evse.station_id),
        "station_id": session.evse.station_id,
        "evse": session.evse.number,
        "status": session.status,
        "plugged": iso(session.plugged_at),
        "start": iso(session.started_at),
        "end": iso(session.ended_at),
        "unplugged": iso(session.unplugged_at),
        "energy_wh": session.energy_wh,
        "energy_kwh": round(session.energy_wh / 1000, 3),
        "cost": None if session.cost is None else f"{session.cost:f}",
        "currency": session.currency,
        "flags": [str(flag) for flag in sorted(session.flags)],
    }


ACTIONS = (
    Action(
        name=SERVICE_START_SESSION,
        handler=_start_session,
        schema=DEVICE_SCHEMA.extend({vol.Optional(ATTR_USER): cv.string}),
    ),
    Action(
        name=SERVICE_IDENTIFY_USER,
        handler=_identify_user,
        schema=DEVICE_SCHEMA.extend(
            {
                vol.Exclusive(ATTR_USER, "who"): cv.string,
                vol.Exclusive(ATTR_TOKEN, "who"): vol.All(cv.string, vol.Length(min=1)),
            }
        ),
    ),
    Action(name=SERVICE_STOP_SESSION, handler=_stop_session, schema=DEVICE_SCHEMA),
    Action(
        name=SERVICE_SET_CURRENT_LIMIT,
        handler=_set_current_limit,
        schema=DEVICE_SCHEMA.extend(
            {
                vol.Optional(ATTR_CURRENT): vol.All(
                    vol.Coerce(int), vol.Range(min=MIN_CURRENT_A, max=MAX_STATION_CURRENT_A)
                )
            }
        ),
    ),
    Action(
        name=SERVICE_GET_SESSIONS,
        handler=_get_sessions,
        schema=vol.Schema(
            {
                vol.Optional(ATTR_USER): cv.string,
                vol.Optional(ATTR_DEVICE_ID): cv.string,
                vol.Optional(ATTR_START): utc,
                vol.Optional(ATTR_END): utc,
                vol.Optional(ATTR_LIMIT, default=DEFAULT_LIMIT): cv.positive_int,
            }
        ),
        supports_response=SupportsResponse.ONLY,
    ),
)
