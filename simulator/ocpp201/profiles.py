"""Charging profiles: what the server and others allow, when. Pure; OCPP 2.0.1 block K.

A profile is installed on an EVSE, 0 being the whole station. At every moment the highest stack
level whose schedule is running leads within its purpose; a TxProfile overrules TxDefaultProfiles
while it runs. ChargingStationMaxProfile and ChargingStationExternalConstraints cap whatever comes
out. A schedule that is over, or not begun, leaves the next one in charge.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from ..clock import parse_time, wire_time
from ..frames import Payload
from ..ocpp16.profile import Charge as Run, Period, Profile
from ..ocpp16.profiles import Abilities, Limit

EXTERNAL = "ChargingStationExternalConstraints"
MAX = "ChargingStationMaxProfile"
DEFAULT = "TxDefaultProfile"
TX = "TxProfile"
PERSISTENT = frozenset({MAX, DEFAULT})

_RECURRENCE = {"Daily": timedelta(days=1), "Weekly": timedelta(days=7)}
_CAPS = (MAX, EXTERNAL)


class ProfileError(ValueError):
    """A profile that a station cannot install; the reason code and why."""

    def __init__(self, reason_code: str, why: str) -> None:
        """Make an error; the reason code is one of OCPP 2.0.1 part 2, appendix 5."""
        super().__init__(why)
        self.reason_code = reason_code


@dataclass(frozen=True, slots=True)
class Charge:
    """The running transaction, as far as profiles care."""

    started: datetime
    transaction_id: str


@dataclass(frozen=True, slots=True)
class Installed:
    """A charging profile of an EVSE (0: the station)."""

    evse: int
    payload: Payload
    """The ChargingProfileType as it came."""
    schedule: Profile
    """Its timing, which is the same in all versions of OCPP."""
    source: str = "CSO"
    """The chargingLimitSource."""

    @classmethod
    def parse(
        cls, evse: int, payload: Payload, received: datetime, source: str = "CSO"
    ) -> Installed:
        """Read a schema-valid ChargingProfileType; ProfileError if it makes no sense (K01)."""
        schedule = payload["chargingSchedule"][0]
        kind, purpose = payload["chargingProfileKind"], payload["chargingProfilePurpose"]
        periods = tuple(
            Period(item["startPeriod"], float(item["limit"]), item.get("numberPhases"))
            for item in schedule["chargingSchedulePeriod"]
            if "limit" in item
        )
        starts = [period.start_s for period in periods]
        if not periods or starts[0] != 0 or starts != sorted(set(starts)):
            raise ProfileError("InvalidSchedule", "periods must begin at 0 and ascend")
        if any(period.limit < 0 for period in periods):
            raise ProfileError("InvalidSchedule", "a limit is negative")
        if kind == "Dynamic":
            raise ProfileError("UnsupportedKind", "this station has no dynamic schedules")
        begins = "startSchedule" in schedule
        if kind == "Relative" and begins:
            raise ProfileError("InvalidSchedule", "a relative profile has no startSchedule")
        if kind != "Relative" and not begins:
            raise ProfileError("InvalidSchedule", f"{kind} needs startSchedule")
        if kind == "Relative" and purpose in _CAPS:
            raise ProfileError("InvalidProfile", f"{purpose} cannot be relative")
        if kind == "Recurring" and "recurrencyKind" not in payload:
            raise ProfileError("InvalidProfile", "a recurring profile needs recurrencyKind")
        try:
            valid_from, valid_to, start = (
                None if text is None else parse_time(text)
                for text in (
                    payload.get("validFrom"),
                    payload.get("validTo"),
                    schedule.get("startSchedule"),
                )
            )
        except ValueError as err:
            raise ProfileError("InvalidProfile", str(err)) from err
        profile = Profile(
            connector=evse,
            profile_id=payload["id"],
            stack_level=payload["stackLevel"],
            purpose=purpose,
            kind=kind,
            recurrence=_RECURRENCE[payload["recurrencyKind"]] if kind == "Recurring" else None,
            valid_from=valid_from,
            valid_to=valid_to,
            start=start,
            duration_s=schedule.get("duration"),
            unit=schedule["chargingRateUnit"],
            periods=periods,
            transaction_id=None,
            received=received,
            relative_from="transaction",
        )
        return cls(evse, payload, profile, source)

    @property
    def purpose(self) -> str:
        """The chargingProfilePurpose."""
        return self.schedule.purpose

    @property
    def transaction_id(self) -> str | None:
        """The transaction of a TxProfile."""
        found: str | None = self.payload.get("transactionId")
        return found

    def bound(self, transaction_id: str) -> Installed:
        """Return the same profile for the transaction that it came with the start of."""
        payload = {**self.payload, "transactionId": transaction_id}
        return Installed(self.evse, payload, self.schedule, self.source)

    def overlaps(self, other: Installed) -> bool:
        """Whether both are valid at the same time."""
        one, two = self.schedule, other.schedule
        return not (
            (one.valid_to is not None and two.valid_from and one.valid_to <= two.valid_from)
            or (two.valid_to is not None and one.valid_from and two.valid_to <= one.valid_from)
        )


class Profiles:
    """All profiles of one station."""

    def __init__(self, evses: int, abilities: Abilities) -> None:
        """Start with none."""
        self._evses = evses
        self.abilities = abilities
        self.installed: list[Installed] = []

    def check(self, new: Installed) -> None:
        """Check what needs no transaction; ProfileError says what is wrong."""
        able, schedule = self.abilities, new.schedule
        if not 0 <= new.evse <= self._evses:
            raise ProfileError("UnknownEvse", "no such EVSE")
        if schedule.unit not in able.units:
            units = " and ".join(able.units)
            raise ProfileError("UnsupportedRateUnit", f"limits in {units} only")
        if not 0 <= schedule.stack_level <= able.max_stack_level:
            raise ProfileError("InvalidStackLevel", "stackLevel above ProfileStackLevel")
        if len(schedule.periods) > able.max_periods:
            raise ProfileError("InvalidSchedule", "more periods than PeriodsPerSchedule")
        if new.purpose == MAX and new.evse != 0:
            raise ProfileError("InvalidProfile", f"{MAX} belongs to EVSE 0")
        if new.purpose not in (MAX, DEFAULT, TX, EXTERNAL):
            raise ProfileError("UnsupportedPurpose", f"no {new.purpose} here")

    def install(self, new: Installed, charge: Charge | None) -> None:
        """Install or replace; ProfileError says why not. `charge` is that of the EVSE."""
        self.check(new)
        if new.purpose == TX:
            if new.evse == 0 or new.transaction_id is None:
                raise ProfileError("InvalidProfile", "TxProfile without EVSE or transactionId")
            if charge is None or new.transaction_id != charge.transaction_id:
                raise ProfileError("TxNotFound", "TxProfile of another transaction")
        kept = [one for one in self.installed if one.schedule.profile_id != new.schedule.profile_id]
        if any(_collides(new, other) for other in kept):
            raise ProfileError("DuplicateProfile", "another profile has this purpose and level")
        if len(kept) >= self.abilities.max_installed:
            raise ProfileError("TooManyElements", "no room for another profile")
        self.installed = [*kept, new]

    def matching(self, criteria: Payload, evse: int | None = None) -> list[Installed]:
        """Return the profiles that fit a ChargingProfileCriterionType."""
        ids = criteria.get("chargingProfileId")
        return [
            one
            for one in self.installed
            if (ids is None or one.schedule.profile_id in ids)
            and evse in (None, one.evse)
            and criteria.get("chargingProfilePurpose") in (None, one.purpose)
            and criteria.get("stackLevel") in (None, one.schedule.stack_level)
            and (
                criteria.get("chargingLimitSource") is None
                or one.source in criteria["chargingLimitSource"]
            )
        ]

    def remove(self, gone: Iterable[Installed]) -> None:
        """Forget profiles."""
        left = list(gone)
        self.installed = [one for one in self.installed if one not in left]

    def end_charge(self, transaction_id: str) -> None:
        """Forget the TxProfiles of a transaction, which live as long as it (K01.FR.08)."""
        self.remove([one for one in self.installed if one.transaction_id == transaction_id])

    def limit(self, evse: int, now: datetime, charge: Charge | None) -> Limit | None:
        """Return what the profiles allow an EVSE now; None if they say nothing.

        Without a transaction: what they would allow one that began now.
        """
        run = Run(now if charge is None else charge.started, None)
        here = [one for one in self.installed if one.evse in (0, evse)]
        own = [one for one in here if one.evse == evse]
        found = None
        if evse != 0:
            found = self._leader(TX, own, now, run) or self._leader(DEFAULT, here, now, run)
        for purpose in _CAPS:
            cap = self._leader(purpose, here, now, run)
            if cap is not None:
                amps = cap.amps if found is None else min(found.amps, cap.amps)
                found = Limit(amps, cap.phases if found is None else found.phases)
        return found

    def cap(self, now: datetime) -> float | None:
        """Return the station's own limit, amperes per phase over all EVSEs."""
        limit = self.limit(0, now, None)
        return None if limit is None else limit.amps

    def composite(
        self, evse: int, now: datetime, duration_s: int, unit: str, charge: Charge | None
    ) -> dict[str, Any]:
        """Return the CompositeScheduleType of a GetCompositeSchedule (K08)."""
        until = now + timedelta(seconds=duration_s)
        most = self.abilities.max_current_a
        if evse == 0:  # what all EVSEs together may draw
            most *= self._evses
            most = min(most, self.abilities.feed_current_a or most)
        run = Run(now if charge is None else charge.started, None)
        moments = {now}
        for one in self.installed:
            edges = one.schedule.edges(now, until, run)
            moments.update(moment for moment in edges if now < moment < until)
        periods: list[dict[str, Any]] = []
        for moment in sorted(moments):
            limit = self.limit(evse, moment, charge) or Limit(most)
            phases = min(limit.phases or self.abilities.phases, self.abilities.phases)
            amps = min(limit.amps, most)
            value = round(amps if unit == "A" else amps * phases * self.abilities.voltage_v, 1)
            step = {"limit": value, "numberPhases": phases}
            if not periods or {**periods[-1], "startPeriod": None} != {**step, "startPeriod": None}:
                periods.append({"startPeriod": int((moment - now).total_seconds()), **step})
        return {
            "evseId": evse,
            "duration": duration_s,
            "scheduleStart": wire_time(now),
            "chargingRateUnit": unit,
            "chargingSchedulePeriod": periods,
        }

    def _leader(
        self, purpose: str, among: Sequence[Installed], now: datetime, run: Run
    ) -> Limit | None:
        candidates = (one.schedule for one in among if one.purpose == purpose)
        for schedule in sorted(candidates, key=lambda one: one.stack_level, reverse=True):
            period = schedule.period(now, run)
            if period is not None:
                return self._in_amps(period, schedule.unit)
        return None

    def _in_amps(self, period: Period, unit: str) -> Limit:
        if unit == "A":
            return Limit(period.limit, period.phases)
        # Power is over all phases; without numberPhases the standard assumes three.
        phases = min(period.phases or 3, self.abilities.phases)
        return Limit(period.limit / (phases * self.abilities.voltage_v), period.phases)


def external_profile(evse: int, current_a: float, now: datetime) -> Payload:
    """Return the ChargingProfileType of a limit that comes from outside and lasts."""
    return {
        "id": 1_000_000 + evse,
        "stackLevel": 0,
        "chargingProfilePurpose": EXTERNAL,
        "chargingProfileKind": "Absolute",
        "chargingSchedule": [
            {
                "id": 1_000_000 + evse,
                "startSchedule": wire_time(now),
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": current_a}],
            }
        ],
    }


def _collides(new: Installed, old: Installed) -> bool:
    """Whether there must not be both (K01.FR.06, FR.39, FR.52, FR.53)."""
    if (new.purpose, new.schedule.stack_level) != (old.purpose, old.schedule.stack_level):
        return False
    if not new.overlaps(old):
        return False
    if new.purpose == DEFAULT:
        return new.evse == old.evse or 0 in (new.evse, old.evse)
    return new.evse == old.evse
