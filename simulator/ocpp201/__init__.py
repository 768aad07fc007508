"""A charging station that speaks OCPP 2.0.1 and 2.1."""

from .config import Config201
from .outlet import Outlet
from .station import Ocpp201Station

__all__ = ["Config201", "Ocpp201Station", "Outlet"]
