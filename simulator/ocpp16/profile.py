"""One charging profile: when its schedule runs and what it then allows (OCPP 1.6 §7.8 to 7.14)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from ..clock import parse_time

MAX_PURPOSE = "ChargePointMaxProfile"
DEFAULT_PURPOSE = "TxDefaultProfile"
TX_PURPOSE = "TxProfile"
PERSISTENT = frozenset({MAX_PURPOSE, DEFAULT_PURPOSE})

_RECURRENCE = {"Daily": timedelta(days=1), "Weekly": timedelta(days=7)}


class ProfileError(ValueError):
    """A profile that a station cannot install; the text says why."""


@dataclass(frozen=True, slots=True)
class Period:
    """One step of a schedule: from `start_s` on, `limit` in the schedule's unit."""

    start_s: int
    limit: float
    phases: int | None


@dataclass(frozen=True, slots=True)
class Charge:
    """The running transaction, as far as profiles care."""

    started: datetime
    transaction_id: int | None


@dataclass(frozen=True, slots=True)
class Profile:
    """An installed charging profile."""

    connector: int
    profile_id: int
    stack_level: int
    purpose: str
    kind: str
    recurrence: timedelta | None
    valid_from: datetime | None
    valid_to: datetime | None
    start: datetime | None
    duration_s: int | None
    unit: str
    periods: tuple[Period, ...]
    transaction_id: int | None
    received: datetime
    relative_from: Literal["transaction", "receipt"]

    @classmethod
    def parse(
        cls,
        connector: int,
        payload: dict[str, Any],
        received: datetime,
        relative_from: Literal["transaction", "receipt"] = "transaction",
    ) -> Profile:
        """Read a schema-valid csChargingProfiles; ProfileError if it makes no sense."""
        schedule = payload["chargingSchedule"]
        periods = tuple(
            Period(item["startPeriod"], float(item["limit"]), item.get("numberPhases"))
            for item in schedule["chargingSchedulePeriod"]
        )
        starts = [period.start_s for period in periods]
        if not periods or starts[0] != 0 or starts != sorted(set(starts)):
            raise ProfileError("periods must begin at 0 and ascend")
        if any(period.limit < 0 for period in periods):
            raise ProfileError("a limit is negative")
        kind = payload["chargingProfileKind"]
        recurrency = payload.get("recurrencyKind")
        if kind == "Recurring" and (recurrency is None or "startSchedule" not in schedule):
            raise ProfileError("a recurring profile needs recurrencyKind and startSchedule")
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
            raise ProfileError(str(err)) from err
        return cls(
            connector=connector,
            profile_id=payload["chargingProfileId"],
            stack_level=payload["stackLevel"],
            purpose=payload["chargingProfilePurpose"],
            kind=kind,
            recurrence=_RECURRENCE[recurrency] if kind == "Recurring" and recurrency else None,
            valid_from=valid_from,
            valid_to=valid_to,
            start=start,
            duration_s=schedule.get("duration"),
            unit=schedule["chargingRateUnit"],
            periods=periods,
            transaction_id=payload.get("transactionId"),
            received=received,
            relative_from=relative_from,
        )

    def begin(self, now: datetime, charge: Charge) -> datetime | None:
        """Return when the schedule that is running at `now` began; None if none is."""
        if (self.valid_from is not None and now < self.valid_from) or (
            self.valid_to is not None and now >= self.valid_to
        ):
            return None
        begin = self._origin(charge)
        if now < begin:
            return None
        if self.recurrence is not None:
            begin += (now - begin) // self.recurrence * self.recurrence
        if self.duration_s is not None and now >= begin + timedelta(seconds=self.duration_s):
            return None
        return begin

    def period(self, now: datetime, charge: Charge) -> Period | None:
        """Return the step that is in force at `now`; None if the schedule is not running."""
        begin = self.begin(now, charge)
        if begin is None:
            return None
        elapsed = (now - begin).total_seconds()
        return next(period for period in reversed(self.periods) if period.start_s <= elapsed)

    def edges(self, since: datetime, until: datetime, charge: Charge) -> Iterator[datetime]:
        """Yield every moment in the window at which this profile may change its mind."""
        yield from (moment for moment in (self.valid_from, self.valid_to) if moment is not None)
        begin = self._origin(charge)
        if self.recurrence is not None and begin < since:
            begin += (since - begin) // self.recurrence * self.recurrence
        while begin < until:
            yield from (begin + timedelta(seconds=period.start_s) for period in self.periods)
            if self.duration_s is not None:
                yield begin + timedelta(seconds=self.duration_s)
            if self.recurrence is None:
                return
            begin += self.recurrence

    def _origin(self, charge: Charge) -> datetime:
        """Return the moment from which the schedule counts."""
        if self.kind != "Relative" and self.start is not None:
            return self.start
        # "relative to start of charging" (§7.13). The whole station does not charge, so what holds
        # for it counts from when it was told.
        if self.purpose == MAX_PURPOSE:
            return self.received
        from_receipt = self.relative_from == "receipt"
        return max(charge.started, self.received) if from_receipt else charge.started
