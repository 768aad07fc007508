"""What the site's meters tell, and what energy will cost."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Measured:
    """A value with the time at which it was measured."""

    value: float
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteMeter:
    """The newest values of the site's own meters; `None` where there is none or it is stale.

    Signs: `grid_power_w` and `grid_current_a` are positive for import, `battery_power_w` is
    positive for discharge, `pv_power_w` for production. `house_power_w` is what the building
    takes without the stations.
    """

    grid_power_w: Measured | None = None
    grid_current_a: tuple[Measured | None, Measured | None, Measured | None] | None = None
    pv_power_w: Measured | None = None
    battery_power_w: Measured | None = None
    battery_soc_percent: Measured | None = None


@dataclass(frozen=True, slots=True)
class Span:
    """A value that holds from `start` until `end`."""

    start: datetime
    end: datetime
    value: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """Values ahead, in order of time, without overlap; there may be gaps."""

    spans: tuple[Span, ...] = ()

    @classmethod
    def of(cls, spans: Iterable[Span]) -> Forecast:
        """Make one of spans in any order; where they overlap, the later start holds."""
        ordered = sorted(spans, key=lambda span: span.start)
        kept: list[Span] = []
        for span in ordered:
            if span.end <= span.start:
                continue
            if kept and kept[-1].start == span.start:
                kept.pop()
            if kept and kept[-1].end > span.start:
                kept[-1] = Span(kept[-1].start, span.start, kept[-1].value)
            kept.append(span)
        return cls(tuple(kept))

    def at(self, time: datetime) -> float | None:
        """Return the value at a time, `None` where there is none."""
        for span in self.spans:
            if span.start <= time < span.end:
                return span.value
        return None

    def mean(self, start: datetime, end: datetime) -> float | None:
        """Return the mean from `start` until `end` over what is known, `None` where nothing is."""
        total = seconds = 0.0
        for span in self.spans:
            overlap = (min(span.end, end) - max(span.start, start)).total_seconds()
            if overlap > 0:
                total += span.value * overlap
                seconds += overlap
        return total / seconds if seconds else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """What energy costs and when the sun shines.

    Prices are per kWh in the site's currency, floats as they only steer: money is reckoned
    elsewhere. `solar_w` is the forecast production, `house_w` the expected load of the building
    without the stations, `co2_g` grams per kWh.
    """

    import_price: Forecast = Forecast()
    feed_in_price: Forecast = Forecast()
    co2_g: Forecast = Forecast()
    solar_w: Forecast = Forecast()
    house_w: Forecast = Forecast()
