"""Looks for boxes at some addresses: only when somebody asks for it, and only by reading.

Many boxes talk to one client only, and reading renews the watchdog of some, so a host is asked
by one connection at a time, seldom, and each register once. What tells a model for sure is asked
for first and ends the search; where several models look alike, all of them are named.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from itertools import groupby
from typing import Self

from ..declarative.link import LinkError, LinkFault
from ..declarative.profile import (
    Fingerprint,
    ModbusTransport,
    Profile,
    ReadingSpec,
    Register,
    Role,
    Scalar,
    Space,
    Type,
)
from ..declarative.transform import UnmappedError, decode
from . import registers
from .address import ModbusAddress, own_line
from .asking import Asker
from .link import Units, mismatch
from .planning import place

MOST_ADDRESSES = 256
AT_ONCE = 16
SPACING_S = 0.1
TIMEOUT_S = 1.0

_DESCRIBING = (Role.VENDOR, Role.MODEL, Role.SERIAL, Role.FIRMWARE)
_NOT_THIS = frozenset((LinkFault.NOT_SUPPORTED, LinkFault.GARBLED))
_SUNSPEC = (0x5375, 0x6E53)
"""What inverters and meters have at holding register 40000; it spells SunS."""

type Line = Callable[[ModbusAddress], AbstractAsyncContextManager[Units]]
"""Gives the units at an address for as long as the context is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A box. `profiles` are the ids of those that fit: one if its identity is sure."""

    address: ModbusAddress
    profiles: tuple[str, ...]
    sure: bool
    told: Mapping[Role, Scalar] = field(default_factory=dict)
    """What of vendor, model, serial number and firmware it told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a scan is, and what the host that it has just finished with turned out to be."""

    done: int
    total: int
    host: str
    found: Found | None


def hosts_of(networks: Iterable[str]) -> list[str]:
    """Return the addresses of hosts or networks (192.168.1.0/24), each once.

    ValueError if there are more than 256, one is public, or a text is neither.
    """
    hosts: dict[str, None] = {}
    for text in networks:
        network = ip_network(text.strip(), strict=False)
        if network.num_addresses > MOST_ADDRESSES:
            raise ValueError(f"{text} has more than {MOST_ADDRESSES} addresses")
        if not network.is_private:
            raise ValueError(f"{text} is not a private network")
        hosts |= dict.fromkeys(map(str, network.hosts()))
    if len(hosts) > MOST_ADDRESSES:
        raise ValueError(f"{len(hosts)} are more than {MOST_ADDRESSES} addresses")
    return sorted(hosts, key=lambda host: (ip_address(host).version, ip_address(host)))


async def scan(
    hosts: Sequence[str],
    profiles: Iterable[Profile],
    *,
    line: Line = own_line,
    at_once: int = AT_ONCE,
    port: int | None = None,
) -> AsyncIterator[Progress]:
    """Look for boxes of these profiles; ends early when the generator is closed.

    `port` is where to look instead of at each profile's own.
    """
    tests = _tests(profiles, port)
    turn = asyncio.Semaphore(at_once)

    async def one(host: str) -> tuple[str, Found | None]:
        async with turn:
            return host, await _look(host, tests, line)

    tasks = [asyncio.create_task(one(host)) for host in hosts]
    try:
        for done, task in enumerate(asyncio.as_completed(tasks), 1):
            host, found = await task
            yield Progress(done=done, total=len(tasks), host=host, found=found)
    finally:
        for each in tasks:
            each.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Test:
    """What to ask for a profile, at a port."""

    profile: Profile
    transport: ModbusTransport
    fingerprint: Fingerprint
    port: int

    @property
    def order(self) -> tuple[int, bool, bool, str]:
        """Names before numbers, and what only looks like it last."""
        texts = (Type.ASCII, Type.UTF16)
        kinds = [
            source.type
            for role in self.fingerprint.matches
            if isinstance(source := self.profile.readings[role].source, Register)
        ]
        numbers = not any(kind in texts for kind in kinds)
        return self.port, not self.fingerprint.identity, numbers, self.profile.id


def _tests(profiles: Iterable[Profile], port: int | None) -> list[_Test]:
    tests = [
        _Test(
            profile=profile,
            transport=profile.transport,
            fingerprint=profile.fingerprint,
            port=profile.transport.port if port is None else port,
        )
        for profile in profiles
        if isinstance(profile.transport, ModbusTransport)
        and "tcp" in profile.transport.kinds
        and profile.fingerprint is not None
        and all(_readable(profile, role) for role in profile.fingerprint.matches)
    ]
    return sorted(tests, key=lambda test: test.order)


def _readable(profile: Profile, role: Role) -> bool:
    """Whether it may be asked for in a search: by functions 3 and 4 only."""
    spec = profile.readings.get(role)
    source = None if spec is None else spec.source
    return isinstance(source, Register) and source.space in (Space.HOLDING, Space.INPUT)


async def _look(host: str, tests: list[_Test], line: Line) -> Found | None:
    for port, at_port in groupby(tests, key=lambda test: test.port):
        address = ModbusAddress(host=host, port=port)
        try:
            async with line(address) as units, _Host(units) as asked:
                if (found := await _identify(address, list(at_port), asked)) is not None:
                    return found
        except LinkError as err:
            if err.fault is not LinkFault.REFUSED:  # nobody there at all, or nothing for us
                return None
    return None


async def _identify(address: ModbusAddress, tests: list[_Test], asked: _Host) -> Found | None:
    alike: list[_Test] = []
    told: dict[Role, Scalar] = {}
    for test in tests:
        if not test.fingerprint.identity and not alike and await asked.is_inverter():
            return None
        values = await asked.values(test, [*test.fingerprint.matches, *test.fingerprint.excludes])
        if values is None or mismatch(test.fingerprint, values) is not None:
            continue
        if test.fingerprint.identity:
            return await _found(address, [test], asked)
        alike.append(test)
        told |= values
    return await _found(address, alike, asked) if alike else None


async def _found(address: ModbusAddress, tests: list[_Test], asked: _Host) -> Found:
    told = await asked.values(tests[0], _DESCRIBING) or {}
    return Found(
        address=address,
        profiles=tuple(test.profile.id for test in tests),
        sure=tests[0].fingerprint.identity,
        told={role: value for role, value in told.items() if role in _DESCRIBING},
    )


class _Host:
    """One connection to a host, which is asked for each register once."""

    def __init__(self, units: Units) -> None:
        self._units = units
        self._stack = AsyncExitStack()
        self._askers: dict[int, Asker] = {}
        self._silent: set[int] = set()
        self._answers: dict[tuple[int, Register], list[int] | None] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def is_inverter(self) -> bool:
        register = Register(space=Space.HOLDING, address=40_000, type=Type.U32)
        return await self._ask(1, register) == list(_SUNSPEC)

    async def values(self, test: _Test, roles: Iterable[Role]) -> dict[Role, Scalar] | None:
        """Return what it tells of these roles; None if the unit keeps silent.

        Raises `LinkError` if nobody is there.
        """
        values: dict[Role, Scalar] = {}
        for role in roles:
            if role in values or not _readable(test.profile, role):
                continue
            spec: ReadingSpec = test.profile.readings[role]
            if not isinstance(spec.source, Register):
                continue
            unit, register = place(spec.source, 0 if spec.station else 1, test.transport)
            words = await self._ask(unit, register)
            if unit in self._silent:
                return None
            if words is None:
                continue
            try:
                raw = registers.decode(register, words)
                value = None if raw is None else decode(spec.transform, raw)
            except UnmappedError as err:
                value = err.raw
            if value is not None:
                values[role] = value
        return values

    async def _ask(self, unit: int, register: Register) -> list[int] | None:
        key = (unit, register)
        if key in self._answers or unit in self._silent:
            return self._answers.get(key)
        if unit not in self._askers:
            given = await self._stack.enter_async_context(self._units(unit))
            asker = Asker(given, unit, spacing_s=SPACING_S, timeout_s=TIMEOUT_S)
            self._stack.callback(asker.release)
            self._askers[unit] = asker
        asker = self._askers[unit]
        words: list[int] | None = None
        try:
            words = await asker.read(register.space, register.address, registers.width(register))
        except LinkError as err:
            if err.fault is LinkFault.REFUSED or not (asker.connected or self._answers):
                raise
            if err.fault not in _NOT_THIS:
                self._silent.add(unit)
        self._answers[key] = words
        return words
