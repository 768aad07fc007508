"""What a station taught us about itself: kept over restarts, forgotten with its firmware.

A station is asked and tried once. What it refused is not tried again, and what lives in
its flash memory is not written again, however often this program starts.
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from .. import base

FALLBACK_WRITES_PER_DAY = 2


class RateUnit(StrEnum):
    """The unit of a charging profile."""

    AMPERE = "A"
    WATT = "W"


@dataclass(slots=True, kw_only=True)
class Learned:
    """The memory of one station.

    `firmware` is what all but the fallback was learned with. `unit` and `relative` say how
    it takes limits, `composite` whether it tells the limit that is in force, `lacks`
    holds the capabilities that it turned out not to have, `tries` how often it was told
    a setting, `settled_measurands` what it takes of the wanted ones.
    `evses` is how many outlets it says it has, of whatever firmware.
    `fallback_written` is the current it falls back to by itself, `fallback_writes` when
    that was written lately, `restarted` whether the station restarted since. `list_version`
    and `list_digest` say which list of tokens it was given, as a version and a keyed hash.
    `on_change` is told the whole as plain data.
    """

    firmware: str | None = None
    evses: int | None = None
    unit: RateUnit | None = None
    relative: bool = False
    composite: bool | None = None
    lacks: set[type] = field(default_factory=set)
    tries: Counter[tuple[str, str]] = field(default_factory=Counter)
    settled_measurands: str | None = None
    fallback_written: int | None = None
    fallback_writes: deque[datetime] = field(
        default_factory=lambda: deque(maxlen=FALLBACK_WRITES_PER_DAY)
    )
    restarted: bool = False
    list_version: int | None = None
    list_digest: str | None = None
    on_change: Callable[[dict[str, Any]], None] | None = None
    _kept: dict[str, Any] | None = None

    def meet(self, firmware: str | None) -> bool:
        """Take note of the station's firmware; return whether all is to be learned anew."""
        if firmware is None or firmware == self.firmware:
            return False
        is_other = self.firmware is not None
        if is_other:
            self.unit = self.composite = self.settled_measurands = None
            self.relative = False
            self.lacks.clear()
            self.tries.clear()
            # Another firmware may come with an empty memory.
            self.fallback_written = None
            self.restarted = False
            self.list_version = self.list_digest = None
        self.firmware = firmware
        self.keep()
        return is_other

    def may_write_fallback(self, now: datetime) -> bool:
        """Whether the fallback may be written once more today."""
        writes = self.fallback_writes
        return len(writes) < FALLBACK_WRITES_PER_DAY or now - writes[0] >= timedelta(days=1)

    def doubt_fallback(self, now: datetime) -> None:
        """Take a station that cannot say whether it has its fallback for one that lost it.

        OCPP 1.6 does not say that a TxDefaultProfile outlives a restart, and without it the
        station draws all it can when it is alone. So it is written again after a restart,
        but once a day: one that restarts all the time does not wear its memory out, and
        the day's other write is left for a fallback that changes.
        """
        lately = self.fallback_writes and now - self.fallback_writes[-1] < timedelta(days=1)
        if self.restarted and not lately:
            self.fallback_written = None

    def keep(self) -> None:
        """Tell `on_change` if anything changed since."""
        data = self.as_dict()
        if data != self._kept:
            self._kept = data
            if self.on_change is not None:
                self.on_change(data)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain data, for a store and for diagnostics; holds no secret."""
        return {
            "firmware": self.firmware,
            "evses": self.evses,
            "unit": None if self.unit is None else self.unit.value,
            "relative": self.relative,
            "composite": self.composite,
            "lacks": sorted(capability.__name__ for capability in self.lacks),
            "tries": [[key, value, count] for (key, value), count in sorted(self.tries.items())],
            "settled_measurands": self.settled_measurands,
            "fallback_written": self.fallback_written,
            "fallback_writes": [at.isoformat() for at in self.fallback_writes],
            "restarted": self.restarted,
            "list_version": self.list_version,
            "list_digest": self.list_digest,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Learned:
        """Restore what `as_dict` returned; what is missing is not known."""
        learned = cls(
            firmware=data.get("firmware"),
            evses=data.get("evses"),
            unit=RateUnit(unit) if (unit := data.get("unit")) else None,
            relative=data.get("relative", False),
            composite=data.get("composite"),
            lacks={getattr(base, name) for name in data.get("lacks", ()) if hasattr(base, name)},
            tries=Counter({(key, value): count for key, value, count in data.get("tries", ())}),
            settled_measurands=data.get("settled_measurands"),
            fallback_written=data.get("fallback_written"),
            restarted=data.get("restarted", False),
            list_version=data.get("list_version"),
            list_digest=data.get("list_digest"),
        )
        learned.fallback_writes.extend(
            datetime.fromisoformat(at) for at in data.get("fallback_writes", ())
        )
        learned._kept = learned.as_dict()
        return learned
