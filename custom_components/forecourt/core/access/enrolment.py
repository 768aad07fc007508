"""The short time in which a tap teaches the site a new card instead of starting a charge."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from ..model.ids import EvseId

WINDOW = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Enrolment:
    """A window at one EVSE that ends with the first tap or at `until`."""

    evse: EvseId
    until: datetime

    def covers(self, station_id: str, at: datetime) -> bool:
        """Return whether a tap at this station falls into the window.

        The reader belongs to the station: OCPP 1.6 does not say at which
        outlet a card was shown.
        """
        return station_id == self.evse.station_id and at <= self.until


def open_window(evse: EvseId, now: datetime) -> Enrolment:
    """Open the window at one EVSE."""
    return Enrolment(evse, now + WINDOW)
