"""A wallbox as its maker (or whoever listened to it) describes its registers.

Boxes are written from such descriptions, never from a profile: what both say alike is proven.
Roles and their units are those of `profile.py`; the raw values are chosen so that whoever looks
at a wrong place, or the wrong way, sees something else.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
import struct

from simulator.modbus import Table, Tables

type Meaning = bool | int | float | str | None
type Meant = Meaning | tuple[Meaning, ...]
type Means = Mapping[str, Meant]
"""Roles and their values; a tuple holds all that a description leaves open."""


class Kind(StrEnum):
    """How registers hold a value; `L`: the low word comes first."""

    U16 = "u16"
    I16 = "i16"
    N16 = "n16"
    """16 bits, and nobody says whether they have a sign."""
    U32 = "u32"
    I32 = "i32"
    N32 = "n32"
    U32L = "u32l"
    I32L = "i32l"
    U64 = "u64"
    I64 = "i64"
    U64L = "u64l"
    F32 = "f32"
    F32L = "f32l"
    F64 = "f64"
    TEXT = "text"
    SWAPPED = "swapped"
    """A text with the second character of a register first."""
    UTF16 = "utf16"
    HEX = "hex"
    BIT = "bit"

    @property
    def bits(self) -> int:
        """Return how many bits a number of this kind has; 0 for what is none."""
        return int(self.value[1:3]) if self.value[1:3].isdecimal() else 0

    @property
    def extreme(self) -> int | None:
        """Return a raw number whose first bit is set; None where that tells nothing."""
        if self.value[0] not in "ui" or not self.bits:
            return None
        raw = 0x89ABCDEF01234567 >> (64 - self.bits)
        return raw - (1 << self.bits) if self.value[0] == "i" else raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A value in a table; `count` are the registers of a text, `outlet` 0 is the station."""

    table: Table
    address: int
    kind: Kind
    raw: int | float | str
    means: Means = field(default_factory=dict)
    count: int = 0
    unit: int | None = None
    outlet: int = 1

    def words(self) -> list[int]:
        """Return what the registers hold."""
        raw, kind = self.raw, self.kind
        if isinstance(raw, str):
            if kind is Kind.HEX:
                data = bytes.fromhex(raw)
            else:
                data = raw.encode("utf-16-be" if kind is Kind.UTF16 else "latin-1")
            assert len(data) <= 2 * self.count, (raw, self.count)
            data = data.ljust(2 * self.count, b"\0")
            end = "<" if kind is Kind.SWAPPED else ">"
            return list(struct.unpack(f"{end}{self.count}H", data))
        if kind is Kind.BIT:
            return [int(raw)]
        if kind.value.startswith("f"):
            data = struct.pack(">f" if kind.bits == 32 else ">d", raw)
        else:
            data = (int(raw) % (1 << kind.bits)).to_bytes(kind.bits // 8)
        words = list(struct.unpack(f">{len(data) // 2}H", data))
        return words[::-1] if kind.value.endswith("l") else words


type Case = tuple[Held, ...]
"""What differs from a box as it usually is."""


@dataclass(frozen=True, slots=True)
class Told:
    """A write that must arrive; `functions` are those that the box takes."""

    functions: tuple[int, ...]
    address: int
    words: tuple[int, ...]
    unit: int | None = None


type Orders = Mapping[str, Callable[[float], Sequence[Told]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """One box; `profile` is the id of the profile that has to get along with it.

    `amps` and `watts` bound what it may be told (0 aside), `values` list what the order takes
    otherwise. `most` registers may be read at once, `spacing_s` has to pass between requests,
    `serial` is the line (baud rate, parity, stop bits). `both_tables`: holding and input
    registers are the same. `never_read` are addresses that a request must not touch, `flash`
    those that wear. `second` are the orders of the second outlet, `lacks` what its
    firmware is too old for.
    """

    profile: str
    holds: tuple[Held, ...]
    cases: tuple[Case, ...] = ()
    orders: Orders = field(default_factory=dict)
    second: Orders = field(default_factory=dict)
    unit: int | None = None
    units: tuple[int, ...] = ()
    port: int | None = None
    serial: tuple[int, str, int] | None = None
    spacing_s: float = 0
    most: int = 125
    outlets: int = 1
    amps: tuple[float, float] = (6, 32)
    watts: tuple[float, float] = (1380, 22080)
    values: Mapping[str, Sequence[float]] = field(default_factory=dict)
    both_tables: bool = False
    never_read: frozenset[int] = frozenset()
    flash: frozenset[int] = frozenset()
    lacks: frozenset[str] = frozenset()
    name: str = ""

    @property
    def id(self) -> str:
        """Return what tests call it."""
        return f"{self.profile}-{self.name}" if self.name else self.profile

    def with_case(self, case: Case) -> Box:
        """Return the box as it is in this case."""
        places = {_place(held) for held in case}
        kept = tuple(held for held in self.holds if _place(held) not in places)
        return replace(self, holds=(*kept, *case))

    def extremes(self) -> list[Case]:
        """Return cases that show whether numbers have a sign, and how many bits they take."""
        return [
            tuple(map(_extreme, self._twins(held)))
            for held in self.holds
            if isinstance(held.raw, int)
            and held.raw
            and held.kind.extreme is not None
            and any(_counts(value) and role != "phases" for role, value in held.means.items())
        ]

    def _twins(self, held: Held) -> list[Held]:
        """Return this value in all tables that have it."""
        return [
            each
            for each in self.holds
            if (each.address, each.unit, each.means) == (held.address, held.unit, held.means)
        ]

    def expected(self, outlet: int) -> dict[str, tuple[Meaning, ...]]:
        """Return what each role may be at an outlet."""
        found: dict[str, tuple[Meaning, ...]] = {}
        for held in self.holds:
            if held.outlet in (0, outlet):
                for role, value in held.means.items():
                    found[role] = found.get(role, ()) + (
                        value if isinstance(value, tuple) else (value,)
                    )
        return found

    def tables(self) -> dict[int, Tables]:
        """Return the registers of all units, those that are only written included as 0."""
        default = 1 if self.unit is None else self.unit
        tables = {unit: Tables() for unit in (self.units or (default,))}
        for held in self.holds:
            unit = tables.setdefault(default if held.unit is None else held.unit, Tables())
            alike: tuple[Table, ...] = (held.table,)
            if self.both_tables and held.table in (Table.HOLDING, Table.INPUT):
                alike = (Table.HOLDING, Table.INPUT)
            for table in alike:
                words = dict(enumerate(held.words(), held.address))
                twice = words.keys() & unit.table(table).keys()
                assert not twice, f"{self.id} holds {sorted(twice)} twice"
                unit.table(table).update(words)
        return tables


def _place(held: Held) -> tuple[Table, int, int | None]:
    return held.table, held.address, held.unit


def _counts(value: Meant) -> bool:
    if isinstance(value, tuple):
        return any(map(_counts, value))
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _extreme(held: Held) -> Held:
    raw = held.kind.extreme
    assert raw is not None
    assert isinstance(held.raw, int)
    means: dict[str, Meant] = {}
    for role, value in held.means.items():
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            means[role] = value / held.raw * raw
        elif isinstance(value, tuple) and held.raw in value:  # a number that names something
            means[role] = (raw, str(raw), f"{raw:0{held.kind.bits // 4}x}")
    return replace(held, raw=raw, means=means)


def h(address: int, kind: Kind, raw: float | str, **means: Meant) -> Held:
    """Return a holding register (function 3)."""
    return Held(table=Table.HOLDING, address=address, kind=kind, raw=raw, means=means)


def i(address: int, kind: Kind, raw: float | str, **means: Meant) -> Held:
    """Return an input register (function 4)."""
    return Held(table=Table.INPUT, address=address, kind=kind, raw=raw, means=means)


def coil(address: int, raw: int, **means: Meant) -> Held:
    """Return a coil (function 1)."""
    return Held(table=Table.COIL, address=address, kind=Kind.BIT, raw=raw, means=means)


def text(
    held: Callable[..., Held],
    address: int,
    count: int,
    raw: str,
    *roles: str,
    kind: Kind = Kind.TEXT,
) -> Held:
    """Return a text of `count` registers that means `raw`."""
    return replace(held(address, kind, raw, **dict.fromkeys(roles, raw)), count=count)


def full(start: str, count: int) -> str:
    """Return a text that takes as many registers (of two characters)."""
    pattern = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ" * 8
    return (start + pattern)[: 2 * count]


def at(outlet: int, *helds: Held) -> tuple[Held, ...]:
    """Return these values as those of an outlet (0: of the station)."""
    return tuple(replace(held, outlet=outlet) for held in helds)


def of_unit(unit: int, *helds: Held) -> tuple[Held, ...]:
    """Return these values as those of another unit id."""
    return tuple(replace(held, unit=unit) for held in helds)


def three(  # noqa: PLR0917 - as in a table
    held: Callable[..., Held],
    addresses: Sequence[int],
    kind: Kind,
    role: str,
    raws: Sequence[float],
    scale: float,
) -> tuple[Held, ...]:
    """Return a value of the three phases; its meaning is raw times scale."""
    return tuple(
        held(address, kind, raw, **{f"{role}_{number}": raw * scale})
        for number, (address, raw) in enumerate(zip(addresses, raws, strict=True), 1)
    )


def states(
    held: Callable[..., Held],
    address: int,
    kind: Kind,
    words: Mapping[int, Meant],
    role: str = "status",
) -> tuple[Case, ...]:
    """Return one case per value of a state."""
    return tuple((held(address, kind, raw, **{role: word}),) for raw, word in words.items())


def texts(
    held: Callable[..., Held], address: int, count: int, words: Mapping[str, Meant]
) -> tuple[Case, ...]:
    """Return one case per text of a state."""
    return tuple(
        (replace(text(held, address, count, raw), means={"status": word}),)
        for raw, word in words.items()
    )


def w6(address: int, word: float) -> Told:
    """Return a write by function 6 and no other."""
    return Told((6,), address, (round(word),))


def w16(address: int, *words: float) -> Told:
    """Return a write by function 16 and no other."""
    return Told((16,), address, tuple(round(word) for word in words))


def w(address: int, *words: float) -> Told:
    """Return a write by any function that there is, since none is named."""
    told = tuple(round(word) for word in words)
    return Told((6, 16) if len(told) == 1 else (16,), address, told)


def w5(address: int, bit: int) -> Told:
    """Return a write of a coil."""
    return Told((5,), address, (bit,))


def words32(value: float) -> tuple[int, int]:
    """Return the words of a whole number of 32 bits, the high one first."""
    return divmod(round(value), 1 << 16)


def wordsf(value: float) -> tuple[int, ...]:
    """Return the words of a float of 32 bits, the high one first."""
    return struct.unpack(">2H", struct.pack(">f", value))


def picked(words: Mapping[int, int], value: float) -> int:
    """Return the word that stands for a value."""
    return words[round(value)]


type Words = tuple[str, ...]

CONNECTED: Words = ("preparing", "suspended_ev", "suspended_evse")
"""A car is there and does not charge, and the description does not say why."""
WAITING: Words = ("suspended_ev", "suspended_evse")
PAUSED: Words = ("preparing", "suspended_evse")
"""Something on the side of the box keeps the car from charging."""
READY: Words = ("preparing", "suspended_ev")
"""The box would let the car charge."""
BROKEN: Words = ("faulted",)
OUT: Words = ("faulted", "unavailable")
"""The box cannot charge, and the description does not say whether that is a fault."""
DONE: Words = ("finishing", "suspended_ev", "suspended_evse")

LETTERS: Mapping[str, Meant] = {
    "A": "available",
    "B": CONNECTED,
    "C": "charging",
    "D": "charging",
    "E": OUT,
    "F": OUT,
}
"""The states of IEC 61851."""
CODES: Mapping[int, Meant] = {ord(letter): word for letter, word in LETTERS.items()}
"""The same, where a register holds the letter."""
