"""A central system for stations that speak OCPP over WebSocket (OCPP-J)."""

from .credentials import SecurityProfile
from .door import MAX_PENDING, Cause, Knock
from .link import Timing
from .listener import PortInUseError
from .passwords import generate_password, hash_password
from .server import CentralSystem
from .station import OcppStation

__all__ = [
    "MAX_PENDING",
    "Cause",
    "CentralSystem",
    "Knock",
    "OcppStation",
    "PortInUseError",
    "SecurityProfile",
    "Timing",
    "generate_password",
    "hash_password",
]
