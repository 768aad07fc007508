"""Says in words that Home Assistant can translate what did not work."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from homeassistant.exceptions import HomeAssistantError, ServiceValidationError

from .const import DOMAIN
from .hub import Hub
from .ledger import LedgerError
from .site.desk import EnrolmentBusyError, EnrolmentTimeoutError
from .site.identification import TokenRefusedError
from .site.orders import AlreadyChargingError, NotChargingError
from .site.reservations import (
    ReservationOverError,
    ReservationTimeError,
    ReservedError,
    UnknownHolderError,
)
from .stations.base import Failure, StationError

_KEYS = {
    Failure.OFFLINE: "station_offline",
    Failure.TIMEOUT: "command_timeout",
    Failure.REFUSED: "command_refused",
    Failure.NOT_SUPPORTED: "not_supported",
}


_INVALID: Mapping[type[Exception], str] = {
    AlreadyChargingError: "already_charging",
    EnrolmentBusyError: "enrolment_busy",
    NotChargingError: "not_charging",
    ReservationOverError: "reservation_over",
    ReservationTimeError: "reservation_in_past",
    ReservedError: "already_reserved",
    TokenRefusedError: "token_refused",
    UnknownHolderError: "reservation_holder_unknown",
}


@contextmanager
def explained(hub: Hub) -> Iterator[None]:
    """Turn the errors of the site into those of Home Assistant."""
    try:
        yield
    except StationError as error:
        raise failed(hub, error, _KEYS[error.failure]) from error
    except tuple(_INVALID) as error:
        raise invalid(_INVALID[type(error)]) from error
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


def failed(hub: Hub, error: StationError, key: str) -> HomeAssistantError:
    """Return the error for what a station did not do, with its own word for why."""
    return HomeAssistantError(
        translation_domain=DOMAIN,
        translation_key=key,
        translation_placeholders={
            "station": hub.station_name(error.station_id),
            "answer": error.detail or error.failure.value,
        },
    )


def invalid(key: str, **placeholders: str) -> ServiceValidationError:
    """Return the error for something that was asked for and cannot be."""
    return ServiceValidationError(
        translation_domain=DOMAIN, translation_key=key, translation_placeholders=placeholders
    )
