"""One request to a box, and what it means when it fails."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from modbus_connection import (
    ExceptionCode,
    ModbusConnectionError,
    ModbusError,
    ModbusExceptionError,
    ModbusProtocolError,
    ModbusTimeoutError,
    ModbusUnit,
)

from ..declarative.link import LinkError, LinkFault
from ..declarative.profile import Space

_FAULTS = {
    ExceptionCode.ILLEGAL_FUNCTION: LinkFault.NOT_SUPPORTED,
    ExceptionCode.ILLEGAL_DATA_ADDRESS: LinkFault.NOT_SUPPORTED,
    ExceptionCode.ILLEGAL_DATA_VALUE: LinkFault.NOT_SUPPORTED,
    ExceptionCode.SERVER_DEVICE_FAILURE: LinkFault.BUSY,
    ExceptionCode.ACKNOWLEDGE: LinkFault.BUSY,
    ExceptionCode.SERVER_DEVICE_BUSY: LinkFault.BUSY,
    ExceptionCode.MEMORY_PARITY_ERROR: LinkFault.GARBLED,
    ExceptionCode.GATEWAY_PATH_UNAVAILABLE: LinkFault.WRONG_UNIT,
    ExceptionCode.GATEWAY_TARGET_DEVICE_FAILED_TO_RESPOND: LinkFault.WRONG_UNIT,
}
_NO_ACCESS = frozenset(
    (
        ExceptionCode.ILLEGAL_FUNCTION,
        ExceptionCode.ILLEGAL_DATA_ADDRESS,
        ExceptionCode.SERVER_DEVICE_FAILURE,
    )
)
"""What boxes answer to writes when their owner has not allowed control from outside."""

_PATIENCE_S = 10.0
"""How long a request may wait for those of others, and a box may say that it is busy.

A backend repeats what is answered so for a minute, and keeps the line for it all the while.
"""


class Asker:
    """A unit, whose failures are `LinkError`s."""

    def __init__(
        self, unit: ModbusUnit, unit_id: int, *, spacing_s: float, timeout_s: float
    ) -> None:
        """Ask this unit, at its pace; `unit_id` is for what is told of failures."""
        self._unit = unit
        self.unit_id = unit_id
        self._losses = 0
        self._patience_s = _PATIENCE_S + timeout_s
        unit.require_timeout(timeout_s)
        unit.set_message_spacing(spacing_s)
        self._forget = unit.on_connection_lost(self._lost)

    def release(self) -> None:
        """Withdraw what this unit asked of the shared connection."""
        self._forget()
        self._unit.require_timeout(None)
        self._unit.set_message_spacing(0)

    @property
    def connected(self) -> bool:
        """Whether the connection stands."""
        return self._unit.connected

    async def disconnect(self) -> None:
        """Drop a connection over which nothing is answered; the next request makes a new one."""
        async with self._told(f"unit {self.unit_id}"):
            await self._unit.disconnect()

    async def read(self, space: Space, address: int, count: int) -> list[int]:
        """Return this many registers or bits. Raises `LinkError`."""
        asks: dict[Space, Callable[[int, int], Awaitable[Sequence[int]]]] = {
            Space.HOLDING: self._unit.read_holding_registers,
            Space.INPUT: self._unit.read_input_registers,
            Space.COIL: self._unit.read_coils,
            Space.DISCRETE: self._unit.read_discrete_inputs,
        }
        async with self._told(f"unit {self.unit_id}, {space} {address}+{count}"):
            words = [int(word) for word in await asks[space](address, count)]
        if len(words) != count:
            detail = (
                f"unit {self.unit_id} answered {len(words)} values for {space} {address}+{count}"
            )
            raise LinkError(LinkFault.GARBLED, detail)
        return words

    async def write(self, function: int, address: int, words: list[int]) -> None:
        """Write by function 5, 6, 15 or 16. Raises `LinkError`, ValueError for another one."""
        what = f"unit {self.unit_id}, function {function} at {address}"
        async with self._told(what, writing=True):
            match function, words:
                case 5, [word]:
                    await self._unit.write_coil(address, bool(word))
                case 6, [word]:
                    await self._unit.write_register(address, word)
                case 15, _:
                    await self._unit.write_coils(address, [bool(word) for word in words])
                case 16, _:
                    await self._unit.write_registers(address, words)
                case _:
                    raise ValueError(f"function {function} does not write {len(words)} values")

    def _lost(self) -> None:
        self._losses += 1

    @asynccontextmanager
    async def _told(self, what: str, *, writing: bool = False) -> AsyncIterator[None]:
        losses = self._losses
        try:
            async with asyncio.timeout(self._patience_s):
                yield
        except ModbusExceptionError as err:
            raise _refusal(err, what, writing=writing) from err
        except (TimeoutError, ModbusConnectionError) as err:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                # A backend takes the cancellation of who asks for a failed request.
                raise asyncio.CancelledError from err
            if self._losses != losses:
                # Boxes that talk to one client only hang up on the second.
                raise LinkError(LinkFault.BUSY, f"{what}: the box hung up") from err
            if isinstance(err, ModbusTimeoutError):
                raise LinkError(LinkFault.TIMEOUT, f"{what}: no answer") from err
            if isinstance(err, TimeoutError):
                raise LinkError(LinkFault.BUSY, f"{what}: it, or its line, was busy") from err
            raise LinkError(LinkFault.REFUSED, f"{what}: no connection") from err
        except ModbusProtocolError as err:
            raise LinkError(LinkFault.GARBLED, f"{what}: {type(err).__name__}") from err
        except ModbusError as err:
            raise LinkError(LinkFault.GARBLED, f"{what}: {err}") from err


def _refusal(err: ModbusExceptionError, what: str, *, writing: bool) -> LinkError:
    code = err.exception_code
    detail = f"{what}: exception {code}"
    if code is not None and code in ExceptionCode:
        known = ExceptionCode(code)
        detail = f"{what}: exception {known:d} ({known.name.lower().replace('_', ' ')})"
        if writing and known in _NO_ACCESS:
            return LinkError(LinkFault.WRITE_ACCESS, detail)
        return LinkError(_FAULTS[known], detail)
    return LinkError(LinkFault.GARBLED, detail)
