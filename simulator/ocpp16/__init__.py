"""A charging station that speaks OCPP 1.6J."""

from .config import StationConfig
from .connector import Connector
from .station import Ocpp16Station

__all__ = ["Connector", "Ocpp16Station", "StationConfig"]
