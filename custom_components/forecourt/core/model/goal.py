"""What somebody wants from a charge."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class ChargeMode(StrEnum):
    """How a charge uses energy."""

    OFF = "off"
    SOLAR = "solar"
    """Only what would be fed in."""
    SOLAR_MINIMUM = "solar_minimum"
    """At least the minimum current, more with the sun."""
    CHEAPEST = "cheapest"
    """As the plan says: ready in time at the lowest cost, the sun valued at the feed-in price."""
    FAST = "fast"


class BatteryOrder(StrEnum):
    """Who gets the sun first, the car or the battery of the house."""

    CAR_FIRST = "car_first"
    BATTERY_FIRST = "battery_first"
    BESIDE = "beside"


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a charge is for.

    `energy_wh` is what shall be in the battery of the car beyond what was there at plug-in,
    counted at the meter; `None` where only the car knows when it is full. `target_soc_percent`
    is used where the state of charge is known. `ready_at` is when it shall be there, `None` for
    whenever it is cheap or sunny. `minimum_wh` comes first, at full power. `price_cap` and
    `co2_cap_g` (per kWh) let nothing flow above; `budget` bounds what the charge may cost.
    `drain_battery` lets the battery of the house feed the car. `priority`: higher is served first.
    """

    mode: ChargeMode = ChargeMode.FAST
    energy_wh: int | None = None
    target_soc_percent: int | None = None
    ready_at: datetime | None = None
    minimum_wh: int = 0
    price_cap: Decimal | None = None
    co2_cap_g: float | None = None
    budget: Decimal | None = None
    battery: BatteryOrder = BatteryOrder.CAR_FIRST
    drain_battery: bool = False
    priority: int = 0
