"""Security: to bring a station to a higher profile, and the certificate of our authority."""

from collections.abc import Mapping

from homeassistant.core import ServiceCall, ServiceResponse, SupportsResponse
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import issue_registry as ir
import probatio as vol

from ..const import DOMAIN
from ..errors import invalid
from ..hub import Hub
from ..security import ISSUE_NOT_BACK
from ..stations.ocpp import SecurityProfile
from ..stations.ocpp.certificates import facts_of
from ..stations.ocpp.upgrade import Step, Trouble, UpgradeError, Way
from .asking import DEVICE_SCHEMA, Action, caller_of, station_meant, the_hub

SERVICE_GET_CA_CERTIFICATE = "get_ca_certificate"
SERVICE_UPGRADE_SECURITY = "upgrade_security"

ATTR_PROFILE = "profile"

_REFUSED: Mapping[Step, str] = {
    Step.PASSWORD: "upgrade_refused_password",
    Step.ROOT: "upgrade_refused_root",
    Step.CERTIFICATE: "upgrade_refused_certificate",
    Step.PROFILE: "upgrade_refused_profile",
}
_INVALID: Mapping[Trouble, str] = {
    Trouble.BUSY: "upgrade_busy",
    Trouble.CHARGING: "upgrade_while_charging",
    Trouble.NO_TLS: "upgrade_without_tls",
    Trouble.NOT_HIGHER: "upgrade_not_higher",
    Trouble.STOPPED: "upgrade_stopped",
}


async def _upgrade_security(call: ServiceCall) -> ServiceResponse:
    hub, station_id = station_meant(call)
    (await caller_of(call, hub)).must_be_privileged()
    if (station := hub.central.stations.get(station_id)) is None:
        raise invalid("not_supported", station=hub.station_name(station_id))
    profile = SecurityProfile(call.data[ATTR_PROFILE])
    security = hub.security
    way = await security.way()
    issue_id = f"{ISSUE_NOT_BACK}_{station_id}"
    try:
        done = await security.upgrades.run(station, profile, way)
    except UpgradeError as error:
        if error.trouble is Trouble.NOT_BACK:
            ir.async_create_issue(
                call.hass,
                DOMAIN,
                issue_id,
                is_fixable=False,
                severity=ir.IssueSeverity.WARNING,
                translation_key=ISSUE_NOT_BACK,
                translation_placeholders=_placeholders(hub, station_id, error, way),
            )
        raise _explained(hub, station_id, error, way) from error
    ir.async_delete_issue(call.hass, DOMAIN, issue_id)
    return {
        "station": hub.station_name(station_id),
        "security_profile": int(profile),
        "done": [step.value for step in done],
    }


async def _get_ca_certificate(call: ServiceCall) -> ServiceResponse:
    """Return what stations have to trust; no secret, but whom to trust is for those in charge."""
    hub = the_hub(call.hass)
    (await caller_of(call, hub)).must_be_privileged()
    authority = await hub.security.authority()
    facts = facts_of(authority.chain_pem)
    return {
        "certificate": authority.chain_pem,
        "fingerprint_sha256": facts.fingerprint,
        "valid_until": facts.not_after.isoformat(),
    }


def _explained(
    hub: Hub, station_id: str, error: UpgradeError, way: Way | None
) -> HomeAssistantError:
    """Return the error that says what a station did not do, and what to do about it."""
    placeholders = _placeholders(hub, station_id, error, way)
    if (key := _INVALID.get(error.trouble)) is not None:
        return invalid(key, station=placeholders["station"])
    match error.trouble:
        case Trouble.OFFLINE:
            key = "station_offline"
        case Trouble.NOT_BACK:
            key = "upgrade_not_back"
        case Trouble.OTHER_PORT:
            key = "upgrade_other_port"
        case Trouble.UNFIT_REQUEST:
            key = "upgrade_unfit_request"
        case _:
            key = _REFUSED[error.step or Step.PROFILE]
    return HomeAssistantError(
        translation_domain=DOMAIN, translation_key=key, translation_placeholders=placeholders
    )


def _placeholders(
    hub: Hub, station_id: str, error: UpgradeError, way: Way | None
) -> dict[str, str]:
    return {
        "station": hub.station_name(station_id),
        "answer": error.detail or error.trouble.value,
        "url": "-" if way is None else f"{way.url}/",
    }


ACTIONS = (
    Action(
        name=SERVICE_GET_CA_CERTIFICATE,
        handler=_get_ca_certificate,
        schema=vol.Schema({}),
        supports_response=SupportsResponse.ONLY,
    ),
    Action(
        name=SERVICE_UPGRADE_SECURITY,
        handler=_upgrade_security,
        schema=DEVICE_SCHEMA.extend(
            {
                vol.Required(ATTR_PROFILE): vol.All(
                    vol.Coerce(int),
                    vol.Range(min=SecurityProfile.PASSWORD, max=SecurityProfile.CERTIFICATE),
                )
            }
        ),
        supports_response=SupportsResponse.OPTIONAL,
    ),
)
