"""Where Home Assistant looks for the dialogs; they are in `flows`."""

from .flows.site import ForecourtConfigFlow

__all__ = ["ForecourtConfigFlow"]
