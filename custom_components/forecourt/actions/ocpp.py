"""What is asked of a station itself: any call of OCPP, and a test of what it can do."""

from homeassistant.core import ServiceCall, ServiceResponse, SupportsResponse
from homeassistant.helpers import config_validation as cv
import probatio as vol

from ..errors import explained, failed, invalid
from ..stations.base import CanTest, Failure, StationError, supports
from ..stations.ocpp.reports import call_with_reports
from ..stations.ocpp.station import OcppStation
from .asking import DEVICE_SCHEMA, Action, caller_of, station_meant

SERVICE_OCPP_CALL = "ocpp_call"
SERVICE_TEST_STATION = "test_station"

ATTR_ACTION = "action"
ATTR_PAYLOAD = "payload"


async def _ocpp_call(call: ServiceCall) -> ServiceResponse:
    """Make the call as it is, and wait for what the station reports because of it.

    That may hold secrets, so nobody else gets to see it.
    """
    hub, station_id = station_meant(call)
    (await caller_of(call, hub)).must_be_privileged()
    station = hub.central.stations.get(station_id)
    if station is None:
        raise invalid("not_supported", station=hub.station_name(station_id))
    with explained(hub):
        try:
            told = await call_with_reports(station, call.data[ATTR_ACTION], call.data[ATTR_PAYLOAD])
        except StationError as error:
            if error.failure is not Failure.NOT_SUPPORTED:
                raise
            raise failed(hub, error, "call_not_supported") from error
    if told.reports is None:
        return {"answer": told.answer}
    return {"answer": told.answer, "reports": [*told.reports]}


async def _test_station(call: ServiceCall) -> ServiceResponse:
    hub, station_id = station_meant(call)
    (await caller_of(call, hub)).must_be_privileged()
    station = hub.site.stations.get(station_id)
    if station is None or not supports(station, CanTest):
        raise invalid("not_supported", station=hub.station_name(station_id))
    with explained(hub):
        findings = await station.test()
    return {
        "station": hub.station_name(station_id),
        "protocol": station.info.protocol,
        "findings": [
            {"probe": found.probe, "outcome": found.outcome.value, "detail": found.detail}
            for found in findings
        ],
        "quirks": [quirk.name for quirk in station.quirks]
        if isinstance(station, OcppStation)
        else [],
    }


ACTIONS = (
    Action(
        name=SERVICE_OCPP_CALL,
        handler=_ocpp_call,
        schema=DEVICE_SCHEMA.extend(
            {
                vol.Required(ATTR_ACTION): cv.string,
                vol.Optional(ATTR_PAYLOAD, default=dict): dict,
            }
        ),
        supports_response=SupportsResponse.OPTIONAL,
    ),
    Action(
        name=SERVICE_TEST_STATION,
        handler=_test_station,
        schema=DEVICE_SCHEMA,
        supports_response=SupportsResponse.ONLY,
    ),
)
