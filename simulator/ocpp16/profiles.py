"""Charging profiles: what the server allows, when. Pure; OCPP 1.6 §3.13, §5.7, §5.16.

A profile is installed on a connector, 0 being the whole station. At every moment the highest stack
level whose schedule is running leads within its purpose; a TxProfile overrules TxDefaultProfiles
while it runs, a TxDefaultProfile of the connector those of connector 0; the ChargePointMaxProfile
caps whatever comes out. A schedule that is over, or not begun, leaves the next one in charge.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from ..clock import wire_time
from .profile import DEFAULT_PURPOSE, MAX_PURPOSE, TX_PURPOSE, Charge, Period, Profile, ProfileError


@dataclass(frozen=True, slots=True)
class Limit:
    """What a connector may draw, amperes per phase, on how many phases (None: as wired)."""

    amps: float
    phases: int | None = None


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a station can do with profiles."""

    units: tuple[str, ...] = ("A", "W")
    max_stack_level: int = 8
    max_periods: int = 24
    max_installed: int = 16
    phases: int = 3
    voltage_v: float = 230.0
    max_current_a: float = 16.0
    feed_current_a: float | None = None


class Profiles:
    """All profiles of one station."""

    def __init__(self, connectors: int, abilities: Abilities) -> None:
        """Start with none."""
        self._connectors = connectors
        self.abilities = abilities
        self.installed: list[Profile] = []

    def install(self, profile: Profile, charge: Charge | None) -> None:
        """Install or replace; ProfileError says why not. `charge` is that of the connector."""
        able = self.abilities
        if not 0 <= profile.connector <= self._connectors:
            raise ProfileError("no such connector")
        if profile.unit not in able.units:
            raise ProfileError(f"this station takes limits in {' and '.join(able.units)} only")
        if not 0 <= profile.stack_level <= able.max_stack_level:
            raise ProfileError("stack level above ChargeProfileMaxStackLevel")
        if len(profile.periods) > able.max_periods:
            raise ProfileError("more periods than ChargingScheduleMaxPeriods")
        if profile.purpose == MAX_PURPOSE and profile.connector != 0:
            raise ProfileError("ChargePointMaxProfile belongs to connector 0")
        if profile.purpose == TX_PURPOSE:
            if profile.connector == 0 or charge is None:
                raise ProfileError("TxProfile without a transaction")
            if profile.transaction_id not in (None, charge.transaction_id):
                raise ProfileError("TxProfile of another transaction")
        kept = [other for other in self.installed if not _replaces(profile, other)]
        if len(kept) >= able.max_installed:
            raise ProfileError("MaxChargingProfilesInstalled reached")
        self.installed = [*kept, profile]

    def clear(
        self,
        profile_id: int | None = None,
        connector: int | None = None,
        purpose: str | None = None,
        stack_level: int | None = None,
    ) -> list[Profile]:
        """Remove what matches and return it. An id alone decides; else all criteria must fit."""

        def matches(profile: Profile) -> bool:
            if profile_id is not None:
                return profile.profile_id == profile_id
            return (
                connector in (None, profile.connector)
                and purpose in (None, profile.purpose)
                and stack_level in (None, profile.stack_level)
            )

        gone = [profile for profile in self.installed if matches(profile)]
        self.installed = [profile for profile in self.installed if profile not in gone]
        return gone

    def end_charge(self, connector: int) -> None:
        """Forget the TxProfiles of a connector, which live as long as its transaction (§3.13.1)."""
        self.clear(connector=connector, purpose=TX_PURPOSE)

    def limit(self, connector: int, now: datetime, charge: Charge | None) -> Limit | None:
        """Return what the profiles allow a connector now; None if they say nothing.

        Without a transaction: what they would allow one that began now.
        """
        own = [profile for profile in self.installed if profile.connector == connector]
        shared = [profile for profile in self.installed if profile.connector == 0]
        charge = charge or Charge(now, None)
        leader = None
        if connector != 0:
            leader = (
                self._leader(TX_PURPOSE, own, now, charge)
                or self._leader(DEFAULT_PURPOSE, own, now, charge)
                or self._leader(DEFAULT_PURPOSE, shared, now, charge)
            )
        cap = self._leader(MAX_PURPOSE, shared, now, charge)
        if leader is None or cap is None:
            return leader or cap
        return Limit(min(leader.amps, cap.amps), leader.phases)

    def cap(self, now: datetime) -> float | None:
        """Return the station's own limit, amperes per phase over all connectors."""
        limit = self.limit(0, now, None)
        return None if limit is None else limit.amps

    def composite(
        self,
        connector: int,
        now: datetime,
        duration_s: int,
        unit: str,
        charge: Charge | None,
        *,
        manner: Literal["ok", "minus_one", "wrong"] = "ok",
    ) -> dict[str, Any]:
        """Return the chargingSchedule of a GetCompositeSchedule.conf (§5.7).

        `minus_one`: a limit of -1 where no profile speaks; `wrong`: blind to profiles.
        """
        until = now + timedelta(seconds=duration_s)
        most = self.abilities.max_current_a
        if connector == 0:  # what all connectors together may draw
            most *= self._connectors
            most = min(most, self.abilities.feed_current_a or most)
        charge = charge or Charge(now, None)
        moments = {now}
        for profile in self.installed:
            edges = profile.edges(now, until, charge)
            moments.update(moment for moment in edges if now < moment < until)
        periods: list[dict[str, Any]] = []
        for moment in sorted(moments):
            said = None if manner == "wrong" else self.limit(connector, moment, charge)
            limit = said or Limit(most)
            phases = min(limit.phases or self.abilities.phases, self.abilities.phases)
            amps = min(limit.amps, most)
            value = round(amps if unit == "A" else amps * phases * self.abilities.voltage_v, 1)
            if said is None and manner == "minus_one":
                value = -1.0
            if not periods or (periods[-1]["limit"], periods[-1]["numberPhases"]) != (
                value,
                phases,
            ):
                start = int((moment - now).total_seconds())
                periods.append({"startPeriod": start, "limit": value, "numberPhases": phases})
        return {
            "duration": duration_s,
            "startSchedule": wire_time(now),
            "chargingRateUnit": unit,
            "chargingSchedulePeriod": periods,
        }

    def _leader(
        self, purpose: str, among: Sequence[Profile], now: datetime, charge: Charge
    ) -> Limit | None:
        candidates = (profile for profile in among if profile.purpose == purpose)
        for profile in sorted(candidates, key=lambda profile: profile.stack_level, reverse=True):
            period = profile.period(now, charge)
            if period is not None:
                return self._in_amps(period, profile.unit)
        return None

    def _in_amps(self, period: Period, unit: str) -> Limit:
        if unit == "A":
            return Limit(period.limit, period.phases)
        # Power is over all phases; without numberPhases the standard assumes three (§7.14).
        phases = min(period.phases or 3, self.abilities.phases)
        return Limit(period.limit / (phases * self.abilities.voltage_v), period.phases)


def _replaces(new: Profile, old: Profile) -> bool:
    """Whether a new profile takes the place of an old one (§3.13.2, §5.16)."""
    return new.profile_id == old.profile_id or (
        (new.connector, new.purpose, new.stack_level)
        == (old.connector, old.purpose, old.stack_level)
    )
