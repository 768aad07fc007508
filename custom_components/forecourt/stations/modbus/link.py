"""A wallbox that is reached by Modbus, as a declarative station's link."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
import logging
import re

from modbus_connection import ModbusUnit

from ..declarative.firmware import within
from ..declarative.link import LinkError, LinkFault, Sample
from ..declarative.profile import (
    Fingerprint,
    ModbusTransport,
    Order,
    OrderSpec,
    Profile,
    ReadingSpec,
    Register,
    Role,
    Scalar,
    Write,
)
from ..declarative.transform import UnmappedError, decode, encode
from . import registers
from .asking import Asker
from .planning import Block, place, plan, wanted
from .turns import Pace, Turn, Turns, planned

type Units = Callable[[int], AbstractAsyncContextManager[ModbusUnit]]
"""Gives the unit of an id, for as long as the context is open."""

_LOGGER = logging.getLogger(__name__)
_TELLING = (
    LinkFault.REFUSED,
    LinkFault.WRONG_UNIT,
    LinkFault.BUSY,
    LinkFault.GARBLED,
    LinkFault.TIMEOUT,
    LinkFault.NOT_SUPPORTED,
)
"""Faults by how much they tell of why nothing was answered."""
_SILENT = frozenset((LinkFault.TIMEOUT,))
_BAFFLED = frozenset((LinkFault.TIMEOUT, LinkFault.BUSY, LinkFault.GARBLED))
"""What a box may do that is asked for a block it does not give."""
_UNANSWERED = frozenset((LinkFault.TIMEOUT, LinkFault.REFUSED, LinkFault.WRONG_UNIT))


class ModbusLink:
    """One box over units of a Modbus connection that others may use too."""

    def __init__(
        self, profile: Profile, units: Units, *, outlets: int = 1, firmware: str | None = None
    ) -> None:
        """Make a link that opens later; `firmware` where the box does not tell it.

        ValueError if the profile is not one for Modbus.
        """
        if not isinstance(profile.transport, ModbusTransport):
            raise ValueError(f"the profile {profile.id} is not for Modbus")  # noqa: TRY004 - of a file
        self._profile = profile
        self._transport = profile.transport
        self._units = units
        self._outlets = range(1, outlets + 1)
        self.firmware = firmware
        self._stack = AsyncExitStack()
        self._askers: dict[int, Asker] = {}
        self._turns = Turns((), outlets=outlets)
        self._answers: frozenset[int] = frozenset()
        self._lock = asyncio.Lock()

    @property
    def connected(self) -> bool:
        """Whether it could be read lately."""
        return bool(self._answers)

    async def open(self) -> None:
        """Take the units, see that it is the right box, and learn what it has."""
        async with self._lock:
            await self._close()
            try:
                await self._open()
            except BaseException:
                await self._close()
                raise

    async def close(self) -> None:
        """Give the units back."""
        async with self._lock:
            await self._close()

    def has(self, what: Role | Order) -> bool:
        """Whether the box has it, as far as this is known before `open`."""
        if isinstance(what, Order):
            spec = self._profile.orders.get(what)
            return spec is not None and self._applies(spec)
        if self._askers:
            return any(what in turn.roles for turn in self._turns.all)
        reading = self._profile.readings.get(what)
        return reading is not None and self._applies(reading)

    async def read(self, *, slow: bool = False) -> Sample:
        """Return what the box tells; what fails of it is among the faults of the sample.

        Slow readings take turns, and stand until they are read again; `slow` reads all of them.
        """
        async with self._lock:
            if not self._askers:
                raise LinkError(LinkFault.REFUSED, "not open")
            return await self._read(self._turns.everything() if slow else self._turns.next())

    async def tell(self, order: Order, value: Scalar | None = None, *, outlet: int = 1) -> None:
        """Write what the profile says, one after the other."""
        spec = self._profile.orders.get(order)
        if spec is None or not self._applies(spec):
            raise LinkError(LinkFault.NOT_SUPPORTED, f"{self._profile.id} has no {order}")
        async with self._lock:
            # What it told of this so far is over, whatever becomes of it.
            self._turns.forget(_shown_by(spec))
            for number, write in enumerate(spec.writes):
                if number and spec.writes[number - 1].delay_s:
                    await asyncio.sleep(spec.writes[number - 1].delay_s)
                await self._write(order, write, value, outlet)

    def on_news(self, news: Callable[[], None]) -> Callable[[], None]:
        """Return what does nothing: by Modbus no box tells anything by itself."""
        return lambda: None

    async def _open(self) -> None:
        for unit_id in sorted(self._unit_ids()):
            unit = await self._stack.enter_async_context(self._units(unit_id))
            asker = Asker(
                unit,
                unit_id,
                spacing_s=self._transport.spacing_s,
                timeout_s=self._transport.timeout_s,
            )
            self._stack.callback(asker.release)
            self._askers[unit_id] = asker
        readings = self._profile.readings
        fingerprint = self._profile.fingerprint or Fingerprint(matches={})
        first = {Role.FIRMWARE, *fingerprint.matches, *fingerprint.excludes} & readings.keys()
        told = await self._identify([readings[role] for role in Role if role in first])
        if (firmware := told.get(Role.FIRMWARE)) is not None:
            self.firmware = spelled(firmware)
        if (wrong := mismatch(fingerprint, told)) is not None:
            raise LinkError(LinkFault.WRONG_MODEL, wrong)
        here = [spec for spec in readings.values() if self._applies(spec)]
        turns = [
            Turn(block, turn.pace)
            for turn in planned(here, self._outlets, self._transport)
            for block in await self._settled([turn.block])
        ]
        self._turns = Turns(turns, outlets=len(self._outlets))

    def _applies(self, spec: ReadingSpec | OrderSpec) -> bool:
        return within(self.firmware, spec.from_firmware, spec.to_firmware)

    def _unit_ids(self) -> set[int]:
        specs = self._profile.readings.values()
        writes = [write for order in self._profile.orders.values() for write in order.writes]
        targets = [each.target for each in writes] + [spec.source for spec in specs]
        return {
            place(target, outlet, self._transport)[0]
            for target in targets
            if isinstance(target, Register)
            for outlet in self._outlets
        } | {value.unit for value in wanted(specs, self._outlets, self._transport)}

    async def _identify(self, specs: Iterable[ReadingSpec]) -> dict[Role, Scalar]:
        """Return what tells the model; what the box refuses to tell is missing."""
        blocks = plan(wanted(specs, self._outlets[:1], self._transport), self._transport)
        blocks = await self._settled(blocks, all_optional=True)
        sample = await self._read([Turn(block, Pace.OFTEN) for block in blocks])
        values = {**sample.outlets.get(1, {}), **sample.station, **sample.unknown}
        return {role: value for role, value in values.items() if value is not None}

    async def _settled(self, blocks: list[Block], *, all_optional: bool = False) -> list[Block]:
        """Return these blocks without what the box refuses.

        What is refused as a block is asked for in smaller ones: between two values that a box
        has may be one that it has not, and neither may it have all that are optional.
        """
        settled: list[Block] = []
        rest = blocks[::-1]
        while rest:
            block = rest.pop()
            if await self._exists(block):
                settled.append(block)
            elif len(block.values) > 1:
                middle = len(block.values) // 2
                halves = (block.values[:middle], block.values[middle:])
                rest += [
                    each for half in halves[::-1] for each in plan(half, self._transport)[::-1]
                ]
            elif all_optional or block.values[0].spec.optional:
                _LOGGER.debug("%s has no %s", self._profile.id, block.values[0].spec.role)
            else:
                settled.append(block)
        return settled

    async def _exists(self, block: Block) -> bool:
        """Return whether the box answers to this block. Raises `LinkError` if to none."""
        for _ in range(2):
            try:
                await self._ask(block)
            except LinkError as err:
                if err.fault is LinkFault.NOT_SUPPORTED:
                    return False
                # Some boxes keep silent about what they do not have, or hang up on who asks for
                # too much. Once is chance.
                several = len(block.values) > 1
                if err.fault not in (_BAFFLED if several else _SILENT):
                    raise
                if block.unit not in self._answers:
                    if not several:
                        raise
                    # It lives if it answers to the first of them.
                    await self._ask(plan(block.values[:1], self._transport)[0])
            else:
                return True
        return False

    async def _read(self, turns: Sequence[Turn]) -> Sample:
        """Return what these requests tell, and what others told last.

        Raises `LinkError` if none was answered.
        """
        gathered = _Gathered(self._outlets)
        dead: dict[int, LinkError] = {}
        answers: set[int] = set()
        for turn in turns:
            block, turn.words = turn.block, None
            try:
                if block.unit in dead:
                    raise dead[block.unit]
                turn.words = await self._ask(block)
            except LinkError as err:
                if err.fault in _UNANSWERED and block.unit not in answers:
                    # The rest of this unit would be waited for in vain.
                    dead[block.unit] = err
                gathered.failed(block, err)
            else:
                answers.add(block.unit)
        self._answers = frozenset(answers)
        if gathered.errors and not answers:
            raise await self._silence(gathered.errors)
        if dead and answers:
            gathered.blame(dead, LinkFault.WRONG_UNIT)
        for turn in dict.fromkeys((*self._turns.all, *turns)):
            if turn.words is not None:
                gathered.told(turn.block, turn.words)
        return gathered.sample()

    async def _silence(self, errors: list[LinkError]) -> LinkError:
        """Return why nothing was answered, and get rid of a connection that leads nowhere."""
        worst = min(errors, key=lambda err: _TELLING.index(err.fault))
        if worst.fault in (LinkFault.TIMEOUT, LinkFault.GARBLED):
            await next(iter(self._askers.values())).disconnect()
        return worst

    async def _ask(self, block: Block) -> list[int]:
        words = await self._askers[block.unit].read(block.space, block.address, block.count)
        self._answers |= {block.unit}
        return words

    async def _write(self, order: Order, write: Write, value: Scalar | None, outlet: int) -> None:
        told = value if write.value is None else write.value
        if told is None or not isinstance(write.target, Register) or write.function is None:
            raise LinkError(LinkFault.NOT_SUPPORTED, f"{order} needs a value")
        unit_id, register = place(write.target, outlet, self._transport)
        if unit_id not in self._askers:
            raise LinkError(LinkFault.REFUSED, "not open")
        try:
            raw = told if write.value is not None else encode(write.transform, told)
            words = registers.encode(register, raw)
            await self._askers[unit_id].write(write.function, register.address, words)
        except ValueError as err:
            raise LinkError(LinkFault.NOT_SUPPORTED, f"{order} {told}: {err}") from err

    async def _close(self) -> None:
        self._askers.clear()
        self._turns = Turns((), outlets=len(self._outlets))
        self._answers = frozenset()
        await self._stack.aclose()


def _shown_by(spec: OrderSpec) -> set[Role]:
    """Return the readings that an order changes."""
    roles = {Role.TOKEN} if spec.order is Order.FORGET_TOKEN else set()
    if spec.order.value in Role:
        roles.add(Role(spec.order.value))
    return roles if spec.read_back is None else roles | {spec.read_back}


class _Gathered:
    """A sample that comes together block by block."""

    def __init__(self, outlets: Iterable[int]) -> None:
        self._station: dict[Role, Scalar | None] = {}
        self._outlets: dict[int, dict[Role, Scalar | None]] = {outlet: {} for outlet in outlets}
        self._unknown: dict[Role, Scalar] = {}
        self._faults: dict[Role, LinkFault] = {}
        self.errors: list[LinkError] = []
        self._dead: dict[int, set[Role]] = {}

    def told(self, block: Block, words: list[int]) -> None:
        for value in block.values:
            role, at = value.spec.role, value.register.address - block.address
            try:
                raw = registers.decode(value.register, words[at : value.end - block.address])
                meaning = None if raw is None else decode(value.spec.transform, raw)
            except UnmappedError as err:
                self._unknown[role] = err.raw
                continue
            (self._outlets[value.outlet] if value.outlet else self._station)[role] = meaning

    def failed(self, block: Block, error: LinkError) -> None:
        self.errors.append(error)
        self._faults |= {value.spec.role: error.fault for value in block.values}
        if error.fault is LinkFault.TIMEOUT:
            self._dead.setdefault(block.unit, set()).update(
                value.spec.role for value in block.values
            )

    def blame(self, units: Iterable[int], fault: LinkFault) -> None:
        """Say of the roles of units that kept silent why, since others of the box did not."""
        self._faults |= {role: fault for unit in units for role in self._dead.get(unit, ())}

    def sample(self) -> Sample:
        return Sample(
            station=self._station,
            outlets=self._outlets,
            unknown=self._unknown,
            faults=self._faults,
        )


def mismatch(fingerprint: Fingerprint, told: Mapping[Role, Scalar]) -> str | None:
    """Return what shows that a box is of another model; None if it is of this one."""
    for role, pattern in fingerprint.matches.items():
        value = spelled(told.get(role))
        if value is None or re.search(pattern, value) is None:
            return f"{role} is {value!r}"
    for role, pattern in fingerprint.excludes.items():
        value = spelled(told.get(role))
        if value is not None and re.search(pattern, value) is not None:
            return f"{role} is {value!r}, which another model tells"
    return None


def spelled(value: Scalar | None) -> str | None:
    """Return a value as a fingerprint sees it: a whole number has no point."""
    whole = isinstance(value, float) and value.is_integer()
    return None if value is None else str(int(value) if whole else value)
