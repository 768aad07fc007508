"""A Modbus server that is nothing but tables of registers, and misbehaves when asked to.

In a test::

    async with RegisterServer({1: Tables(holding={1000: 3})}) as server:
        ...                                   # talk to 127.0.0.1:server.port
        server.units[1].holding[1000] = 2
        assert server.requests[-1].address == 1000
        server.fault = Fault(silent=True)

What is not in a table does not exist (exception 2). `before_read` may bring a table up to date,
`on_write` may take what is written (`TAKEN`), or refuse it by the number of an exception.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

from pymodbus import FramerType
from pymodbus.constants import ExcCodes
from pymodbus.exceptions import NoSuchIdException
from pymodbus.server import ModbusTcpServer, ModbusUdpServer
from pymodbus.simulator import DataType, SimData, SimDevice

TAKEN = 0
"""What `on_write` returns when it is done with a write; None leaves it to the tables."""

_LOCAL = "127.0.0.1"
_BUSY = 6


class Table(StrEnum):
    """The four tables of Modbus."""

    HOLDING = "holding"
    INPUT = "input"
    COIL = "coil"
    DISCRETE = "discrete"


_READS = {1: Table.COIL, 2: Table.DISCRETE, 3: Table.HOLDING, 4: Table.INPUT}
_WRITES = {5: Table.COIL, 15: Table.COIL, 6: Table.HOLDING, 16: Table.HOLDING}


@dataclass(slots=True)
class Tables:
    """What one unit has, by address: words of 16 bits, or bits."""

    holding: dict[int, int] = field(default_factory=dict)
    input: dict[int, int] = field(default_factory=dict)
    coil: dict[int, int] = field(default_factory=dict)
    discrete: dict[int, int] = field(default_factory=dict)

    def table(self, which: Table) -> dict[int, int]:
        """Return one of them, to be changed in place."""
        tables: dict[int, int] = getattr(self, which.value)
        return tables


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked for; `values` are what it wrote."""

    unit: int
    function: int
    address: int
    count: int
    values: tuple[int, ...] | None = None

    @property
    def table(self) -> Table:
        """Return which table it is about."""
        return {**_READS, **_WRITES}[self.function]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """How a server misbehaves.

    `silent`: it does not answer, or only these units do not;
    `silent_at`: not to requests that touch these addresses. `exception`: it answers everything
    with that number; `exceptions` only requests that touch the address in any table. `busy`: so
    many requests are answered by exception 6. `short`: answers lack their last value. `garbage`:
    these bytes are sent instead of an answer. `hang_up`: it closes the connection instead of
    answering. `delay_s`: answers come so late.
    """

    silent: bool | frozenset[int] = False
    silent_at: frozenset[int] = frozenset()
    exception: int | None = None
    exceptions: dict[int, int] = field(default_factory=dict)
    busy: int = 0
    short: bool = False
    garbage: bytes | None = None
    hang_up: bool = False
    delay_s: float = 0.0


