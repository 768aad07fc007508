"""Where a box is on Modbus, and how to get there."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

from modbus_connection import (
    ModbusError,
    ModbusSerialParams,
    ModbusTcpParams,
    ModbusUdpParams,
    ModbusUnit,
)

from ..declarative.link import LinkError, LinkFault

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


class OwnLine:
    """A connection of one's own, for what runs without Home Assistant. Its `unit` gives units."""

    def __init__(self, address: ModbusAddress, *, timeout_s: float | None = None) -> None:
        """Connect later, at the first request."""
        # Only what runs without Home Assistant needs this one: there, another is loaded already.
        from modbus_connection.pymodbus import ModbusConnection  # noqa: PLC0415

        self._connection = ModbusConnection(address.params, timeout=timeout_s)

    @asynccontextmanager
    async def unit(self, unit_id: int) -> AsyncIterator[ModbusUnit]:
        """Give a unit of this line."""
        yield self._connection.for_unit(unit_id)

    async def close(self) -> None:
        """Close it for good. Raises `LinkError`."""
        try:
            await self._connection.close()
        except ModbusError as err:
            raise LinkError(LinkFault.GARBLED, str(err)) from err
