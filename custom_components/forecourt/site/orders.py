"""What people and automations ask of the site."""

from collections.abc import Callable

from ..core.model.ids import EvseId
from ..core.model.token import Token
from ..stations.base import (
    CanReset,
    CanStart,
    CanStop,
    CanUnlock,
    Failure,
    Station,
    StationError,
    supports,
)
from .board import Board
from .once import Once
from .reservations import Reservations


class NotChargingError(Exception):
    """There is no charge to stop."""


class AlreadyChargingError(Exception):
    """The EVSE is charging already."""


class Orders:
    """Commands to stations; equal ones that come close together are sent once."""

    def __init__(
        self,
        board: Board,
        reservations: Reservations,
        stations: dict[str, Station],
        wake: Callable[[], None],
    ) -> None:
        """Command the given stations; `wake` lets the control loop look at once."""
        self._board = board
        self._reservations = reservations
        self._stations = stations
        self.wake = wake
        self._once = Once()

    async def close(self) -> None:
        """Cancel what is under way."""
        await self._once.close()

    async def start(self, evse: EvseId, user_id: str | None, token: Token | None = None) -> None:
        """Start a charge for a user, or for nobody in particular; with their token, if they did.

        Raises `AlreadyChargingError` and `StationError`.
        """
        session = self._board[evse].session
        if session is not None and session.charging:
            raise AlreadyChargingError
        station = self._station(evse.station_id)
        if not supports(station, CanStart):
            raise StationError(evse.station_id, Failure.NOT_SUPPORTED)
        shown = token or self._reservations.start_tag(evse, user_id)
        await self._once.run(
            ("charge", evse), ("start", user_id), lambda: station.start(evse, shown)
        )

    async def stop(self, evse: EvseId) -> None:
        """End the charge of an EVSE. Raises `NotChargingError` and `StationError`."""
        session = self._board[evse].session
        if session is None or session.transaction_id is None:
            raise NotChargingError
        transaction_id = session.transaction_id
        station = self._station(evse.station_id)
        if not supports(station, CanStop):
            raise StationError(evse.station_id, Failure.NOT_SUPPORTED)
        await self._once.run(
            ("charge", evse), ("stop", transaction_id), lambda: station.stop(transaction_id)
        )

    async def unlock(self, evse: EvseId) -> None:
        """Release the cable. Raises `StationError`."""
        station = self._station(evse.station_id)
        if not supports(station, CanUnlock):
            raise StationError(evse.station_id, Failure.NOT_SUPPORTED)
        await self._once.run(evse, "unlock", lambda: station.unlock(evse))

    async def reset(self, station_id: str) -> None:
        """Restart a station. Raises `StationError`."""
        station = self._station(station_id)
        if not supports(station, CanReset):
            raise StationError(station_id, Failure.NOT_SUPPORTED)
        await self._once.run(station_id, "reset", station.reset)

    def limit(self, evse: EvseId, current_a: int | None) -> None:
        """Set the current that a user wants at most, `None` for what the station can give."""
        self._board.update(evse, requested_current_a=current_a)
        self.wake()

    def allow(self, evse: EvseId, *, allowed: bool) -> None:
        """Allow charging at an EVSE, or pause it until it is allowed again."""
        self._board.update(evse, allowed=allowed)
        self.wake()

    def _station(self, station_id: str) -> Station:
        station = self._stations[station_id]
        if not station.online:
            raise StationError(station_id, Failure.OFFLINE)
        return station
