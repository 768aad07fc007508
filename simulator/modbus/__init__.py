"""Wallboxes that speak Modbus: registers behind a server, driven by the plant."""

from .server import Fault, RegisterServer, Request, Table, Tables

__all__ = ["Fault", "RegisterServer", "Request", "Table", "Tables"]
