"""Demand response: what the site may draw at most for a while, and the proof that it did."""

from datetime import timedelta

from homeassistant.core import ServiceCall, ServiceResponse, SupportsResponse
from homeassistant.helpers import config_validation as cv
from homeassistant.util import dt as dt_util
from homeassistant.util.json import JsonObjectType
import probatio as vol

from ..core.model.demand import SiteLimit
from ..errors import explained, invalid
from .asking import Action, caller_of, iso, the_hub, utc

SERVICE_SET_SITE_LIMIT = "set_site_limit"
SERVICE_CLEAR_SITE_LIMIT = "clear_site_limit"
SERVICE_GET_SITE_LIMITS = "get_site_limits"

ATTR_DURATION = "duration"
ATTR_END = "end"
ATTR_POWER = "power"
ATTR_SOURCE = "source"
ATTR_START = "start"

DEFAULT_SOURCE = "automation"
MAX_TOLD = 500
MAX_KW = 10_000


async def _set_site_limit(call: ServiceCall) -> None:
    hub = the_hub(call.hass)
    (await caller_of(call, hub)).must_be_privileged()
    now = dt_util.utcnow()
    start = call.data.get(ATTR_START, now)
    end = call.data.get(ATTR_END)
    duration: timedelta | None = call.data.get(ATTR_DURATION)
    if duration is not None:
        end = start + duration
    if end is not None and end <= max(start, now):
        raise invalid("site_limit_over")
    limit = SiteLimit(
        source=call.data[ATTR_SOURCE],
        limit_w=round(call.data[ATTR_POWER] * 1000),
        received_at=now,
        start=start,
        end=end,
    )
    with explained(hub):
        await hub.site.demand.ask(limit)


async def _clear_site_limit(call: ServiceCall) -> None:
    hub = the_hub(call.hass)
    (await caller_of(call, hub)).must_be_privileged()
    with explained(hub):
        known = await hub.site.demand.take_back(call.data[ATTR_SOURCE], dt_util.utcnow())
    if not known:
        raise invalid("no_site_limit", source=call.data[ATTR_SOURCE])


async def _get_site_limits(call: ServiceCall) -> ServiceResponse:
    hub = the_hub(call.hass)
    (await caller_of(call, hub)).must_be_privileged()
    start = call.data.get(ATTR_START, dt_util.utcnow() - timedelta(days=31))
    with explained(hub):
        limits = await hub.ledger.site_limits(start, MAX_TOLD)
    # What is measured is booked at the end; what holds is known here.
    live = {limit.id: limit for limit in hub.site.demand.limits}
    return {"limits": [_told(live.get(limit.id, limit)) for limit in limits]}


def _told(limit: SiteLimit) -> JsonObjectType:
    return {
        "source": limit.source,
        "power_kw": limit.limit_w / 1000,
        "received": iso(limit.received_at),
        "start": iso(limit.start),
        "end": iso(limit.end),
        "applied": iso(limit.applied_at),
        "released": iso(limit.released_at),
        "highest_measured_kw": None if limit.most_w is None else limit.most_w / 1000,
    }


_SOURCE = vol.All(cv.string, vol.Length(min=1, max=100))

ACTIONS = (
    Action(
        name=SERVICE_SET_SITE_LIMIT,
        handler=_set_site_limit,
        schema=vol.Schema(
            {
                vol.Required(ATTR_POWER): vol.All(vol.Coerce(float), vol.Range(min=0, max=MAX_KW)),
                vol.Optional(ATTR_START): utc,
                vol.Exclusive(ATTR_END, "until"): utc,
                vol.Exclusive(ATTR_DURATION, "until"): cv.positive_time_period,
                vol.Optional(ATTR_SOURCE, default=DEFAULT_SOURCE): _SOURCE,
            }
        ),
    ),
    Action(
        name=SERVICE_CLEAR_SITE_LIMIT,
        handler=_clear_site_limit,
        schema=vol.Schema({vol.Optional(ATTR_SOURCE, default=DEFAULT_SOURCE): _SOURCE}),
    ),
    Action(
        name=SERVICE_GET_SITE_LIMITS,
        handler=_get_site_limits,
        schema=vol.Schema({vol.Optional(ATTR_START): utc}),
        supports_response=SupportsResponse.ONLY,
    ),
)
