"""What somebody wants from a charge."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import UTC, datetime, time, timedelta, tzinfo
from decimal import Decimal
from enum import StrEnum
from typing import Any


class ChargeMode(StrEnum):
    """Whether a charge uses energy."""

    OFF = "off"
    FAST = "fast"
    """All that it may, as far as the rest of its goal lets it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a charge is for.

    `energy_wh` is what shall flow in the session, counted at the station's meter; `None` for as
    much as the car takes. `target_soc_percent` counts where the car's state of charge is known.
    Nothing flows while energy costs more than `price_cap` per kWh, except for what comes first
    (`minimum_wh`) and for what must flow to be ready in time, nor after `budget` was spent.
    `ready_at` is when it shall be there; `ready_time` (of the site's clock) on `weekdays`
    (Monday is 0) is one that comes again.
    """

    mode: ChargeMode = ChargeMode.FAST
    energy_wh: int | None = None
    target_soc_percent: int | None = None
    ready_at: datetime | None = None
    ready_time: time | None = None
    weekdays: tuple[int, ...] = (0, 1, 2, 3, 4, 5, 6)
    minimum_wh: int = 0
    price_cap: Decimal | None = None
    budget: Decimal | None = None

    def deadline(self, now: datetime, zone: tzinfo) -> datetime | None:
        """Return when it shall be ready next, `None` where it does not matter or is over.

        A time that the clocks skip in spring counts as the hour after.
        """
        if self.ready_at is not None:
            return self.ready_at if self.ready_at > now else None
        if self.ready_time is None or not self.weekdays:
            return None
        local = now.astimezone(zone)
        for days in range(8):
            day = local.date() + timedelta(days=days)
            at = datetime.combine(day, self.ready_time, zone).astimezone(UTC)
            if day.weekday() in self.weekdays and at > now:
                return at
        return None

    def to_dict(self) -> dict[str, Any]:
        """Return what differs from a charge that nobody asked anything of, for JSON."""
        return {
            field.name: _plain(getattr(self, field.name))
            for field in fields(self)
            if getattr(self, field.name) != getattr(NO_GOAL, field.name)
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Goal:
        """Return what `to_dict` kept."""
        read = {name: _READ[name](value) for name, value in stored.items() if name in _READ}
        return cls(**(dict(stored) | read))


NO_GOAL = Goal()
"""What a charge is for that nobody asked anything of."""

_READ: Mapping[str, Any] = {
    "mode": ChargeMode,
    "ready_at": datetime.fromisoformat,
    "ready_time": time.fromisoformat,
    "weekdays": tuple,
    "price_cap": Decimal,
    "budget": Decimal,
}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    return list(value) if isinstance(value, tuple) else value
