"""Smart charging (OCPP 2.0.1 block K)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...frames import Payload
from ..profiles import EXTERNAL, PERSISTENT, Charge, Installed, ProfileError
from .base import ACCEPTED, Answer, Handlers, refused

if TYPE_CHECKING:
    from ..station import Ocpp201Station


class SmartCharging:
    """Takes charging profiles in and shows what they amount to."""

    def __init__(self, station: Ocpp201Station) -> None:
        """Serve this station."""
        self._station = station
        self._in = station.internals

    def handlers(self) -> Handlers:
        """Return who answers what."""
        if not self._in.config.smart_charging:
            return {}
        return {
            "ClearChargingProfile": self._clear,
            "GetChargingProfiles": self._get,
            "GetCompositeSchedule": self._composite,
            "SetChargingProfile": self._set,
        }

    def _charge(self, number: int) -> Charge | None:
        outlet = self._station.outlets.get(number)
        return None if outlet is None else outlet.charge

    def _set(self, payload: Payload) -> Answer:
        number = payload["evseId"]
        try:
            profile = Installed.parse(number, payload["chargingProfile"], self._in.time.now())
            if profile.purpose == EXTERNAL:
                return refused("InvalidProfile", why=f"{EXTERNAL} is not the server's to set")
            self._in.profiles.install(profile, self._charge(number))
        except ProfileError as err:
            self._in.books.note("profile_refused", why=str(err))
            return refused(err.reason_code, why=str(err))
        if profile.purpose in PERSISTENT:
            self._in.books.flash_write(profile.purpose, "set")
        self._in.changed()
        return ACCEPTED

    def _clear(self, payload: Payload) -> Answer:
        criteria = dict(payload.get("chargingProfileCriteria", {}))
        number = criteria.pop("evseId", None)
        if "chargingProfileId" in payload:
            criteria, number = {"chargingProfileId": [payload["chargingProfileId"]]}, None
        gone = [
            one for one in self._in.profiles.matching(criteria, number) if one.purpose != EXTERNAL
        ]
        self._in.profiles.remove(gone)
        for profile in gone:
            if profile.purpose in PERSISTENT:
                self._in.books.flash_write(profile.purpose, "clear")
        self._in.changed()
        return {"status": "Accepted" if gone else "Unknown"}, None

    def _get(self, payload: Payload) -> Answer:
        found = self._in.profiles.matching(payload["chargingProfile"], payload.get("evseId"))
        if not found:
            return {"status": "NoProfiles"}, None
        groups: dict[tuple[int, str], list[Installed]] = {}
        for one in found:
            groups.setdefault((one.evse, one.source), []).append(one)

        async def carry_out() -> None:
            for number, ((evse, source), profiles) in enumerate(groups.items(), 1):
                await self._station.connection.own_link().call(
                    "ReportChargingProfiles",
                    {
                        "requestId": payload["requestId"],
                        "chargingLimitSource": source,
                        "evseId": evse,
                        "tbc": number < len(groups),
                        "chargingProfile": [one.payload for one in profiles],
                    },
                )

        return {"status": "Accepted"}, carry_out

    def _composite(self, payload: Payload) -> Answer:
        number = payload["evseId"]
        units = self._in.config.rate_units
        unit = payload.get("chargingRateUnit", units[0])
        if number != 0 and number not in self._station.outlets:
            return refused("UnknownEvse")
        if unit not in units:
            return refused("UnsupportedRateUnit")
        schedule = self._in.profiles.composite(
            number, self._in.time.now(), payload["duration"], unit, self._charge(number)
        )
        return {"status": "Accepted", "schedule": schedule}, None
