"""What a declarative station remembers over a restart of this program.

It has the number of the card that was shown last, so whoever saves it keeps it private.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from ...core.model.token import Token
from .profile import Order
from .registers import Register

SAVE_EVERY = timedelta(minutes=1)
"""How often the mere counting of energy is saved."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutletMemory:
    """One outlet: where its register stood, and the charge that runs.

    `reference` names the running charge, which began at `started_at` with `start_wh` for
    `token`. `booked_wh` is up to where the register is in the books. `shown` is the token that
    the box told last. `ended`: a charge of the car that is plugged in was ended.
    """

    register: Register = field(default_factory=Register)
    booked_wh: int | None = None
    plugged_at: datetime | None = None
    reference: str | None = None
    token: Token | None = None
    started_at: datetime | None = None
    start_wh: int = 0
    shown: Token | None = None
    ended: bool = False

    def moved(self, other: OutletMemory) -> bool:
        """Whether more differs than where the register stands."""
        return replace(self, register=other.register, booked_wh=other.booked_wh) != other


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """A station: its outlets (from 1), when which orders wore its memory, and whether it obeyed.

    `proven`: the control test showed that it does what it is told; `obeyed` are the orders that
    were tried then.
    """

    outlets: Mapping[int, OutletMemory] = field(default_factory=dict)
    flash_writes: Mapping[Order, tuple[datetime, ...]] = field(default_factory=dict)
    proven: bool = False
    obeyed: frozenset[Order] = frozenset()

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "outlets": {str(n): _outlet_to_json(one) for n, one in self.outlets.items()},
            "flash_writes": {
                order.value: [at.isoformat() for at in times]
                for order, times in self.flash_writes.items()
            },
            "proven": self.proven,
            "obeyed": sorted(self.obeyed),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any] | None) -> Memory:
        """Return what `to_json` made; empty where there is nothing."""
        if not stored:
            return cls()
        worn = stored["flash_writes"]
        return cls(
            outlets={int(n): _outlet_from_json(one) for n, one in stored["outlets"].items()},
            # A list is from before each order had its own.
            flash_writes={
                Order(order): tuple(datetime.fromisoformat(at) for at in times)
                for order, times in (worn.items() if isinstance(worn, Mapping) else ())
            },
            proven=stored["proven"],
            obeyed=frozenset(Order(order) for order in stored.get("obeyed", ())),
        )


class Saving:
    """Says when a memory is worth saving."""

    def __init__(self, saved: Memory) -> None:
        """Begin with what was saved last."""
        self._saved = saved
        self._at: datetime | None = None

    def due(self, memory: Memory, now: datetime) -> bool:
        """Return whether to save it now: when something happened, or was counted for a while."""
        saved = self._saved
        if memory == saved:
            return False
        happened = replace(memory, outlets={}) != replace(saved, outlets={}) or any(
            one.moved(saved.outlets.get(number, OutletMemory()))
            for number, one in memory.outlets.items()
        )
        if not happened and self._at is not None and now - self._at < SAVE_EVERY:
            return False
        self._saved, self._at = memory, now
        return True


def _outlet_to_json(outlet: OutletMemory) -> dict[str, Any]:
    register = outlet.register
    return {
        "total_wh": register.total_wh,
        "raw_wh": register.raw_wh,
        "at": _text(register.at),
        "moved_at": _text(register.moved_at),
        "booked_wh": outlet.booked_wh,
        "plugged_at": _text(outlet.plugged_at),
        "reference": outlet.reference,
        "token": outlet.token.uid if outlet.token else None,
        "started_at": _text(outlet.started_at),
        "start_wh": outlet.start_wh,
        "shown": outlet.shown.uid if outlet.shown else None,
        "ended": outlet.ended,
    }


def _outlet_from_json(stored: Mapping[str, Any]) -> OutletMemory:
    return OutletMemory(
        register=Register(
            total_wh=stored["total_wh"],
            raw_wh=stored["raw_wh"],
            at=_time(stored["at"]),
            moved_at=_time(stored["moved_at"]),
        ),
        booked_wh=stored["booked_wh"],
        plugged_at=_time(stored["plugged_at"]),
        reference=stored["reference"],
        token=Token(stored["token"]) if stored["token"] else None,
        started_at=_time(stored["started_at"]),
        start_wh=stored["start_wh"],
        shown=Token(stored["shown"]) if stored["shown"] else None,
        ended=stored["ended"],
    )


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
