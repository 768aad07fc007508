"""Says in words that Home Assistant can translate what did not work."""

from collections.abc import Iterator
from contextlib import contextmanager

from homeassistant.exceptions import HomeAssistantError, ServiceValidationError

from .const import DOMAIN
from .hub import Hub
from .ledger import LedgerError
from .site.desk import EnrolmentBusyError, EnrolmentTimeoutError
from .site.orders import AlreadyChargingError, NotChargingError
from .stations.base import Failure, StationError

_KEYS = {
    Failure.OFFLINE: "station_offline",
    Failure.TIMEOUT: "command_timeout",
    Failure.REFUSED: "command_refused",
    Failure.NOT_SUPPORTED: "not_supported",
}


@contextmanager
def explained(hub: Hub) -> Iterator[None]:
    """Turn the errors of the site into those of Home Assistant."""
    try:
        yield
    except StationError as error:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key=_KEYS[error.failure],
            translation_placeholders={
                "station": hub.station_name(error.station_id),
                "answer": error.detail or error.failure.value,
            },
        ) from error
    except NotChargingError as error:
        raise invalid("not_charging") from error
    except AlreadyChargingError as error:
        raise invalid("already_charging") from error
    except EnrolmentBusyError as error:
        raise invalid("enrolment_busy") from error
    except EnrolmentTimeoutError as error:
        raise HomeAssistantError(
            translation_domain=DOMAIN, translation_key="enrolment_timeout"
        ) from error
    except LedgerError as error:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="ledger_unavailable",
            translation_placeholders={"reason": str(error)},
        ) from error


def invalid(key: str, **placeholders: str) -> ServiceValidationError:
    """Return the error for something that was asked for and cannot be."""
    return ServiceValidationError(
        translation_domain=DOMAIN, translation_key=key, translation_placeholders=placeholders
    )