class RegisterServer:
    """A server on an address of this machine; an asynchronous context manager.

    `kind` is tcp, rtu_over_tcp or udp. `max_registers` is what a request may read at most (else
    exception 3), `max_clients` how many connections there may be (the next one is closed). A unit
    that does not exist is silent, or answered by exception 11 like a gateway's (`gateway`).
    """

    def __init__(
        self,
        units: dict[int, Tables],
        *,
        host: str = _LOCAL,
        port: int = 0,
        kind: str = "tcp",
        max_registers: int = 125,
        max_clients: int | None = None,
        gateway: bool = False,
    ) -> None:
        """ValueError for an unknown kind."""
        if kind not in ("tcp", "rtu_over_tcp", "udp"):
            raise ValueError(f"kind must be tcp, rtu_over_tcp or udp, not {kind!r}")
        self.units = units
        self.host = host
        self.port = port
        """Where it listens; 0 before `start` means any free port."""
        self.requests: list[Request] = []
        self.connections = 0
        """How many there have been."""
        self.fault = Fault()
        self.before_read: Callable[[int], None] = lambda _: None
        self.on_write: Callable[[Request], int | None] = lambda _: None
        self._kind = kind
        self._max_registers = max_registers
        self._max_clients = max_clients
        self._gateway = gateway
        self._busy = 0
        self._server: Any = None

    @property
    def writes(self) -> list[Request]:
        """Return what was written."""
        return [request for request in self.requests if request.values is not None]

    @property
    def clients(self) -> int:
        """Return how many are connected."""
        return 0 if self._server is None else len(self._server.active_connections)

    async def start(self) -> None:
        """Listen; RuntimeError if the port is taken."""
        nothing = SimDevice(0, simdata=[SimData(0, count=1, datatype=DataType.REGISTERS)])
        kind = ModbusUdpServer if self._kind == "udp" else ModbusTcpServer
        self._server = kind(
            nothing,
            framer=FramerType.RTU if self._kind == "rtu_over_tcp" else FramerType.SOCKET,
            address=(self.host, self.port),
            ignore_missing_devices=True,
            trace_packet=self._packet,
            trace_connect=self._connected,
        )
        self._server.context = self
        await self._server.serve_forever(background=True)
        transport = self._server.transport
        sockets = getattr(transport, "sockets", None) or [transport.get_extra_info("socket")]
        self.port = sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close all connections and stop listening."""
        if self._server is not None:
            await self._server.shutdown()
            self._server = None

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop."""
        await self.stop()

    def hang_up(self) -> None:
        """Close all connections."""
        for connection in list(self._server.active_connections.values()):
            connection.close()

    # What follows is called by pymodbus, in place of its own tables.

    def device_ids(self) -> list[int]:
        """Return the units, as pymodbus wants it for a line of several boxes."""
        return list(self.units)

    async def async_getValues(  # noqa: N802 - the name is pymodbus'
        self, device_id: int, func_code: int, address: int, count: int = 1
    ) -> list[int] | list[bool] | ExcCodes:
        """Return what is read, or the exception that answers it."""
        if func_code in _WRITES:  # a write of one value is answered by what was written
            return list(self.requests[-1].values or ())
        request = Request(device_id, func_code, address, count)
        self.requests.append(request)
        if (refused := await self._refused(request)) is not None:
            return ExcCodes(refused)
        if func_code not in _READS:
            return ExcCodes.ILLEGAL_FUNCTION
        if func_code in (3, 4) and count > self._max_registers:
            return ExcCodes.ILLEGAL_VALUE
        self.before_read(device_id)
        table = self.units[device_id].table(request.table)
        addresses = range(address, address + count)
        if any(each not in table for each in addresses):
            return ExcCodes.ILLEGAL_ADDRESS
        values = [table[each] for each in addresses]
        if self.fault.short:
            values = values[:-1]
        return [bool(value) for value in values] if func_code in (1, 2) else values

    async def async_setValues(  # noqa: N802 - the name is pymodbus'
        self, device_id: int, func_code: int, address: int, values: list[int] | list[bool]
    ) -> ExcCodes | None:
        """Take what is written, or return the exception that answers it."""
        told = tuple(int(value) for value in values)
        request = Request(device_id, func_code, address, len(told), told)
        self.requests.append(request)
        if (refused := await self._refused(request)) is not None:
            return ExcCodes(refused)
        if func_code not in _WRITES:
            return ExcCodes.ILLEGAL_FUNCTION
        if (code := self.on_write(request)) is not None:
            return ExcCodes(code) if code else None
        table = self.units[device_id].table(request.table)
        if any(each not in table for each in range(address, address + len(told))):
            return ExcCodes.ILLEGAL_ADDRESS
        table.update(enumerate(told, address))
        return None

    async def _refused(self, request: Request) -> int | None:
        """Return the exception that a fault or a missing unit is answered by."""
        fault = self.fault
        if fault.delay_s:
            await asyncio.sleep(fault.delay_s)
        silent = fault.silent
        touched = range(request.address, request.address + request.count)
        if silent is True or (silent and request.unit in silent):
            raise NoSuchIdException
        if not fault.silent_at.isdisjoint(touched):
            raise NoSuchIdException
        if request.unit not in self.units:
            if self._gateway:
                return ExcCodes.GATEWAY_NO_RESPONSE
            raise NoSuchIdException
        if fault.exception is not None:
            return fault.exception
        if self._busy < fault.busy:
            self._busy += 1
            return _BUSY
        self._busy = 0 if fault.busy == 0 else self._busy
        return next((code for at, code in fault.exceptions.items() if at in touched), None)

    def _packet(self, sending: bool, packet: bytes) -> bytes:
        if not sending:
            return packet
        if self.fault.hang_up:
            self.hang_up()
            return b""
        return packet if self.fault.garbage is None else self.fault.garbage

    def _connected(self, connected: bool) -> None:
        if not connected:
            return
        self.connections += 1
        if self._max_clients is not None and self.clients > self._max_clients:
            newest = list(self._server.active_connections.values())[-1]
            asyncio.get_running_loop().call_soon(newest.close)
