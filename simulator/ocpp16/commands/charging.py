"""Smart charging: profiles that the server sets, clears, and asks about (OCPP 1.6 §3.13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...frames import Payload, RpcError
from ..profile import PERSISTENT, ProfileError
from .base import ACCEPTED, REJECTED, Answer, Handlers

if TYPE_CHECKING:
    from ..station import Ocpp16Station


class Charging:
    """Takes charging profiles in, and says what they come to."""

    def __init__(self, station: Ocpp16Station) -> None:
        """Serve this station."""
        self._station = station
        self._in = station.internals

    def handlers(self) -> Handlers:
        """Return who answers what."""
        return {
            "ClearChargingProfile": self._clear_charging_profile,
            "GetCompositeSchedule": self._get_composite_schedule,
            "SetChargingProfile": self._set_charging_profile,
        }

    def _set_charging_profile(self, payload: Payload) -> Answer:
        number = payload["connectorId"]
        connector = self._station.connectors.get(number)
        try:
            profile = self._in.profile(number, payload["csChargingProfiles"])
            self._in.profiles.install(profile, None if connector is None else connector.charge)
        except ProfileError as err:
            self._in.books.note("profile_refused", why=str(err))
            return REJECTED, None
        if profile.purpose in PERSISTENT:
            self._in.books.flash_write(profile.purpose, "set")
        self._in.changed()
        return ACCEPTED, None

    def _clear_charging_profile(self, payload: Payload) -> Answer:
        gone = self._in.profiles.clear(
            payload.get("id"),
            payload.get("connectorId"),
            payload.get("chargingProfilePurpose"),
            payload.get("stackLevel"),
        )
        for profile in gone:
            if profile.purpose in PERSISTENT:
                self._in.books.flash_write(profile.purpose, "clear")
        self._in.changed()
        return {"status": "Accepted" if gone else "Unknown"}, None

    def _get_composite_schedule(self, payload: Payload) -> Answer:
        config = self._in.config
        if config.composite == "none":
            raise RpcError("NotImplemented", "GetCompositeSchedule is not for this station")
        number = payload["connectorId"]
        connector = self._station.connectors.get(number)
        if number != 0 and connector is None:
            return REJECTED, None
        now = self._in.time.now()
        unit = payload.get("chargingRateUnit", config.rate_units[0])
        charge = None if connector is None else connector.charge
        schedule = self._in.profiles.composite(
            number, now, payload["duration"], unit, charge, manner=config.composite
        )
        return {
            "status": "Accepted",
            "connectorId": number,
            "scheduleStart": schedule["startSchedule"],
            "chargingSchedule": schedule,
        }, None
