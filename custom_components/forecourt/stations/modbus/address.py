"""Where a box is on Modbus, and how to get there."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Literal

from modbus_connection import (
    ModbusError,
    ModbusSerialParams,
    ModbusTcpParams,
    ModbusUdpParams,
    ModbusUnit,
)

type Params = ModbusTcpParams | ModbusUdpParams | ModbusSerialParams
type Kind = Literal["tcp", "rtu_over_tcp", "udp", "serial"]

_SOCKET_BAUDRATE = 115200
"""What Home Assistant gives a serial line that is carried by TCP, so that both share it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModbusAddress:
    """A line to one or more boxes; `host` is the device's path where `kind` is serial."""

    host: str
    kind: Kind = "tcp"
    port: int = 502
    baudrate: int = 19200
    parity: Literal["N", "E", "O"] = "N"
    stopbits: Literal[1, 2] = 1

    @property
    def params(self) -> Params:
        """What a backend of `modbus_connection` is made from."""
        match self.kind:
            case "tcp":
                return ModbusTcpParams(host=self.host, port=self.port)
            case "udp":
                return ModbusUdpParams(host=self.host, port=self.port)
            case "rtu_over_tcp":
                host = f"[{self.host}]" if ":" in self.host else self.host
                return ModbusSerialParams(
                    device=f"socket://{host}:{self.port}", baudrate=_SOCKET_BAUDRATE
                )
            case "serial":
                return ModbusSerialParams(
                    device=self.host,
                    baudrate=self.baudrate,
                    parity=self.parity,
                    stopbits=self.stopbits,
                )


@asynccontextmanager
async def own_line(
    address: ModbusAddress, *, timeout_s: float | None = None
) -> AsyncIterator[Callable[[int], AbstractAsyncContextManager[ModbusUnit]]]:
    """Give the units of a connection of one's own, for what runs without Home Assistant."""
    # There, another backend is loaded already; nobody else needs this one.
    from modbus_connection.pymodbus import ModbusConnection  # noqa: PLC0415

    connection = ModbusConnection(address.params, timeout=timeout_s)

    @asynccontextmanager
    async def unit(unit_id: int) -> AsyncIterator[ModbusUnit]:
        yield connection.for_unit(unit_id)

    try:
        yield unit
    finally:
        # One that cannot be closed is closed by the other side.
        with suppress(ModbusError):
            await connection.close()
