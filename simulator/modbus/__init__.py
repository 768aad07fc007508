"""Wallboxes that speak Modbus: registers behind a server, driven by the plant."""

from .faces import FACES
from .server import Fault, RegisterServer, Request, Table, Tables
from .station import ModbusConfig, ModbusStation

__all__ = [
    "FACES",
    "Fault",
    "ModbusConfig",
    "ModbusStation",
    "RegisterServer",
    "Request",
    "Table",
    "Tables",
]
