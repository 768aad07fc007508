"""A central system for stations that speak OCPP over WebSocket (OCPP-J)."""

from .door import Cause, Knock, hash_password
from .link import Timing
from .server import CentralSystem, PortInUseError
from .station import OcppStation

__all__ = [
    "Cause",
    "CentralSystem",
    "Knock",
    "OcppStation",
    "PortInUseError",
    "Timing",
    "hash_password",
]
