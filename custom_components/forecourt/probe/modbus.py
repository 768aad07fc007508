"""Reads a box by Modbus: each register once, by functions 1 to 4, and nothing else."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from typing import Self

from ..stations.declarative.link import LinkError, LinkFault
from ..stations.declarative.profile import ModbusTransport, Profile, Register, Role, Scalar, Space
from ..stations.declarative.transform import UnmappedError, decode
from ..stations.modbus import registers
from ..stations.modbus.address import ModbusAddress, own_line
from ..stations.modbus.asking import Asker
from ..stations.modbus.link import Units, mismatch
from ..stations.modbus.planning import Wanted, wanted
from ..stations.modbus.scan import Found, scan
from .report import FAULTS, Row

_LEAST_SPACING_S = 0.05
_MANY_WORDS = 4
_CONNECTS_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Registers to show as they are."""

    space: Space
    address: int
    count: int


async def identify(host: str, profiles: Iterable[Profile], port: int | None) -> Found | None:
    """Return what the box is. Reads only what tells models apart."""
    (step,) = [step async for step in scan([host], profiles, port=port)]
    return step.found


async def is_listening(host: str, ports: Iterable[int]) -> bool:
    """Return whether anybody takes a connection."""
    for port in ports:
        with suppress(OSError):
            async with asyncio.timeout(_CONNECTS_S):
                _, writer = await asyncio.open_connection(host, port)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
            return True
    return False


def ports_of(profiles: Iterable[Profile]) -> list[int]:
    """Return where the boxes of these profiles listen."""
    return sorted({_transport(profile).port for profile in profiles})


async def read_all(profile: Profile, address: ModbusAddress, outlets: int) -> list[Row]:
    """Return every reading of a profile. Raises `LinkError` if nothing at all is answered."""
    transport = _transport(profile)
    values = wanted(profile.readings.values(), range(1, outlets + 1), transport)
    async with own_line(address) as units, _Reader(units, transport) as reader:
        return [await reader.row(value) for value in values]


async def read_raw(
    profile: Profile, address: ModbusAddress, spans: Sequence[Span]
) -> list[tuple[int, int | str]]:
    """Return registers as they are: address and word, or why there is none."""
    transport = _transport(profile)
    told: list[tuple[int, int | str]] = []
    async with own_line(address) as units, _Reader(units, transport) as reader:
        for span in spans:
            at = Wanted(
                spec=next(iter(profile.readings.values())),
                outlet=0,
                unit=transport.unit,
                register=Register(space=span.space, address=span.address),
            )
            try:
                words = await reader.words(at, span.count)
            except LinkError as err:
                told.append((span.address, FAULTS[err.fault]))
            else:
                told += enumerate(words, span.address)
    return told


def mistaken(profile: Profile, rows: Sequence[Row]) -> str | None:
    """Return what shows that a box is of another model."""
    told: dict[Role, Scalar] = {
        row.role: row.value for row in reversed(rows) if row.value is not None
    }
    return mismatch(profile.fingerprint, told) if profile.fingerprint is not None else None


def with_unit(profile: Profile, unit: int | None) -> Profile:
    """Return the profile of a box that was given another unit id."""
    if unit is None:
        return profile
    return replace(profile, transport=replace(_transport(profile), unit=unit))


def _transport(profile: Profile) -> ModbusTransport:
    if not isinstance(profile.transport, ModbusTransport):
        raise TypeError(f"the profile {profile.id} is not for Modbus")
    return profile.transport


class _Reader:
    """One connection; what was read once is not asked for again."""

    def __init__(self, units: Units, transport: ModbusTransport) -> None:
        self._units = units
        self._transport = transport
        self._stack = AsyncExitStack()
        self._askers: dict[int, Asker] = {}
        self._answers: dict[tuple[int, Space, int, int], list[int] | LinkError] = {}
        self._silent: dict[int, LinkError] = {}
        self._heard = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def row(self, value: Wanted) -> Row:
        """Return what a reading is, or why it is not. Raises `LinkError` where nobody is."""
        register = value.register
        row = Row(
            role=value.spec.role,
            outlet=value.outlet,
            where=f"{register.space} {register.address}, {register.type}, unit {value.unit}",
            optional=value.spec.optional,
        )
        try:
            words = await self.words(value, registers.width(register))
        except LinkError as err:
            if not self._heard:
                raise
            return replace(row, problem=FAULTS.get(err.fault, err.detail))
        told = registers.decode(register, words)
        raw = _hex(words) if len(words) > _MANY_WORDS else " ".join(f"{word:04x}" for word in words)
        try:
            meaning = None if told is None else decode(value.spec.transform, told)
        except UnmappedError as err:
            return replace(
                row, raw=raw, problem=f"the profile has no meaning for {err.raw!r}", optional=False
            )
        return replace(row, value=meaning, raw=raw)

    async def words(self, value: Wanted, count: int) -> list[int]:
        """Return the words at an address. Raises `LinkError`."""
        key = (value.unit, value.register.space, value.register.address, count)
        if key not in self._answers:
            self._answers[key] = await self._ask(value, count)
        answer = self._answers[key]
        if isinstance(answer, LinkError):
            raise LinkError(answer.fault, answer.detail)
        return answer

    async def _ask(self, value: Wanted, count: int) -> list[int] | LinkError:
        if value.unit in self._silent:
            return self._silent[value.unit]
        try:
            asker = await self._asker(value.unit)
            words = await asker.read(value.register.space, value.register.address, count)
        except LinkError as err:
            if err.fault in (LinkFault.TIMEOUT, LinkFault.REFUSED, LinkFault.WRONG_UNIT):
                # The rest of this unit would be waited for in vain.
                self._silent[value.unit] = err
            else:
                self._heard = True
            return err
        self._heard = True
        return words

    async def _asker(self, unit: int) -> Asker:
        if unit not in self._askers:
            given = await self._stack.enter_async_context(self._units(unit))
            asker = Asker(
                given,
                unit,
                spacing_s=max(self._transport.spacing_s, _LEAST_SPACING_S),
                timeout_s=self._transport.timeout_s,
            )
            self._stack.callback(asker.release)
            self._askers[unit] = asker
        return self._askers[unit]


def _hex(words: Sequence[int]) -> str:
    """Return words without the zeros that fill up a long text."""
    used = len(words)
    while used > 1 and words[used - 1] == 0:
        used -= 1
    return "".join(f"{word:04x}" for word in words[:used])
