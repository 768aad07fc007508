"""What a profile makes of a box, and where that is not what the box means."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import replace
import math
from typing import Any

from modbus_connection import IllegalDataAddressError, ModbusUnit

from custom_components.forecourt.stations.declarative.link import LinkError, Sample
from custom_components.forecourt.stations.declarative.profile import (
    Confidence,
    ModbusTransport,
    OrderSpec,
    Profile,
)
from custom_components.forecourt.stations.modbus.link import ModbusLink
from simulator.modbus import Table, Tables

from .box import Box, Meaning, Told

type Written = tuple[int, int, int, tuple[int, ...]]
"""Unit id, function, address and words of a write that arrived."""


def hurried(profile: Profile) -> Profile:
    """Return a profile that waits for nothing, which boxes of tests do not need."""
    assert isinstance(profile.transport, ModbusTransport)
    return replace(
        profile,
        transport=replace(profile.transport, spacing_s=0.0),
        orders={
            order: replace(spec, writes=tuple(replace(write, delay_s=0.0) for write in spec.writes))
            for order, spec in profile.orders.items()
        },
    )


def misread(profile: Profile, box: Box, sample: Sample) -> list[str]:
    """Return what the sample has that the box does not mean; nothing may be missing."""
    wrong: list[str] = [f"{role}: {fault}" for role, fault in sample.faults.items()]
    wrong += [f"{role}: {raw!r} is not mapped" for role, raw in sample.unknown.items()]
    for outlet in range(1, box.outlets + 1):
        got = {**sample.station, **sample.outlets[outlet]}
        expected = box.expected(outlet)
        for role, spec in profile.readings.items():
            if spec.confidence is Confidence.EXPERIMENTAL and role not in expected:
                continue
            if role in box.lacks or role in sample.faults or role in sample.unknown:
                continue
            if role not in got:
                wrong.append(f"{role} of outlet {outlet} is not read")
            elif role not in expected:
                wrong.append(f"{role} is {got[role]!r}, and nothing says what it should be")
            elif not any(_same(got[role], each) for each in expected[role]):
                wrong.append(f"{role} of {outlet} is {got[role]!r}, not {expected[role]!r}")
    return wrong


def _same(one: Meaning, other: Meaning) -> bool:
    if isinstance(one, str) or isinstance(other, str) or one is None or other is None:
        return one == other
    if isinstance(one, bool) is not isinstance(other, bool):
        return False
    return math.isclose(one, other, rel_tol=1e-6)


def amounts(box: Box, spec: OrderSpec) -> list[float]:
    """Return the values an order is tried with: from its least to its most."""
    name = spec.order.value
    if name in box.values:
        return list(box.values[name])
    if spec.minimum is None or spec.maximum is None:
        fixed = all(write.value is not None for write in spec.writes)
        return [0.0] if fixed else [10.0, 30.0]
    middle = spec.minimum + spec.step * round((spec.maximum - spec.minimum) / 2 / spec.step)
    zero = [0.0] if spec.zero_pauses else []
    return [*zero, spec.minimum, spec.minimum + spec.step, middle, spec.maximum]


def mistold(expected: Iterable[Told], written: Iterable[Written], unit: int) -> list[str]:
    """Return how the writes that arrived differ from those that had to."""
    left, right = list(expected), list(written)
    wrong = [f"{len(right)} writes instead of {len(left)}"] if len(left) != len(right) else []
    return wrong + [
        f"{got} instead of {want}"
        for want, got in zip(left, right, strict=False)
        if got[0] != (unit if want.unit is None else want.unit)
        or got[1] not in want.functions
        or got[2:] != (want.address, want.words)
    ]


class MemoryUnit:
    """A unit whose registers are at hand, and which remembers what was written."""

    connected = True

    def __init__(self, unit: int, tables: Tables | None, written: list[Written]) -> None:
        """A unit without tables does not exist."""
        self._unit = unit
        self._tables = tables or Tables()
        self._written = written

    def set_message_spacing(self, seconds: float) -> None:
        """Need no such thing."""

    def require_timeout(self, seconds: float | None) -> None:
        """Need no such thing."""

    def on_connection_lost(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Never lose anything."""
        return lambda: None

    async def disconnect(self) -> None:
        """Need no such thing."""

    async def read_holding_registers(self, address: int, count: int) -> list[int]:
        """Return the words."""
        return self._read(Table.HOLDING, address, count)

    async def read_input_registers(self, address: int, count: int) -> list[int]:
        """Return the words."""
        return self._read(Table.INPUT, address, count)

    async def read_coils(self, address: int, count: int) -> list[bool]:
        """Return the bits."""
        return [bool(word) for word in self._read(Table.COIL, address, count)]

    async def read_discrete_inputs(self, address: int, count: int) -> list[bool]:
        """Return the bits."""
        return [bool(word) for word in self._read(Table.DISCRETE, address, count)]

    async def write_register(self, address: int, value: int) -> None:
        """Remember it."""
        self._written.append((self._unit, 6, address, (value,)))

    async def write_registers(self, address: int, values: list[int]) -> None:
        """Remember it."""
        self._written.append((self._unit, 16, address, tuple(values)))

    async def write_coil(self, address: int, value: bool) -> None:
        """Remember it."""
        self._written.append((self._unit, 5, address, (int(value),)))

    async def write_coils(self, address: int, values: list[bool]) -> None:
        """Remember it."""
        self._written.append((self._unit, 15, address, tuple(int(value) for value in values)))

    def _read(self, table: Table, address: int, count: int) -> list[int]:
        words = self._tables.table(table)
        if any(each not in words for each in range(address, address + count)):
            raise IllegalDataAddressError(2)
        return [words[each] for each in range(address, address + count)]


def firmware_of(box: Box) -> str | None:
    """Return the firmware that a box tells."""
    told = box.expected(1).get("firmware")
    return None if told is None else str(told[0])


async def misread_in_memory(profile: Profile, box: Box, firmware: str | None) -> list[str]:
    """Return what a profile gets wrong of a box as it is."""
    tables = box.tables()

    @asynccontextmanager
    async def unit(unit_id: int) -> AsyncIterator[ModbusUnit]:
        made: Any = MemoryUnit(unit_id, tables.get(unit_id), [])
        yield made

    link = ModbusLink(profile, unit, outlets=box.outlets, firmware=firmware)
    try:
        await link.open()
        return misread(profile, box, await link.read(slow=True))
    except LinkError as err:
        return [str(err)]
    finally:
        await link.close()


async def mistold_in_memory(profile: Profile, box: Box, spec: OrderSpec) -> list[str]:
    """Return what a profile gets wrong of an order to a box."""
    written: list[Written] = []

    @asynccontextmanager
    async def unit(unit_id: int) -> AsyncIterator[ModbusUnit]:
        made: Any = MemoryUnit(unit_id, None, written)
        yield made

    wrong: list[str] = []
    lone = replace(profile, readings={}, fingerprint=None, orders={spec.order: spec})
    link = ModbusLink(lone, unit, outlets=box.outlets, firmware=firmware_of(box))
    await link.open()
    for outlet, orders in ((1, box.orders), (2, box.second))[: box.outlets]:
        for amount in amounts(box, spec) if spec.order.value in orders else ():
            written.clear()
            try:
                await link.tell(spec.order, amount, outlet=outlet)
            except (LinkError, ValueError) as err:
                wrong.append(str(err))
                continue
            expected = orders[spec.order.value](amount)
            wrong += mistold(expected, written, 1 if box.unit is None else box.unit)
    await link.close()
    return wrong
