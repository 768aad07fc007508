"""Cards: taking one for a user at the reader."""

from homeassistant.core import ServiceCall, ServiceResponse, SupportsResponse
from homeassistant.helpers import config_validation as cv
from homeassistant.util import dt as dt_util
import probatio as vol

from ..errors import explained, invalid
from ..offers import Offer
from .asking import ATTR_USER, DEVICE_SCHEMA, Action, caller_of, evse_meant

SERVICE_ENROL_TOKEN = "enrol_token"  # noqa: S105 - the name of an action


async def _enrol_token(call: ServiceCall) -> ServiceResponse:
    hub, evse = evse_meant(call)
    caller = await caller_of(call, hub)
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


ACTIONS = (
    Action(
        name=SERVICE_ENROL_TOKEN,
        handler=_enrol_token,
        schema=DEVICE_SCHEMA.extend({vol.Required(ATTR_USER): cv.string}),
        supports_response=SupportsResponse.OPTIONAL,
    ),
)
