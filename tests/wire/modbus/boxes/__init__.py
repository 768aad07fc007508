"""Wallboxes made of registers, from the descriptions of their makers; see `box.py`."""

from . import controllers, european, homes, small, talkers
from .box import Box

BOXES: tuple[Box, ...] = (
    *european.BOXES,
    *controllers.BOXES,
    *talkers.BOXES,
    *homes.BOXES,
    *small.BOXES,
)
