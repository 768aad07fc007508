"""Reservations: to have an outlet held, to let it go, and those that there are."""

from datetime import timedelta

from homeassistant.core import ServiceCall, ServiceResponse, SupportsResponse
from homeassistant.helpers import config_validation as cv
from homeassistant.util import dt as dt_util
from homeassistant.util.json import JsonObjectType
import probatio as vol

from ..core.model.reservation import Reservation, ReservationStatus
from ..errors import explained, invalid
from ..hub import Hub
from .asking import ATTR_USER, DEVICE_SCHEMA, Action, Caller, caller_of, evse_meant, the_hub, utc

SERVICE_RESERVE = "reserve"
SERVICE_CANCEL_RESERVATION = "cancel_reservation"
SERVICE_GET_RESERVATIONS = "get_reservations"

ATTR_DURATION = "duration"
ATTR_RESERVATION_ID = "reservation_id"
ATTR_UNTIL = "until"

LONGEST = timedelta(days=366)

# What a login may have that is no administrator: an outlet held for ever is nobody else's.
OWN_LONGEST = timedelta(hours=24)
OWN_MOST = 2


async def _reserve(call: ServiceCall) -> ServiceResponse:
    hub, evse = evse_meant(call)
    caller = await caller_of(call, hub)
    name = call.data.get(ATTR_USER)
    user = caller.user if name is None else caller.find(name)
    if user is None:
        raise invalid("user_required")
    now = dt_util.utcnow()
    until = call.data.get(ATTR_UNTIL) or now + call.data[ATTR_DURATION]
    longest = LONGEST if caller.privileged else OWN_LONGEST
    if until > now + longest:
        raise invalid("reservation_too_long", hours=str(int(longest.total_seconds() // 3600)))
    active = [one for one in _seen_by(caller) if one.status is ReservationStatus.ACTIVE]
    if not caller.privileged and len(active) >= OWN_MOST:
        raise invalid("too_many_reservations", most=str(OWN_MOST))
    with explained(hub):
        held = await hub.site.reservations.reserve(evse, until, user_id=user.id)
    return _told(hub, held)


async def _cancel_reservation(call: ServiceCall) -> None:
    hub = the_hub(call.hass)
    caller = await caller_of(call, hub)
    wanted = call.data[ATTR_RESERVATION_ID]
    if all(held.id != wanted for held in _seen_by(caller)):
        # That somebody else has it is nobody's business.
        raise invalid("reservation_over")
    with explained(hub):
        await hub.site.reservations.cancel(wanted)


async def _get_reservations(call: ServiceCall) -> ServiceResponse:
    hub = the_hub(call.hass)
    caller = await caller_of(call, hub)
    return {"reservations": [_told(hub, held) for held in _seen_by(caller)]}


def _seen_by(caller: Caller) -> list[Reservation]:
    """Return the reservations that somebody may know of: their own, or all."""
    held = caller.hub.site.reservations.all()
    own = None if caller.user is None else caller.user.id
    return [one for one in held if caller.privileged or one.user_id == own]


def _told(hub: Hub, held: Reservation) -> JsonObjectType:
    return {
        "id": held.id,
        "status": held.status.value,
        "station": hub.station_name(held.evse.station_id),
        "station_id": held.evse.station_id,
        "evse": held.evse.number,
        "user": hub.user_name(held.user_id),
        "user_id": held.user_id,
        "until": held.until.isoformat(),
    }


ACTIONS = (
    Action(
        name=SERVICE_RESERVE,
        handler=_reserve,
        schema=vol.Schema(
            vol.All(
                DEVICE_SCHEMA.extend(
                    {
                        vol.Optional(ATTR_USER): cv.string,
                        vol.Exclusive(ATTR_UNTIL, "end"): utc,
                        vol.Exclusive(ATTR_DURATION, "end"): vol.All(
                            cv.positive_time_period, vol.Range(max=LONGEST)
                        ),
                    }
                ),
                cv.has_at_least_one_key(ATTR_UNTIL, ATTR_DURATION),
            )
        ),
        supports_response=SupportsResponse.OPTIONAL,
    ),
    Action(
        name=SERVICE_CANCEL_RESERVATION,
        handler=_cancel_reservation,
        schema=vol.Schema({vol.Required(ATTR_RESERVATION_ID): cv.positive_int}),
    ),
    Action(
        name=SERVICE_GET_RESERVATIONS,
        handler=_get_reservations,
        schema=vol.Schema({}),
        supports_response=SupportsResponse.ONLY,
    ),
)
