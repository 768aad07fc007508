"""The fewest requests that read what a profile wants of a box.

Pure: what a box allows is an argument. Values that lie close together share a request; those of
other units, other tables, or marked `alone` never do.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter

from ..declarative.profile import ModbusTransport, ReadingSpec, Register, Space
from .registers import width

_MAX_BITS = 2000
"""What one request may ask of a table of bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One value of one outlet (0: of the station), where it lies."""

    spec: ReadingSpec
    outlet: int
    unit: int
    register: Register
    """At the outlet's own address."""

    @property
    def end(self) -> int:
        """Return the address behind it."""
        return self.register.address + width(self.register)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One request, and the values in its answer."""

    unit: int
    space: Space
    address: int
    count: int
    values: tuple[Wanted, ...]


def place(register: Register, outlet: int, transport: ModbusTransport) -> tuple[int, Register]:
    """Return the unit id and the register at which outlet `outlet` (from 1) has it."""
    step, units = max(0, outlet - 1), transport.connector_units
    unit = transport.unit if register.unit is None else register.unit
    if register.unit is None and 0 < outlet <= len(units):
        unit = units[outlet - 1]
    return unit, replace(register, address=register.address + step * register.connector_step)


def wanted(
    specs: Iterable[ReadingSpec], outlets: Sequence[int], transport: ModbusTransport
) -> list[Wanted]:
    """Return the values of these readings; those of the station once, the others per outlet."""
    return [
        Wanted(spec=spec, outlet=outlet, unit=unit, register=register)
        for spec in specs
        if isinstance(spec.source, Register)
        for outlet in ((0,) if spec.station else outlets)
        for unit, register in (place(spec.source, outlet, transport),)
    ]


def plan(values: Iterable[Wanted], transport: ModbusTransport) -> list[Block]:
    """Return the requests that read these values, in the order of units, tables and addresses."""
    ordered = sorted(values, key=_where)
    return [
        Block(
            unit=group[0].unit,
            space=group[0].register.space,
            address=group[0].register.address,
            count=max(value.end for value in group) - group[0].register.address,
            values=tuple(group),
        )
        for _, table in groupby(ordered, key=attrgetter("unit", "register.space"))
        for group in _groups(list(table), transport)
    ]


def _groups(table: list[Wanted], transport: ModbusTransport) -> Iterator[list[Wanted]]:
    bits = table[0].register.space in (Space.COIL, Space.DISCRETE)
    longest = _MAX_BITS if bits else transport.max_registers
    solitary = [value.register.address for value in table if value.register.alone]
    group: list[Wanted] = []
    end = 0
    for value in sorted(table, key=lambda each: (each.register.alone, each.register.address)):
        same = bool(group) and value.register.address == group[0].register.address
        together = bool(group) and not (value.register.alone or group[0].register.alone)
        near = (
            together
            and value.register.address - end <= transport.max_gap
            and max(end, value.end) - group[0].register.address <= longest
            and not any(end <= address < value.register.address for address in solitary)
        )
        # Two readings of one register (a number and a bit of it) need no second request.
        twin = same and value.end == end and value.register.alone == group[0].register.alone
        if group and not (near or twin):
            yield group
            group, end = [], 0
        group.append(value)
        end = max(end, value.end)
    if group:
        yield group


def _where(value: Wanted) -> tuple[int, str, int]:
    return value.unit, value.register.space, value.register.address
